//! `shopbell bench`: the load generator. It drives a server, its own or another, and checks every message.
//!
//! `dialogues` says what will be said and `replay` says it, through sessions (`client`, within their `pace`) on a
//! `target`; the `notebook` has what happened, of which the history checker judges; `meter` and `cpu` measure, `report` shows it. A
//! server of its own is `server`'s affair.

mod client;
mod cpu;
mod dialogues;
mod meter;
mod notebook;
mod pace;
mod progress;
mod replay;
mod report;
mod server;
mod target;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args;
use secrecy::SecretString;

use cpu::Usage;
use meter::Meter;
use progress::Progress;
use report::{Machine, Report};
use server::Server;
use target::Target;

/// Replay dialogues through a server and check that every message arrives once and in order.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// The server, `http://host:port`; without it, bench starts one of its own on a fresh database.
    #[arg(long, requires = "secret")]
    url: Option<String>,
    /// That server's `auth.secret`.
    #[arg(long, requires = "url")]
    secret: Option<SecretString>,
    /// An operator of that server, who makes the shop and its agents.
    #[arg(long, value_name = "UID", default_value = "bench-operator")]
    operator: String,
    /// The dialogues: one JSON object a line, `{"id", "turns": [["buyer"|"agent", text], …]}`.
    #[arg(long, value_name = "FILE")]
    replay: PathBuf,
    /// So many conversations at a time.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// A run that has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("cannot read {}: {why}", path.display())]
    File { path: PathBuf, why: io::Error },
    #[error("{}: {why}", path.display())]
    Dialogues { path: PathBuf, why: dialogues::BadLine },
    #[error("{} holds no dialogue", .0.display())]
    Empty(PathBuf),
    #[error(transparent)]
    Server(#[from] server::ServerError),
    #[error(transparent)]
    Target(#[from] target::TargetError),
    #[error(transparent)]
    Replay(#[from] replay::ReplayError),
    #[error("cannot measure: {0}")]
    Measure(#[from] hdrhistogram::CreationError),
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// Runs the load generator and prints its report. True if the history checker found no fault, and all came to an end.
///
/// # Errors
/// [`BenchError`] if there is nothing to report. A server of its own has ended in any case.
pub async fn run(args: BenchArgs) -> Result<bool, BenchError> {
    tokio::select! {
        result = replay(&args) => result,
        _ = tokio::signal::ctrl_c() => Err(BenchError::Interrupted),
    }
}

async fn replay(args: &BenchArgs) -> Result<bool, BenchError> {
    let (dialogues, skipped) = read(&args.replay)?;
    let (server, target) = match (&args.url, &args.secret) {
        (Some(url), Some(secret)) => (None, Target::new(url, secret, &args.operator)?),
        _ => {
            let server = Server::start(&args.operator)?;
            let target = Target::new(&server.url, &server.secret, &args.operator)?;
            (Some(server), target)
        }
    };
    let pid = server.as_ref().map(Server::pid);
    let meter = Arc::new(Meter::new()?);

    let before = Usage::now(pid);
    let start = Instant::now();
    let progress = Progress::show(Arc::clone(&meter), dialogues.len());
    let outcome = replay::run(&target, &dialogues, args.parallel.into(), Arc::clone(&meter)).await?;
    drop(progress);
    let seconds = start.elapsed().as_secs_f64();
    let machine = Machine { before, after: Usage::now(pid), resident: pid.and_then(cpu::resident) };

    let report = Report::new(outcome, &meter.figures(), skipped, &machine, seconds);
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(report.is_good())
}

fn read(path: &Path) -> Result<(Vec<dialogues::Dialogue>, dialogues::Skipped), BenchError> {
    let file = |why| BenchError::File { path: path.into(), why };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let (dialogues, skipped) =
        dialogues::parse(&text).map_err(|why| BenchError::Dialogues { path: path.into(), why })?;
    if dialogues.is_empty() { Err(BenchError::Empty(path.into())) } else { Ok((dialogues, skipped)) }
}
