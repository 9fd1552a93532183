//! One who talks: a buyer or an agent, on one connection after the other.

use super::super::node::SECRET;
use super::super::token::{now, sign};
use super::log::{message, summary, told_event};
use super::plan::{shop_name, uid};
use super::{Phase, Stage};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_key};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long a server may take to let somebody in, before the next one is tried.
const ENTRY: Duration = Duration::from_secs(2);
/// How long somebody who did not get in waits before the next try: the first time, and at most; with no word of the server's.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));
/// After what silence a user takes a connection for dead.
const SILENCE: Duration = Duration::from_secs(3);

pub fn token(uid: &str) -> String {
    sign(SECRET, &json!({"sub": uid, "iat": now(), "exp": now() + 24 * 3_600}))
}

type Socket = WebSocketStream<TcpStream>;

/// The connection has ended.
struct Gone;

/// Somebody did not get in.
#[derive(Default)]
struct Outside {
    /// The server has said when to try again.
    told: Option<Duration>,
}

/// One who talks.
pub struct User {
    index: usize,
    uid: String,
    token: String,
    shop: usize,
    is_agent: bool,
    stage: Arc<Stage>,
    phase: watch::Receiver<Phase>,
    random: StdRng,
    door: usize,
    sessions: usize,
    next: u64,
    /// What has been said and has no `ok`, oldest first.
    out: VecDeque<Out>,
    conversation: Option<u64>,
    /// The agent's: what it has claimed, as far as it knows.
    claimed: HashSet<u64>,
    answered: HashSet<(u64, u64)>,
    session: String,
    /// An `inbox` is without an answer.
    looking: bool,
}

/// A message under way.
struct Out {
    id: String,
    to: Value,
    text: String,
    /// Not to be sent before; `None` while it waits for an answer.
    due: Option<Instant>,
}

impl User {
    pub fn new(index: usize, stage: Arc<Stage>, phase: watch::Receiver<Phase>, seed: u64) -> Self {
        let (shop, uid) = uid(&stage.plan, index);
        let random = StdRng::seed_from_u64(seed.wrapping_add(index as u64));
        Self {
            index,
            token: token(&uid),
            is_agent: uid.starts_with('a'),
            uid,
            shop,
            door: index % stage.doors.len(),
            stage,
            phase,
            random,
            sessions: 0,
            next: 0,
            out: VecDeque::new(),
            conversation: None,
            claimed: HashSet::new(),
            answered: HashSet::new(),
            session: String::new(),
            looking: false,
        }
    }

    pub async fn live(mut self) {
        let mut failures = 0;
        while *self.phase.borrow() != Phase::Leave {
            let (mut socket, early) = match self.arrive().await {
                Ok(arrived) => arrived,
                Err(Outside { told }) => {
                    self.door += 1;
                    let backoff = (BACKOFF.0 * 2_u32.pow(failures)).min(BACKOFF.1);
                    failures = (failures + 1).min(8);
                    sleep(told.unwrap_or(backoff).mul_f64(self.random.random_range(0.5..1.0))).await;
                    continue;
                }
            };
            failures = 0;
            let stayed = self.talk(&mut socket, early).await;
            if stayed.is_ok() {
                self.write(json!({"event": "end"}));
            }
            self.write(json!({"event": "close"}));
            self.door += 1;
        }
    }

    fn write(&self, event: Value) {
        self.stage.history.write(&self.session, event);
    }

    /// Connects to the node whose turn it is, and logs in; gives also the events that have come before `welcome`.
    async fn arrive(&mut self) -> Result<(Socket, Vec<Value>), Outside> {
        let node = self.door % self.stage.doors.len();
        let base = self.stage.doors[node].lock().expect("no panic").clone();
        let end = Instant::now() + ENTRY;
        let mut socket = timeout_at(end, connect(&base)).await.ok().flatten().ok_or(Outside::default())?;
        let login = json!({"type": "login", "id": "login", "token": self.token});
        socket.send(Message::text(login.to_string())).await.map_err(|_| Outside::default())?;
        let mut early = Vec::new();
        loop {
            let Ok(Some(Ok(message))) = timeout_at(end, socket.next()).await else { return Err(Outside::default()) };
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).expect("the server sends JSON");
            match (frame["type"].as_str(), frame["code"].as_str()) {
                (Some("welcome"), _) => break,
                (_, Some("unavailable")) if frame["retry_after_ms"].is_u64() => {
                    return Err(Outside { told: frame["retry_after_ms"].as_u64().map(Duration::from_millis) });
                }
                // A session hears of events from when it is registered.
                (Some("notice"), _) => {}
                (Some("conversation"), _) => early.push(frame),
                _ => {
                    self.stage.ledger.odd(format!("login got {frame}"));
                    return Err(Outside::default());
                }
            }
        }
        self.sessions += 1;
        self.session = format!("{}/{}", self.uid, self.sessions);
        self.write(json!({"event": "open", "user": self.uid, "node": format!("n{node}")}));
        Ok((socket, early))
    }

    /// One session, to the end of the connection or to that of the run.
    async fn talk(&mut self, socket: &mut Socket, early: Vec<Value>) -> Result<(), Gone> {
        self.claimed.clear();
        self.looking = false;
        for frame in early {
            self.hear(socket, frame, true).await?;
        }
        let now = Instant::now();
        self.out.iter_mut().for_each(|out| out.due = Some(now));
        let (mut next_word, mut next_ping, mut heard) = (now + self.pause(), now, now);
        loop {
            let talking = match *self.phase.borrow_and_update() {
                Phase::Talk => true,
                Phase::Settle => false,
                Phase::Leave => return Ok(()),
            };
            let now = Instant::now();
            if now.duration_since(heard) > SILENCE {
                return Err(Gone);
            }
            if now >= next_ping {
                next_ping = now + self.stage.plan.ping;
                self.show_up(socket).await?;
                // Whether it is served is to be known soon, and not when something comes to its mind.
                if self.out.is_empty() && !self.stage.ledger.is_served(self.index) {
                    next_word = now;
                }
            }
            if talking && !self.is_agent && now >= next_word && self.out.len() < self.stage.plan.window {
                next_word = now + self.pause();
                self.say(self.conversation);
            }
            self.send_due(socket, now).await?;
            let mut wake = next_ping;
            if talking && !self.is_agent && self.out.len() < self.stage.plan.window {
                wake = wake.min(next_word);
            }
            wake = self.out.iter().filter_map(|out| out.due).fold(wake, Instant::min);
            tokio::select! {
                message = socket.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            let frame = serde_json::from_str(&text).expect("the server sends JSON");
                            self.hear(socket, frame, talking).await?;
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                        Some(Ok(_)) => {}
                    }
                }
                () = sleep_until(wake) => {}
                _ = self.phase.changed() => {}
            }
        }
    }

    fn pause(&mut self) -> Duration {
        self.stage.plan.every.mul_f64(self.random.random_range(0.5..1.5))
    }

    /// A sign of life. An agent also looks at what waits, which the store must answer.
    async fn show_up(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        tell(socket, &json!({"type": "ping", "id": "ping"})).await?; // Without an id nobody answers.
        if !self.is_agent || std::mem::replace(&mut self.looking, true) {
            return Ok(());
        }
        let frame =
            json!({"type": "inbox", "id": "inbox", "shop": shop_name(self.shop), "state": "waiting", "limit": 20});
        tell(socket, &frame).await
    }

    /// Puts one more message into the way out, unless enough has been said.
    fn say(&mut self, conversation: Option<u64>) {
        let take = |left: i64| (left > 0).then(|| left - 1);
        if self.stage.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return;
        }
        self.next += 1;
        let id = format!("{}-{}", self.uid, self.next);
        let to = conversation.map_or_else(|| json!({"shop": shop_name(self.shop)}), |id| json!({"conversation": id}));
        let text = format!("{id} {}", "word ".repeat(self.random.random_range(1..30))).trim().to_owned();
        self.out.push_back(Out { id, to, text, due: Some(Instant::now()) });
        self.stage.ledger.sent();
    }

    async fn send_due(&mut self, socket: &mut Socket, now: Instant) -> Result<(), Gone> {
        for at in 0..self.out.len() {
            let out = &mut self.out[at];
            if out.due.is_none_or(|due| due > now) {
                continue;
            }
            out.due = None;
            let out = &self.out[at];
            self.write(json!({"event": "sent", "id": out.id, "to": out.to, "text": out.text}));
            let content = json!({"kind": "text", "text": out.text});
            tell(socket, &json!({"type": "send", "id": out.id, "to": out.to, "content": content})).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, socket: &mut Socket, frame: Value, talking: bool) -> Result<(), Gone> {
        match frame["type"].as_str() {
            Some("message") => self.receive(socket, &frame, talking).await,
            Some("conversation") => self.learn(socket, &frame["conversation"], talking).await,
            Some("ok" | "error") if frame["id"].is_string() => self.reply(socket, &frame, talking).await,
            // An ack: the message comes again, and is acked again.
            Some("error") if frame["code"] == "unavailable" && frame["retry_after_ms"].is_u64() => Ok(()),
            Some("error") => {
                self.stage.ledger.odd(format!("an error without id: {}", frame["code"]));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn receive(&mut self, socket: &mut Socket, frame: &Value, talking: bool) -> Result<(), Gone> {
        let mut event = message(frame);
        event["event"] = json!("received");
        event["conversation"] = frame["conversation"].clone();
        event["redelivered"] = frame["redelivered"].clone();
        self.write(event);
        let (conversation, seq) = (number(&frame["conversation"]), number(&frame["seq"]));
        if frame["from"]["uid"] == *self.uid {
            return Ok(());
        }
        self.stage.ledger.received(conversation, seq);
        tell(socket, &json!({"type": "ack", "conversation": conversation, "seq": seq})).await?;
        let first = self.answered.insert((conversation, seq));
        let plan = &self.stage.plan;
        if talking && first && self.is_agent && self.claimed.contains(&conversation) {
            if self.random.random_bool(plan.answers) {
                self.say(Some(conversation));
            }
            if self.random.random_bool(self.stage.plan.changes) {
                let deed = if self.random.random_bool(0.5) { "resolve" } else { "release" };
                self.ask(socket, deed, conversation).await?;
            }
        }
        Ok(())
    }

    /// A summary came.
    async fn learn(&mut self, socket: &mut Socket, told: &Value, talking: bool) -> Result<(), Gone> {
        self.write(told_event(told));
        self.note(told);
        let waits = told["state"] == "waiting";
        if talking && self.is_agent && waits {
            self.ask(socket, "claim", number(&told["id"])).await?;
        }
        Ok(())
    }

    fn note(&mut self, told: &Value) {
        let id = number(&told["id"]);
        if told["claimed_by"]["uid"] == *self.uid {
            self.claimed.insert(id);
        } else {
            self.claimed.remove(&id);
        }
    }

    async fn ask(&mut self, socket: &mut Socket, deed: &str, conversation: u64) -> Result<(), Gone> {
        self.next += 1;
        let id = format!("{deed}-{}", self.next);
        self.write(json!({"event": "asked", "id": id, "deed": deed, "conversation": conversation}));
        tell(socket, &json!({"type": deed, "id": id, "conversation": conversation})).await
    }

    async fn reply(&mut self, socket: &mut Socket, frame: &Value, talking: bool) -> Result<(), Gone> {
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        let ok = frame["type"] == "ok";
        // A buyer is served when something is stored; an agent, who may have nothing to say, when it can look.
        if ok {
            self.stage.ledger.served(self.index);
        }
        if !ok && id != "inbox" {
            let (code, time) = (&frame["code"], &frame["retry_after_ms"]);
            self.write(json!({"event": "refused", "id": id, "code": code, "retry_after_ms": time}));
        }
        if id == "inbox" {
            self.looking = false;
            let page = frame["conversations"].as_array().map(Vec::as_slice).unwrap_or_default();
            for told in page {
                self.learn(socket, told, talking).await?;
            }
        } else if let Some(at) = self.out.iter().position(|out| out.id == id) {
            if ok {
                let (conversation, seq) = (number(&frame["conversation"]), number(&frame["seq"]));
                let duplicate = frame["duplicate"] == true;
                self.write(json!({
                    "event": "acked", "id": id, "conversation": conversation, "seq": seq, "duplicate": duplicate,
                }));
                self.out.remove(at);
                self.stage.ledger.acked(conversation, seq);
                if !self.is_agent {
                    self.conversation = Some(conversation);
                    self.stage.conversations.lock().expect("no panic").insert(conversation, self.index);
                }
            } else {
                self.refused(at, frame);
            }
        } else if ok && frame["conversation"].is_object() {
            let told = &frame["conversation"];
            let mut event = summary(told);
            event["event"] = json!("agreed");
            event["id"] = json!(id);
            self.write(event);
            self.note(told);
        } else if !ok {
            let code = frame["code"].as_str().unwrap_or_default();
            if !["already_claimed", "not_claimed", "not_claimant", "unavailable"].contains(&code) {
                self.stage.ledger.odd(format!("{id} got {frame}"));
            }
        }
        Ok(())
    }

    /// What was refused for now is sent again when the server says.
    fn refused(&mut self, at: usize, frame: &Value) {
        let code = frame["code"].as_str().unwrap_or_default();
        if ["unavailable", "rate_limited"].contains(&code) {
            let wait = Duration::from_millis(frame["retry_after_ms"].as_u64().unwrap_or(100));
            self.out[at].due = Some(Instant::now() + wait);
            return;
        }
        // Somebody else has the claim, or nobody: then there is nothing to be said.
        if !self.is_agent || !["not_claimed", "not_claimant"].contains(&code) {
            self.stage.ledger.odd(format!("a send got {code}"));
        }
        self.out.remove(at);
        self.stage.ledger.refused();
        self.stage.left.fetch_add(1, Ordering::Relaxed);
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

async fn tell(socket: &mut Socket, frame: &Value) -> Result<(), Gone> {
    // A server that stands still takes nothing more at some point.
    let sent = timeout(SILENCE, socket.send(Message::text(frame.to_string()))).await;
    sent.map_err(|_| Gone)?.map_err(|_| Gone)
}

async fn connect(base: &str) -> Option<Socket> {
    let authority = base.strip_prefix("http://")?;
    let tcp = TcpStream::connect(authority).await.ok()?;
    tcp.set_nodelay(true).ok()?;
    let request = Request::builder()
        .uri(format!("ws://{authority}/ws"))
        .header("host", authority)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key())
        .body(())
        .ok()?;
    let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
    Some(client_async_with_config(request, tcp, Some(config)).await.ok()?.0)
}
