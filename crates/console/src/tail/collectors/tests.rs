use gatelog_delivery::follow::Room;
use gatelog_search::{Query, Scope};

use super::super::queue::{Item, Outlet, queue};
use super::*;
use crate::metrics::Metrics;

fn target(url: &str) -> Target {
    Target { url: url.into(), ..Target::default() }
}

/// What follows these names, for a viewer who sees everything or not.
fn following(urls: &[&str], all: bool) -> (Following, Outlet) {
    let (inlet, outlet) = queue(Metrics::new());
    let selection = Arc::new(Scope::ALL.select(Query::ALL));
    let line = Line { selection, all, inlet, room: Room::of(1 << 20) };
    let named = urls.iter().map(|url| Named::new(target(url)).unwrap()).collect();
    (Following::new(named, "/v1/tail".into(), line), outlet)
}

fn at(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

fn list(outlet: &mut Outlet) -> Vec<String> {
    loop {
        if let Item::Notice(Notice::Collectors(list)) = outlet.waiting().expect("a list") {
            return list;
        }
    }
}

fn lost(outlet: &mut Outlet) -> (String, String) {
    match outlet.waiting() {
        Some(Item::Notice(Notice::Lost(collector, why))) => (collector, why),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_addresses_of_a_name_are_followed_and_each_once() {
    let (mut following, mut outlet) = following(&["http://c:1", "http://127.0.0.2:1"], true);
    let found = vec![Ok(at(&["127.0.0.1:1", "127.0.0.2:1"])), Ok(at(&["127.0.0.2:1"]))];
    assert!(following.change(found).await);
    assert_eq!(list(&mut outlet), ["http://c:1 at 127.0.0.1", "http://c:1 at 127.0.0.2"]);
    // One is gone, another is new.
    assert_eq!(following.followed.len(), 2);
    let found = vec![Ok(at(&["127.0.0.1:1", "127.0.0.3:1"])), Ok(at(&["127.0.0.2:1"]))];
    assert!(following.change(found).await);
    let now = list(&mut outlet);
    assert!(now.contains(&"http://c:1 at 127.0.0.3".to_owned()), "{now:?}");
    assert_eq!(following.followed.len(), 3);
    let found = vec![Ok(at(&["127.0.0.3:1"])), Ok(at(&["127.0.0.2:1"]))];
    assert!(following.change(found).await);
    assert!(!list(&mut outlet).contains(&"http://c:1 at 127.0.0.1".to_owned()));
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_said_once_and_its_addresses_are_followed_on() {
    let (mut following, mut outlet) = following(&["http://c:1"], true);
    let fails = || vec![Err(io::Error::other("no such name"))];
    assert!(following.change(vec![Ok(at(&["127.0.0.1:1"]))]).await);
    list(&mut outlet);
    for _ in 0..3 {
        assert!(following.change(fails()).await);
    }
    assert_eq!(list(&mut outlet), ["http://c:1", "http://c:1 at 127.0.0.1"]);
    assert_eq!(lost(&mut outlet), ("http://c:1".to_owned(), "no such name".to_owned()));
    assert!(outlet.waiting().is_none(), "once");
    assert!(following.change(vec![Ok(at(&["127.0.0.1:1"]))]).await);
    assert_eq!(list(&mut outlet), ["http://c:1 at 127.0.0.1"]);
}

#[tokio::test]
async fn a_restricted_viewer_learns_no_address_and_no_fault() {
    let (mut following, mut outlet) = following(&["http://c:1", "http://d:1"], false);
    let found = || vec![Ok(at(&["127.0.0.1:1", "127.0.0.2:1"])), Err(io::Error::other("secret"))];
    assert!(following.change(found()).await);
    assert_eq!(list(&mut outlet), ["collector 1", "collector 2", "further collectors"]);
    let told = lost(&mut outlet);
    assert_eq!(told, ("further collectors".to_owned(), "it cannot be reached".to_owned()));
}

#[tokio::test]
async fn no_more_collectors_are_followed_than_the_bound_and_the_rest_is_said() {
    let (mut following, mut outlet) = following(&["http://c:1"], true);
    let many = (0..70).map(|number| format!("127.0.1.{number}:1").parse().unwrap()).collect();
    assert!(following.change(vec![Ok(many)]).await);
    assert_eq!(following.followed.len(), COLLECTORS);
    assert!(list(&mut outlet).contains(&"6 more".to_owned()));
    assert_eq!(lost(&mut outlet).1, "more than 64 collectors");
}

#[test]
fn of_a_name_with_both_families_only_one_is_followed() {
    assert_eq!(one_family(at(&["[::1]:1", "127.0.0.1:1"])), at(&["127.0.0.1:1"]));
    assert_eq!(one_family(at(&["[::1]:1"])), at(&["[::1]:1"]));
}
