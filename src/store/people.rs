//! People and shops by number, remembered by the writer, which sees every change of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use diesel::QueryResult;
use diesel::result::Error::NotFound;

use super::{Db, shops, users};
use crate::domain::{
    ids::{ShopId, UserId},
    people::{Person, Shop},
};

/// More than this many and the memory starts anew.
const REMEMBERED: usize = 50_000;

#[derive(Default)]
pub struct People {
    people: HashMap<UserId, Arc<Person>>,
    shops: HashMap<ShopId, Arc<Shop>>,
}

impl People {
    /// # Errors
    /// `NotFound`, or what the database says.
    pub fn person(&mut self, db: &mut Db, id: UserId) -> QueryResult<Arc<Person>> {
        if let Some(person) = self.people.get(&id) {
            return Ok(person.clone());
        }
        let person = users::by_id(db, id)?.ok_or(NotFound)?.person();
        if self.people.len() >= REMEMBERED {
            self.people.clear();
        }
        self.people.insert(id, person.clone());
        Ok(person)
    }

    /// # Errors
    /// `NotFound`, or what the database says.
    pub fn shop(&mut self, db: &mut Db, id: ShopId) -> QueryResult<Arc<Shop>> {
        if let Some(shop) = self.shops.get(&id) {
            return Ok(shop.clone());
        }
        let shop = shops::by_id(db, id)?.ok_or(NotFound)?.shop();
        if self.shops.len() >= REMEMBERED {
            self.shops.clear();
        }
        self.shops.insert(id, shop.clone());
        Ok(shop)
    }

    /// Asks for all of these at once, where they are not remembered.
    ///
    /// # Errors
    /// What the database says.
    pub fn learn(&mut self, db: &mut Db, mut ids: BTreeSet<UserId>) -> QueryResult<()> {
        ids.retain(|id| !self.people.contains_key(id));
        if ids.is_empty() {
            return Ok(());
        }
        if self.people.len() + ids.len() > REMEMBERED {
            self.people.clear();
        }
        self.people.extend(users::of_ids(db, &ids)?.iter().map(|user| (UserId(user.id), user.person())));
        Ok(())
    }

    /// # Errors
    /// What the database says.
    pub fn learn_shops(&mut self, db: &mut Db, mut ids: BTreeSet<ShopId>) -> QueryResult<()> {
        ids.retain(|id| !self.shops.contains_key(id));
        if ids.is_empty() {
            return Ok(());
        }
        self.shops.extend(shops::of_ids(db, &ids)?.iter().map(|row| (ShopId(row.id), row.shop())));
        Ok(())
    }

    /// Forgets what may have changed.
    pub fn forget(&mut self) {
        self.people.clear();
        self.shops.clear();
    }
}
