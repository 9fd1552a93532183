//! One WebSocket connection without a task or a thread of its own: the loop says when there is something to read or room to write.
//!
//! Frames are written into a buffer, and leave together with what else has come up meanwhile: a system call costs more than the
//! masking and the parsing of a frame.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    ops::Range,
};

use actix_http::ws::{Codec, Frame, Message, OpCode, Parser};
use bytes::{Buf, Bytes, BytesMut};
use mio::{Interest, Registry, Token, net::TcpStream};
use tokio_util::codec::{Decoder, Encoder};

/// The longest answer to an upgrade, in bytes.
const ANSWER: usize = 8 << 10;
/// The largest frame of a server: a page of history.
const FRAME: usize = 16 << 20;

/// A connection to a server.
pub struct Wire {
    stream: TcpStream,
    codec: Codec,
    input: BytesMut,
    output: BytesMut,
    upgraded: bool,
}

/// What has come.
pub enum Heard {
    /// The connection is a WebSocket now.
    Upgraded,
    Text(Bytes),
}

/// How a connection ended, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended(pub String);

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl Wire {
    /// Begins to connect; the upgrade is sent when there is a connection.
    ///
    /// # Errors
    /// Those of the system.
    pub fn connect(address: SocketAddr, upgrade: &str, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let codec = Codec::new().client_mode().max_size(FRAME);
        let output = BytesMut::from(upgrade.as_bytes());
        Ok(Self { stream, codec, input: BytesMut::new(), output, upgraded: false })
    }

    /// Puts a text message behind what is to be written.
    pub fn text(&mut self, text: &str) {
        Parser::write_message(&mut self.output, text, OpCode::Text, true, true);
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// [`Ended`] where the connection is no more.
    pub fn flush(&mut self) -> Result<(), Ended> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(Ended("the server takes nothing".into())),
                Ok(written) => self.output.advance(written),
                Err(error) if is_not_yet(&error) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes what has come, through `buffer`. False when that was all of it.
    ///
    /// # Errors
    /// [`Ended`] where nothing more will come.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, Ended> {
        match self.stream.read(buffer) {
            Ok(0) => Err(Ended("without a close frame".into())),
            Ok(length) => {
                self.input.extend_from_slice(&buffer[..length]);
                Ok(length == buffer.len())
            }
            Err(error) if is_not_yet(&error) => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The next of what has come.
    ///
    /// # Errors
    /// [`Ended`] if the server closes, or says what is no WebSocket.
    pub fn next(&mut self) -> Result<Option<Heard>, Ended> {
        if !self.upgraded {
            return self.answer();
        }
        loop {
            return match self.codec.decode(&mut self.input) {
                Ok(Some(Frame::Text(text))) => Ok(Some(Heard::Text(text))),
                Ok(Some(Frame::Ping(payload))) => {
                    let pong = self.codec.encode(Message::Pong(payload), &mut self.output);
                    pong.map_err(|error| Ended(error.to_string()))?;
                    continue;
                }
                Ok(Some(Frame::Close(Some(reason)))) => {
                    let words = reason.description.unwrap_or_default();
                    Err(Ended(format!("{} {words}", u16::from(reason.code)).trim_end().into()))
                }
                Ok(Some(Frame::Close(None))) => Err(Ended("closed without a code".into())),
                Ok(Some(Frame::Pong(_))) => continue,
                Ok(Some(other)) => Err(Ended(format!("the server sent {other:?}"))),
                Ok(None) => Ok(None),
                Err(error) => Err(Ended(error.to_string())),
            };
        }
    }

    fn answer(&mut self) -> Result<Option<Heard>, Ended> {
        let Some(Range { end, .. }) = blank_line(&self.input) else {
            return if self.input.len() < ANSWER { Ok(None) } else { Err(Ended("the server is none".into())) };
        };
        let head = self.input.split_to(end);
        let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
        if !line.starts_with("HTTP/1.1 101") {
            return Err(Ended(line));
        }
        self.upgraded = true;
        Ok(Some(Heard::Upgraded))
    }

    /// Ends the connection, and what of it is under way.
    pub fn cut(mut self, registry: &Registry) {
        // What cannot be reset ends by being dropped.
        registry.deregister(&mut self.stream).ok();
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).ok();
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    // A connection that is not yet there is `NotConnected`.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

fn blank_line(bytes: &[u8]) -> Option<Range<usize>> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at..at + 4)
}

/// The request that makes a WebSocket of a connection; with a token, the server logs the session in at once.
pub fn upgrade(authority: &str, path: &str, token: Option<&str>) -> String {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    // Nobody between the two of us caches: the key may be that of the RFC.
    format!(
        "GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
    )
}
