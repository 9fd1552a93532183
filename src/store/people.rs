//! People and shops by number, remembered by the writer, which sees every change of them.

use std::{collections::HashMap, sync::Arc};

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

    /// Forgets what may have changed.
    pub fn forget(&mut self) {
        self.people.clear();
        self.shops.clear();
    }
}
