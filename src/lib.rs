//! Shopbell: a customer-service chat server for web shops. `ARCHITECTURE.md` has the map.

pub mod domain;
pub mod socket;
