//! What becomes of conversations when a part is lost: processes are killed, stopped and cut off, as they are in the field.
//!
//! In each a crowd talks through all nodes, the history checker judges what it saw, and `/readyz` is asked all along. Short every day, in full
//! with `SHOPBELL_LONG=1`. Figures are printed on lines that begin with `figure:`, and so are seeds, which `SHOPBELL_SEED` sets.

mod alone;
mod bench;
mod capacity;
mod claims;
mod cost;
mod database;
mod delivery;
mod disk;
mod events;
mod nodes;
mod postgres;
mod random;
mod reconnect;
mod redis;
mod transactions;
mod webhooks;
