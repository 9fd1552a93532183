//! How many talk, and what they do.

use super::super::node::TestNode;
use serde_json::json;
use std::time::Duration;

/// How many there are, and what they do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shops: usize,
    /// In each shop.
    pub buyers: usize,
    pub agents: usize,
    /// How often a buyer says something.
    pub every: Duration,
    /// How often a user shows that it is there.
    pub ping: Duration,
    /// How many messages of one user may be without an `ok`.
    pub window: usize,
    /// How often an agent answers a message, and how often it then gives up the claim.
    pub answers: f64,
    pub changes: f64,
    /// After so many messages nobody says anything more.
    pub messages: i64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            shops: 4,
            buyers: 5,
            agents: 2,
            every: Duration::from_millis(100),
            ping: Duration::from_millis(500),
            window: 4,
            answers: 0.7,
            changes: 0.03,
            messages: i64::MAX,
        }
    }
}

impl Plan {
    /// All users of all shops.
    pub fn users(&self) -> usize {
        self.shops * (self.buyers + self.agents)
    }

    /// Makes the shops, with their agents.
    pub async fn hire(&self, node: &TestNode) {
        let operator = node.operator().await;
        for shop in 0..self.shops {
            let name = shop_name(shop);
            operator.post("/shops", json!({"shop": name, "name": name})).await.expect(201);
            for at in 0..self.agents {
                let body = json!({"uid": agent_name(shop, at), "role": "agent"});
                operator.post(&format!("/shops/{name}/agents"), body).await.expect(201);
            }
        }
    }
}

pub fn shop_name(shop: usize) -> String {
    format!("shop{shop}")
}

fn agent_name(shop: usize, at: usize) -> String {
    format!("a{shop}-{at}")
}

/// The shop and the uid of the user with this number.
pub fn uid(plan: &Plan, index: usize) -> (usize, String) {
    let each = plan.buyers + plan.agents;
    let (shop, at) = (index / each, index % each);
    let name = if at < plan.buyers { format!("b{shop}-{at}") } else { agent_name(shop, at - plan.buyers) };
    (shop, name)
}
