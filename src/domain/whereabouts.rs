//! Which users have sessions on other nodes, as far as this node knows.
//!
//! It may be wrong for a moment: what goes to a node where it is not needed is dropped there, and what fails to go is found by that
//! node's sweep of the store.

use std::collections::{HashMap, HashSet};

use super::ids::{NodeId, ShopId, UserId};

#[derive(Debug, Default)]
struct Elsewhere {
    users: HashSet<UserId>,
    /// Shops of which an agent has a session there.
    shops: HashSet<ShopId>,
}

#[derive(Debug, Default)]
pub struct Whereabouts {
    nodes: HashMap<NodeId, Elsewhere>,
    users: HashMap<UserId, Vec<NodeId>>,
    shops: HashMap<ShopId, Vec<NodeId>>,
}

impl Whereabouts {
    /// A node with everybody who is there; replaces what was known of it.
    pub fn learn(
        &mut self,
        node: NodeId,
        users: impl IntoIterator<Item = UserId>,
        shops: impl IntoIterator<Item = ShopId>,
    ) {
        self.forget(node);
        self.nodes.insert(node, Elsewhere::default());
        users.into_iter().for_each(|user| _ = self.came(node, user));
        shops.into_iter().for_each(|shop| self.works(node, shop));
    }

    /// A node is gone; gives those who are nowhere else.
    pub fn forget(&mut self, node: NodeId) -> Vec<UserId> {
        let Some(gone) = self.nodes.remove(&node) else { return Vec::new() };
        gone.shops.into_iter().for_each(|shop| leave(&mut self.shops, shop, node));
        gone.users.iter().for_each(|user| leave(&mut self.users, *user, node));
        gone.users.into_iter().filter(|user| !self.users.contains_key(user)).collect()
    }

    /// A user has a session on that node; true if it had none on any other.
    pub fn came(&mut self, node: NodeId, user: UserId) -> bool {
        if self.nodes.entry(node).or_default().users.insert(user) {
            self.users.entry(user).or_default().push(node);
        }
        self.users.get(&user).is_some_and(|nodes| nodes.len() == 1)
    }

    /// A user's last session on that node is over; true if it has none on any other.
    pub fn went(&mut self, node: NodeId, user: UserId) -> bool {
        if self.nodes.get_mut(&node).is_some_and(|there| there.users.remove(&user)) {
            leave(&mut self.users, user, node);
        }
        !self.users.contains_key(&user)
    }

    /// An agent of the shop has a session on that node.
    pub fn works(&mut self, node: NodeId, shop: ShopId) {
        if self.nodes.entry(node).or_default().shops.insert(shop) {
            self.shops.entry(shop).or_default().push(node);
        }
    }

    /// No agent of the shop has one there any more.
    pub fn rests(&mut self, node: NodeId, shop: ShopId) {
        if self.nodes.get_mut(&node).is_some_and(|there| there.shops.remove(&shop)) {
            leave(&mut self.shops, shop, node);
        }
    }

    pub fn is_anywhere(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// Whether there is no other node.
    pub fn is_alone(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn knows(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// The nodes where any of these users, or an agent of the shop, has a session.
    pub fn nodes_of(&self, users: impl IntoIterator<Item = UserId>, shop: Option<ShopId>) -> Vec<NodeId> {
        let mut nodes = shop.and_then(|shop| self.shops.get(&shop)).cloned().unwrap_or_default();
        for user in users {
            for node in self.users.get(&user).into_iter().flatten() {
                if !nodes.contains(node) {
                    nodes.push(*node);
                }
            }
        }
        nodes
    }
}

fn leave<K: Eq + std::hash::Hash>(places: &mut HashMap<K, Vec<NodeId>>, who: K, node: NodeId) {
    if let Some(nodes) = places.get_mut(&who) {
        nodes.retain(|at| *at != node);
        if nodes.is_empty() {
            places.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: NodeId = NodeId(1);
    const THERE: NodeId = NodeId(2);
    const ANN: UserId = UserId(10);
    const BOB: UserId = UserId(11);
    const ACME: ShopId = ShopId(5);

    #[test]
    fn somebody_on_two_nodes_is_gone_when_both_are_left() {
        let mut whereabouts = Whereabouts::default();
        assert!(whereabouts.came(HERE, ANN));
        assert!(!whereabouts.came(THERE, ANN), "was there already");
        assert!(!whereabouts.went(HERE, ANN));
        assert!(whereabouts.came(THERE, BOB));
        let mut gone = whereabouts.forget(THERE);
        gone.sort_unstable();
        assert_eq!(gone, [ANN, BOB]);
        assert!(!whereabouts.is_anywhere(ANN));
        assert!(whereabouts.went(HERE, ANN), "went twice, and is gone");
    }

    #[test]
    fn only_nodes_with_somebody_concerned_are_told() {
        let mut whereabouts = Whereabouts::default();
        whereabouts.learn(HERE, [ANN], [ACME]);
        whereabouts.learn(THERE, [BOB], []);
        assert_eq!(whereabouts.nodes_of([ANN], Some(ACME)), [HERE], "once");
        assert_eq!(whereabouts.nodes_of([BOB], Some(ACME)), [HERE, THERE]);
        assert_eq!(whereabouts.nodes_of([UserId(99)], None), []);
        whereabouts.rests(HERE, ACME);
        assert_eq!(whereabouts.nodes_of([BOB], Some(ACME)), [THERE]);
        whereabouts.learn(THERE, [ANN], [ACME]);
        assert!(!whereabouts.is_anywhere(BOB), "what was known is replaced");
    }
}
