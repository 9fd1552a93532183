//! The contract's table, cell by cell, and what must hold after any history.

use proptest::prelude::*;

use super::*;
use crate::domain::ids::ShopId;

const NOW: Timestamp = Timestamp(1_000);

fn person(id: i64) -> Arc<Person> {
    let uid: Arc<str> = format!("u{id}").into();
    Arc::new(Person { id: UserId(id), uid: uid.clone(), name: uid, avatar: None })
}

fn support() -> Conversation {
    let shop = Arc::new(Shop { id: ShopId(1), shop: "acme".into(), name: "Acme".into() });
    Conversation::new(ConversationId(1), Parties::Support { shop, buyer: person(1) }, NOW)
}

/// A conversation in a state of the table, seen by agent 2.
fn in_state(state: &str) -> Conversation {
    let mut c = support();
    c.send(UserId(1), Standing::Buyer, NOW).unwrap();
    let agent = Standing::Agent(Role::Agent);
    match state {
        "waiting" => {}
        "mine" => _ = c.act(&person(2), agent, &Deed::Claim, 0, NOW).unwrap(),
        "others" => _ = c.act(&person(3), agent, &Deed::Claim, 0, NOW).unwrap(),
        _ => _ = c.act(&person(2), Standing::Agent(Role::Admin), &Deed::Resolve, 0, NOW).unwrap(),
    }
    c
}

fn deed(name: &str) -> Deed {
    match name {
        "claim" => Deed::Claim,
        "release" => Deed::Release,
        "resolve" => Deed::Resolve,
        _ => Deed::Transfer(person(4), Role::Agent),
    }
}

/// What agent 2 gets for a deed, in one word, and the state it leaves.
fn outcome(role: Role, name: &str, state: &str) -> String {
    let mut c = in_state(state);
    let standing = Standing::Agent(role);
    let answer = if name == "send" {
        c.send(UserId(2), standing, NOW).map(|_| Some(Change { cause: Cause::Message, moved: Moved::default() }))
    } else {
        c.act(&person(2), standing, &deed(name), 0, NOW)
    };
    let word = match answer {
        Ok(Some(change)) => change.cause.as_str(),
        Ok(None) => "unchanged",
        Err(Refusal::NotClaimed) => "not_claimed",
        Err(Refusal::AlreadyClaimed(by)) if by.id == UserId(3) => "already_claimed",
        Err(Refusal::NotClaimant(by)) if by.id == UserId(3) => "not_claimant",
        Err(other) => panic!("{other:?}"),
    };
    let state = match &c.state {
        State::Claimed(agent) => format!("claimed({})", agent.id),
        State::Waiting => "waiting".into(),
        State::Resolved => "resolved".into(),
        State::Direct => "direct".into(),
    };
    format!("{word} {state}")
}

#[test]
fn every_cell_of_the_table() {
    let table = [
        // deed, then for an agent and for a supervisor: waiting, claimed by itself, claimed by another, resolved
        (
            "claim",
            Role::Agent,
            ["claimed claimed(2)", "unchanged claimed(2)", "already_claimed claimed(3)", "claimed claimed(2)"],
        ),
        (
            "claim",
            Role::Supervisor,
            ["claimed claimed(2)", "unchanged claimed(2)", "already_claimed claimed(3)", "claimed claimed(2)"],
        ),
        (
            "release",
            Role::Agent,
            ["not_claimed waiting", "released waiting", "not_claimant claimed(3)", "not_claimed resolved"],
        ),
        (
            "release",
            Role::Supervisor,
            ["unchanged waiting", "released waiting", "released waiting", "not_claimed resolved"],
        ),
        (
            "resolve",
            Role::Agent,
            ["not_claimed waiting", "resolved resolved", "not_claimant claimed(3)", "not_claimed resolved"],
        ),
        (
            "resolve",
            Role::Admin,
            ["resolved resolved", "resolved resolved", "resolved resolved", "not_claimed resolved"],
        ),
        (
            "transfer",
            Role::Agent,
            ["not_claimed waiting", "transferred claimed(4)", "not_claimant claimed(3)", "not_claimed resolved"],
        ),
        (
            "transfer",
            Role::Supervisor,
            ["transferred claimed(4)", "transferred claimed(4)", "transferred claimed(4)", "not_claimed resolved"],
        ),
        (
            "send",
            Role::Agent,
            ["not_claimed waiting", "message claimed(2)", "not_claimant claimed(3)", "not_claimed resolved"],
        ),
        (
            "send",
            Role::Admin,
            ["not_claimed waiting", "message claimed(2)", "not_claimant claimed(3)", "not_claimed resolved"],
        ),
    ];
    for (name, role, row) in table {
        for (state, expected) in ["waiting", "mine", "others", "resolved"].into_iter().zip(row) {
            assert_eq!(outcome(role, name, state), expected, "{name} as {role:?} in {state}");
        }
    }
}

#[test]
fn a_buyer_can_only_write() {
    for name in ["claim", "release", "resolve", "transfer"] {
        let mut c = in_state("others");
        assert_eq!(c.act(&person(1), Standing::Buyer, &deed(name), 0, NOW), Err(Refusal::Forbidden));
    }
}

#[test]
fn a_claim_goes_on_from_what_the_claimant_has_acked_while_it_waited() {
    let mut c = in_state("waiting");
    (0..4).for_each(|_| _ = c.send(UserId(1), Standing::Buyer, NOW).unwrap());
    let change = c.act(&person(2), Standing::Agent(Role::Agent), &Deed::Claim, 3, NOW).unwrap();
    assert_eq!(change.map(|change| change.moved.delivered), Some(Some(3)), "and the buyer is told");
    assert_eq!((c.second.delivered, c.last_seq, c.second.unread), (3, 5, 5));
}

#[test]
fn a_side_with_nothing_left_to_receive_stands_at_the_end() {
    let mut c = in_state("mine");
    let agent = Standing::Agent(Role::Agent);
    c.send(UserId(2), agent, NOW).unwrap();
    c.send(UserId(1), Standing::Buyer, NOW).unwrap();
    c.send(UserId(2), agent, NOW).unwrap();
    let mut given = Given::default();
    given.insert(1, 4);
    let moved = c.ack(Which::Second, 3, &given).unwrap();
    assert_eq!(moved.delivered, Some(3), "told in terms of what the buyer has written");
    assert_eq!(c.second.delivered, 4, "the agent's own last message needs no ack");
    assert_eq!(c.ack(Which::Second, 5, &given), Err(Refusal::invalid("seq")));
}

#[derive(Clone, Debug)]
enum Step {
    Buyer,
    Agent(i64),
    Act(i64, u8, Role),
    Ack(bool, Seq, Seq, Seq),
    Read(bool, Seq),
    Gone(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let role = prop::sample::select(Role::ALL.to_vec());
    prop_oneof![
        Just(Step::Buyer),
        (2i64..5).prop_map(Step::Agent),
        (2i64..5, 0u8..4, role).prop_map(|(who, deed, role)| Step::Act(who, deed, role)),
        (any::<bool>(), 0i64..12, 1i64..12, 0i64..12)
            .prop_map(|(first, seq, from, to)| Step::Ack(first, seq, from, to)),
        (any::<bool>(), 0i64..12).prop_map(|(first, seq)| Step::Read(first, seq)),
        (0i64..6).prop_map(Step::Gone),
    ]
}

#[test]
fn who_has_only_had_a_bot_waits_since_that_let_go() {
    let (bot, later) = (Standing::Agent(Role::Bot), Timestamp(9_000));
    let mut c = in_state("waiting");
    c.act(&person(2), bot, &Deed::Claim, 0, NOW).unwrap();
    c.send(UserId(2), bot, NOW).unwrap();
    assert_eq!((c.offered_at, c.attended), (None, Attended::Not));
    let lost = {
        let mut c = c.clone();
        c.lose_claimant(c.claim_version, later);
        c
    };
    assert_eq!((lost.waiting_since, lost.returned), (Some(later), false), "behind who has waited longer");
    c.act(&person(2), bot, &Deed::Release, 0, later).unwrap();
    assert_eq!((c.offered_at, c.waiting_since), (Some(later), Some(later)));

    // From then on nobody starts over, and no bot takes it back to before people.
    let person_s = Standing::Agent(Role::Supervisor);
    c.act(&person(3), person_s, &Deed::Claim, 0, Timestamp(10_000)).unwrap();
    c.act(&person(3), person_s, &Deed::Transfer(person(2), Role::Bot), 0, Timestamp(11_000)).unwrap();
    assert_eq!((c.offered_at, c.attended), (Some(later), Attended::Claimed));
    c.act(&person(2), bot, &Deed::Release, 0, Timestamp(12_000)).unwrap();
    assert_eq!(c.waiting_since, Some(later));
    c.act(&person(3), person_s, &Deed::Claim, 0, Timestamp(13_000)).unwrap();
    c.send(UserId(3), person_s, Timestamp(13_000)).unwrap();
    assert_eq!(c.attended, Attended::Answered);
    c.act(&person(3), person_s, &Deed::Resolve, 0, Timestamp(14_000)).unwrap();
    c.send(UserId(1), Standing::Buyer, Timestamp(15_000)).unwrap();
    assert_eq!((c.offered_at, c.attended), (Some(Timestamp(15_000)), Attended::Not), "another ticket");
}

fn side_of(first: bool) -> Which {
    if first { Which::First } else { Which::Second }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// `seq` is 1, 2, 3 …; only the claimant speaks for the shop; each change of claim adds 1; cursors never go back, and stand in
    /// the order read ≤ delivered ≤ last; a cursor behind the end means that something is due; unread is what lies above.
    #[test]
    fn whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let mut c = support();
        let mut sent: Vec<Which> = Vec::new();
        for step in steps {
            let before = c.clone();
            match step {
                Step::Buyer => {
                    let placed = c.send(UserId(1), Standing::Buyer, NOW).unwrap();
                    sent.push(Which::First);
                    prop_assert_eq!(placed.seq, sent.len() as i64);
                    prop_assert!(c.state != State::Resolved);
                }
                Step::Agent(who) => match c.send(UserId(who), Standing::Agent(Role::Admin), NOW) {
                    Ok(placed) => {
                        sent.push(Which::Second);
                        prop_assert_eq!(placed.seq, sent.len() as i64);
                        prop_assert_eq!(before.claimant().map(|a| a.id), Some(UserId(who)));
                    }
                    Err(_) => prop_assert_eq!(&c, &before, "what is refused changes nothing"),
                },
                Step::Act(who, n, role) => {
                    let name = ["claim", "release", "resolve", "transfer"][n as usize];
                    let answer = c.act(&person(who), Standing::Agent(role), &deed(name), 0, NOW);
                    if !matches!(answer, Ok(Some(_))) {
                        prop_assert_eq!(&c, &before, "what is refused changes nothing");
                    }
                    if let (Some(had), "claim", Ok(Some(_))) = (before.claimant(), name, &answer) {
                        prop_assert!(false, "{:?} was robbed of a claim", had);
                    }
                }
                Step::Ack(first, seq, from, to) => {
                    let mut given = Given::default();
                    given.insert(from, to);
                    if c.ack(side_of(first), seq, &given).is_err() {
                        prop_assert!(seq > c.last_seq);
                    }
                }
                Step::Read(first, seq) => {
                    let side = side_of(first);
                    if c.read(side, seq).is_ok() {
                        // The journal counts what remains.
                        let read = c.side(side).read;
                        let unread = sent.iter().skip(read as usize).filter(|s| **s != side).count();
                        c.side_mut(side).unread = unread as i64;
                    }
                }
                Step::Gone(version) => {
                    let lost = c.lose_claimant(version, NOW);
                    prop_assert_eq!(lost, before.claimant().is_some() && before.claim_version == version);
                }
            }
            let changed = c.claimant().map(|a| a.id) != before.claimant().map(|a| a.id);
            prop_assert_eq!(c.claim_version - before.claim_version, i64::from(changed));
            prop_assert_eq!(c.waiting_since.is_some(), c.state == State::Waiting);
            let came_before_people = c.state == State::Waiting || c.attended > Attended::Not;
            prop_assert!(c.offered_at.is_some() || !came_before_people, "{:?}", c);
            for side in [Which::First, Which::Second] {
                let (was, is) = (before.side(side), c.side(side));
                prop_assert!(was.delivered <= is.delivered && was.read <= is.read, "a cursor went back");
                prop_assert!(is.read <= is.delivered && is.delivered <= c.last_seq);
                let due = sent.iter().skip(is.delivered as usize).any(|s| *s != side);
                prop_assert_eq!(due, is.delivered < c.last_seq);
                let unread = sent.iter().skip(is.read as usize).filter(|s| **s != side).count();
                prop_assert_eq!(is.unread, unread as i64);
            }
        }
    }
}
