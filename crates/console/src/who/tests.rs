use std::fs;
use std::path::PathBuf;

use super::*;

const ALL: &str = "all-0123456789abcdef";
const ONE: &str = "one-0123456789abcdef";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Fixture {
    who: Who,
    tokens: PathBuf,
    code: PathBuf,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let (tokens, code) = (dir.path().join("tokens"), dir.path().join("code"));
    fs::write(&tokens, format!("{ALL} name=on-call all\n{ONE} name=one organizations=a\n"))
        .unwrap();
    let who = Who::new(
        Some(Tokens::from_file(&tokens).unwrap()),
        Some(Code::to_file(&code).unwrap()),
        None,
        Duration::from_hours(1),
    );
    Fixture { who, tokens, code, _dir: dir }
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().unwrap());
    headers
}

impl Fixture {
    fn by_cookie(&self, id: &str) -> Result<Arc<Viewer>, Nobody> {
        self.who.viewer(&headers("cookie", &format!("a=b; {COOKIE_NAME}={id}")), HERE)
    }
}

#[test]
fn a_bearer_and_a_session_are_whom_their_token_says() {
    let fixture = fixture();
    let bearer = headers("authorization", &format!("Bearer {ONE}"));
    assert_eq!(fixture.who.viewer(&bearer, HERE).unwrap().name, "one");
    let (id, viewer) = fixture.who.sign_in(Secret::Token(ALL), HERE).unwrap();
    assert_eq!((id.len(), viewer.name.as_str()), (64, "on-call"));
    assert_eq!(fixture.by_cookie(&id).unwrap(), viewer);
    for nobody in ["", "x", &"0".repeat(64), id.get(..63).unwrap()] {
        assert_eq!(fixture.by_cookie(nobody), Err(Nobody::Unknown));
    }
    assert_eq!(fixture.who.viewer(&HeaderMap::new(), HERE), Err(Nobody::Unknown));
    assert_eq!(fixture.who.sign_in(Secret::Token(&id), HERE), Err(Nobody::Unknown));
    fixture.who.sign_out(&headers("cookie", &format!("{COOKIE_NAME}={id}")));
    assert_eq!(fixture.by_cookie(&id), Err(Nobody::Unknown));
}

#[test]
fn a_session_ends_with_its_token_and_changes_with_it() {
    let fixture = fixture();
    let (id, _) = fixture.who.sign_in(Secret::Token(ALL), HERE).unwrap();
    let tokens = fixture.who.tokens().unwrap();
    fs::write(&fixture.tokens, format!("{ALL} name=on-call organizations=a")).unwrap();
    tokens.reread().unwrap();
    assert_eq!(fixture.by_cookie(&id).unwrap().role, Role::Organizations(vec!["a".into()]));
    fs::write(&fixture.tokens, format!("{ONE} name=one organizations=a")).unwrap();
    tokens.reread().unwrap();
    assert_eq!(fixture.by_cookie(&id), Err(Nobody::Unknown));
    assert_eq!(fixture.who.sessions(), 0);
    // A token that comes back brings no session back.
    fs::write(&fixture.tokens, format!("{ALL} name=on-call all")).unwrap();
    tokens.reread().unwrap();
    assert_eq!(fixture.by_cookie(&id), Err(Nobody::Unknown));
}

#[test]
fn an_expired_token_is_nobodys() {
    let fixture = fixture();
    let (id, _) = fixture.who.sign_in(Secret::Token(ONE), HERE).unwrap();
    let line = format!("{ONE} name=one organizations=a expires=2020-01-01T00:00:00Z");
    fs::write(&fixture.tokens, line).unwrap();
    fixture.who.tokens().unwrap().reread().unwrap();
    assert_eq!(fixture.by_cookie(&id), Err(Nobody::Unknown));
    assert_eq!(fixture.who.sign_in(Secret::Token(ONE), HERE), Err(Nobody::Unknown));
}

#[test]
fn a_code_begins_one_session() {
    let fixture = fixture();
    let code = fs::read_to_string(&fixture.code).unwrap();
    let (id, viewer) = fixture.who.sign_in(Secret::Code(&code), HERE).unwrap();
    assert_eq!(viewer.role, Role::All);
    assert_eq!(fixture.by_cookie(&id).unwrap(), viewer);
    assert_eq!(fixture.who.sign_in(Secret::Code(&code), HERE), Err(Nobody::Unknown));
}

#[test]
fn after_ten_failures_even_a_right_token_waits() {
    let fixture = fixture();
    let wrong = headers("authorization", "Bearer wrong-0123456789abcdef");
    for _ in 0..5 {
        assert_eq!(fixture.who.viewer(&wrong, HERE), Err(Nobody::Unknown));
        assert_eq!(fixture.who.sign_in(Secret::Token("wrong"), HERE), Err(Nobody::Unknown));
    }
    assert!(matches!(fixture.who.sign_in(Secret::Token(ALL), HERE), Err(Nobody::TooMany(_))));
    let elsewhere = "192.0.2.1".parse().unwrap();
    assert!(fixture.who.sign_in(Secret::Token(ALL), elsewhere).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_viewer_is_still_one_only_with_the_same_rights() {
    let fixture = fixture();
    let (id, viewer) = fixture.who.sign_in(Secret::Token(ONE), HERE).unwrap();
    let cookie = headers("cookie", &format!("{COOKIE_NAME}={id}"));
    let bearer = headers("authorization", &format!("Bearer {ONE}"));
    let still = |headers: &HeaderMap| fixture.who.is_still(&viewer, headers, HERE);
    assert!(still(&cookie) && still(&bearer) && !still(&HeaderMap::new()));
    let expired =
        Viewer::new(viewer.known_by, viewer.name.clone(), viewer.role.clone(), Some(clock::now()));
    assert!(!fixture.who.is_still(&expired.unwrap(), &bearer, HERE));
    // Being looked at is no request: the session stays idle.
    tokio::time::advance(Duration::from_mins(59)).await;
    assert!(still(&cookie));
    tokio::time::advance(Duration::from_mins(2)).await;
    assert!(!still(&cookie) && still(&bearer));
    fs::write(&fixture.tokens, format!("{ONE} name=one organizations=a,b")).unwrap();
    fixture.who.tokens().unwrap().reread().unwrap();
    assert!(!still(&bearer), "other rights");
}
