//! Overviews that are made once for all who ask for the same at about the same time: as in an incident,
//! when a whole team opens the first page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Mutex as Place;
use tokio::time::{Instant, timeout};

use super::super::answer::Refusal;
use super::period::Looked;
use super::scope::Visible;

/// How long an overview is given to others than who asked first. Collectors write counts every 15 s.
const FRESH: Duration = Duration::from_secs(2);
/// Maximum overviews kept besides those that are being asked for: up to some hundred kilobytes each.
const KEPT: usize = 16;

/// What is shown, of which periods. Who may see the same sees the same.
pub(super) type Question = (Visible, Looked);

/// The overviews that are being made, and those that were made just now.
#[derive(Debug, Default)]
pub(in crate::api) struct Shared {
    places: Mutex<HashMap<Question, Arc<Place<Option<Made>>>>>,
}

#[derive(Debug)]
struct Made {
    /// Or why there is none.
    body: Result<Bytes, Refusal>,
    at: Instant,
}

impl Made {
    /// Whether it is given to who asked at this time: everybody who waited for it has the same, also a refusal.
    fn answers(&self, asked: Instant) -> bool {
        self.at >= asked || (self.body.is_ok() && self.at.elapsed() < FRESH)
    }
}

impl Shared {
    /// The answer to a question. If it is being made, waits for it, but no longer than this (`None` then); if it
    /// was not made just now, makes it.
    pub(super) async fn get(
        &self,
        question: Question,
        wait: Duration,
        make: impl Future<Output = Result<Bytes, Refusal>>,
    ) -> Option<Result<Bytes, Refusal>> {
        let asked = Instant::now();
        let place = self.place(question);
        let mut last = timeout(wait, place.lock()).await.ok()?;
        if let Some(last) = last.as_ref().filter(|last| last.answers(asked)) {
            return Some(last.body.clone());
        }
        let body = make.await;
        *last = Some(Made { body: body.clone(), at: Instant::now() });
        Some(body)
    }

    fn place(&self, question: Question) -> Arc<Place<Option<Made>>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let full = places.len() >= KEPT;
        places.retain(|_, place| {
            // Who waits for it, or makes it, has it too.
            let Some(place) = Arc::get_mut(place) else { return true };
            let is_fresh = |made: &Made| made.body.is_ok() && made.at.elapsed() < FRESH;
            !full && place.get_mut().as_ref().is_some_and(is_fresh)
        });
        Arc::clone(places.entry(question).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gatelog_search::Scope;
    use tokio::task::JoinSet;

    use super::super::super::span::{Span, time};
    use super::*;

    const WAIT: Duration = Duration::from_secs(9);

    fn question(organization: Option<&str>, minute: i64) -> Question {
        let scope = organization
            .map_or(Scope::ALL, |name| Scope::organizations([name.to_owned()]).unwrap());
        let span = Span { since: time(minute * 60_000), until: time((minute + 1) * 60_000) };
        (Visible::of(&scope), Looked::of(span, 0))
    }

    /// Asks, and makes the next number, which takes a second.
    async fn ask(
        shared: &Shared,
        of: Question,
        made: &AtomicUsize,
    ) -> Option<Result<Bytes, Refusal>> {
        let making = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let number = made.fetch_add(1, Ordering::Relaxed);
            if number == 0 { Err(Refusal::fault()) } else { Ok(number.to_string().into()) }
        };
        shared.get(of, WAIT, making).await
    }

    /// Asks so many times at once.
    async fn ask_at_once(
        shared: &Arc<Shared>,
        made: &Arc<AtomicUsize>,
        askers: usize,
    ) -> Vec<Option<Result<Bytes, Refusal>>> {
        let mut asked = JoinSet::new();
        for _ in 0..askers {
            let (shared, made) = (Arc::clone(shared), Arc::clone(made));
            asked.spawn(async move { ask(&shared, question(None, 0), &made).await });
        }
        asked.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_the_same_at_the_same_time_is_given_the_same() {
        let (shared, made) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let refused = ask_at_once(&shared, &made, 8).await;
        assert_eq!(refused, vec![Some(Err(Refusal::fault())); 8], "also a refusal");
        let first = ask_at_once(&shared, &made, 8).await;
        assert_eq!(first, vec![Some(Ok(Bytes::from("1"))); 8], "it is made again after a refusal");
        assert_eq!(ask(&shared, question(None, 0), &made).await, Some(Ok("1".into())));
        tokio::time::sleep(FRESH).await;
        assert_eq!(ask(&shared, question(None, 0), &made).await, Some(Ok("2".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_see_something_else_or_asks_for_another_time_is_given_another() {
        let (shared, made) = (Shared::default(), AtomicUsize::new(1));
        for (of, number) in [
            (question(None, 0), "1"),
            (question(Some("a"), 0), "2"),
            (question(Some("b"), 0), "3"),
            (question(Some("a"), 1), "4"),
        ] {
            assert_eq!(ask(&shared, of, &made).await, Some(Ok(number.into())));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn if_who_makes_it_goes_away_the_next_one_makes_it_and_nobody_waits_for_ever() {
        let (shared, made) = (Arc::new(Shared::default()), Arc::new(AtomicUsize::new(1)));
        let gone = ask_at_once(&shared, &made, 1);
        assert!(timeout(Duration::from_millis(500), gone).await.is_err());
        assert_eq!(ask(&shared, question(None, 0), &made).await, Some(Ok("1".into())));
        let never = shared.get(question(None, 1), WAIT, std::future::pending());
        let waits = async {
            tokio::task::yield_now().await;
            shared.get(question(None, 1), WAIT, std::future::pending()).await
        };
        tokio::select! {
            answer = waits => assert_eq!(answer, None),
            _ = never => unreachable!("it is never made"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_kept() {
        let (shared, made) = (Shared::default(), AtomicUsize::new(1));
        for minute in 0..100 {
            let at_once = async { Ok(Bytes::new()) };
            assert!(shared.get(question(None, minute), WAIT, at_once).await.is_some());
            assert!(shared.places.lock().unwrap().len() <= KEPT);
        }
        tokio::time::sleep(FRESH).await;
        assert!(ask(&shared, question(None, 0), &made).await.is_some());
        assert_eq!(shared.places.lock().unwrap().len(), 1);
    }
}
