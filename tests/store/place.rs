//! A database of a test's own, of either kind, and people in it.

use std::{collections::BTreeSet, sync::Arc};

use shopbell::{
    domain::{
        command::Message,
        conversation::{Conversation, Deed, Parties},
        ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
        people::{Person, Role, Shop},
    },
    store::{
        Db, agents, conversations,
        location::Location,
        messages::{self, New},
        migrate::migrate,
        people::People,
        shops, users,
    },
};
use shopbell_harness::TestPostgres;
use tempfile::TempDir;

pub struct Place {
    pub location: Location,
    pub url: String,
    _directory: Option<TempDir>,
}

/// Runs `test` on a fresh database of each kind, and says which before it fails.
pub fn each(test: impl Fn(Place)) {
    for place in [Place::sqlite(), Place::postgres()] {
        eprintln!("on {}", place.location.shown());
        test(place);
    }
}

impl Place {
    pub fn sqlite() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Place { location: Location::parse(&url).unwrap(), url, _directory: Some(directory) }
    }

    pub fn postgres() -> Place {
        Place::on(TestPostgres::shared())
    }

    pub fn on(postgres: &TestPostgres) -> Place {
        let url = postgres.fresh_database();
        Place { location: Location::parse(&url).unwrap(), url, _directory: None }
    }

    /// A connection that writes, to a database with all its tables.
    pub fn writer(&self) -> Db {
        let mut db = self.location.writer().unwrap();
        migrate(&mut db).unwrap();
        db
    }

    pub fn world(&self) -> World {
        World { db: self.writer(), people: People::default(), clock: 1_000 }
    }
}

/// A database with a clock of its own, one millisecond an event.
pub struct World {
    pub db: Db,
    pub people: People,
    clock: i64,
}

impl World {
    pub fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp(self.clock)
    }

    pub fn user(&mut self, uid: &str) -> Arc<Person> {
        let now = self.now();
        users::refresh(&mut self.db, uid, None, None, now).unwrap().person()
    }

    pub fn named(&mut self, uid: &str, name: &str) -> Arc<Person> {
        let now = self.now();
        users::refresh(&mut self.db, uid, Some(name), None, now).unwrap().person()
    }

    pub fn shop(&mut self, shop: &str) -> Arc<Shop> {
        let now = self.now();
        shops::insert(&mut self.db, shop, shop, "[]", now).unwrap().unwrap().shop()
    }

    pub fn agent(&mut self, shop: &Shop, uid: &str) -> Arc<Person> {
        let (user, now) = (self.user(uid), self.now());
        assert!(agents::insert(&mut self.db, shop.id, user.id, Role::Agent, None, now).unwrap());
        user
    }

    /// A conversation of a buyer with a shop, who has not said anything yet.
    pub fn support(&mut self, shop: &Arc<Shop>, buyer: &Arc<Person>) -> ConversationId {
        self.open(Parties::Support { shop: shop.clone(), buyer: buyer.clone() })
    }

    pub fn direct(&mut self, first: &Arc<Person>, second: &Arc<Person>) -> ConversationId {
        self.open(Parties::Direct { first: first.clone(), second: second.clone() })
    }

    fn open(&mut self, parties: Parties) -> ConversationId {
        let now = self.now();
        let id = conversations::numbers(&mut self.db, None, 1).unwrap()[0];
        conversations::insert(&mut self.db, &[Arc::new(Conversation::new(id, parties, now))]).unwrap();
        id
    }

    pub fn load(&mut self, id: ConversationId) -> Conversation {
        conversations::load(&mut self.db, &mut self.people, id).unwrap().unwrap()
    }

    /// Changes a conversation as the journal would.
    pub fn change<T>(&mut self, id: ConversationId, change: impl FnOnce(&mut Conversation) -> T) -> T {
        let World { db, people, .. } = self;
        db.write(|db| {
            let mut conversation = conversations::take(db, people, &BTreeSet::from([id]), &[id])?.here.pop().unwrap();
            let changed = change(&mut conversation);
            conversations::update(db, &[Arc::new(conversation)], &[])?;
            diesel::QueryResult::Ok(changed)
        })
        .unwrap()
    }

    /// A message, under an `id` that is its place; gives its `seq`.
    pub fn say(&mut self, id: ConversationId, by: &Arc<Person>, text: &str) -> Seq {
        self.say_all(id, by, [text].into_iter())
    }

    /// Many messages, in one transaction; gives the last `seq`.
    pub fn say_all<'a>(&mut self, id: ConversationId, by: &Arc<Person>, texts: impl Iterator<Item = &'a str>) -> Seq {
        let now = self.now();
        let role = self.role(id, by.id);
        let new: Vec<New> = self.change(id, |conversation| {
            let standing = conversation.standing(by.id, role).unwrap();
            let place = |text| {
                let placed = conversation.send(by.id, standing, now).unwrap();
                let message = Message {
                    conversation: id,
                    seq: placed.seq,
                    shop: conversation.shop().map(|shop| shop.shop.clone()),
                    from: by.clone(),
                    speaker: placed.speaker,
                    side: placed.side,
                    content: format!(r#"{{"kind":"text","text":"{text}"}}"#).into(),
                    client_id: format!("{id}/{}", placed.seq).into(),
                    at: now,
                };
                New { message: Arc::new(message), digest: [7; 16] }
            };
            texts.map(place).collect()
        });
        self.db.write(|db| messages::insert(db, &new)).unwrap();
        new.last().map_or(0, |new| new.message.seq)
    }

    pub fn claim(&mut self, id: ConversationId, by: &Arc<Person>) {
        self.act(id, by, &Deed::Claim);
    }

    pub fn act(&mut self, id: ConversationId, by: &Arc<Person>, deed: &Deed) {
        let (now, role) = (self.now(), self.role(id, by.id));
        self.change(id, |conversation| {
            let standing = conversation.standing(by.id, role).unwrap();
            conversation.act(by, standing, deed, 0, now).unwrap();
        });
    }

    fn role(&mut self, id: ConversationId, user: UserId) -> Option<Role> {
        let shop: Option<ShopId> = self.load(id).shop().map(|shop| shop.id);
        shop.and_then(|shop| agents::role(&mut self.db, shop, user).unwrap())
    }
}
