//! What happens when something in the module panics: the hook answers "continue", it is counted and
//! logged, and the state that it may have left half changed is not used again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gatelog::host::Severity;

use crate::abi::callbacks::log;
use crate::stats::{Own, STATS};

/// Runs a hook. If it panics, the result is `otherwise`, after `abandon` has set aside what it worked on.
pub(crate) fn guarded<T>(
    hook: &str,
    otherwise: T,
    abandon: impl FnOnce(),
    run: impl FnOnce() -> T,
) -> T {
    // What the closure worked on is not looked at again: `abandon` sees to it.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(panic) => {
            STATS.count(Own::Panics, 1);
            // Neither may end the process: a second panic is caught as well, and then nothing is said.
            let _ = catch_unwind(AssertUnwindSafe(abandon));
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let reason = reason(&*panic);
                log(
                    Severity::Error,
                    &format!(
                        "gatelog: a fault of the module in {hook}: {reason}; the request goes on"
                    ),
                );
            }));
            otherwise
        }
    }
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_answer_that_lets_the_request_pass() {
        let before = STATS.counted(Own::Panics);
        let mut abandoned = false;
        let answer = guarded("a hook", 7, || abandoned = true, || -> i32 { panic!("a fault") });
        assert_eq!(answer, 7);
        assert!(abandoned);
        assert!(STATS.counted(Own::Panics) > before);
        assert_eq!(guarded("a hook", 7, || panic!("nothing to set aside"), || 8), 8);
    }

    #[test]
    fn a_panic_while_another_is_handled_ends_nothing() {
        let answer = guarded("a hook", 7, || panic!("again"), || -> i32 { panic!("a fault") });
        assert_eq!(answer, 7);
    }
}
