//! The listening side: connections, their limits, TLS, and stopping without dropping a request.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::metrics::Metrics;

pub use tls::{Tls, TlsError, TlsFiles};

/// Most requests of one HTTP/2 connection at once.
const STREAMS: u32 = 128;
/// Most bytes of a request's headers.
const HEADER_BYTES: u32 = 16 << 10;
/// Most bytes that an HTTP/2 connection, and one request of it, may send ahead of being read.
const WINDOW_BYTES: u32 = 1 << 20;
/// How long to wait after the system refused another connection (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Most open at once; past it, new ones are closed.
    pub connections: usize,
    /// Longest wait for a request's headers, for a TLS handshake, and between two requests.
    pub header_time: Duration,
    /// How long open requests may take once the server stops.
    pub stop_time: Duration,
}

/// Binds the first of the addresses that can be bound.
///
/// # Errors
///
/// Those of the last address.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    TcpListener::bind(addresses).await
}

/// Writes the bound address for others to find: whole or not at all.
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

/// Serves until `stop` becomes true; then accepts no more, lets open requests finish, and
/// returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    let server = Server {
        router,
        tls,
        builder: builder(limits),
        header_time: limits.header_time,
        places: Arc::new(Semaphore::new(limits.connections)),
        metrics,
    };
    let server = Arc::new(server);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => Arc::clone(&server).accept(stream, &graceful),
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.stop_time, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
}

struct Server {
    router: Router,
    tls: Option<Arc<Tls>>,
    builder: Builder<TokioExecutor>,
    header_time: Duration,
    places: Arc<Semaphore>,
    metrics: Metrics,
}

impl Server {
    fn accept(self: Arc<Self>, stream: TcpStream, graceful: &GracefulShutdown) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.connection_refused();
            return;
        };
        let open = self.metrics.connection();
        // Answers are small: each should leave at once.
        let _ = stream.set_nodelay(true);
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let _held = (place, open);
            if !self.connection(stream, watcher).await {
                self.metrics.connection_failed();
            }
        });
    }

    /// Says whether it ended well.
    async fn connection(
        &self,
        stream: TcpStream,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> bool {
        let Some(tls) = &self.tls else {
            return self.requests(stream, watcher).await;
        };
        match tokio::time::timeout(self.header_time, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.requests(stream, watcher).await,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> bool {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        watcher.watch(connection.into_owned()).await.is_ok()
    }
}

fn builder(limits: ServerLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        // A peer that went away without a word is found and its place given back.
        .keep_alive_interval(limits.header_time)
        .keep_alive_timeout(limits.header_time);
    builder
}
