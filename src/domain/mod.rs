//! The rules of Shopbell as pure values and functions.
//!
//! Nothing here knows of JSON, sockets, databases, actors or clocks: time is an argument. Every other layer may use this one,
//! and this one uses none.

pub mod audience;
pub mod batch;
pub mod command;
pub mod content;
pub mod conversation;
pub mod cursor;
pub mod event;
pub mod event_group;
pub mod hours;
pub mod ids;
pub mod liveness;
pub mod offline;
pub mod people;
pub mod permission;
pub mod prepared;
pub mod presence;
pub mod public_address;
pub mod rate;
pub mod refusal;
pub mod replica;
pub mod reply;
pub mod scope;
pub mod search;
pub mod signal;
pub mod statistics;
pub mod waiting_line;
pub mod webhook;
pub mod whereabouts;
pub mod window;
