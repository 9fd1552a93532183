//! How bodies look from outside, for the OpenAPI document: a file for each group of routes. What is really read and written is in
//! `protocol` and in the handlers; the tests over HTTP compare the two.

mod agents;
mod audit;
mod conversations;
mod events;
mod exports;
mod files;
mod keys;
mod messages;
pub mod parameters;
mod people;
mod prepared;
mod problem;
mod records;
mod replies;
mod search;
mod session;
mod shops;
mod statistics;
mod webhooks;

pub use agents::*;
pub use audit::*;
pub use conversations::*;
pub use events::*;
pub use exports::*;
pub use files::*;
pub use keys::*;
pub use messages::*;
pub use people::*;
pub use prepared::*;
pub use problem::*;
pub use records::*;
pub use replies::*;
pub use search::*;
pub use session::*;
pub use shops::*;
pub use statistics::*;
pub use webhooks::*;
