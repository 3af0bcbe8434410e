//! Claims of verified tokens, by their type, through Envoy's own `jwt_authn`.

use gatelog_testkit::{IdentityProvider, Shell};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::shell::SHELL;

async fn rig(tenant: Value) -> Rig {
    let keys = IdentityProvider::keys();
    let jwt_authn = json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"identity_provider": {
                "issuer": "https://identity.example.com",
                "audiences": ["gateway"],
                "payload_in_metadata": "jwt_payload",
                "local_jwks": {"inline_string": keys.to_string()},
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "identity_provider"}}],
        },
    });
    Rig::start_with(&[("/tenant", tenant), ("/level", json!("INFO"))], |options| {
        options.config.http_filters()?.insert(1, jwt_authn);
        if SHELL == Shell::Module {
            options.config.http_filters()?.insert(2, claims_as_json());
        }
        Ok(())
    })
    .await
    .unwrap()
}

/// A module cannot read within metadata: another filter has to give it what was verified. This is the
/// filter of docs/module.md.
fn claims_as_json() -> Value {
    json!({
        "name": "gatelog.claims",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [{
                "object_key": "gatelog.claims",
                "factory_key": "envoy.string",
                "skip_if_empty": true,
                "format_string": {"text_format_source": {
                    "inline_string": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn)%",
                }},
            }],
        },
    })
}

async fn tenant(rig: &Rig, flow: &str, claims: &str) -> Value {
    let authorization = format!("Bearer {}", IdentityProvider::token("gateway", claims).unwrap());
    let headers = [("x-correlation-id", flow), ("authorization", authorization.as_str())];
    let reply = rig.get("/raw/ok", &headers).await;
    assert_eq!(reply.status, 200, "{claims}: {}", reply.text());
    rig.record(flow).await["context"].take()
}

#[tokio::test]
async fn a_claim_is_taken_by_its_type_whatever_else_a_token_holds() {
    let rig = rig(json!({
        "organization_id": [{"jwt_claim": "org_id"}],
        "user_id": [{"jwt_claim": ["realm", "it's, \"x\" \\ é"]}],
        "conversation_id": [{"jwt_claim": "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"}],
    }))
    .await;
    for (number, (claim, expected)) in [
        (r#""org_123""#, json!("org_123")),
        (r#""12345678""#, json!("12345678")),
        (r#"" org_123""#, json!(" org_123")),
        // The bytes of the double 42 as a text, and a text of control characters.
        (r#""\u0001\u0002\u0003\u0004\u0005\u0006E@""#, json!("\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}E@")),
        (r#""""#, Value::Null),
        (r#""  ""#, Value::Null),
        ("42", json!("42")),
        ("42.0", json!("42")),
        ("-7", json!("-7")),
        ("0", json!("0")),
        ("9007199254740991", json!("9007199254740991")),
        ("9007199254740992", Value::Null),
        ("9007199254740993", Value::Null),
        ("1e300", Value::Null),
        ("0.5", Value::Null),
        ("true", Value::Null),
        ("false", Value::Null),
        ("null", Value::Null),
        ("[]", Value::Null),
        (r#"["org_123"]"#, Value::Null),
        (r#"["org_123","org_456"]"#, Value::Null),
        ("{}", Value::Null),
        (r#"{"id":"org_123"}"#, Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        // The other claim is unaffected by this one.
        let claims = format!(r#""org_id":{claim},"realm":{{"it's, \"x\" \\ é":"user_7"}}"#);
        let context = tenant(&rig, &format!("flow-{number}"), &claims).await;
        assert_eq!(context["organization_id"], expected, "{claim}");
        assert_eq!(context["user_id"], "user_7", "{claim}");
        assert_eq!(context["conversation_id"], Value::Null, "{claim}");
    }
    for (number, realm) in
        [r#""text""#, "1", "true", "null", "[1]", "{}", r#"{"other":1}"#].into_iter().enumerate()
    {
        let claims = format!(r#""org_id":"org_1","realm":{realm}"#);
        let context = tenant(&rig, &format!("realm-{number}"), &claims).await;
        assert_eq!(context["organization_id"], "org_1", "{realm}");
        assert_eq!(context["user_id"], Value::Null, "{realm}");
    }
    let deep = (b'b'..=b'p')
        .rev()
        .fold(json!("conv_9"), |value, name| json!({ char::from(name).to_string(): value }));
    let context = tenant(&rig, "deep", &format!(r#""a":{deep}"#)).await;
    assert_eq!(context["conversation_id"], "conv_9");
    assert_eq!(rig.envoy.reloads().await.unwrap(), 0);
    assert!(!rig.envoy.log().contains("gatelog"), "{}", rig.envoy.log());
}
