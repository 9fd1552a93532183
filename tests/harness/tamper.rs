//! A proxy that tampers with what a server says: for those who must notice.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// What becomes of the message with a certain mark, on every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// It never comes, however often it is sent.
    Lose,
    /// It comes twice.
    Double,
    /// It comes after the next one.
    Delay,
}

/// A port of 127.0.0.1 behind which another one is, whose `message` frames with `mark` in them are tampered with. Gives the port; it
/// stays to the end of the process.
pub fn tampered(target: u16, mark: &'static str, tamper: Tamper) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a socket").port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", target)).expect("the server listens");
            let (said, mut says) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            thread::spawn(move || {
                // A connection ends when one side does.
                io::copy(&mut &said, &mut says).ok();
                says.shutdown(Shutdown::Write).ok();
            });
            thread::spawn(move || {
                forward(server, &client, mark.as_bytes(), tamper).ok();
                client.shutdown(Shutdown::Both).ok();
            });
        }
    });
    port
}

fn forward(mut server: TcpStream, mut client: &TcpStream, mark: &[u8], tamper: Tamper) -> io::Result<()> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    let (mut is_websocket, mut held) = (false, None::<Vec<u8>>);
    loop {
        let length = server.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..length]);
        if !is_websocket {
            is_websocket = bytes.starts_with(b"HTTP/1.1 101");
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").filter(|_| is_websocket);
            let whole = head.map_or(bytes.len(), |at| at + 4);
            client.write_all(&bytes[..whole])?;
            bytes.drain(..whole);
        }
        while let Some(length) = frame(&bytes).filter(|_| is_websocket) {
            let frame: Vec<u8> = bytes.drain(..length).collect();
            let is_message = holds(&frame, br#""type":"message""#);
            match tamper {
                _ if !is_message => client.write_all(&frame)?,
                Tamper::Lose if holds(&frame, mark) => {}
                Tamper::Double if holds(&frame, mark) => client.write_all(&[&frame[..], &frame[..]].concat())?,
                Tamper::Delay if holds(&frame, mark) && held.is_none() => held = Some(frame),
                _ => {
                    client.write_all(&frame)?;
                    client.write_all(&held.take().unwrap_or_default())?;
                }
            }
        }
    }
}

/// The length of the first frame, if it is all here; a server's are not masked.
fn frame(bytes: &[u8]) -> Option<usize> {
    let (head, payload) = match bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(*length)),
    };
    (bytes.len() >= head + payload).then_some(head + payload)
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
