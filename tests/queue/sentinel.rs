//! A master, a replica and three Sentinels: the master is killed with all that it had not passed on.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use shopbell::{
    domain::offline::{Fullness, Lists},
    queue::{connect::Redis, link::Arrival},
};

use super::{
    lists::{self, people, push},
    node::Node,
    server::{Server, eventually, free_port},
};

pub struct Sentinel {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Sentinel {
    pub fn start(master: u16, more: &[String]) -> Sentinel {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let file = directory.path().join("sentinel.conf");
        let lines = [
            format!("port {port}"),
            "bind 127.0.0.1".into(),
            format!("dir {}", directory.path().display()),
            format!("sentinel monitor shop 127.0.0.1 {master} 2"),
            "sentinel down-after-milliseconds shop 1000".into(),
            "sentinel failover-timeout shop 5000".into(),
            "requirepass s3cret".into(),
            "sentinel sentinel-pass s3cret".into(),
        ];
        std::fs::write(&file, [&lines[..], more].concat().join("\n")).unwrap();
        let mut command = Command::new("redis-server");
        let child = command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Sentinel { child, port, _directory: directory }
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let client = redis::Client::open(format!("redis://:s3cret@127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
        let mut command = redis::cmd("SENTINEL");
        words.iter().for_each(|word| _ = command.arg(word));
        command.query(&mut connection).ok()
    }

    fn master(&self) -> Option<u16> {
        let address: Option<(String, u16)> = self.ask(&["GET-MASTER-ADDR-BY-NAME", "shop"]);
        address.map(|(_, port)| port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn a_new_master_is_found_and_what_the_old_one_took_with_it_is_missed() {
    let mut master = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port)]);
    eventually("the replica follows", Duration::from_secs(10), || {
        let info: String = replica.ask(&["INFO", "replication"]);
        info.contains("master_link_status:up").then_some(())
    });
    let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::start(master.port, &[])).collect();
    for sentinel in &sentinels {
        eventually("the Sentinels know each other and the replica", Duration::from_secs(15), || {
            let known: std::collections::HashMap<String, String> = sentinel.ask(&["MASTER", "shop"])?;
            (known["num-other-sentinels"] == "2" && known["num-slaves"] == "1").then_some(())
        });
    }
    let hosts: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    // The first of them is not there.
    let hosts = format!("127.0.0.1:{},{}", free_port(), hosts.join(","));
    let redis = Redis::parse(&format!("redis+sentinel://{hosts}/shop/0?sentinel_password=s3cret"), None).unwrap();
    let mut lists = lists::lists(&redis);
    lists::work(&mut lists);
    let [a, b] = Node::several(&redis);
    a.user_came(1);
    a.send(&[b.id], 0..10);
    eventually("they have come", Duration::from_secs(2), || (b.numbers(a.id).len() == 10).then_some(()));

    // From here on the replica hears nothing, and what is sent and pushed is lost with the master.
    replica.freeze();
    lists.apply(&people().iter().map(|to| push(to, 8)).collect::<Vec<_>>()).unwrap();
    a.send(&[b.id, a.id], 10..20);
    eventually("they have come", Duration::from_secs(2), || (b.numbers(a.id).len() == 20).then_some(()));
    master.kill();
    replica.thaw();
    let killed = Instant::now();
    for node in [&a, &b] {
        node.hears("that it is down", Duration::from_secs(5), |arrival| *arrival == Arrival::Down);
        node.clear();
    }
    a.send(&[b.id], 20..30);
    eventually("there is a new master", Duration::from_secs(20), || {
        let agreed = sentinels.iter().all(|sentinel| sentinel.master() == Some(replica.port));
        agreed.then_some(())
    });
    let followed = Instant::now();
    println!("sentinel: a new master after {:?}", followed - killed);
    for node in [&a, &b] {
        node.hears("that it is up", Duration::from_secs(5), |arrival| *arrival == Arrival::Up);
    }
    let complete = eventually("lists are back", Duration::from_secs(5), || lists.fullness().ok());
    assert_eq!(complete, Fullness::Lacking, "what was pushed last is not on the new master");
    lists::work_again(&mut lists);
    a.send(&[b.id], 30..31);
    eventually("an event passes", Duration::from_secs(5), || (b.numbers(a.id) == [30]).then_some(()));
    println!("sentinel: lists and link are back {:?} after that", followed.elapsed());
    assert!(followed.elapsed() < Duration::from_secs(5));
    assert!(b.gaps(a.id) >= 1, "what was lost is missed");
    eventually("presence is as it was", Duration::from_secs(5), || (b.users().get(&a.id)?.len() == 1).then_some(()));

    // The old master comes back, is made a replica, and nobody stays with it.
    b.clear();
    master.again();
    eventually("it is a replica", Duration::from_secs(20), || {
        let info: String = master.ask(&["INFO", "replication"]);
        info.contains("role:slave").then_some(())
    });
    a.send(&[b.id], 31..32);
    eventually("an event passes", Duration::from_secs(5), || (b.numbers(a.id) == [31]).then_some(()));
}
