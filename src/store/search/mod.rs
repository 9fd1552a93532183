//! Full-text search in the messages of a shop: FTS5 on SQLite, a `tsvector` on PostgreSQL, the same words in both.
//!
//! Every word is indexed with its shop in front, so a search touches nothing of other shops. What is found is looked at again as it
//! is now, and counts only if it still has the words: the index may be a moment behind.

mod find;
mod index;
mod terms;
pub(super) mod vector;

pub use self::{
    find::{Found, Sought, conversations, is_in, page},
    index::{Behind, Indexed, behind, index, is_changed, settle},
};
