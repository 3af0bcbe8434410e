//! Views in MongoDB.

use gatelog_collector::clock;
use gatelog_collector::store::{Store, StoreError};
use gatelog_record::Timestamp;
use mongodb::Collection;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::Error;
use mongodb::options::{
    Acknowledgment, CollectionOptions, ReadPreference, SelectionCriteria, WriteConcern,
};

use super::access::{Access, is_missing_right};
use super::{CALL_TIME, Draft, Full, NotKept, OF_ALL, OF_VIEWER, SHARED, View, ViewsError, owner};
use crate::who::{Role, Viewer};

/// The collection.
const VIEWS: &str = "views";
/// Views read beyond a bound: several consoles may exceed it a little.
const SPARE: i64 = 50;
/// Characters kept of an owner's name.
const BY_CHARS: usize = 100;
/// The id of no view.
const NONE: &str = "none";

const OWN: &str = "own:";
const ALL_SHARED: &str = "shared:";

/// The views of a database.
#[derive(Debug)]
pub(super) struct Kept {
    store: Store,
    views: Collection<Document>,
    access: Access,
}

impl Kept {
    pub(super) fn new(store: Store, database: &str) -> Self {
        let durable = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(CALL_TIME)
            .build();
        // What was saved is in the next list.
        let options = CollectionOptions::builder()
            .write_concern(durable)
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        let client = store.database().client();
        let views = client.database(database).collection_with_options(VIEWS, options);
        Self { store, views, access: Access::new(database) }
    }

    pub(super) async fn list(&self, viewer: &Viewer) -> Result<Vec<View>, ViewsError> {
        let (views, owner) = (self.views.clone(), owner::key(viewer));
        let (sees_shared, unsure) = (viewer.role == Role::All, !self.access.is_granted());
        self.run(async move {
            if unsure {
                // Changes nothing, and is refused to who may not write.
                views.delete_one(doc! { "_id": NONE }).await?;
            }
            let mut found = read(&views, &format!("{OWN}{owner}:"), OF_VIEWER, &owner).await?;
            if sees_shared {
                found.extend(read(&views, ALL_SHARED, SHARED, &owner).await?);
            }
            found.sort_by(|one, other| (!one.own, &one.name).cmp(&(!other.own, &other.name)));
            Ok(found)
        })
        .await
    }

    pub(super) async fn put(
        &self,
        viewer: &Viewer,
        draft: Draft,
        turn: impl Send + 'static,
    ) -> Result<View, ViewsError> {
        let (views, owner) = (self.views.clone(), owner::key(viewer));
        let by = viewer.name.chars().take(BY_CHARS).collect();
        let Draft { name, address, shared } = draft;
        let view = View { name, address, shared, own: true, by, at: clock::now() };
        let [own, of_all] = ids(&owner, &view.name);
        let (id, other) = if shared { (of_all, own) } else { (own, of_all) };
        let document = doc! {
            "_id": &id, "name": &view.name, "address": &view.address, "by": &view.by,
            "at": DateTime::from_millis(view.at.unix_micros().div_euclid(1_000)),
        };
        let done = self.run(async move {
            let _turn = turn;
            if let Some(full) = full(&views, &owner, &id, &other, shared).await? {
                return Ok(Err(full));
            }
            views.replace_one(doc! { "_id": id }, document).upsert(true).await?;
            // Last: what breaks in between leaves two, and loses none.
            views.delete_one(doc! { "_id": other }).await?;
            Ok(Ok(()))
        });
        done.await?.map_err(ViewsError::Full)?;
        Ok(view)
    }

    pub(super) async fn delete(
        &self,
        viewer: &Viewer,
        name: &str,
        turn: impl Send + 'static,
    ) -> Result<bool, ViewsError> {
        let views = self.views.clone();
        let ids = ids(&owner::key(viewer), name);
        self.run(async move {
            let _turn = turn;
            let deleted = views.delete_many(doc! { "_id": { "$in": ids.to_vec() } }).await?;
            Ok(deleted.deleted_count > 0)
        })
        .await
    }

    /// Runs a call within its time, unless it is known to be refused.
    async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, ViewsError> {
        if self.access.is_denied() {
            return Err(ViewsError::NotKept(NotKept::Denied));
        }
        let result = tokio::time::timeout(CALL_TIME, self.store.run(call)).await;
        let result = result.unwrap_or(Err(StoreError::Timeout { after: CALL_TIME }));
        self.access.learn(&result);
        result.map_err(|error| {
            if is_missing_right(&error) {
                ViewsError::NotKept(NotKept::Denied)
            } else {
                ViewsError::Store(error)
            }
        })
    }
}

/// The ids of an owner's view of this name, not shared and shared. An owner's key has neither `:` nor `;`.
fn ids(owner: &str, name: &str) -> [String; 2] {
    [OWN, ALL_SHARED].map(|kind| format!("{kind}{owner}:{name}"))
}

/// All ids with this prefix, which ends with `:`.
fn with_prefix(prefix: &str) -> Document {
    // `;` comes after `:`.
    let end = format!("{};", prefix.trim_end_matches(':'));
    doc! { "_id": { "$gte": prefix, "$lt": end } }
}

async fn count(views: &Collection<Document>, filter: Document) -> Result<u64, Error> {
    views.count_documents(filter).max_time(CALL_TIME).await
}

/// The bound that a view with this id would exceed. `other` is the same view's if it is shared or not.
async fn full(
    views: &Collection<Document>,
    owner: &str,
    id: &str,
    other: &str,
    shared: bool,
) -> Result<Option<Full>, Error> {
    let is_there = count(views, doc! { "_id": id }).await? > 0;
    let is_new = !is_there && count(views, doc! { "_id": other }).await? == 0;
    let of_prefix = |prefix: String| async move { count(views, with_prefix(&prefix)).await };
    if is_new {
        let own = of_prefix(format!("{OWN}{owner}:")).await?;
        let own_shared = of_prefix(format!("{ALL_SHARED}{owner}:")).await?;
        if own.saturating_add(own_shared) >= OF_VIEWER {
            return Ok(Some(Full::Viewer));
        }
    }
    let all_shared = of_prefix(ALL_SHARED.to_owned()).await?;
    if shared && !is_there && all_shared >= SHARED {
        return Ok(Some(Full::Shared));
    }
    if is_new && of_prefix(OWN.to_owned()).await?.saturating_add(all_shared) >= OF_ALL {
        return Ok(Some(Full::All));
    }
    Ok(None)
}

/// The views whose ids have this prefix, as this owner sees them.
async fn read(
    views: &Collection<Document>,
    prefix: &str,
    bound: u64,
    owner: &str,
) -> Result<Vec<View>, Error> {
    let most = i64::try_from(bound).unwrap_or(i64::MAX).saturating_add(SPARE);
    let mut cursor = views.find(with_prefix(prefix)).limit(most).max_time(CALL_TIME).await?;
    let mut found = Vec::new();
    while cursor.advance().await? {
        // What is no view was not written by a console.
        found.extend(view(&cursor.deserialize_current()?, owner));
    }
    Ok(found)
}

fn view(document: &Document, owner: &str) -> Option<View> {
    let text = |key: &str| document.get_str(key).ok().map(str::to_owned);
    let (kind, rest) = document.get_str("_id").ok()?.split_once(':')?;
    let (of, _) = rest.split_once(':')?;
    let micros = document.get_datetime("at").ok()?.timestamp_millis().saturating_mul(1_000);
    Some(View {
        name: text("name")?,
        address: text("address")?,
        shared: kind != OWN.trim_end_matches(':'),
        own: of == owner,
        by: text("by")?,
        at: Timestamp::from_unix_micros(micros),
    })
}
