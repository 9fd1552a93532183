//! What the API keeps to, and how much of it anyone may have.

use std::{net::IpAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use actix_web::HttpRequest;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::{sync::Semaphore, time::timeout};

use super::exports::Running;
use crate::{
    domain::{ids::UserId, refusal::Refusal},
    http::address::{self, Network, PerAddress},
};

/// How long a password may wait to be looked at.
const HASHING_PATIENCE: Duration = Duration::from_secs(5);

/// What the operator has set.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest upload.
    pub file_bytes: usize,
    /// Where uploads lie; `None`: in the database.
    pub files_dir: Option<PathBuf>,
    /// How long the token of a login is good.
    pub login_ttl: Duration,
    /// How long a visitor's is.
    pub visitor_ttl: Duration,
    /// Whether a shop's admins may give the users they make a password.
    pub shop_passwords: bool,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Of one address, for each of logging in, becoming a visitor and uploading.
    pub requests_per_minute: u32,
    /// Messages of one user.
    pub messages_per_second: u32,
    pub messages_burst: u32,
    /// How long a JSON body may take to come.
    pub body_timeout: Duration,
    /// How long a form with a file may.
    pub upload_timeout: Duration,
    /// How long anything else may take to be answered.
    pub answer_timeout: Duration,
    /// How long a piece of an export may wait to be taken.
    pub download_stall: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            file_bytes: 10 * 1024 * 1024,
            files_dir: None,
            login_ttl: Duration::from_secs(12 * 3_600),
            visitor_ttl: Duration::from_secs(30 * 24 * 3_600),
            shop_passwords: true,
            trusted_proxies: Vec::new(),
            requests_per_minute: 60,
            messages_per_second: 20,
            messages_burst: 100,
            body_timeout: Duration::from_secs(10),
            upload_timeout: Duration::from_secs(120),
            answer_timeout: Duration::from_secs(20),
            download_stall: Duration::from_secs(30),
        }
    }
}

/// What is limited per address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Login,
    Visitors,
    Files,
}

/// The options with the counters that go with them. One, shared by all threads of the web server.
pub struct ApiSettings {
    pub options: Options,
    logins: PerAddress,
    visitors: PerAddress,
    files: PerAddress,
    messages: DefaultKeyedRateLimiter<UserId>,
    pub exports: Running,
    /// A password takes a core for 100 ms, and 19 MiB.
    hashing: Semaphore,
}

impl ApiSettings {
    pub fn new(options: Options) -> ApiSettings {
        let doors = || PerAddress::per_minute(options.requests_per_minute);
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let messages = Quota::per_second(at_least_one(options.messages_per_second));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        ApiSettings {
            logins: doors(),
            visitors: doors(),
            files: doors(),
            messages: RateLimiter::keyed(messages.allow_burst(at_least_one(options.messages_burst))),
            exports: Running::default(),
            hashing: Semaphore::new(cores),
            options,
        }
    }

    pub fn address(&self, request: &HttpRequest) -> IpAddr {
        address::client(request, &self.options.trusted_proxies)
    }

    /// # Errors
    /// `RateLimited`.
    pub fn enter(&self, request: &HttpRequest, door: Door) -> Result<(), Refusal> {
        let limit = match door {
            Door::Login => &self.logins,
            Door::Visitors => &self.visitors,
            Door::Files => &self.files,
        };
        limit.check(self.address(request))
    }

    /// Counts a message of this user.
    ///
    /// # Errors
    /// `RateLimited`.
    pub fn send(&self, user: UserId) -> Result<(), Refusal> {
        if self.messages.len() > 10_000 {
            self.messages.retain_recent();
        }
        self.messages.check_key(&user).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now()).as_millis();
            Refusal::RateLimited { retry_after_ms: u64::try_from(wait).unwrap_or(u64::MAX).max(1) }
        })
    }

    /// Hashes or checks a password on a thread that may block, as many at a time as there are cores.
    ///
    /// # Errors
    /// `Unavailable` where too many wait.
    pub async fn hashing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let permit = timeout(HASHING_PATIENCE, self.hashing.acquire()).await;
        let _permit = permit.map_err(|_| Refusal::BUSY)?.map_err(|_| Refusal::BUSY)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::BUSY)
    }
}
