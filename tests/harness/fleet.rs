//! Several nodes on one PostgreSQL and one Redis, with links that can be cut.

use super::crowd::{Crowd, Doors, Plan};
use super::node::TestNode;
use super::postgres::TestPostgres;
use super::proxy::Proxy;
use super::redis::TestRedis;
use std::sync::{Arc, Mutex};

/// Nodes, what they share, and their links to it. Nodes go first when it is dropped.
pub struct Fleet {
    pub nodes: Vec<TestNode>,
    /// By node.
    pub to_redis: Vec<Proxy>,
    pub to_postgres: Vec<Proxy>,
    pub redis: TestRedis,
    pub postgres: TestPostgres,
    /// The name of the database.
    pub database: String,
    doors: Doors,
}

/// The URL of a database, by its server and its name.
pub type Url<'a> = &'a dyn Fn(&TestPostgres, &str) -> String;

impl Fleet {
    /// So many nodes, each with these settings.
    pub async fn start(nodes: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_on(TestPostgres::start(), nodes, settings, None).await
    }

    /// The same without links that can be cut, which cost something.
    pub async fn direct(postgres: TestPostgres, nodes: usize) -> Self {
        Self::start_on(postgres, nodes, &[], Some(&TestPostgres::url)).await
    }

    /// The same on this server; with a `url` without links that can be cut.
    pub async fn start_on(
        postgres: TestPostgres,
        nodes: usize,
        settings: &[(&str, &str)],
        url: Option<Url<'_>>,
    ) -> Self {
        let (redis, database) = (TestRedis::start(), postgres.fresh());
        let to_redis: Vec<Proxy> = (0..nodes).map(|_| Proxy::to(redis.port())).collect();
        let to_postgres: Vec<Proxy> = (0..nodes).map(|_| Proxy::to(postgres.port())).collect();
        let mut fleet =
            Self { nodes: Vec::new(), to_redis, to_postgres, redis, postgres, database, doors: Doors::default() };
        for at in 0..nodes {
            let direct = url.map(|url| url(&fleet.postgres, &fleet.database));
            let redis_port = if url.is_some() { fleet.redis.port() } else { fleet.to_redis[at].port() };
            let proxied = TestPostgres::url_at(fleet.to_postgres[at].port(), &fleet.database);
            let unlimited = 1_000_000;
            let mut builder = TestNode::builder_without_database()
                .database(&direct.unwrap_or(proxied))
                .set("redis.url", format!("redis://127.0.0.1:{redis_port}"))
                .set("cluster.node", format!("n{at}"))
                .set("limits.messages_per_second", unlimited)
                .set("limits.messages_burst", unlimited)
                .set("limits.frames_per_second", unlimited)
                .set("limits.requests_per_minute", unlimited);
            for (key, value) in settings {
                builder = builder.set(key, value);
            }
            fleet.nodes.push(builder.start().await);
        }
        fleet.doors = Arc::new(fleet.nodes.iter().map(|node| Mutex::new(node.base().to_owned())).collect());
        fleet
    }

    /// Makes the shops of a plan, and lets its users in.
    pub async fn crowd(&self, plan: Plan, seed: u64) -> Crowd {
        plan.hire(&self.nodes[0]).await;
        Crowd::gather(plan, self.doors(), seed).await
    }

    /// Where its nodes are, now and later.
    pub fn doors(&self) -> Doors {
        Arc::clone(&self.doors)
    }

    /// Starts a node again, killed or not, on another port.
    pub async fn restart(&mut self, node: usize) {
        self.nodes[node].restart().await;
        *self.doors[node].lock().expect("no panic") = self.nodes[node].base().to_owned();
    }
}
