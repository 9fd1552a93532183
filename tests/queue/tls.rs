//! `rediss://`, with a certificate authority of the test's own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use shopbell::queue::{connect::Redis, link::Arrival};

use super::{
    cluster::Cluster,
    lists,
    node::Node,
    sentinel::Sentinel,
    server::{Server, eventually, free_port},
};

fn openssl(directory: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output();
    let done = done.expect("openssl is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// An authority, and a certificate of it for this machine.
pub struct Certificates(tempfile::TempDir);

impl Certificates {
    pub fn make() -> Certificates {
        let directory = tempfile::tempdir().unwrap();
        let (at, names) = (directory.path(), "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n");
        std::fs::write(at.join("names"), names).unwrap();
        for arguments in [
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 1 -subj /CN=authority",
            "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=redis",
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 1 -extfile names",
        ] {
            openssl(at, arguments);
        }
        Certificates(directory)
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub fn authority(&self) -> PathBuf {
        self.0.path().join("ca.crt")
    }

    /// What makes a server speak TLS on a port, as the lines of its configuration.
    pub fn lines(&self, port: u16) -> Vec<String> {
        vec![
            format!("tls-port {port}"),
            format!("tls-cert-file {}", self.file("server.crt")),
            format!("tls-key-file {}", self.file("server.key")),
            format!("tls-ca-cert-file {}", self.file("ca.crt")),
            "tls-auth-clients no".into(),
        ]
    }

    /// The same as arguments.
    pub fn arguments(&self, port: u16) -> Vec<String> {
        let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut arguments: Vec<String> = self.lines(port).into_iter().flat_map(words).collect();
        arguments.iter_mut().step_by(2).for_each(|name| name.insert_str(0, "--"));
        arguments
    }
}

/// Lists and link over whatever form it is.
pub fn all_works(redis: &Redis) -> [Node; 2] {
    lists::work(&mut lists::lists(redis));
    let [a, b] = Node::several(redis);
    a.send(&[b.id], 0..1_000);
    eventually("all have come", Duration::from_secs(5), || (b.numbers(a.id).len() == 1_000).then_some(()));
    [a, b]
}

#[test]
fn one_server_with_a_password() {
    let (made, port) = (Certificates::make(), free_port());
    let mut arguments = made.arguments(port);
    arguments.extend(["--user", "shopbell", "on", ">s3cr@t", "~test:*", "+@all"].map(str::to_owned));
    let _server = Server::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("rediss://shopbell:s3cr%40t@127.0.0.1:{port}/0");
    let redis = Redis::parse(&url, Some(&made.authority())).unwrap();
    let [a, _b] = all_works(&redis);

    // Who is not known is not trusted, and neither is who does not speak TLS.
    let stranger = Certificates::make();
    let wrong = [
        Redis::parse(&url, Some(&stranger.authority())).unwrap(),
        Redis::parse(&url.replace("rediss", "redis"), None).unwrap(),
        Redis::parse(&url.replace("s3cr", "other"), Some(&made.authority())).unwrap(),
    ];
    for redis in wrong {
        let refused = redis.connect().err().expect("refused").to_string();
        assert!(!refused.contains("s3cr") && !refused.contains("other"), "{refused}");
    }
    assert!(!a.heard().contains(&Arrival::Down));
}

#[test]
fn a_cluster() {
    let made = Certificates::make();
    let cluster = Cluster::start(0, Some(&made));
    let url = format!("rediss+cluster://127.0.0.1:{}", cluster.tls_ports[1]);
    all_works(&Redis::parse(&url, Some(&made.authority())).unwrap());
}

#[test]
fn a_sentinel_and_its_master() {
    let (made, port) = (Certificates::make(), free_port());
    let arguments = made.arguments(port);
    let _master = Server::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let tls_port = free_port();
    let mut lines = made.lines(tls_port);
    lines.push("tls-replication yes".into());
    let _sentinel = Sentinel::start(port, &lines);
    let url = format!("rediss+sentinel://127.0.0.1:{tls_port}/shop?sentinel_password=s3cret");
    let redis = Redis::parse(&url, Some(&made.authority())).unwrap();
    eventually("the Sentinel answers", Duration::from_secs(5), || redis.connect().ok());
    all_works(&redis);
}
