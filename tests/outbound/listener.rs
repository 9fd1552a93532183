//! A server on all addresses of this machine that counts who connects, and answers each with the same bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

pub struct Listener {
    port: u16,
    seen: Arc<AtomicUsize>,
}

impl Listener {
    /// `answer` gets how many came before. A connection that was answered stays open; one that is answered with nothing is closed.
    pub async fn start(answer: impl Fn(usize) -> String + Send + Sync + 'static) -> Listener {
        // With IPv6 this is heard on both; else on IPv4.
        let listener = match TcpListener::bind("[::]:0").await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("0.0.0.0:0").await.expect("a port"),
        };
        let (port, seen) = (listener.local_addr().expect("an address").port(), Arc::new(AtomicUsize::new(0)));
        let (count, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (before, answer) = (count.fetch_add(1, Ordering::SeqCst), answer.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    let read = stream.read(&mut request).await;
                    let answer = answer(before);
                    if read.is_err() || answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    // Until the other side has had enough.
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
                });
            }
        });
        Listener { port, seen }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}
