//! What lies in Redis. It carries bytes and numbers, and decides nothing.

pub mod keys;
pub mod lists;
