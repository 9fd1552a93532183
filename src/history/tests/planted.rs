//! One story, told with one thing changed.

use super::{Event, Log, message, summary};
use crate::history::{
    Faults, judge,
    log::{self, Deed, Line, Message, Summary, To},
};

/// The buyer b1 and the agents a1 and a2: a1 claims, answers and resolves; b1 comes back, and a2 claims and answers.
fn story() -> Log {
    let mut log = Log::default();
    let all = ["b1/1", "a1/1", "a2/1"];
    for session in all {
        log.open(session, &session[..2]);
    }
    let record = record();
    log.sent("b1/1", "m1", To::Shop("acme".into()), "hi");
    log.acked("b1/1", "m1", 1, false);
    log.received("a1/1", &record[0], false);
    log.received("a2/1", &record[0], false);
    log.deed("a1/1", Deed::Claim, summary(1, Some("a1"), 1));
    log.told("b1/1", summary(1, Some("a1"), 1));
    log.told("a2/1", summary(1, Some("a1"), 1));
    say(&mut log, "a1/1", &record[1], &["b1/1"]);
    say(&mut log, "b1/1", &record[2], &["a1/1"]);
    say(&mut log, "b1/1", &record[3], &["a1/1"]);
    log.deed("a1/1", Deed::Resolve, summary(2, None, 4));
    say(&mut log, "b1/1", &record[4], &["a1/1", "a2/1"]);
    log.told("a2/1", summary(2, None, 5));
    log.deed("a2/1", Deed::Claim, summary(3, Some("a2"), 5));
    log.told("a1/1", summary(3, Some("a2"), 5));
    log.told("b1/1", summary(3, Some("a2"), 5));
    say(&mut log, "a2/1", &record[5], &["b1/1"]);
    say(&mut log, "a2/1", &record[6], &["b1/1"]);
    // The buyer changes the connection: the last answer comes again, and one more.
    log.write("b1/1", Event::Close);
    log.open("b1/2", "b1");
    log.received("b1/2", &record[6], true);
    log.told("b1/2", summary(3, Some("a2"), 7));
    say(&mut log, "a2/1", &record[7], &["b1/2"]);
    for session in ["b1/2", "a1/1", "a2/1"] {
        log.write(session, Event::End);
        log.write(session, Event::Record { conversation: 1, messages: record.clone() });
    }
    log
}

fn record() -> Vec<Message> {
    let said = ["b1", "a1", "b1", "b1", "b1", "a2", "a2", "a2"];
    (1..)
        .zip(said)
        .map(|(seq, from)| message(seq, from, &format!("m{seq}"), &format!("text {seq}")))
        .map(first)
        .collect()
}

/// The first text is "hi", as it is sent.
fn first(message: Message) -> Message {
    if message.seq == 1 { Message { text: "hi".into(), ..message } } else { message }
}

fn say(log: &mut Log, session: &str, message: &Message, to: &[&str]) {
    log.sent(session, &message.id, To::Conversation(1), &message.text);
    log.acked(session, &message.id, message.seq, false);
    to.iter().for_each(|receiver| log.received(receiver, message, false));
}

/// What is found where the lines have been changed.
#[track_caller]
fn with(change: impl FnOnce(&mut Vec<Line>)) -> Faults {
    let mut lines = story().lines;
    change(&mut lines);
    let verdict = judge(lines);
    assert_eq!(verdict.details.len() as u64, verdict.faults.total());
    verdict.faults
}

/// The same, where the record is changed for all who read it.
#[track_caller]
fn with_record(change: impl Fn(&mut Vec<Message>)) -> Faults {
    with(|lines| {
        lines.iter_mut().for_each(|line| {
            if let Event::Record { messages, .. } = &mut line.event {
                change(messages);
            }
        });
    })
}

/// The place of a line.
#[track_caller]
fn find(lines: &[Line], session: &str, event: impl Fn(&Event) -> bool) -> usize {
    lines.iter().position(|line| &*line.session == session && event(&line.event)).expect("the line is in the story")
}

#[track_caller]
fn arrival(lines: &[Line], session: &str, seq: u64) -> usize {
    find(lines, session, |event| matches!(event, Event::Received { message, .. } if message.seq == seq))
}

#[track_caller]
fn ack(lines: &[Line], seq: u64) -> usize {
    let acked = |line: &Line| matches!(line.event, Event::Acked { seq: own, .. } if own == seq);
    lines.iter().position(acked).expect("the line is in the story")
}

/// One more line after the one at this place.
fn after(lines: &mut Vec<Line>, at: usize, session: &str, event: Event) {
    lines.insert(at + 1, Line { at: lines[at].at + 1, session: session.into(), event });
}

const NONE: Faults =
    Faults { lost: 0, doubled: 0, out_of_order: 0, holes: 0, two_claimants: 0, not_claimant: 0, views: 0 };
const LOST: Faults = Faults { lost: 1, ..NONE };
const DOUBLED: Faults = Faults { doubled: 1, ..NONE };
const OUT_OF_ORDER: Faults = Faults { out_of_order: 1, ..NONE };
const HOLE: Faults = Faults { holes: 1, ..NONE };
const TWO_CLAIMANTS: Faults = Faults { two_claimants: 1, ..NONE };
const NOT_CLAIMANT: Faults = Faults { not_claimant: 1, ..NONE };
const VIEW: Faults = Faults { views: 1, ..NONE };

#[test]
fn the_story_itself_has_no_fault() {
    assert_eq!(with(|_| ()), NONE);
    let figures = judge(story().lines).figures;
    assert_eq!((figures.users, figures.sessions, figures.conversations), (3, 4, 1));
    assert_eq!((figures.sent, figures.acked, figures.stored, figures.claims), (8, 8, 8, 2));
    assert_eq!((figures.delivered, figures.repeats), (11, 0));
}

#[test]
fn it_survives_being_written_and_read() {
    let written: Vec<String> = story().lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    assert_eq!(log::read(written.join("\n").as_bytes()).unwrap(), story().lines);
    assert_eq!(written[3], r#"{"at":4000,"session":"b1/1","event":"sent","id":"m1","to":{"shop":"acme"},"text":"hi"}"#);
    let bad = log::read("\n{\"at\":1}".as_bytes()).unwrap_err().to_string();
    assert!(bad.starts_with("line 2: missing field"), "{bad}");
}

#[test]
fn lost_what_was_acked_and_is_not_stored() {
    // The last message: as if the commit had never been. Its delivery gives the lie to it, too.
    assert_eq!(with_record(|record| drop(record.pop())), Faults { lost: 2, ..NONE });
    let undelivered = with(|lines| {
        let at = arrival(lines, "b1/2", 8);
        lines.remove(at);
        lines.iter_mut().for_each(|line| {
            if let Event::Record { messages, .. } = &mut line.event {
                messages.pop();
            }
        });
    });
    assert_eq!(undelivered, LOST);
}

#[test]
fn lost_all_where_nothing_was_read() {
    let none = with(|lines| lines.retain(|line| !matches!(line.event, Event::Record { .. })));
    assert_eq!(none, Faults { lost: 8, ..NONE });
}

#[test]
fn lost_what_never_came_to_the_buyer() {
    assert_eq!(with(|lines| drop(lines.remove(arrival(lines, "b1/2", 8)))), LOST);
}

#[test]
fn lost_what_never_came_to_any_agent() {
    let silent = with(|lines| {
        lines.remove(arrival(lines, "a1/1", 5));
        lines.remove(arrival(lines, "a2/1", 5));
    });
    assert_eq!(silent, LOST);
}

#[test]
fn what_came_to_one_agent_is_not_lost() {
    assert_eq!(with(|lines| drop(lines.remove(arrival(lines, "a1/1", 5)))), NONE);
}

#[test]
fn not_lost_for_somebody_who_is_not_there() {
    let gone = with(|lines| {
        lines.remove(arrival(lines, "b1/2", 8));
        let end = find(lines, "b1/2", |event| *event == Event::End);
        lines[end].event = Event::Close;
    });
    assert_eq!(gone, NONE);
}

#[test]
fn lost_what_is_stored_with_another_text() {
    let garbled = with(|lines| {
        let sent = find(lines, "b1/1", |event| matches!(event, Event::Sent { id, .. } if &**id == "m3"));
        let Event::Sent { text, .. } = &mut lines[sent].event else { unreachable!() };
        *text = "what was meant".into();
    });
    assert_eq!(garbled, LOST);
}

#[test]
fn an_unanswered_send_may_be_stored_or_not() {
    let unanswered = |stored: bool| {
        with(|lines| {
            let at = ack(lines, 8);
            let to = To::Conversation(1);
            after(lines, at, "a2/1", Event::Sent { id: "m9".into(), to, text: "text 9".into() });
            if stored {
                let last = arrival(lines, "b1/2", 8);
                let received = Event::Received { conversation: 1, message: nine(), redelivered: false };
                after(lines, last, "b1/2", received);
                lines.iter_mut().for_each(|line| {
                    if let Event::Record { messages, .. } = &mut line.event {
                        messages.push(nine());
                    }
                });
            }
        })
    };
    assert_eq!((unanswered(false), unanswered(true)), (NONE, NONE));
}

fn nine() -> Message {
    message(9, "a2", "m9", "text 9")
}

#[test]
fn doubled_what_is_stored_twice() {
    let again = with_record(|record| record.push(Message { seq: 9, ..record[7].clone() }));
    // The buyer has not got the second one.
    assert_eq!(again, Faults { lost: 1, doubled: 1, ..NONE });
    let other = with(|lines| {
        let messages = vec![Message { seq: 1, ..record()[0].clone() }];
        after(lines, lines.len() - 1, "b1/2", Event::Record { conversation: 2, messages });
    });
    assert_eq!(other, DOUBLED);
}

#[test]
fn doubled_what_was_acked_twice_as_new_or_at_two_places() {
    let again = |seq, duplicate| {
        with(|lines| {
            let at = ack(lines, 1);
            let to = To::Shop("acme".into());
            after(lines, at, "b1/1", Event::Sent { id: "m1".into(), to, text: "hi".into() });
            let acked = Event::Acked { id: "m1".into(), conversation: 1, seq, duplicate };
            after(lines, at + 1, "b1/1", acked);
        })
    };
    assert_eq!(again(1, true), NONE);
    assert_eq!(again(1, false), DOUBLED);
    // At another place it is not in the record, either; and what has that place was sent later.
    assert_eq!(again(2, true), Faults { doubled: 1, out_of_order: 2, ..NONE });
}

#[test]
fn doubled_what_came_twice_without_saying_so() {
    let twice = |redelivered| {
        with(|lines| {
            let at = arrival(lines, "a1/1", 3);
            after(lines, at, "a1/1", Event::Received { conversation: 1, message: record()[2].clone(), redelivered });
        })
    };
    assert_eq!((twice(true), twice(false)), (NONE, DOUBLED));
}

#[test]
fn out_of_order_what_was_sent_later_and_stored_earlier() {
    let late = with(|lines| {
        // Seq 3 is sent only after seq 4 has been acked.
        let (sent, acked) = (ack(lines, 3) - 1, ack(lines, 3));
        let when = lines[ack(lines, 4)].at;
        (lines[sent].at, lines[acked].at) = (when + 1, when + 2);
    });
    // And by one session, each once.
    assert_eq!(late, Faults { out_of_order: 2, ..NONE });
}

#[test]
fn out_of_order_what_one_session_sent_the_other_way_round() {
    let swapped = with(|lines| {
        // Both are under way at a time.
        let (third, fourth) = (ack(lines, 3), ack(lines, 4));
        let sent = lines[third - 1].at;
        lines[fourth - 1].at = sent - 1;
    });
    assert_eq!(swapped, OUT_OF_ORDER);
}

#[test]
fn out_of_order_what_was_acked_as_one_seq_and_is_stored_as_another() {
    let moved = with_record(|record| {
        record.swap(6, 7);
        (record[6].seq, record[7].seq) = (7, 8);
    });
    assert_eq!(moved.out_of_order, 2);
}

#[test]
fn out_of_order_what_came_before_its_predecessor() {
    let swap = |lines: &mut Vec<Line>, session: &str| {
        let (third, fourth) = (arrival(lines, session, 3), arrival(lines, session, 4));
        (lines[third].at, lines[fourth].at) = (lines[fourth].at, lines[third].at);
    };
    // It comes without the one before it, and that one too late.
    assert_eq!(with(|lines| swap(lines, "a1/1")), Faults { holes: 1, out_of_order: 1, ..NONE });
    let handed_over = with(|lines| {
        swap(lines, "a1/1");
        let third = arrival(lines, "a1/1", 3);
        let Event::Received { redelivered, .. } = &mut lines[third].event else { unreachable!() };
        *redelivered = true;
    });
    assert_eq!(handed_over, HOLE);
}

#[test]
fn no_hole_is_what_somebody_else_has_acked_before_a_claim_hands_over_the_rest() {
    // a2 is told of nothing while 3 and 4 wait; a1, if it claims, acks 3.
    let handed_over = |is_claimed_by_another: bool| {
        let (mut log, record) = (Log::default(), record());
        for session in ["b1/1", "a1/1", "a2/1"] {
            log.open(session, &session[..2]);
        }
        log.sent("b1/1", "m1", To::Shop("acme".into()), "hi");
        log.acked("b1/1", "m1", 1, false);
        log.received("a2/1", &record[0], false);
        log.deed("a1/1", Deed::Claim, summary(1, Some("a1"), 1));
        log.received("a1/1", &record[0], true);
        say(&mut log, "a1/1", &record[1], &["b1/1"]);
        log.deed("a1/1", Deed::Resolve, summary(2, None, 2));
        say(&mut log, "b1/1", &record[2], &["a1/1"]);
        say(&mut log, "b1/1", &record[3], &["a1/1"]);
        let mut version = 3;
        if is_claimed_by_another {
            log.deed("a1/1", Deed::Claim, summary(3, Some("a1"), 4));
            log.deed("a1/1", Deed::Resolve, summary(4, None, 4));
            version = 5;
        }
        log.deed("a2/1", Deed::Claim, summary(version, Some("a2"), 4));
        log.received("a2/1", &record[3], true);
        for session in ["b1/1", "a1/1", "a2/1"] {
            log.told(session, summary(version, Some("a2"), 4));
            log.write(session, Event::End);
            log.write(session, Event::Record { conversation: 1, messages: record[..4].to_vec() });
        }
        judge(log.lines).faults
    };
    assert_eq!(handed_over(true), NONE);
    assert_eq!(handed_over(false), HOLE);
}

#[test]
fn a_hole_in_the_record() {
    let hole = with(|lines| {
        for line in lines {
            match &mut line.event {
                Event::Record { messages, .. } => messages[7].seq = 9,
                Event::Received { message, .. } if message.seq == 8 => message.seq = 9,
                Event::Acked { seq, .. } if *seq == 8 => *seq = 9,
                _ => {}
            }
        }
    });
    assert_eq!(hole, HOLE);
}

#[test]
fn a_hole_in_what_the_buyer_got() {
    assert_eq!(with(|lines| drop(lines.remove(arrival(lines, "b1/1", 6)))), Faults { lost: 1, holes: 1, ..NONE });
}

#[test]
fn a_hole_in_what_the_claimant_got() {
    assert_eq!(with(|lines| drop(lines.remove(arrival(lines, "a1/1", 3)))), Faults { lost: 1, holes: 1, ..NONE });
}

#[test]
fn who_has_given_up_a_claim_begins_anew() {
    // Seq 4 is missed, then a1 resolves: seq 5 is of another ticket.
    assert_eq!(with(|lines| drop(lines.remove(arrival(lines, "a1/1", 4)))), LOST);
}

#[test]
fn a_session_may_begin_anywhere() {
    let late = with(|lines| {
        let at = arrival(lines, "b1/2", 7);
        lines.remove(at);
    });
    assert_eq!(late, NONE);
}

#[test]
fn two_claimants_of_one_version() {
    let other = with(|lines| {
        let at = ack(lines, 2);
        let event = Event::Told { summary: summary(1, Some("a2"), 1) };
        after(lines, at, "a2/1", event);
    });
    assert_eq!(other, TWO_CLAIMANTS);
}

#[test]
fn two_claimants_where_a_claim_was_granted_to_another() {
    let other = with(|lines| {
        let at = lines.len() - 7;
        after(lines, at, "a1/1", Event::Asked { id: "x".into(), deed: Deed::Claim, conversation: 1 });
        after(lines, at + 1, "a1/1", Event::Agreed { id: "x".into(), summary: summary(3, Some("a2"), 8) });
    });
    assert_eq!(other, TWO_CLAIMANTS);
}

#[test]
fn two_claimants_where_the_old_one_is_still_served() {
    // A node that does not know of a2's claim goes on as if nothing had happened.
    let stale = with(|lines| {
        let at = arrival(lines, "b1/1", 7);
        after(lines, at, "a1/1", Event::Asked { id: "x".into(), deed: Deed::Claim, conversation: 1 });
        after(lines, at + 1, "a1/1", Event::Agreed { id: "x".into(), summary: summary(1, Some("a1"), 1) });
    });
    assert_eq!(stale, TWO_CLAIMANTS);
}

#[test]
fn not_claimant_who_wrote_before_after_or_without_a_claim() {
    let by = |seq: u64, from: &'static str| {
        with(move |lines| {
            for line in lines {
                let session = line.session.clone();
                match &mut line.event {
                    Event::Record { messages, .. } => messages[seq as usize - 1].from = from.into(),
                    Event::Received { message, .. } if message.seq == seq => message.from = from.into(),
                    Event::Sent { id, .. } if **id == format!("m{seq}") => line.session = format!("{from}/1").into(),
                    Event::Acked { seq: own, .. } if *own == seq => line.session = format!("{from}/1").into(),
                    _ => {}
                }
                drop(session);
            }
        })
    };
    assert_eq!(by(2, "a2"), NOT_CLAIMANT);
    assert_eq!(by(8, "a1"), NOT_CLAIMANT);
}

#[test]
fn not_claimant_where_another_buyer_writes() {
    let stranger = with(|lines| {
        for line in lines {
            if let Event::Record { messages, .. } = &mut line.event {
                messages[4].from = "b2".into();
            } else if let Event::Received { message, .. } = &mut line.event
                && message.seq == 5
            {
                message.from = "b2".into();
            }
        }
    });
    // And what b1 had been promised is not there.
    assert_eq!(stranger, Faults { lost: 1, not_claimant: 1, ..NONE });
}

#[test]
fn views_of_two_nodes_that_differ() {
    let last = |change: fn(&mut Vec<Message>)| {
        with(|lines| {
            let Some(Line { event: Event::Record { messages, .. }, .. }) = lines.last_mut() else { unreachable!() };
            change(messages);
        })
    };
    assert_eq!(last(|record| drop(record.pop())), VIEW);
    assert_eq!(last(|record| record[2].text = "something else".into()), VIEW);
    assert_eq!(last(|record| record[5].from = "a1".into()), VIEW);
}

#[test]
fn views_where_a_delivery_and_the_record_differ() {
    let garbled = with(|lines| {
        let at = arrival(lines, "a1/1", 3);
        let Event::Received { message, .. } = &mut lines[at].event else { unreachable!() };
        message.text = "something else".into();
    });
    assert_eq!(garbled, VIEW);
}

#[test]
fn views_where_a_console_still_shows_the_old_claimant() {
    let stale = with(|lines| {
        let at = find(lines, "a1/1", |event| matches!(event, Event::Told { summary } if summary.claim_version == 3));
        lines.remove(at);
    });
    assert_eq!(stale, VIEW);
}

#[test]
fn views_where_the_last_seq_falls() {
    let fallen = with(|lines| {
        let at = find(lines, "b1/2", |event| matches!(event, Event::Told { .. }));
        let told = Summary { last_seq: 9, ..summary(2, None, 9) };
        after(lines, at, "b1/2", Event::Told { summary: told });
    });
    // Then a2 may have claimed any time, and its messages are beyond doubt no more.
    assert_eq!((fallen.views, fallen.two_claimants), (1, 0));
}

#[test]
fn views_where_something_was_refused_and_is_stored() {
    let refused = |code: &'static str| {
        with(move |lines| {
            let at = ack(lines, 3);
            lines[at].event = Event::Refused { id: "m3".into(), code: code.into(), retry_after_ms: Some(100) };
        })
    };
    assert_eq!(refused("not_claimed"), VIEW);
    assert_eq!(refused("unavailable"), NONE);
}

#[test]
fn views_where_nobody_said_what_is_stored() {
    let unsaid = with(|lines| {
        lines.iter_mut().for_each(|line| {
            if let Event::Record { messages, .. } = &mut line.event {
                messages.push(nine());
            }
            if let Event::Received { message, .. } = &mut line.event
                && message.seq == 8
                && &*line.session == "b1/2"
            {
                line.at += 1;
            }
        });
        let at = arrival(lines, "b1/2", 8);
        after(lines, at, "b1/2", Event::Received { conversation: 1, message: nine(), redelivered: false });
    });
    assert_eq!(unsaid, VIEW);
}

#[test]
fn refusals_are_counted_and_say_when_to_come_again() {
    let mut log = story();
    log.sent("a2/1", "m9", To::Conversation(1), "text 9");
    log.refused("a2/1", "m9", "unavailable", Some(500));
    log.sent("a2/1", "m9", To::Conversation(1), "text 9");
    log.refused("a2/1", "m9", "unavailable", None);
    log.refused("a2/1", "claim-1", "already_claimed", None);
    let verdict = judge(log.lines);
    assert_eq!(verdict.faults, NONE);
    assert_eq!(verdict.figures.refused, [("already_claimed".into(), 1), ("unavailable".into(), 2)].into());
    assert_eq!(verdict.figures.refused_without_time, 1);
}
