//! What is done to the installation, and when: a pure function of the seed, so that a run that found something can be made
//! again.
//!
//! Three lanes go on beside each other: what happens to processes, to what they stand on, and to providers. Within a lane one
//! fault ends before the next begins. A lane deals its faults like cards: all of them come up before one comes again.

use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::fault::{Break, Fault, Ill, Part};

/// What an installation stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// One SQLite file.
    Sqlite,
    /// Postgres for both store and queue.
    Postgres,
    /// The queue in Redis, the store in Postgres.
    Redis,
}

/// Which run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// Everything, at random.
    Storm,
    /// What the installation stands on is away, one part after the other, for the whole of `--minutes` each.
    Outage,
    /// Workers of two versions take turns.
    Deploy,
    /// An account is limited: to so many calls at once while workers are killed, then to so many a second.
    Limits,
    /// People write several texts in a row, while workers are killed and the store fails.
    Order,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// When it begins, counted from the start of the load.
    pub(crate) at: Duration,
    /// For how long it lasts.
    pub(crate) lasts: Duration,
    /// What it is.
    pub(crate) fault: Fault,
    /// Decides what the fault leaves open: which of the workers.
    pub(crate) pick: usize,
}

/// How long all goes well before the first fault, and after each long outage.
const CALM: Duration = Duration::from_secs(20);

/// The least of it, for runs of a minute.
const CALM_SHORT: Duration = Duration::from_secs(3);

/// Every so often one worker is replaced by one of another version.
const DEPLOY_EVERY: Duration = Duration::from_secs(6);

/// The lanes of a run, and how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) lanes: Vec<Vec<Planned>>,
    pub(crate) length: Duration,
}

impl Plan {
    /// Everything that will be done in a run of this length.
    pub(crate) fn new(style: Style, backend: Backend, seed: u64, length: Duration) -> Self {
        match style {
            Style::Storm => Self::storm(backend, seed, length),
            Style::Outage => Self::outage(backend, length),
            Style::Deploy => Self::deploy(seed, length),
            // What happens there follows from how far it is, not from the time.
            Style::Limits => Self {
                lanes: Vec::new(),
                length,
            },
            Style::Order => Self::dealt([workers(), ground(backend)], seed, length),
        }
    }

    fn storm(backend: Backend, seed: u64, length: Duration) -> Self {
        Self::dealt([processes(), ground(backend), providers()], seed, length)
    }

    fn dealt<const LANES: usize>(decks: [Vec<Card>; LANES], seed: u64, length: Duration) -> Self {
        let lanes = decks.into_iter().zip(0..).map(|(deck, lane)| {
            // Lanes have dice of their own: a card more in one changes nothing in the others.
            let dice = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(lane));
            deal(deck, dice, length)
        });
        Self {
            lanes: lanes.collect(),
            length,
        }
    }

    fn outage(backend: Backend, away: Duration) -> Self {
        let faults = match backend {
            Backend::Sqlite => vec![Fault::FileLocked],
            Backend::Postgres => vec![Fault::Killed(Part::Postgres)],
            Backend::Redis => vec![Fault::Killed(Part::Redis), Fault::Killed(Part::Postgres)],
        };
        let mut at = CALM;
        let lane = faults.into_iter().map(|fault| {
            let planned = Planned {
                at,
                lasts: away,
                fault,
                pick: 0,
            };
            at += away + CALM;
            planned
        });
        Self {
            lanes: vec![lane.collect()],
            length: at,
        }
    }

    fn deploy(seed: u64, length: Duration) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut lane = Vec::new();
        let mut at = CALM_SHORT;
        let mut pick = 0;
        while at + 2 * DEPLOY_EVERY <= length {
            let fault = if dice.random() {
                Fault::FormerVersion
            } else {
                Fault::NextVersion
            };
            lane.push(Planned {
                at,
                lasts: DEPLOY_EVERY,
                fault,
                pick,
            });
            pick += 1;
            at += DEPLOY_EVERY;
        }
        Self {
            lanes: vec![lane],
            length,
        }
    }
}

/// A fault, and how many tenths of a second it lasts at least and at most.
type Card = (Fault, std::ops::RangeInclusive<u64>);

fn processes() -> Vec<Card> {
    vec![
        (Fault::WorkerKilled, 5..=30),
        (Fault::WorkerKilled, 5..=30),
        // Longer than a lease (30 s), so that others take its jobs over before it goes on.
        (Fault::WorkerFrozen, 330..=380),
        (Fault::WorkerEnded, 5..=20),
        (Fault::WebKilled, 5..=20),
        (Fault::ClockKilled, 5..=20),
        (Fault::FormerVersion, 50..=100),
        (Fault::NextVersion, 50..=100),
    ]
}

fn workers() -> Vec<Card> {
    vec![(Fault::WorkerKilled, 5..=30)]
}

fn ground(backend: Backend) -> Vec<Card> {
    let parts: &[Part] = match backend {
        Backend::Sqlite => return vec![(Fault::FileLocked, 10..=80)],
        Backend::Postgres => &[Part::Postgres],
        Backend::Redis => &[Part::Redis, Part::Postgres],
    };
    let of = |part: &Part| {
        let part = *part;
        let mut cards = vec![
            (Fault::Killed(part), 5..=60),
            (Fault::Restarted(part), 5..=30),
            (Fault::PoolFilled(part), 30..=80),
            (Fault::Wire(part, Break::Dropped), 1..=1),
        ];
        let longer = [Break::Cut, Break::Stalled, Break::Mute, Break::HalfClosed];
        cards.extend(longer.map(|how| (Fault::Wire(part, how), 10..=80)));
        cards
    };
    parts.iter().flat_map(of).collect()
}

fn providers() -> Vec<Card> {
    let cards = Ill::ALL.map(|ill| (Fault::Provider(ill), 40..=120));
    cards.into()
}

/// Cards until the time is over. What does not fit any more is left out.
fn deal(deck: Vec<Card>, mut dice: StdRng, length: Duration) -> Vec<Planned> {
    let mut dealt = Vec::new();
    let mut at = CALM_SHORT;
    loop {
        let mut deck = deck.clone();
        deck.shuffle(&mut dice);
        let before = dealt.len();
        for (fault, tenths) in deck {
            let lasts = Duration::from_millis(100 * dice.random_range(tenths));
            let pause = Duration::from_millis(dice.random_range(500..5_000));
            let pick = dice.random_range(0..1_000);
            if at + pause + lasts + CALM_SHORT > length {
                continue;
            }
            at += pause;
            dealt.push(Planned { at, lasts, fault, pick });
            at += lasts;
        }
        if dealt.len() == before {
            return dealt;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKENDS: [Backend; 3] = [Backend::Sqlite, Backend::Postgres, Backend::Redis];

    fn storm(backend: Backend, seed: u64, seconds: u64) -> Plan {
        Plan::new(Style::Storm, backend, seed, Duration::from_secs(seconds))
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_another() {
        for backend in BACKENDS {
            assert_eq!(storm(backend, 7, 1_800), storm(backend, 7, 1_800));
            assert_ne!(storm(backend, 7, 1_800), storm(backend, 8, 1_800));
        }
    }

    #[test]
    fn within_a_lane_one_fault_ends_before_the_next_begins_and_all_before_the_run_does() {
        for backend in BACKENDS {
            for seconds in [5, 60, 600] {
                let plan = storm(backend, 3, seconds);
                for lane in &plan.lanes {
                    for pair in lane.windows(2) {
                        assert!(pair[0].at + pair[0].lasts <= pair[1].at, "{pair:?}");
                    }
                    assert!(lane.iter().all(|planned| planned.at + planned.lasts < plan.length));
                }
            }
        }
    }

    #[test]
    fn half_an_hour_has_every_fault_that_the_backend_can_have() {
        for (backend, deck) in BACKENDS.map(|backend| (backend, [processes(), ground(backend), providers()])) {
            let plan = storm(backend, 1, 1_800);
            let has = |fault: &Fault| plan.lanes.iter().flatten().any(|planned| planned.fault == *fault);
            assert!(deck.iter().flatten().all(|(fault, _)| has(fault)), "{backend:?}");
        }
    }

    #[test]
    fn an_outage_takes_away_one_part_after_the_other_for_as_long_as_was_said() {
        let minute = Duration::from_secs(60);
        let plan = Plan::new(Style::Outage, Backend::Redis, 0, minute);
        let faults: Vec<_> = plan.lanes[0]
            .iter()
            .map(|planned| (&planned.fault, planned.lasts))
            .collect();
        assert_eq!(
            faults,
            [
                (&Fault::Killed(Part::Redis), minute),
                (&Fault::Killed(Part::Postgres), minute)
            ]
        );
        assert!(plan.lanes[0][0].at + minute + CALM <= plan.lanes[0][1].at);
    }
}
