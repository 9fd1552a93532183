//! The socket layer over real sockets: how connections end, and whom a client that misbehaves can hurt.

mod client;

use std::{
    io::Write,
    net::SocketAddr,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use actix::{AsyncContext, Context};
use actix_web::{App as WebApp, HttpRequest, HttpServer, dev::ServerHandle, web};
use client::*;
use shopbell::{
    domain::liveness::Heartbeat,
    socket::{self, App, Codes, Connection, End, Limits, Link, Message},
};

/// Echoes; `bye` closes, `flood` sends for ever, `burst` sends eight megabytes in one go.
struct Echo {
    path: String,
    ended: Sender<(String, End)>,
}

impl App for Echo {
    fn message(&mut self, message: Message, link: &mut Link, ctx: &mut Context<Connection<Self>>) {
        match &message {
            Message::Text(text) if text == "bye" => link.close(End::Server(4321, "as you wish")),
            Message::Text(text) if text == "flood" => {
                let frame = socket::encode_text("y".repeat(4096));
                ctx.run_interval(Duration::from_millis(1), move |connection, _| {
                    connection.parts().1.send(frame.clone());
                });
            }
            Message::Text(text) if text == "burst" => {
                let frame = socket::encode_text("z".repeat(64 << 10));
                for _ in 0..128 {
                    link.send(frame.clone());
                }
            }
            _ => {
                link.send(socket::encode(message));
            }
        }
    }

    fn ended(&mut self, why: &End) {
        let _ = self.ended.send((self.path.clone(), why.clone()));
    }
}

struct Server {
    address: SocketAddr,
    ended: Receiver<(String, End)>,
    handle: ServerHandle,
}

impl Server {
    fn start(limits: Limits) -> Self {
        Self::start_with(limits, true)
    }

    fn start_with(limits: Limits, keep_sockets: bool) -> Self {
        let limits: &'static Limits = Box::leak(Box::new(limits));
        let (says_ended, ended) = mpsc::channel();
        let (says_ready, ready) = mpsc::channel();
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    let ended = says_ended.clone();
                    WebApp::new().default_service(web::get().to(move |req: HttpRequest, payload: web::Payload| {
                        let app = Echo { path: req.path().into(), ended: ended.clone() };
                        async move { socket::accept(&req, payload, limits, app).map(|(response, _)| response) }
                    }))
                })
                .on_connect(move |io, data| {
                    if keep_sockets {
                        socket::on_connect(io, data);
                    }
                })
                .h1_write_buffer_size(1)
                .workers(1)
                .disable_signals()
                .bind("127.0.0.1:0")
                .expect("bind");
                let address = server.addrs()[0];
                let server = server.run();
                let _ = says_ready.send((address, server.handle()));
                server.await.expect("serve");
            });
        });
        let (address, handle) = ready.recv_timeout(BOUND).expect("the server starts");
        Self { address, ended, handle }
    }

    fn connect(&self, path: &str) -> Client {
        let client = Client::connect(self.address, path);
        assert_eq!(client.status, "HTTP/1.1 101");
        client
    }

    /// Waits for the end of the connection at `path`, the only one still open or the next to end.
    fn expect_end(&self, path: &str, why: End) {
        assert_eq!(self.ended.recv_timeout(BOUND).expect("a connection ends"), (path.into(), why));
    }
}

/// Nobody is tested with these: they stop the server's threads when the test is over.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

fn limits() -> Limits {
    Limits {
        stall: Duration::from_secs(2),
        grace: Duration::from_millis(500),
        tick: Duration::from_millis(100),
        codes: Codes { too_big: 4413, slow: 4430, silent: 4408 },
        ..Limits::default()
    }
}

#[test]
fn messages_come_whole_however_they_are_cut() {
    let server = Server::start(limits());
    let mut client = server.connect("/");
    client.echo("hello");
    client.echo(&"long ".repeat(13_000));

    for byte in frame(TEXT, "one byte a segment".repeat(20).as_bytes()) {
        client.send(&[byte]);
    }
    assert_eq!(client.hear(), Heard::Frame(TEXT, "one byte a segment".repeat(20).into()));

    client.send(&frame(TEXT_BEGINS, b""));
    client.send(&frame(PING, b"in between"));
    client.send(&frame(CONTINUES, b"x").repeat(65_535));
    client.send(&frame(LAST, b"!"));
    assert_eq!(client.hear(), Heard::Frame(PONG, "in between".into()));
    assert_eq!(client.hear(), Heard::Frame(TEXT, ("x".repeat(65_535) + "!").into()));
}

#[test]
fn each_end_has_its_close_code() {
    let server = Server::start(limits());
    let cases: [(&str, Vec<u8>, u16, End); 6] = [
        ("/not-masked", vec![TEXT, 2, b'h', b'i'], 1002, End::Violation("frame is not masked")),
        ("/bad-opcode", frame(0x83, b""), 1002, End::Violation("unknown opcode")),
        ("/bad-text", frame(TEXT, &[0xff]), 1007, End::BadText),
        ("/too-big", header(TEXT, 65_537), 4413, End::TooBig),
        ("/bye", frame(TEXT, b"bye"), 4321, End::Server(4321, "as you wish")),
        ("/client-closes", frame(CLOSE, &3000u16.to_be_bytes()), 3000, End::Client(Some(3000))),
    ];
    for (path, bytes, code, why) in cases {
        let mut client = server.connect(path);
        client.send(&bytes);
        assert_eq!(client.expect_close(), code, "{path}");
        if path == "/bye" {
            client.send(&frame(CLOSE, &code.to_be_bytes()));
        }
        assert_eq!(client.hear(), Heard::Fin, "{path}");
        drop(client);
        server.expect_end(path, why);
    }
}

#[test]
fn a_close_frame_reaches_a_client_that_is_still_sending() {
    let server = Server::start(limits());
    let mut client = server.connect("/");
    client.send(&header(TEXT, 1 << 20));
    client.send(&vec![b'x'; 1 << 20]);
    assert_eq!(client.expect_close(), 4413);
    assert_eq!(client.hear(), Heard::Fin);
}

#[test]
fn a_client_that_does_not_answer_a_close_is_cut_off() {
    let server = Server::start(limits());
    let mut client = server.connect("/");
    client.text("bye");
    assert_eq!(client.expect_close(), 4321);
    assert!(matches!(client.hear(), Heard::Fin | Heard::Broken));
    let start = Instant::now();
    while client.tcp.write_all(b"x").is_ok() {
        assert!(start.elapsed() < BOUND, "the connection is still open");
        thread::sleep(Duration::from_millis(10));
    }
    server.expect_end("/", End::Server(4321, "as you wish"));
}

#[test]
fn a_connection_that_goes_away_ends_once_and_what_it_asked_for_is_still_sent() {
    let server = Server::start(limits());
    let mut client = server.connect("/");
    client.text("last words");
    client.half_close();
    assert_eq!(client.hear(), Heard::Frame(TEXT, "last words".into()));
    assert_eq!(client.hear(), Heard::Fin);
    server.expect_end("/", End::Lost);

    let client = server.connect("/vanishes");
    drop(client);
    server.expect_end("/vanishes", End::Lost);
    assert!(server.ended.try_recv().is_err());
}

#[test]
fn connections_end_with_their_server() {
    let mut server = Server::start(limits());
    let mut client = server.connect("/");
    client.echo("here");
    drop(server.handle.stop(false));
    server.expect_end("/", End::Lost);
    assert!(matches!(client.hear_past_pings(), Heard::Fin | Heard::Broken));
    server.ended = mpsc::channel().1;
}

#[test]
fn silence_is_pinged_and_then_closed() {
    let heartbeat = Heartbeat { interval: Duration::from_millis(300), timeout: Duration::from_millis(1500) };
    let server = Server::start(Limits { heartbeat, ..limits() });
    let mut silent = server.connect("/silent");
    let mut answering = server.connect("/answering");
    let answers = thread::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < 2 * heartbeat.timeout {
            assert!(matches!(answering.hear(), Heard::Frame(PING, _)));
            answering.send(&frame(PONG, b""));
        }
        answering.echo("still here");
    });
    assert!(matches!(silent.hear(), Heard::Frame(PING, _)));
    assert_eq!(silent.expect_close(), 4408);
    assert_eq!(silent.hear(), Heard::Fin);
    server.expect_end("/silent", End::Silent);
    answers.join().expect("who answers pings is kept");
}

#[test]
fn a_client_that_never_reads_is_cut_and_nobody_else_notices() {
    let limits = limits();
    let bound = limits.stall + Duration::from_secs(2);
    let server = Server::start(limits);
    let mut deaf: Vec<_> = (0..10).map(|_| server.connect("/deaf")).collect();
    let mut other = server.connect("/other");
    let start = Instant::now();
    for client in &mut deaf {
        client.text("flood");
    }
    let mut ended = 0;
    let mut slowest = Duration::ZERO;
    while ended < deaf.len() {
        let asked = Instant::now();
        other.echo("are you there?");
        slowest = slowest.max(asked.elapsed());
        ended += server.ended.try_iter().inspect(|end| assert_eq!(*end, ("/deaf".into(), End::Slow))).count();
        assert!(start.elapsed() < bound, "{ended} were cut in time");
    }
    assert!(slowest < Duration::from_secs(1), "another client waited {slowest:?}");
    for client in &mut deaf {
        // What the kernel had taken comes first; the reset follows, inside a frame.
        while let Heard::Frame(..) = client.hear() {}
    }
}

#[test]
fn a_socket_that_takes_no_byte_is_closed_with_the_code_for_slow_readers() {
    // The queue is large: only the time without a byte tells.
    let server = Server::start(Limits { queue_bytes: 16 << 20, grace: BOUND, ..limits() });
    let mut client = server.connect("/");
    client.text("burst");
    thread::sleep(Duration::from_secs(3)); // Longer than the stall: not reading is a matter of time.
    let mut frames = 0;
    let code = loop {
        let heard = client.hear_past_pings();
        match heard.close_code() {
            Some(code) => break code,
            None => assert!(matches!(heard, Heard::Frame(TEXT, _)), "heard {heard:?}"),
        }
        frames += 1;
    };
    assert_eq!(code, 4430);
    assert!(frames < 128, "what waited was dropped at once, and {frames} frames came");
    assert_eq!(client.hear(), Heard::Fin);
    server.expect_end("/", End::Slow);
}

#[test]
fn a_slow_but_steady_reader_is_kept() {
    let server = Server::start(Limits { queue_bytes: 16 << 20, ..limits() });
    let mut client = server.connect("/");
    client.text("burst");
    for _ in 0..128 {
        thread::sleep(Duration::from_millis(25)); // In all longer than the stall.
        assert!(matches!(client.hear_past_pings(), Heard::Frame(TEXT, _)));
    }
    client.echo("done");
}

#[test]
fn without_a_descriptor_the_handshake_is_refused() {
    let server = Server::start_with(limits(), false);
    assert_eq!(Client::connect(server.address, "/").status, "HTTP/1.1 503");
    assert!(server.ended.try_recv().is_err());
}
