//! A shop's back end: an HTTP server that writes down what it is sent, and answers as the test says.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What came in one request.
#[derive(Clone, Debug)]
pub struct Question {
    /// Names in small letters.
    pub headers: BTreeMap<String, String>,
    pub text: String,
    /// The text as JSON; null where it is none.
    pub body: Value,
}

/// Stops listening when it is dropped.
pub struct BackEnd {
    url: String,
    asked: Arc<Mutex<Vec<Question>>>,
    listening: JoinHandle<()>,
}

impl BackEnd {
    /// `answer` gives a status and a body for each request; `None`: it never answers.
    pub async fn start(answer: impl Fn(&Question) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/check-back", listener.local_addr().expect("an address"));
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let written = Arc::clone(&asked);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&written));
                // Who asks may die while it does.
                tokio::spawn(async move { serve(stream, &*answer, &asked).await.ok() });
            }
        });
        Self { url, asked, listening }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything so far.
    pub fn asked(&self) -> Vec<Question> {
        self.asked.lock().expect("nobody panics while writing").clone()
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&Question) -> Option<(u16, String)> + Sync),
    asked: &Mutex<Vec<Question>>,
) -> std::io::Result<()> {
    let (mut headers, mut reader) = (BTreeMap::new(), BufReader::new(&mut stream));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => _ = headers.insert(name.to_lowercase(), value.to_owned()),
            None if line.trim_end().is_empty() => break,
            None => {} // The request line.
        }
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let question = Question { headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text };
    asked.lock().expect("nobody panics while writing").push(question.clone());
    let Some((status, body)) = answer(&question) else { return std::future::pending().await };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
