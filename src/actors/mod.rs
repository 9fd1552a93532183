//! The actors: thin shells that ask the pure core and perform what it answers.
//!
//! Sessions live on the threads of the web server. The others share one thread, so that what they say to each other keeps its order
//! and costs next to nothing.

pub mod attendance;
pub mod background;
pub mod chat_server;
pub mod check_back;
pub mod cluster_link;
pub mod corrections;
pub mod direct_dispatcher;
pub mod erasure;
pub mod fanout;
pub mod feed;
pub mod gather;
pub mod indexer;
pub mod journal;
pub mod mail;
pub mod node;
pub mod offline_box;
pub mod prepared;
pub mod redelivery;
pub mod retention;
pub mod sequencer;
pub mod session;
pub mod shop_dispatcher;
pub mod table_lists;
pub mod webhooks;

/// The present time.
pub fn now() -> crate::domain::ids::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::domain::ids::Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
