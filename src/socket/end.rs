//! Why a connection ended, and the close code that tells the client.

use actix_http::ws::{CloseCode, CloseReason};

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed, with this code if it gave one.
    Client(Option<u16>),
    /// The application closed, with this code and reason (at most 123 bytes, RFC 6455 section 5.5).
    Server(u16, &'static str),
    /// The client broke RFC 6455: 1002.
    Violation(&'static str),
    /// The client sent text that is not UTF-8: 1007.
    BadText,
    /// The client sent a message above [`Limits::message`](super::Limits::message): [`Codes::too_big`].
    TooBig,
    /// The client did not read: the outbox was full, or the socket took no byte: [`Codes::slow`].
    Slow,
    /// Nothing came from the client, not even answers to pings: [`Codes::silent`].
    Silent,
    /// The connection went away without a close frame.
    Lost,
}

/// The close codes that an application may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    pub too_big: u16,
    pub slow: u16,
    pub silent: u16,
}

impl Codes {
    /// The registered ones (RFC 6455 section 7.4.1): message too big, and policy violation.
    pub const STANDARD: Self = Self { too_big: 1009, slow: 1008, silent: 1008 };
}

impl End {
    /// The code of the close frame; `None` when it carries none, or there is none.
    pub fn code(&self, codes: &Codes) -> Option<u16> {
        match self {
            End::Client(code) => *code,
            End::Server(code, _) => Some(*code),
            End::Violation(_) => Some(CloseCode::Protocol.into()),
            End::BadText => Some(CloseCode::Invalid.into()),
            End::TooBig => Some(codes.too_big),
            End::Slow => Some(codes.slow),
            End::Silent => Some(codes.silent),
            End::Lost => None,
        }
    }

    /// What the close frame says.
    pub(super) fn reason(&self, codes: &Codes) -> Option<CloseReason> {
        let text = match self {
            End::Client(_) | End::Lost => "",
            End::Server(_, text) | End::Violation(text) => text,
            End::BadText => "text is not UTF-8",
            End::TooBig => "message too big",
            End::Slow => "reading too slowly",
            End::Silent => "nothing heard",
        };
        let description = (!text.is_empty()).then(|| text.into());
        self.code(codes).map(|code| CloseReason { code: code.into(), description })
    }
}
