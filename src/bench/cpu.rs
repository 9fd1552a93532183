//! Who used the machine during a run, from Linux' `/proc` (proc(5)). Elsewhere there are no figures.

use std::fs;

/// Ticks a second in `/proc`: `USER_HZ`, which is 100 on every Linux that shows its ticks to programs.
const TICKS: f64 = 100.0;

/// Processor time used so far, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub own: Option<f64>,
    pub server: Option<f64>,
    /// All processes and the kernel, over all cores.
    pub machine: Option<f64>,
}

impl Usage {
    /// What has been used up to now; `server` is the process id of a server on this machine.
    pub fn now(server: Option<u32>) -> Self {
        Self {
            own: process("/proc/self/stat"),
            server: server.and_then(|pid| process(&format!("/proc/{pid}/stat"))),
            machine: fs::read_to_string("/proc/stat").ok().and_then(|stat| machine(&stat)),
        }
    }

    /// What the server took since `earlier`.
    pub fn server_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.server? - earlier.server?)
    }

    /// What everybody but this process and the server took since `earlier`.
    pub fn others_since(&self, earlier: &Self) -> Option<f64> {
        let own = self.own? - earlier.own?;
        let server = self.server_since(earlier).unwrap_or_default();
        Some((self.machine? - earlier.machine? - own - server).max(0.0))
    }
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> Option<u64> {
    resident_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn process(path: &str) -> Option<f64> {
    process_in(&fs::read_to_string(path).ok()?)
}

/// `utime` and `stime`, fields 14 and 15; the name in field 2 may hold spaces and parentheses.
fn process_in(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal; all but the idle ones.
fn machine(stat: &str) -> Option<f64> {
    let fields: Vec<f64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    let busy = fields.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    Some(busy.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_as_it_is_documented() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(process_in(stat), Some(2.0));
        assert_eq!(machine("cpu  100 20 30 9999 9999 1 2 47 0 0\ncpu0 1 2 3"), Some(2.0));
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12_288));
        assert_eq!(process_in(""), None);
    }
}
