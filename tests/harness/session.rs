//! One WebSocket connection, heard by a task of its own, so that pings are answered while a test does something else.

use super::matching::matches;
use super::process::{PATIENCE, TRIES, again};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How a connection ended: the close code, or none where TCP just ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed(pub Option<u16>);

enum Heard {
    Frame(Value),
    Ping,
    End(Closed),
}

/// A client's end of `GET /ws`. Frames are kept in their order until a test asks for them.
pub struct Session {
    sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    heard: mpsc::UnboundedReceiver<Heard>,
    kept: VecDeque<Value>,
    pings: usize,
    end: Option<Closed>,
    reader: JoinHandle<()>,
}

impl Drop for Session {
    /// Without its reader the TCP connection ends, as it stands.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Ids are unique in the whole test process, because the `id` of a `send` is its idempotency key for ever.
fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Session {
    /// Opens a connection that is not logged in. `base` is `http://127.0.0.1:41234`.
    pub async fn open(base: &str) -> Self {
        Self::open_with(base, &[]).await.expect("the upgrade is accepted")
    }

    /// The same with more request headers; where the upgrade is refused, the HTTP status.
    pub async fn open_with(base: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let authority = base.strip_prefix("http://").expect("an http:// address");
        let tcp = TcpStream::connect(authority).await.expect("the node accepts");
        tcp.set_nodelay(true).expect("no delay");
        let mut request = Request::builder()
            .uri(format!("ws://{authority}/ws"))
            .header("host", authority)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match client_async(request.body(()).expect("a request"), tcp).await {
            Ok((stream, _)) => Ok(Self::listening(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("the upgrade failed: {other}"),
        }
    }

    fn listening(stream: WebSocketStream<TcpStream>) -> Self {
        let (sink, mut source) = stream.split();
        let (tell, heard) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            let mut code = None;
            while let Some(Ok(message)) = source.next().await {
                let news = match message {
                    Message::Text(text) => Heard::Frame(serde_json::from_str(&text).expect("the server sends JSON")),
                    Message::Ping(_) => Heard::Ping,
                    Message::Close(frame) => {
                        code = frame.map(|frame| u16::from(frame.code));
                        continue;
                    }
                    _ => continue,
                };
                if tell.send(news).is_err() {
                    return;
                }
            }
            // Nobody listens any more where the test dropped its end.
            tell.send(Heard::End(Closed(code))).ok();
        });
        Self { sink, heard, kept: VecDeque::new(), pings: 0, end: None, reader }
    }

    /// Sends any WebSocket message.
    pub async fn raw(&mut self, message: Message) {
        // A refused write is the server's close, which the test hears by `closed`.
        self.sink.send(message).await.ok();
    }

    /// Sends a text message as it is.
    pub async fn text(&mut self, text: impl Into<String>) {
        self.raw(Message::text(text.into())).await;
    }

    /// Sends a binary message.
    pub async fn binary(&mut self, bytes: Vec<u8>) {
        self.raw(Message::binary(bytes)).await;
    }

    /// Sends a frame and waits for nothing.
    pub async fn tell(&mut self, frame: Value) {
        self.text(frame.to_string()).await;
    }

    /// Sends a frame with an `id` (its own, or a fresh one) and gives the one reply to it. While the server waits for its disk in vain, the
    /// same frame is sent again when it says.
    pub async fn ask(&mut self, mut frame: Value) -> Value {
        if frame.get("id").is_none() {
            frame["id"] = json!(next_id());
        }
        for _ in 1..TRIES {
            let asked = Instant::now();
            let reply = self.ask_once(&frame).await;
            match again(&reply, asked.elapsed()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return reply,
            }
        }
        self.ask_once(&frame).await
    }

    async fn ask_once(&mut self, frame: &Value) -> Value {
        let id = frame["id"].clone();
        self.tell(frame.clone()).await;
        self.expect(json!({ "id": id })).await
    }

    /// Like [`Self::ask`], where the reply must be `ok`.
    pub async fn ok(&mut self, frame: Value) -> Value {
        let reply = self.ask(frame.clone()).await;
        assert_eq!(reply["type"], "ok", "{frame} got {reply}");
        reply
    }

    /// Like [`Self::ask`], where the reply must be an `error` with this code.
    pub async fn refused(&mut self, frame: Value, code: &str) -> Value {
        let reply = self.ask(frame.clone()).await;
        assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!(code)), "{frame} got {reply}");
        assert!(reply["message"].is_string(), "an error says what is wrong: {reply}");
        reply
    }

    /// Waits for the next frame that matches, and takes it; earlier ones that do not match stay.
    pub async fn expect(&mut self, wanted: Value) -> Value {
        self.expect_within(wanted, PATIENCE).await
    }

    /// The same with another bound.
    pub async fn expect_within(&mut self, wanted: Value, bound: Duration) -> Value {
        let end = tokio::time::Instant::now() + bound;
        let mut looked = 0;
        loop {
            while looked < self.kept.len() {
                if matches(&self.kept[looked], &wanted) {
                    return self.kept.remove(looked).expect("just seen");
                }
                looked += 1;
            }
            let more = tokio::time::timeout_at(end, self.hear()).await;
            let kept = &self.kept;
            assert!(more.is_ok(), "not within {bound:?}: {wanted}\nheard: {kept:#?}");
            assert!(self.end.is_none(), "closed with {:?} before {wanted}\nheard: {:#?}", self.end, self.kept);
        }
    }

    /// Takes every frame heard so far and matching, without waiting for more than what was already sent to this session.
    pub async fn take_all(&mut self, wanted: Value) -> Vec<Value> {
        self.settle().await;
        let (taken, kept) = self.kept.drain(..).partition(|frame| matches(frame, &wanted));
        self.kept = kept;
        Vec::from_iter::<VecDeque<Value>>(taken)
    }

    /// Everything heard and kept so far that matches; it stays kept.
    pub fn heard(&self, wanted: Value) -> Vec<Value> {
        self.kept.iter().filter(|frame| matches(frame, &wanted)).cloned().collect()
    }

    /// Nothing that matches has come, nor comes within a moment.
    pub async fn silence(&mut self, wanted: Value) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let heard = self.take_all(wanted.clone()).await;
        assert!(heard.is_empty(), "{wanted} must not come, but: {heard:#?}");
    }

    /// A round trip: everything the server wrote to this session before it is here afterwards.
    pub async fn settle(&mut self) {
        self.ask(json!({"type": "ping"})).await;
    }

    /// Waits for a WebSocket ping from the server; those heard earlier count.
    pub async fn pinged(&mut self) {
        let ping = async {
            while self.pings == 0 {
                assert!(self.end.is_none(), "closed before a ping");
                self.hear().await;
            }
        };
        tokio::time::timeout(PATIENCE, ping).await.expect("a ping in time");
        self.pings -= 1;
    }

    /// Waits for the end of the connection and says how it ended.
    pub async fn closed(&mut self) -> Closed {
        self.closed_within(PATIENCE).await
    }

    /// The same with another bound.
    pub async fn closed_within(&mut self, bound: Duration) -> Closed {
        let end = async {
            while self.end.is_none() {
                self.hear().await;
            }
        };
        let ended = tokio::time::timeout(bound, end).await;
        assert!(ended.is_ok(), "still open after {bound:?}\nheard: {:#?}", self.kept);
        self.end.clone().expect("ended")
    }

    /// Closes in good manners and waits until the server has closed too.
    pub async fn close(mut self) {
        self.raw(Message::Close(None)).await;
        self.closed().await;
    }

    async fn hear(&mut self) {
        if self.end.is_some() {
            return;
        }
        match self.heard.recv().await {
            Some(Heard::Frame(frame)) => self.kept.push_back(frame),
            Some(Heard::Ping) => self.pings += 1,
            Some(Heard::End(closed)) => self.end = Some(closed),
            None => self.end = Some(Closed(None)),
        }
    }
}
