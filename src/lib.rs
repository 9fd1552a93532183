//! Shopbell: a customer-service chat server for web shops. `ARCHITECTURE.md` has the map.

pub mod actors;
pub mod app;
pub mod auth;
pub mod bench;
pub mod domain;
pub mod export;
pub mod failpoint;
pub mod history;
pub mod http;
pub mod outbound;
pub mod protocol;
pub mod queue;
pub mod socket;
pub mod store;
