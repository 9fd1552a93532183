//! Points at which a debug build can be told to die, so that tests kill a server exactly there. In a release build there are none.

/// Ends the process at once, as if it were killed, where `SHOPBELL_FAILPOINT` is `NAME=N` and this is the Nth time that it passes `name`.
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("SHOPBELL_FAILPOINT").ok()?;
        let (name, times) = wanted.split_once('=')?;
        Some((name.to_owned(), AtomicU64::new(times.parse().ok()?)))
    });
    if let Some((wanted, left)) = wanted
        && wanted == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn pass(_: &str) {}
