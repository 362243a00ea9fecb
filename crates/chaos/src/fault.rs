//! The closed list of what can be done to an installation.

use std::fmt;

use simulator::Misbehaviour;

/// One kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A worker gets SIGKILL, and a new one starts.
    WorkerKilled,
    /// A worker stands still (SIGSTOP) beyond its lease, and goes on.
    WorkerFrozen,
    /// A worker is asked to end (SIGTERM), and a new one starts.
    WorkerEnded,
    /// `web` gets SIGKILL, and a new one starts.
    WebKilled,
    /// The clock gets SIGKILL, and a new one starts.
    ClockKilled,
    /// In a worker's place works one of the version before, which knows fewer kinds.
    FormerVersion,
    /// In a worker's place works one of the version after, which knows one kind more.
    NextVersion,
    /// A server gets SIGKILL, and is started again.
    Killed(Part),
    /// A server is stopped in order, and is started again.
    Restarted(Part),
    /// The way to a server is broken.
    Wire(Part, Break),
    /// All connections of a server are taken by somebody else, and ours were just dropped.
    PoolFilled(Part),
    /// Somebody else writes to the SQLite file, and does not come to an end.
    FileLocked,
    /// Providers do not do as they should.
    Provider(Ill),
}

/// A server that an installation stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Postgres,
    Redis,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// All are closed, once.
    Dropped,
    /// All are closed, and none is taken.
    Cut,
    /// They stay open, and nothing passes.
    Stalled,
    /// Requests arrive, answers are lost.
    Mute,
    /// The same, and the server's half is closed.
    HalfClosed,
}

/// What ails providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ill {
    TooManyRequests,
    ServerError,
    ServerErrorAfterwards,
    Slow,
    Hanging,
    Silent,
    LostAnswer,
    HalfAnswer,
    Garbage,
    BlindLookUps,
}

impl Ill {
    pub(crate) const ALL: [Self; 10] = [
        Self::TooManyRequests,
        Self::ServerError,
        Self::ServerErrorAfterwards,
        Self::Slow,
        Self::Hanging,
        Self::Silent,
        Self::LostAnswer,
        Self::HalfAnswer,
        Self::Garbage,
        Self::BlindLookUps,
    ];

    /// What the simulator is told: what goes wrong, and with what share of calls.
    pub(crate) fn fault(self) -> simulator::Fault {
        use Misbehaviour as M;
        let error = |executed| M::ServerError { status: 500, executed };
        let (does, rate) = match self {
            Self::TooManyRequests => (M::TooManyRequests { retry_after_seconds: 2 }, 0.5),
            Self::ServerError | Self::BlindLookUps => (error(false), 0.5),
            Self::ServerErrorAfterwards => (error(true), 0.3),
            // Longer than a call may take (15 s), so that what is asked for is done and its answer comes too late.
            Self::Slow => (M::Slow { ms: 17_000 }, 0.1),
            Self::Hanging => (M::Hang { ms: 2_000 }, 0.5),
            Self::Silent => (M::Silent, 0.1),
            Self::LostAnswer => (M::LostAnswer, 0.3),
            Self::HalfAnswer => (M::HalfAnswer, 0.3),
            Self::Garbage => (M::Garbage, 0.3),
        };
        let fault = simulator::Fault::from(does).at_rate(rate);
        if self == Self::BlindLookUps {
            fault.of_lookups()
        } else {
            fault
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::TooManyRequests => "429",
            Self::ServerError => "500",
            Self::ServerErrorAfterwards => "500 after sending",
            Self::Slow => "slow",
            Self::Hanging => "hanging",
            Self::Silent => "silent",
            Self::LostAnswer => "answer lost",
            Self::HalfAnswer => "half an answer",
            Self::Garbage => "garbage",
            Self::BlindLookUps => "500 to look-ups",
        }
    }
}

/// The name in reports.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkerKilled => f.write_str("worker killed"),
            Self::WorkerFrozen => f.write_str("worker frozen"),
            Self::WorkerEnded => f.write_str("worker asked to end"),
            Self::WebKilled => f.write_str("web killed"),
            Self::ClockKilled => f.write_str("clock killed"),
            Self::FormerVersion => f.write_str("worker of former version"),
            Self::NextVersion => f.write_str("worker of next version"),
            Self::Killed(part) => write!(f, "{} killed", part.name()),
            Self::Restarted(part) => write!(f, "{} restarted", part.name()),
            Self::Wire(part, how) => write!(f, "{} {}", part.name(), how.name()),
            Self::PoolFilled(part) => write!(f, "{} full", part.name()),
            Self::FileLocked => f.write_str("file locked"),
            Self::Provider(ill) => write!(f, "providers: {}", ill.name()),
        }
    }
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

impl Break {
    const fn name(self) -> &'static str {
        match self {
            Self::Dropped => "connections dropped",
            Self::Cut => "cut off",
            Self::Stalled => "stalled",
            Self::Mute => "answers lost",
            Self::HalfClosed => "half closed",
        }
    }
}
