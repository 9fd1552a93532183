//! The window's bounds, its order, and what it repeats.

use super::*;

const C: ConversationId = ConversationId(1);

/// Messages 1, 2, 3 … of one conversation, each of `bytes`, until one is not sent.
fn fill(window: &mut Window, bytes: usize, now: Instant) -> Seq {
    (1..).find(|&seq| window.offer(C, seq, seq - 1, bytes, true, now) != Offer::Send).unwrap() - 1
}

/// What is read next, from where to where.
fn asked(window: &mut Window) -> Vec<(Seq, Seq)> {
    window.fetch().into_iter().map(|fetch| (fetch.from, fetch.upto)).collect()
}

#[test]
fn the_window_is_256_messages_or_256_kib() {
    let now = Instant::now();
    assert_eq!(fill(&mut Window::default(), 200, now), 256);
    assert_eq!(fill(&mut Window::default(), 4_096, now), 64);
}

#[test]
fn what_does_not_fit_is_read_from_the_store_in_order_when_acks_make_room() {
    let now = Instant::now();
    let mut window = Window::default();
    fill(&mut window, 200, now);
    assert_eq!(window.offer(C, 258, 258 - 1, 200, true, now), Offer::Later);
    assert_eq!(window.fetch(), [], "no room");
    assert_eq!(window.full_since(), Some(now));
    assert_eq!(window.ack(C, 10).reach(0, 10), 10);
    assert_eq!(window.full_since(), None);
    assert_eq!(window.offer(C, 259, 259 - 1, 200, true, now), Offer::Later, "first things first");
    assert!(window.is_tight());
    assert_eq!(window.fetch(), [], "more acks are on their way");
    window.loosen();
    assert_eq!(window.fetch(), [Fetch { conversation: C, from: 257, upto: 259, limit: 3 }]);
    assert_eq!(window.fetch(), [], "one reading at a time");
    for seq in 257..=259 {
        assert_eq!(window.fetched(C, seq, 200, true, now), Ok(Some(true)), "not seen before");
    }
    window.fetch_done(C, 260);
    assert!(window.is_level());
    assert_eq!(window.offer(C, 260, 260 - 1, 200, true, now), Offer::Send);
}

#[test]
fn what_was_acked_before_the_login_is_not_sent_where_it_comes_late() {
    let now = Instant::now();
    let mut window = Window::default();
    window.hold();
    window.begin(C, Behind::range(92, 93));
    assert_eq!(window.offer(C, 91, 90, 200, true, now), Offer::Skip, "while what is due is sent");
    assert_eq!(window.fetch(), [Fetch { conversation: C, from: 92, upto: 93, limit: 2 }]);
    for seq in 92..=93 {
        assert_eq!(window.fetched(C, seq, 200, true, now), Ok(Some(false)));
    }
    window.fetch_done(C, 94);
    window.release();
    assert!(window.is_level());
    assert_eq!(window.offer(C, 90, 89, 200, true, now), Offer::Skip, "and afterwards");
    assert_eq!(window.offer(C, 94, 93, 200, true, now), Offer::Send);
}

#[test]
fn what_is_being_read_has_its_room_before_what_comes() {
    let now = Instant::now();
    let mut window = Window::default();
    window.fall_behind(ConversationId(2), Behind::range(1, 100));
    assert!(window.admits(200, now), "nothing is read yet");
    assert_eq!(window.fetch().len(), 1);
    let admitted = (1..)
        .take_while(|&seq| window.admits(200, now) && window.offer(C, seq, seq - 1, 200, true, now) == Offer::Send);
    assert_eq!(admitted.count(), MESSAGES_MAX - A_FEW);
    assert_eq!(window.full_since(), None, "there is room, though not for this");
    for seq in 1..=A_FEW as Seq {
        assert!(matches!(window.fetched(ConversationId(2), seq, 200, true, now), Ok(Some(_))));
    }
    window.fetch_done(ConversationId(2), A_FEW as Seq + 1);
    assert!(!window.admits(200, now));
    assert_eq!(window.full_since(), Some(now));
    window.ack(C, 1);
    assert!(window.admits(200, now));
}

#[test]
fn while_what_is_due_at_login_is_sent_nothing_waits_for_room() {
    let now = Instant::now();
    let mut window = Window::default();
    fill(&mut window, 200, now);
    assert!(!window.admits(200, now));
    window.hold();
    assert!(window.admits(200, now), "it is held, and read from the store");
}

#[test]
fn a_list_of_single_messages_says_nothing_of_those_below() {
    let mut window = Window::default();
    window.begin(C, Behind { only: Some(BTreeSet::from([5])), ..Behind::range(5, 5) });
    assert_eq!(window.ack(C, 5).reach(0, 5), 0);
}

#[test]
fn a_window_that_was_full_is_read_for_when_there_is_room_for_many() {
    let now = Instant::now();
    let mut window = Window::default();
    fill(&mut window, 200, now);
    assert_eq!(window.offer(C, 258, 257, 200, true, now), Offer::Later);
    window.ack(C, 63);
    assert_eq!(window.fetch(), []);
    window.ack(C, 64);
    assert!(!window.is_tight());
    assert_eq!(window.fetch(), [Fetch { conversation: C, from: 257, upto: 258, limit: 2 }]);
    let mut window = Window::default();
    fill(&mut window, 4_096, now);
    window.ack(C, 15);
    assert!(window.is_tight(), "of bytes");
    window.ack(C, 16);
    assert!(!window.is_tight());
}

#[test]
fn a_window_full_of_bytes_is_not_read_for_again_before_an_ack() {
    let now = Instant::now();
    let mut window = Window::default();
    let frame = BYTES_MAX / 10 + 1;
    for seq in 1..=9 {
        assert_eq!(window.offer(C, seq, seq - 1, frame, true, now), Offer::Send);
    }
    assert_eq!(window.offer(C, 10, 10 - 1, frame, true, now), Offer::Later);
    assert_eq!(window.fetch(), [], "a tenth would not fit");
    window.ack(C, 1);
    window.loosen();
    assert!(!window.fetch().is_empty());
    assert_eq!(window.fetched(C, 10, frame, true, now), Ok(Some(true)));
    assert_eq!(window.offer(C, 11, 11 - 1, frame, true, now), Offer::Later);
    window.fetch_done(C, 11);
    assert!(!window.fetch().is_empty(), "not known yet to be full");
    assert_eq!(window.fetched(C, 11, frame, true, now), Err(Full));
    window.fetch_done(C, 11);
    assert_eq!(window.fetch(), [], "it would find the same");
}

#[test]
fn what_is_handed_over_while_the_store_is_read_is_not_taken_for_read() {
    let now = Instant::now();
    let mut window = Window::default();
    window.fall_behind(C, Behind::range(40, 40));
    assert!(!window.fetch().is_empty());
    window.hand_over(C, 1, 40);
    assert_eq!(window.fetched(C, 40, 100, true, now), Ok(Some(false)));
    window.fetch_done(C, 41);
    assert_eq!(window.ack(C, 40).reach(0, 40), 0, "1 to 39 have not been given");
    assert_eq!(asked(&mut window), [(1, 40)]);
    assert_eq!(window.fetched(C, 40, 100, true, now), Ok(None), "once");
}

#[test]
fn what_comes_during_the_flush_follows_it() {
    let now = Instant::now();
    let mut window = Window::default();
    window.hold();
    window.fall_behind(C, Behind::range(1, 2));
    assert_eq!(window.offer(C, 2, 2 - 1, 100, true, now), Offer::Later, "due already");
    assert_eq!(window.offer(C, 3, 3 - 1, 100, true, now), Offer::Later);
    assert_eq!(asked(&mut window), [(1, 2)]);
    assert_eq!(window.fetched(C, 1, 100, true, now), Ok(Some(false)));
    assert_eq!(window.fetched(C, 2, 100, true, now), Ok(Some(false)));
    window.fetch_done(C, 3);
    assert!(window.is_level(), "the flush is over");
    window.release();
    assert_eq!(asked(&mut window), [(2, 3)]);
    assert_eq!(window.fetched(C, 2, 100, true, now), Ok(None), "once");
    assert_eq!(window.fetched(C, 3, 100, true, now), Ok(Some(true)));
}

#[test]
fn only_what_the_list_has_is_due_to_an_agent() {
    let now = Instant::now();
    let mut window = Window::default();
    window.fall_behind(C, Behind { only: Some([2, 5].into()), ..Behind::range(2, 5) });
    let sent: Vec<Seq> = (1..=6).filter(|&seq| window.fetched(C, seq, 100, true, now) == Ok(Some(false))).collect();
    assert_eq!(sent, [2, 5]);
    window.fetch_done(C, 6);
    assert_eq!(window.ack(C, 5).reach(1, 5), 2, "3 and 4 were not given");
}

#[test]
fn the_oldest_sixteen_are_repeated_after_1_5_10_and_30_seconds() {
    let start = Instant::now();
    let mut window = Window::default();
    (1..=20).for_each(|seq| assert_eq!(window.offer(C, seq, seq - 1, 100, true, start), Offer::Send));
    let mut at = Vec::new();
    for second in 0..60 {
        let due = window.repeats(start + Duration::from_secs(second));
        if !due.is_empty() {
            assert_eq!(due, (1..=16).map(|seq| (C, seq)).collect::<Vec<_>>());
            at.push(second);
        }
    }
    assert_eq!(at, [1, 5, 10, 30]);
    assert_eq!(window.next_repeat(), None);
    window.ack(C, 16);
    let late = window.repeats(start + Duration::from_secs(60));
    assert_eq!(late, (17..=20).map(|seq| (C, seq)).collect::<Vec<_>>(), "their turn has come");
}

#[test]
fn copies_take_no_room_and_are_not_repeated() {
    let now = Instant::now();
    let mut window = Window::default();
    assert_eq!(window.offer(C, 1, 1 - 1, 100, false, now), Offer::Send);
    assert_eq!(window.offer(C, 1, 1 - 1, 100, false, now), Offer::Skip);
    assert_eq!(window.next_repeat(), None);
    assert_eq!(window.ack(C, 1).reach(0, 1), 1, "given all the same");
}

#[test]
fn what_was_settled_elsewhere_is_neither_sent_nor_repeated() {
    let now = Instant::now();
    let mut window = Window::default();
    fill(&mut window, 200, now);
    window.settle(C, 300);
    assert!(window.is_level());
    assert_eq!(window.next_repeat(), None);
    window.fall_behind(C, Behind::range(301, 400));
    window.forget(C);
    assert!(window.is_level());
}

#[test]
fn a_hole_is_read_from_the_store_before_what_lies_beyond_it() {
    let now = Instant::now();
    let mut window = Window::default();
    assert_eq!(window.offer(C, 5, 4, 100, true, now), Offer::Send, "the node has told all before");
    assert_eq!(window.offer(C, 8, 5, 100, true, now), Offer::Later, "6 and 7 are on their way from other nodes");
    assert_eq!(window.offer(C, 7, 6, 100, true, now), Offer::Later, "too late");
    assert_eq!(asked(&mut window), [(6, 8)]);
    let seqs: Vec<_> = (6..=8).map(|seq| window.fetched(C, seq, 100, true, now)).collect();
    assert_eq!(seqs, [Ok(Some(false)), Ok(Some(true)), Ok(Some(true))], "it is known of 7 and 8 that they are new");
    window.fetch_done(C, 9);
    assert_eq!(window.offer(C, 6, 5, 100, true, now), Offer::Skip);
    assert_eq!(window.offer(C, 9, 5, 100, true, now), Offer::Send, "what the session has been given is no hole");
    window.note(C, 11, 11);
    assert_eq!(
        window.offer(C, 12, 9, 100, true, now),
        Offer::Later,
        "10 is missing, though the session has written 11"
    );
    assert_eq!(asked(&mut window), [(10, 12)]);
    (10..=12).for_each(|seq| _ = window.fetched(C, seq, 100, true, now));
    window.fetch_done(C, 13);
    assert_eq!(window.offer(C, 16, 15, 100, true, now), Offer::Send, "13 to 15 were not for this session");
}

#[test]
fn handing_over_what_has_been_given_reads_nothing() {
    let now = Instant::now();
    let mut window = Window::default();
    (1..=3).for_each(|seq| assert_eq!(window.offer(C, seq, seq - 1, 100, true, now), Offer::Send));
    window.hand_over(C, 2, 3);
    assert!(window.is_level());
    window.hand_over(C, 2, 4);
    assert_eq!(asked(&mut window), [(4, 4)]);
    assert_eq!(window.fetched(C, 4, 100, true, now), Ok(Some(false)));
}

#[test]
fn several_conversations_are_read_at_once_as_far_as_there_is_room() {
    let (now, [first, second, third]) = (Instant::now(), [1, 2, 3].map(ConversationId));
    let mut window = Window::default();
    window.fall_behind(first, Behind::range(1, 10));
    window.fall_behind(second, Behind::range(5, 204));
    window.fall_behind(third, Behind::range(1, 1));
    let part = |conversation, from, upto, limit| Fetch { conversation, from, upto, limit };
    assert_eq!(window.fetch(), [part(first, 1, 10, 10), part(second, 5, 204, 54)]);
    assert_eq!(window.fetch(), [], "one reading at a time");
    (1..=10).for_each(|seq| assert_eq!(window.fetched(first, seq, 100, true, now), Ok(Some(false))));
    window.fetch_done(first, 11);
    assert_eq!(window.fetch(), [], "the second is not read yet");
    (5..=58).for_each(|seq| assert_eq!(window.fetched(second, seq, 100, true, now), Ok(Some(false))));
    window.fetch_done(second, 59);
    assert_eq!(window.fetch(), [part(second, 59, 204, 146), part(third, 1, 1, 1)], "as many as there is room for");
    (59..=204).for_each(|seq| assert_eq!(window.fetched(second, seq, 100, true, now), Ok(Some(false))));
    window.fetch_done(second, 205);
    assert_eq!(window.fetched(third, 1, 100, true, now), Ok(Some(false)));
    window.fetch_done(third, 2);
    assert!(window.is_level());
}

#[test]
fn no_more_is_read_than_fits() {
    let now = Instant::now();
    let mut window = Window::default();
    assert_eq!(window.offer(C, 1, 0, 8_192, true, now), Offer::Send);
    window.fall_behind(C, Behind::range(2, 100));
    assert_eq!(
        window.fetch(),
        [Fetch { conversation: C, from: 2, upto: 100, limit: 31 }],
        "as large as the one under way"
    );
    assert_eq!(window.fetched(C, 2, BYTES_MAX - 8_192, true, now), Ok(Some(false)));
    window.fetch_done(C, 3);
    window.ack(C, 1);
    window.loosen();
    assert_eq!(window.fetch(), [Fetch { conversation: C, from: 3, upto: 100, limit: 1 }], "one is always tried");
}
