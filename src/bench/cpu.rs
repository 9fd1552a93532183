//! Who used the machine during a run, from Linux' `/proc` (proc(5)). Elsewhere there are no figures.

use std::fs;

/// Ticks a second in `/proc`: `USER_HZ`, which is 100 on every Linux that shows its ticks to programs.
const TICKS: f64 = 100.0;

/// Processor time used so far, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub own: Option<f64>,
    pub server: Option<f64>,
    /// What serves beside the server: a database, all its processes.
    pub beside: f64,
    /// All processes and the kernel, over all cores.
    pub machine: Option<f64>,
}

impl Usage {
    /// What has been used up to now; `server` is the process id of a server on this machine, `beside` are those of what serves
    /// beside it, with all their children.
    pub fn now(server: Option<u32>, beside: &[u32]) -> Self {
        Self {
            own: process("/proc/self/stat"),
            server: server.and_then(|pid| process(&format!("/proc/{pid}/stat"))),
            beside: beside.iter().map(|pid| family(*pid)).sum(),
            machine: fs::read_to_string("/proc/stat").ok().and_then(|stat| machine(&stat)),
        }
    }

    /// What the server took since `earlier`.
    pub fn server_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.server? - earlier.server?)
    }

    /// What serves beside the server took since `earlier`.
    pub fn beside_since(&self, earlier: &Self) -> f64 {
        self.beside - earlier.beside
    }

    /// What everybody but this process, the server and what serves beside it took since `earlier`.
    pub fn others_since(&self, earlier: &Self) -> Option<f64> {
        let own = self.own? - earlier.own?;
        let server = self.server_since(earlier).unwrap_or_default();
        Some((self.machine? - earlier.machine? - own - server - self.beside_since(earlier)).max(0.0))
    }
}

/// A process and its children, those that have ended included.
fn family(pid: u32) -> f64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| process(&format!("/proc/{child}/stat")));
    let ended = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| ended_in(&stat));
    process(&format!("/proc/{pid}/stat")).unwrap_or_default() + ended.unwrap_or_default() + children.sum::<f64>()
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> Option<u64> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
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
    seconds_in(stat, 11)
}

/// `cutime` and `cstime`: of children that have been waited for.
fn ended_in(stat: &str) -> Option<f64> {
    seconds_in(stat, 13)
}

/// Two fields of ticks, counted from behind the name.
fn seconds_in(stat: &str, at: usize) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(at)? + ticks(at + 1)?) / TICKS)
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
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 20 5 20 0 1 0 5 6 7";
        assert_eq!(process_in(stat), Some(2.0));
        assert_eq!(ended_in(stat), Some(0.25));
        assert_eq!(machine("cpu  100 20 30 9999 9999 1 2 47 0 0\ncpu0 1 2 3"), Some(2.0));
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12_288));
        assert_eq!(process_in(""), None);
    }
}
