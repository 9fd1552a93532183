use super::*;
use crate::{
    domain::{
        command::Target,
        content::{Content, RECALLED},
        conversation::{Cause, Parties, Standing, State},
        cursor::Given,
        ids::ShopId,
        people::{Person, Role, Shop, Status},
        prepared::{Decider, Fate, Prepared},
    },
    store::journal::facts::{Found, OnDuty},
};

const RULES: Rules = Rules { recall_window_ms: 1_000, events: true };
const SHOP: ShopId = ShopId(1);
const ID: ConversationId = ConversationId(7);

fn person(id: i64) -> Arc<Person> {
    let uid: Arc<str> = format!("u{id}").into();
    Arc::new(Person { id: UserId(id), uid: uid.clone(), name: uid, avatar: None })
}

fn shop() -> Arc<Shop> {
    Arc::new(Shop { id: SHOP, shop: "acme".into(), name: "Acme".into() })
}

fn command(by: i64, act: Act) -> Command {
    Command { by: person(by), at: Timestamp(1_000), act }
}

fn send(by: i64, to: Target, id: &str, text: &str) -> Command {
    let digest = [text.len() as u8; 16];
    let content = Content { json: format!(r#"{{"kind":"text","text":"{text}"}}"#).into(), digest };
    command(by, Act::Send { to, client_id: id.into(), content })
}

fn to_shop() -> Target {
    Target::Shop("acme".into())
}

/// Decides again and again, with `answer` for every need, and says how often it asked.
fn settle(commands: &[Command], answer: impl FnMut(Needs, &mut Facts)) -> (Decided, usize) {
    settle_from(Facts::default(), commands, answer)
}

fn settle_from(mut facts: Facts, commands: &[Command], mut answer: impl FnMut(Needs, &mut Facts)) -> (Decided, usize) {
    let commands: Vec<&Command> = commands.iter().collect();
    for round in 0..10 {
        match decide(&facts, &commands, RULES) {
            Ok(decided) => return (decided, round),
            Err(needs) => answer(*needs, &mut facts),
        }
    }
    panic!("it always lacks something");
}

/// A shop with agent 2 on duty, and with a conversation of buyer 1 if there is one.
fn world(existing: Option<Found>) -> impl FnMut(Needs, &mut Facts) {
    move |needs, facts| {
        for name in needs.shops {
            facts.shops.insert(name, Some(shop()));
        }
        for uid in needs.users {
            facts.users.insert(uid, None);
        }
        for (uid, _) in needs.new_users {
            facts.users.insert(uid, Some(person(50)));
        }
        for pair in needs.between {
            let is_there = existing.is_some() && pair == Pair::Support { shop: SHOP, buyer: UserId(1) };
            facts.between.insert(pair, is_there.then_some(ID));
        }
        for id in needs.conversations {
            let found = existing.clone().filter(|_| id == ID);
            facts.conversations.insert(id, found.unwrap_or(Found::Nowhere));
        }
        let first = 100 + facts.numbers.len() as i64;
        facts.numbers.extend((first..).take(needs.openings.len()).map(ConversationId));
        for key in needs.keys {
            facts.keys.insert(key, None);
        }
        for (shop, user) in needs.roles {
            facts.roles.insert((shop, user), (user == UserId(2)).then_some(Role::Agent));
        }
        for ticket in needs.prepared {
            let prepared = (&*ticket != "nothing").then(|| prepared(&ticket));
            facts.prepared.insert(ticket, prepared);
        }
        for shop in needs.duty {
            facts.duty.insert(shop, OnDuty { people: vec![UserId(2)], ..OnDuty::default() });
        }
        for key in needs.acked {
            facts.acked.insert(key, 0);
        }
        for (id, seq, side) in needs.counts {
            facts.counts.insert((id, seq, Which::from_index(side)), 40);
        }
        for key in needs.messages {
            facts.messages.insert(key, None);
        }
    }
}

/// Of the buyer 1, in a conversation that nobody has opened.
fn prepared(ticket: &str) -> Prepared {
    let content = Content { json: ticket.into(), digest: [0; 16] };
    let fate = if ticket == "aborted" { Fate::Aborted } else { Fate::Open(content) };
    Prepared {
        ticket: ticket.into(),
        shop: shop(),
        sender: person(1),
        client_id: ticket.into(),
        conversation: None,
        fate,
    }
}

fn waiting() -> Conversation {
    let mut c = Conversation::new(ID, Parties::Support { shop: shop(), buyer: person(1) }, Timestamp(1));
    c.send(UserId(1), Standing::Buyer, Timestamp(1)).unwrap();
    c
}

#[test]
fn a_conversation_is_opened_claimed_and_answered_in_one_batch() {
    let commands = [
        send(1, to_shop(), "a", "hi"),
        send(1, to_shop(), "b", "hello?"),
        command(2, Act::Claim(ConversationId(100))),
        send(2, Target::Conversation(ConversationId(100)), "c", "yes"),
    ];
    // Its number is not known to anybody before it is opened: a test may guess it.
    let (Decided { answers, rows }, _) = settle(&commands, world(None));
    let [Answer::Outcome(opened), Answer::Outcome(_), Answer::Outcome(claimed), Answer::Outcome(answered)] =
        &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert!(matches!(opened, Outcome::Stored { cause: Some(Cause::Opened), .. }));
    assert!(matches!(claimed, Outcome::Changed { cause: Cause::Claimed, .. }));
    assert!(matches!(answered, Outcome::Stored { message, .. } if message.seq == 3));
    assert_eq!((rows.opened.len(), rows.changed.len(), rows.messages.len()), (1, 0, 3));
    assert_eq!(rows.opened[0].state, State::Claimed(person(2)));
    let ticket = &rows.tickets[&(ConversationId(100), 1)];
    assert!(ticket.is_new && !ticket.left_message);
    assert_eq!(ticket.claimed, Some((Timestamp(1_000), UserId(2))));
    assert_eq!(ticket.answered, Some((Timestamp(1_000), UserId(2))));
    assert_eq!(rows.timeline.iter().map(|new| new.cause).collect::<Vec<_>>(), [Cause::Opened, Cause::Claimed]);
}

#[test]
fn known_conversations_are_asked_for_at_once_and_then_the_roles() {
    let commands = [
        send(1, Target::Conversation(ID), "a", "hi"),
        command(2, Act::Ack { conversation: ID, seq: 1, given: Given::default(), viewing: false }),
    ];
    let mut rounds = Vec::new();
    let mut world = world(Some(Found::Here(waiting())));
    let (decided, asked) = settle(&commands, |needs, facts| {
        rounds.push(needs.clone());
        world(needs, facts);
    });
    assert_eq!((rounds[0].keys.len(), rounds[0].conversations.len()), (1, 1));
    assert_eq!(rounds[1].roles.len(), 1);
    assert!(asked <= 3, "{rounds:?}");
    assert_eq!(decided.rows.changed[0].last_seq, 2);
}

#[test]
fn what_another_transaction_has_in_hand_waits_and_a_repeat_does_not() {
    let commands = [
        send(1, Target::Conversation(ID), "a", "hi"),
        send(1, Target::Conversation(ID), "old", "hi"),
        send(3, to_shop(), "b", "another"),
    ];
    let mut world = world(Some(Found::Elsewhere));
    let (Decided { answers, rows }, _) = settle(&commands, |needs, facts| {
        world(needs, facts);
        let stored = Stored { conversation: ID, seq: 1, at: Timestamp(1), digest: [2; 16] };
        facts.keys.insert((UserId(1), "old".into()), Some(stored));
    });
    assert!(matches!(answers[0], Answer::Later));
    assert!(matches!(answers[1], Answer::Outcome(Outcome::Duplicate { seq: 1, .. })));
    assert!(matches!(answers[2], Answer::Outcome(Outcome::Stored { .. })));
    assert_eq!(rows.messages.len(), 1);
}

#[test]
fn unread_messages_of_the_same_batch_count() {
    let mut c = waiting();
    c.act(&person(2), Standing::Agent(Role::Agent), &Deed::Claim, 0, Timestamp(1)).unwrap();
    for _ in 0..4 {
        c.send(UserId(1), Standing::Buyer, Timestamp(1)).unwrap();
    }
    let commands = [
        send(1, Target::Conversation(ID), "a", "six"),
        command(2, Act::Read { conversation: ID, seq: 5 }),
        command(2, Act::Read { conversation: ID, seq: 3 }),
    ];
    let (decided, _) = settle(&commands, world(Some(Found::Here(c.clone()))));
    assert_eq!(decided.rows.changed[0].second.unread, 1, "6; nothing stored is above 5, and 3 is behind");
    let commands = [send(1, Target::Conversation(ID), "a", "six"), command(2, Act::Read { conversation: ID, seq: 3 })];
    let (decided, _) = settle(&commands, world(Some(Found::Here(c))));
    assert_eq!(decided.rows.changed[0].second.unread, 41, "the stored ones and the new one");
}

#[test]
fn a_user_is_made_for_a_message_that_is_stored_and_for_no_other() {
    let to = |uid: &str| Target::User(uid.into());
    let mut made = Vec::new();
    let mut world = world(None);
    let commands = [send(1, to("u1"), "a", "me"), send(1, to("visitor:x"), "b", "?"), send(1, to("new"), "c", "hi")];
    let (Decided { answers, .. }, _) = settle(&commands, |needs, facts| {
        made.extend(needs.new_users.iter().map(|(uid, _)| uid.clone()));
        world(needs, facts);
    });
    assert!(matches!(&answers[0], Answer::Refused(Refusal::Invalid(_))));
    assert!(matches!(answers[1], Answer::Refused(Refusal::NotFound)));
    assert!(matches!(answers[2], Answer::Outcome(Outcome::Stored { .. })));
    assert_eq!(made, [Arc::<str>::from("new")]);
}

#[test]
fn a_message_is_taken_back_in_the_batch_that_stores_it() {
    let commands = [
        send(1, Target::Conversation(ID), "a", "oops"),
        command(1, Act::Recall { conversation: ID, seq: 2 }),
        command(1, Act::Recall { conversation: ID, seq: 2 }),
    ];
    let (Decided { answers, rows }, _) = settle(&commands, world(Some(Found::Here(waiting()))));
    assert!(matches!(&answers[1], Answer::Outcome(Outcome::Recalled { first_time: true, now, .. })
        if now.last.as_ref().is_some_and(|last| *last.content == *RECALLED)));
    assert!(matches!(answers[2], Answer::Outcome(Outcome::Recalled { first_time: false, .. })));
    assert_eq!(rows.contents.len(), 1);
}

#[test]
fn the_last_to_go_off_duty_leaves_messages_behind() {
    let commands = [
        command(2, Act::SetStatus { shop: "acme".into(), status: Status::Away }),
        send(1, to_shop(), "a", "hi"),
        command(2, Act::SetStatus { shop: "acme".into(), status: Status::Online }),
        send(3, to_shop(), "b", "hi"),
    ];
    let (decided, _) = settle(&commands, world(None));
    let left: Vec<bool> = decided.rows.tickets.values().map(|ticket| ticket.left_message).collect();
    assert_eq!(left, [true, false]);
}

#[test]
fn what_was_prepared_becomes_a_message_once_however_often_it_is_committed_in_a_batch() {
    let commit = |ticket: &str| command(1, Act::Commit { ticket: ticket.into(), decider: Decider::Sender });
    let commands = [
        commit("t1"),
        send(1, to_shop(), "t1", "hi"),
        commit("t2"),
        commit("t1"),
        commit("aborted"),
        commit("nothing"),
    ];
    let (Decided { answers, rows }, _) = settle(&commands, world(None));
    let [Answer::Outcome(first), Answer::Outcome(_), Answer::Outcome(second), Answer::Outcome(again), rest @ ..] =
        &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert!(matches!(first, Outcome::Stored { message, cause: Some(Cause::Opened), .. } if message.seq == 1));
    assert!(matches!(second, Outcome::Stored { message, cause: None, .. } if message.seq == 3));
    assert!(matches!(again, Outcome::Duplicate { seq: 1, .. }));
    assert!(matches!(rest, [Answer::Refused(Refusal::Conflict), Answer::Refused(Refusal::NotFound)]));
    assert_eq!((rows.opened.len(), rows.messages.len(), rows.committed.len()), (1, 3, 2));
    assert_eq!(rows.committed["t2"].seq, 3);
}

#[test]
fn keys_that_are_trusted_are_asked_for_where_a_message_is_refused() {
    let known = Target::Conversation(ID);
    let commands = [send(1, known.clone(), "a", "hi"), send(1, known.clone(), "a", "hi"), send(2, known, "b", "no")];
    let mut asked = Vec::new();
    let mut world = world(Some(Found::Here(waiting())));
    let trusting = Facts { trusts_keys: true, ..Facts::default() };
    let (Decided { answers, rows }, _) = settle_from(trusting, &commands, |needs, facts| {
        asked.extend(needs.keys.iter().map(|key| key.1.clone()));
        world(needs, facts);
    });
    assert!(matches!(answers[0], Answer::Outcome(Outcome::Stored { .. })), "{answers:?}");
    assert!(matches!(answers[1], Answer::Outcome(Outcome::Duplicate { .. })), "{answers:?}");
    assert!(matches!(answers[2], Answer::Refused(_)), "{answers:?}");
    assert_eq!(rows.messages.len(), 1);
    assert_eq!(asked, [Arc::<str>::from("b")]);
}
