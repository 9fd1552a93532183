//! `rediss://`, with a certificate authority of the test's own.

use std::{path::Path, process::Command, time::Duration};

use shopbell::queue::{connect::Redis, link::Arrival};

use super::{
    lists,
    node::Node,
    server::{Server, eventually, free_port},
};

fn openssl(directory: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output();
    let done = done.expect("openssl is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// An authority `ca.crt`, and a certificate `server.crt` of it for this machine.
fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(at, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 1 -subj /CN=authority");
    openssl(at, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=redis");
    openssl(
        at,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 1 -extfile names",
    );
    directory
}

fn file(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).display().to_string()
}

#[test]
fn lists_and_link_work_over_tls_with_a_password() {
    let made = certificates();
    let port = free_port();
    let _server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file(&made, "server.crt"),
        "--tls-key-file",
        &file(&made, "server.key"),
        "--tls-ca-cert-file",
        &file(&made, "ca.crt"),
        "--tls-auth-clients",
        "no",
        "--user",
        "shopbell",
        "on",
        ">s3cr@t",
        "~test:*",
        "+@all",
    ]);
    let url = format!("rediss://shopbell:s3cr%40t@127.0.0.1:{port}/0");
    let ca_file = made.path().join("ca.crt");
    let redis = Redis::parse(&url, Some(&ca_file)).unwrap();
    lists::work(&mut lists::lists(&redis));
    let [a, b] = Node::several(&redis);
    a.send(&[b.id], 0..1_000);
    eventually("all have come", Duration::from_secs(5), || (b.numbers(a.id).len() == 1_000).then_some(()));

    // Who is not known is not trusted, and neither is who does not speak TLS.
    let stranger = certificates();
    let wrong = [
        Redis::parse(&url, Some(&stranger.path().join("ca.crt"))).unwrap(),
        Redis::parse(&url.replace("rediss", "redis"), None).unwrap(),
        Redis::parse(&url.replace("s3cr", "other"), Some(&ca_file)).unwrap(),
    ];
    for redis in wrong {
        let refused = redis.connect().err().expect("refused").to_string();
        assert!(!refused.contains("s3cr") && !refused.contains("other"), "{refused}");
    }
    assert!(!a.heard().contains(&Arrival::Down));
}
