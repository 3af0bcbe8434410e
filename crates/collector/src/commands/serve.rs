//! `serve`: accepts batches and writes them, until told to stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::Failure;
use crate::accounting::Peers;
use crate::accounting::gaps;
use crate::accounting::sharing::{ShareError, Sharing};
use crate::config::{Config, Faults, ServeArgs};
use crate::http::server::{self, ServerLimits, Tls};
use crate::http::{App, Auth, app};
use crate::logging;
use crate::metrics::Metrics;
use crate::spool::Spool;
use crate::store::{Action, Change, LogCollection, Store, StoreError, StoreOptions};
use crate::writer;

/// How often the tokens' file is looked at.
const TOKENS_EVERY: Duration = Duration::from_secs(2);
/// How often MongoDB is asked for a sign of life, and how soon again after it gave none.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long the first records wait for indexes and retention.
const RECONCILE_FIRST: Duration = Duration::from_secs(5);
/// How soon a collection is looked at again whose indexes could not be set: the call failed.
const RECONCILE_FAILED: Duration = Duration::from_secs(10);
/// The same, where somebody must make room or grant a right first.
const RECONCILE_BLOCKED: Duration = Duration::from_secs(30);
/// How often accounts are shared with other collectors, and gaps looked for; more often where a
/// gap is to be told sooner.
const SHARE_EVERY: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// The configuration is wrong, the spool cannot be opened, or the address cannot be bound.
pub async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = args.compile()?;
    let prepared = Prepared::new(&config).await?;
    logging::start(config.log_level);
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

    let state = App::new(spool.clone(), auth, config.ingest, metrics.clone());
    let (stop_writer, writer_stops) = watch::channel(false);
    let writer = tokio::spawn(write(
        config.clone(),
        store,
        state.clone(),
        spool.clone(),
        metrics.clone(),
        writer_stops,
    ));
    let (stop_server, server_stops) = watch::channel(false);
    let limits = ServerLimits {
        connections: config.max_connections,
        header_time: config.header_timeout,
        stop_time: config.shutdown_timeout,
    };
    let router = app(state.clone());
    let server =
        tokio::spawn(server::serve(listener, router, tls.clone(), limits, metrics, server_stops));

    let told = until_told(&state, tls.as_deref()).await;
    tracing::info!(signal = told, "stopping: accepting no more");
    state.stop();
    let _ = stop_server.send(true);
    let _ = server.await;
    let _ = stop_writer.send(true);
    let _ = writer.await;
    let waiting = spool.waiting();
    if let Err(error) = spool.close().await {
        tracing::error!(%error, "spool not closed cleanly: nothing acknowledged is lost by that");
    }
    tracing::info!(records_waiting = waiting.records, "stopped");
    Ok(())
}

/// Looks after tokens and certificates until a signal says stop; names it.
async fn until_told(state: &App, tls: Option<&Tls>) -> &'static str {
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    ) else {
        return "none: signals cannot be received";
    };
    // A limit on file sizes (`ulimit -f`, `LimitFSIZE=`) is a disk that refuses, not a reason to
    // die: once this signal is received, the write fails instead.
    let _file_size = signal(SignalKind::from_raw(libc::SIGXFSZ));
    let mut look = interval(TOKENS_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut faulty = false;
    loop {
        let force = tokio::select! {
            _ = term.recv() => return "SIGTERM",
            _ = int.recv() => return "SIGINT",
            _ = hup.recv() => true,
            _ = look.tick() => false,
        };
        match state.auth().reread(force) {
            Ok(true) => {
                faulty = false;
                tracing::info!("tokens reread");
            }
            Ok(false) => {}
            Err(error) => {
                if force || !faulty {
                    tracing::error!(%error, "GATELOG_TOKENS_FILE not reread: the old tokens stay");
                }
                faulty = true;
            }
        }
        if let (true, Some(tls)) = (force, tls) {
            match tls.reread() {
                Ok(()) => tracing::info!("certificates reread"),
                Err(error) => tracing::error!(%error, "certificates not reread: the old ones stay"),
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
    let connected = async {
        match store {
            Some(store) => store,
            None => connect(&config.store).await,
        }
    };
    let store = tokio::select! {
        store = connected => store,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    // Indexes are cheapest on empty collections, so they go first; but a database that is away,
    // or builds an index on a large collection, does not keep records from it.
    let reconciled = tokio::spawn(reconcile(store.clone()));
    let _ = tokio::time::timeout(RECONCILE_FIRST, reconciled).await;
    let pings = tokio::spawn(ping(store.clone(), metrics.clone()));
    let (stop_accounts, accounts_stop) = watch::channel(false);
    let sharing = Sharing::new(spool.clone(), store.clone(), state.peers().clone());
    let accounts = tokio::spawn(account(
        sharing,
        spool.clone(),
        state.peers().clone(),
        config.gap_after,
        accounts_stop,
    ));
    writer::run(spool, store, config.writer, metrics, stop, config.shutdown_timeout).await;
    let _ = stop_accounts.send(true);
    let _ = tokio::time::timeout(config.shutdown_timeout, accounts).await;
    pings.abort();
}

/// Brings indexes and retention to what they should be, collection by collection, and tells what
/// it did. What stands in the way is told once, and looked at again until it is gone.
async fn reconcile(store: Store) {
    let mut told: HashMap<LogCollection, Vec<Change>> = HashMap::new();
    let mut open = LogCollection::ALL.to_vec();
    while !open.is_empty() {
        let (mut left, mut pause) = (Vec::new(), RECONCILE_BLOCKED);
        for collection in std::mem::take(&mut open) {
            let changes = store.reconcile_collection(collection).await;
            let before = told.remove(&collection).unwrap_or_default();
            for change in changes.iter().filter(|change| !before.contains(change)) {
                match &change.action {
                    // The writing side tells of a database that is away.
                    Action::Failed(error) if error.is_away() => tracing::debug!("{change}"),
                    _ if change.is_open() => tracing::warn!("{change}"),
                    _ => tracing::info!("{change}"),
                }
            }
            if changes.iter().any(Change::is_open) {
                left.push(collection);
            }
            if changes.iter().any(|change| matches!(change.action, Action::Failed(_))) {
                pause = RECONCILE_FAILED;
            }
            told.insert(collection, changes.into_iter().filter(Change::is_open).collect());
        }
        open = left;
        if !open.is_empty() {
            tokio::time::sleep(pause).await;
        }
    }
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

async fn connect(options: &StoreOptions) -> Store {
    let mut told: Option<StoreError> = None;
    loop {
        match Store::connect(options).await {
            Ok(store) => return store,
            Err(error) => {
                if told.as_ref() != Some(&error) {
                    tracing::warn!(%error, "MongoDB not found: records wait in the spool");
                }
                told = Some(error);
                tokio::time::sleep(PING_EVERY).await;
            }
        }
    }
}

/// Keeps the state that is reported true when there is nothing to write.
async fn ping(store: Store, metrics: Metrics) {
    loop {
        metrics.set_mongodb_up(store.ping().await.is_ok());
        tokio::time::sleep(PING_EVERY).await;
    }
}
