//! How far something is, on standard error.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use crate::store::copy::Progress;

/// Characters of the bar.
const WIDTH: u64 = 30;

/// One line, in place on a terminal; otherwise a line for each table, and now and then.
pub struct ProgressBar {
    in_place: bool,
    every: Duration,
    last: Option<Last>,
}

/// What was shown last.
struct Last {
    at: Instant,
    table: &'static str,
    /// All rows of all tables.
    whole: bool,
}

impl ProgressBar {
    pub fn on_stderr() -> ProgressBar {
        let in_place = stderr().is_terminal();
        ProgressBar { in_place, every: Duration::from_millis(if in_place { 100 } else { 2_000 }), last: None }
    }

    pub fn show(&mut self, progress: Progress) {
        let now = Instant::now();
        let whole = progress.done == progress.total;
        let told = |last: &Last| {
            let of_it = self.in_place || last.table == progress.table || last.whole;
            last.whole == whole && of_it && (whole || now.duration_since(last.at) < self.every)
        };
        if self.last.as_ref().is_some_and(told) {
            return;
        }
        self.last = Some(Last { at: now, table: progress.table, whole });
        let (begin, end) = if self.in_place { ("\r\x1b[K", "") } else { ("", "\n") };
        let mut out = stderr().lock();
        // Without a standard error nobody looks.
        write!(out, "{begin}{}{end}", line(progress)).and_then(|()| out.flush()).ok();
    }

    pub fn end(&self) {
        if self.in_place && self.last.is_some() {
            writeln!(stderr()).ok();
        }
    }
}

fn line(Progress { table, done, total }: Progress) -> String {
    let (filled, percent) = ((WIDTH * done).checked_div(total), (100 * done).checked_div(total));
    let filled = usize::try_from(filled.unwrap_or(WIDTH)).unwrap_or_default();
    let empty = usize::try_from(WIDTH).unwrap_or_default() - filled;
    let bar = "#".repeat(filled) + &".".repeat(empty);
    format!("[{bar}] {:>3} %  {done} of {total} rows, {table}", percent.unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills() {
        let shown = |done, total| line(Progress { table: "users", done, total });
        assert_eq!(shown(0, 0), "[##############################] 100 %  0 of 0 rows, users");
        assert_eq!(shown(1, 3), "[##########....................]  33 %  1 of 3 rows, users");
        assert_eq!(shown(3, 3), "[##############################] 100 %  3 of 3 rows, users");
    }
}
