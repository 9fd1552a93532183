//! One session: a connection with a task of its own, which acks every message it is given and hands it on.
//!
//! Knows frames, not dialogues. Waiting is bounded everywhere by [`PATIENCE`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{sleep, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message as Frame, handshake::client::generate_key, http::Request, protocol::WebSocketConfig},
};

use super::pace::Pace;
use crate::history::log::Message;

/// How long an answer, or a delivery, is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Buffers of one connection, in bytes: thousands of them must fit.
const READ_BUFFER: usize = 4 * 1_024;

/// A message of somebody else, as it arrived.
#[derive(Debug)]
pub struct Delivery {
    pub conversation: u64,
    pub message: Message,
    pub redelivered: bool,
}

/// A message from its frame, or from its entry in the history.
pub fn message(frame: &Value) -> Message {
    let text = |value: &Value| Arc::from(value.as_str().unwrap_or_default());
    Message {
        seq: frame["seq"].as_u64().unwrap_or_default(),
        from: text(&frame["from"]["uid"]),
        role: text(&frame["from"]["role"]),
        id: text(&frame["client_id"]),
        text: text(&frame["content"]["text"]),
    }
}

/// Why something asked has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("the connection is closed ({0})")]
    Closed(String),
    #[error("no answer to `{0}` within {PATIENCE:?}")]
    Silent(String),
    #[error("`{what}` was refused: {reply}")]
    Refused { what: String, reply: String },
}

/// A logged-in session. Dropping it ends the connection.
pub struct Client {
    pub uid: Arc<str>,
    asks: mpsc::UnboundedSender<Ask>,
    pace: Mutex<Pace>,
    next: AtomicU64,
    end: Arc<Mutex<String>>,
}

struct Ask {
    id: String,
    frame: String,
    reply: oneshot::Sender<Value>,
}

type Socket = WebSocketStream<TcpStream>;

impl Client {
    /// Connects to the server at `authority` (`host:port`) and logs in. Every message of somebody else is acked and given
    /// to `on_message`, in the order of arrival.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn login(
        authority: &str,
        uid: &str,
        token: &str,
        on_message: impl FnMut(Delivery) + Send + 'static,
    ) -> Result<Self, ClientError> {
        let end = tokio::time::Instant::now() + PATIENCE;
        let socket = timeout_at(end, connect(authority))
            .await
            .map_err(|_| ClientError::Silent("the upgrade".into()))?
            .map_err(|error| ClientError::Connect(error.to_string()))?;
        let (asks, asked) = mpsc::unbounded_channel();
        let uid: Arc<str> = uid.into();
        let end = Arc::new(Mutex::new(String::from("by the client")));
        let task = Task { socket, uid: Arc::clone(&uid), asked, waiting: HashMap::new(), on_message };
        let told = Arc::clone(&end);
        tokio::spawn(async move {
            let why = task.run().await;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = why;
        });
        let client = Self { uid, asks, pace: Mutex::new(Pace::new(u32::MAX)), next: AtomicU64::new(1), end };
        let welcome = client.ask(json!({"type": "login", "token": token})).await?;
        let rate = welcome["limits"]["messages_per_second"].as_u64().and_then(|rate| u32::try_from(rate).ok());
        if let Some(rate) = rate {
            *client.pace() = Pace::new(rate);
        }
        Ok(client)
    }

    /// Sends a frame and gives the reply. Without an `id` it gets one. What the server cannot take now
    /// (`unavailable`, `rate_limited`) is sent again, the same, when the server says.
    ///
    /// # Errors
    /// `Refused` for any other `error`; `Silent`, `Closed`.
    pub async fn ask(&self, mut frame: Value) -> Result<Value, ClientError> {
        let what = frame["type"].as_str().unwrap_or_default().to_owned();
        if frame.get("id").is_none() {
            frame["id"] = json!(format!("bench-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        }
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        let text = frame.to_string();
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (reply, answer) = oneshot::channel();
            self.asks.send(Ask { id: id.clone(), frame: text.clone(), reply }).map_err(|_| self.closed())?;
            let answer = timeout_at(end, answer).await.map_err(|_| ClientError::Silent(what.clone()))?;
            let reply = answer.map_err(|_| self.closed())?;
            if reply["type"] != "error" {
                return Ok(reply);
            }
            let later = matches!(reply["code"].as_str(), Some("unavailable" | "rate_limited"));
            let wait = Duration::from_millis(reply["retry_after_ms"].as_u64().unwrap_or(100).max(1));
            if !later || tokio::time::Instant::now() + wait >= end {
                return Err(ClientError::Refused { what, reply: reply.to_string() });
            }
            sleep(wait).await;
        }
    }

    /// Waits until the server's limits allow one more `send` of this session.
    pub async fn pause(&self) {
        let wait = self.pace().next(Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> ClientError {
        ClientError::Closed(self.end.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

async fn connect(authority: &str) -> Result<Socket, tungstenite::Error> {
    let tcp = TcpStream::connect(authority).await?;
    tcp.set_nodelay(true)?;
    let request = Request::builder()
        .uri(format!("ws://{authority}/ws"))
        .header("host", authority)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key())
        .body(())?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
    Ok(client_async_with_config(request, tcp, Some(config)).await?.0)
}

/// What runs behind a [`Client`].
struct Task<F> {
    socket: Socket,
    uid: Arc<str>,
    asked: mpsc::UnboundedReceiver<Ask>,
    waiting: HashMap<String, oneshot::Sender<Value>>,
    on_message: F,
}

impl<F: FnMut(Delivery)> Task<F> {
    /// Runs to the end of the connection, and says why it ended.
    async fn run(mut self) -> String {
        loop {
            let went = tokio::select! {
                ask = self.asked.recv() => match ask {
                    Some(ask) => {
                        self.waiting.insert(ask.id, ask.reply);
                        self.socket.send(Frame::text(ask.frame)).await
                    }
                    None => {
                        // The client is done with it: however the close goes, the connection ends.
                        self.socket.close(None).await.ok();
                        return "by the client".into();
                    }
                },
                heard = self.socket.next() => match heard {
                    Some(Ok(Frame::Text(text))) => match serde_json::from_str(&text) {
                        Ok(frame) => self.hear(frame).await,
                        Err(error) => return format!("the server sent what is no JSON: {error}"),
                    },
                    Some(Ok(Frame::Close(Some(frame)))) => return format!("{} {}", frame.code, frame.reason),
                    Some(Ok(_)) => Ok(()),
                    Some(Err(error)) => Err(error),
                    None => return "without a code".into(),
                },
            };
            if let Err(error) = went {
                return error.to_string();
            }
        }
    }

    async fn hear(&mut self, frame: Value) -> Result<(), tungstenite::Error> {
        if let Some(reply) = frame["id"].as_str().and_then(|id| self.waiting.remove(id)) {
            // Who asked may have lost patience.
            reply.send(frame).ok();
            return Ok(());
        }
        let copy_of_own = frame["from"]["uid"] == *self.uid;
        if frame["type"] != "message" || copy_of_own {
            return Ok(());
        }
        let delivery = Delivery {
            conversation: frame["conversation"].as_u64().unwrap_or_default(),
            message: message(&frame),
            redelivered: frame["redelivered"].as_bool().unwrap_or_default(),
        };
        let ack = json!({"type": "ack", "conversation": delivery.conversation, "seq": delivery.message.seq});
        (self.on_message)(delivery);
        self.socket.send(Frame::text(ack.to_string())).await
    }
}
