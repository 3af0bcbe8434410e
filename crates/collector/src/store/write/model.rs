//! A test double for the server, which refuses by rules that the test sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatelog_record::Decoded;
use uuid::Uuid;

use super::attempt::{Document, Done, NotDone};
use super::fate::Fate;
use crate::store::classify::{self, Cause, DocumentError};
use crate::store::error::{Answer, StoreError};
use crate::store::{LogCollection, Retention, Store, StoreOptions};

/// The server's response to an insert.
#[derive(Clone, Debug, Default)]
pub(crate) enum Reply {
    /// It accepts everything.
    #[default]
    Taken,
    /// The call as a whole fails with this code.
    Whole(i32),
    /// The documents at these positions fail, each with a code.
    Documents(Vec<(usize, i32)>),
    /// No response in time; what was sent is stored or not.
    Silence {
        /// Whether it is stored.
        stored: bool,
    },
    /// The task that makes the call panics.
    Panic,
}

type Rule = dyn Fn(LogCollection, &[Uuid]) -> Reply + Send + Sync;

/// The server.
pub(crate) struct ModelServer {
    rule: Box<Rule>,
    /// Whether it responds to pings.
    pub(crate) alive: AtomicBool,
    /// Ids, each with the mark of the row that inserted it.
    stored: Mutex<BTreeMap<LogCollection, BTreeMap<Uuid, Option<i64>>>>,
}

impl fmt::Debug for ModelServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelServer").finish_non_exhaustive()
    }
}

impl ModelServer {
    pub(crate) fn new(
        rule: impl Fn(LogCollection, &[Uuid]) -> Reply + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (alive, stored) = (AtomicBool::new(true), Mutex::default());
        Arc::new(Self { rule: Box::new(rule), alive, stored })
    }

    /// A store that uses this server.
    pub(crate) async fn store(self: &Arc<Self>) -> Store {
        let options = StoreOptions {
            retention: Retention::default(),
            server_selection_timeout: Duration::from_millis(1),
            ..StoreOptions::new("mongodb://127.0.0.1:1/", "logs")
        };
        let mut store = Store::connect(&options).await.unwrap();
        Arc::get_mut(&mut store.inner).unwrap().model = Some(Arc::clone(self));
        store
    }

    /// The ids in a collection.
    pub(crate) fn ids(&self, collection: LogCollection) -> BTreeSet<Uuid> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.get(&collection).map(|held| held.keys().copied().collect()).unwrap_or_default()
    }

    pub(crate) fn ping(&self) -> Result<(), StoreError> {
        if self.alive.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(StoreError::Away("a test's own".into()))
        }
    }

    pub(in crate::store) fn remove(&self, records: &[&Decoded]) -> u64 {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let held = |(name, id)| stored.get_mut(&name).and_then(|held| held.remove(&id));
        let names = records
            .iter()
            .flat_map(|record| LogCollection::of_record(record).map(|name| (name, record.id)));
        names.filter_map(held).count() as u64
    }

    pub(super) fn attempt(
        &self,
        collection: LogCollection,
        documents: &[Document],
    ) -> Result<Done, NotDone> {
        let ids: Vec<_> = documents.iter().map(|document| document.id).collect();
        match (self.rule)(collection, &ids) {
            Reply::Taken => Ok(self.take(collection, documents, &[])),
            Reply::Documents(errors) => Ok(self.take(collection, documents, &errors)),
            Reply::Whole(code) => {
                let error = told(code);
                Err(NotDone::of(classify::cause(code), error.to_string(), error))
            }
            Reply::Silence { stored } => {
                if stored {
                    self.take(collection, documents, &[]);
                }
                let error = StoreError::Timeout { after: Duration::from_secs(1) };
                Err(NotDone::of(Cause::Server, String::new(), error))
            }
            Reply::Panic => panic!("a test's own"),
        }
    }

    fn take(
        &self,
        collection: LogCollection,
        documents: &[Document],
        errors: &[(usize, i32)],
    ) -> Done {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let held = stored.entry(collection).or_default();
        let mut done = Done { fates: vec![Fate::Stored; documents.len()], condition: None };
        for (index, code) in errors {
            if let DocumentError::Other(cause) = classify::of_document(*code) {
                done.place(collection, *index, cause, || (told(*code).to_string(), told(*code)));
            }
        }
        for (document, fate) in documents.iter().zip(&mut done.fates) {
            if *fate != Fate::Stored {
                continue;
            }
            match held.get(&document.id) {
                Some(mark) => {
                    let own = document.mark.is_some() && *mark == document.mark;
                    *fate = Fate::Duplicate { own };
                }
                None => {
                    held.insert(document.id, document.mark);
                }
            }
        }
        done
    }
}

fn told(code: i32) -> StoreError {
    StoreError::of_answer(Answer { code, name: String::new(), message: "refused".into() })
}
