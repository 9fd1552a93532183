//! The journal's transaction, through its writer and against real databases.

mod batches;
mod events;
mod figures;
mod lanes;
mod lost;
mod scene;
mod two_nodes;
