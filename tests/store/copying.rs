//! `copy-database`: everything moves, from either database to the other, whatever happens on the way.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use diesel::{QueryDsl, QueryResult, RunQueryDsl, SelectableHelper, connection::SimpleConnection};
use shopbell::{
    domain::{
        content::Content,
        conversation::{Cause, Deed, Moved},
        cursor::Which,
        ids::{ConversationId, Timestamp},
        offline::{Entry, Op},
    },
    store::{
        Error, audit, check_backs, conversations,
        copy::{Copied, copy},
        erasures, file_uses, files,
        location::Location,
        migrate::migrate,
        offline,
        people::People,
        prepared, receipts, schema, shops, tickets, timeline, users, waiting_acks,
    },
};

use crate::place::Place;

/// A little of everything; gives how many rows.
fn furnish(place: &Place) -> u64 {
    let mut world = place.world();
    let shop = world.shop("acme");
    let agent = world.agent(&shop, "a1");
    let (ann, bob) = (world.named("ann", "Ann 'Ü' \\N 安\t\n\u{1F600}"), world.user("bob"));
    users::set_operator(&mut world.db, bob.id).unwrap();
    users::refresh(&mut world.db, "bob", None, Some(""), Timestamp(1)).unwrap();
    let change = shops::Change {
        origins: Some(r#"["https://a.b"]"#.to_owned()),
        retention_files: Some(Some(30)),
        disabled: Some(true),
        ..shops::Change::default()
    };
    shops::update(&mut world.db, shop.id, &change).unwrap();
    let id = world.support(&shop, &ann);
    world.say_all(id, &ann, (0..5_000).map(|n| if n == 7 { "\\\\N, NULL" } else { "hi" }));
    let direct = world.direct(&ann, &bob);
    world.say(direct, &bob, "psst");
    waiting_acks::set(&mut world.db, &BTreeMap::from([((id, agent.id), 1)])).unwrap();
    world.claim(id, &agent);
    let opened = world.load(id);
    let now = world.now();
    let mut ticket = tickets::Change::of(&opened);
    (ticket.is_new, ticket.rated) = (true, Some((now, 4, Some("ok".into()))));
    tickets::write(&mut world.db, &[((id, 1), ticket)].into()).unwrap();
    let to = Some(agent.id);
    let (cause, by) = (Cause::Claimed, agent.id);
    let change = timeline::New { conversation: id, at: now, cause, by, from: None, to, claim_version: 1, ticket: 1 };
    timeline::insert(&mut world.db, &[change, change]).unwrap();
    world.act(id, &agent, &Deed::Resolve);
    let moved = Moved { delivered: Some(3), read: Some(2) };
    receipts::insert(&mut world.db, &[receipts::New { conversation: id, side: Which::Second, moved, at: now }])
        .unwrap();
    let push = Op::Push { to: ann.clone(), entry: Entry { conversation: direct, seq: 1 } };
    offline::apply(&mut world.db, &[push], now).unwrap();
    for (n, bytes) in [Some((0..=255).collect::<Vec<u8>>()), None, Some(vec![])].into_iter().enumerate() {
        let (key, name, mime) = (format!("{n:032}"), "图.png".to_owned(), "image/png".to_owned());
        files::insert(&mut world.db, &files::Row { key, name, mime, size: 256, bytes }, ann.id, now).unwrap();
    }
    let act = audit::Act {
        shop: Some(shop.id),
        by: bob.id,
        address: None,
        what: "shop.change",
        subject: "acme",
        before: Some("{}".to_owned()),
        after: None,
    };
    audit::insert(&mut world.db, &act, now).unwrap();
    let replies = "INSERT INTO replies (shop_id, owner_id, \"group\", shortcut, text, created_at, updated_at) VALUES \
                   (1, NULL, '', 'hi', 'Hello {buyer.name}', 1, 1), (1, 1, 'My own', 'hi', 'Hi', 1, 1)";
    world.db.batch_execute(replies).unwrap();
    let key = "INSERT INTO api_keys (shop_id, user_id, made_by, name, hash, hint, scopes, created_at) VALUES \
               (1, 1, 1, 'the shop', 'abc', 'wxyz', 'bot', 1)";
    world.db.batch_execute(key).unwrap();
    let use_of_file = file_uses::New { key: "0".into(), conversation: id, seq: 1, shop: Some(shop.id), at: now };
    file_uses::insert(&mut world.db, &[use_of_file]).unwrap();
    world.db.batch_execute(&format!("INSERT INTO expired (conversation_id, upto) VALUES ({id}, 7)")).unwrap();
    assert!(erasures::ask(&mut world.db, shop.id, ann.id, bob.id, now).unwrap().1);
    let said = Content { json: r#"{"kind":"text","text":"later"}"#.into(), digest: [7; 16] };
    let wanted = prepared::New {
        ticket: "5d41",
        shop: shop.id,
        sender: ann.id,
        client_id: "1",
        conversation: None,
        content: &said,
        at: now,
        due_at: now,
    };
    prepared::insert(&mut world.db, &wanted).unwrap();
    for secret in ["whsec_a", "whsec_b"] {
        check_backs::set(&mut world.db, shop.id, "https://a.b", secret, now, now).unwrap();
    }
    let (users, shops, agents, conversations, messages) = (3, 1, 1, 2, 5_001);
    let (receipts, acks, tickets, timeline, offline, files, audit, replies) = (2, 1, 1, 2, 1, 3, 1, 2);
    let (file_uses, expired, erasures, keys, prepared, check_backs) = (1, 1, 1, 1, 1, 1);
    let talk = conversations + messages + receipts + acks + tickets + timeline + offline;
    let later = keys + prepared + check_backs;
    users + shops + agents + talk + files + audit + replies + file_uses + expired + erasures + later
}

/// Everything that is in a database, as text.
pub fn contents(location: &Location) -> Vec<String> {
    let mut db = location.reader().unwrap();
    let mut all = Vec::new();
    fn rows<T: Debug>(all: &mut Vec<String>, name: &str, rows: QueryResult<Vec<T>>) {
        let mut rows: Vec<String> = rows.unwrap().iter().map(|row| format!("{name} {row:?}")).collect();
        rows.sort_unstable();
        all.append(&mut rows);
    }
    type Text = Option<String>;
    type Number = Option<i64>;
    type User = (i64, String, String, Text, Text, bool, Number, i64, i64, bool);
    rows(&mut all, "users", schema::users::table.load::<User>(&mut db));
    rows(&mut all, "shops", schema::shops::table.select(shops::Row::as_select()).load(&mut db));
    type Agent = (i64, i64, String, String, Option<i32>, i64, bool);
    rows(&mut all, "agents", schema::agents::table.load::<Agent>(&mut db));
    rows(&mut all, "conversations", schema::conversations::table.select(conversations::Row::as_select()).load(&mut db));
    type Message = (i64, i64, i64, String, i16, String, Vec<u8>, String, i64, Number, Number, Number);
    rows(&mut all, "messages", schema::messages::table.load::<Message>(&mut db));
    rows(&mut all, "receipts", schema::receipts::table.load::<(i64, i16, i16, i64, i64)>(&mut db));
    rows(&mut all, "waiting_acks", schema::waiting_acks::table.load::<(i64, i64, i64)>(&mut db));
    rows(&mut all, "tickets", schema::tickets::table.load::<tickets::Row>(&mut db));
    type Change = (i64, i64, i64, String, i64, Number, Number, i64, i64);
    rows(&mut all, "timeline", schema::timeline::table.load::<Change>(&mut db));
    rows(&mut all, "offline", schema::offline::table.load::<(i64, i64, i64, i64)>(&mut db));
    type File = (String, String, String, i64, Option<Vec<u8>>, i64, i64, Number);
    rows(&mut all, "files", schema::files::table.load::<File>(&mut db));
    rows(&mut all, "file_uses", schema::file_uses::table.load::<(String, i64, i64, Number, i64)>(&mut db));
    rows(&mut all, "expired", schema::expired::table.load::<(i64, i64)>(&mut db));
    rows(&mut all, "erasures", schema::erasures::table.select(erasures::Row::as_select()).load(&mut db));
    type Act = (i64, i64, Number, i64, Text, String, String, Text, Text);
    rows(&mut all, "audit", schema::audit::table.load::<Act>(&mut db));
    type Reply = (i64, i64, Number, String, String, String, i64, i64);
    rows(&mut all, "replies", schema::replies::table.load::<Reply>(&mut db));
    type Key = (i64, i64, i64, i64, String, String, String, String, i64, Number, Number);
    rows(&mut all, "api_keys", schema::api_keys::table.load::<Key>(&mut db));
    rows(&mut all, "prepared", schema::prepared::table.select(prepared::Row::as_select()).load(&mut db));
    type CheckBack = (i64, String, String, Text, Number, i64);
    rows(&mut all, "check_backs", schema::check_backs::table.load::<CheckBack>(&mut db));
    all
}

#[test]
fn everything_moves_in_either_direction() {
    for (source, target) in [(Place::sqlite(), Place::postgres()), (Place::postgres(), Place::sqlite())] {
        let rows = furnish(&source);
        let mut told = Vec::new();
        let copied = copy(&source.location, &target.location, |progress| told.push(progress)).unwrap();
        assert_eq!(copied, Copied { rows, conversations: 2 });
        assert_eq!(told.last().map(|last| (last.done, last.total)), Some((rows, rows)));
        assert!(told.is_sorted_by_key(|progress| progress.done));
        let (before, after) = (contents(&source.location), contents(&target.location));
        assert_eq!(before.len() as u64, rows);
        assert_eq!(after, before);
        // What comes next gets numbers of its own.
        let mut world = target.world();
        let (eve, shop) = (world.user("eve"), world.shop("beta"));
        let id = world.support(&shop, &eve);
        world.say(id, &eve, "hi");
        assert_eq!(world.load(id).last_seq, 1);
        assert_eq!(id, ConversationId(3));
    }
}

#[test]
fn what_is_not_empty_not_there_or_in_use_is_refused_and_left_alone() {
    let (source, target) = (Place::sqlite(), Place::postgres());
    let refused = |from: &Location, to: &Location| copy(from, to, |_| {}).unwrap_err();
    let error = refused(&source.location, &target.location);
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert!(source.location.reader().is_ok_and(|mut db| db.batch_execute("SELECT 1 FROM users").is_err()), "not made");
    let source = Place::sqlite();
    furnish(&source);
    let held = source.location.lock(false).unwrap();
    assert!(matches!(refused(&source.location, &target.location), Error::InUse(_)));
    drop(held);
    let held = target.location.lock(true).unwrap();
    assert!(matches!(refused(&source.location, &target.location), Error::InUse(_)));
    drop(held);
    let full = Place::postgres();
    full.world().user("ann");
    let error = refused(&source.location, &full.location);
    assert!(matches!(error, Error::NotEmpty("users")), "{error}");
    assert_eq!(migrate(&mut full.location.writer().unwrap()).unwrap(), 0, "and a server may go on with it");
    let foreign = Place::postgres();
    foreign.location.writer().unwrap().batch_execute("CREATE TABLE invoices (id BIGINT)").unwrap();
    assert!(matches!(refused(&source.location, &foreign.location), Error::Foreign(_)));
    let older = Place::sqlite();
    let mut db = older.writer();
    db.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261121000100'").unwrap();
    let error = refused(&older.location, &target.location);
    assert!(matches!(&error, Error::Older(version) if version == "20261121000100"), "{error}");
}

/// Many rows of every large kind.
fn fill(place: &Place, messages: u32) {
    let mut db = place.writer();
    db.batch_execute(&format!(
        "INSERT INTO users (uid, name, created_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         SELECT 'u' || i, 'name ' || i, 1 FROM n;
         INSERT INTO shops (shop, name, created_at) VALUES ('acme', 'Acme', 1);
         INSERT INTO conversations WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         SELECT i, 1, i, NULL, 'waiting', NULL, 0, {each}, 0, 0, 0, {each}, 0, 0, {each}, 0, 1, 1, 1, 0, 1, 1, i, 1, 0, 1, 0 FROM n;
         INSERT INTO messages WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) \
         SELECT i / {each} + 1, i % {each} + 1, i / {each} + 1, 'buyer', 0, 'k' || i, x'00ff', '{{\"n\":' || i || '}}', i, NULL, NULL, NULL FROM n;",
        each = messages / 500,
        last = messages - 1,
    ))
    .unwrap();
}

/// Killed in the middle, found unfinished by a server, and run again after the source has gone on.
#[test]
fn a_copy_that_was_killed_is_run_again() {
    let (source, target) = (Place::sqlite(), Place::postgres());
    fill(&source, 200_000);
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopbell"));
        command.args(["copy-database", "--from", &source.url, "--to", &target.url]);
        command
    };
    let mut child = command().stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let in_the_middle = progress.find(|line| line.contains("messages"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(in_the_middle.is_some_and(|line| line.contains("201001 rows")), "it says how far it is");
    let mut db = target.location.writer().unwrap();
    assert!(matches!(migrate(&mut db), Err(Error::Unfinished)), "no server starts on it");
    let mut world = source.world();
    let ann = world.user("u1");
    world.say(ConversationId(1), &ann, "and on it goes");
    drop(world);
    let again = command().output().unwrap();
    let (said, progress) = (String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
    assert!(again.status.success(), "{progress}");
    assert!(said.contains("201002 rows") && said.contains("500 conversations"), "{said}");
    assert!(progress.contains("100 %") && !progress.contains('\r'), "{progress}");
    assert_eq!(migrate(&mut db).unwrap(), 0, "a server starts on it");
    let last = conversations::snapshot(&mut db, &mut People::default(), ConversationId(1)).unwrap().unwrap();
    assert_eq!(last.conversation.last_seq, 401);
    assert!(last.last.unwrap().content.contains("and on it goes"));
    let once_more = command().output().unwrap();
    assert!(!once_more.status.success());
    assert!(String::from_utf8_lossy(&once_more.stderr).contains("not empty"), "what is finished is not touched");
}

/// A row that gets lost on the way is noticed.
#[test]
fn what_is_missing_in_the_end_is_noticed() {
    let (source, target) = (Place::sqlite(), Place::postgres());
    furnish(&source);
    drop(target.writer());
    let mut db = target.location.writer().unwrap();
    db.batch_execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
         CREATE TRIGGER lose BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.seq = 5000) EXECUTE FUNCTION lose()",
    )
    .unwrap();
    let error = copy(&source.location, &target.location, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Differs(what) if what == "messages has 5000 rows of 5001"), "{error}");
    db.batch_execute(
        "CREATE OR REPLACE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seq = 6000; RETURN NEW; END $$",
    )
    .unwrap();
    let error = copy(&source.location, &target.location, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Differs(what) if what.contains("conversation 1 ends at 6000")), "{error}");
    assert!(matches!(migrate(&mut db), Err(Error::Unfinished)), "and no server starts on it");
}
