//! Pure values and rules of the chat: no sockets, no stores, no clocks; time is an argument.

pub mod liveness;
