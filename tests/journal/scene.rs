//! A shop with its people, and a writer.

use std::sync::Arc;

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};
use shopbell::{
    domain::{
        command::{Act, Command, Outcome, Target},
        content::Content,
        cursor::Given,
        ids::{ConversationId, Seq, ShopId, Timestamp},
        people::{Person, Role},
    },
    store::{
        Db, agents,
        journal::{Answer, Entry, Rules, Writer},
        location::Location,
        migrate::migrate,
        shops, users,
    },
};
use shopbell_harness::TestPostgres;
use tempfile::TempDir;

pub const RULES: Rules = Rules { recall_window_ms: 60_000, events: true };

/// A database with the shop `acme`, its agents `ann` and `bob` and supervisor `sue`, and the buyers `b0` to `b9`.
pub struct Scene {
    pub location: Location,
    pub writer: Writer,
    pub db: Db,
    pub people: Vec<Arc<Person>>,
    _directory: Option<TempDir>,
}

impl Scene {
    pub fn sqlite() -> Scene {
        // In memory, where there is such a place: nothing here is about the disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Scene::at(&url, Some(directory))
    }

    /// A database of its own on the PostgreSQL that the tests share.
    pub fn postgres() -> Scene {
        Scene::at(&TestPostgres::shared().fresh_database(), None)
    }

    pub fn at(url: &str, directory: Option<TempDir>) -> Scene {
        let location = Location::parse(url).unwrap();
        let mut db = location.writer().unwrap();
        migrate(&mut db).unwrap();
        let people = populate(&mut db);
        Scene { writer: Writer::open(&location, RULES).unwrap(), location, db, people, _directory: directory }
    }

    /// Another node's writer.
    pub fn another(&self) -> Writer {
        Writer::open(&self.location, RULES).unwrap()
    }

    pub fn person(&self, uid: &str) -> Arc<Person> {
        self.people.iter().find(|person| *person.uid == *uid).unwrap().clone()
    }

    pub fn command(&self, by: &str, act: Act) -> Entry {
        Entry::Command(Command { by: self.person(by), at: Timestamp(10_000), act })
    }

    pub fn send(&self, by: &str, to: Target, id: &str, text: &str) -> Entry {
        self.command(by, Act::Send { to, client_id: id.into(), content: content(text) })
    }

    /// Has one entry committed alone.
    pub fn one(&mut self, entry: Entry) -> Answer {
        self.writer.commit(&mut [entry]).pop().unwrap()
    }

    /// A conversation of a buyer with the shop.
    pub fn conversation(&mut self, buyer: &str) -> ConversationId {
        let send = self.send(buyer, shop(), &format!("first of {buyer}"), "hi");
        match self.one(send) {
            Answer::Outcome(Outcome::Stored { message, .. }) => message.conversation,
            answer => panic!("{answer:?}"),
        }
    }

    /// All rows of a table, as the database prints them, sorted as text.
    pub fn dump(&mut self, table: &str) -> Vec<String> {
        let query = match &mut self.db {
            Db::Postgres(_) => format!("SELECT CAST({table} AS TEXT) AS line FROM {table}"),
            Db::Sqlite(db) => {
                let columns = sql_query(format!("SELECT name AS line FROM pragma_table_info('{table}')"));
                let columns: Vec<Line> = columns.load(db).unwrap();
                let shown: Vec<String> = columns.iter().map(|column| format!("quote({})", column.line)).collect();
                format!("SELECT {} AS line FROM {table}", shown.join(" || ' ' || "))
            }
        };
        let lines: Vec<Line> = sql_query(query).load(&mut self.db).unwrap();
        let mut lines: Vec<String> = lines.into_iter().map(|row| row.line).collect();
        lines.sort();
        lines
    }

    /// A number that the database is asked for.
    pub fn number(&mut self, query: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let row: Number = sql_query(format!("SELECT ({query}) AS number")).get_result(&mut self.db).unwrap();
        row.number
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

pub fn populate(db: &mut Db) -> Vec<Arc<Person>> {
    let now = Timestamp(1);
    let buyers: Vec<String> = (0..10).map(|n| format!("b{n}")).collect();
    let uids = ["ann", "bob", "sue"].into_iter().chain(buyers.iter().map(String::as_str));
    let people: Vec<_> = uids.map(|uid| users::refresh(db, uid, None, None, now).unwrap().person()).collect();
    let shop = ShopId(shops::insert(db, "acme", "Acme", "[]", now).unwrap().unwrap().id);
    for (person, role) in people.iter().zip([Role::Agent, Role::Agent, Role::Supervisor]) {
        assert!(agents::insert(db, shop, person.id, role, None, now).unwrap());
    }
    people
}

pub fn content(text: &str) -> Content {
    let mut digest = [0u8; 16];
    for (i, byte) in text.bytes().enumerate() {
        digest[i % 16] = digest[i % 16].wrapping_mul(31) ^ byte;
    }
    Content { json: format!(r#"{{"kind":"text","text":"{text}"}}"#).into(), digest }
}

pub fn shop() -> Target {
    Target::Shop("acme".into())
}

pub fn within(id: ConversationId) -> Target {
    Target::Conversation(id)
}

pub fn given(upto: Seq) -> Given {
    let mut given = Given::default();
    given.insert(1, upto);
    given
}

/// `conversation:seq` of a stored message, `=conversation:seq` of one that was stored before, else the refusal.
pub fn told(answer: &Answer) -> String {
    match answer {
        Answer::Outcome(Outcome::Stored { message, .. }) => format!("{}:{}", message.conversation, message.seq),
        Answer::Outcome(Outcome::Duplicate { conversation, seq, .. }) => format!("={conversation}:{seq}"),
        Answer::Outcome(Outcome::Changed { cause, .. }) => cause.as_str().to_owned(),
        Answer::Outcome(other) => format!("{other:?}").chars().take_while(|c| c.is_alphanumeric()).collect(),
        Answer::Refused(refusal) => {
            format!("!{}", format!("{refusal:?}").chars().take_while(|c| c.is_alphanumeric()).collect::<String>())
        }
        other => format!("{other:?}"),
    }
}

pub fn all_told(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(told).collect()
}
