//! Saved views: whose they are.

mod bounds;
mod not_kept;

use std::fs;
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatelog_testkit::{Database, Signal, eventually};
use serde_json::{Value, json};

use crate::fixture::{A, ALL, B, Console, VIEWS, encoded};

const PATIENCE: Duration = Duration::from_mins(1);

/// An address with a text that only its owner may see.
fn address(text: &str) -> String {
    format!("/search?query=org%3A{text}")
}

async fn save(console: &Console, token: &str, name: &str, text: &str, shared: bool) -> u16 {
    let view = json!({"name": name, "address": address(text), "shared": shared});
    console.change(token, Method::PUT, "views", &view).await.status.as_u16()
}

async fn delete(console: &Console, token: &str, name: &str) -> u16 {
    let path = format!("views?name={}", encoded(name));
    console.change(token, Method::DELETE, &path, &Value::Null).await.status.as_u16()
}

/// Names of the views that a viewer sees, a shared one's with `*`, another's with `@` and its owner.
async fn names(console: &Console, token: &str) -> Vec<String> {
    let answer = console.json(token, "views").await;
    assert_eq!((&answer["kept"], &answer["reason"]), (&json!(true), &Value::Null));
    let view = |view: &Value| {
        let shared = if view["shared"] == true { "*" } else { "" };
        let by = view["by"].as_str().unwrap();
        let by = if view["own"] == true { String::new() } else { format!("@{by}") };
        format!("{}{shared}{by}", view["name"].as_str().unwrap())
    };
    answer["views"].as_array().unwrap().iter().map(view).collect()
}

async fn metrics(console: &Console) -> String {
    console.send(Method::GET, "/metrics", &[], "").await.text()
}

#[tokio::test]
async fn a_view_is_saved_replaced_shared_and_deleted() {
    let database = Database::fresh().await.unwrap();
    let _views = database.beside(VIEWS);
    let console = Console::start(&database).await;
    assert_eq!(
        console.json(ALL, "views").await,
        json!({
            "kept": true, "reason": null, "may_share": true, "views": [],
        })
    );
    assert_eq!(save(&console, ALL, "b", "one", false).await, 200);
    assert_eq!(save(&console, ALL, "<b>$where:1;</b>", "two", true).await, 200);
    assert_eq!(names(&console, ALL).await, ["<b>$where:1;</b>*", "b"]);
    // Of the same name: replaced, and not there twice when it is shared, or no longer.
    assert_eq!(save(&console, ALL, "b", "three", true).await, 200);
    assert_eq!(save(&console, ALL, "<b>$where:1;</b>", "two", false).await, 200);
    let all = console.json(ALL, "views").await;
    assert_eq!(names(&console, ALL).await, ["<b>$where:1;</b>", "b*"]);
    let view = &all["views"][1];
    assert_eq!((&view["address"], &view["by"]), (&json!(address("three")), &json!("on-call")));
    assert!(view["at"].as_str().unwrap().starts_with("20"), "{view}");
    for name in ["b", "<b>$where:1;</b>"] {
        assert_eq!(delete(&console, ALL, name).await, 204);
        assert_eq!(delete(&console, ALL, name).await, 404);
    }
    assert_eq!(names(&console, ALL).await, [""; 0]);
    let metrics = metrics(&console).await;
    for line in ["outcome=\"saved\"} 2", "outcome=\"shared\"} 2", "outcome=\"deleted\"} 2"] {
        assert!(metrics.contains(&format!("view_changes_total{{{line}")), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn nobody_reads_or_changes_a_view_of_another_viewer() {
    let database = Database::fresh().await.unwrap();
    let _views = database.beside(VIEWS);
    let mut console = Console::start(&database).await;
    let viewers = [(A, "secret-a"), (B, "secret-b"), (ALL, "secret-everything")];
    for (token, text) in viewers {
        assert_eq!(save(&console, token, "mine", text, false).await, 200);
        assert_eq!(save(&console, token, text, text, false).await, 200);
    }
    assert_eq!(save(&console, ALL, "secret-shared", "secret-shared", true).await, 200);
    for (token, own) in viewers {
        for (_, text) in viewers.into_iter().filter(|(_, text)| *text != own) {
            // As unknown as one that does not exist, and its name is free.
            let one = format!("views?name={text}");
            let none = console.change(token, Method::DELETE, "views?name=none", &json!(null)).await;
            let reply = console.change(token, Method::DELETE, &one, &json!(null)).await;
            assert_eq!((reply.status, &reply.body), (none.status, &none.body), "{own} {text}");
            let all = console.get(token, "views").await.text();
            assert!(!all.contains(text), "{own}: {all}");
            assert_eq!(save(&console, token, text, own, false).await, 200);
        }
        let shared = console.get(token, "views").await.text().contains("secret-shared");
        assert_eq!(shared, token == ALL, "shared views are for the role all");
    }
    for (token, own) in viewers {
        let all = console.json(token, "views").await;
        let of_own = |view: &&Value| view["address"] == address(own) && view["own"] == true;
        assert_eq!(all["views"].as_array().unwrap().iter().filter(of_own).count(), 4, "{all:#}");
    }
    // Sharing is for the role all, and no parameter or key makes somebody another.
    let view = json!({"name": "x", "address": "/", "shared": true});
    let told = console.change(A, Method::PUT, "views", &view).await;
    assert_eq!(told.status, 403);
    for path in ["views?owner=bob", "views?name=mine", "views?organization=b"] {
        assert_eq!(console.get(A, path).await.status, 400, "{path}");
    }
    for key in ["owner", "by", "own", "_id", "at"] {
        let view = json!({"name": "x", "address": "/", key: "bob"});
        assert_eq!(console.change(A, Method::PUT, "views", &view).await.status, 400, "{key}");
    }
    // The name with other organizations is somebody else, who can neither see nor change them.
    let tokens = |organizations: &str| {
        format!(
            "{ALL} name=on-call all\n{A} name=ann {organizations}\n{B} name=bob organizations=b"
        )
    };
    for (rights, shown) in
        [("organizations=b", 0), ("organizations=a,b", 0), ("all", 1), ("organizations=a", 4)]
    {
        fs::write(console.file("tokens"), tokens(rights)).unwrap();
        console.process.signal(Signal::HUP).unwrap();
        let reloaded = eventually("the tokens are reloaded", PATIENCE, async || {
            let session = console.json(A, "session").await;
            let of = session["organizations"].as_array().unwrap().iter();
            let of: Vec<_> = of.map(|it| it.as_str().unwrap()).collect();
            let told = if of.is_empty() {
                "all".into()
            } else {
                format!("organizations={}", of.join(","))
            };
            anyhow::ensure!(told == rights, "{told}");
            Ok(())
        });
        reloaded.await.unwrap();
        let seen = names(&console, A).await;
        assert_eq!(seen.len(), shown, "{rights}: {seen:?}");
        assert_eq!(delete(&console, A, "mine").await == 204, rights == "organizations=a");
    }
}

#[tokio::test]
async fn consoles_share_views_and_who_claims_a_name_has_none_of_its_tokens_views() {
    let database = Database::fresh().await.unwrap();
    let _views = database.beside(VIEWS);
    let one = Console::start(&database).await;
    let settings = [
        ("GATELOG_CONSOLE_IDENTITY_HEADER", "x-gatelog-identity"),
        ("GATELOG_CONSOLE_IDENTITY_PEERS", "127.0.0.0/8"),
    ];
    let other = Console::with(&database, &settings).await;
    assert_eq!(save(&one, ALL, "secret", "secret", false).await, 200);
    assert_eq!(save(&one, ALL, "known", "known", true).await, 200);
    assert_eq!(names(&other, ALL).await, ["known*", "secret"]);
    let claims = json!({"sub": "on-call", "gatelog_role": "all"}).to_string();
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let headers = [("x-gatelog-identity", claims.as_str()), ("content-type", "application/json")];
    let reply = other.send(Method::GET, "/api/v1/views", &headers, "").await;
    let seen: Value = reply.json().unwrap();
    let [view] = &seen["views"].as_array().unwrap()[..] else { panic!("{seen:#}") };
    assert_eq!((&view["name"], &view["own"]), (&json!("known"), &json!(false)));
    // What another shares cannot be changed: this is one of its own, with the same name.
    let view = json!({"name": "known", "address": "/live", "shared": true}).to_string();
    assert_eq!(other.send(Method::PUT, "/api/v1/views", &headers, &view).await.status, 200);
    assert_eq!(names(&one, ALL).await, ["known*", "secret", "known*@on-call"]);
    let path = "/api/v1/views?name=known";
    assert_eq!(other.send(Method::DELETE, path, &headers, "").await.status, 204);
    assert_eq!(other.send(Method::DELETE, path, &headers, "").await.status, 404);
    assert_eq!(names(&one, ALL).await, ["known*", "secret"]);
}
