//! The close codes: 4400–4499 tell a client what it did, like HTTP's 4xx; the rest are RFC 6455's (section 7.4.1).

/// Why the server closes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Ten bad frames in a row.
    BadFrames,
    /// No login in time, a third bad token, an expired or revoked one.
    Unauthenticated,
    /// Nothing has come for `heartbeat.timeout_ms`.
    Silent,
    /// A message above `limits.frame_bytes`.
    TooLarge,
    /// A hundred refusals in ten seconds.
    Flooding,
    /// It does not read, or does not ack.
    TooSlow,
    /// The server restarts.
    Restart,
}

impl Close {
    pub fn code(self) -> u16 {
        match self {
            Close::BadFrames => 4400,
            Close::Unauthenticated => 4401,
            Close::Silent => 4408,
            Close::TooLarge => 4413,
            Close::Flooding => 4429,
            Close::TooSlow => 4430,
            Close::Restart => 1012,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Close::BadFrames => "too many bad frames",
            Close::Unauthenticated => "not logged in",
            Close::Silent => "silent for too long",
            Close::TooLarge => "message too large",
            Close::Flooding => "too many refused frames",
            Close::TooSlow => "reading too slowly",
            Close::Restart => "restarting",
        }
    }
}
