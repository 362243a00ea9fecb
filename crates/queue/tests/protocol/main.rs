//! The protocol of claims and settles, small enough to try *all* interleavings of it.
//!
//! Two worker processes, a store whose calls are atomic, a network that loses, delays and repeats calls, a clock that may
//! move between any two steps, workers that die, freeze and come back, an operator who cancels and retries, clients who
//! add the same key at any moment. [`store`] has the rules of `src/backend.rs`; each function names the script and the
//! statement that must amount to it. [`worker`] is a step loop (`src/stepper.rs`) with its keeper (`src/keeper.rs`).
//! [`promises`] is what no state may break. The random sequences of `tests/model` compare the real backends with such
//! rules; here the rules themselves are on trial.
//!
//! A [scenario](scenarios) bounds how often each misfortune strikes; the rest may go on for ever. Times are told as what
//! is left of them and claims by their order, so that what goes round comes back to a state that is known, and the
//! search ends: some 800,000 states in all. [`rules::Flaw`] lists rules broken on purpose, each of which the search must
//! find, or it proves nothing.
//!
//! # What is left out
//!
//! Queues, tenants, fairness, sealing, wake-ups, sizes of batches. How long a job waits for its time: it may become ready
//! at any moment. Adds whose answer is lost: they are promised less than those that are answered. Back-ups that are older
//! than one claim.
//!
//! # Where the code promises less than this model
//!
//! - [`CancelGivesUp`](rules::Flaw): so does `cancel` on Postgres, after its job moved twenty times under its hands.
//! - [`LettersOutliveTheirKeys`](rules::Flaw): so they do on Redis, as the page in front of `redis/mod.rs` says.
//! - [`ClaimNumbersComeAgain`](rules::Flaw): Redis guards its counter; the sequences of a Postgres that fails over to a
//!   copy which is behind have no such guard.

#![allow(clippy::unwrap_used)]

mod action;
mod calls;
mod ends;
mod happen;
mod promises;
mod protocol;
mod rules;
mod scenarios;
mod set;
mod store;
mod witness;
mod worker;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use promises::{
    BACK, BELIEF, CANCELLED, CHARGED, FOLLOWED, LOST, ONE_PLACE, ONE_RUN, POISON, STALE, TOO_OFTEN, UNHEARD,
};
use protocol::Protocol;
use rules::Flaw;
use scenarios::{CANCELS, DEATHS, FAIL_OVERS, FOLLOW_UPS, FROZEN, FROZEN_CANCELS, LETTERS, Scenario, TWO_JOBS};

/// So many steps are tried before a flaw counts as not found.
const STEPS_MAX: usize = 1_000_000;

/// Each broken rule, where it shows, and the promise that falls.
const FLAWS: [(Flaw, Scenario, &str); 19] = [
    (Flaw::AddIsAnsweredTooEarly, FROZEN, LOST),
    (Flaw::EndedKeysAreNew, FROZEN, BACK),
    (Flaw::LettersOutliveTheirKeys, LETTERS, ONE_PLACE),
    (Flaw::AttemptsAreNotTold, FROZEN, TOO_OFTEN),
    (Flaw::ClaimNumbersComeAgain, FAIL_OVERS, STALE),
    (Flaw::LeaseCountsFromTheAnswer, FROZEN, BELIEF),
    (Flaw::LeaseCountsFromTheAnswer, FROZEN, ONE_RUN),
    (Flaw::LateRenewMovesBack, FROZEN, BELIEF),
    (Flaw::LateRenewMovesBack, FROZEN, ONE_RUN),
    (Flaw::SettleIgnoresTheClaim, FROZEN, STALE),
    (Flaw::SettleLooksThenActs, FROZEN, STALE),
    (Flaw::SettleEndsTheWholeLease, TWO_JOBS, ONE_PLACE),
    (Flaw::PutOffJobsStayInTheirLease, FROZEN, ONE_PLACE),
    (Flaw::FollowUpComesAfterSettle, FOLLOW_UPS, FOLLOWED),
    (Flaw::UnheardClaimsAreCharged, FROZEN, UNHEARD),
    (Flaw::AnnouncedTooLong, DEATHS, CHARGED),
    (Flaw::PoisonComesLate, DEATHS, POISON),
    (Flaw::CancelLooksThenActs, CANCELS, CANCELLED),
    (Flaw::CancelGivesUp, FROZEN_CANCELS, CANCELLED),
];

/// Searches a scenario whole: no promise breaks, and everything comes about that it is there for.
fn hold(name: &str, scenario: Scenario) {
    let protocol = whole(scenario.bounds);
    let checker = protocol.checker().spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("{name}: {states} states, {steps} steps, none further than {depth} from the start");
    for promise in promises::promises() {
        checker.assert_no_discovery(promise.name);
    }
    for scene in scenario.shows {
        checker.assert_any_discovery(scene);
    }
}

fn whole(bounds: rules::Bounds) -> Protocol {
    Protocol { bounds, flaw: None }
}

#[test]
fn workers_that_freeze_and_calls_that_get_lost_break_no_promise() {
    hold("frozen", FROZEN);
}

#[test]
fn two_jobs_under_one_claim_break_no_promise() {
    hold("two jobs", TWO_JOBS);
}

#[test]
fn workers_that_die_break_no_promise() {
    hold("deaths", DEATHS);
}

#[test]
fn cancels_break_no_promise() {
    hold("cancels", CANCELS);
    hold("frozen cancels", FROZEN_CANCELS);
}

#[test]
fn follow_ups_that_are_also_added_by_clients_break_no_promise() {
    hold("follow-ups", FOLLOW_UPS);
}

#[test]
fn fail_overs_break_no_promise() {
    hold("fail-overs", FAIL_OVERS);
}

#[test]
fn letters_and_forgotten_keys_break_no_promise() {
    hold("letters", LETTERS);
}

#[test]
fn from_every_state_all_jobs_can_still_end() {
    for (name, scenario) in [
        ("deaths", DEATHS),
        ("cancels", CANCELS),
        ("follow-ups", FOLLOW_UPS),
        ("letters", LETTERS),
    ] {
        let (dead_ends, states) = ends::dead_ends(&whole(scenario.bounds));
        assert_eq!(
            dead_ends, 0,
            "{name}: of {states} states, from so many there is no way to an end"
        );
    }
}

#[test]
fn every_broken_rule_is_found() {
    for (flaw, scenario, promise) in FLAWS {
        let protocol = Protocol {
            bounds: scenario.bounds,
            flaw: Some(flaw),
        };
        let search = protocol.checker().target_state_count(STEPS_MAX);
        let search = search.finish_when(HasDiscoveries::AnyOf(BTreeSet::from([promise])));
        let trace = search.spawn_bfs().join().assert_any_discovery(promise).into_actions();
        println!("{flaw:?} breaks \"{promise}\" in {} steps: {trace:?}", trace.len());
    }
}

#[test]
fn every_promise_can_break() {
    let breaks: BTreeSet<_> = FLAWS.iter().map(|(_, _, promise)| *promise).collect();
    let promises: BTreeSet<_> = promises::promises().iter().map(|promise| promise.name).collect();
    assert_eq!(breaks, promises);
}
