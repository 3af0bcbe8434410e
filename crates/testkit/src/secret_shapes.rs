//! Secrets in the forms in which requests carry them, in every part of an exchange that a record
//! covers. One table for the core on plain data, the shipped module on the mock host, and Envoy.
//!
//! Each secret is a distinct text that starts with [`MARK`], which must not appear in any record.

/// The prefix of every planted secret.
pub const MARK: &str = "S3CRET";

/// The filter configuration that the table assumes: every place is included in the record.
pub const CONFIGURATION: &str = r#"{
    "level": "DEBUG",
    "record": {
        "request_headers": ["referer", "origin", "x-region", "x-authorization"],
        "response_headers": ["location", "link", "refresh", "content-location", "x-served-by"]
    },
    "tenant": {
        "organization_id": [{"header": "x-organization-id"}],
        "user_id": [{"header": "x-user-id"}],
        "conversation_id": [
            {"header": "x-conversation-id"},
            {"path": "/conversations/{conversation_id}"},
            {"path": "/reset/{conversation_id}"}
        ]
    },
    "redact": {
        "path": ["/reset/{secret}", "/any/renew/{secret}", "/**/deep/reset/{secret}", "/**/invite/{secret}"],
        "query": ["pin"]
    }
}"#;

/// A place of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The request's target.
    Target,
    /// The request's host.
    Host,
    /// A request header.
    Request(&'static str),
    /// A response header.
    Response(&'static str),
}

/// A secret and its place.
#[derive(Clone, Debug)]
pub struct Planted {
    /// The place.
    pub place: Place,
    /// The complete value at that place.
    pub value: String,
    /// The request's target, unless the secret is in it.
    pub target: &'static str,
}

/// Parameters of a query, of a fragment, and of a URL anywhere. `$` is the secret.
const PARAMETERS: [&str; 66] = [
    "token=$",
    "TOKEN=$",
    "pin=$",
    "code[]=$",
    "otp[0]=$",
    "user[code][]=$",
    "user%5Bcode%5D%5B%5D=$",
    "code.0=$",
    "login.api_key=$",
    "api.key=$",
    "api-key=$",
    "accessKey=$",
    "%63ode=$",
    "%2563ode=$",
    "c%6fDe%5b%5d=$",
    "+code+=$",
    "x=1&token=$&y=2",
    "x=1;token=$",
    "password=a;$",
    "password=a?$",
    "password=a=$",
    "token%3D$",
    "next=/a?token=$",
    "next=https://u:$@h/a",
    "next=//u:$@h",
    "next=/reset/$",
    "next=%2Fa%3Ftoken%3D$",
    "next=%252Fa%253Ftoken%253D$",
    "next=https%3A%2F%2Fu%3A$%40h",
    "next=%2Fa%2Finvite%2F$",
    "v={\"password\":\"$\"}",
    "v=%7B%22password%22%3A%20%22$%22%7D",
    "{\"password\"+:+\"$\"}",
    "{\"a\":\"x\",\"password\"+:\"$\"}",
    "v={\"p\\u0061ssword\":\"$\"}",
    "url=https://u:a<$@h/b",
    "url=https://u:a\"$@h/b",
    "app_key=$",
    "ssh_key=$",
    "stripe_key=$",
    "license_key=$",
    "hmac=$",
    "bearer=$",
    "otp_code=$",
    "mfa_code=$",
    "verification_code=$",
    "device_code=$",
    "oauth_code=$",
    "oauth_verifier=$",
    "SAMLart=$",
    "sessid=$",
    "sid=$",
    "pw=$",
    "psk=$",
    "jws=$",
    "wsse=$",
    "creds=$",
    "clientcert=$",
    "httpauthorization=$",
    "q=Bearer%20$",
    "q=Bearer+$",
    "v={\"name\":\"password\",\"value\":\"$\"}",
    "v=%7B%22value%22%3A%22$%22%2C%22name%22%3A%22token%22%7D",
    "next=https:\\/\\/u:$@h\\/a",
    "next=\\/any\\/renew\\/$",
    "q=eyJhbGciOiJub25lIn0.$",
];

/// Paths.
const PATHS: [&str; 20] = [
    "/reset/$",
    "/RESET/$/more",
    "/res%65t/$",
    "/reset%2F$",
    "/reset/$;v=1",
    "/reset;v=1/$",
    "/a/invite/$/b",
    "/invite/$/a/invite/$",
    "/a;jsessionid=$/b",
    "/a;v=1;token=$;w=2",
    "/a%3Bjsessionid=$",
    "/a%3Bjsessionid%3D$/b",
    "/conversations/c;jsessionid=$",
    "/token=$/b",
    "/to/https://u:$@h/a",
    "/to/https%3A%2F%2Fu%3A$%40h",
    "//u:$@h/a",
    "/login;code=$",
    "/a/Bearer%20$",
    "/verify/eyJhbGciOiJub25lIn0.$.S",
];

/// Paths for the template `/any/renew/{secret}`, in every spelling that a service reads as it.
const SPELLED_PATHS: [&str; 17] = [
    "/any/renew/$",
    "/any/renew;x/$",
    "/any/renew;x=1/$",
    "/any\\renew\\$",
    "/any%5Crenew%5C$",
    "//any//renew//$",
    "/any/./renew/$",
    "/any/x/../renew/$",
    "/any/x/%2e%2E/renew/$",
    "/any/renew%2F%2F$",
    "/any/%2Frenew/$",
    "/any%2F/renew/$",
    "/any/;x=1/renew/$",
    "/any/renew/;/$",
    "/any/renew/.%2F$",
    "/any/renew/.%2F/$",
    "/any/x%2F..%2Frenew/$",
];

/// A path with the same template: references in the response are relative to it.
const SIBLING: &str = "/any/renew/x";

/// References that are the secret, or lead to it, when they are resolved against that path.
const SIBLING_REFERENCES: [&str; 6] =
    ["$", "$?x=1", "./$", "../renew/$", "../../any/renew/$", "x/../$#top"];

/// Relative references to it.
const RELATIVE_PATHS: [&str; 7] = [
    "renew/$",
    "./renew/$",
    "../renew/$",
    "renew;x=1/$",
    "..\\renew\\$",
    "renew%2F$",
    "x/../renew/$",
];

/// Origins that carry a secret.
const ORIGINS: [&str; 6] = [
    "https://u:a#$@h",
    "https://u:a?$@h",
    "https://u:$@h",
    "//u:$@h",
    "https://$@h:8080",
    "ftp://u:a/$@h",
];

/// Free text: a user agent, an id, a tenant, a header without a known form.
const WORDS: [&str; 52] = [
    "password:12$",
    "password%3A%20$",
    "{\"password\"%20:%20\"$\"}",
    "agent/1 (+http://u:$@h/)",
    "agent/1 (+http://h/?key=$)",
    "agent/1 (+http://h/reset/$)",
    "a token=$ b",
    "a;api_key=\"$ $\";b",
    "a %74oken%3D$ b",
    "{\"password\": \"$\"}",
    "{\\\"password\\\": \\\"$\\\"}",
    "token=$",
    "{\"headers\":{\"authorization\":[\"Bearer $\"]}}",
    "{\"password\":{\"v\":\"$\"}}",
    "{\"cookies\":[\"a=$\"]}",
    "tokens=[\"$\"]",
    "{\"setTokens\":[\"$\"]}",
    "{\"session\":{\"id\":\"$\"}}",
    "{\"secret\":12345678,\"key\":[\"$\"]}",
    "{\"password\":{\"a\":\"}\",\"b\":[\"]\",{\"c\":\"$\"}]}}",
    "authorization=Bearer $",
    "password=correct horse $",
    "cookie=a=1; b=$",
    "password=a)$",
    "password=a>$",
    "password=a'$",
    "password=a\"$",
    "password=\"a\"$",
    "password%3Dcorrect horse $",
    "https://u:a\"$@h",
    "https://u:a $@h",
    "https://u:a<$@h",
    "{\"p\\u0061ssword\":\"$\"}",
    "{\"password\"+:+\"$\"}",
    "Authorization: Bearer $",
    "password: $",
    "x-oauth2: $",
    "X-Access-Key: $",
    "stripe_key=$",
    "otp_code=$",
    "x-bapi-sign=$",
    "Bearer $",
    "sent bearer  $, then",
    "Basic $==",
    "Bearer%20$",
    "{\"name\":\"password\",\"value\":\"$\"}",
    "[{\"value\":\"$\",\"key\":\"api-key\"}]",
    "{\\\"name\\\":\\\"pwd\\\",\\\"v\\\":\\\"$\\\"}",
    "{\"url\":\"https:\\/\\/u:$@h\\/\"}",
    "{\"url\":\"https:\\/\\/h\\/reset\\/$\"}",
    "{\"url\":\"https:\\u002f\\u002fh\\u002freset\\u002f$\"}",
    "a eyJhbGciOiJub25lIn0.$.S b",
];

/// Request headers whose value is a credential.
const CREDENTIALS: [&str; 46] = [
    "authorization",
    "proxy-authorization",
    "x-authorization",
    "x-forwarded-authorization",
    "x-auth",
    "x-auth-request-access-token",
    "x-jwt",
    "x-jwt-payload",
    "dpop",
    "cookie",
    "cookie2",
    "x-access-key",
    "x-api-key",
    "x-apikey",
    "ocp-apim-subscription-key",
    "x-forwarded-client-cert",
    "ssl-client-cert",
    "x-amz-security-token",
    "x-goog-api-key",
    "x-goog-iap-jwt-assertion",
    "cf-access-jwt-assertion",
    "x-ms-token-aad-access-token",
    "x-ms-client-principal",
    "x-amzn-oidc-data",
    "x-hub-signature-256",
    "x-session-id",
    "x-csrf",
    "totp",
    "sig",
    "ticket",
    "code",
    "phpsessid",
    "x-oauth2",
    "x-bapi-sign",
    "ok-access-sign",
    "sessid",
    "sid",
    "pw",
    "psk",
    "jws",
    "wsse",
    "creds",
    "clientcert",
    "httpauthorization",
    "otp-code",
    "x-stripe-key",
];

/// Request headers whose value is free text.
const WORDED: [&str; 9] = [
    "user-agent",
    "x-request-id",
    "x-correlation-id",
    "x-client-request-id",
    "x-organization-id",
    "x-user-id",
    "x-conversation-id",
    "x-region",
    "baggage",
];

/// References to secret paths, in every spelling.
fn plant_references(plant: &mut dyn FnMut(Place, &str)) {
    for path in SPELLED_PATHS {
        plant(Place::Target, path);
    }
    for path in SPELLED_PATHS.into_iter().chain(RELATIVE_PATHS) {
        let base = match path.as_bytes() {
            [b'/', ..] => "",
            [b'.', b'.', ..] => "/any/page/",
            _ => "/any/",
        };
        let absolute = format!("https://h{base}{path}");
        for url in [path, &absolute] {
            for name in ["referer", "x-original-url", "x-rewrite-url"] {
                plant(Place::Request(name), url);
            }
            for name in ["location", "content-location"] {
                plant(Place::Response(name), url);
            }
            plant(Place::Response("link"), &format!("<{url}>; rel=next"));
            plant(Place::Response("refresh"), &format!("5; url={url}"));
            plant(Place::Target, &format!("/a?next={url}&b=1"));
            plant(Place::Target, &format!("/a?x=1;next={url}"));
            plant(Place::Request("user-agent"), &format!("agent/1 (see {url}, or more)"));
            plant(Place::Request("x-region"), url);
        }
    }
    for reference in SIBLING_REFERENCES {
        for name in ["location", "content-location"] {
            plant(Place::Response(name), reference);
        }
        plant(Place::Response("link"), &format!("<{reference}>; rel=next"));
        plant(Place::Response("refresh"), &format!("0; url={reference}"));
    }
    for url in [
        "https:/h/any/renew/$",
        "https:\\\\h\\any\\renew\\$",
        "//h/any/renew/$",
        "https:%2F%2Fh%2Fany%2Frenew%2F$",
    ] {
        for place in
            [Place::Request("referer"), Place::Response("location"), Place::Request("x-region")]
        {
            plant(place, url);
        }
    }
}

/// The complete table.
pub fn planted() -> Vec<Planted> {
    let mut all = Vec::new();
    let mut plant = |place: Place, shape: &str| {
        let secret = format!("{MARK}{}", all.len());
        let target = match place {
            Place::Response("location" | "content-location" | "link" | "refresh") => SIBLING,
            _ => "/a",
        };
        all.push(Planted { place, value: shape.replace('$', &secret), target });
    };
    for path in PATHS {
        plant(Place::Target, path);
        plant(Place::Target, &format!("{}/deep{path}?x=1", "/a".repeat(70)));
    }
    // At the end of the examined part of a value, and far beyond it.
    for shape in ["/a/invite/$/b", "/a;jsessionid=$/b", "/?next=https://u:$@h/a", "/?token=$&x=1"] {
        for before in [230, 250, 4_070, 4_080, 4_090, 20_000] {
            let padding = format!("/{}", "p".repeat(before));
            plant(Place::Target, &format!("{padding}{shape}{}", "y".repeat(9_000)));
        }
    }
    for parameter in PARAMETERS {
        plant(Place::Target, &format!("/a?{parameter}"));
        let urls = ["referer", "x-original-url"].map(Place::Request);
        let answers = ["location", "content-location"].map(Place::Response);
        for place in urls.into_iter().chain(answers) {
            plant(place, &format!("https://h/a?{parameter}#top"));
            plant(place, &format!("?{parameter}"));
            plant(place, &format!("/a#{parameter}"));
        }
        plant(Place::Response("link"), &format!("<https://h/>; rel=a, <?{parameter}>; rel=\"b\""));
        plant(Place::Response("refresh"), &format!("5; url='/a?{parameter}'"));
        plant(Place::Response("refresh"), &format!("5,https://h/?{parameter}"));
    }
    plant(Place::Target, "/a?next=https://u:a&$@h/&b=1");
    for path in PATHS {
        plant(Place::Request("referer"), &format!("https://h{path}"));
        plant(Place::Request("x-forwarded-uri"), path);
        plant(Place::Response("location"), path);
        plant(Place::Response("link"), &format!("<{path}>; rel=a, <https://h{path}?x=1>"));
        plant(Place::Response("refresh"), &format!("0;URL={path}"));
    }
    plant_references(&mut plant);
    for origin in ORIGINS {
        for name in ["referer", "origin"] {
            plant(Place::Request(name), origin);
        }
        for name in ["location", "content-location"] {
            plant(Place::Response(name), &format!("{origin}/a?x=1"));
        }
        plant(Place::Response("link"), &format!("<{origin}/a>, <{origin}/b>; rel=a"));
        plant(Place::Response("refresh"), &format!("5; url={origin}/a"));
    }
    for host in ["u:$@h", "u:$@h:8080", "$@h", "u:$@v@h"] {
        plant(Place::Host, host);
        plant(Place::Request("x-forwarded-host"), &format!("a, {host}"));
    }
    for words in WORDS {
        for name in WORDED {
            plant(Place::Request(name), words);
        }
        plant(Place::Response("x-served-by"), words);
    }
    for name in CREDENTIALS {
        plant(Place::Request(name), "$");
    }
    for name in ["set-cookie", "www-authenticate", "x-auth-token", "x-new-session"] {
        plant(Place::Response(name), "$");
    }
    all
}
