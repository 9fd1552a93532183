//! A client for load: it acks what it is given, keeps little, and survives the death of the server.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, handshake::client::generate_key, http::Request, protocol::WebSocketConfig},
};

use super::process::{TRIES, again};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The connection has ended.
#[derive(Debug)]
pub struct Gone;

/// A message that arrived.
#[derive(Debug)]
pub struct Heard {
    pub conversation: u64,
    pub seq: u64,
    pub text: String,
    pub redelivered: bool,
}

/// One logged-in connection.
pub struct Talker {
    socket: WebSocketStream<TcpStream>,
    uid: String,
    next: u64,
    pub welcome: Value,
    /// Messages of others, in the order of arrival, until they are taken.
    pub heard: Vec<Heard>,
    /// How many `flushed` have come.
    pub flushed: usize,
    replies: HashMap<String, Value>,
}

impl Talker {
    /// Connects to `base` (`http://host:port`) and logs in, up to `welcome`.
    pub async fn login(base: &str, uid: &str, token: &str) -> Result<Self, Gone> {
        let authority = base.strip_prefix("http://").expect("an http:// address");
        let tcp = TcpStream::connect(authority).await.map_err(|_| Gone)?;
        tcp.set_nodelay(true).map_err(|_| Gone)?;
        let request = Request::builder()
            .uri(format!("ws://{authority}/ws"))
            .header("host", authority)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key());
        let request = request.body(()).expect("a request");
        let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
        let (socket, _) = client_async_with_config(request, tcp, Some(config)).await.map_err(|_| Gone)?;
        let (heard, replies) = (Vec::new(), HashMap::new());
        let mut talker = Self { socket, uid: uid.into(), next: 0, welcome: Value::Null, heard, flushed: 0, replies };
        talker.welcome = talker.ask(json!({"type": "login", "token": token})).await?;
        assert_eq!(talker.welcome["type"], "welcome", "{}", talker.welcome);
        Ok(talker)
    }

    /// Sends a frame, with an `id` of its own or a fresh one, and gives the reply. While the server waits for its disk in vain, the same
    /// frame is sent again when it says.
    pub async fn ask(&mut self, mut frame: Value) -> Result<Value, Gone> {
        if frame.get("id").is_none() {
            self.next += 1;
            frame["id"] = json!(format!("ask-{}", self.next));
        }
        for _ in 1..TRIES {
            let asked = Instant::now();
            let reply = self.ask_once(&frame).await?;
            match again(&reply, asked.elapsed()) {
                Some(pause) => sleep(pause).await,
                None => return Ok(reply),
            }
        }
        self.ask_once(&frame).await
    }

    async fn ask_once(&mut self, frame: &Value) -> Result<Value, Gone> {
        let id = frame["id"].as_str().expect("ids are strings");
        self.tell(frame).await?;
        loop {
            if let Some(reply) = self.replies.remove(id) {
                return Ok(reply);
            }
            self.hear().await?;
        }
    }

    /// Sends a frame and waits for nothing.
    pub async fn tell(&mut self, frame: &Value) -> Result<(), Gone> {
        self.socket.send(Message::text(frame.to_string())).await.map_err(|_| Gone)
    }

    /// The next reply to anything asked: its `id`, and itself.
    pub async fn reply(&mut self) -> Result<(String, Value), Gone> {
        loop {
            if let Some(id) = self.replies.keys().next().cloned() {
                let reply = self.replies.remove(&id).expect("just seen");
                return Ok((id, reply));
            }
            self.hear().await?;
        }
    }

    /// Waits for one more frame, and takes it in; messages of others are acked.
    pub async fn hear(&mut self) -> Result<(), Gone> {
        let message = timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
        let Some(Ok(message)) = message else { return Err(Gone) };
        let Message::Text(text) = message else { return Ok(()) };
        let frame: Value = serde_json::from_str(&text).expect("the server sends JSON");
        if let Some(id) = frame["id"].as_str() {
            self.replies.insert(id.to_owned(), frame);
            return Ok(());
        }
        match frame["type"].as_str() {
            Some("message") if frame["from"]["uid"] != *self.uid => {
                let (conversation, seq) = (&frame["conversation"], &frame["seq"]);
                self.tell(&json!({"type": "ack", "conversation": conversation, "seq": seq})).await?;
                self.heard.push(Heard {
                    conversation: conversation.as_u64().expect("a number"),
                    seq: seq.as_u64().expect("a number"),
                    text: frame["content"]["text"].as_str().expect("a text").into(),
                    redelivered: frame["redelivered"].as_bool().expect("a flag"),
                });
            }
            Some("flushed") => self.flushed += 1,
            _ => {}
        }
        Ok(())
    }

    /// The whole record of a conversation, oldest first.
    pub async fn history(&mut self, conversation: u64) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(json!(0), |last| last["seq"].clone());
            let ask = json!({"type": "history", "conversation": conversation, "after": after, "limit": 200});
            let mut page = self.ask(ask).await.expect("connected");
            let Value::Array(messages) = page["messages"].take() else { panic!("no history: {page}") };
            let end = messages.is_empty() || page["more"] == false;
            all.extend(messages);
            if end {
                return all;
            }
        }
    }
}
