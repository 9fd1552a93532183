//! Every fault, planted in an otherwise perfect conversation, is found and counted once under its own name.

use super::*;

const BUYER: &str = "b1";
const AGENT: &str = "a1";
const TEXTS: [&str; 4] = ["hi", "hello", "is it blue?", "it is"];

fn copy(turn: usize, seq: u64) -> Copy {
    Copy { turn: Some(turn), seq, text: TEXTS[turn].into(), redelivered: false }
}

fn side(turn: usize) -> Side {
    if turn.is_multiple_of(2) { Side::Buyer } else { Side::Agent }
}

fn other(turn: usize) -> Arc<str> {
    if turn.is_multiple_of(2) { AGENT.into() } else { BUYER.into() }
}

/// A conversation of four turns, told to a checker with one thing changed.
struct Story {
    seqs: [u64; 4],
    arrivals: Vec<(Arc<str>, Copy)>,
    history: Option<Vec<Copy>>,
}

impl Story {
    fn perfect() -> Self {
        let each = || (0..4).zip(1..);
        Self {
            seqs: [1, 2, 3, 4],
            arrivals: each().map(|(turn, seq)| (other(turn), copy(turn, seq))).collect(),
            history: Some(each().map(|(turn, seq)| copy(turn, seq)).collect()),
        }
    }

    fn judged(self) -> Faults {
        let mut checker = Checker::default();
        for (turn, seq) in self.seqs.into_iter().enumerate() {
            assert_eq!(checker.send(side(turn), TEXTS[turn].into()), turn);
            checker.acked(turn, seq);
        }
        for (receiver, copy) in self.arrivals {
            checker.received(&receiver, copy);
        }
        if let Some(history) = self.history {
            checker.history(history);
        }
        let verdict = checker.verdict(BUYER, AGENT);
        let Faults { lost, doubled, out_of_order } = verdict.faults;
        assert_eq!(verdict.details.len() as u64, lost + doubled + out_of_order, "{:?}", verdict.details);
        verdict.faults
    }

    fn with(change: impl FnOnce(&mut Self)) -> Faults {
        let mut story = Self::perfect();
        change(&mut story);
        story.judged()
    }

    fn with_history(change: impl FnOnce(&mut Vec<Copy>)) -> Faults {
        Self::with(|story| change(story.history.as_mut().unwrap()))
    }
}

const NONE: Faults = Faults { lost: 0, doubled: 0, out_of_order: 0 };
const LOST: Faults = Faults { lost: 1, ..NONE };
const DOUBLED: Faults = Faults { doubled: 1, ..NONE };
const OUT_OF_ORDER: Faults = Faults { out_of_order: 1, ..NONE };

#[test]
fn a_perfect_conversation_has_no_fault() {
    assert_eq!(Story::perfect().judged(), NONE);
}

#[test]
fn what_an_agent_on_duty_got_before_the_claim_is_no_fault() {
    assert_eq!(Story::with(|story| story.arrivals.push(("a2".into(), copy(0, 1)))), NONE);
}

#[test]
fn a_message_that_did_not_arrive_is_lost() {
    assert_eq!(Story::with(|story| drop(story.arrivals.remove(2))), LOST);
}

#[test]
fn a_message_that_arrived_with_another_text_is_lost() {
    assert_eq!(Story::with(|story| story.arrivals[1].1.text = "hell".into()), LOST);
}

#[test]
fn a_message_that_is_not_in_the_history_is_lost() {
    assert_eq!(Story::with_history(|history| drop(history.pop())), LOST);
    assert_eq!(Story::with(|story| story.history = None).lost, 4);
}

#[test]
fn another_text_in_the_history_is_lost() {
    assert_eq!(Story::with_history(|history| history[3].text = "it is not".into()), LOST);
}

#[test]
fn a_repeat_is_doubled_unless_it_says_so() {
    let again = |redelivered| (other(1), Copy { redelivered, ..copy(1, 2) });
    assert_eq!(Story::with(|story| story.arrivals.push(again(true))), NONE);
    assert_eq!(Story::with(|story| story.arrivals.push(again(false))), DOUBLED);
}

#[test]
fn one_turn_under_two_seqs_is_doubled() {
    assert_eq!(Story::with(|story| story.arrivals.push((other(3), copy(3, 5)))), DOUBLED);
    assert_eq!(Story::with_history(|history| history.push(copy(3, 5))), DOUBLED);
}

#[test]
fn a_turn_acked_under_two_seqs_is_doubled() {
    let mut checker = Checker::default();
    let turn = checker.send(Side::Buyer, "hi".into());
    checker.acked(turn, 1);
    checker.acked(turn, 1);
    checker.acked(turn, 2);
    checker.received(&AGENT.into(), copy(0, 1));
    checker.history(vec![copy(0, 1)]);
    assert_eq!(checker.verdict(BUYER, AGENT).faults, DOUBLED);
}

#[test]
fn an_arrival_before_its_predecessor_is_out_of_order() {
    assert_eq!(Story::with(|story| story.arrivals.swap(0, 2)), OUT_OF_ORDER);
}

#[test]
fn a_turn_stored_below_what_was_acked_before_it_is_out_of_order() {
    let swapped = Story::with(|story| {
        story.seqs = [1, 2, 4, 3];
        story.arrivals =
            vec![(other(0), copy(0, 1)), (other(1), copy(1, 2)), (other(2), copy(2, 4)), (other(3), copy(3, 3))];
        story.history = Some(vec![copy(0, 1), copy(1, 2), copy(3, 3), copy(2, 4)]);
    });
    assert_eq!(swapped, OUT_OF_ORDER);
}

#[test]
fn a_history_that_tells_turns_in_another_order_than_was_acked_is_out_of_order() {
    let swapped = Story::with_history(|history| {
        history.swap(2, 3);
        (history[2].seq, history[3].seq) = (3, 4);
    });
    assert_eq!(swapped, Faults { out_of_order: 2, ..NONE });
}

#[test]
fn a_hole_in_the_history_is_out_of_order() {
    let hole = Story::with(|story| {
        story.seqs[3] = 5;
        story.arrivals[3].1.seq = 5;
        story.history.as_mut().unwrap()[3].seq = 5;
    });
    assert_eq!(hole, OUT_OF_ORDER);
}

#[test]
fn what_nobody_said_is_out_of_order() {
    let stranger = || Copy { turn: None, ..copy(0, 5) };
    assert_eq!(Story::with(|story| story.arrivals.push((AGENT.into(), stranger()))), OUT_OF_ORDER);
    assert_eq!(Story::with_history(|history| history.push(stranger())), OUT_OF_ORDER);
}

#[test]
fn what_was_never_acked_may_or_may_not_be_there() {
    for arrived in [false, true] {
        let mut checker = Checker::default();
        checker.send(Side::Buyer, "hi".into());
        if arrived {
            checker.received(&AGENT.into(), copy(0, 1));
            checker.history(vec![copy(0, 1)]);
        }
        assert_eq!(checker.has(AGENT, 0), arrived);
        assert_eq!(checker.verdict(BUYER, AGENT).faults, NONE);
    }
}
