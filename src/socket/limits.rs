//! What one connection may take: bytes, frames and time.

use std::time::Duration;

use super::Codes;
use crate::domain::liveness::Heartbeat;

/// The limits of a connection, the same for all that an application accepts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest message in bytes, over all its fragments.
    pub message: usize,
    /// An outbox that holds so many bytes takes no further frame: it holds at most these and one frame.
    pub queue_bytes: usize,
    /// The same, in frames.
    pub queue_frames: usize,
    /// How long the socket may take nothing while something waits for it.
    pub stall: Duration,
    /// When to ping the client, and when to give it up.
    pub heartbeat: Heartbeat,
    /// How long the close handshake may take, before the connection is reset.
    pub grace: Duration,
    /// How often the times above are looked at, and [`App::tick`](super::App::tick) is called.
    pub tick: Duration,
    /// The close codes that say which limit was broken.
    pub codes: Codes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 64 << 10,
            queue_bytes: 256 << 10,
            queue_frames: 1024,
            stall: Duration::from_secs(8),
            heartbeat: Heartbeat { interval: Duration::from_secs(10), timeout: Duration::from_secs(30) },
            grace: Duration::from_secs(1),
            tick: Duration::from_millis(500),
            codes: Codes::STANDARD,
        }
    }
}
