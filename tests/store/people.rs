//! Users, shops, agents, and what is written of them.

use std::collections::BTreeSet;

use shopbell::{
    domain::{
        ids::Timestamp,
        people::{Role, Status},
    },
    store::{
        agents,
        audit::{self, Act},
        files, shops, users,
    },
};

use crate::place::{Place, World, each};

#[test]
fn users_are_made_once_and_refreshed() {
    each(|place: Place| {
        let mut world = place.world();
        let ann = world.user("ann");
        assert_eq!(&*ann.name, "ann", "a new user goes by its uid");
        assert_eq!(world.named("ann", "Ann 安").id, ann.id);
        assert_eq!(&*world.user("ann").name, "Ann 安", "an absent name leaves what is stored");
        let other = users::refresh(&mut world.db, "ann", None, Some("https://a/b.png"), Timestamp(9)).unwrap();
        assert_eq!((other.id, other.avatar.as_deref()), (ann.id.0, Some("https://a/b.png")));
        assert!(users::by_uid(&mut world.db, "Ann").unwrap().is_none(), "a uid's case counts");
        users::set_operator(&mut world.db, ann.id).unwrap();
        users::set_password(&mut world.db, ann.id, "$argon2id$").unwrap();
        users::revoke_tokens(&mut world.db, ann.id, 77).unwrap();
        users::set_name(&mut world.db, ann.id, "A").unwrap();
        users::set_created_by(&mut world.db, ann.id, 5).unwrap();
        let user = users::by_id(&mut world.db, ann.id).unwrap().unwrap();
        assert!(user.operator);
        assert_eq!((user.password_hash.as_deref(), user.tokens_after), (Some("$argon2id$"), 77));
        assert_eq!((user.name.as_str(), user.created_by_shop), ("A", Some(5)));
    });
}

/// Two nodes meet the same new user at one moment.
#[test]
fn a_user_made_by_two_at_once_is_one() {
    let place = Place::postgres();
    drop(place.writer());
    for n in 0..20 {
        let uid = format!("u{n}");
        let make = |place: &Place| {
            let mut db = place.location.writer().unwrap();
            let uid = uid.clone();
            move || db.write(|db| users::refresh(db, &uid, None, None, Timestamp(1))).unwrap().id
        };
        let (mut one, mut two) = (make(&place), make(&place));
        let other = std::thread::scope(|scope| {
            let other = scope.spawn(&mut two);
            (one(), other.join().unwrap())
        });
        assert_eq!(other.0, other.1, "{uid}");
    }
}

#[test]
fn shops_are_made_once() {
    each(|place: Place| {
        let mut world = place.world();
        let acme = world.shop("acme");
        assert!(shops::insert(&mut world.db, "acme", "again", "[]", Timestamp(9)).unwrap().is_none());
        let beta = world.shop("beta");
        let change = shops::Change {
            name: Some("Acme & Co".to_owned()),
            origins: Some(r#"["https://a.b"]"#.to_owned()),
            retention_files: Some(Some(30)),
            ..shops::Change::default()
        };
        shops::update(&mut world.db, acme.id, &change).unwrap();
        shops::update(&mut world.db, acme.id, &shops::Change::default()).unwrap();
        let row = shops::by_name(&mut world.db, "acme").unwrap().unwrap();
        assert_eq!((row.name.as_str(), row.origins.as_str()), ("Acme & Co", r#"["https://a.b"]"#));
        assert_eq!((row.time_zone.as_str(), row.hours.as_str(), row.disabled), ("UTC", "{}", false));
        assert_eq!((row.retention_messages, row.retention_files), (None, Some(30)));
        let forever = shops::Change { retention_files: Some(None), ..shops::Change::default() };
        shops::update(&mut world.db, acme.id, &forever).unwrap();
        assert_eq!(shops::by_id(&mut world.db, acme.id).unwrap().unwrap().retention_files, None);
        assert!(shops::by_name(&mut world.db, "ACME").unwrap().is_none(), "a name's case counts");
        assert_eq!(shops::by_id(&mut world.db, beta.id).unwrap().unwrap().shop, "beta");
        let page = shops::page(&mut world.db, acme.id.0, 10).unwrap();
        assert_eq!(page.into_iter().map(|row| row.shop).collect::<Vec<_>>(), ["beta"]);
        assert_eq!(shops::all_origins(&mut world.db).unwrap(), [r#"["https://a.b"]"#]);
    });
}

#[test]
fn agents_are_listed_in_the_order_of_bytes() {
    each(|place: Place| {
        let mut world = place.world();
        let shop = world.shop("acme");
        for uid in ["b", "a", "B", "_x", "a-b", "a.b", "aa"] {
            world.agent(&shop, uid);
        }
        let uids =
            |rows: Vec<(agents::Row, users::User)>| rows.into_iter().map(|(_, user)| user.uid).collect::<Vec<_>>();
        let all = ["B", "_x", "a", "a-b", "a.b", "aa", "b"];
        assert_eq!(uids(agents::of_shop(&mut world.db, shop.id).unwrap()), all);
        let (mut paged, mut after) = (Vec::new(), String::new());
        loop {
            let page = uids(agents::page(&mut world.db, shop.id, &after, 2).unwrap());
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            paged.extend(page);
        }
        assert_eq!(paged, all, "by pages as well");
    });
}

#[test]
fn an_agent_is_hired_changed_and_let_go() {
    each(|place: Place| {
        let mut world = place.world();
        let (shop, other) = (world.shop("acme"), world.shop("beta"));
        let ann = world.agent(&shop, "ann");
        assert!(!agents::insert(&mut world.db, shop.id, ann.id, Role::Admin, None, Timestamp(9)).unwrap(), "once");
        assert!(agents::insert(&mut world.db, other.id, ann.id, Role::Admin, Some(3), Timestamp(9)).unwrap());
        assert_eq!(agents::role(&mut world.db, shop.id, ann.id).unwrap(), Some(Role::Agent));
        agents::set_role(&mut world.db, shop.id, ann.id, Role::Supervisor).unwrap();
        let on_duty = |world: &mut World| {
            let found = agents::on_duty(&mut world.db, &BTreeSet::from([shop.id])).unwrap();
            found.into_iter().map(|it| (it.shop, it.user, it.role)).collect::<Vec<_>>()
        };
        assert_eq!(on_duty(&mut world), [(shop.id, ann.id, Role::Supervisor)], "online at first");
        agents::set_status(&mut world.db, shop.id, ann.id, Status::Away).unwrap();
        assert_eq!(on_duty(&mut world), []);
        agents::set_max_chats(&mut world.db, other.id, ann.id, None).unwrap();
        let (row, user) = agents::find(&mut world.db, shop.id, ann.id).unwrap().unwrap();
        let agent = row.agent(&user);
        assert_eq!((agent.role, agent.status, row.max_chats), (Role::Supervisor, Status::Away, None));
        let shops_of: Vec<_> = agents::of_user(&mut world.db, &user).unwrap();
        assert_eq!(shops_of.iter().map(|(shop, _)| &*shop.shop).collect::<Vec<_>>(), ["acme", "beta"]);
        assert!(agents::delete(&mut world.db, shop.id, ann.id).unwrap());
        assert!(!agents::delete(&mut world.db, shop.id, ann.id).unwrap());
        assert_eq!(agents::shops_of(&mut world.db, ann.id).unwrap(), [other.id]);
    });
}

#[test]
fn files_and_acts_are_kept_whole() {
    each(|place: Place| {
        let mut world = place.world();
        let (ann, shop) = (world.user("ann"), world.shop("acme"));
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let file = files::Row {
            key: "0f".repeat(16),
            name: "图.png".to_owned(),
            mime: "image/png".to_owned(),
            size: 100_000,
            bytes: Some(bytes.clone()),
        };
        files::insert(&mut world.db, &file, ann.id, Timestamp(1)).unwrap();
        let outside = files::Row { key: "aa".repeat(16), bytes: None, ..file.clone() };
        files::insert(&mut world.db, &outside, ann.id, Timestamp(1)).unwrap();
        assert_eq!(files::find(&mut world.db, &file.key).unwrap().unwrap().bytes, Some(bytes));
        assert_eq!(files::find(&mut world.db, &outside.key).unwrap().unwrap().bytes, None);
        assert!(files::find(&mut world.db, "none").unwrap().is_none());
        let act = Act {
            shop: Some(shop.id),
            by: ann.id,
            address: Some("::1"),
            what: "agent.add",
            subject: "bob",
            before: None,
            after: Some("{}".to_owned()),
        };
        audit::insert(&mut world.db, &act, Timestamp(1)).unwrap();
        audit::insert(&mut world.db, &act, Timestamp(1)).unwrap();
    });
}
