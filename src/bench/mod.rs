//! `shopbell bench`: the load generator. It drives a server, its own or another, and checks every message.
//!
//! `load` is tens of thousands of messages a second on one thread, judged while it goes on. `replay` says what is in a file of
//! `dialogues`, through sessions (`client`, within their `pace`) on a `target`; its `notebook` has what happened, of which the history
//! checker judges. `meter` and `cpu` measure, `report` shows it. A server of its own is `server`'s affair.

mod args;
mod client;
mod cpu;
mod dialogues;
mod load;
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

pub use args::BenchArgs;
use cpu::Usage;
use meter::Meter;
use progress::Progress;
use report::{Machine, Report};
use server::Server;
use target::Target;

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
    #[error(transparent)]
    Load(#[from] load::LoadError),
    #[error("cannot measure: {0}")]
    Measure(#[from] hdrhistogram::CreationError),
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// Runs the load generator and prints its report. True if no fault was found, and all came to an end.
///
/// # Errors
/// [`BenchError`] if there is nothing to report. A server of its own has ended in any case.
pub async fn run(args: BenchArgs) -> Result<bool, BenchError> {
    let run = async {
        let report = match &args.replay {
            Some(file) => replay(&args, file).await?,
            None => load(&args).await?,
        };
        let mut out = io::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            write!(out, "{report}")?;
        }
        Ok(report.is_good())
    };
    tokio::select! {
        result = run => result,
        _ = tokio::signal::ctrl_c() => Err(BenchError::Interrupted),
    }
}

/// The server that is named, or one of its own.
fn target(args: &BenchArgs) -> Result<(Option<Server>, Target), BenchError> {
    if let (Some(url), Some(secret)) = (&args.url, &args.secret) {
        return Ok((None, Target::new(url, secret, &args.operator)?));
    }
    let server = Server::start(&args.operator, args.database.as_deref(), args.redis.as_deref())?;
    let target = Target::new(&server.url, &server.secret, &args.operator)?;
    Ok((Some(server), target))
}

async fn load(args: &BenchArgs) -> Result<Report, BenchError> {
    let (server, target) = target(args)?;
    let plan = args.plan(server.as_ref().map(Server::pid));
    let pid = plan.server;
    let outcome = load::run(&target, plan).await?;
    Ok(Report::of_load(outcome, pid.and_then(cpu::resident)))
}

async fn replay(args: &BenchArgs, file: &Path) -> Result<Report, BenchError> {
    let (dialogues, skipped) = read(file)?;
    let (server, target) = target(args)?;
    let pid = server.as_ref().map(Server::pid).or(args.pid);
    let meter = Arc::new(Meter::new()?);

    let before = Usage::now(pid, &args.beside);
    let start = Instant::now();
    let progress = Progress::show(Arc::clone(&meter), dialogues.len());
    let outcome = replay::run(&target, &dialogues, args.parallel.into(), Arc::clone(&meter)).await?;
    drop(progress);
    let seconds = start.elapsed().as_secs_f64();
    let after = Usage::now(pid, &args.beside);
    let machine = Machine { before, after, resident: pid.and_then(cpu::resident) };
    Ok(Report::of_replay(outcome, &meter.figures(), skipped, &machine, seconds))
}

fn read(path: &Path) -> Result<(Vec<dialogues::Dialogue>, dialogues::Skipped), BenchError> {
    let file = |why| BenchError::File { path: path.into(), why };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let (dialogues, skipped) =
        dialogues::parse(&text).map_err(|why| BenchError::Dialogues { path: path.into(), why })?;
    if dialogues.is_empty() { Err(BenchError::Empty(path.into())) } else { Ok((dialogues, skipped)) }
}
