#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use gatelog_record::RecordLimits;

use super::*;

fn redaction() -> Redaction {
    Redaction {
        headers: vec![
            ("authorization".into(), Treatment::Hash),
            ("x-plain-token".into(), Treatment::Keep),
            ("x-ssn".into(), Treatment::Mask),
        ],
        parameters: vec!["ssn".into()],
        paths: ["/reset/{secret}", "/**/invite/{secret}", "/**/join/{secret}/now"]
            .map(|template| PathTemplate::parse(template).unwrap())
            .to_vec(),
        salt: b"salt".to_vec(),
    }
}

fn header(redaction: &Redaction, name: &str, value: &str) -> Option<String> {
    Redactor::new(redaction, RecordLimits::default()).header(name, value.as_bytes())
}

#[test]
fn no_secret_parameter_survives_however_it_is_written() {
    let redaction = redaction();
    for (query, expected) in [
        ("a=1&b=2", "a=1&b=2"),
        ("token=S", "token=[redacted]"),
        ("a=1&TOKEN=S&b=2", "a=1&TOKEN=[redacted]&b=2"),
        ("%74oken=S", "%74oken=[redacted]"),
        ("%2574oken=S", "%2574oken=[redacted]"),
        ("a=1;password=S;S", "a=1;password=[redacted]"),
        ("code[]=S&otp[0]=S", "code[]=[redacted]&otp[0]=[redacted]"),
        ("user[code][]=S", "user[code][]=[redacted]"),
        ("code.0=S", "code.0=[redacted]"),
        ("user[password]=S", "user[password]=[redacted]"),
        ("user%5Bpassword%5D=S", "user%5Bpassword%5D=[redacted]"),
        ("login.api_key=S", "login.api_key=[redacted]"),
        ("api.key=S&api+key=S", "api.key=[redacted]&api+key=[redacted]"),
        ("token=a=S", "token=[redacted]"),
        ("token=a?S;S,S", "token=[redacted]"),
        ("ssn=S&token=S&", "ssn=[redacted]&token=[redacted]&"),
        (" token =S", " token =[redacted]"),
        ("+code+=S", "+code+=[redacted]"),
        ("token", "token"),
        ("", ""),
        ("X-Amz-Signature=S", "X-Amz-Signature=[redacted]"),
        ("%=S&%z=1&token=S", "%=S&%z=1&token=[redacted]"),
        ("next=/a?token=S", "next=/a?token=[redacted]"),
        ("next=%2Fa%3Fx%3D1%26token%3DS&b=1", "next=[redacted]&b=1"),
        ("next=%252Fa%253Ftoken%253DS", "next=[redacted]"),
        ("token%3DS&b=1", "[redacted]&b=1"),
        ("next=%2Fa%3Fx%3D1", "next=%2Fa%3Fx%3D1"),
        ("next=https://u:S@h/a&b=1", "next=https://h/a&b=1"),
        ("next=//u:S@h/a", "next=//h/a"),
        ("next=https%3A%2F%2Fu%3AS%40h", "next=[redacted]"),
        ("next=/reset/S&x=/invite/S/y", "next=/reset/[redacted]&x=/invite/[redacted]/y"),
        ("next=https://h/reset/S", "next=https://h/reset/[redacted]"),
        ("next=%2Freset%2FS", "next=[redacted]"),
        ("v={\"password\":\"S\"}&b=1", "v={\"password\":[redacted]&b=1"),
        ("v=%7B%22password%22%3A%20%22S%22%7D", "v=[redacted]"),
        ("email=me@example.org", "email=me@example.org"),
        ("reset_token=S&newPassword=S", "reset_token=[redacted]&newPassword=[redacted]"),
    ] {
        let redacted = redaction.query(Excerpt::whole(query));
        assert_eq!(redacted, expected, "{query}");
        assert_eq!(redaction.query(Excerpt::whole(&redacted)), expected, "{query}, again");
    }
}

#[test]
fn secret_segments_and_path_parameters_are_masked() {
    let redaction = redaction();
    let far = format!("{}/invite/S/x/invite/S", "/a".repeat(100));
    let far_masked = far.replace('S', MASK);
    for (path, expected) in [
        ("/reset/S", "/reset/[redacted]"),
        ("/reset/S/more", "/reset/[redacted]/more"),
        ("/reset/", "/reset/"),
        ("/resets/x", "/resets/x"),
        ("/RESET/S", "/RESET/[redacted]"),
        ("/res%65t/S", "/res%65t/[redacted]"),
        ("/reset%2FS/x", "/reset%2F[redacted]/x"),
        ("/reset%252fS", "/reset%252f[redacted]"),
        ("/reset\\S", "/reset\\[redacted]"),
        ("/reset/S%2FS", "/reset/[redacted]"),
        ("/reset;v=1/S", "/reset;v=1/[redacted]"),
        ("/a%2Fb/invite/S", "/a%2Fb/invite/[redacted]"),
        ("//reset//S", "//reset//[redacted]"),
        ("/a/../reset/./S", "/a/../reset/./[redacted]"),
        ("/reset/x/../S", "/reset/[redacted]/../[redacted]"),
        ("/;v=1/reset/;/S", "/;v=1/reset/;/[redacted]"),
        ("/a%2F..%2Freset%2FS", "/a%2F..%2Freset%2F[redacted]"),
        ("/a/reset/S", "/a/reset/S"),
        ("/invite/S/a/invite/S", "/invite/[redacted]/a/invite/[redacted]"),
        ("/join/S/now", "/join/[redacted]/now"),
        ("/join/x/later", "/join/x/later"),
        (&far, &far_masked),
        ("/a;jsessionid=S/b", "/a;jsessionid=[redacted]/b"),
        ("/a;v=1;token=S;w=2/b", "/a;v=1;token=[redacted];w=2/b"),
        ("/a%3Bjsessionid=S/b", "/[redacted]/b"),
        ("/a%3Bjsessionid%3DS/b", "/[redacted]/b"),
        ("/token=S/b", "/token=[redacted]/b"),
        ("/reset/S;v=1", "/reset/[redacted]"),
        ("//u:S@host/a", "//host/a"),
        ("/u:S@host/a", "/[redacted]@host/a"),
        ("/u:S@host;code=S/a", "/[redacted]@host;code=[redacted]/a"),
        ("/to/https://u:S@host/a", "/to/https://host/a"),
        ("/to/https:/u:S@host/a", "/to/https:/host/a"),
        ("/to/https%3A%2F%2Fu:S%40host/a", "/to/[redacted]/a"),
        ("/users/me@example.org", "/users/me@example.org"),
        ("", ""),
    ] {
        assert_eq!(redaction.path(Excerpt::whole(path)), expected, "{path}");
    }
}

#[test]
fn a_url_in_a_header_is_redacted_in_all_its_parts() {
    let redaction = redaction();
    for (name, url, expected) in [
        (
            "referer",
            "https://u:S@host/a?token=S&x=1#access_token=S",
            "https://host/a?token=[redacted]&x=1#access_token=[redacted]",
        ),
        ("referer", "https://host/reset/S", "https://host/reset/[redacted]"),
        ("referer", "//u:S@host/reset/S", "//host/reset/[redacted]"),
        ("location", "/reset/S?x=1", "/reset/[redacted]?x=1"),
        ("location", "../reset/S?x=1", "../reset/[redacted]?x=1"),
        ("location", "reset;v=1/S", "reset;v=1/[redacted]"),
        ("location", "a/b", "a/b"),
        ("x-original-url", "//reset/S", "//reset/[redacted]"),
        ("referer", "https:\\\\h\\reset\\S", "https:\\\\h\\reset\\[redacted]"),
        ("referer", "https:/h/reset/S", "https:/h/reset/[redacted]"),
        ("location", "?token=S S", "?token=[redacted]"),
        ("location", "#/reset/S", "#/reset/[redacted]"),
        ("location", "a;jsessionid=S", "a;jsessionid=[redacted]"),
        ("origin", "https://u:S@host", "https://host"),
        ("origin", "null", "null"),
        ("content-location", "https://host?token=S", "https://host?token=[redacted]"),
        (
            "link",
            "<https://a/>; rel=next, <https://u:S@b/reset/S?token=S;S>; rel=\"prev\"",
            "<https://a/>; rel=next, <https://b/reset/[redacted]?token=[redacted]>; rel=\"prev\"",
        ),
        ("link", "</a?code=S>, <?code=S>", "</a?code=[redacted]>, <?code=[redacted]>"),
        ("link", "x; token=S, <a", "x; token=[redacted]<a"),
        ("refresh", "5; url=/reset/S?token=S", "5; url=/reset/[redacted]?token=[redacted]"),
        ("refresh", "0;URL = 'https://u:S@h/'", "0;URL = 'https://h/'"),
        ("refresh", "5,/a?token=S", "5,/a?token=[redacted]"),
        ("refresh", "5", "5"),
        ("x-forwarded-host", "u:S@a, b, u:S@c:80", "a, b, u:S@c:80"),
        ("x-region", "eu", "eu"),
        (
            "x-region",
            "a https://u:S@h/reset/S token=\"S S\"",
            "a https://h/reset/[redacted] token=[redacted]",
        ),
        ("user-agent", "bot/1 (+https://u:S@h/?key=S; x)", "bot/1 (+https://h/?key=[redacted]"),
        ("user-agent", "a %74oken%3DS S", "a [redacted] [redacted]"),
        ("baggage", "user=7,session_id=S;p=1", "user=7,session_id=[redacted]"),
    ] {
        let expected = if name == "x-forwarded-host" { "a,b,c:80" } else { expected };
        let value = header(&redaction, name, url).unwrap();
        let value = if name == "x-forwarded-host" { value.replace(' ', "") } else { value };
        assert_eq!(value, expected, "{name}: {url}");
    }
}

#[test]
fn sensitive_headers_are_removed_unless_configured() {
    let redaction = redaction();
    for name in ["cookie", "set-cookie", "x-authorization", "x-my-secret", "x-session-id", "dpop"] {
        assert_eq!(header(&redaction, name, "S"), None, "{name}");
    }
    assert_eq!(header(&redaction, "x-ssn", "S").unwrap(), MASK);
    assert_eq!(header(&redaction, "x-plain-token", "key=kept").unwrap(), "key=kept");
    assert_eq!(header(&redaction, "user-agent", "curl").unwrap(), "curl");
}

#[test]
fn a_hash_tells_values_apart_and_depends_on_the_salt() {
    let one = redaction();
    let other = Redaction { salt: b"other".to_vec(), ..redaction() };
    let hash = |redaction: &Redaction, value| header(redaction, "authorization", value).unwrap();
    // printf %s 'Bearer a' | openssl dgst -sha256 -hmac salt
    assert_eq!(hash(&one, "Bearer a"), "hmac:43961875b0c345d3");
    assert_ne!(hash(&one, "Bearer a"), hash(&one, "Bearer b"));
    assert_ne!(hash(&one, "Bearer a"), hash(&other, "Bearer a"));
    let long = "x".repeat(2 * HASH_BYTES);
    let longer = [format!("{long}x"), format!("{long}y"), format!("y{long}"), format!("{long}xx")];
    let mut hashes: Vec<String> = longer.iter().map(|value| hash(&one, value)).collect();
    hashes.push(hash(&one, &long));
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 5);
}

#[test]
fn a_secret_at_the_end_of_what_is_looked_at_is_taken_for_one() {
    let redaction = redaction();
    let limits = RecordLimits { value_bytes: 128, ..RecordLimits::default() };
    let redactor = Redactor::new(&redaction, limits);
    let looked_at = redactor.bytes();
    let pad = "x".repeat(looked_at);
    // A secret, long or short, that extends past the bound, at every position where the bound can
    // cut it.
    for tail in [
        "&token=HUNTER2HUNTER2&a=1",
        "&next=https%3A%2F%2Fuser%3AHUNTER2HUNTER2%40host",
        "&next=https://user:HUNTER2HUNTER2@host",
        "&next=%2Freset%2FHUNTER2HUNTER2",
        "/join/HUNTER2HUNTER2/now",
        "/invite/HUNTER2HUNTER2",
        ";jsessionid=HUNTER2HUNTER2/x",
        "//user:HUNTER2HUNTER2@host/",
        "%2Finvite%2FHUNTER2HUNTER2",
        " https://user:HUNTER2HUNTER2@host/",
    ] {
        for end in 0..tail.len() {
            let long = |start: &str| {
                let pad = pad.get(start.len() + end..).unwrap();
                format!("{start}{pad}{tail}{}", "y".repeat(100))
            };
            let header = |name, value: &str| redactor.header(name, value.as_bytes()).unwrap();
            let (plain, path) = (long("a="), long("/"));
            for value in [
                redactor.query(&plain).into_owned(),
                redactor.path(&path).into_owned(),
                redactor.words(&plain).into_owned(),
                header("location", &long("https://h/")),
                header("referer", &long("https://h/?")),
                header("refresh", &long("5; url=/")),
                header("link", &long("<https://h/")),
                header("x-region", &plain),
            ] {
                assert!(!value.contains("HUNTER2"), "{tail} at {end}: {value}");
                assert!(value.ends_with('…') && value.len() <= looked_at + 40, "{tail} at {end}");
            }
        }
    }
    let host = format!("u:{}@host", "HUNTER2".repeat(looked_at));
    assert_eq!(redactor.host(&host), "[redacted]…");
    let host = format!("u@{}hunter2{}@host", "x".repeat(looked_at - 10), "x".repeat(60));
    assert_eq!(redactor.host(&host), "[redacted]…");
}

#[test]
fn a_value_that_lost_its_end_here_is_counted_once() {
    let redaction = redaction();
    let redactor = Redactor::new(&redaction, RecordLimits::default());
    let long = "x".repeat(60_000);
    assert_eq!(redactor.query(&format!("token={long}")), "token=[redacted]…");
    assert_eq!(redactor.values_cut(), 1);
    // The encoder cuts and counts what is still too long for the record.
    assert!(redactor.words(&long).ends_with("x…"));
    assert_eq!(redactor.values_cut(), 1);
    assert_eq!(redactor.words("short"), "short");
    assert_eq!(redactor.header("authorization", long.as_bytes()).unwrap().len(), 21);
    assert_eq!(redactor.values_cut(), 1);
}
