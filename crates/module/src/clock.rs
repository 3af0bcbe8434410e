//! Ticks: Envoy has no timer for an HTTP filter's configuration, so a thread asks for its `scheduled`
//! hook at its flush interval.
//!
//! The thread ends when there is no configuration left. A tick is asked for only when the one before
//! has run, so a busy main thread is not sent a backlog of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gatelog::host::Severity;

use crate::abi::callbacks::log;
use crate::abi::configuration::Scheduler;

static CLOCK: Mutex<Clock> = Mutex::new(Clock { schedules: Vec::new(), running: false });
static CHANGED: Condvar = Condvar::new();

struct Clock {
    schedules: Vec<Schedule>,
    running: bool,
}

struct Schedule {
    configuration: u64,
    scheduler: Scheduler,
    period: Duration,
    next: Instant,
    /// Whether a tick was asked for and has not run.
    asked: bool,
}

impl Schedule {
    fn ask(&mut self) {
        if !self.asked {
            self.asked = true;
            self.scheduler.commit();
        }
    }
}

fn lock() -> MutexGuard<'static, Clock> {
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ticks a configuration from now on.
pub(crate) fn start(configuration: u64, scheduler: Scheduler, period: Duration) {
    let mut clock = lock();
    let next = Instant::now();
    clock.schedules.push(Schedule { configuration, scheduler, period, next, asked: false });
    if !clock.running {
        let started = thread::Builder::new().name("gatelog-clock".to_owned()).spawn(run);
        clock.running = started.is_ok();
        if let Err(error) = started {
            let line = format!("gatelog: starting a thread: {error}; batches are not sent");
            log(Severity::Error, &line);
        }
    }
    drop(clock);
    CHANGED.notify_one();
}

/// Stops ticking a configuration.
pub(crate) fn stop(configuration: u64) {
    let mut clock = lock();
    clock.schedules.retain(|schedule| schedule.configuration != configuration);
    drop(clock);
    CHANGED.notify_one();
}

/// A tick of the configuration runs: the next may be asked for.
pub(crate) fn ran(configuration: u64) {
    if let Some(schedule) = find(&mut lock(), configuration) {
        schedule.asked = false;
    }
}

/// Asks for a tick at once, because a batch is full.
pub(crate) fn wake(configuration: u64) {
    if let Some(schedule) = find(&mut lock(), configuration) {
        schedule.ask();
    }
}

/// Asks for a tick of every other configuration at once.
pub(crate) fn wake_others(configuration: u64) {
    let mut clock = lock();
    let others = clock.schedules.iter_mut().filter(|one| one.configuration != configuration);
    others.for_each(Schedule::ask);
}

fn find(clock: &mut Clock, configuration: u64) -> Option<&mut Schedule> {
    clock.schedules.iter_mut().find(|schedule| schedule.configuration == configuration)
}

fn run() {
    let mut clock = lock();
    loop {
        let now = Instant::now();
        for schedule in &mut clock.schedules {
            if now >= schedule.next {
                schedule.next = now.checked_add(schedule.period).unwrap_or(now);
                schedule.ask();
            }
        }
        let Some(next) = clock.schedules.iter().map(|schedule| schedule.next).min() else {
            clock.running = false;
            return;
        };
        let wait = next.saturating_duration_since(Instant::now());
        clock = CHANGED.wait_timeout(clock, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}
