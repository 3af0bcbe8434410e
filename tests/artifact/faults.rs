//! Every hostcall failing with every status: no trap, no harm to the request.

use std::time::Duration;

use gatelog_testkit::mock_host::{Action, Answer, Fault, Status};

use crate::gateway::{Gateway, ROOT, ordinary};

/// A short lifetime: configure, an exchange, one that never reached the filter, a batch that is refused and
/// then accepted, the end.
fn live(gateway: &mut Gateway) {
    gateway.host.configure(ROOT, r#"{"tenant": {"strip_untrusted": true}, "level": "DEBUG"}"#);
    let mut stream = ordinary();
    stream.request_headers.as_mut().unwrap().remove("x-request-id");
    let id = gateway.begin(stream);
    assert_eq!(gateway.host.request_headers(id, true), Action::Continue);
    assert_eq!(gateway.host.response_headers(id, false), Action::Continue);
    gateway.end(id);
    let mut failed = ordinary();
    failed.property("response.code", 503_u64).property("response.flags", 2_u64);
    let id = gateway.begin(failed);
    gateway.end(id);
    for status in [503, 413, 202] {
        gateway.tick_after(Duration::from_secs(11));
        let token = gateway.callouts().last().map(|callout| callout.token);
        if let Some(token) = token {
            gateway.answer(token, Answer::status(status));
        }
    }
    gateway.host.done(ROOT);
    gateway.tick_after(Duration::from_hours(1));
    gateway.host.delete(ROOT);
}

#[test]
fn any_one_hostcall_fails_with_any_status() {
    for status in Status::failures() {
        for nth in 0.. {
            let mut gateway = Gateway::unconfigured();
            gateway.host.fail(Fault::Nth(nth, status));
            live(&mut gateway);
            if !gateway.host.fault_reached() {
                assert!(nth > 50, "the life is too short: {nth} hostcalls");
                break;
            }
        }
    }
}

#[test]
fn all_hostcalls_fail_with_any_status() {
    for status in Status::failures() {
        let mut gateway = Gateway::unconfigured();
        gateway.host.fail(Fault::All(status));
        live(&mut gateway);
    }
}

#[test]
fn all_calls_of_one_name_fail_with_any_status() {
    for name in [
        "proxy_log",
        "proxy_get_property",
        "proxy_call_foreign_function",
        "proxy_set_property",
        "proxy_get_header_map_pairs",
        "proxy_get_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_remove_header_map_value",
        "proxy_get_buffer_bytes",
        "proxy_http_call",
        "proxy_define_metric",
        "proxy_increment_metric",
        "proxy_record_metric",
        "proxy_set_tick_period_milliseconds",
        "proxy_get_current_time_nanoseconds",
        "proxy_set_effective_context",
        "proxy_done",
    ] {
        for status in Status::failures() {
            let mut gateway = Gateway::unconfigured();
            gateway.host.fail(Fault::Named(name, status));
            live(&mut gateway);
        }
    }
}
