//! What is passed on to the other side of a conversation as it happens, and never stored.

use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Somebody has begun to type, or has stopped.
    Typing(bool),
    /// The page that a buyer looks at.
    Page { url: Arc<str>, title: Option<Arc<str>> },
}
