//! A response of server-sent events that a task of its own sends.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::task::{AbortHandle, JoinHandle};

/// The response with this body. What sends it ends with it: a client that is gone gives its place back
/// as soon as its connection is seen to be closed.
pub fn event_stream(body: Channel<Bytes, io::Error>, sending: &JoinHandle<()>) -> Response<Body> {
    let sending = EndOnDrop(sending.abort_handle());
    let body = body.map_frame(move |frame| {
        let _held = &sending;
        frame
    });
    let mut response = Response::new(Body::new(body));
    let content = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

/// Ends what sends a stream with the stream's body.
struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
