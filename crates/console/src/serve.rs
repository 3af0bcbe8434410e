//! `serve`: serves the pages and the API until it is stopped.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatelog_collector::commands::Failure;
use gatelog_collector::config::Faults;
use gatelog_collector::http::server::{self, ServerLimits, Tls};
use gatelog_collector::logging;
use gatelog_collector::store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::{App, Sources, app};
use crate::audit::Audit;
use crate::config::{Config, ServeArgs};
use crate::metrics::Metrics;
use crate::tail::Tails;
use crate::views::Views;
use crate::who::{Code, Identity, Tokens, Who};

/// How often the tokens' file is looked at.
const TOKENS_EVERY: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT. `strange` are warnings about the environment to log.
///
/// # Errors
///
/// The configuration is wrong, or the address cannot be bound.
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
    who: Who,
    tls: Option<Arc<Tls>>,
    store: Store,
}

impl Prepared {
    async fn new(config: &Config) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let shown = |file: &Path| file.display().to_string();
        let tokens = config.tokens_file.as_deref().and_then(|file| {
            let tokens = Tokens::from_file(file);
            faults.take("GATELOG_CONSOLE_TOKENS_FILE", &shown(file), tokens)
        });
        let tls = config.tls.as_ref().and_then(|files| {
            let read = Tls::read(files).map(Arc::new);
            let told = |error| faults.add_rule(format!("GATELOG_CONSOLE_TLS_…: {error}"));
            read.map_err(told).ok()
        });
        let store = Store::connect(&config.store).await;
        // Without the value: it may hold a password.
        let told = |error| faults.add_rule(format!("MONGODB_URI: {error}"));
        let store = store.map_err(told).ok();
        // Last: with any fault nothing was started, and nothing is written.
        let code = config.code_file.as_deref().filter(|_| faults.is_empty()).and_then(|file| {
            faults.take("GATELOG_CONSOLE_CODE_FILE", &shown(file), Code::to_file(file))
        });
        let identity = config.identity.clone().map(Identity::new);
        match store {
            Some(store) if faults.is_empty() => {
                let who = Who::new(tokens, code, identity, config.session_idle);
                Ok(Self { who, tls, store })
            }
            _ => Err(faults),
        }
    }
}

async fn serve(config: Config, prepared: Prepared) -> Result<(), Failure> {
    let Prepared { who, tls, store } = prepared;
    // Before anybody can know that this process serves: who stops it then is obeyed in order.
    let signals = Signals::new()?;
    let metrics = Metrics::new();
    let listener = server::bind(&config.listen).await;
    let listener =
        listener.map_err(|error| Failure::failed(format!("GATELOG_CONSOLE_LISTEN: {error}")))?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    if let Some(file) = &config.address_file {
        server::write_address(file, address).map_err(|error| {
            let file = file.display();
            Failure::failed(format!("GATELOG_CONSOLE_ADDRESS_FILE \"{file}\": {error}"))
        })?;
    }
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            "without TLS on an address that others reach: tokens and records can be read on the \
             way; set GATELOG_CONSOLE_TLS_CERT and …_KEY, or let a proxy serve TLS"
        );
    }
    tracing::info!(address = %address, tls = tls.is_some(), "listening");

    let (stop_audit, audit_stops) = watch::channel(false);
    let (audit, auditing) = match &config.collector {
        None => (Audit::to_log(metrics.clone()), None),
        Some(target) => {
            let made = Audit::to_collector(target, metrics.clone(), audit_stops);
            let (audit, sending) = made.map_err(Failure::failed)?;
            (audit, Some(tokio::spawn(sending)))
        }
    };
    let tails = Tails::new(&config.tail, metrics.clone())?;
    let views = Views::new(&store, config.views_database.as_deref());
    let sources = Sources { store, tails, views };
    let state = App::new(sources, who, audit, metrics.clone(), config.limits, tls.is_some());
    let (stop_server, server_stops) = watch::channel(false);
    let limits = ServerLimits {
        connections: config.max_connections,
        header_time: config.header_timeout,
        stop_time: config.shutdown_timeout,
        half_close: false,
    };
    let router = app(state.clone());
    let serving = server::serve(listener, router, tls.clone(), limits, metrics, server_stops);
    let mut server = tokio::spawn(serving);
    let told = tokio::select! {
        told = until_told(signals, &state, tls.as_deref()) => Some(told),
        // By a fault of its own: nobody could ask for health any more.
        _ = &mut server => None,
    };
    match told {
        Some(signal) => {
            tracing::info!(signal, "stopping: accepting no more");
            state.tails().stop();
            let _ = stop_server.send(true);
            let _ = server.await;
        }
        None => tracing::error!(critical = true, "the server stopped unexpectedly: exiting"),
    }
    let _ = stop_audit.send(true);
    if let Some(auditing) = auditing {
        let _ = tokio::time::timeout(config.shutdown_timeout, auditing).await;
    }
    tracing::info!("stopped");
    told.map(drop).ok_or_else(|| Failure::failed("the server stopped unexpectedly"))
}

/// The signals that are acted on, from now on.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
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
        match state.who().tokens().map_or(Ok(false), Tokens::reread) {
            Ok(true) => {
                faulty = false;
                tracing::info!("tokens reloaded");
            }
            Ok(false) => faulty = false,
            Err(error) => {
                if force || !faulty {
                    tracing::error!(
                        %error,
                        "GATELOG_CONSOLE_TOKENS_FILE not reloaded: the old tokens stay in use"
                    );
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
