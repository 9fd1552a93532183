//! Offline lists in the database, for a server without Redis.

use actix::Addr;

use super::journal::{Journal, write_blocking};
use crate::{
    domain::{
        ids::UserId,
        offline::{Bounds, Entry, Lists, Op, Unavailable},
        people::Person,
    },
    store::{offline, pool::Readers},
};

pub struct TableLists {
    pub journal: Addr<Journal>,
    pub readers: Readers,
    pub bounds: Bounds,
    pub complete: bool,
}

impl Lists for TableLists {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Unavailable> {
        let (ops, bounds) = (ops.to_vec(), self.bounds);
        write_blocking(&self.journal, move |db| Ok(offline::apply(db, &ops, bounds, super::now())?))
            .map_err(|_| Unavailable)
    }

    fn entries(&mut self, of: &Person) -> Result<Vec<Entry>, Unavailable> {
        let UserId(id) = of.id;
        let bounds = self.bounds;
        self.readers.read(|db| offline::entries(db, UserId(id), super::now(), bounds)).map_err(|error| {
            tracing::error!(%error, "offline lists are unavailable");
            Unavailable
        })
    }

    /// What was to be pushed when the process ended may be missing, so each process begins with incomplete lists.
    fn is_complete(&mut self) -> Result<bool, Unavailable> {
        Ok(self.complete)
    }

    fn set_complete(&mut self) -> Result<(), Unavailable> {
        self.complete = true;
        Ok(())
    }
}
