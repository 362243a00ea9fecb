//! What is played: the sizes, what may go wrong how often, and the flaws that the checker has to find.

/// A job's key. There are two.
pub(crate) type Job = u8;

/// The first job. Where a scenario says so, its run adds [`FOLLOW_UP`] before it ends.
pub(crate) const PARENT: Job = 0;
/// The second job. Clients add it too.
pub(crate) const FOLLOW_UP: Job = 1;
/// How many jobs there are.
pub(crate) const JOBS: usize = 2;
/// How many worker processes there are at a time.
pub(crate) const WORKERS: usize = 2;

/// How long a lease lasts, in thirds of a lease: the step of this clock, because a lease is renewed when a third of it
/// is over (`renew` in `keeper.rs`).
pub(crate) const LEASE: u8 = 3;

/// How long an announcement is believed, in thirds of a lease (`announced_for` in `src/worker.rs`: at most half of one).
pub(crate) const ANNOUNCED: u8 = 1;

/// How often a job may fail.
pub(crate) const ATTEMPTS: u8 = 2;

/// What a run may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Done,
    /// Costs an attempt.
    Fail,
    /// Not now; costs nothing.
    Snooze,
    /// Waiting will not help.
    Refuse,
    /// This worker does not know the kind.
    Park,
    /// This worker leaves.
    Leave,
}

/// How a scenario is bounded. Whatever is not counted here may happen without end.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// The keys that clients add, again and again.
    pub(crate) keys: &'static [Job],
    /// Whether the first job adds the second.
    pub(crate) follow_up: bool,
    pub(crate) answers: &'static [Answer],
    pub(crate) misfortunes: Misfortunes,
    /// Whether letters may be deleted and keys be forgotten.
    pub(crate) forgets: bool,
}

/// How often each misfortune may still happen; a part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Misfortunes {
    /// A worker process freezes; it may thaw at any time.
    pub(crate) freezes: u8,
    /// A worker process dies; another may start at any time.
    pub(crate) deaths: u8,
    /// A caller gives up: its request is lost, late, or went through unheard.
    pub(crate) losses: u8,
    /// The store goes on from a copy that never heard of the last claim.
    pub(crate) fail_overs: u8,
    /// An operator cancels a job.
    pub(crate) cancels: u8,
    /// An operator retries a dead letter.
    pub(crate) revivals: u8,
}

/// A rule that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// An add is answered before the job is kept.
    AddIsAnsweredTooEarly,
    /// Only the key of a live job is known.
    EndedKeysAreNew,
    /// A key is forgotten although a dead letter has it.
    LettersOutliveTheirKeys,
    /// A claim does not tell how many attempts are used up.
    AttemptsAreNotTold,
    /// After a fail-over the counter of claims goes on from what the copy knew.
    ClaimNumbersComeAgain,
    /// A worker counts its lease from when it hears of it, not from when it asked.
    LeaseCountsFromTheAnswer,
    /// A renewal that comes late sets the lease's end to what it once asked for.
    LateRenewMovesBack,
    /// A finish counts for whatever has the job, whichever claim it names.
    SettleIgnoresTheClaim,
    /// A settle looks whether the claim is held, and acts on that later.
    SettleLooksThenActs,
    /// A settle ends the lease, whatever else is under it.
    SettleEndsTheWholeLease,
    /// A job that is put off stays where its old ticket finds it.
    PutOffJobsStayInTheirLease,
    /// A run may end before its follow-up job is added.
    FollowUpComesAfterSettle,
    /// Whether the worker of an ended lease still announces itself is not asked.
    UnheardClaimsAreCharged,
    /// An announcement is believed for longer than a lease lasts.
    AnnouncedTooLong,
    /// A job is given one crash too many.
    PoisonComesLate,
    /// A cancel looks where the job is, and acts on that later.
    CancelLooksThenActs,
    /// A cancel that found its job moved each time leaves a mark that no settle reads.
    CancelGivesUp,
}
