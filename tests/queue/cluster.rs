//! A real cluster: three masters and a replica of the first, which follows it when it is killed.

use std::{
    thread,
    time::{Duration, Instant},
};

use shopbell::{
    domain::offline::{Fullness, Lists},
    queue::{connect::Redis, link::Arrival},
};

use super::{
    lists::{self, people, push},
    node::{Node, meet},
    server::{Server, eventually, free_port},
    tls::Certificates,
};

const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

pub struct Cluster {
    servers: Vec<Server>,
    /// Where they speak TLS, if they do.
    pub tls_ports: Vec<u16>,
}

impl Cluster {
    pub fn start(replicas: usize, tls: Option<&Certificates>) -> Cluster {
        let tls_ports: Vec<u16> = tls.iter().flat_map(|_| (0..3 + replicas).map(|_| free_port())).collect();
        let servers: Vec<Server> = (0..3 + replicas)
            .map(|n| {
                let mut arguments = tls.map(|made| made.arguments(tls_ports[n])).unwrap_or_default();
                arguments.extend(["--tls-cluster", if tls.is_some() { "yes" } else { "no" }].map(str::to_owned));
                arguments.extend(["--cluster-port".to_owned(), free_port().to_string()]);
                let settings = "--cluster-enabled yes --cluster-node-timeout 1000 --cluster-replica-validity-factor 0 \
                                --repl-diskless-sync-delay 0";
                arguments.extend(settings.split(' ').map(str::to_owned));
                Server::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect();
        let cluster = Cluster { servers, tls_ports };
        let bus = |server: &Server| {
            let port: Vec<String> = server.ask(&["CONFIG", "GET", "cluster-port"]);
            port[1].clone()
        };
        for (n, server) in cluster.servers.iter().enumerate() {
            if let Some((first, last)) = SLOTS.get(n) {
                server.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            }
            server.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]);
        }
        let first = &cluster.servers[0];
        for (n, other) in cluster.servers.iter().enumerate().skip(1) {
            let port = cluster.tls_ports.get(n).copied().unwrap_or(other.port);
            first.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port.to_string(), &bus(other)]);
        }
        cluster.agree();
        for replica in &cluster.servers[3..] {
            let master: String = first.ask(&["CLUSTER", "MYID"]);
            eventually("the replica knows its master", Duration::from_secs(5), || {
                replica.try_ask(&["CLUSTER", "REPLICATE", &master]).ok()
            });
        }
        for replica in &cluster.servers[3..] {
            eventually("the replica follows", Duration::from_secs(10), || {
                let info: String = replica.ask(&["INFO", "replication"]);
                info.contains("master_link_status:up").then_some(())
            });
        }
        // All have to know of the replicas before one of them may be elected.
        cluster.agree();
        for server in &cluster.servers[..3] {
            eventually("all know the replicas", Duration::from_secs(10), || {
                let nodes: String = server.ask(&["CLUSTER", "NODES"]);
                (nodes.matches(" slave ").count() + nodes.matches("myself,slave").count() == replicas).then_some(())
            });
        }
        cluster
    }

    fn agree(&self) {
        for server in &self.servers {
            eventually("the cluster agrees", Duration::from_secs(10), || {
                let info: String = server.ask(&["CLUSTER", "INFO"]);
                let known = format!("cluster_known_nodes:{}\r", self.servers.len());
                (info.contains("cluster_state:ok") && info.contains(&known)).then_some(())
            });
        }
    }

    /// Found by its second master and one that is not there.
    fn place(&self) -> Redis {
        let url = format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", free_port(), self.servers[1].port);
        Redis::parse(&url, None).unwrap()
    }

    /// Ids of nodes whose keys are on this master.
    fn ids_on(&self, master: usize) -> impl Iterator<Item = i64> {
        let (first, last) = SLOTS[master];
        (1..).filter(move |id: &i64| {
            let slot: u16 = self.servers[1].ask(&["CLUSTER", "KEYSLOT", &format!("{{{id}}}")]);
            (first..=last).contains(&slot)
        })
    }

    fn migrate(&self, slot: u16, from: usize, to: usize) {
        let id = |n: usize| self.servers[n].ask::<String>(&["CLUSTER", "MYID"]);
        let slot = slot.to_string();
        self.servers[to].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        self.servers[from].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        let keys: Vec<String> = self.servers[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        let port = self.servers[to].port.to_string();
        for key in keys {
            self.servers[from].ask::<String>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]);
        }
    }

    fn settle(&self, slot: u16, to: usize) {
        let id: String = self.servers[to].ask(&["CLUSTER", "MYID"]);
        for server in [to, 0, 1, 2] {
            self.servers[server].ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
        }
    }
}

#[test]
fn lists_and_link_work_on_a_cluster_and_follow_slots_that_move() {
    let cluster = Cluster::start(0, None);
    let redis = cluster.place();
    let mut lists = lists::lists(&redis);
    lists::work(&mut lists);
    for server in &cluster.servers {
        assert!(server.ask::<i64>(&["DBSIZE"]) > 5, "each has its share");
    }
    let ids: Vec<i64> = (0..3).map(|master| cluster.ids_on(master).next().unwrap()).collect();
    let nodes: Vec<Node> = ids.iter().map(|id| Node::start(&redis, *id)).collect();
    meet(&nodes.iter().collect::<Vec<_>>());
    let [a, b, c] = &nodes[..] else { unreachable!() };
    for (from, to) in [(a, b), (b, c), (c, a)] {
        from.send(&[to.id], 0..1_000);
        eventually("all have come", Duration::from_secs(5), || (to.numbers(from.id).len() == 1_000).then_some(()));
    }
    // A list, and then a stream, go from one master to another under those who use them.
    let of = people().into_iter().find(|of| {
        let slot: u16 = cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &format!("test:offline:{{{}}}", of.uid)]);
        slot <= SLOTS[0].1
    });
    let of = of.unwrap();
    let slot: u16 = cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &format!("test:offline:{{{}}}", of.uid)]);
    cluster.migrate(slot, 0, 2);
    lists.apply(&[push(&of, 10)]).expect("on its way");
    cluster.settle(slot, 2);
    lists.apply(&[push(&of, 11)]).expect("there");
    assert_eq!(lists.entries(&of).unwrap().iter().map(|entry| entry.seq).max(), Some(11));
    let slot: u16 = cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &format!("{{{}}}", a.id)]);
    cluster.migrate(slot, 0, 1);
    cluster.settle(slot, 1);
    c.send(&[a.id], 1_000..2_000);
    eventually("all have come", Duration::from_secs(6), || (a.numbers(c.id).last() == Some(&1_999)).then_some(()));
    assert!(a.numbers(c.id).is_sorted_by(|a, b| a < b));
}

#[test]
fn a_replica_takes_over_from_a_killed_master() {
    let mut cluster = Cluster::start(1, None);
    let redis = cluster.place();
    let mut lists = lists::lists(&redis);
    lists::work(&mut lists);
    let on_first = cluster.ids_on(0).next().unwrap();
    let on_second = cluster.ids_on(1).next().unwrap();
    let (a, b) = (Node::start(&redis, on_first), Node::start(&redis, on_second));
    meet(&[&a, &b]);
    a.user_came(1);
    b.send(&[a.id], 0..10);
    eventually("they have come", Duration::from_secs(2), || (a.numbers(b.id).len() == 10).then_some(()));

    let replica = cluster.servers[3].port;
    cluster.servers[0].kill();
    let killed = Instant::now();
    a.hears("that it is down", Duration::from_secs(5), |arrival| *arrival == Arrival::Down);
    let mut slowest = Duration::ZERO;
    eventually("the replica is master", Duration::from_secs(15), || {
        let asked = Instant::now();
        _ = lists.apply(&people().iter().map(|to| push(to, 8)).collect::<Vec<_>>());
        slowest = slowest.max(asked.elapsed());
        let role: redis::Value = cluster.servers[3].ask(&["ROLE"]);
        format!("{role:?}").contains("master").then_some(())
    });
    let took_over = Instant::now();
    println!("cluster: the replica on {replica} took over after {:?}", took_over - killed);
    assert!(slowest < Duration::from_millis(1_800), "bounded while a master is gone: {slowest:?}");
    a.clear();
    b.clear();
    eventually("lists are back", Duration::from_secs(5), || lists.entries(&people()[0]).ok());
    eventually("all lists are back", Duration::from_secs(5), || {
        lists.apply(&people().iter().map(|to| push(to, 9)).collect::<Vec<_>>()).ok()
    });
    assert_eq!(lists.fullness(), Ok(Fullness::Lacking), "the replica may lack what the master had");
    lists::work_again(&mut lists);
    eventually("the link is back", Duration::from_secs(5), || {
        b.send(&[a.id], 10..11);
        thread::sleep(Duration::from_millis(50));
        (!a.numbers(b.id).is_empty()).then_some(())
    });
    println!("cluster: lists and link are back {:?} after that", took_over.elapsed());
    assert!(took_over.elapsed() < Duration::from_secs(5));
    eventually("presence is told", Duration::from_secs(5), || {
        b.clear();
        let c = Node::start(&redis, 1_000_000);
        c.hears(
            "of the first",
            Duration::from_secs(5),
            |arrival| matches!(arrival, Arrival::Node { node, users, .. } if *node == a.id && users.len() == 1),
        );
        Some(())
    });
}
