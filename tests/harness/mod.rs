//! A running Shopbell with people in it.
//!
//! Tests start the real binary ([`TestNode`]), beside it a real Redis ([`TestRedis`]) and a real PostgreSQL ([`TestPostgres`])
//! where they want one, and let people talk: `b1.say("acme", "hi")`, `a1.claim(conversation)`. Everything goes through the public doors, socket and
//! REST; nothing here knows the server's insides. [`Wire`] is the one rude guest: it writes bytes, not frames.
//! For faults there is a [`Fleet`] of nodes, with a [`Crowd`] that talks through it and writes down what it sees.

mod back_end;
mod crowd;
mod fleet;
mod history;
mod hook;
mod ledger;
mod matching;
mod node;
mod person;
mod postgres;
mod process;
mod proxy;
mod ready;
mod redis;
mod rest;
mod session;
pub mod talker;
mod tamper;
mod token;
mod wire;

pub use back_end::{BackEnd, Question};
pub use crowd::{Crowd, Doors, Plan};
pub use fleet::Fleet;
pub use history::History;
pub use hook::{Hook, Posted};
pub use ledger::{Ledger, Repair};
pub use matching::matches;
pub use node::{NodeBuilder, SECRET, TestNode, on_postgres};
pub use person::{Person, To};
pub use postgres::TestPostgres;
pub use process::{Finished, PATIENCE, eventually, eventually_within, signal};
pub use proxy::Proxy;
pub use ready::{Asked, Watch};
pub use redis::TestRedis;
pub use rest::{Answer, Rest};
pub use session::{Closed, Session};
pub use tamper::{Tamper, tampered};
pub use token::{Claims, now, sign, sign_with};
pub use wire::{Opcode, Wire, WireFrame};

pub use reqwest::Method;
pub use serde_json::{Value, json};

/// True where the run was asked to take its time (`SHOPBELL_LONG=1`): real schedules instead of their short forms.
pub fn long() -> bool {
    std::env::var_os("SHOPBELL_LONG").is_some_and(|value| value == "1")
}
