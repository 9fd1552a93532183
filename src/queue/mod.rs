//! What lies in Redis. It carries bytes and numbers, and decides nothing.

mod batch;
mod cluster;
pub mod connect;
pub mod keys;
pub mod link;
pub mod lists;
