//! What `shopbell bench` is told on the command line.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use secrecy::SecretString;

use super::load::{Kind, LISTENERS, Plan};

/// Drive a server with load, and check that every message arrives once and in order.
///
/// Without --replay, buyers speak and agents listen: as fast as messages are acked, or at a fixed --rate.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// The server, `http://host:port`; without it, bench starts one of its own.
    #[arg(long, requires = "secret")]
    pub url: Option<String>,
    /// That server's `auth.secret`.
    #[arg(long, requires = "url")]
    pub secret: Option<SecretString>,
    /// An operator of that server, who makes the shops and their agents.
    #[arg(long, value_name = "UID", default_value = "bench-operator")]
    pub operator: String,
    /// That server's process, where it runs on this machine: its CPU and memory are reported.
    #[arg(long, requires = "url")]
    pub pid: Option<u32>,
    /// The database of a server of its own; without it, a new SQLite file.
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub database: Option<String>,
    /// The Redis of a server of its own; without it, none.
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub redis: Option<String>,
    /// Processes that serve beside the server, PostgreSQL's first one for example: their CPU is not that of others.
    #[arg(long, value_name = "PID")]
    pub beside: Vec<u32>,

    /// What conversations there are.
    #[arg(long, value_enum, default_value_t = Kind::Claimed)]
    pub kind: Kind,
    /// Buyers, over all shops; each has one conversation, in which it speaks.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub buyers: u32,
    /// Agents of each shop.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=LISTENERS as i64))]
    pub agents: u32,
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub shops: u32,
    /// People who are logged in and say nothing.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub idle: u32,
    /// Messages a second, on schedule whatever the answers; 0: as fast as they are acked.
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
    /// Messages of one buyer under way at a time, without a rate.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// For how long it is measured.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// How long everybody speaks before that.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub warmup: f64,
    /// At most so many messages of one buyer; the run ends with the last.
    #[arg(long, value_name = "N")]
    pub messages: Option<u32>,
    /// Length of a text.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4000))]
    pub bytes: u16,
    /// In the middle of the run all idle people lose their connections, and come back at once.
    #[arg(long)]
    pub storm: bool,
    /// So many idle people a second lose their connections and come back.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub churn: u32,
    /// After the measured time, ten seconds at this rate: how long it takes until messages are acked within 100 ms again.
    #[arg(long, value_name = "RATE", requires = "rate")]
    pub then: Option<u32>,
    /// Who listens (`--kind direct`) comes only after all has been said, and is given what was missed.
    #[arg(long)]
    pub away: bool,
    /// How many seconds everything that is under way at the end has to arrive.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub settle: f64,
    /// The core on which the load generator stays.
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,

    /// Replays dialogues instead: one JSON object a line, `{"id", "turns": [["buyer"|"agent", text], …]}`.
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// So many dialogues at a time.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

impl BenchArgs {
    /// What is to be done; `server` is the process of a server of its own.
    pub fn plan(&self, server: Option<u32>) -> Plan {
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Plan {
            kind: self.kind,
            buyers: self.buyers,
            agents: self.agents,
            shops: self.shops,
            idle: self.idle,
            rate: self.rate,
            window: self.window,
            messages: self.messages,
            bytes: self.bytes.into(),
            warmup: time(self.warmup),
            time: time(self.seconds),
            storm: self.storm,
            churn: self.churn,
            then: self.then,
            away: self.away,
            settle: time(self.settle),
            core: self.core,
            server: server.or(self.pid),
            beside: self.beside.clone(),
        }
    }
}
