//! An endpoint of a shop: takes what is posted, writes it down, and answers as it is told to.

use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Something that was posted, whatever it was answered with.
#[derive(Clone, Debug)]
pub struct Posted {
    pub path: String,
    /// By their names in small letters.
    pub headers: HashMap<String, String>,
    pub text: String,
    /// The text as JSON.
    pub body: Value,
    pub at: Instant,
    /// What it was answered with; 0: nothing.
    pub status: u16,
}

impl Posted {
    fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

type Answer = dyn Fn(&Posted) -> u16 + Send + Sync;

/// A running endpoint, on the loopback.
#[derive(Clone)]
pub struct Hook {
    port: u16,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Hook {
    /// `answer` says with which status each is answered; with 0 the connection is closed without an answer.
    pub async fn start(answer: impl Fn(&Posted) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let hook = Self { port, posted: Arc::default() };
        let (posted, answer): (_, Arc<Answer>) = (Arc::clone(&hook.posted), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&posted), Arc::clone(&answer)));
            }
        });
        hook
    }

    /// `http://127.0.0.1:41234/hook`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// All that was posted so far, in the order of its arrival.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().expect("no panic").clone()
    }

    /// What of it was answered with a 2xx.
    pub fn taken(&self) -> Vec<Posted> {
        self.posted.lock().expect("no panic").iter().filter(|posted| posted.is_taken()).cloned().collect()
    }

    /// How many these are, for those who ask often.
    pub fn count_taken(&self) -> usize {
        self.posted.lock().expect("no panic").iter().filter(|posted| posted.is_taken()).count()
    }
}

/// Requests of one connection, one after the other, until it ends.
async fn serve(stream: TcpStream, posted: Arc<Mutex<Vec<Posted>>>, answer: Arc<Answer>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read(&mut stream).await {
        request.status = answer(&request);
        let status = request.status;
        posted.lock().expect("no panic").push(request);
        if status == 0 {
            return;
        }
        let text = format!("HTTP/1.1 {status} As Told\r\nContent-Length: 6\r\n\r\nheard\n");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let body = serde_json::from_str(&text).unwrap_or_default();
    Some(Posted { path, headers, text, body, at: Instant::now(), status: 0 })
}
