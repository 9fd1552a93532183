//! What clients saw, written down for `shopbell check-history`.

use super::process::{Finished, shopbell};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;
use tempfile::TempDir;

/// The log of a run, under one clock.
pub struct History {
    start: Instant,
    file: Mutex<BufWriter<File>>,
    dir: TempDir,
}

impl History {
    /// An empty log.
    pub fn new() -> Self {
        let dir = TempDir::with_prefix("shopbell-history-").expect("a temporary directory");
        let file = File::create(dir.path().join("log.jsonl")).expect("a file of ours");
        Self { start: Instant::now(), file: Mutex::new(BufWriter::new(file)), dir }
    }

    /// Writes down what happens to a session now. The event is an object as `src/history/log.rs` has it.
    pub fn write(&self, session: &str, mut event: Value) {
        event["session"] = json!(session);
        let mut file = self.file.lock().expect("nobody panics while writing");
        event["at"] = json!(u64::try_from(self.start.elapsed().as_micros()).expect("a short run"));
        writeln!(file, "{event}").expect("there is space");
    }

    /// What the checker says: its JSON.
    pub fn verdict(&self) -> Value {
        self.flush();
        let path = self.path();
        let command = Command::new(shopbell()).arg("check-history").arg("--json").arg(&path).env_clear().output();
        let done = Finished::from(command.expect("the binary runs"));
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("check-history: {done:?}"))
    }

    /// The checker finds no fault; gives its figures. Where it does, the log stays.
    #[track_caller]
    pub fn must_be_good(&self) -> Value {
        let verdict = self.verdict();
        let faults = ["lost", "doubled", "out_of_order", "holes", "two_claimants", "not_claimant", "views"];
        if faults.iter().any(|fault| verdict[fault] != 0) {
            panic!("{verdict:#}\nthe log is {}", self.keep().display());
        }
        verdict
    }

    /// Copies the log to where it outlives the test, to be looked at.
    pub fn keep(&self) -> PathBuf {
        self.flush();
        let kept = std::env::temp_dir().join(format!("history-{}.jsonl", std::process::id()));
        std::fs::copy(self.path(), &kept).expect("there is space");
        kept
    }

    fn flush(&self) {
        self.file.lock().expect("nobody panics while writing").flush().expect("there is space");
    }

    /// Where it is; what was written last may be missing until somebody asks for a verdict.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("log.jsonl")
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}
