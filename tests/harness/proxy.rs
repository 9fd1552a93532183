//! A link that can be cut: TCP, forwarded through a port of the test's own.

use super::process::free_port;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of bytes, and of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Connections stay open, and nothing passes.
    Stalled,
    /// Connections are ended, new ones too.
    Cut,
}

/// A port of 127.0.0.1 behind which another one is. Gone when dropped.
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    ambush: Arc<Ambush>,
    outgoing: Outgoing,
    accepting: JoinHandle<()>,
}

/// The local ports of all connections that were made to the other side.
type Outgoing = Arc<Mutex<Vec<u16>>>;

/// Connections that end right after the client has said something.
#[derive(Default)]
struct Ambush {
    left: AtomicU64,
    sprung: AtomicU64,
}

/// What ambushes wait for.
const COMMIT: &[u8] = b"COMMIT";

impl Proxy {
    /// Forwards to a port of 127.0.0.1.
    pub fn to(target: u16) -> Self {
        let (state, watched) = watch::channel(State::Open);
        let ambush = Arc::new(Ambush::default());
        let port = free_port();
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a socket");
        let outgoing = Outgoing::default();
        let accepting = accept(listener, target, watched, Arc::clone(&ambush), Arc::clone(&outgoing));
        Self { port, state, ambush, outgoing, accepting: tokio::spawn(accepting) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The ports by which the other side knows the connections that came this way so far.
    pub fn outgoing(&self) -> Vec<u16> {
        self.outgoing.lock().expect("no panic").clone()
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing pass; connections stay open, new ones are made and hear nothing.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Lets everything pass again, also what was held up.
    pub fn restore(&self) {
        self.state.send_replace(State::Open);
    }

    /// The next `times` connections that send a `COMMIT` lose their connection right after it has been forwarded: it is carried out, and nobody
    /// hears of it.
    pub fn lose_answers_to_commits(&self, times: u64) {
        self.ambush.left.store(times, Ordering::SeqCst);
    }

    /// How many answers to a `COMMIT` have been lost.
    pub fn answers_lost(&self) -> u64 {
        self.ambush.sprung.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.send_replace(State::Cut);
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: u16,
    state: watch::Receiver<State>,
    ambush: Arc<Ambush>,
    outgoing: Outgoing,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if *state.borrow() == State::Cut {
            // As where nobody listens: no orderly end.
            client.set_zero_linger().ok();
            continue;
        }
        tokio::spawn(forward(client, target, state.clone(), Arc::clone(&ambush), Arc::clone(&outgoing)));
    }
}

async fn forward(
    client: TcpStream,
    target: u16,
    mut state: watch::Receiver<State>,
    ambush: Arc<Ambush>,
    outgoing: Outgoing,
) {
    let connect = async {
        opened(&mut state).await?;
        TcpStream::connect(("127.0.0.1", target)).await.ok()
    };
    let Some(server) = connect.await else { return };
    if let Ok(own) = server.local_addr() {
        outgoing.lock().expect("no panic").push(own.port());
    }
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = pump(from_client, to_server, state.clone(), Some(ambush));
    let down = pump(from_server, to_client, state, None);
    // Whichever side ends takes the other with it.
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Waits until bytes may pass; none where the link is cut.
async fn opened(state: &mut watch::Receiver<State>) -> Option<()> {
    let open = state.wait_for(|state| *state != State::Stalled).await.ok()?;
    (*open == State::Open).then_some(())
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    ambush: Option<Arc<Ambush>>,
) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let mut cut = state.clone();
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            // The borrow of the watched value must not outlive this.
            _ = async { cut.wait_for(|state| *state == State::Cut).await.map(drop) } => return,
        };
        let Ok(1..) = read else { return };
        let read = read.unwrap_or_default();
        if opened(&mut state).await.is_none() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        if ambush.as_ref().is_some_and(|ambush| ambush.springs(&bytes[..read])) {
            // The server reads what it was sent, and then the end.
            to.shutdown().await.ok();
            tokio::time::sleep(Duration::from_millis(1)).await;
            return;
        }
    }
}

impl Ambush {
    fn springs(&self, bytes: &[u8]) -> bool {
        let sprung = bytes.windows(COMMIT.len()).any(|window| window == COMMIT)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        self.sprung.fetch_add(u64::from(sprung), Ordering::SeqCst);
        sprung
    }
}
