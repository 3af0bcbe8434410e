//! The steps of a case.

use std::time::Duration;

use serde::Deserialize;

/// Timeout for a part to start or to exit.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One step.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(crate) enum Step {
    /// The load continues for this long, in milliseconds.
    Load(u64),
    /// The load stops: the following steps would cut its connections.
    EndLoad,
    /// Waits until a process reports this value: Envoy in its stats, a collector in its metrics
    /// (without their common prefix). This confirms that a fault took effect.
    Shows {
        of: Part,
        value: String,
        #[serde(default)]
        at_least: u64,
        at_most: Option<u64>,
    },

    /// Sends SIGKILL to a process.
    Kill(Part),
    /// Sends SIGSTOP to a process.
    Freeze(Part),
    /// Sends SIGCONT to a process.
    Thaw(Part),
    /// Sends SIGTERM to a process, which must exit by itself.
    Terminate(Part),
    /// Restarts a process that has exited.
    Start(Part),
    /// Shifts a process's wall clock by this many seconds: ahead, or behind if negative.
    SetClock { of: Part, seconds: i64 },

    /// The network to a part fails in this way.
    Network { to: Part, fault: NetworkFault },
    /// This percentage of the packets to and from a part is lost, at most 99; 0 ends the loss.
    PacketLoss { to: Part, percent: u8 },
    /// The name server responds this way for the collector's name.
    Resolve(Answer),
    /// A server that returns this status for everything takes the collector's place.
    Impostor(u16),
    /// The collector takes its place back.
    EndImpostor,

    /// Sets a fail point of the database: these commands fail with this code, or with these fields.
    FailPoint { commands: Vec<String>, data: serde_json::Value },
    /// Turns the fail point off.
    EndFailPoint,
    /// Runs a command on the database.
    Database(serde_json::Value),
    /// Lets the collector's user write, or only read.
    MayWrite(bool),
    /// MongoDB refuses inserts with each of these codes in turn.
    RefuseInserts(Vec<i32>),
    /// MongoDB refuses each document of an insert with each of these codes in turn.
    RefuseDocuments(Vec<i32>),

    /// MongoDB refuses inserts into one collection with a code; if a text is given, only inserts
    /// with a document that contains it.
    RefuseInto {
        /// The collection.
        collection: String,
        /// The text.
        holding: Option<String>,
        /// The code.
        code: i32,
    },
    /// MongoDB stops refusing them.
    EndRefusals,

    /// Replaces the filter's configuration this many times.
    Reconfigure(u64),
    /// Sends a request that makes the filter's VM trap (with a module built for this).
    Trap,
    /// Follows Envoy's drain recipe: no new connections, wait until nothing is queued.
    Drain,

    /// Overwrites bytes in the middle of the spool's file while the collector is down.
    CorruptSpool,
    /// Posts this many batches of 10,000 lines to the collector, none of them a record.
    PostJunk(u64),
    /// Posts this many batches, each from a different boot, of 5,000 numbered lines with a gap
    /// after each: the largest possible account. None is a record.
    PostBoots(u64),
    /// Fills a part's disk except for this many bytes.
    FillDisk { of: Part, leaving: u64 },
    /// Removes what filled it.
    FreeDisk(Part),
    /// Turns a part's disk read-only while in use, as a failing disk does.
    FailDisk(Part),
    /// Checks and remounts it while the part is down.
    MendDisk(Part),
}

/// A part of the system.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    Envoy,
    Collector,
    SecondCollector,
    ThirdCollector,
    Database,
}

/// How a network fails.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum NetworkFault {
    None,
    Cut,
    Silent,
    /// Every chunk is delayed, in each direction.
    DelayMs(u64),
    BytesASecond(usize),
    ClosedAfterBytes(usize),
    /// Responses are delayed.
    LateAnswerMs(u64),
    /// Responses arrive byte by byte, with a pause after each.
    ByteByByteMs(u64),
    /// The connection closes where a response would begin.
    NoAnswer,
    Garbage,
    /// The connection closes in the middle of a response.
    HalfAnAnswer,
    /// The connection is reset in the middle of a response.
    ResetMidAnswer,
}

/// A name server's response.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Known,
    Unknown,
    Failing,
    Silent,
}
