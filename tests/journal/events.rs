//! What is told of a batch, and in which places.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use shopbell::{
    domain::{
        command::{Act, Target},
        event::{About, Detail, Event, Kind, Position, Told, Types},
        ids::{ConversationId, ShopId, Timestamp},
        people::Status,
    },
    store::{
        Db,
        events::{self, Outside, Page, Sequenced},
        journal::{Answer, Entry, Rules, Writer},
    },
};

use super::scene::{RULES, Scene, all_told, content, given, shop, told, within};

/// The only shop of a scene.
const SHOP: ShopId = ShopId(1);

macro_rules! on_both {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[test]
            fn $name() {
                super::$name(super::Scene::sqlite());
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $name() {
                super::$name(super::Scene::postgres());
            })*
        }
    };
}

on_both! {
    everything_is_told_once_and_in_its_order,
    what_is_told_is_as_it_is_now,
    direct_conversations_are_told_to_nobody,
    without_events_nothing_is_noted,
    types_and_limits_choose_and_nothing_is_passed_over,
    what_retention_has_removed_is_missed_aloud,
}

/// Gives everything its place, as a node does.
fn sequence(db: &mut Db) {
    while db.write(|db| events::sequence(db, 2)).unwrap() != (Sequenced::Events { count: 0, all: true }) {}
}

fn all(scene: &mut Scene) -> Vec<Told> {
    sequence(&mut scene.db);
    let page = events::after(&mut scene.db, SHOP, 0, &Types::default(), usize::MAX).unwrap().unwrap();
    let places: Vec<Position> = page.events.iter().map(|told| told.position).collect();
    assert_eq!(places, (1..=page.last).collect::<Vec<_>>(), "without gaps");
    assert_eq!(page.position, page.last);
    page.events
}

fn kinds(told: &[Told]) -> Vec<&'static str> {
    told.iter().map(|told| told.event.kind.as_str()).collect()
}

fn commit(scene: &mut Scene, mut batch: Vec<Entry>) -> Vec<String> {
    all_told(&scene.writer.commit(&mut batch))
}

fn address() -> std::sync::Arc<str> {
    "192.0.2.1".into()
}

fn everything_is_told_once_and_in_its_order(mut scene: Scene) {
    let id = ConversationId(1);
    let admin = Act::Edit { conversation: id, seq: 1, content: content("hello"), address: address() };
    let batch = vec![
        scene.send("b0", shop(), "a", "hi"),
        scene.send("b0", shop(), "a", "hi"),
        scene.command("ann", Act::Ack { conversation: id, seq: 1, given: given(1), viewing: false }),
        scene.command("bob", Act::Claim(id)),
        scene.command("bob", Act::Claim(id)),
        scene.command("ann", Act::Claim(id)),
        scene.send("bob", within(id), "c", "yes?"),
        scene.command("bob", Act::Release(id)),
        scene.command("sue", Act::Transfer { conversation: id, to: "ann".into() }),
        scene.command("b0", Act::Recall { conversation: id, seq: 1 }),
        scene.command("b0", Act::Recall { conversation: id, seq: 1 }),
        scene.command("ann", admin),
        scene.command("ann", Act::Resolve(id)),
        scene.command("b0", Act::Rate { conversation: id, score: 4, comment: Some("good".into()) }),
        scene.command("ann", Act::SetStatus { shop: "acme".into(), status: Status::Online }),
        scene.command("ann", Act::SetStatus { shop: "acme".into(), status: Status::Away }),
        scene.command("ann", Act::SetStatus { shop: "acme".into(), status: Status::Away }),
    ];
    let answers = commit(&mut scene, batch);
    assert_eq!(answers[11], "!Forbidden", "who is no admin edits nothing");
    let batch = vec![
        scene.command("ann", Act::SetStatus { shop: "acme".into(), status: Status::Online }),
        scene.send("b0", within(id), "d", "and"),
        scene.command("bob", Act::Claim(id)),
        scene.command("bob", Act::LoseClaimant { conversation: id, claim_version: 5 }),
    ];
    let answers = commit(&mut scene, batch);
    assert_eq!(answers[3], "released", "{answers:?}");
    let told = all(&mut scene);
    let expected = [
        "conversation.opened",
        "message.stored",
        "conversation.claimed",
        "message.stored",
        "conversation.released",
        "conversation.transferred",
        "message.recalled",
        "conversation.resolved",
        "conversation.rated",
        "agent.off_duty",
        "agent.on_duty",
        "conversation.reopened",
        "message.stored",
        "conversation.claimed",
        "conversation.released",
    ];
    assert_eq!(kinds(&told), expected);
    assert!(told.iter().all(|told| *told.shop.shop == *"acme" && told.event.at == Timestamp(10_000)));
    let buyers: BTreeSet<Option<&str>> = told.iter().map(|told| told.buyer.as_deref().map(|b| &*b.uid)).collect();
    assert_eq!(buyers, BTreeSet::from([None, Some("b0")]));
    let Detail::Claim { ticket: 1, claim_version: 3, from: None, to: Some(to) } = &told[5].detail else {
        panic!("{:?}", told[5])
    };
    assert_eq!((&*to.uid, &*told[5].by.uid), ("ann", "sue"));
    let Detail::Rating { ticket: 1, score: Some(4), comment: Some(comment) } = &told[8].detail else {
        panic!("{:?}", told[8])
    };
    assert_eq!(&**comment, "good");
}

fn what_is_told_is_as_it_is_now(mut scene: Scene) {
    let id = scene.conversation("b0");
    let sue = scene.person("sue").id;
    let db = &mut scene.db;
    shopbell::store::agents::set_role(db, SHOP, sue, shopbell::domain::people::Role::Admin).unwrap();
    let key = "00112233445566778899aabbccddeeff";
    let row = shopbell::store::files::Row {
        key: key.into(),
        name: "a.png".into(),
        mime: "image/png".into(),
        size: 3,
        bytes: Some(vec![1, 2, 3]),
    };
    shopbell::store::files::insert(db, &row, sue, Timestamp(1)).unwrap();
    let image = shopbell::domain::content::Content {
        json: format!(r#"{{"kind":"image","url":"/files/{key}/a.png"}}"#).into(),
        digest: [9; 16],
    };
    let show = Act::Send { to: within(id), client_id: "f".into(), content: image.clone() };
    let edit = |content| Act::Edit { conversation: id, seq: 1, content, address: address() };
    let batch = vec![
        scene.command("b0", show),
        scene.command("sue", edit(content("hello"))),
        scene.command("sue", edit(image.clone())),
        scene.command("sue", edit(image.clone())),
        scene.command("sue", Act::Delete { conversation: id, seqs: BTreeSet::from([1, 2]), address: address() }),
        scene.command("sue", Act::Delete { conversation: id, seqs: BTreeSet::from([1, 2]), address: address() }),
    ];
    commit(&mut scene, batch[..1].iter().map(copy).collect());
    let before = all(&mut scene);
    assert_eq!(kinds(&before), ["conversation.opened", "message.stored", "message.stored", "file.added"]);
    let Detail::Files { files, .. } = &before[3].detail else { panic!() };
    assert_eq!((&*files[0].name, files[0].size), ("a.png", 3));
    commit(&mut scene, batch);
    let told = all(&mut scene);
    let then = ["message.edited", "message.edited", "file.added", "message.deleted", "message.deleted"];
    assert_eq!(kinds(&told[4..]), then);
    for told in &told[1..] {
        match &told.detail {
            Detail::Message { message, .. } => assert_eq!(&*message.content, r#"{"kind":"deleted"}"#),
            Detail::Files { files, .. } => assert_eq!(files.len(), 0),
            other => panic!("{other:?}"),
        }
    }
    let some = events::at(&mut scene.db, SHOP, &BTreeSet::from([2, 4, 99])).unwrap();
    assert_eq!(some.iter().map(|told| told.position).collect::<Vec<_>>(), [2, 4]);
}

fn copy(entry: &Entry) -> Entry {
    match entry {
        Entry::Command(command) => Entry::Command(command.clone()),
        Entry::Job(_) => panic!("no job"),
    }
}

fn direct_conversations_are_told_to_nobody(mut scene: Scene) {
    let hi = scene.send("b0", Target::User("b1".into()), "a", "hi");
    assert_eq!(told(&scene.one(hi)), "1:1");
    let recall = scene.command("b0", Act::Recall { conversation: ConversationId(1), seq: 1 });
    assert_eq!(told(&scene.one(recall)), "Recalled");
    assert_eq!(all(&mut scene).len(), 0);
    assert_eq!(scene.dump("event_positions"), Vec::<String>::new());
}

fn without_events_nothing_is_noted(mut scene: Scene) {
    scene.writer = Writer::open(&scene.location, Rules { events: false, ..RULES }).unwrap();
    let id = scene.conversation("b0");
    let claim = scene.command("ann", Act::Claim(id));
    let away = scene.command("bob", Act::SetStatus { shop: "acme".into(), status: Status::Away });
    commit(&mut scene, vec![claim, away]);
    assert_eq!(all(&mut scene).len(), 0);
}

fn types_and_limits_choose_and_nothing_is_passed_over(mut scene: Scene) {
    let id = scene.conversation("b0");
    let batch = (0..250).map(|n| scene.send("b0", within(id), &format!("n{n}"), "text")).collect();
    commit(&mut scene, batch);
    let claim = scene.command("ann", Act::Claim(id));
    scene.one(claim);
    let whole = all(&mut scene);
    assert_eq!(whole.len(), 253);
    let (mut position, mut pieces) = (0, Vec::new());
    loop {
        let page = events::after(&mut scene.db, SHOP, position, &Types::default(), 7).unwrap().unwrap();
        assert!(page.events.len() <= 7 && page.last == 253);
        if page.events.is_empty() {
            assert_eq!(page.position, 253);
            break;
        }
        position = page.position;
        pieces.extend(page.events.iter().map(|told| told.position));
    }
    assert_eq!(pieces, (1..=253).collect::<Vec<_>>());
    let types = Types::parse("conversation").unwrap();
    let Page { events, position, .. } = events::after(&mut scene.db, SHOP, 0, &types, 2).unwrap().unwrap();
    assert_eq!((kinds(&events), position), (vec!["conversation.opened", "conversation.claimed"], 253));
    let ahead = events::after(&mut scene.db, SHOP, 254, &types, 2).unwrap();
    assert_eq!(ahead.err(), Some(Outside::Ahead));
}

fn what_retention_has_removed_is_missed_aloud(mut scene: Scene) {
    let id = scene.conversation("b0");
    for n in 0..20 {
        let send = scene.send("b0", within(id), &format!("n{n}"), "text");
        scene.one(send);
    }
    assert_eq!(all(&mut scene).len(), 22);
    let db = &mut scene.db;
    assert_eq!(events::overdue(db, Timestamp(10_000)).unwrap(), []);
    assert_eq!(events::remove(db, SHOP, Timestamp(10_000), 5).unwrap(), 0);
    assert_eq!(events::overdue(db, Timestamp(10_001)).unwrap(), [SHOP]);
    assert_eq!(events::remove(db, SHOP, Timestamp(10_001), 5).unwrap(), 5);
    let after = |db: &mut Db, position| events::scan(db, SHOP, position, &Types::default(), 100).unwrap();
    // The first packet has two: the conversation and its message.
    assert_eq!(after(db, 5).err(), Some(Outside::Removed { earliest: 7 }));
    assert_eq!(after(db, 0).err(), Some(Outside::Removed { earliest: 7 }));
    assert_eq!(after(db, 6).unwrap().events[0].0, 7);
    while events::remove(db, SHOP, Timestamp(10_001), 5).unwrap() > 0 {}
    assert_eq!(events::overdue(db, Timestamp(10_001)).unwrap(), []);
    assert_eq!(after(db, 21).err(), Some(Outside::Removed { earliest: 23 }));
    assert_eq!(after(db, 22).unwrap().events.len(), 0);
    let send = scene.send("b0", within(id), "later", "text");
    scene.one(send);
    sequence(&mut scene.db);
    assert_eq!(after(&mut scene.db, 22).unwrap().events[0].0, 23, "positions go on");
}

#[test]
fn three_nodes_and_two_sequencers_tell_everything_once_and_in_the_order_of_each_conversation() {
    let mut scene = Scene::postgres();
    let ids: Vec<ConversationId> = (0..5).map(|n| scene.conversation(&format!("b{n}"))).collect();
    let one = |node: usize, round: usize, n: usize| {
        let at = (n + round + node) % 5;
        scene.send(&format!("b{at}"), within(ids[at]), &format!("{node} {round} {n}"), "text")
    };
    let batch = |node: usize, round: usize| (0..12).map(|n| one(node, round, n)).collect();
    let nodes: Vec<(Writer, Vec<Vec<Entry>>)> =
        (0..3).map(|node| (scene.another(), (0..40).map(|round| batch(node, round)).collect())).collect();
    let sequencers: Vec<Db> = (0..2).map(|_| scene.location.writer().unwrap()).collect();
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        for mut db in sequencers {
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    db.write(|db| events::sequence(db, 3)).unwrap();
                }
            });
        }
        let write = |(mut writer, batches): (Writer, Vec<Vec<Entry>>)| {
            scope.spawn(move || {
                for mut batch in batches {
                    while !batch.is_empty() {
                        let answers = writer.commit(&mut batch);
                        let mut answers = answers.iter();
                        batch.retain(|_| matches!(answers.next(), Some(Answer::Later)));
                    }
                }
            })
        };
        let running: Vec<_> = nodes.into_iter().map(write).collect();
        running.into_iter().for_each(|node| node.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    sequence(&mut scene.db);
    let page = events::scan(&mut scene.db, SHOP, 0, &Types::default(), usize::MAX).unwrap().unwrap();
    assert_eq!(page.events.len(), 3 * 40 * 12 + 10);
    let mut said: BTreeMap<ConversationId, i64> = BTreeMap::new();
    for (position, (place, event)) in (1..).zip(&page.events) {
        assert_eq!(*place, position);
        if let Event { kind: Kind::MessageStored, about: About::Message { conversation, seq }, .. } = *event {
            let last = said.entry(conversation).or_default();
            assert_eq!(seq, *last + 1, "conversation {conversation} at {place}");
            *last = seq;
        }
    }
    assert_eq!(said.values().sum::<i64>(), scene.number("SELECT CAST(sum(last_seq) AS BIGINT) FROM conversations"));
}
