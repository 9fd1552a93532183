//! Offline lists in the database, for a server without Redis.

use std::collections::HashMap;

use actix::Addr;

use super::journal::{Journal, write_apart};
use crate::{
    domain::{
        ids::UserId,
        offline::{Bounds, Entry, Fullness, Lists, Op, Unavailable},
        people::Person,
    },
    store::{Db, offline, pool::Readers},
};

pub struct TableLists {
    pub journal: Addr<Journal>,
    pub readers: Readers,
    pub bounds: Bounds,
    /// What was to be pushed when a process ended may be missing, so each begins with lists that lack something.
    pub fullness: Fullness,
    /// How much has been pushed to whom since the list was last cut.
    pub pushed: HashMap<UserId, usize>,
}

/// More users than this and the counts start anew.
const COUNTED_MAX: usize = 100_000;

impl TableLists {
    /// Counts pushes; gives those whose list may have grown by a tenth beyond its bound, so that cutting costs little for each push.
    fn count(&mut self, ops: &[Op]) -> Vec<UserId> {
        if self.pushed.len() >= COUNTED_MAX {
            self.pushed.clear();
        }
        let slack = self.bounds.max_messages / 10;
        let mut overgrown = Vec::new();
        for op in ops {
            if let Op::Push { to, .. } = op {
                let count = self.pushed.entry(to.id).or_default();
                *count += 1;
                if *count > slack {
                    *count = 0;
                    overgrown.push(to.id);
                }
            }
        }
        overgrown
    }
}

impl Lists for TableLists {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Unavailable> {
        let (overgrown, ops, bounds) = (self.count(ops), ops.to_vec(), self.bounds);
        let work = move |db: &mut Db| {
            let now = super::now();
            offline::apply(db, &ops, now)?;
            for user in &overgrown {
                offline::bound(db, *user, bounds, now)?;
            }
            Ok(())
        };
        write_apart(&self.journal, work).map_err(|_| Unavailable)
    }

    fn entries(&mut self, of: &Person) -> Result<Vec<Entry>, Unavailable> {
        let UserId(id) = of.id;
        let bounds = self.bounds;
        self.readers.read(|db| offline::entries(db, UserId(id), super::now(), bounds)).map_err(|error| {
            tracing::error!(%error, "offline lists are unavailable");
            Unavailable
        })
    }

    fn fullness(&mut self) -> Result<Fullness, Unavailable> {
        Ok(self.fullness)
    }

    fn set(&mut self, fullness: Fullness) -> Result<(), Unavailable> {
        self.fullness = fullness;
        Ok(())
    }
}
