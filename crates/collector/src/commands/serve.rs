//! `serve`: accepts batches and writes them until it is stopped.

mod database;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Failure;
use crate::accounting::Peers;
use crate::accounting::gaps;
use crate::accounting::sharing::{ShareError, Sharing};
use crate::config::{Config, Faults, ServeArgs};
use crate::erase::follow::{self, Follower};
use crate::http::server::{self, ServerLimits, Tls};
use crate::http::{App, Auth, app};
use crate::logging;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::rollup::push::{PUSH_EVERY, Pusher};
use crate::spool::Spool;
use crate::store::Store;
use crate::tombstone::Gate;
use crate::writer::{self, Destination};

/// How often the tokens' file is looked at.
const TOKENS_EVERY: Duration = Duration::from_secs(2);
/// How long the first records wait for indexes and retention.
const RECONCILE_FIRST: Duration = Duration::from_secs(5);
/// How often accounts are shared with other collectors, and gaps looked for; more often where a
/// gap is to be told sooner.
const SHARE_EVERY: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT. `strange` are warnings about the environment to log.
///
/// # Errors
///
/// The configuration is wrong, the spool cannot be opened, or the address cannot be bound.
pub async fn run(args: &ServeArgs, strange: &[String]) -> Result<(), Failure> {
    let config = args.compile()?;
    let prepared = Prepared::new(&config).await?;
    logging::start(config.log_level);
    for line in strange {
        tracing::warn!("{line}");
    }
    serve(config, prepared).await
}

/// What the configuration names, read: faults in it are faults of the configuration.
struct Prepared {
    auth: Auth,
    tls: Option<Arc<Tls>>,
    store: Option<Store>,
}

impl Prepared {
    async fn new(config: &Config) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let auth = match &config.tokens_file {
            None => Some(Auth::open()),
            Some(file) => faults.take(
                "GATELOG_TOKENS_FILE",
                &file.display().to_string(),
                Auth::from_file(file),
            ),
        };
        let tls = config.tls.as_ref().and_then(|files| {
            Tls::read(files)
                .map_err(|error| faults.add_rule(format!("GATELOG_TLS_…: {error}")))
                .ok()
                .map(Arc::new)
        });
        let store = match Store::connect(&config.store).await {
            Ok(store) => Some(store),
            Err(error) if error.transient() => None,
            // Without the value: it may hold a password.
            Err(error) => {
                faults.add_rule(format!("MONGODB_URI: {error}"));
                None
            }
        };
        match auth {
            Some(auth) if faults.is_empty() => Ok(Self { auth, tls, store }),
            _ => Err(faults),
        }
    }
}

async fn serve(config: Config, prepared: Prepared) -> Result<(), Failure> {
    let Prepared { auth, tls, store } = prepared;
    // Before anybody can know that this process serves: who stops it then is obeyed in order.
    let signals = Signals::new()?;
    let metrics = Metrics::new();
    let spool = Spool::open(&config.spool, metrics.clone()).map_err(|error| {
        Failure::failed(format!("GATELOG_SPOOL_DIR \"{}\": {error}", config.spool.dir.display()))
    })?;
    let listener = server::bind(&config.listen).await;
    let listener = listener.map_err(|error| Failure::failed(format!("GATELOG_LISTEN: {error}")))?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    if let Some(file) = &config.address_file {
        server::write_address(file, address).map_err(|error| {
            Failure::failed(format!("GATELOG_ADDRESS_FILE \"{}\": {error}", file.display()))
        })?;
    }
    if auth.is_open() {
        tracing::warn!("no GATELOG_TOKENS_FILE: anyone who reaches the address may post records");
    }
    let waiting = spool.waiting();
    tracing::info!(
        address = %address,
        tls = tls.is_some(),
        spool = %config.spool.dir.display(),
        records_waiting = waiting.records,
        "listening"
    );

    let state =
        App::new(spool.clone(), auth, config.ingest, config.mapping.clone(), metrics.clone());
    let (stop_writer, writer_stops) = watch::channel(false);
    let stored =
        write(config.clone(), store, state.clone(), spool.clone(), metrics.clone(), writer_stops);
    let writer = watched(&state, "writer", stored);
    let (stop_server, server_stops) = watch::channel(false);
    let limits = ServerLimits {
        connections: config.max_connections,
        header_time: config.header_timeout,
        stop_time: config.shutdown_timeout,
        half_close: true,
    };
    let router = app(state.clone());
    let serving = server::serve(listener, router, tls.clone(), limits, metrics, server_stops);
    let mut server = tokio::spawn(serving);

    let told = tokio::select! {
        told = until_told(signals, &state, tls.as_deref()) => Some(told),
        // By a fault of its own: nobody could ask for health any more.
        _ = &mut server => None,
    };
    state.stop();
    match told {
        Some(signal) => {
            tracing::info!(signal, "stopping: accepting no more");
            let _ = stop_server.send(true);
            let _ = server.await;
        }
        None => tracing::error!(critical = true, "the server stopped unexpectedly: exiting"),
    }
    let _ = stop_writer.send(true);
    let _ = writer.await;
    let waiting = spool.waiting();
    if let Err(error) = spool.close().await {
        tracing::error!(%error, "spool not closed cleanly: nothing acknowledged is lost by that");
    }
    tracing::info!(records_waiting = waiting.records, "stopped");
    told.map(drop).ok_or_else(|| Failure::failed("the server stopped unexpectedly"))
}

/// Runs a task that lasts as long as the process; a fault that ends it shows in `/healthz`.
fn watched(
    state: &App,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let (state, task) = (state.clone(), tokio::spawn(task));
    tokio::spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            tracing::error!(critical = true, task = name, "a task stopped unexpectedly: restart");
            state.died(name);
        }
    })
}

/// The signals that are acted on, from now on.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    /// A limit on file sizes (`ulimit -f`, `LimitFSIZE=`) is a disk that refuses, not a reason to
    /// die: as long as this signal is received, the write fails instead.
    _file_size: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("signals not received: {error}")))
        };
        Ok(Self {
            term: on(SignalKind::terminate())?,
            int: on(SignalKind::interrupt())?,
            hup: on(SignalKind::hangup())?,
            _file_size: on(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }
}

/// Looks after tokens and certificates until a signal says stop; names it.
async fn until_told(mut signals: Signals, state: &App, tls: Option<&Tls>) -> &'static str {
    let mut look = interval(TOKENS_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut faulty = false;
    loop {
        let force = tokio::select! {
            _ = signals.term.recv() => return "SIGTERM",
            _ = signals.int.recv() => return "SIGINT",
            _ = signals.hup.recv() => true,
            _ = look.tick() => false,
        };
        match state.auth().reread() {
            Ok(true) => {
                faulty = false;
                tracing::info!("tokens reloaded");
            }
            Ok(false) => faulty = false,
            Err(error) => {
                if force || !faulty {
                    tracing::error!(%error, "GATELOG_TOKENS_FILE not reloaded: the old tokens stay in use");
                }
                faulty = true;
            }
        }
        if let (true, Some(tls)) = (force, tls) {
            match tls.reread() {
                Ok(()) => tracing::info!("certificates reloaded"),
                Err(error) => {
                    tracing::error!(%error, "certificates not reloaded: the old ones stay in use");
                }
            }
        }
    }
}

/// The MongoDB side: connects, and writes until told to stop. Nothing here keeps batches from
/// being accepted.
async fn write(
    config: Config,
    store: Option<Store>,
    state: App,
    spool: Spool,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let outage = Outage::new(metrics.clone());
    let connected = async {
        match store {
            Some(store) => store,
            None => database::connect(&config.store, &outage).await,
        }
    };
    let store = tokio::select! {
        store = connected => store,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let gate = Gate::closed();
    let (stop_following, following_stops) = watch::channel(false);
    let follower = Follower::new(
        spool.clone(),
        store.clone(),
        gate.clone(),
        metrics.clone(),
        &config.spool.dir,
        config.writer.rollups,
    );
    let following = follow::run(follower, outage.clone(), following_stops);
    let following = watched(&state, "tombstones", following);
    // Indexes are cheapest on empty collections, so they go first; but a database that is away,
    // or builds an index on a large collection, does not keep records from it.
    watched(&state, "database watch", database::watch(store.clone(), outage.clone()));
    let reconciled = watched(&state, "indexes and retention", database::reconcile(store.clone()));
    let _ = tokio::time::timeout(RECONCILE_FIRST, reconciled).await;
    let (stop_accounts, accounts_stop) = watch::channel(false);
    let rollups_stop = accounts_stop.clone();
    let sharing =
        Sharing::new(spool.clone(), store.clone(), state.peers().clone(), metrics.clone());
    let accounting =
        account(sharing, spool.clone(), state.peers().clone(), config.gap_after, accounts_stop);
    let accounts = watched(&state, "accounting", accounting);
    let pusher = Pusher::new(spool.clone(), store.clone(), metrics.clone());
    let rollups = config
        .writer
        .rollups
        .then(|| watched(&state, "rollups", push_rollups(pusher, rollups_stop)));
    let destination = Destination { store, gate };
    writer::run(spool, destination, config.writer, metrics, outage, stop).await;
    let _ = stop_accounts.send(true);
    let _ = stop_following.send(true);
    let last = async {
        let _ = following.await;
        let _ = accounts.await;
        if let Some(rollups) = rollups {
            let _ = rollups.await;
        }
    };
    let _ = tokio::time::timeout(config.shutdown_timeout, last).await;
}

/// Shares the accounts and looks for gaps, now and then, and a last time when told to stop.
/// While the accounts cannot be shared nobody knows what other collectors have, and no gap is
/// told.
async fn account(
    mut sharing: Sharing,
    spool: Spool,
    peers: Peers,
    gap_after: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let every = gap_after.mul_f64(0.25).min(SHARE_EVERY);
    let mut failing = false;
    loop {
        let last = *stop.borrow();
        let result = match sharing.round().await {
            Ok(()) => gaps::look(&spool, &peers, gap_after).await.map_err(ShareError::from),
            Err(error) => Err(error),
        };
        match &result {
            Ok(()) => failing = false,
            // Already logged together with MongoDB's answer.
            Err(ShareError::Store(error)) if error.is_away() => {
                tracing::debug!(%error, "accounts not shared: MongoDB is away");
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "accounts not shared: tried again until they are");
            }
            Err(_) => {}
        }
        if last {
            return;
        }
        let _ = tokio::time::timeout(every, stop.wait_for(|stop| *stop)).await;
    }
}

/// Brings the rollups to the database, now and then, and a last time when told to stop.
async fn push_rollups(mut pusher: Pusher, mut stop: watch::Receiver<bool>) {
    let mut failing = false;
    loop {
        let last = *stop.borrow();
        match pusher.round(last).await {
            Ok(()) => failing = false,
            Err(ShareError::Store(error)) if error.is_away() => {
                tracing::debug!(%error, "rollups not written: MongoDB is away");
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "rollups not written: tried again until they are");
            }
            Err(_) => {}
        }
        if last {
            return;
        }
        let _ = tokio::time::timeout(PUSH_EVERY, stop.wait_for(|stop| *stop)).await;
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::DecodeLimits;

    use super::*;
    use crate::http::IngestLimits;
    use crate::ingest::BatchLimits;
    use crate::ingest::otlp::Mapping;
    use crate::spool::{Health, SpoolOptions};

    #[tokio::test]
    async fn a_fault_that_ends_a_task_is_kept_for_the_health() {
        let dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions {
            dir: dir.path().to_owned(),
            max_bytes: 1 << 20,
            dead_letters_max_bytes: 1 << 20,
            keep_free_bytes: 0,
        };
        let spool = Spool::open(&options, Metrics::new()).unwrap();
        let limits = IngestLimits {
            encoded_bytes: 1 << 10,
            decoded_bytes: 1 << 10,
            body_time: Duration::from_secs(1),
            memory: 1 << 20,
            batch: BatchLimits { records: 1, record: DecodeLimits::default() },
            silent_after: Duration::from_mins(5),
        };
        let state =
            App::new(spool.clone(), Auth::open(), limits, Mapping::default(), Metrics::new());
        watched(&state, "first", async {}).await.unwrap();
        assert_eq!(state.dead(), None, "it ended in order");
        watched(&state, "second", async { panic!("a fault") }).await.unwrap();
        watched(&state, "third", async { panic!("another") }).await.unwrap();
        assert_eq!(state.dead(), Some("second"));
        assert_eq!(spool.health(), Health::Good);
    }
}
