//! Stories told to a running server from outside: every sentence of the contract's sections 1 to 4 that this version
//! keeps has one here. Each test has its own process, database and port.

mod agents;
mod audit;
mod bad_input;
mod bad_wire;
mod bounds;
mod check_history;
mod claims;
mod command_line;
mod delivery;
mod files;
mod growing_up;
mod identity;
mod idle;
mod isolation;
mod lists;
mod liveness;
mod nodes;
mod offline;
mod origins;
mod polling;
mod postgresql;
mod records;
mod redis_away;
mod repeated_requests;
mod replies;
mod rest;
mod rest_hostile;
mod scene;
mod search;
mod sending;
mod shops;
mod signals;
mod statistics;
mod table_of_claims;
mod waiting;
