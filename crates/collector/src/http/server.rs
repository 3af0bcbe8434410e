//! The listener: connections, their limits, TLS, and stopping without dropping a request.

mod connection;
mod places;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::metrics::{Metrics, OpenConnection};
use connection::{Client, End, Settings};
use places::{Place, Places, Taken};

pub use places::{Peer, Turn};
pub use tls::{Tls, TlsError, TlsFiles};

/// How long to pause after the system refused another connection (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits on connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Maximum open connections; above it, a new one replaces an idle one, or is closed.
    pub connections: usize,
    /// Maximum time from opening a connection, or from a response, to the next request's
    /// complete headers, a TLS handshake included.
    pub header_time: Duration,
    /// How long requests in progress may take once the server stops.
    pub stop_time: Duration,
    /// Whether an HTTP/1 client that has closed its side of the connection is still answered, as a
    /// sender that closes it right after a post has posted. Then a client that is gone is noticed
    /// only when writing to it fails.
    pub half_close: bool,
}

/// Binds the first of the addresses that can be bound.
///
/// # Errors
///
/// The error for the last address.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    TcpListener::bind(addresses).await
}

/// Writes the bound address to a file atomically.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_address(file: &Path, address: SocketAddr) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let temporary = Path::new(&name);
    std::fs::write(temporary, format!("{address}\n"))?;
    std::fs::rename(temporary, file)
}

/// Counts what becomes of connections.
pub trait CountConnections: Clone + Send + Sync + 'static {
    /// An open connection; it has ended when this is dropped.
    type Open: Send + 'static;
    /// A connection was opened.
    fn opened(&self) -> Self::Open;
    /// One was closed at once: all others were busy.
    fn refused(&self);
    /// One ended in a TLS or protocol error.
    fn failed(&self);
    /// One was closed: no request came in time.
    fn idle(&self);
    /// An idle one was closed to make room for another.
    fn evicted(&self);
}

impl CountConnections for Metrics {
    type Open = OpenConnection;

    fn opened(&self) -> OpenConnection {
        self.connection()
    }

    fn refused(&self) {
        self.connection_refused();
    }

    fn failed(&self) {
        self.connection_failed();
    }

    fn idle(&self) {
        self.connection_idle();
    }

    fn evicted(&self) {
        self.connection_evicted();
    }
}

/// Serves until `stop` becomes true; then accepts no more connections, lets requests in progress
/// finish, and returns.
///
/// Each request carries its [`Peer`], and the peer's address as [`ConnectInfo`].
pub async fn serve<M: CountConnections>(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
    metrics: M,
    mut stop: watch::Receiver<bool>,
) {
    let server = Arc::new(Server {
        settings: Settings::new(router, limits),
        tls,
        metrics,
        stop: stop.clone(),
    });
    let places = Places::new(limits.connections);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, from)) => match places.take().await {
                Taken::Free(place) => Arc::clone(&server).start(stream, from, place),
                Taken::Evicted(place) => {
                    server.metrics.evicted();
                    Arc::clone(&server).start(stream, from, place);
                }
                Taken::Refused => server.metrics.refused(),
            },
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.stop_time, places.all_free()).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
}

struct Server<M> {
    settings: Settings,
    tls: Option<Arc<Tls>>,
    metrics: M,
    stop: watch::Receiver<bool>,
}

impl<M: CountConnections> Server<M> {
    fn start(self: Arc<Self>, stream: TcpStream, from: SocketAddr, place: Place) {
        let open = self.metrics.opened();
        // Responses are small: each should be sent immediately.
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let tls = self.tls.as_deref();
            let client = Client { peer: place.peer(), address: ConnectInfo(from) };
            match self.settings.serve(stream, tls, client, self.stop.clone()).await {
                End::Done | End::Evicted => {}
                End::Failed => self.metrics.failed(),
                End::Idle => self.metrics.idle(),
            }
            drop((open, place));
        });
    }
}
