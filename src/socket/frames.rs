//! The way in: bytes of the request payload become whole messages. And the encoding of frames for the way out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::ws::{Codec, Frame, Item, Message, OpCode, Parser, ProtocolError};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio_util::codec::{Decoder, Encoder};

use super::End;

/// Encodes a text frame once, for any number of connections. `text` must be UTF-8.
pub fn encode_text(text: impl AsRef<[u8]>) -> Bytes {
    let text = text.as_ref();
    debug_assert!(std::str::from_utf8(text).is_ok());
    let mut frame = BytesMut::new();
    Parser::write_message(&mut frame, text, OpCode::Text, true, false);
    frame.freeze()
}

/// Encodes any whole message as one frame.
pub fn encode(message: Message) -> Bytes {
    let mut frame = BytesMut::new();
    let _ = Codec::new().encode(message, &mut frame); // Fails only for continuations, which are not whole.
    frame.freeze()
}

/// Turns bytes into whole messages, never `Continuation`. Knows nothing of actors or sockets, and holds no buffer
/// while no message is under way.
pub struct Assembler {
    codec: Codec,
    limit: usize,
    input: BytesMut,
    partial: Option<Partial>,
}

/// The fragments of a message so far.
struct Partial {
    text: bool,
    data: BytesMut,
    /// How much of `data` is known to be UTF-8.
    valid: usize,
}

impl Partial {
    fn new(text: bool) -> Self {
        Self { text, data: BytesMut::new(), valid: 0 }
    }

    /// Appends a fragment; fails as soon as the text so far cannot become UTF-8.
    fn push(&mut self, fragment: &[u8]) -> Result<(), End> {
        self.data.extend_from_slice(fragment);
        if self.text {
            match std::str::from_utf8(&self.data[self.valid..]) {
                Ok(_) => self.valid = self.data.len(),
                Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
                Err(_) => return Err(End::BadText),
            }
        }
        Ok(())
    }
}

impl Assembler {
    /// An assembler of messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { codec: Codec::new().max_size(limit), limit, input: BytesMut::new(), partial: None }
    }

    /// Adds what came from the client.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next message; `None` when more bytes are needed. After an error the connection must close.
    pub fn next_message(&mut self) -> Result<Option<Message>, End> {
        loop {
            self.check_header()?;
            let Some(frame) = self.codec.decode(&mut self.input).map_err(end_of)? else {
                if self.input.is_empty() {
                    self.input = BytesMut::new();
                }
                return Ok(None);
            };
            let whole = match frame {
                Frame::Text(data) => text(data)?,
                Frame::Binary(data) => Message::Binary(data),
                Frame::Ping(data) => Message::Ping(data),
                Frame::Pong(data) => Message::Pong(data),
                Frame::Close(reason) => Message::Close(reason),
                Frame::Continuation(item) => match self.assemble(item)? {
                    Some(message) => message,
                    None => continue,
                },
            };
            return Ok(Some(whole));
        }
    }

    /// The codec has already refused continuations of nothing, and new messages inside another.
    fn assemble(&mut self, item: Item) -> Result<Option<Message>, End> {
        let last = matches!(item, Item::Last(_));
        match item {
            Item::FirstText(_) => self.partial = Some(Partial::new(true)),
            Item::FirstBinary(_) => self.partial = Some(Partial::new(false)),
            _ => {}
        }
        let (Item::FirstText(data) | Item::FirstBinary(data) | Item::Continue(data) | Item::Last(data)) = item;
        if let Some(partial) = &mut self.partial {
            partial.push(&data)?;
        }
        match self.partial.take_if(|_| last) {
            None => Ok(None),
            Some(whole) if whole.text => text(whole.data.freeze()).map(Some),
            Some(whole) => Ok(Some(Message::Binary(whole.data.freeze()))),
        }
    }

    /// Judges a frame by its header (RFC 6455 section 5.2), because the codec looks at lengths only once a frame has
    /// arrived whole: it would gather gigabytes until then.
    fn check_header(&self) -> Result<(), End> {
        let [first, second, ..] = self.input[..] else { return Ok(()) };
        let length = match (second & 0x7f, &self.input[2..]) {
            (126, [a, b, ..]) => u64::from(u16::from_be_bytes([*a, *b])),
            (127, [a, b, c, d, e, f, g, h, ..]) => u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
            (126 | 127, _) => return Ok(()),
            (short, _) => u64::from(short),
        };
        if first & 0x08 != 0 {
            return if length > 125 { Err(End::Violation("control frame too long")) } else { Ok(()) };
        }
        let held = self.partial.as_ref().map_or(0, |partial| partial.data.len());
        if length.saturating_add(held as u64) > self.limit as u64 { Err(End::TooBig) } else { Ok(()) }
    }
}

fn text(data: Bytes) -> Result<Message, End> {
    data.try_into().map(Message::Text).map_err(|_| End::BadText)
}

fn end_of(error: ProtocolError) -> End {
    match error {
        ProtocolError::Overflow => End::TooBig,
        ProtocolError::UnmaskedFrame => End::Violation("frame is not masked"),
        ProtocolError::BadOpCode | ProtocolError::InvalidOpcode(_) => End::Violation("unknown opcode"),
        ProtocolError::ContinuationStarted => End::Violation("a message inside another"),
        ProtocolError::ContinuationNotStarted => End::Violation("continuation of nothing"),
        ProtocolError::ContinuationFragment(_) => End::Violation("control frame in fragments"),
        ProtocolError::InvalidLength(_) => End::Violation("bad length"),
        _ => End::Violation("protocol error"),
    }
}

/// What came from the client.
pub(super) enum Arrival {
    /// A whole message or control frame.
    Message(Message),
    /// Bytes that complete nothing yet.
    Part,
    /// The client broke the protocol or a limit. Nothing follows.
    Broken(End),
}

/// The request payload as arrivals. After a violation it only drains, so that input which is still under way does not
/// make the kernel reset the connection before the client has read the close frame.
pub(super) struct Frames {
    payload: web::Payload,
    assembler: Assembler,
    fed: bool,
    broken: bool,
}

impl Frames {
    pub fn new(payload: web::Payload, limit: usize) -> Self {
        Self { payload, assembler: Assembler::new(limit), fed: false, broken: false }
    }
}

impl Stream for Frames {
    type Item = Arrival;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        let this = &mut *self;
        loop {
            if this.fed && !this.broken {
                match this.assembler.next_message() {
                    Ok(Some(message)) => return Poll::Ready(Some(Arrival::Message(message))),
                    Ok(None) => {
                        this.fed = false;
                        return Poll::Ready(Some(Arrival::Part));
                    }
                    Err(end) => {
                        this.broken = true;
                        this.assembler = Assembler::new(0);
                        return Poll::Ready(Some(Arrival::Broken(end)));
                    }
                }
            }
            match ready!(Pin::new(&mut this.payload).poll_next(cx)) {
                Some(Ok(bytes)) if !this.broken => {
                    this.assembler.feed(&bytes);
                    this.fed = true;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(None), // The dispatcher is gone, or the client sent FIN.
            }
        }
    }
}
