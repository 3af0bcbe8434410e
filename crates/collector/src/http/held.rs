//! Large responses, and how many are held in memory for clients that are slow to read them.
//!
//! A client may send a request and then not read the response. So only a few responses of a kind
//! exist at once, each is sent in small parts, and one that is not read in time is dropped.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::Next;
use axum::response::IntoResponse;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::answer::Refusal;

/// How much of a response is sent at a time: the part being sent is held a second time until the
/// client reads it.
const PART_BYTES: usize = 16 << 10;
/// How long a client may take to read a response.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The responses of one kind that may exist at once.
#[derive(Clone)]
pub(super) struct Answers {
    places: Arc<Semaphore>,
}

impl Answers {
    pub(super) fn new(count: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(count)) }
    }
}

/// Responds to a request, or refuses it if the maximum number of responses of its kind are still
/// being read.
pub(super) async fn held(
    State(answers): State<Answers>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let Ok(place) = answers.places.try_acquire_owned() else {
        return Refusal::Busy.into_response();
    };
    let (head, body) = next.run(request).await.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => Response::from_parts(head, Body::new(Held::new(bytes, place, ANSWER_TIME))),
        Err(_) => Refusal::Busy.into_response(),
    }
}

/// The rest of a response; empty once it was read or timed out.
type Rest = Arc<Mutex<Option<Kept>>>;

struct Kept {
    bytes: Bytes,
    at: usize,
    _place: Box<dyn Any + Send>,
}

/// A response body.
pub struct Held {
    rest: Rest,
    left: usize,
    timer: AbortHandle,
}

/// The client did not read the response in time.
#[derive(Debug)]
pub struct NotTaken;

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer was not read in time")
    }
}

impl std::error::Error for NotTaken {}

impl Held {
    /// A body that holds its place until it was read, but at most for this time.
    pub fn new(bytes: Bytes, place: impl Send + 'static, time: Duration) -> Self {
        let left = bytes.len();
        let kept = Kept { bytes, at: 0, _place: Box::new(place) };
        let rest: Rest = Arc::new(Mutex::new(Some(kept)));
        let late = Arc::clone(&rest);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            late.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        Self { rest, left, timer: timer.abort_handle() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.timer.abort();
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = NotTaken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotTaken>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let part = {
            let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(kept) = rest.as_mut() else {
                return Poll::Ready(Some(Err(NotTaken)));
            };
            let end = kept.at.saturating_add(PART_BYTES).min(kept.bytes.len());
            // A copy: a slice would keep the whole response in memory.
            let part = Bytes::copy_from_slice(kept.bytes.get(kept.at..end).unwrap_or_default());
            kept.at = end;
            if end == kept.bytes.len() {
                rest.take();
            }
            part
        };
        self.left = self.left.saturating_sub(part.len());
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::OwnedSemaphorePermit;

    use super::*;

    async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        Arc::clone(places).acquire_owned().await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_leaves_whole_in_small_parts_and_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(1));
        let bytes: Bytes =
            (0..100_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
        let mut body = Held::new(bytes.clone(), place(&places).await, ANSWER_TIME);
        assert_eq!(body.size_hint().exact(), Some(100_000));
        let mut read = Vec::new();
        while let Some(part) = body.frame().await {
            let part = part.unwrap().into_data().unwrap();
            assert!(part.len() <= PART_BYTES);
            read.extend_from_slice(&part);
        }
        assert!(read == bytes && body.is_end_stream());
        assert_eq!(places.available_permits(), 1);
        drop(Held::new(bytes, place(&places).await, ANSWER_TIME));
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_in_time_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(1));
        let bytes = Bytes::from(vec![0; 3 * PART_BYTES]);
        let mut body = Held::new(bytes, place(&places).await, Duration::from_millis(20));
        body.frame().await.unwrap().unwrap();
        let _again = place(&places).await;
        assert!(body.frame().await.unwrap().is_err());
    }
}
