//! The steps of a case.

use std::time::Duration;

use serde::Deserialize;

/// How long a part may take to start or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One thing that is done.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(crate) enum Step {
    /// The load goes on for so long, in milliseconds.
    Load(u64),
    /// The load ends: what follows would cut its connections.
    EndLoad,
    /// Waits until a process tells this value of itself: Envoy in its stats, a collector in its
    /// metrics (without their common prefix). So a fault is seen to have been one.
    Shows {
        of: Part,
        value: String,
        #[serde(default)]
        at_least: u64,
        at_most: Option<u64>,
    },

    /// A process gets SIGKILL.
    Kill(Part),
    /// A process gets SIGSTOP.
    Freeze(Part),
    /// A process gets SIGCONT.
    Thaw(Part),
    /// A process gets SIGTERM, and must end by itself.
    Terminate(Part),
    /// A process that has ended starts again.
    Start(Part),
    /// A process's wall clock is off by so many seconds: ahead, or behind when negative.
    SetClock { of: Part, seconds: i64 },

    /// The network to a part fails so.
    Network { to: Part, fault: NetworkFault },
    /// So many percent of the packets to and from a part are lost, 99 at most; 0: none any more.
    PacketLoss { to: Part, percent: u8 },
    /// The name server says this of the collector's name.
    Resolve(Answer),
    /// In the collector's place stands one that answers this status to everything.
    Impostor(u16),
    /// The collector has its place again.
    EndImpostor,

    /// A fail point of the database: these commands fail with this code, or with these fields.
    FailPoint { commands: Vec<String>, data: serde_json::Value },
    /// The fail point is off.
    EndFailPoint,
    /// A command to the database.
    Database(serde_json::Value),
    /// Whether the collector's user may write, or only read.
    MayWrite(bool),
    /// MongoDB refuses inserts with each of these codes in turn.
    RefuseInserts(Vec<i32>),
    /// MongoDB refuses each document of inserts with each of these codes in turn.
    RefuseDocuments(Vec<i32>),

    /// MongoDB refuses inserts into one collection with a code; if a text is given, only those of
    /// which a document holds it.
    RefuseInto {
        /// The collection.
        collection: String,
        /// The text.
        holding: Option<String>,
        /// The code.
        code: i32,
    },
    /// It refuses them no more.
    EndRefusals,

    /// The filter's configuration is replaced, so many times.
    Reconfigure(u64),
    /// A request that makes the filter's VM trap (a module built for this).
    Trap,
    /// Envoy's drain recipe: no new connections, wait until nothing is queued.
    Drain,

    /// Bytes in the middle of the spool's file are overwritten while the collector is down.
    CorruptSpool,
    /// Somebody posts so many batches of 10,000 lines to the collector, none of them a record.
    PostJunk(u64),
    /// So many batches, each of a boot of its own, of 5,000 numbered lines with a hole after each:
    /// as large as an account becomes. None is a record.
    PostBoots(u64),
    /// A part's disk is filled, but for so many bytes.
    FillDisk { of: Part, leaving: u64 },
    /// What filled it is removed.
    FreeDisk(Part),
    /// A part's disk turns read-only under it, as one does that fails.
    FailDisk(Part),
    /// It is checked and mounted again, while the part is down.
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
    /// Every piece of bytes takes longer, each way.
    DelayMs(u64),
    BytesASecond(usize),
    ClosedAfterBytes(usize),
    /// What comes back takes longer.
    LateAnswerMs(u64),
    /// What comes back comes byte by byte, with a pause after each.
    ByteByByteMs(u64),
    /// The connection ends where an answer would begin.
    NoAnswer,
    Garbage,
    /// The connection ends in the middle of an answer.
    HalfAnAnswer,
    /// The connection is reset there.
    ResetMidAnswer,
}

/// What a name server says.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Known,
    Unknown,
    Failing,
    Silent,
}
