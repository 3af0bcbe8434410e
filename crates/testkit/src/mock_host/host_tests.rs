//! The host's own rules, on a tiny hand-written module.

use super::*;

/// A module whose `proxy_on_log` reads `request.duration` and sets it as filter state, whose
/// `proxy_on_done` returns "not yet", whose `proxy_on_tick` traps after a log line, and whose
/// `proxy_on_delete` never returns.
const TINY: &str = r#"
(module
  (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "request\00duration")
  (data (i32.const 48) "gatelog")
  (global $free (mut i32) (i32.const 1024))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $size))))
  (func (export "_initialize"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_log") (param i32)
    (if (i32.eqz
          (call $get (i32.const 16) (i32.const 16) (i32.const 0) (i32.const 4)))
      (then (drop
        (call $set (i32.const 48) (i32.const 7) (i32.load (i32.const 0))
          (i32.load (i32.const 4)))))))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_tick") (param i32)
    (drop (call $log (i32.const 5) (i32.const 48) (i32.const 7)))
    unreachable)
  (func (export "finish") (result i32) (call $done))
  (func (export "proxy_on_delete") (param i32) (loop $forever (br $forever))))
"#;

fn tiny() -> MockHost {
    let mut world = World::new();
    let mut stream = Stream::default();
    stream.property("request.duration", 45_u64);
    world.streams.insert(2, stream);
    let program = Program::new(TINY.as_bytes()).unwrap();
    let mut host = MockHost::start(&program, world);
    host.create_root(1);
    host.create_stream(2, 1);
    host
}

fn failure_of(run: impl FnOnce(&mut MockHost)) -> String {
    let mut host = tiny();
    let run = std::panic::AssertUnwindSafe(|| run(&mut host));
    let panic = std::panic::catch_unwind(run).expect_err("the callback should have failed");
    *panic.downcast::<String>().unwrap()
}

#[test]
fn a_callback_within_its_budget_passes_and_has_its_effect() {
    let mut host = tiny();
    host.expect([expect::get_property("request.duration"), expect::set_property("gatelog")]);
    host.log(2);
    assert_eq!(host.world().streams[&2].filter_state["gatelog"], 45_u64.to_le_bytes());
    assert_eq!(host.allocations(), 1);
    assert_eq!(host.allocated_bytes(), 8);
    assert!(host.instructions() > 0);
}

#[test]
fn an_unexpected_hostcall_fails_with_callback_call_and_argument() {
    let failure = failure_of(|host| {
        host.expect([expect::set_property("gatelog")]);
        host.log(2);
    });
    assert_eq!(
        failure,
        "proxy_on_log(2): unexpected hostcall proxy_get_property(request.duration), \
         expected next: proxy_set_property(gatelog)"
    );
}

#[test]
fn a_hostcall_beyond_the_budget_fails_and_shows_those_before() {
    let failure = failure_of(|host| {
        host.expect([expect::get_property("request.duration")]);
        host.log(2);
    });
    assert_eq!(
        failure,
        "proxy_on_log(2): unexpected hostcall proxy_set_property(gatelog), \
         no further one is expected\nhostcalls before:\n  proxy_get_property(request.duration)"
    );
}

#[test]
fn an_expected_hostcall_that_does_not_come_fails() {
    let failure = failure_of(|host| {
        host.expect([expect::done()]);
        host.done(2);
    });
    assert_eq!(failure, "proxy_on_done(2): expected hostcalls that did not come: proxy_done()");
}

#[test]
fn a_trap_fails_with_the_callback_and_its_log_lines() {
    let failure = failure_of(|host| {
        host.lenient();
        host.tick(1);
    });
    assert!(failure.starts_with("proxy_on_tick(1): trap: "), "{failure}");
    assert!(failure.ends_with("\nlogged critical: gatelog"), "{failure}");
}

#[test]
fn a_vm_that_trapped_is_not_entered_again() {
    let mut host = tiny();
    host.lenient();
    host.call("proxy_on_tick", &[1]).unwrap_err();
    let failure = host.call("proxy_on_log", &[2]).unwrap_err();
    assert!(failure.reason.starts_with("the VM is dead since trap"), "{failure}");
}

#[test]
fn a_callback_that_never_ends_fails() {
    let failure = failure_of(|host| {
        host.lenient();
        host.delete(2);
    });
    assert!(failure.starts_with("proxy_on_delete(2): trap: "), "{failure}");
}

#[test]
fn a_hostcall_fails_with_any_status_on_demand() {
    let mut host = tiny();
    host.expect([expect::get_property("request.duration").answering(Status::UNIMPLEMENTED)]);
    host.log(2);
    host.lenient();
    for fault in [
        Fault::All(Status::UNIMPLEMENTED),
        Fault::Named("proxy_get_property", Status(u32::MAX)),
        Fault::Nth(0, Status::INTERNAL_FAILURE),
    ] {
        host.fail(fault);
        host.log(2);
        assert_eq!(host.calls().len(), 1, "{fault:?}");
    }
    host.fail(Fault::Nth(1, Status::NOT_FOUND));
    host.log(2);
    assert_eq!(host.calls().len(), 2);
    assert!(host.world().streams[&2].filter_state.is_empty());
    host.heal();
    host.log(2);
    assert_eq!(host.world().streams[&2].filter_state.len(), 1);
}

#[test]
fn filter_state_needs_a_stream_of_its_own() {
    let mut host = tiny();
    host.lenient();
    host.log_on_root(1, 2);
    assert_eq!(host.calls().len(), 2);
    assert!(host.world().streams[&2].filter_state.is_empty());
}

#[test]
fn a_root_context_is_done_only_after_it_said_not_yet() {
    let mut host = tiny();
    host.lenient();
    assert!(!host.done(1));
    host.world_mut().view.context = 1;
    assert_eq!(host.call("finish", &[]).unwrap(), Some(Status::OK.0));
    assert_eq!(host.world().finished, [1]);
    assert_eq!(host.call("finish", &[]).unwrap(), Some(Status::NOT_FOUND.0));
}

#[test]
fn a_callback_that_is_not_exported_is_passed_over() {
    let mut host = tiny();
    host.world_mut().streams.get_mut(&2).unwrap().request_headers = Some(Headers::new());
    assert_eq!(host.request_headers(2, true), Action::Continue);
    assert!(!host.exports().contains(&"proxy_on_request_headers".to_owned()));
}

#[test]
fn a_module_that_imports_what_envoy_lacks_does_not_load() {
    let module = br#"(module (import "env" "proxy_get_weather" (func)))"#;
    let program = Program::new(module).unwrap();
    assert_eq!(program.imports(), ["env.proxy_get_weather"]);
    let Err(failure) = MockHost::try_start(&program, World::new()) else {
        panic!("it loaded");
    };
    assert!(failure.reason.contains("proxy_get_weather"), "{failure}");
}

#[test]
fn random_bytes_are_the_seeds_own() {
    let (mut one, mut other) = (World::new(), World::new());
    let bytes = one.random(16);
    assert_eq!(bytes, other.random(16));
    assert_ne!(bytes, one.random(16));
}
