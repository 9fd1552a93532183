//! The REST door, for one person or for nobody.

use super::process::{TRIES, again};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder};
use serde_json::Value;
use std::time::{Duration, Instant};

/// REST calls to one node, with one token or without.
#[derive(Clone)]
pub struct Rest {
    client: Client,
    base: String,
    token: Option<String>,
}

/// A client for HTTP. It wants to know whose cryptography it would use, since the server it is compiled with speaks TLS to others.
pub(crate) fn http() -> ClientBuilder {
    // Only the first call has an effect.
    _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    /// The body as JSON; null where it is none.
    pub body: Value,
    /// From the request to the end of the body.
    pub took: Duration,
}

impl Rest {
    /// `base` is the node's address, `http://127.0.0.1:41234`.
    pub fn new(base: &str, token: Option<&str>) -> Self {
        let client = http().redirect(reqwest::redirect::Policy::none()).build();
        Self { client: client.expect("an HTTP client"), base: base.into(), token: token.map(Into::into) }
    }

    /// A request as it will be sent, for tests that add headers. Paths under `/api/v1` are written without it, any
    /// other with its node-wide path after a `//`: `//healthz`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = match path.strip_prefix("//") {
            Some(absolute) => format!("{}/{absolute}", self.base),
            None => format!("{}/api/v1{path}", self.base),
        };
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// `POST /files` with one part `file`, declared as `declared` (a media type the server must not believe).
    pub async fn upload(&self, name: &str, declared: &str, bytes: Vec<u8>) -> Answer {
        let part = || Part::bytes(bytes.clone()).file_name(name.to_owned()).mime_str(declared).expect("a media type");
        Answer::asking(|| self.request(Method::POST, "/files").multipart(Form::new().part("file", part()))).await
    }
}

impl Answer {
    /// Sends the request and reads the whole answer. While the server waits for its disk in vain, the same request is sent again when
    /// it says.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::asking(|| request.try_clone().expect("a body that is no stream")).await
    }

    async fn asking(request: impl Fn() -> RequestBuilder) -> Self {
        for _ in 1..TRIES {
            let answer = Self::once(request()).await;
            match again(&answer.body, answer.took) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return answer,
            }
        }
        Self::once(request()).await
    }

    /// Sends the request once, and gives what it is answered, `unavailable` or not.
    pub async fn once(request: RequestBuilder) -> Self {
        let asked = Instant::now();
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.expect("a whole body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, bytes, body, took: asked.elapsed() }
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.body
    }

    /// A refusal must be a problem (RFC 9457) with this status and code; gives its body.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{text}");
        assert!(self.header("content-type").starts_with("application/problem+json"), "{:?}", self.headers);
        self.body
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
