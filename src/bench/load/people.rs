//! Who takes part in a run, and who talks with whom.

use super::{Kind, Plan, wire::Wire};

/// Somebody with a session.
pub struct Person {
    pub uid: String,
    pub part: Part,
    pub wire: Option<Wire>,
    pub state: State,
    /// When the connection was begun, in microseconds of the run's clock.
    pub began: u64,
    /// Talks whose messages have come since the last ack.
    pub unacked: Vec<u32>,
    /// How many messages those are.
    pub waiting: usize,
    /// An ack is due.
    pub acks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not connected.
    Away,
    /// The connection, the upgrade or the login is under way.
    Coming,
    /// Logged in, and given what was missed.
    Here,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Speaks in this talk.
    Speaker {
        talk: u32,
    },
    /// One of a shop's agents, by their numbers.
    Agent {
        shop: u32,
        at: u32,
    },
    /// Listens in a direct talk.
    Peer {
        talk: u32,
    },
    Idle,
}

/// Who speaks, and to whom.
pub struct Cast {
    pub people: Vec<Person>,
    pub scenes: Vec<Scene>,
    pub shops: Vec<String>,
}

/// The people of a talk, by their numbers; its own is that in the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub speaker: u32,
    pub shop: u32,
    /// Who claims; who listens in a direct talk.
    pub partner: u32,
    /// Everything that may be said after the first message may be said.
    pub open: bool,
    /// Messages without an answer.
    pub in_flight: u32,
    /// Messages sent so far.
    pub sent: u32,
}

impl Cast {
    /// Buyers take the shops, and each shop's agents, in turn.
    pub fn new(plan: &Plan, run: &str) -> Self {
        let shops = if matches!(plan.kind, Kind::Direct | Kind::Echo) { 0 } else { plan.shops };
        let shops: Vec<String> = (0..shops).map(|shop| format!("bench-{run}-{shop}")).collect();
        let mut people = Vec::new();
        let mut scenes = Vec::new();
        for shop in 0..shops.len() as u32 {
            people.extend((0..plan.agents).map(|at| Person::new(agent(run, shop, at), Part::Agent { shop, at })));
        }
        for talk in 0..plan.buyers {
            let shop = talk % plan.shops;
            let mut partner = shop * plan.agents + talk / plan.shops % plan.agents;
            if plan.kind == Kind::Direct {
                partner = people.len() as u32;
                people.push(Person::new(format!("peer:{run}:{talk}"), Part::Peer { talk }));
            }
            let speaker = people.len() as u32;
            people.push(Person::new(format!("buyer:{run}:{talk}"), Part::Speaker { talk }));
            scenes.push(Scene { speaker, shop, partner, open: false, in_flight: 0, sent: 0 });
        }
        people.extend((0..plan.idle).map(|at| Person::new(format!("idle:{run}:{at}"), Part::Idle)));
        Self { people, scenes, shops }
    }

    /// The agents of all shops: the shop and the uid.
    pub fn agents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.people.iter().filter_map(|person| match person.part {
            Part::Agent { shop, .. } => Some((self.shops[shop as usize].as_str(), person.uid.as_str())),
            _ => None,
        })
    }
}

impl Person {
    fn new(uid: String, part: Part) -> Self {
        Self { uid, part, wire: None, state: State::Away, began: 0, unacked: Vec::new(), waiting: 0, acks: false }
    }
}

fn agent(run: &str, shop: u32, at: u32) -> String {
    format!("agent:{run}:{shop}:{at}")
}
