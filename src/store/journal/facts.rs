//! What the database holds, as far as a batch has to know it; and what is still to be asked.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    domain::{
        command::Message,
        conversation::Conversation,
        cursor::Which,
        ids::{ConversationId, Seq, ShopId, Timestamp, UserId},
        people::{Person, Role, Shop},
        prepared::Prepared,
    },
    store::{conversations::Pair, messages::Stored},
};

/// A conversation that a batch has asked for.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are conversations")]
pub enum Found {
    /// It is this batch's until the transaction ends.
    Here(Conversation),
    /// It exists, and another transaction has taken it.
    Elsewhere,
    /// The same, and has not given it back in the time that it takes to write.
    Kept,
    Nowhere,
}

/// Answers: everything that has been asked for is here, be it that there is nothing.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub shops: HashMap<Arc<str>, Option<Arc<Shop>>>,
    /// Those of the shops that are disabled, by whatever way they came here.
    pub disabled: HashSet<ShopId>,
    pub users: HashMap<Arc<str>, Option<Arc<Person>>>,
    pub between: HashMap<Pair, Option<ConversationId>>,
    pub conversations: HashMap<ConversationId, Found>,
    /// For conversations that are opened.
    pub numbers: Vec<ConversationId>,
    pub keys: HashMap<(UserId, Arc<str>), Option<Stored>>,
    /// Whether a sender's key that nobody has asked for is taken for a new one. Where that is wrong, the unique index refuses the batch.
    pub trusts_keys: bool,
    pub roles: HashMap<(ShopId, UserId), Option<Role>>,
    /// By their tickets.
    pub prepared: HashMap<Arc<str>, Option<Prepared>>,
    pub duty: HashMap<ShopId, OnDuty>,
    /// How far somebody has acked a conversation that waits.
    pub acked: HashMap<(ConversationId, UserId), Seq>,
    /// How many messages of a side are stored above a `seq`.
    pub counts: HashMap<(ConversationId, Seq, Which), i64>,
    pub messages: HashMap<(ConversationId, Seq), Option<Arc<Message>>>,
}

/// The agents of a shop whose status is `online`.
#[derive(Clone, Debug, Default)]
pub struct OnDuty {
    pub people: Vec<UserId>,
    pub bots: Vec<UserId>,
    /// That of the bots which gets new conversations first.
    pub first_bot: Option<Arc<Person>>,
}

/// Questions, each in the order in which the tables are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub shops: BTreeSet<Arc<str>>,
    pub users: BTreeSet<Arc<str>>,
    /// Users who are to be made, since somebody writes to them; each once.
    pub new_users: Vec<(Arc<str>, Timestamp)>,
    pub between: BTreeSet<Pair>,
    pub conversations: BTreeSet<ConversationId>,
    /// Whose conversations are opened: each needs a number.
    pub openings: BTreeSet<Pair>,
    pub keys: BTreeSet<(UserId, Arc<str>)>,
    pub roles: BTreeSet<(ShopId, UserId)>,
    pub prepared: BTreeSet<Arc<str>>,
    pub duty: BTreeSet<ShopId>,
    pub acked: BTreeSet<(ConversationId, UserId)>,
    pub counts: BTreeSet<(ConversationId, Seq, i16)>,
    pub messages: BTreeSet<(ConversationId, Seq)>,
}

impl Needs {
    /// Whether something is to be made.
    pub fn takes_numbers(&self) -> bool {
        !self.openings.is_empty() || !self.new_users.is_empty()
    }
}
