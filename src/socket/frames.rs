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
        if length > i64::MAX as u64 {
            return Err(End::Violation("bad length"));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

    /// A frame as a client sends it; `first` is FIN, the reserved bits and the opcode.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = header(first, payload.len() as u64);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn header(first: u8, length: u64) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..126 => bytes.push(0x80 | length as u8),
            126..65536 => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes
    }

    /// Feeds one part after the other; returns the messages so far, and the end if there was one.
    fn read(parts: &[Vec<u8>]) -> (Vec<Message>, Option<End>) {
        let mut assembler = Assembler::new(LIMIT);
        let mut messages = Vec::new();
        for part in parts {
            assembler.feed(part);
            loop {
                match assembler.next_message() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(end) => return (messages, Some(end)),
                }
            }
        }
        (messages, None)
    }

    fn text(text: &'static str) -> Message {
        Message::Text(text.into())
    }

    fn ping(data: &'static str) -> Message {
        Message::Ping(Bytes::from_static(data.as_bytes()))
    }

    const TEXT: u8 = 0x81;
    const BINARY: u8 = 0x82;
    const TEXT_BEGINS: u8 = 0x01;
    const BINARY_BEGINS: u8 = 0x02;
    const CONTINUES: u8 = 0x00;
    const LAST: u8 = 0x80;
    const CLOSE: u8 = 0x88;
    const PING: u8 = 0x89;

    #[test]
    fn whole_messages_come_through() {
        let binary = Message::Binary(Bytes::from_static(&[0xff, 0]));
        assert_eq!(
            read(&[[frame(TEXT, "grüße".as_bytes()), frame(BINARY, &[0xff, 0]), frame(TEXT, b"")].concat()]),
            (vec![text("grüße"), binary, text("")], None)
        );
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let long = "x".repeat(300);
        let bytes = [frame(TEXT, b"hi"), frame(PING, b"p"), frame(TEXT, long.as_bytes())].concat();
        let parts: Vec<_> = bytes.into_iter().map(|byte| vec![byte]).collect();
        assert_eq!(read(&parts), (vec![text("hi"), ping("p"), Message::Text(long.into())], None));
    }

    #[test]
    fn pings_may_come_between_fragments() {
        assert_eq!(
            read(&[
                frame(TEXT_BEGINS, b"one "),
                frame(PING, b"a"),
                frame(CONTINUES, b"two "),
                frame(PING, b"b"),
                frame(LAST, b"three")
            ]),
            (vec![ping("a"), ping("b"), text("one two three")], None)
        );
        assert_eq!(
            read(&[frame(BINARY_BEGINS, &[0xff]), frame(CONTINUES, b""), frame(LAST, b"")]),
            (vec![Message::Binary(Bytes::from_static(&[0xff]))], None)
        );
    }

    #[test]
    fn a_message_in_a_million_fragments_takes_no_longer_than_its_bytes() {
        let mut bytes = frame(BINARY_BEGINS, b"");
        bytes.extend(frame(CONTINUES, b"x").repeat(1_000_000));
        bytes.extend(frame(LAST, b""));
        let mut assembler = Assembler::new(1_000_000);
        for part in bytes.chunks(8000) {
            assembler.feed(part);
            if let Some(Message::Binary(whole)) = assembler.next_message().expect("valid frames") {
                assert_eq!(whole.len(), 1_000_000);
                return;
            }
        }
        panic!("the message did not come out");
    }

    #[test]
    fn what_is_too_big_is_refused_by_its_header() {
        let too_big = (vec![], Some(End::TooBig));
        assert_eq!(read(&[header(TEXT, LIMIT as u64 + 1)]), too_big);
        assert_eq!(read(&[header(BINARY, 1 << 40)]), too_big);
        assert_eq!(read(&[header(BINARY, i64::MAX as u64)]), too_big);
        assert_eq!(read(&[header(TEXT, LIMIT as u64)]), (vec![], None));
        assert_eq!(read(&[frame(TEXT, "x".repeat(LIMIT).as_bytes())]).1, None);
    }

    #[test]
    fn the_limit_counts_all_fragments() {
        let half = vec![b'x'; LIMIT / 2];
        assert_eq!(read(&[frame(TEXT_BEGINS, &half), frame(LAST, &half)]).1, None);
        assert_eq!(
            read(&[frame(TEXT_BEGINS, &half), frame(CONTINUES, &half), header(LAST, 1)]),
            (vec![], Some(End::TooBig))
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_as_soon_as_it_can_be_known() {
        let bad = (vec![], Some(End::BadText));
        assert_eq!(read(&[frame(TEXT, &[0xff])]), bad);
        assert_eq!(read(&[frame(TEXT_BEGINS, b"ok"), frame(CONTINUES, &[0xff])]), bad);
        // A surrogate is wrong from its second byte on, whatever follows.
        assert_eq!(read(&[frame(TEXT_BEGINS, &[0xed]), frame(CONTINUES, &[0xa0])]), bad);
        assert_eq!(read(&[frame(TEXT_BEGINS, &[0xc3]), frame(LAST, b"")]), bad);
        assert_eq!(read(&[frame(TEXT_BEGINS, &[0xc3]), frame(LAST, &[0xbc])]), (vec![text("ü")], None));
    }

    #[test]
    fn violations_are_told_apart_from_large_messages() {
        let violation = |parts: &[Vec<u8>]| match read(parts) {
            (_, Some(End::Violation(why))) => why,
            other => panic!("expected a violation, got {other:?}"),
        };
        assert_eq!(violation(&[header(PING, 126)]), "control frame too long");
        assert_eq!(violation(&[header(CLOSE, 1 << 40)]), "control frame too long");
        assert_eq!(violation(&[header(BINARY, u64::MAX)]), "bad length");
        assert_eq!(violation(&[vec![TEXT, 2, b'h', b'i']]), "frame is not masked");
        assert_eq!(violation(&[frame(0x83, b"")]), "unknown opcode");
        assert_eq!(violation(&[frame(0xc1, b"")]), "protocol error"); // a reserved bit
        assert_eq!(violation(&[frame(0x09, b"")]), "control frame in fragments");
        assert_eq!(violation(&[frame(LAST, b"")]), "continuation of nothing");
        assert_eq!(violation(&[frame(CONTINUES, b"")]), "continuation of nothing");
        assert_eq!(violation(&[frame(TEXT_BEGINS, b""), frame(TEXT, b"")]), "a message inside another");
        assert_eq!(violation(&[frame(CLOSE, &[3])]), "bad length");
        assert_eq!(read(&[frame(CLOSE, b"")]), (vec![Message::Close(None)], None));
    }

    #[test]
    fn nothing_is_held_between_messages() {
        let mut assembler = Assembler::new(LIMIT);
        assembler.feed(&frame(TEXT, b"hello"));
        assert!(matches!(assembler.next_message(), Ok(Some(_))));
        assert!(matches!(assembler.next_message(), Ok(None)));
        assert_eq!(assembler.input.capacity(), 0);
    }

    #[test]
    fn a_text_frame_is_what_the_codec_would_write() {
        for length in [0, 125, 126, 65535, 65536] {
            let text = "x".repeat(length);
            assert_eq!(encode_text(&text), encode(Message::Text(text.into())));
        }
    }
}
