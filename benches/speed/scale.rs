//! How much is done.

/// The size of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Only what needs no server: SQLite.
    pub(crate) alone: bool,
    /// Requests of one run of the load generator, and how many go before without being timed.
    pub(crate) requests: usize,
    pub(crate) warm_requests: usize,
    /// For how long requests come at a steady pace.
    pub(crate) steady_seconds: usize,
    /// How often intake and the bare handler take turns.
    pub(crate) pairs: usize,
    /// How often everything else is repeated.
    pub(crate) repeats: usize,
    /// Jobs to add and to drain.
    pub(crate) jobs: usize,
    /// Jobs to pick up one by one.
    pub(crate) pick_ups: usize,
    /// How many jobs wait when draining begins, least first.
    pub(crate) waiting: [usize; 3],
    /// How many of them are taken at most.
    pub(crate) taken: usize,
    /// Jobs of the tenant that floods a queue.
    pub(crate) flood: usize,
    /// Dead letters, and live jobs beside them.
    pub(crate) letters: usize,
    pub(crate) live: usize,
    /// Interactions of a tenant, and how many pages of each list are read.
    pub(crate) interactions: usize,
    pub(crate) pages: usize,
    /// Messages in the store while old ones go.
    pub(crate) sends: usize,
}

impl Scale {
    pub(crate) const FULL: Self = Self {
        alone: false,
        requests: 100_000,
        warm_requests: 5_000,
        steady_seconds: 20,
        pairs: 9,
        repeats: 3,
        jobs: 100_000,
        pick_ups: 250,
        waiting: [10_000, 100_000, 1_000_000],
        taken: 100_000,
        flood: 100_000,
        letters: 1_000_000,
        live: 3_000,
        interactions: 1_000_000,
        pages: 2_000,
        sends: 1_000_000,
    };

    pub(crate) const QUICK: Self = Self {
        alone: false,
        requests: 40_000,
        warm_requests: 4_000,
        steady_seconds: 4,
        pairs: 2,
        repeats: 1,
        jobs: 20_000,
        pick_ups: 50,
        waiting: [5_000, 20_000, 100_000],
        taken: 20_000,
        flood: 20_000,
        letters: 20_000,
        live: 200,
        interactions: 100_000,
        pages: 500,
        sends: 50_000,
    };

    /// Shows that everything still works.
    pub(crate) const TINY: Self = Self {
        alone: true,
        requests: 64,
        warm_requests: 8,
        steady_seconds: 1,
        pairs: 1,
        repeats: 1,
        jobs: 100,
        pick_ups: 3,
        waiting: [50, 60, 70],
        taken: 50,
        flood: 50,
        letters: 50,
        live: 10,
        interactions: 200,
        pages: 5,
        sends: 250,
    };
}
