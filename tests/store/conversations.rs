//! Conversations: how they are kept, found, filtered and paged through, and what is due to whom.

use std::{collections::BTreeSet, sync::Arc};

use shopbell::{
    domain::{
        conversation::Deed,
        cursor::{Given, Which},
        ids::{ConversationId, UserId},
    },
    store::{
        arrivals,
        conversations::{self, Filter, Pair, Scope},
    },
};

use crate::place::{Place, World, each};

#[test]
fn a_conversation_comes_back_as_it_was() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann, bob) = (world.shop("acme"), world.user("ann"), world.user("bob"));
        let agent = world.agent(&shop, "a1");
        let id = world.support(&shop, &ann);
        world.say(id, &ann, "hi");
        let opened = world.load(id);
        assert!(opened.waiting_since.is_some());
        world.claim(id, &agent);
        world.say(id, &agent, "hello");
        let mut given = Given::default();
        given.insert(1, 2);
        let changed = world.change(id, |conversation| {
            conversation.ack(Which::First, 2, &given).unwrap();
            conversation.clone()
        });
        assert_eq!(world.load(id), changed);
        assert_eq!((changed.claim_version, changed.last_seq, changed.claimant().unwrap().id), (1, 2, agent.id));
        world.act(id, &agent, &Deed::Resolve);
        assert!(world.load(id).claimant().is_none(), "what is gone is gone");
        let direct = world.direct(&ann, &bob);
        world.say(direct, &bob, "psst");
        assert_eq!(world.load(direct).second.said, 1);
        let mut between = |pair| {
            let found = conversations::between(&mut world.db, &BTreeSet::from([pair])).unwrap();
            found.into_iter().map(|(of, id)| (of == pair).then_some(id)).next().flatten()
        };
        assert_eq!(between(Pair::Support { shop: shop.id, buyer: ann.id }), Some(id));
        assert_eq!(between(Pair::Support { shop: shop.id, buyer: bob.id }), None);
        assert_eq!(between(Pair::Direct { first: ann.id, second: bob.id }), Some(direct));
        assert!(conversations::load(&mut world.db, &mut world.people, ConversationId(999)).unwrap().is_none());
        let snapshot = conversations::snapshot(&mut world.db, &mut world.people, id).unwrap().unwrap();
        assert_eq!(snapshot.last.unwrap().seq, 2);
    });
}

#[test]
fn a_pair_has_one_conversation() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let id = world.support(&shop, &ann);
        let mut twin = world.load(id);
        let numbers = conversations::numbers(&mut world.db, None, 3).unwrap();
        assert!(numbers[0] > id && numbers[1] > numbers[0] && numbers[2] > numbers[1], "{numbers:?}");
        twin.id = numbers[0];
        assert!(conversations::insert(&mut world.db, &[Arc::new(twin)]).is_err());
    });
}

#[test]
fn an_inbox_is_filtered_and_paged() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, other) = (world.shop("acme"), world.shop("beta"));
        let (a1, a2) = (world.agent(&shop, "a1"), world.agent(&shop, "a2"));
        let mut ids = Vec::new();
        for n in 1..=7 {
            let buyer = world.user(&format!("b{n}"));
            let id = world.support(&shop, &buyer);
            world.say(id, &buyer, "hi");
            ids.push(id);
        }
        let buyer = world.user("b1");
        let elsewhere = world.support(&other, &buyer);
        world.say(elsewhere, &buyer, "hi");
        world.claim(ids[0], &a1);
        world.claim(ids[1], &a2);
        world.act(ids[1], &a2, &Deed::Resolve);
        let find = |world: &mut World, scope, filter: &Filter| {
            let (page, next) = conversations::page(&mut world.db, a1.id, scope, filter, None, 100).unwrap();
            assert_eq!(next, None);
            page.into_iter().map(|snapshot| snapshot.conversation.id).collect::<Vec<_>>()
        };
        let of_shop = Scope::Shop(shop.id);
        let with = |state| Filter { state: Some(state), ..Filter::default() };
        let latest_first = [ids[1], ids[0], ids[6], ids[5], ids[4], ids[3], ids[2]];
        assert_eq!(find(&mut world, of_shop, &Filter::default()), latest_first);
        assert_eq!(find(&mut world, of_shop, &with("waiting")), latest_first[2..]);
        assert_eq!(find(&mut world, of_shop, &with("claimed")), [ids[0]]);
        assert_eq!(find(&mut world, of_shop, &with("resolved")), [ids[1]]);
        assert_eq!(find(&mut world, Scope::Own, &Filter::default()), [ids[0]], "what it has claimed");
        let mine = Filter { claimed_by: Some(a1.id), ..Filter::default() };
        assert_eq!(find(&mut world, of_shop, &mine), [ids[0]]);
        let of_buyer = Filter { buyer: Some(buyer.id), ..Filter::default() };
        assert_eq!(find(&mut world, of_shop, &of_buyer), [ids[0]]);
        let at = world.load(ids[5]).updated_at;
        let since = Filter { from: Some(at), ..Filter::default() };
        assert_eq!(find(&mut world, of_shop, &since), latest_first[..4]);
        let until = Filter { to: Some(at), ..Filter::default() };
        assert_eq!(find(&mut world, of_shop, &until), latest_first[4..]);
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let all = Filter::default();
            let (page, next) = conversations::page(&mut world.db, a1.id, of_shop, &all, after, 3).unwrap();
            paged.extend(page.into_iter().map(|snapshot| snapshot.conversation.id));
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, latest_first);
        assert_eq!(conversations::open(&mut world.db, shop.id).unwrap().len(), 6);
        let arrival = arrivals::arrivals(&mut world.db, &[buyer.id]).unwrap().remove(&buyer.id).unwrap();
        assert_eq!(arrival.talks.len(), 2);
    });
}

/// The same question finds the same people on both databases.
#[test]
fn a_part_of_a_name_finds_its_conversation() {
    let names = [("b1", "Ann Smith"), ("B2", "安娜"), ("b3", "100% Ünal"), ("b_4", "back\\slash"), ("b5", "ÜNAL")];
    let questions: [(&str, &[usize]); 12] = [
        ("ann", &[0]),
        ("SMITH", &[0]),
        ("安", &[1]),
        ("b2", &[1]),
        ("%", &[2]),
        ("100%", &[2]),
        ("_", &[3]),
        ("\\", &[3]),
        ("Ü", &[2, 4]),
        // Letters beyond A to Z are looked for as they are written.
        ("ü", &[]),
        ("nal", &[2, 4]),
        ("B", &[0, 1, 2, 3, 4]),
    ];
    each(|place: Place| {
        let mut world = place.world();
        let shop = world.shop("acme");
        let agent = world.agent(&shop, "x");
        let mut ids = Vec::new();
        for (uid, name) in names {
            let buyer = world.named(uid, name);
            let id = world.support(&shop, &buyer);
            world.say(id, &buyer, "hi");
            ids.push(id);
        }
        for (q, found) in questions {
            let filter = Filter { q: Some(q.to_owned()), ..Filter::default() };
            let scope = Scope::Shop(shop.id);
            let (page, _) = conversations::page(&mut world.db, agent.id, scope, &filter, None, 100).unwrap();
            let mut places: Vec<_> =
                page.iter().map(|s| ids.iter().position(|id| *id == s.conversation.id).unwrap()).collect();
            places.sort_unstable();
            assert_eq!(places, found, "{q}");
        }
    });
}

#[test]
fn what_is_above_the_cursor_is_due() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann, bob) = (world.shop("acme"), world.user("ann"), world.user("bob"));
        let (a1, a2) = (world.agent(&shop, "a1"), world.agent(&shop, "a2"));
        let id = world.support(&shop, &ann);
        world.say(id, &ann, "one");
        world.say(id, &ann, "two");
        let due = |world: &mut World, user: UserId| {
            let mut due = arrivals::arrivals(&mut world.db, &[user]).unwrap().remove(&user).unwrap().due;
            due.sort_unstable_by_key(|due| due.conversation);
            due.iter().map(|due| (due.conversation, due.from, due.upto, due.count)).collect::<Vec<_>>()
        };
        assert_eq!(due(&mut world, a1.id), [], "nobody has claimed it");
        let waits = |world: &mut World, agent, among: Option<&[ConversationId]>| {
            let waits = conversations::waiting_for(&mut world.db, agent, among).unwrap();
            waits.iter().map(|waits| (waits.conversation, waits.cursor, waits.last, waits.count)).collect::<Vec<_>>()
        };
        assert_eq!(waits(&mut world, a2.id, None), [(id, 0, 2, 2)]);
        assert_eq!(waits(&mut world, a2.id, Some(&[id, ConversationId(99)])), [(id, 0, 2, 2)]);
        assert_eq!(waits(&mut world, a2.id, Some(&[])), []);
        assert_eq!(waits(&mut world, bob.id, None), []);
        world.claim(id, &a1);
        assert_eq!(due(&mut world, a1.id), [(id, 1, 2, 2)]);
        assert_eq!(due(&mut world, a2.id), []);
        world.say(id, &a1, "three");
        assert_eq!(due(&mut world, ann.id), [(id, 3, 3, 1)]);
        let direct = world.direct(&ann, &bob);
        world.say(direct, &ann, "psst");
        assert_eq!(due(&mut world, bob.id), [(direct, 1, 1, 1)]);
        assert_eq!(waits(&mut world, a2.id, None), [], "it waits no longer");
        assert_eq!(conversations::claimed_in(&mut world.db, shop.id, a1.id).unwrap(), [(id, 1)]);
        assert_eq!(conversations::orphaned_claims(&mut world.db).unwrap(), []);
        shopbell::store::agents::delete(&mut world.db, shop.id, a1.id).unwrap();
        assert_eq!(conversations::orphaned_claims(&mut world.db).unwrap(), [(id, 1, a1.id)]);
    });
}

/// Two writers of one conversation, on two nodes: the second sees what the first has done.
#[test]
fn a_conversation_is_taken_by_one_at_a_time() {
    let place = Place::postgres();
    let mut world = place.world();
    let (shop, ann) = (world.shop("acme"), world.user("ann"));
    let id = world.support(&shop, &ann);
    let add = |rounds: usize| {
        let mut world = place.world();
        for _ in 0..rounds {
            world.change(id, |conversation| conversation.claim_version += 1);
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| _ = scope.spawn(|| add(25))));
    assert_eq!(world.load(id).claim_version, 100);
}
