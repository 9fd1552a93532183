//! Erasing what a person has written in a shop, in small batches. How far it has come is in the store: whoever finds an erasure that nobody
//! works at goes on with it, on whatever node.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use super::{
    journal::write,
    node::Node,
    retention::{keep_lease, remove_files, unlink},
};
use crate::{
    domain::{
        command::{Act, Outcome, Target},
        ids::{ConversationId, Seq, ShopId, UserId},
        people::Person,
        refusal::Refusal,
    },
    store::{
        Db,
        erasures::{self, Row},
        file_uses, idempotency, leases, messages, prepared, users,
    },
};

/// Messages and files at a time.
const MESSAGES: usize = 100;
const FILES: usize = 20;

/// Brings an erasure to its end, unless somebody else is at it.
pub async fn run(node: Arc<Node>, directory: Option<PathBuf>, id: i64) {
    match (Erasure { node, holder: rand::random(), name: format!("erasure {id}") }).finish(directory, id).await {
        Ok(()) => {}
        // It will be taken up again.
        Err(refusal) => tracing::debug!(?refusal, "an erasure was broken off"),
    }
}

struct Erasure {
    node: Arc<Node>,
    holder: i64,
    name: String,
}

impl Erasure {
    async fn finish(self, directory: Option<PathBuf>, id: i64) -> Result<(), Refusal> {
        let Some(mut row) = self.take(id).await? else { return Ok(()) };
        let by = UserId(row.by_user);
        let by = self.node.read(move |db| users::by_id(db, by)).await?.ok_or(Refusal::NotFound)?.person();
        // What comes to be a message before this is found among the messages; nothing does after it.
        let (shop, person) = (ShopId(row.shop_id), UserId(row.user_id));
        write(&self.node.journal, move |db| Ok(prepared::abort_all_of(db, shop, person, super::now())?)).await?;
        while let Some(after) = self.messages(&mut row, &by).await? {
            row.after = after;
            self.note(&row).await?;
        }
        loop {
            let keys = self.node.read(move |db| file_uses::of_owner(db, shop, person, FILES)).await?;
            if keys.is_empty() {
                break;
            }
            row.files += remove_files(&self.node, shop, keys, None).await? as i64;
            self.note(&row).await?;
        }
        // What was answered before is kept for a day, in case it is asked for again.
        let rest = move |db: &mut Db| {
            idempotency::erase_answers(db, shop, person)?;
            Ok(erasures::remove_comments(db, shop, person)?)
        };
        let comments = write(&self.node.journal, rest).await?;
        row.comments += comments as i64;
        row.done_at = Some(super::now().0);
        self.note(&row).await?;
        unlink(&self.node, directory).await
    }

    /// Erases the next messages; gives the key of the last of them.
    async fn messages(&self, row: &mut Row, by: &Arc<Person>) -> Result<Option<String>, Refusal> {
        let (shop, person, after) = (ShopId(row.shop_id), UserId(row.user_id), row.after.clone());
        let next = self.node.read(move |db| messages::of_sender(db, shop, person, &after, MESSAGES)).await?;
        let last = next.last().map(|(_, _, key)| key.clone());
        let mut seqs: BTreeMap<ConversationId, BTreeSet<Seq>> = BTreeMap::new();
        for (conversation, seq, _) in next {
            seqs.entry(conversation).or_default().insert(seq);
        }
        for (conversation, seqs) in seqs {
            let act = Act::Erase { conversation, seqs, person };
            if let Outcome::Deleted { seqs, .. } =
                self.node.run(by.clone(), &Target::Conversation(conversation), act).await?
            {
                row.messages += seqs.len() as i64;
                metrics::counter!("shopbell_removed_messages_total").increment(seqs.len() as u64);
            }
        }
        Ok(last)
    }

    /// Takes the lease, and finds how far it is; `None` where it is done.
    async fn take(&self, id: i64) -> Result<Option<Row>, Refusal> {
        let (name, holder) = (self.name.clone(), self.holder);
        write(&self.node.journal, move |db| {
            keep_lease(db, &name, holder)?;
            let open = erasures::find(db, id)?.filter(|row| row.done_at.is_none());
            if open.is_none() {
                leases::leave(db, &name, holder)?;
            }
            Ok(open)
        })
        .await
    }

    /// Notes how far it is, while nobody else is at it.
    async fn note(&self, row: &Row) -> Result<(), Refusal> {
        let (row, name, holder) = (row.clone(), self.name.clone(), self.holder);
        write(&self.node.journal, move |db| {
            keep_lease(db, &name, holder)?;
            erasures::advance(db, &row)?;
            if row.done_at.is_some() {
                leases::leave(db, &name, holder)?;
            }
            Ok(())
        })
        .await
    }
}
