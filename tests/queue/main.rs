//! Redis in all its forms, with real servers: offline lists and the link between nodes, through the faults that Redis has.

mod cluster;
mod link;
mod link_faults;
mod link_speed;
mod lists;
mod node;
mod proxy;
mod sentinel;
mod server;
mod tls;
