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

use std::path::{Path, PathBuf};

/// The URL under which a file is read.
pub const URL: &str = "/files/{key}/{name}";

/// Where a file lies. The key is hexadecimal, so nothing in it leaves the directory.
fn path_of(directory: &Path, key: &str) -> PathBuf {
    directory.join(key)
}
