//! What was said, when it was received and read, and what lies around a conversation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use shopbell::{
    domain::{
        command::Message,
        content::RECALLED,
        conversation::{Cause, Deed, Moved},
        cursor::Which,
        ids::{ConversationId, Timestamp, UserId},
        offline::{Bounds, Entry, Op},
    },
    store::{conversations, messages, offline, receipts, tickets, timeline, waiting_acks},
};

use crate::place::{Place, World, each};

fn texts(records: &[messages::Record]) -> Vec<i64> {
    records.iter().map(|record| record.message.seq).collect()
}

#[test]
fn a_history_is_read_by_pages_in_both_directions() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let id = world.support(&shop, &ann);
        for n in 1..=10 {
            assert_eq!(world.say(id, &ann, &format!("第{n}条 it's \\ \u{1F600}")), n);
        }
        let conversation = world.load(id);
        let World { db, people, .. } = &mut world;
        let mut page = |before, after| {
            let (records, more) = messages::history(db, people, &conversation, before, after, 3).unwrap();
            (texts(&records), more)
        };
        assert_eq!(page(None, None), (vec![8, 9, 10], true), "the newest");
        assert_eq!(page(Some(8), None), (vec![5, 6, 7], true));
        assert_eq!(page(Some(3), None), (vec![1, 2], false));
        assert_eq!(page(None, Some(0)), (vec![1, 2, 3], true), "the oldest");
        assert_eq!(page(None, Some(8)), (vec![9, 10], false));
        assert_eq!(page(Some(4), Some(1)), (vec![2, 3], false));
        let message = messages::find(db, people, &conversation, 4).unwrap().unwrap();
        assert_eq!(&*message.content, "{\"kind\":\"text\",\"text\":\"第4条 it's \\ \u{1F600}\"}");
        assert_eq!(messages::count_above(db, id, 7, Which::First).unwrap(), 3);
        assert_eq!(messages::count_above(db, id, 0, Which::Second).unwrap(), 0);
    });
}

#[test]
fn parts_of_several_conversations_are_read_at_once() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann, bob) = (world.shop("acme"), world.user("ann"), world.user("bob"));
        let (of_ann, of_bob) = (world.support(&shop, &ann), world.support(&shop, &bob));
        for n in 1..=6 {
            world.say(of_ann, &ann, &n.to_string());
            world.say(of_bob, &bob, &n.to_string());
        }
        let World { db, people, .. } = &mut world;
        let nobodys = ConversationId(999);
        let known = conversations::load_all(db, people, [of_bob, of_ann, nobodys].into()).unwrap();
        assert_eq!(known.keys().copied().collect::<BTreeSet<_>>(), [of_ann, of_bob].into());
        let part = |id, from, upto, limit| messages::Range { conversation: &known[&id], from, upto, limit };
        let asked = [part(of_bob, 4, 6, 10), part(of_ann, 9, 9, 1), part(of_ann, 2, 6, 3)];
        let found = messages::ranges(db, people, &asked).unwrap();
        let places = |messages: &Vec<Message>| messages.iter().map(|m| (m.conversation, m.seq)).collect::<Vec<_>>();
        let found: Vec<_> = found.iter().map(places).collect();
        let of = |id, seqs: std::ops::RangeInclusive<i64>| seqs.map(|seq| (id, seq)).collect::<Vec<_>>();
        assert_eq!(found, [of(of_bob, 4..=6), vec![], of(of_ann, 2..=4)]);
    });
}

#[test]
fn a_message_is_found_by_its_senders_key_and_stored_once() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann, bob) = (world.shop("acme"), world.user("ann"), world.user("bob"));
        let (of_ann, of_bob) = (world.support(&shop, &ann), world.support(&shop, &bob));
        world.say(of_ann, &ann, "hi");
        world.say(of_bob, &bob, "hi");
        let key = format!("{of_ann}/1");
        let by_key = |world: &mut World, user: UserId| {
            let key = (user, Arc::from(key.as_str()));
            let found = messages::by_keys(&mut world.db, &BTreeSet::from([key.clone()])).unwrap();
            found.into_iter().next().map(|(of, stored)| {
                assert_eq!(of, key);
                stored
            })
        };
        let stored = by_key(&mut world, ann.id).unwrap();
        assert_eq!((stored.conversation, stored.seq, stored.digest), (of_ann, 1, [7; 16]));
        assert!(by_key(&mut world, bob.id).is_none(), "each sender has its own");
        let conversation = world.load(of_ann);
        let mut again = messages::find(&mut world.db, &mut world.people, &conversation, 1).unwrap().unwrap();
        again.seq = 2;
        let mut insert = |message: &Message| {
            messages::insert(&mut world.db, &[messages::New { message: Arc::new(message.clone()), digest: [7; 16] }])
        };
        assert!(insert(&again).is_err(), "a key is one row");
        again.client_id = "other".into();
        again.seq = 1;
        assert!(insert(&again).is_err(), "a place is one row");
        let rewrite = |world: &mut World, content: &str, edited_at| {
            let rewritten = messages::Rewritten { content: content.into(), edited_at, changed: None };
            messages::rewrite(&mut world.db, &BTreeMap::from([((of_ann, 1), rewritten)])).unwrap();
            let (records, _) =
                messages::history(&mut world.db, &mut world.people, &conversation, None, None, 1).unwrap();
            records.into_iter().next().unwrap()
        };
        let edited = rewrite(&mut world, "{}", Some(Timestamp(9)));
        assert_eq!((&*edited.message.content, edited.edited_at), ("{}", Some(Timestamp(9))));
        let recalled = rewrite(&mut world, RECALLED, None);
        assert_eq!((&*recalled.message.content, recalled.edited_at), (RECALLED, Some(Timestamp(9))));
        assert_eq!(by_key(&mut world, ann.id).unwrap().digest, [7; 16], "outlives it");
    });
}

#[test]
fn times_of_delivery_follow_from_receipts() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let id = world.support(&shop, &ann);
        for _ in 0..5 {
            world.say(id, &ann, "x");
        }
        for (delivered, read, at) in [(Some(2), None, 10), (Some(4), Some(3), 20), (Some(4), None, 30)] {
            let (moved, at) = (Moved { delivered, read }, Timestamp(at));
            let new = receipts::New { conversation: id, side: Which::Second, moved, at };
            receipts::insert(&mut world.db, &[new]).unwrap();
        }
        let conversation = world.load(id);
        let World { db, people, .. } = &mut world;
        let (records, _) = messages::history(db, people, &conversation, None, None, 10).unwrap();
        let times: Vec<_> = records.iter().map(|r| (r.delivered_at.map(|t| t.0), r.read_at.map(|t| t.0))).collect();
        let (at_10, at_20) = ((Some(10), Some(20)), (Some(20), Some(20)));
        assert_eq!(times, [at_10, at_10, at_20, (Some(20), None), (None, None)], "the first time counts");
        let (page, _) = messages::history(db, people, &conversation, Some(3), None, 1).unwrap();
        assert_eq!(page[0].delivered_at, Some(Timestamp(10)), "of a page, by a receipt at its edge or beyond it");
    });
}

fn change(conversation: ConversationId, cause: Cause, by: UserId, to: Option<UserId>, at: Timestamp) -> timeline::New {
    timeline::New { conversation, at, cause, by, from: None, to, claim_version: 1, ticket: 1 }
}

#[test]
fn tickets_and_the_timeline_say_who_did_what() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let agent = world.agent(&shop, "a1");
        let id = world.support(&shop, &ann);
        for round in 1..=3 {
            world.say(id, &ann, "hi");
            let now = world.now();
            let note = |world: &mut World, change: &dyn Fn(&mut tickets::Change)| {
                let conversation = world.load(id);
                let mut noted = tickets::Change::of(&conversation);
                change(&mut noted);
                tickets::write(&mut world.db, &BTreeMap::from([((id, conversation.ticket), noted)])).unwrap();
            };
            note(&mut world, &|ticket| (ticket.is_new, ticket.left_message) = (true, round == 2));
            timeline::insert(&mut world.db, &[change(id, Cause::Opened, ann.id, None, now)]).unwrap();
            world.claim(id, &agent);
            note(&mut world, &|ticket| {
                (ticket.claimed, ticket.answered) = (Some((now, agent.id)), Some((now, agent.id)));
            });
            note(&mut world, &|ticket| ticket.claimed = Some((Timestamp(999_999), ann.id)));
            timeline::insert(&mut world.db, &[change(id, Cause::Claimed, agent.id, Some(agent.id), now)]).unwrap();
            let last = world.load(id).last_seq;
            note(&mut world, &|ticket| ticket.resolved = Some((now, agent.id, last)));
            note(&mut world, &|ticket| ticket.rated = Some((now, 5, Some("好".into()))));
            world.act(id, &agent, &Deed::Resolve);
        }
        let all = tickets::Sought::default();
        let numbers = |rows: &[tickets::Listed]| rows.iter().map(|listed| listed.row.number).collect::<Vec<_>>();
        let page = tickets::page(&mut world.db, shop.id, &all, None, 2).unwrap();
        assert_eq!(numbers(&page), [3, 2], "the latest first");
        assert_eq!((page[0].row.score, page[0].row.comment.as_deref()), (Some(5), Some("好")));
        assert_eq!(
            (page[0].row.claimed_by, page[0].row.last_seq),
            (Some(agent.id.0), Some(3)),
            "the first claim counts"
        );
        assert_eq!((page[0].row.left_message, page[1].row.left_message), (false, true));
        assert_eq!(page[0].buyer, ann.id);
        let last = &page[1].row;
        let after = Some(page[1].place());
        assert_eq!(numbers(&tickets::page(&mut world.db, shop.id, &all, after, 2).unwrap()), [1]);
        let of_agent = tickets::Sought { agent: Some(agent.id), buyer: Some(ann.id), ..all };
        assert_eq!(tickets::page(&mut world.db, shop.id, &of_agent, None, 9).unwrap().len(), 3);
        let of_nobody = tickets::Sought { agent: Some(UserId(99)), ..all };
        assert_eq!(tickets::page(&mut world.db, shop.id, &of_nobody, None, 9).unwrap().len(), 0);
        let since = tickets::Sought { from: Some(Timestamp(last.opened_at)), ..all };
        assert_eq!(numbers(&tickets::page(&mut world.db, shop.id, &since, None, 9).unwrap()), [3, 2]);
        let until = tickets::Sought { to: Some(Timestamp(last.opened_at)), ..all };
        assert_eq!(numbers(&tickets::page(&mut world.db, shop.id, &until, None, 9).unwrap()), [1]);
        let entries = timeline::page(&mut world.db, id, 2, 3).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!((entries[1].cause.as_str(), entries[1].to.as_ref().unwrap().id), ("claimed", agent.id));
    });
}

#[test]
fn acks_while_a_conversation_waits_are_each_agents_own() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann, bob) = (world.shop("acme"), world.user("ann"), world.user("bob"));
        let (a1, a2) = (world.agent(&shop, "a1"), world.agent(&shop, "a2"));
        let (id, other) = (world.support(&shop, &ann), world.support(&shop, &bob));
        for _ in 0..3 {
            world.say(id, &ann, "hi");
        }
        assert_eq!(waiting_acks::get(&mut world.db, id, a1.id).unwrap(), 0);
        waiting_acks::set(&mut world.db, &BTreeMap::from([((id, a1.id), 1)])).unwrap();
        waiting_acks::set(&mut world.db, &BTreeMap::from([((id, a1.id), 2), ((other, a1.id), 9)])).unwrap();
        assert_eq!(waiting_acks::get(&mut world.db, id, a1.id).unwrap(), 2);
        let asked = BTreeSet::from([(id, a1.id), (id, a2.id)]);
        let acked = waiting_acks::of(&mut world.db, &asked).unwrap().into_iter().filter(|(_, seq)| *seq > 0);
        assert_eq!(acked.collect::<Vec<_>>(), [((id, a1.id), 2)]);
        let due = waiting_acks::due_to_agents(&mut world.db).unwrap();
        let mut due: Vec<_> = due.into_iter().map(|(person, entry)| (person.id, entry.seq)).collect();
        due.sort_unstable();
        assert_eq!(due, [(a1.id, 3), (a2.id, 1), (a2.id, 2), (a2.id, 3)]);
        waiting_acks::clear(&mut world.db, &BTreeSet::from([id])).unwrap();
        assert_eq!(waiting_acks::get(&mut world.db, id, a1.id).unwrap(), 0);
        assert_eq!(waiting_acks::get(&mut world.db, other, a1.id).unwrap(), 9);
    });
}

#[test]
fn an_offline_list_is_bounded_by_number_and_age() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let id = world.support(&shop, &ann);
        let bounds = Bounds { max_messages: 3, ttl: Duration::from_millis(50) };
        let entry = |seq| Entry { conversation: id, seq };
        for seq in 1..=5 {
            let push = Op::Push { to: ann.clone(), entry: entry(seq) };
            offline::apply(&mut world.db, &[push.clone(), push], Timestamp(100 + seq)).unwrap();
        }
        let shown = |world: &mut World, now| offline::entries(&mut world.db, ann.id, Timestamp(now), bounds).unwrap();
        assert_eq!(shown(&mut world, 106), [entry(3), entry(4), entry(5)], "the newest three");
        assert_eq!(shown(&mut world, 154), [entry(4), entry(5)], "and what is not too old");
        offline::bound(&mut world.db, ann.id, bounds, Timestamp(106)).unwrap();
        let wide = Bounds { max_messages: 100, ttl: Duration::from_secs(9) };
        assert_eq!(offline::entries(&mut world.db, ann.id, Timestamp(106), wide).unwrap().len(), 3, "the rest is gone");
        let trim = Op::Trim { of: ann.clone(), entry: entry(4) };
        offline::apply(&mut world.db, &[trim], Timestamp(107)).unwrap();
        assert_eq!(shown(&mut world, 107), [entry(5)]);
    });
}
