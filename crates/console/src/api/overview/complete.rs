//! Whether an overview has counted everything that is stored, and if not, why.

use serde_json::{Value, json};

use super::super::span::time;
use super::period::Looked;
use super::read::{States, Stop};

/// Collectors write every 15 s: what they accepted earlier than this must be counted.
const FRESH: i64 = 60_000;
/// After this time without a sign of any collector, nobody counts.
const NOBODY: i64 = 300_000;

/// Shown where nobody counts.
const EXPLANATION: &str = "no collector counts what it stores: none is running, or they run with \
    GATELOG_ROLLUPS=off. Start them with GATELOG_ROLLUPS=on; `gatelog-collector recount` counts what \
    was stored before";

/// What is known of an overview's completeness.
pub(super) struct Complete {
    /// Why it is not complete; empty if it is.
    pub(super) reasons: Vec<Value>,
    /// Everything that was accepted before this is counted.
    pub(super) counted_to: i64,
    /// Whether any collector counts at all.
    pub(super) counting: bool,
    /// Whether the period before was counted from its beginning, and read.
    pub(super) before: bool,
}

impl Complete {
    /// `reached` and `stop`: how far back was read, and why no further. Who may see only a part is
    /// told of no collector.
    pub(super) fn of(
        states: &States,
        looked: Looked,
        now: i64,
        (reached, stop): (i64, Option<Stop>),
        restricted: bool,
    ) -> Self {
        let mut reasons = Vec::new();
        if looked.from > now {
            reasons.push(json!({"why": "future"}));
        }
        let due = looked.until.min(now.saturating_sub(FRESH));
        let mut counted_to = looked.until.min(now);
        for state in states.collectors.iter().filter(|state| !state.stopped) {
            let counted = state.counted_to.unwrap_or(i64::MIN).min(state.at);
            counted_to = counted_to.min(counted.max(0));
            if counted >= due {
                continue;
            }
            let why = match state.counted_to {
                _ if state.at < due => "silent",
                None => "refused",
                Some(_) => "waiting",
            };
            let mut reason = json!({"why": why});
            if !restricted {
                reason = json!({
                    "why": why, "collector": state.file, "at": time(state.at).to_string(),
                    "waiting": state.waiting,
                });
            }
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        for off in &states.uncounting {
            if off.since >= looked.until || off.at <= looked.from {
                continue;
            }
            let reason = if restricted {
                json!({"why": "off"})
            } else {
                json!({"why": "off", "collector": off.collector, "at": time(off.since).to_string()})
            };
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        for hour in &states.recounts {
            if *hour < looked.until && hour.saturating_add(3_600_000) > looked.from {
                reasons.push(json!({"why": "recount", "at": time(*hour).to_string()}));
            }
        }
        match states.first {
            Some(first) if first <= looked.from => {}
            first => {
                let at = first.map(|first| time(first).to_string());
                reasons.push(json!({"why": "uncounted", "at": at}));
            }
        }
        if states.unnamed {
            reasons.push(json!({"why": "unnamed"}));
        }
        if let Some(stop) = stop.filter(|_| reached > looked.from) {
            let why = if stop == Stop::Time { "time" } else { "documents" };
            reasons.push(json!({"why": why, "at": time(reached).to_string()}));
        }
        let last = states.collectors.iter().map(|state| state.at).max();
        Self {
            reasons,
            counted_to,
            counting: last.is_some_and(|at| at >= now.saturating_sub(NOBODY)),
            before: stop.is_none() && states.first.is_some_and(|first| first <= looked.before),
        }
    }

    /// How to make collectors count, if none does.
    pub(super) fn explanation(&self) -> Option<&'static str> {
        (!self.counting).then_some(EXPLANATION)
    }
}

#[cfg(test)]
mod tests {
    use gatelog_collector::store::counts::{CollectorState, Uncounting};

    use super::super::super::span::Span;
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_795_741_430_000;

    fn collector(age: i64, counted: Option<i64>) -> CollectorState {
        CollectorState {
            file: "6f0c".to_owned(),
            at: NOW - age,
            waiting: 37,
            held: None,
            counted_to: counted.map(|age| NOW - age),
            stopped: false,
        }
    }

    fn judge(states: &States, until: i64) -> Complete {
        let span = Span { since: time(until - HOUR), until: time(until) };
        Complete::of(states, Looked::of(span, NOW), NOW, (i64::MIN, None), false)
    }

    fn whys(complete: &Complete) -> Vec<&str> {
        complete.reasons.iter().map(|reason| reason["why"].as_str().unwrap()).collect()
    }

    fn of(collectors: Vec<CollectorState>) -> States {
        States { collectors, first: Some(NOW - 100 * HOUR), ..States::default() }
    }

    #[test]
    fn a_period_is_complete_if_every_collector_has_counted_what_it_accepted_until_its_end() {
        let fresh = of(vec![collector(9_000, Some(12_000)), collector(3_000, Some(3_000))]);
        let complete = judge(&fresh, NOW);
        assert_eq!((whys(&complete), complete.counting, complete.before), (vec![], true, true));
        assert_eq!(complete.counted_to, NOW - 12_000);
        // What waits was accepted after the end of an earlier period.
        let waits = of(vec![collector(3_000, Some(HOUR))]);
        assert_eq!(whys(&judge(&waits, NOW)), ["waiting"]);
        assert!(whys(&judge(&waits, NOW - 2 * HOUR)).is_empty());
        let silent = of(vec![collector(3_000, Some(3_000)), collector(HOUR, Some(HOUR))]);
        assert_eq!(whys(&judge(&silent, NOW)), ["silent"]);
        assert!(whys(&judge(&silent, NOW - 2 * HOUR)).is_empty());
        let told = judge(&silent, NOW).reasons[0].clone();
        assert_eq!((&told["collector"], &told["waiting"]), (&json!("6f0c"), &json!(37)));
        assert_eq!(whys(&judge(&of(vec![collector(3_000, None)]), NOW)), ["refused"]);
    }

    #[test]
    fn a_collector_that_does_not_count_leaves_the_time_in_which_it_ran_incomplete() {
        let counting = of(vec![collector(3_000, Some(3_000))]);
        let off = |began: i64, age: i64| Uncounting {
            collector: "h:/spool".to_owned(),
            since: NOW - began,
            at: NOW - age,
        };
        for (began, age, whys_of) in [
            (HOUR / 2, 3_000, vec!["off"]),
            (9 * HOUR, 3_000, vec!["off"]),
            (9 * HOUR, 2 * HOUR, vec![]),
        ] {
            let states =
                States { uncounting: vec![off(began, age)], ..of(counting.collectors.clone()) };
            assert_eq!(whys(&judge(&states, NOW)), whys_of, "{began} {age}");
        }
        let states = States { uncounting: vec![off(HOUR / 2, 0)], ..counting };
        assert!(whys(&judge(&states, NOW - HOUR)).is_empty(), "it began later");
        assert_eq!(judge(&states, NOW).reasons[0]["collector"], "h:/spool");
    }

    #[test]
    fn a_collector_that_ended_with_nothing_left_lacks_nothing() {
        let stopped = CollectorState { stopped: true, ..collector(50 * HOUR, Some(50 * HOUR)) };
        let states = of(vec![stopped.clone(), collector(3_000, Some(3_000))]);
        assert!(whys(&judge(&states, NOW)).is_empty());
        let complete = judge(&of(vec![stopped]), NOW);
        assert!(
            !complete.counting && complete.explanation().unwrap().contains("GATELOG_ROLLUPS=on")
        );
    }

    #[test]
    fn a_period_that_has_not_begun_is_not_complete() {
        let fresh = of(vec![collector(3_000, Some(3_000))]);
        assert_eq!(whys(&judge(&fresh, NOW + 2 * HOUR)), ["future"]);
        assert!(whys(&judge(&fresh, NOW + HOUR / 2)).is_empty(), "it has begun");
    }

    #[test]
    fn hours_that_nobody_counted_or_that_are_counted_again_are_named() {
        let none = judge(&States::default(), NOW);
        assert_eq!((whys(&none), none.counting, none.before), (vec!["uncounted"], false, false));
        let mut states = of(vec![collector(3_000, Some(3_000))]);
        states.first = Some(NOW - HOUR / 2);
        assert_eq!(whys(&judge(&states, NOW)), ["uncounted"]);
        states.first = Some(NOW - HOUR - HOUR / 2);
        let complete = judge(&states, NOW);
        assert_eq!((whys(&complete), complete.before), (vec![], false), "the hour before was not");
        states.first = Some(0);
        states.recounts = vec![NOW - 9 * HOUR, NOW - HOUR / 2];
        assert_eq!(whys(&judge(&states, NOW)), ["recount"]);
        states.recounts.clear();
        states.unnamed = true;
        assert_eq!(whys(&judge(&states, NOW)), ["unnamed"]);
    }

    #[test]
    fn what_was_not_read_is_said_and_a_restricted_viewer_is_told_of_no_collector() {
        let states = of(vec![collector(HOUR, Some(HOUR)), collector(HOUR, Some(HOUR))]);
        let looked = Looked::of(Span { since: time(NOW - HOUR), until: time(NOW) }, NOW);
        let read = (NOW - HOUR / 2, Some(Stop::Documents));
        let complete = Complete::of(&states, looked, NOW, read, true);
        assert_eq!(whys(&complete), ["silent", "documents"]);
        assert_eq!(complete.reasons[0], json!({"why": "silent"}));
        assert!(!complete.before);
        // All of the period was read, but not of the one before.
        let read = (looked.from - HOUR / 2, Some(Stop::Time));
        let complete = Complete::of(&of(vec![collector(0, Some(0))]), looked, NOW, read, false);
        assert_eq!((whys(&complete), complete.before), (vec![], false));
    }
}
