//! The time of a run, and of the thread that drives it.

use std::time::{Duration, Instant};

/// Microseconds since a run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Microseconds of a duration.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub use system::{Alarm, busy, pin};

#[cfg(target_os = "linux")]
mod system {
    use std::{
        io,
        os::fd::{AsRawFd, OwnedFd},
        time::Duration,
    };

    use mio::{Interest, Registry, Token, unix::SourceFd};
    use rustix::{
        process::setpriority_process,
        thread::{CpuSet, sched_setaffinity},
        time::{
            ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
            timerfd_create, timerfd_settime,
        },
    };

    /// How far this thread goes before others on its core (setpriority(2)).
    const NICE: i32 = -10;

    /// Keeps this thread on one core, and before the others there, where that is allowed: a message that waits for the generator would
    /// else be counted as one that waits for the server.
    pub fn pin(core: usize) -> io::Result<()> {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores)?;
        // Only root may; the report says how late the generator was.
        _ = setpriority_process(None, NICE);
        Ok(())
    }

    /// Seconds that this thread has worked.
    pub fn busy() -> f64 {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
        tv_sec as f64 + tv_nsec as f64 / 1e9
    }

    /// Ends a poll at a moment: polls count milliseconds, this microseconds.
    pub struct Alarm(OwnedFd);

    impl Alarm {
        pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        }

        /// What a poll has to be told so that it ends after `wait`.
        pub fn set(&self, wait: Duration) -> io::Result<Duration> {
            // Setting it anew also makes it unreadable again. Zero would disarm it.
            let value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()).max(1) };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
            Ok(wait + Duration::from_millis(5))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{io, time::Duration};

    use mio::{Registry, Token};

    pub fn pin(_: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn busy() -> f64 {
        f64::NAN
    }

    /// Polls end to the millisecond.
    pub struct Alarm;

    impl Alarm {
        pub fn new(_: &Registry, _: Token) -> io::Result<Self> {
            Ok(Self)
        }

        pub fn set(&self, wait: Duration) -> io::Result<Duration> {
            Ok(wait)
        }
    }
}
