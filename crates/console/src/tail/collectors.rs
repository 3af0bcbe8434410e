//! Which collectors there are: a name may stand for several addresses, which change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatelog_delivery::client::{Client, Target};
use gatelog_delivery::follow::follow;
use tokio::net::lookup_host;
use tokio::task::AbortHandle;

use super::line::{Line, LineFrom};
use super::queue::Notice;

/// How often names are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);
/// Maximum time to resolve one.
const RESOLVE_TIME: Duration = Duration::from_secs(5);
/// Maximum collectors of a tail; further addresses are not followed, and this is said.
pub(super) const COLLECTORS: usize = 64;

/// A collector, or several, by a name.
#[derive(Debug)]
pub(super) struct Named {
    target: Target,
    /// `host:port`.
    host: String,
}

impl Named {
    /// A target that is valid.
    pub(super) fn new(target: Target) -> Result<Self, String> {
        let host = Client::new(&target)?.address().to_owned();
        Ok(Self { target, host })
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::time::timeout(RESOLVE_TIME, lookup_host(&self.host));
        let found = found.await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(one_family(found.collect()))
    }

    /// What an address of it is called: it may be one of several.
    fn label(&self, address: SocketAddr) -> String {
        let url = &self.target.url;
        if self.host == address.to_string() {
            url.clone()
        } else {
            format!("{url} at {}", address.ip())
        }
    }
}

/// The IPv4 addresses, if there are any: a name with both families stands for the same collectors
/// twice, and their records would come twice.
fn one_family(mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    found
}

/// A collector that is followed.
struct Followed {
    /// Its number for viewers who see no addresses, from 1.
    number: usize,
    called: String,
    task: AbortHandle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The collectors that one tail follows.
pub(super) struct Following {
    named: Arc<[Named]>,
    path: Arc<str>,
    line: Line,
    /// Where each name led last, to go on with when it cannot be resolved.
    addresses: Vec<Vec<SocketAddr>>,
    /// Names that cannot be resolved, as the viewer was told.
    unknown: BTreeSet<String>,
    followed: BTreeMap<SocketAddr, Followed>,
    told: Vec<String>,
}

impl Following {
    pub(super) fn new(named: Arc<[Named]>, path: String, line: Line) -> Self {
        let addresses = vec![Vec::new(); named.len()];
        let path = path.into();
        let (unknown, followed, told) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Self { named, path, line, addresses, unknown, followed, told }
    }

    /// Follows them until it is dropped, or nobody reads.
    pub(super) async fn run(mut self) {
        loop {
            let mut found = Vec::new();
            for named in self.named.iter() {
                found.push(named.resolve().await);
            }
            if !self.change(found).await {
                return;
            }
            tokio::time::sleep(RESOLVE_EVERY).await;
        }
    }

    /// The names lead here now. Returns whether anybody reads.
    async fn change(&mut self, found: Vec<io::Result<Vec<SocketAddr>>>) -> bool {
        let mut unknown = Vec::new();
        for (at, found) in found.into_iter().enumerate() {
            let (Some(named), Some(known)) = (self.named.get(at), self.addresses.get_mut(at))
            else {
                continue;
            };
            match found {
                Ok(addresses) => *known = addresses,
                Err(error) => unknown.push((named.target.url.clone(), error.to_string())),
            }
        }
        let wanted = self.wanted();
        let over = wanted.len().saturating_sub(COLLECTORS);
        if over > 0 {
            unknown.push((format!("{over} more"), format!("more than {COLLECTORS} collectors")));
        }
        let wanted: BTreeMap<_, _> = wanted.into_iter().take(COLLECTORS).collect();
        self.followed.retain(|address, _| wanted.contains_key(address));
        let mut new = Vec::new();
        for (address, at) in wanted {
            let Some(named) = self.named.get(at) else { continue };
            if self.followed.contains_key(&address) {
                continue;
            }
            match Client::new(&named.target) {
                Ok(client) => new.push((address, client.at(address), named.label(address))),
                Err(error) => {
                    tracing::error!(%error, "a collector cannot be followed");
                    let why = "its token or CA file cannot be read: the console's log says why";
                    unknown.push((named.label(address), why.to_owned()));
                }
            }
        }
        self.tell(new, unknown).await
    }

    /// The addresses, each once, and the name that each belongs to.
    fn wanted(&self) -> BTreeMap<SocketAddr, usize> {
        let places = self.addresses.iter().enumerate();
        let places = places.flat_map(|(at, known)| known.iter().map(move |address| (*address, at)));
        // In reverse, so that of several names the first counts.
        places.collect::<Vec<_>>().into_iter().rev().collect()
    }

    /// Tells what changed, and begins to follow the new ones.
    async fn tell(
        &mut self,
        new: Vec<(SocketAddr, Client, String)>,
        unknown: Vec<(String, String)>,
    ) -> bool {
        let mut numbers = (1..)
            .filter(|number| !self.followed.values().any(|followed| followed.number == *number));
        let all = self.line.all;
        let new: Vec<_> = new
            .into_iter()
            .zip(numbers.by_ref().take(COLLECTORS).collect::<Vec<_>>())
            .map(|((address, client, called), number)| {
                let called = if all { called } else { format!("collector {number}") };
                (address, client, called, number)
            })
            .collect();
        let public = |url: &String| if all { url.clone() } else { "further collectors".to_owned() };
        let mut names: Vec<_> = self.followed.values().map(|one| one.called.clone()).collect();
        names.extend(new.iter().map(|(_, _, called, _)| called.clone()));
        names.extend(unknown.iter().map(|(url, _)| public(url)));
        names.sort();
        names.dedup();
        if names != self.told {
            self.told.clone_from(&names);
            if !self.line.inlet.tell(Notice::Collectors(names)).await {
                return false;
            }
        }
        let lost: BTreeMap<_, _> =
            unknown.into_iter().map(|(url, why)| (public(&url), why)).collect();
        for (called, why) in &lost {
            if !self.unknown.contains(called) && !self.line.lost(called, why.clone()).await {
                return false;
            }
        }
        self.unknown = lost.into_keys().collect();
        for (address, client, called, number) in new {
            let mut line = LineFrom { collector: called.clone(), line: self.line.clone() };
            let path = Arc::clone(&self.path);
            let task = tokio::spawn(async move {
                let room = line.line.room.clone();
                follow(&client, &path, &room, &mut line).await;
            });
            let followed = Followed { number, called, task: task.abort_handle() };
            self.followed.insert(address, followed);
        }
        true
    }
}

#[cfg(test)]
mod tests;
