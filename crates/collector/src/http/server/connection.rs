//! One connection, from its first byte to its last: TLS, requests, and when it must end.
//!
//! One timer covers everything. From the moment the connection is accepted, and again from each
//! response, the next request's headers must be complete within the header time, whatever else is
//! sent: nothing, half a TLS handshake, half an HTTP/2 preface, half a header, pings.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::ingest::POST_BYTES;

use super::ServerLimits;
use super::places::Peer;
use super::tls::Tls;

/// Maximum concurrent requests on one HTTP/2 connection: a gateway's worker has only a few.
const STREAMS: u32 = 16;
/// Maximum bytes of a request's headers, and of the read buffer of an HTTP/1 connection.
const HEADER_BYTES: u32 = 16 << 10;
const _: () = assert!(HEADER_BYTES as usize <= POST_BYTES, "a post's share holds its headers");
/// Maximum unread bytes that an HTTP/2 connection, and one request on it, may send.
const WINDOW_BYTES: u32 = 128 << 10;
/// How long a connection that was told to close may take to do so.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Normally, closed by either side.
    Done,
    /// With a TLS or protocol error.
    Failed,
    /// No request arrived in time.
    Idle,
    /// Another connection needed its place.
    Evicted,
}

/// Who is at the other end.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) peer: &'a Peer,
    pub(super) address: ConnectInfo<SocketAddr>,
}

/// The settings that all connections share.
pub(super) struct Settings {
    pub(super) router: Router,
    pub(super) header_time: Duration,
    pub(super) builder: Builder<TokioExecutor>,
}

impl Settings {
    pub(super) fn new(router: Router, limits: ServerLimits) -> Self {
        let ServerLimits { header_time, half_close, .. } = limits;
        Self { router, header_time, builder: builder(half_close) }
    }

    /// Serves a connection until it ends, or until `stop` becomes true and its requests are
    /// answered.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        tls: Option<&Tls>,
        client: Client<'_>,
        stop: watch::Receiver<bool>,
    ) -> End {
        let peer = client.peer;
        let Some(tls) = tls else {
            return self.requests(stream, client, stop).await;
        };
        let handshake = tls.acceptor().accept(stream);
        let stream = tokio::select! {
            stream = handshake => stream,
            () = peer.quiet_for(self.header_time) => return End::Idle,
            () = peer.sent_away() => return End::Evicted,
        };
        match stream {
            Ok(stream) => self.requests(stream, client, stop).await,
            Err(_) => End::Failed,
        }
    }

    async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        Client { peer, address }: Client<'_>,
        mut stop: watch::Receiver<bool>,
    ) -> End {
        // The peer counts as busy with a request until there is a response.
        let service = service_fn(|mut request: Request<Incoming>| {
            let turn = peer.begin();
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(address);
            let answer = self.router.clone().oneshot(request);
            async move {
                let answer = answer.await;
                drop(turn);
                answer
            }
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        // Set once it was told to end: the outcome to report when it does.
        let mut told = None;
        loop {
            let limit = if told.is_some() { LEAVE_TIME } else { self.header_time };
            let why = tokio::select! {
                result = connection.as_mut() => {
                    return told.unwrap_or(if result.is_ok() { End::Done } else { End::Failed });
                }
                () = peer.sent_away() => return End::Evicted,
                () = peer.quiet_for(limit) => End::Idle,
                _ = stop.wait_for(|stop| *stop), if told.is_none() => End::Done,
            };
            match told {
                Some(told) => return told,
                None => {
                    // Gracefully, so that a request that is just arriving is not lost.
                    connection.as_mut().graceful_shutdown();
                    peer.start_quiet();
                    told = Some(why);
                }
            }
        }
    }
}

fn builder(half_close: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The connection's own timer covers headers.
        .header_read_timeout(None)
        .half_close(half_close)
        .max_buf_size(HEADER_BYTES as usize);
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    builder
}
