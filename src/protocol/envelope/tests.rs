use super::*;
use crate::domain::{
    command,
    conversation::{Cause, Moved, Parties, Speaker},
    ids::{ConversationId, Timestamp},
    people::{Role, Status},
};

fn person(id: i64, uid: &str) -> Arc<people::Person> {
    Arc::new(people::Person {
        id: UserId(id),
        uid: uid.into(),
        name: "小明".into(),
        avatar: Some("https://a/b".into()),
    })
}

fn there_and_back(envelope: &Envelope) -> Envelope {
    decode(&encode([envelope])).unwrap().remove(0)
}

fn outcomes() -> Vec<Outcome> {
    let (buyer, agent) = (person(1, "ann"), person(2, "bob"));
    let shop = Arc::new(people::Shop { id: ShopId(3), shop: "acme".into(), name: "Acme \"&\" Söhne".into() });
    let parties = Parties::Support { shop: shop.clone(), buyer: buyer.clone() };
    let mut conversation = conversation::Conversation::new(ConversationId(7), parties, Timestamp(5));
    conversation.send(buyer.id, conversation::Standing::Buyer, Timestamp(6)).unwrap();
    let message = Arc::new(command::Message {
        conversation: ConversationId(7),
        seq: 1,
        shop: Some("acme".into()),
        from: buyer.clone(),
        speaker: Speaker::Buyer,
        side: Which::First,
        content: r#"{"kind":"text","text":"在吗 \"\\ \u2028"}"#.into(),
        client_id: "c-1".into(),
        at: Timestamp(6),
    });
    let last = Some(message.clone());
    let waiting = Arc::new(command::Snapshot { conversation: conversation.clone(), last: last.clone() });
    let standing = conversation::Standing::Agent(Role::Agent);
    conversation.act(&agent, standing, &conversation::Deed::Claim, 1, Timestamp(8)).unwrap();
    let claimed = Arc::new(command::Snapshot { conversation: conversation.clone(), last });
    let direct = Parties::Direct { first: buyer.clone(), second: agent.clone() };
    let direct = conversation::Conversation::new(ConversationId(8), direct, Timestamp(9));
    let moved = Moved { delivered: Some(1), read: None };
    let worker = people::Agent { person: agent.clone(), role: Role::Supervisor, status: Status::Away };
    vec![
        Outcome::Stored { now: waiting, message: message.clone(), cause: Some(Cause::Opened) },
        Outcome::Moved { now: Arc::new(direct), by: agent.clone(), side: Which::Second, moved },
        Outcome::Settled { conversation: ConversationId(7), by: agent.clone(), seq: 1 },
        Outcome::Changed { now: claimed.clone(), by: agent.clone(), before: None, cause: Cause::Claimed, moved },
        Outcome::Recalled { now: claimed.clone(), by: buyer, seq: 1, at: Timestamp(10), first_time: true },
        Outcome::Edited {
            now: claimed.clone(),
            by: agent.clone(),
            message: message.clone(),
            at: Timestamp(11),
            first_time: true,
        },
        Outcome::Deleted { now: claimed, by: agent, seqs: vec![1, 3], at: Timestamp(12) },
        Outcome::StatusSet { shop, agent: worker },
    ]
}

#[test]
fn an_outcome_arrives_as_it_was_sent() {
    for outcome in outcomes() {
        let said = format!("{outcome:?}");
        let arrived = there_and_back(&Envelope::Happened { outcome, except: Some(u64::MAX) });
        let Envelope::Happened { outcome, except: Some(u64::MAX) } = arrived else { panic!("{arrived:?}") };
        assert_eq!(format!("{outcome:?}"), said);
    }
}

#[test]
fn what_is_told_together_arrives_in_its_order_and_names_everybody_once() {
    let all: Vec<Envelope> =
        outcomes().into_iter().map(|outcome| Envelope::Happened { outcome, except: None }).collect();
    let together = encode(&all);
    assert_eq!(format!("{:?}", decode(&together).unwrap()), format!("{all:?}"));
    assert_eq!(together.windows(3).filter(|bytes| bytes == b"bob").count(), 1);
    assert!(together.len() < all.iter().map(|one| encode([one]).len()).sum::<usize>());
    assert!(decode(&encode([])).unwrap().is_empty());
}

#[test]
fn so_does_the_rest() {
    let all = [
        Envelope::Seen { user: UserId(1), online: true, shops: vec![ShopId(2), ShopId(3)] },
        Envelope::Here { users: vec![UserId(1), UserId(2)], shops: vec![] },
        Envelope::Works { shop: ShopId(1), on: false },
        Envelope::AgentsChanged { shop: ShopId(1) },
        Envelope::Revoked { user: UserId(1), before: 1_700_000_000 },
    ];
    for envelope in all {
        assert_eq!(format!("{:?}", there_and_back(&envelope)), format!("{envelope:?}"));
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    let known = encode([&Envelope::AgentsChanged { shop: ShopId(1) }]);
    let of_another_version = [&[VERSION + 1], &known[1..]].concat();
    let cut_off = encode([&Envelope::Happened { outcome: outcomes().remove(0), except: None }]);
    let cut_off = &cut_off[..cut_off.len() - 1];
    for bytes in [
        &b""[..],
        br#"{"type":"works","shop":1,"on":true}"#,
        &[VERSION],
        &[VERSION, 99],
        // It settles something for a person whom it does not name.
        &[VERSION, 0, 0, 1, 0, 2, 14, 0, 2, 0],
        &of_another_version,
        cut_off,
    ] {
        assert!(decode(bytes).is_err(), "{bytes:?}");
    }
}
