//! Search: the same messages are found on both databases, whatever has become of them since they were written.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{connection::SimpleConnection, prelude::*};
use shopbell::{
    actors::indexer::words,
    domain::{
        ids::{ConversationId, Timestamp, UserId},
        people::{Person, Shop},
        search::Query,
    },
    store::{
        Db,
        conversations::{self, Filter, Scope},
        copy::copy,
        messages,
        schema::search_documents,
        search::{self, Indexed, Sought},
    },
};

use crate::place::{Place, World, each};

/// Indexes everything that waits for it, a few at a time; gives how many messages there were.
fn index(db: &mut Db) -> usize {
    let mut messages = 0;
    loop {
        let behind = search::behind(db, Timestamp(0), 2).unwrap();
        match db.write(|db| search::index(db, &behind, 3, words)).unwrap() {
            Indexed::Messages { count: 0, all } => {
                assert!(all && behind.is_empty());
                return messages;
            }
            Indexed::Messages { count, .. } => messages += count,
            Indexed::Elsewhere => panic!("nobody else is there"),
        }
    }
}

fn sought(shop: &Shop, typed: &str) -> Sought {
    Sought { shop: shop.id, query: Query::parse(typed).unwrap(), sender: None, from: None, to: None }
}

/// The contents that are found, by pages of two.
fn found(db: &mut Db, sought: &Sought) -> Vec<String> {
    let (mut texts, mut below) = (Vec::new(), None);
    loop {
        let page = db.transaction(|db| search::page(db, sought, below, 2)).unwrap();
        let Some(last) = page.last() else { return texts };
        below = Some(last.id);
        texts.extend(page.into_iter().map(|found| found.record.message.content.to_string()));
    }
}

fn text(content: &str) -> String {
    format!(r#"{{"kind":"text","text":"{content}"}}"#)
}

struct Corpus {
    world: World,
    shop: Arc<Shop>,
    ann: Arc<Person>,
    conversation: ConversationId,
}

const SAID: [&str; 16] = [
    "请问这个商品什么时候发货?",
    "货已经发了",
    "我要退款",
    "ｻｲｽﾞ はありますか",
    "배송은 언제 오나요",
    "ค่าจัดส่งเท่าไหร่",
    "أين الطَّلَب؟",
    "Где мой заказ?",
    "Für die Versandkosten nach Österreich",
    "Where is order A-1042? See https://shop.example/p/17",
    "order B-1042 and a-10",
    "blue shoes, red hats",
    "shoes in blue and HATS 👍🏽",
    "ＦＵＬＬ width café",
    "drop table; -- ' : * ( ) & | ! < > near and or not",
    "好好好",
];

/// What is typed, and which of the above are found by it, the newest first.
const FINDS: [(&str, &[usize]); 38] = [
    ("货", &[1, 0]),
    ("发货", &[0]),
    ("货发", &[]),
    ("商品 时候", &[0]),
    ("退款", &[2]),
    ("サイズ", &[3]),
    ("배송", &[4]),
    ("จัดส่ง", &[5]),
    ("الطلب", &[6]),
    ("ЗАКАЗ", &[7]),
    ("зак", &[7]),
    ("versand", &[8]),
    ("kosten", &[]),
    ("osterreich fur", &[8]),
    ("A-1042", &[9]),
    ("1042", &[10, 9]),
    ("a-10", &[10]),
    ("shop.example/p/17", &[9]),
    ("blue shoes", &[12, 11]),
    ("\"blue shoes\"", &[11]),
    ("shoe", &[12, 11]),
    ("\"shoe\"", &[]),
    ("hat", &[12, 11]),
    ("ha", &[]),
    ("full", &[13]),
    ("cafe", &[13]),
    ("👍", &[12]),
    ("' : *", &[]),
    ("near", &[14]),
    ("drop table; --", &[14]),
    ("or not", &[14]),
    ("\"and or\" -- *", &[14]),
    ("\"or and\"", &[]),
    ("好", &[15]),
    ("好好", &[15]),
    ("好好好好", &[]),
    ("and blue", &[12]),
    ("blue hats red", &[11]),
];

fn corpus(place: &Place) -> Corpus {
    let mut world = place.world();
    let (shop, ann) = (world.shop("acme"), world.user("ann"));
    let conversation = world.support(&shop, &ann);
    for said in SAID {
        world.say(conversation, &ann, said);
    }
    Corpus { world, shop, ann, conversation }
}

#[test]
fn found_alike_on_both_databases() {
    each(|place: Place| {
        let Corpus { mut world, shop, .. } = corpus(&place);
        assert_eq!(index(&mut world.db), SAID.len());
        assert_eq!(search::behind(&mut world.db, Timestamp(0), 1).unwrap(), []);
        for (typed, places) in FINDS {
            let Some(query) = Query::parse(typed) else {
                assert!(places.is_empty(), "{typed}");
                continue;
            };
            let wanted: Vec<String> = places.iter().map(|place| text(SAID[*place])).collect();
            let sought = Sought { query, ..sought(&shop, "x") };
            assert_eq!(found(&mut world.db, &sought), wanted, "{typed}");
        }
    });
}

#[test]
fn of_somebody_and_of_a_time() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann, bob) = (world.shop("acme"), world.user("ann"), world.user("bob"));
        let (of_ann, of_bob) = (world.support(&shop, &ann), world.support(&shop, &bob));
        let mut times = Vec::new();
        for n in 0..4 {
            times.push(world.now());
            world.say(of_ann, &ann, &format!("hello {n}"));
            world.say(of_bob, &bob, &format!("hello {n}"));
        }
        index(&mut world.db);
        let mut count = |change: &dyn Fn(&mut Sought)| {
            let mut sought = sought(&shop, "hello");
            change(&mut sought);
            found(&mut world.db, &sought).len()
        };
        assert_eq!(count(&|_| {}), 8);
        assert_eq!(count(&|sought| sought.sender = Some(ann.id)), 4);
        assert_eq!(count(&|sought| sought.sender = Some(UserId(99))), 0);
        assert_eq!(count(&|sought| sought.from = Some(times[3])), 2);
        assert_eq!(count(&|sought| sought.to = Some(times[1])), 2);
        assert_eq!(count(&|sought| (sought.from, sought.to) = (Some(times[1]), Some(times[2]))), 2);
        assert_eq!(count(&|sought| sought.to = Some(Timestamp(i64::MAX))), 8);
        assert_eq!(count(&|sought| sought.from = Some(Timestamp(i64::MAX))), 0);
        let hit = world.db.transaction(|db| search::page(db, &sought(&shop, "hello"), None, 1)).unwrap().remove(0);
        assert_eq!((&*hit.buyer.uid, &*hit.record.message.from.uid), ("bob", "bob"));
        assert_eq!((hit.record.message.conversation, hit.record.message.seq), (of_bob, 4));
    });
}

#[test]
fn what_is_changed_leaves_the_index() {
    each(|place: Place| {
        let Corpus { mut world, shop, conversation, .. } = corpus(&place);
        index(&mut world.db);
        assert!(!search::is_changed(&mut world.db).unwrap());
        let recalled =
            messages::Rewritten { content: shopbell::domain::content::RECALLED.into(), edited_at: None, changed: None };
        messages::rewrite(&mut world.db, &[((conversation, 3), recalled)].into()).unwrap();
        assert!(search::is_changed(&mut world.db).unwrap());
        let edit = "UPDATE messages SET content = '{\"kind\":\"text\",\"text\":\"wiped\"}' WHERE seq = 2";
        world.db.batch_execute(edit).unwrap();
        assert_eq!(index(&mut world.db), 2);
        assert!(found(&mut world.db, &sought(&shop, "退款")).is_empty());
        assert_eq!(found(&mut world.db, &sought(&shop, "货")), [text(SAID[0])]);
        assert_eq!(found(&mut world.db, &sought(&shop, "wiped")), [text("wiped")]);
        let left: i64 = search_documents::table.count().get_result(&mut world.db).unwrap();
        assert_eq!(left, SAID.len() as i64 - 1);
        // What is indexed keeps its place among the others.
        let mut all = sought(&shop, "x");
        all.query = Query::parse("wiped").unwrap();
        let wiped = search::page(&mut world.db, &all, None, 9).unwrap()[0].id;
        all.query = Query::parse("发货").unwrap();
        let first = search::page(&mut world.db, &all, None, 9).unwrap()[0].id;
        all.query = Query::parse("заказ").unwrap();
        assert!(first < wiped && wiped < search::page(&mut world.db, &all, None, 9).unwrap()[0].id);
    });
}

/// A message may be changed after it was looked for what has been said, and before it was looked for what has been changed; or long
/// before all of its conversation is indexed.
#[test]
fn what_is_changed_before_it_is_indexed() {
    each(|place: Place| {
        let Corpus { mut world, shop, .. } = corpus(&place);
        let edit = "UPDATE messages SET content = '{\"kind\":\"text\",\"text\":\"wiped\"}' WHERE seq = 5";
        world.db.batch_execute(edit).unwrap();
        for upto in [3, 6] {
            let indexed = world.db.write(|db| search::index(db, &[], 3, words)).unwrap();
            assert_eq!(indexed, Indexed::Messages { count: 3, all: upto == 6 });
            assert_eq!(search::is_changed(&mut world.db), Ok(upto < 5));
        }
        assert_eq!(found(&mut world.db, &sought(&shop, "wiped")), [text("wiped")]);
        assert_eq!(index(&mut world.db), SAID.len() - 5);
        assert_eq!(found(&mut world.db, &sought(&shop, "wiped")), [text("wiped")]);
        assert!(found(&mut world.db, &sought(&shop, "배송")).is_empty());
        assert_eq!(search_documents::table.count().get_result(&mut world.db), Ok(SAID.len() as i64));
    });
}

#[test]
fn nothing_of_other_shops_and_nothing_direct() {
    each(|place: Place| {
        let mut world = place.world();
        let (acme, bolt, ann, bob) = (world.shop("acme"), world.shop("bolt"), world.user("ann"), world.user("bob"));
        let (here, there, direct) = (world.support(&acme, &ann), world.support(&bolt, &ann), world.direct(&ann, &bob));
        for id in [here, there, direct] {
            world.say(id, &ann, &format!("secret {id}"));
        }
        assert_eq!(index(&mut world.db), 2);
        assert_eq!(found(&mut world.db, &sought(&acme, "secret")), [text(&format!("secret {here}"))]);
        assert_eq!(found(&mut world.db, &sought(&bolt, "secret")), [text(&format!("secret {there}"))]);
        assert_eq!(search_documents::table.count().get_result(&mut world.db), Ok(2_i64));
    });
}

#[test]
fn messages_of_one_millisecond_and_a_thousand_of_a_word() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let ids: Vec<ConversationId> = (0..3)
            .map(|n| {
                let buyer = world.user(&format!("b{n}"));
                let id = world.support(&shop, &buyer);
                world.say_all(id, &buyer, std::iter::repeat_n("common word", 700));
                id
            })
            .collect();
        world.support(&shop, &ann);
        let buyer = world.user("b0");
        world.say(ids[0], &buyer, "rare word");
        world.db.batch_execute("UPDATE messages SET at = 5000 WHERE seq <= 700").unwrap();
        let behind = search::behind(&mut world.db, Timestamp(0), 9).unwrap();
        let indexed = world.db.write(|db| search::index(db, &behind, 9_999, words)).unwrap();
        assert_eq!(indexed, Indexed::Messages { count: 2_101, all: true });
        for (typed, count) in [("common", 2_100), ("word", 2_101), ("rare", 1), ("common rare", 0)] {
            let (mut seen, mut below) = (BTreeSet::new(), None);
            loop {
                let page = world.db.transaction(|db| search::page(db, &sought(&shop, typed), below, 100)).unwrap();
                let Some(last) = page.last() else { break };
                below = Some(last.id);
                assert!(
                    page.iter().all(|found| seen.insert((found.record.message.conversation, found.record.message.seq)))
                );
            }
            assert_eq!(seen.len(), count, "{typed}");
        }
        // Conversations with a word that is in many messages, and in few.
        let mut listed = |typed: &str| {
            let filter = Filter { text: Query::parse(typed), ..Filter::default() };
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let read = |db: &mut Db| conversations::page(db, ann.id, Scope::Shop(shop.id), &filter, after, 2);
                let (page, next) = world.db.transaction(read).unwrap();
                all.extend(page.into_iter().map(|snapshot| snapshot.conversation.id));
                after = next;
                if after.is_none() {
                    return all;
                }
            }
        };
        assert_eq!(listed("common"), [ids[0], ids[2], ids[1]]);
        assert_eq!(listed("rare"), [ids[0]]);
        assert_eq!(listed("nothing"), []);
    });
}

#[test]
fn one_word_over_and_over_in_a_long_message() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, ann) = (world.shop("acme"), world.user("ann"));
        let conversation = world.support(&shop, &ann);
        let said = format!("first {} last", vec!["again"; 20_000].join(" "));
        world.say(conversation, &ann, &said);
        assert_eq!(index(&mut world.db), 1);
        for (typed, count) in [("first", 1), ("again", 1), ("last", 1), ("\"first again again\"", 1), ("never", 0)] {
            assert_eq!(found(&mut world.db, &sought(&shop, typed)).len(), count, "{typed}");
        }
    });
}

/// On PostgreSQL, where new words are only taken down at first.
#[test]
fn a_settled_index_has_nothing_left_to_go_through() {
    #[derive(diesel::QueryableByName)]
    struct Left {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        pages: i64,
    }
    let place = Place::postgres();
    let mut world = place.world();
    let (shop, ann) = (world.shop("acme"), world.user("ann"));
    let conversation = world.support(&shop, &ann);
    let mut left = |is_settled: bool| {
        world.say(conversation, &ann, "taken down");
        assert_eq!(index(&mut world.db), 1);
        if is_settled {
            search::settle(&mut world.db).unwrap();
        }
        let left = diesel::sql_query("SELECT gin_clean_pending_list('search_words_by_word') AS pages");
        left.get_result::<Left>(&mut world.db).unwrap().pages
    };
    assert_eq!((left(false), left(true)), (1, 0));
}

#[test]
fn what_was_there_before_the_index_is_indexed() {
    each(|place: Place| {
        let Corpus { mut world, shop, .. } = corpus(&place);
        let (down, up) = match world.db.is_postgres() {
            true => (
                include_str!("../../migrations/postgres/2026-11-21-000200_search/down.sql"),
                include_str!("../../migrations/postgres/2026-11-21-000200_search/up.sql"),
            ),
            false => (
                include_str!("../../migrations/sqlite/2026-11-21-000200_search/down.sql"),
                include_str!("../../migrations/sqlite/2026-11-21-000200_search/up.sql"),
            ),
        };
        world.db.batch_execute(down).unwrap();
        world.db.batch_execute(up).unwrap();
        assert_eq!(index(&mut world.db), SAID.len());
        assert_eq!(found(&mut world.db, &sought(&shop, "退款")).len(), 1);
    });
}

#[test]
fn a_copy_is_indexed_anew() {
    for (source, target) in [(Place::sqlite(), Place::postgres()), (Place::postgres(), Place::sqlite())] {
        let Corpus { mut world, .. } = corpus(&source);
        index(&mut world.db);
        drop(world);
        copy(&source.location, &target.location, |_| {}).unwrap();
        let mut world = target.world();
        assert_eq!(index(&mut world.db), SAID.len());
        let shop = shopbell::store::shops::by_name(&mut world.db, "acme").unwrap().unwrap().shop();
        assert_eq!(found(&mut world.db, &sought(&shop, "退款")).len(), 1);
    }
}

/// Several nodes index one database: one at a time, and an indexer that is killed leaves everything as it was.
#[test]
fn one_indexes_at_a_time_and_may_die() {
    let place = Place::postgres();
    let Corpus { mut world, shop, ann, conversation } = corpus(&place);
    let mut other = place.location.writer().unwrap();
    other.batch_execute("BEGIN").unwrap();
    let behind = search::behind(&mut other, Timestamp(0), 9).unwrap();
    let indexed = search::index(&mut other, &behind, 100, words).unwrap();
    assert_eq!(indexed, Indexed::Messages { count: SAID.len(), all: true });
    let tried = world.db.write(|db| search::index(db, &behind, 100, words)).unwrap();
    assert_eq!(tried, Indexed::Elsewhere);
    // Nobody who writes waits for it.
    world.say(conversation, &ann, "退款 again");
    drop(other);
    // PostgreSQL notices the end of a connection by itself.
    while world.db.write(|db| search::index(db, &[], 0, words)).unwrap() == Indexed::Elsewhere {}
    assert_eq!(index(&mut world.db), SAID.len() + 1);
    assert_eq!(found(&mut world.db, &sought(&shop, "退款")).len(), 2);
}
