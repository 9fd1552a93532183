//! `shopbell check-history`: reads logs, and prints what the checker finds in them.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
};

use crate::history::{
    self,
    log::{self, BadLog},
};

/// A log that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {why}", path.display())]
    Log { path: PathBuf, why: BadLog },
    #[error("cannot write the verdict: {0}")]
    Write(#[from] io::Error),
}

/// Judges the run whose logs these are, and prints the verdict. True if it is good.
///
/// # Errors
/// [`Error`]; nothing has been judged then.
pub fn run(files: &[PathBuf], json: bool) -> Result<bool, Error> {
    let mut lines = Vec::new();
    for path in files {
        lines.extend(read(path).map_err(|why| Error::Log { path: path.clone(), why })?);
    }
    let verdict = history::judge(lines);
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &verdict).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{verdict}")?;
    }
    Ok(verdict.is_good())
}

fn read(path: &Path) -> Result<Vec<log::Line>, BadLog> {
    log::read(BufReader::new(File::open(path)?))
}
