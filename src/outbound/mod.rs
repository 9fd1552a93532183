//! Requests to servers of others, at addresses that shops name: webhooks, and whoever is asked back.
//!
//! A shop must not reach through this server what only the server reaches. So an address is looked at twice: when it is named
//! ([`Guard::check`]), and whenever something is sent there, the very addresses that are then connected to ([`Client::post`]).

mod client;
mod guard;

pub use client::{Answer, BODY_MAX, Client, Failure, TIMEOUT, Unusable};
pub use guard::{Guard, Names, Wrong};
