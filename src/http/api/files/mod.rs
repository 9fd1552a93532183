//! Files: what users upload, and what those who know its URL may read.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `upload` | taking a file |
//! | `form` | reading it out of a form |
//! | `kind` | what it is, and what it may be called |
//! | `serve` | giving it out |

mod form;
mod kind;
pub mod serve;
pub mod upload;

/// The URL under which a file is read.
pub const URL: &str = "/files/{key}/{name}";
