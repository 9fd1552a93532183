//! What is sent to others goes where it may, and nowhere else: every form of an address that is not public, tried against a listener that
//! must see nothing.

mod forms;
mod listener;

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::header::HeaderMap;
use shopbell::outbound::{BODY_MAX, Client, Failure, Guard, Names, TIMEOUT, Wrong};

use listener::Listener;

/// At least so many forms are tried.
const FORMS: usize = 200;

type Finding = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// A name server: each name stands for the addresses that it spells, `127-0-0-1.at.example.com` or `8-8-8-8.and.127-0-0-1.at.example.com`.
struct Spelled;

impl Names for Spelled {
    fn find(&self, name: &str) -> Finding {
        let found = match name.trim_end_matches('.').strip_suffix(".at.example.com") {
            Some(spelled) => Ok(spelled.split(".and.").map(|address| forms::spelled(address).unwrap()).collect()),
            None => Err(io::Error::other("no such name")),
        };
        Box::pin(async move { found })
    }
}

/// A name server that says one thing when it is asked first, and another from then on.
struct Turning(AtomicUsize);

impl Names for Turning {
    fn find(&self, _: &str) -> Finding {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        Box::pin(async move { Ok(vec![if first { [93, 184, 215, 14] } else { [127, 0, 0, 1] }.into()]) })
    }
}

fn client(guard: Guard) -> Client {
    Client::new(guard).expect("a client")
}

async fn post(client: &Client, url: &str) -> Result<shopbell::outbound::Answer, Failure> {
    client.post(url, HeaderMap::new(), "{}".to_owned()).await
}

#[tokio::test]
async fn no_form_of_a_private_address_reaches_anybody() {
    let listener = Listener::start(|_| "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned()).await;
    let shut = client(Guard::with(false, Arc::new(Spelled)));
    let urls = forms::urls(listener.port());
    let mut let_through = Vec::new();
    for url in &urls {
        if shut.guard().check(url).await.is_ok() {
            let_through.push(format!("registered {url}"));
        }
        if !matches!(post(&shut, url).await, Err(Failure::Wrong(_))) {
            let_through.push(format!("sent {url}"));
        }
    }
    assert!(let_through.is_empty(), "{let_through:#?}");
    assert!(urls.len() >= FORMS, "{} forms", urls.len());
    assert_eq!(listener.seen(), 0);

    // The same forms are no mere nonsense: where private addresses are allowed, many of them arrive.
    let open = client(Guard::with(true, Arc::new(Spelled)));
    for url in urls.iter().filter(|url| url.starts_with("http:") && forms::is_loopback(url)) {
        assert_eq!(post(&open, url).await.map(|answer| answer.status), Ok(204), "{url}");
    }
    println!("{} forms refused; {} of them arrive where that is allowed", urls.len(), listener.seen());
    assert!(listener.seen() >= 20, "only {} arrive", listener.seen());
}

#[tokio::test]
async fn a_name_that_turns_private_after_its_registration_is_refused_when_it_is_sent_to() {
    let listener = Listener::start(|_| "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned()).await;
    let client = client(Guard::with(false, Arc::new(Turning(AtomicUsize::new(0)))));
    let url = format!("http://turns.example.com:{}/", listener.port());
    client.guard().check(&url).await.expect("public, when it is registered");
    assert_eq!(post(&client, &url).await, Err(Failure::Wrong(Wrong::Private)));
    assert_eq!(listener.seen(), 0);
}

#[tokio::test]
async fn public_urls_are_registered() {
    let guard = Guard::with(false, Arc::new(Spelled));
    for url in [
        "https://1.1.1.1/hook",
        "http://8.8.8.8:8080/hook?to=acme",
        "https://[2606:4700::1111]/hook",
        "https://93-184-215-14.at.example.com/hook",
        "https://has-no-address-yet.example.com",
    ] {
        assert!(guard.check(url).await.is_ok(), "{url}");
    }
}

#[tokio::test]
async fn what_is_no_url_to_post_to_is_refused_wherever_one_runs() {
    let guard = Guard::with(true, Arc::new(Spelled));
    let long = format!("https://1.1.1.1/{}", "x".repeat(2_048));
    for url in [
        "",
        "hook",
        "/hook",
        "//1.1.1.1/hook",
        "ftp://1.1.1.1/hook",
        "file:///etc/passwd",
        "gopher://1.1.1.1/",
        "javascript:alert(1)",
        "https://",
        "https://user@1.1.1.1/",
        "https://user:secret@1.1.1.1/",
        "https://:secret@1.1.1.1/",
        "https://1.1.1.1\\@2.2.2.2/",
        "https://1.1.1.1/a b",
        "https://1.1.1.1/\r\nHost: x",
        " https://1.1.1.1/",
        "https://[::1",
        "https://1.1.1.1:99999/",
        &long,
    ] {
        assert_eq!(guard.check(url).await, Err(Wrong::Url), "{url:?}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_lead_nowhere() {
    let aim = Listener::start(|_| "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned()).await;
    let port = aim.port();
    let door = Listener::start(move |_| {
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let client = client(Guard::new(true));
    assert_eq!(post(&client, &door.url()).await.map(|answer| answer.status), Ok(307));
    assert_eq!((door.seen(), aim.seen()), (1, 0));
}

#[tokio::test]
async fn an_answer_is_read_so_far_and_waited_for_so_long() {
    let talker =
        Listener::start(|_| format!("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n{}", "x".repeat(10_000_000)))
            .await;
    let silent = Listener::start(|_| "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx".to_owned()).await;
    let client = client(Guard::new(true));
    assert_eq!(post(&client, &talker.url()).await.map(|answer| answer.body.len()), Ok(BODY_MAX));
    let started = Instant::now();
    assert_eq!(post(&client, &silent.url()).await, Err(Failure::Timeout));
    let waited = started.elapsed();
    assert!((TIMEOUT..TIMEOUT + Duration::from_secs(5)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_failure_says_no_more_than_why() {
    let listener = Listener::start(|_| String::new()).await;
    let client = client(Guard::new(true));
    let url = format!("http://127.0.0.1:{}/hook?secret=hidden", listener.port());
    let Err(Failure::Connection(why)) = post(&client, &url).await else { panic!("no failure") };
    assert!(!why.contains("hidden") && !why.is_empty(), "{why}");
}
