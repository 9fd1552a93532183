//! A client that writes WebSocket frames byte by byte (RFC 6455, section 5), to say what no library would.

use super::process::PATIENCE;
use super::rest::Rest;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

/// The low four bits of a frame's first byte.
pub type Opcode = u8;

/// One frame to write.
#[derive(Debug, Clone)]
pub struct WireFrame {
    pub fin: bool,
    pub opcode: Opcode,
    pub payload: Vec<u8>,
    /// A client must mask; a rude one does not.
    pub masked: bool,
    /// The reserved bits, shifted to the low three.
    pub reserved: u8,
    /// What the header says of the length, where it lies.
    pub declared: Option<u64>,
}

impl WireFrame {
    pub const CONTINUATION: Opcode = 0;
    pub const TEXT: Opcode = 1;
    pub const BINARY: Opcode = 2;
    pub const CLOSE: Opcode = 8;
    pub const PING: Opcode = 9;
    pub const PONG: Opcode = 10;

    /// A whole, masked frame.
    pub fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, opcode, payload: payload.into(), masked: true, reserved: 0, declared: None }
    }

    /// A text message in pieces of `size` bytes.
    pub fn fragments(text: &str, size: usize) -> Vec<Self> {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let last = pieces.len() - 1;
        let piece = |(at, bytes): (usize, &&[u8])| {
            let opcode = if at == 0 { Self::TEXT } else { Self::CONTINUATION };
            Self { fin: at == last, ..Self::new(opcode, *bytes) }
        };
        pieces.iter().enumerate().map(piece).collect()
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.fin) << 7 | (self.reserved & 7) << 4 | self.opcode];
        let mask_bit = u8::from(self.masked) << 7;
        match self.declared.unwrap_or(self.payload.len() as u64) {
            length @ 0..=125 => out.push(mask_bit | length as u8),
            length @ 126..=65_535 => {
                out.push(mask_bit | 126);
                out.extend((length as u16).to_be_bytes());
            }
            length => {
                out.push(mask_bit | 127);
                out.extend(length.to_be_bytes());
            }
        }
        let mask = if self.masked { [0x37, 0xfa, 0x21, 0x3d] } else { [0; 4] };
        if self.masked {
            out.extend(mask);
        }
        out.extend(self.payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        out
    }
}

/// A raw connection after the upgrade.
pub struct Wire {
    tcp: TcpStream,
}

impl Wire {
    /// Connects to `base` and upgrades, with a receive buffer small enough that not reading is soon felt.
    pub async fn open(base: &str) -> Self {
        let authority = base.strip_prefix("http://").expect("an http:// address");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small receive buffer");
        let tcp = socket.connect(authority.parse().expect("an address")).await.expect("the node accepts");
        let mut wire = Self { tcp };
        wire.write(
            format!(
                "GET /ws HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .as_bytes(),
        )
        .await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(wire.tcp.read_u8().await.expect("an answer to the upgrade"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        wire
    }

    /// Connects and logs in.
    pub async fn login(base: &str, token: &str) -> Self {
        // Who is known is let in without a write, however slow the disk and however short a heartbeat.
        Rest::new(base, Some(token)).get("/me").await.expect(200);
        let mut wire = Self::open(base).await;
        wire.send(&WireFrame::new(WireFrame::TEXT, format!(r#"{{"type":"login","id":"login","token":"{token}"}}"#)))
            .await;
        wire.frame("welcome").await;
        wire.frame("flushed").await;
        wire
    }

    /// Writes bytes; a connection that the server has closed swallows them.
    pub async fn write(&mut self, bytes: &[u8]) {
        // The read side tells how the connection ended.
        self.tcp.write_all(bytes).await.ok();
    }

    pub async fn send(&mut self, frame: &WireFrame) {
        self.write(&frame.bytes()).await;
    }

    /// Opcode and payload of the next frame, or `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<(Opcode, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, self.read_frame()).await.expect("a frame or the end in time").ok()
    }

    /// The next frame that is no text: pongs and closes between whatever the server has to say.
    pub async fn next_but_text(&mut self) -> Option<(Opcode, Vec<u8>)> {
        loop {
            match self.next().await {
                Some((WireFrame::TEXT, _)) => {}
                other => return other,
            }
        }
    }

    /// Waits, without reading a byte, until the server resets the connection.
    pub async fn reset_within(&self, bound: Duration) {
        let reset = tokio::time::timeout(bound, self.tcp.ready(Interest::ERROR)).await;
        reset.expect("a reset in time").expect("a socket to wait on");
    }

    /// Waits for a JSON frame of this `type`.
    pub async fn frame(&mut self, wanted: &str) -> Value {
        while let Some((opcode, payload)) = self.next().await {
            let json: Value = serde_json::from_slice(&payload).unwrap_or_default();
            if opcode == WireFrame::TEXT && json["type"] == wanted {
                return json;
            }
        }
        panic!("the connection ended before {wanted}");
    }

    /// Reads to the end of the connection: the close code, or none where TCP just ended.
    pub async fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some((opcode, payload)) = self.next().await {
            if opcode == WireFrame::CLOSE && payload.len() >= 2 {
                code = Some(u16::from_be_bytes([payload[0], payload[1]]));
                break;
            }
        }
        code
    }

    async fn read_frame(&mut self) -> std::io::Result<(Opcode, Vec<u8>)> {
        let first = self.tcp.read_u8().await?;
        let length = match self.tcp.read_u8().await? & 0x7f {
            126 => u64::from(self.tcp.read_u16().await?),
            127 => self.tcp.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("a length that fits")];
        self.tcp.read_exact(&mut payload).await?;
        Ok((first & 0x0f, payload))
    }
}
