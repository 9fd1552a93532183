//! A WebSocket client that does what it is told, rules or not, on a plain blocking socket.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than anything here takes: only a broken server makes a test wait for it.
pub const BOUND: Duration = Duration::from_secs(10);

pub const TEXT: u8 = 0x81;
pub const TEXT_BEGINS: u8 = 0x01;
pub const CONTINUES: u8 = 0x00;
pub const LAST: u8 = 0x80;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [1, 2, 3, 4];

/// A frame as a client sends it; `first` is FIN, the reserved bits and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header alone, with the longest form of the length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// How a connection went on.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(u8, Vec<u8>),
    /// FIN, after whole frames.
    Fin,
    /// A reset, or FIN inside a frame.
    Broken,
}

impl Heard {
    /// The code, if it is a close frame.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Heard::Frame(CLOSE, payload) if payload.len() >= 2 => Some(u16::from_be_bytes([payload[0], payload[1]])),
            _ => None,
        }
    }
}

pub struct Client {
    pub tcp: TcpStream,
    /// The response to the handshake, up to its status code.
    pub status: String,
}

impl Client {
    /// Connects and asks for a WebSocket at `path`.
    pub fn connect(address: SocketAddr, path: &str) -> Self {
        let mut tcp = TcpStream::connect(address).expect("connect");
        tcp.set_nodelay(true).expect("set no delay");
        tcp.set_read_timeout(Some(BOUND)).expect("set a timeout");
        write!(
            tcp,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .expect("send the handshake");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tcp.read_exact(&mut byte).expect("read the response's head");
            head.push(byte[0]);
        }
        let status = String::from_utf8_lossy(&head[..12]).into_owned();
        Self { tcp, status }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.tcp.write_all(bytes).expect("send");
    }

    pub fn text(&mut self, text: &str) {
        self.send(&frame(TEXT, text.as_bytes()));
    }

    pub fn half_close(&self) {
        self.tcp.shutdown(Shutdown::Write).expect("half close");
    }

    /// The next frame, or how the connection ended.
    pub fn hear(&mut self) -> Heard {
        let mut start = [0; 2];
        match self.tcp.read(&mut start[..1]) {
            Ok(0) => return Heard::Fin,
            Ok(_) => {}
            Err(error) => return broken(error),
        }
        match self.rest_of_frame(&mut start) {
            Ok(payload) => Heard::Frame(start[0], payload),
            Err(error) => broken(error),
        }
    }

    fn rest_of_frame(&mut self, start: &mut [u8; 2]) -> std::io::Result<Vec<u8>> {
        self.tcp.read_exact(&mut start[1..])?;
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.tcp.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.tcp.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        self.tcp.read_exact(&mut payload)?;
        Ok(payload)
    }

    /// The next text or close, or the end; pings are passed over unanswered.
    pub fn hear_past_pings(&mut self) -> Heard {
        loop {
            match self.hear() {
                Heard::Frame(PING, _) => {}
                heard => return heard,
            }
        }
    }

    /// Sends a text and expects it back.
    pub fn echo(&mut self, text: &str) {
        self.text(text);
        assert_eq!(self.hear_past_pings(), Heard::Frame(TEXT, text.into()));
    }

    /// Expects a close frame and gives its code.
    pub fn expect_close(&mut self) -> u16 {
        let heard = self.hear_past_pings();
        heard.close_code().unwrap_or_else(|| panic!("expected a close frame, heard {heard:?}"))
    }
}

fn broken(error: std::io::Error) -> Heard {
    use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
    match error.kind() {
        ConnectionReset | UnexpectedEof => Heard::Broken,
        _ => panic!("nothing came within {BOUND:?}: {error}"),
    }
}
