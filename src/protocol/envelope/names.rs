//! The people and shops of a packet: each is written once, and named by its place.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::domain::{
    ids::{ShopId, UserId},
    people,
};

/// The place of a person among a packet's, or of a shop.
pub(super) type Name = u32;

/// Those who are named in a packet that is written.
#[derive(Default)]
pub(super) struct Named {
    pub(super) people: Vec<Person>,
    pub(super) shops: Vec<Shop>,
    /// As they are in memory: who has been read from the database twice may be here twice.
    of_people: HashMap<*const people::Person, Name>,
    of_shops: HashMap<*const people::Shop, Name>,
}

impl Named {
    pub(super) fn person(&mut self, person: &Arc<people::Person>) -> Name {
        *self.of_people.entry(Arc::as_ptr(person)).or_insert_with(|| {
            self.people.push(Person::of(person));
            self.people.len() as Name - 1
        })
    }

    pub(super) fn shop(&mut self, shop: &Arc<people::Shop>) -> Name {
        *self.of_shops.entry(Arc::as_ptr(shop)).or_insert_with(|| {
            self.shops.push(Shop::of(shop));
            self.shops.len() as Name - 1
        })
    }
}

/// Those who are named in a packet that is read; `None` for a name that it does not have.
pub(super) struct Known {
    pub(super) people: Vec<Arc<people::Person>>,
    pub(super) shops: Vec<Arc<people::Shop>>,
}

impl Known {
    pub(super) fn person(&self, name: Name) -> Option<Arc<people::Person>> {
        self.people.get(name as usize).cloned()
    }

    pub(super) fn shop(&self, name: Name) -> Option<Arc<people::Shop>> {
        self.shops.get(name as usize).cloned()
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Person {
    id: i64,
    uid: Arc<str>,
    name: Arc<str>,
    avatar: Option<Arc<str>>,
}

impl Person {
    fn of(person: &people::Person) -> Person {
        let people::Person { id, uid, name, avatar } = person;
        Person { id: id.0, uid: uid.clone(), name: name.clone(), avatar: avatar.clone() }
    }

    pub(super) fn person(self) -> Arc<people::Person> {
        let Person { id, uid, name, avatar } = self;
        Arc::new(people::Person { id: UserId(id), uid, name, avatar })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Shop {
    id: i64,
    shop: Arc<str>,
    name: Arc<str>,
}

impl Shop {
    fn of(shop: &people::Shop) -> Shop {
        Shop { id: shop.id.0, shop: shop.shop.clone(), name: shop.name.clone() }
    }

    pub(super) fn shop(self) -> Arc<people::Shop> {
        Arc::new(people::Shop { id: ShopId(self.id), shop: self.shop, name: self.name })
    }
}
