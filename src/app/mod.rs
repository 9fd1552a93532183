//! The program: its command line, configuration and telemetry, and the order in which everything starts and drains.

pub mod check_history;
pub mod cli;
pub mod config;
pub mod copying;
pub mod demo;
pub mod operator;
pub mod progress_bar;
pub mod secret;
pub mod seed;
pub mod serve;
pub mod telemetry;
pub mod token;
