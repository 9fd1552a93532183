//! Messages in two phases: preparing them, and deciding what becomes of them, whoever decides.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    journal::{WriteError, write},
    node::Node,
};
use crate::{
    domain::{
        command::{Act, Outcome, Target},
        content::Content,
        conversation::{Conversation, Standing},
        ids::{ConversationId, ShopId, Timestamp, UserId},
        people::Person,
        permission::Permission,
        prepared::{Decider, key_of_prepared},
        refusal::Refusal,
    },
    failpoint,
    store::{
        Db, agents, audit,
        conversations::{self, Pair},
        messages,
        people::People,
        prepared::{self, New, Row},
        shops, users,
    },
};

/// When shops are asked what has become of what they have prepared.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long after it was prepared.
    pub timeout: Duration,
    /// How long after the first asking; pauses grow from there.
    pub pause: Duration,
}

/// What somebody wants to say, if a transaction ends well.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub to: Target,
    pub client_id: Arc<str>,
    pub content: Content,
}

/// Keeps a message that nobody sees. The same again gives the same; true where it is new.
///
/// # Errors
/// As for sending it now, but that admins need no claim; `Invalid` for a direct one; `Conflict` for another under the same `id`.
pub async fn prepare(node: &Node, by: Arc<Person>, wanted: Wanted) -> Result<(Row, bool), Refusal> {
    let timeout = node.settings.prepare.timeout;
    let ticket = format!("{:032x}", rand::random::<u128>());
    let (row, is_new) = write(&node.journal, move |db| keep(db, &by, &wanted, &ticket, timeout)).await?;
    failpoint::pass("prepare.stored");
    if is_new {
        metrics::counter!("shopbell_prepared_total").increment(1);
    }
    Ok((row, is_new))
}

fn keep(db: &mut Db, by: &Person, wanted: &Wanted, ticket: &str, timeout: Duration) -> Result<(Row, bool), WriteError> {
    let Place { shop, conversation, standing } = place(db, by, &wanted.to)?;
    let (client_id, content) = (&*wanted.client_id, &wanted.content);
    if let Some(row) = prepared::by_key(db, shop.shop().id, by.id, client_id)? {
        // One that went to a conversation which was not open yet went to the sender's own.
        let is_own = conversation.as_ref().is_none_or(|open| open.first_person().id == by.id);
        let is_there = row.conversation_id.map_or(is_own, |id| conversation.is_some_and(|open| open.id.0 == id));
        let same = is_there && row.digest == content.digest;
        return if same { Ok((row, false)) } else { Err(Refusal::Conflict.into()) };
    }
    let key = (by.id, key_of_prepared(&shop.shop(), client_id));
    if !messages::by_keys(db, &BTreeSet::from([key]))?.is_empty() {
        return Err(Refusal::Conflict.into());
    }
    if shop.disabled {
        return Err(Refusal::Forbidden.into());
    }
    if let Some(open) = &conversation
        && !matches!(standing, Standing::Agent(role) if role.may(Permission::AddMessage))
    {
        open.speaks_for(by.id, standing)?;
    }
    let at = super::now();
    let new = New {
        ticket,
        shop: shop.shop().id,
        sender: by.id,
        client_id,
        conversation: conversation.map(|open| open.id),
        content,
        at,
        due_at: later(at, timeout),
    };
    let row = prepared::insert(db, &new)?;
    failpoint::pass("prepare.written");
    Ok((row, true))
}

/// Where a message goes, and what its sender is to it.
struct Place {
    shop: shops::Row,
    /// `None`: nobody has opened it yet.
    conversation: Option<Conversation>,
    standing: Standing,
}

fn place(db: &mut Db, by: &Person, to: &Target) -> Result<Place, WriteError> {
    let named = match to {
        Target::User(_) => return Err(Refusal::invalid("to.user").into()),
        Target::Shop(_) => None,
        Target::Conversation(id) => Some(open(db, *id)?),
    };
    let shop = match (to, &named) {
        (Target::Shop(name), _) => shops::by_name(db, name)?,
        (_, Some(conversation)) => match conversation.shop() {
            Some(shop) => shops::by_id(db, shop.id)?,
            None if conversation.standing(by.id, None).is_some() => {
                return Err(Refusal::invalid("to.conversation").into());
            }
            None => None,
        },
        _ => None,
    };
    let shop = shop.ok_or(Refusal::NotFound)?;
    let id = shop.shop().id;
    let role = agents::role(db, id, by.id)?;
    let conversation = match named {
        Some(conversation) => Some(conversation),
        None => own(db, id, by.id)?,
    };
    let standing = match &conversation {
        Some(conversation) => conversation.standing(by.id, role).ok_or(Refusal::NotFound)?,
        None if role.is_some() => return Err(Refusal::Forbidden.into()),
        None => Standing::Buyer,
    };
    Ok(Place { shop, conversation, standing })
}

fn open(db: &mut Db, id: ConversationId) -> Result<Conversation, WriteError> {
    Ok(conversations::load(db, &mut People::default(), id)?.ok_or(Refusal::NotFound)?)
}

/// A buyer's conversation with a shop, if there is one.
fn own(db: &mut Db, shop: ShopId, buyer: UserId) -> Result<Option<Conversation>, WriteError> {
    let found = conversations::between(db, &BTreeSet::from([Pair::Support { shop, buyer }]))?;
    found.first().map(|(_, id)| open(db, *id)).transpose()
}

/// Makes a message of what was prepared. Once more gives the same message.
///
/// # Errors
/// `Conflict` for what was aborted; `Unavailable`, and nothing is decided yet, or the same again gives the message.
pub async fn commit(node: &Node, row: &Row, decider: Decider) -> Result<Outcome, Refusal> {
    let (shop, sender) = (ShopId(row.shop_id), UserId(row.sender_id));
    let read = move |db: &mut Db| Ok((shops::by_id(db, shop)?, users::by_id(db, sender)?));
    let (Some(shop), Some(sender)) = node.read(read).await? else { return Err(Refusal::NotFound) };
    let by = decider.as_str();
    let act = Act::Commit { ticket: row.ticket.as_str().into(), decider };
    let outcome = node.run(sender.person(), &Target::Shop(shop.shop.into()), act).await?;
    failpoint::pass("commit.stored");
    if matches!(outcome, Outcome::Stored { .. }) {
        metrics::counter!("shopbell_prepared_decided_total", "state" => "committed", "by" => by).increment(1);
    }
    Ok(outcome)
}

/// Drops what was prepared. Once more is the same.
///
/// # Errors
/// `Conflict` for what has become a message; `Unavailable`, as for committing.
pub async fn abort(node: &Node, row: &Row, decider: Decider) -> Result<(), Refusal> {
    let (ticket, shop, by) = (row.ticket.clone(), ShopId(row.shop_id), decider.as_str());
    let is_first = write(&node.journal, move |db| {
        let at = super::now();
        let is_first = match prepared::abort(db, &ticket, &decider, at)? {
            prepared::Aborted::Now => true,
            prepared::Aborted::Before => false,
            prepared::Aborted::Never => return Err(Refusal::Conflict.into()),
        };
        if let (true, Decider::Admin { by, address }) = (is_first, &decider) {
            let (what, before, after) = ("message.aborted", None, None);
            let (shop, by, address, subject) = (Some(shop), *by, Some(&**address), &*ticket);
            audit::insert(db, &audit::Act { shop, by, address, what, subject, before, after }, at)?;
        }
        failpoint::pass("abort.written");
        Ok(is_first)
    })
    .await?;
    failpoint::pass("abort.stored");
    if is_first {
        metrics::counter!("shopbell_prepared_decided_total", "state" => "aborted", "by" => by).increment(1);
    }
    Ok(())
}

pub fn later(at: Timestamp, pause: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
}
