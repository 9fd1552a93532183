//! `shopbell serve`: what starts in which order, and what drains in which.

use std::{
    collections::HashMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use secrecy::ExposeSecret;
use socket2::SockRef;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};

use super::{config::Config, demo, secret, telemetry};
use crate::{
    actors::{
        attendance::Attendance,
        background::Background,
        chat_server::{Attended, Broadcast, ChatServer, Count, Join},
        check_back::CheckBack,
        cluster_link::ClusterLink,
        feed::Feed,
        gather::Gather,
        indexer::{Indexer, Pace},
        journal::{self, Admission, Drain, Journal},
        mail::Push,
        node::{self, Node, Searchers, Settings},
        offline_box::OfflineBox,
        redelivery::{Grace, Redelivery},
        retention::{Periods, Retention},
        sequencer::Sequencer,
        session::newcomers,
        table_lists::TableLists,
        webhooks::{self, Webhooks},
    },
    auth::token::Tokens,
    domain::{
        content::TEXT_MAX,
        ids::NodeId,
        liveness,
        offline::{Bounds, Fullness, Lists},
        window,
    },
    http::{
        self, Origins,
        address::Network,
        api::{self, ApiSettings},
    },
    outbound,
    protocol::{
        close::Close,
        event::{Heartbeat, Limits, Notice},
    },
    queue::{
        keys::Keys,
        link::{self, Link},
        lists::RedisLists,
    },
    socket::{self, Codes},
    store::{
        self, arrivals, conversations,
        events::{self, Sequenced},
        journal::{Rules, Writer},
        location::Location,
        migrate::migrate,
        shops,
    },
};

/// Connections that may wait to be accepted: when a node dies, all of its clients come at once, and one too many waits a second for its next
/// try. The kernel has the last word (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;
/// How long the server before may still have the database. PostgreSQL keeps the connection of a machine that is gone for 10 s
/// (`tcp_user_timeout`, `docs/operations.md`).
const HANDED_OVER: Duration = Duration::from_secs(12);
/// Connections for those who come: one to find out who they are, one for what awaits them.
const LOGINS: u32 = 2;
/// How often the log is moved into the database file.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// How long a drain may take before the process ends all the same. What was answered with `ok` is on disk in any case.
const DRAIN: Duration = Duration::from_secs(8);
/// Packets of events that are given their places at a time, before the server starts.
const PACKETS: usize = 1_000;
/// When clients should come back after a restart.
const RECONNECT_MS: u64 = 1_000;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    #[error("cannot listen on {0}: {1}")]
    Bind(String, std::io::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    #[error(transparent)]
    Outbound(#[from] outbound::Unusable),
    #[error("the node stopped while it was starting")]
    Stopped,
}

/// Serves until a signal comes.
///
/// # Errors
/// What kept it from starting.
pub async fn run(config: Config, with_demo: bool) -> Result<(), Error> {
    let location = config.location()?;
    // Nodes know of each other through Redis: without it there is one.
    let _lock = location.lock_after_another(config.redis.is_some(), HANDED_OVER)?;
    let mut db = location.writer()?;
    let migrated = migrate(&mut db)?;
    if migrated > 0 {
        tracing::info!(migrations = migrated, "the database has been brought up to date");
    }
    if !location.is_postgres() {
        // Where the database comes from, there may have been several writers.
        let sequence = |db: &mut store::Db| db.write(|db| events::sequence(db, PACKETS)).map_err(store::Error::from);
        while sequence(&mut db)? != (Sequenced::Events { count: 0, all: true }) {}
    }
    let logins = if with_demo { demo::make(&mut db)? } else { Vec::new() };
    let metrics = telemetry::metrics()?;

    let hub = Arbiter::new();
    drop(db);
    let (node, link) = start_actors(&config, &location, &hub.handle()).await?;
    let origins = Origins::new(&config.allowed_origins);
    origins.refresh(&node).await;

    let listener =
        std::net::TcpListener::bind(&config.bind).map_err(|error| Error::Bind(config.bind.clone(), error))?;
    SockRef::from(&listener).listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let upkeep = metrics.clone();
    let keep_up = origins.clone();
    let kept = node.clone();
    actix_web::rt::spawn(async move {
        loop {
            actix_web::rt::time::sleep(telemetry::UPKEEP).await;
            upkeep.run_upkeep();
            keep_up.refresh(&kept).await;
        }
    });
    let size = http::Size { workers: config.workers, max_connections: config.max_connections };
    let server = http::server(listener, size, node.clone(), origins, Arc::new(api_settings(&config)), metrics)?;
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    tracing::info!(%address, "serving");
    announce(address, &logins);

    wait_for_signal().await?;
    tracing::info!("draining");
    handle.pause().await;
    drain(&node).await;
    if let Some(link) = link {
        // Others learn at once that this node is gone.
        drop(tokio::task::spawn_blocking(move || link.stop()).await);
    }
    handle.stop(false).await;
    drop(serving.await);
    tracing::info!("drained");
    Ok(())
}

/// This node's name: the configured one, or the host's with a random suffix.
fn node_name(configured: &str) -> String {
    if !configured.is_empty() {
        return configured.to_owned();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{:04x}", if host.trim().is_empty() { "node" } else { host.trim() }, rand::random::<u16>())
}

fn announce(address: std::net::SocketAddr, logins: &[demo::Login]) {
    println!("listening on http://{address}");
    if logins.is_empty() {
        return;
    }
    println!();
    println!("  shop     http://{address}/demo    where a buyer opens a chat");
    println!("  agents   http://{address}/agent   where agents claim and answer");
    println!("  API      http://{address}/docs");
    println!();
    for login in logins {
        println!("  login  {}  {}  {}", login.uid, login.password, login.what);
    }
    println!();
}

async fn start_actors(
    config: &Config,
    location: &Location,
    hub: &ArbiterHandle,
) -> Result<(Arc<Node>, Option<Arc<Link>>), Error> {
    let readers = location.readers(config.readers)?;
    let rules = Rules {
        recall_window_ms: i64::try_from(config.recall_window.as_millis()).unwrap_or(i64::MAX),
        events: config.events,
    };
    if !location.is_postgres() {
        journal::checkpoint_beside(location.writer()?, CHECKPOINT)?;
    }
    let lanes = if location.is_postgres() { config.lanes } else { 1 };
    let commands = (0..lanes).map(|_| Writer::open(location, rules)).collect::<Result<Vec<_>, _>>()?;
    let jobs = location.is_postgres().then(|| Writer::open(location, rules)).transpose()?;
    let admission = Admission::new(commands.len());
    let admitted = admission.clone();
    let journal = Journal::start_in_arbiter(hub, move |_| Journal::new(commands, jobs, admitted));
    let bounds = Bounds { max_messages: config.offline_max_messages, ttl: config.offline_ttl };
    let lists: Box<dyn Lists> = match &config.redis {
        Some(redis) => Box::new(RedisLists::new(redis.clone(), Keys::new(&config.redis_prefix), bounds)),
        None => {
            let (journal, readers) = (journal.clone(), readers.clone());
            Box::new(TableLists { journal, readers, bounds, fullness: Fullness::Lacking, pushed: HashMap::new() })
        }
    };
    let offline = OfflineBox::start_in_arbiter(hub, move |_| OfflineBox::new(lists));
    let (delay, idle) = (config.presence_delay, config.dispatcher_idle);
    let chat = {
        let (journal, offline, readers) = (journal.clone(), offline.clone(), readers.clone());
        ChatServer::start_in_arbiter(hub, move |_| ChatServer::new(journal, offline, readers, delay, idle))
    };
    let direct = node::find_direct(&chat).await.map_err(|_| Error::Stopped)?;
    let secret = match &config.secret {
        Some(secret) => {
            // RFC 7518, section 3.2: a key is at least as long as the hash.
            if secret.expose_secret().len() < 32 {
                tracing::warn!("auth.secret is shorter than 32 bytes: tokens can be forged by guessing it");
            }
            secret.clone()
        }
        None => secret::load_or_make(&config.directory())?,
    };
    // Positive, and never 0.
    let id = NodeId(rand::random_range(1..i64::MAX));
    let name = node_name(&config.node);
    let logins = location.readers(LOGINS)?;
    let node = Arc::new(Node {
        id,
        newcomers: newcomers(journal.clone()),
        journal,
        admission,
        chat,
        direct,
        offline,
        identities: Gather::reading(logins.clone(), arrivals::identities),
        arrivals: Gather::reading(logins.clone(), arrivals::arrivals),
        shops: Gather::reading(logins.clone(), shops::by_names),
        shops_of: Gather::reading(logins.clone(), conversations::shops_of),
        logins,
        feed: Feed::start(readers.clone()),
        readers,
        searchers: Searchers::new(location.readers(config.searchers)?, config.searchers),
        background: Background::on(thread::available_parallelism().map_or(1, usize::from)),
        tokens: Tokens::new(&secret),
        outbound: outbound::Client::new(outbound::Guard::new(config.allow_private))?,
        settings: settings(config),
        socket: Box::leak(Box::new(socket_limits(config))),
    });
    let swept = node.clone();
    let grace = Grace { away: config.claim_grace, bot: config.bot_answer_within };
    let redelivery = Redelivery::start_in_arbiter(hub, move |_| Redelivery::new(swept, grace));
    let (indexed, pace) = (node.clone(), if location.is_postgres() { Pace::APART } else { Pace::SHARED });
    Indexer::start_in_arbiter(hub, move |_| Indexer::new(indexed, pace));
    let (attended, called) = (node.clone(), name.clone());
    let attendance = Attendance::start_in_arbiter(hub, move |_| Attendance::new(attended, id, &called));
    node.chat.do_send(Attended(attendance));
    let (kept, files) = (node.clone(), config.files_dir.clone());
    let periods = Periods {
        every: config.retention_every,
        events: config.events_retention,
        dead_letters: config.webhook_dead_retention,
    };
    Retention::start_in_arbiter(hub, move |_| Retention::new(kept, files, periods));
    if location.is_postgres() {
        let sequenced = node.clone();
        Sequencer::start_in_arbiter(hub, move |_| Sequencer::new(sequenced));
    }
    let posting = webhooks::Settings { retry_unit: config.webhook_retry_unit, patience: config.webhook_give_up_after };
    // On a thread of its own: signing and TLS take time that others would wait.
    let posted = node.clone();
    Webhooks::start_in_arbiter(&Arbiter::new().handle(), move |_| Webhooks::new(posted, posting));
    let asking = node.clone();
    CheckBack::start_in_arbiter(hub, move |_| CheckBack::new(asking));
    let mut link = None;
    if let Some(redis) = &config.redis {
        let settings = link::Settings { me: id, name: name.clone(), stream_events: config.stream_events };
        let keys = Keys::new(&config.redis_prefix);
        let cluster = ClusterLink::start(redis.clone(), keys, settings, node.chat.clone(), redelivery)?;
        link = Some(cluster.ending());
        node.chat.do_send(Join(cluster));
    }
    tracing::info!(node = name, id = %id, "this node");
    Ok((node, link))
}

fn settings(config: &Config) -> Settings {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Settings {
        limits: Limits {
            frame_bytes: config.frame_bytes,
            messages_per_second: config.messages_per_second,
            frames_per_second: config.frames_per_second,
            file_bytes: config.file_bytes,
            text_characters: TEXT_MAX,
            window_messages: window::MESSAGES_MAX,
            window_bytes: window::BYTES_MAX,
            recall_window_ms: ms(config.recall_window),
        },
        messages_burst: config.messages_burst,
        login_timeout: config.login_timeout,
        heartbeat: Heartbeat { interval_ms: ms(config.heartbeat_interval), timeout_ms: ms(config.heartbeat_timeout) },
        trust_shop_claims: config.trust_shop_claims,
        events: config.events,
        prepare: config.prepare,
    }
}

/// A window of messages fits into the outbox, with room for events beside it.
fn socket_limits(config: &Config) -> socket::Limits {
    let heartbeat = liveness::Heartbeat { interval: config.heartbeat_interval, timeout: config.heartbeat_timeout };
    socket::Limits {
        message: config.frame_bytes,
        queue_bytes: window::BYTES_MAX + (64 << 10),
        queue_frames: 4_096,
        heartbeat,
        tick: Duration::from_millis(500).min(config.heartbeat_interval / 2).max(Duration::from_millis(50)),
        codes: Codes { too_big: Close::TooLarge.code(), slow: Close::TooSlow.code(), silent: Close::Silent.code() },
        ..socket::Limits::default()
    }
}

fn api_settings(config: &Config) -> ApiSettings {
    ApiSettings::new(api::Options {
        file_bytes: config.file_bytes,
        files_dir: config.files_dir.clone(),
        login_ttl: config.login_ttl,
        trusted_proxies: config.trusted_proxies.iter().filter_map(|network| Network::parse(network)).collect(),
        requests_per_minute: config.requests_per_minute,
        messages_per_second: config.messages_per_second,
        messages_burst: config.messages_burst,
        body_timeout: config.body_timeout,
        upload_timeout: config.upload_timeout,
        answer_timeout: config.answer_timeout,
        download_stall: config.download_stall,
        shop_passwords: config.shop_passwords,
        ..api::Options::default()
    })
}

async fn wait_for_signal() -> Result<(), Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Tells everyone, lets what was accepted be written and answered, and then closes.
async fn drain(node: &Node) {
    let deadline = Instant::now() + DRAIN;
    node.feed.close();
    node.chat.do_send(Broadcast(Push::Notice(Notice::Draining { reconnect_ms: RECONNECT_MS })));
    written(node).await;
    node.chat.do_send(Broadcast(Push::Close(Close::Restart)));
    while node.chat.send(Count).await.unwrap_or(0) > 0 && Instant::now() < deadline {
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    written(node).await;
}

async fn written(node: &Node) {
    let (done, drained) = oneshot::channel();
    node.journal.do_send(Drain(done));
    drop(timeout(DRAIN, drained).await);
}
