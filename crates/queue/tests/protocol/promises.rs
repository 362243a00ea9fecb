//! What must hold in every state, whatever happened before; and what must come about somewhere, or the search showed less
//! than it should.

use queue::backend::CRASHES_MAX;
use stateright::Property;

use crate::calls::{Reason, Reply};
use crate::protocol::Protocol;
use crate::rules::{ATTEMPTS, FOLLOW_UP, JOBS, Job, PARENT};
use crate::witness::Fault;
use crate::worker::{Hold, Run, Step};
use crate::world::World;

pub(crate) const ONE_PLACE: &str = "a job is in exactly one place";
pub(crate) const ONE_RUN: &str = "no two workers run a job while both may believe to hold it";
pub(crate) const BELIEF: &str = "no worker believes in its lease for longer than it lasts";
pub(crate) const STALE: &str = "a finish under a claim that is not held changes nothing";
pub(crate) const LOST: &str = "a key that was answered is not lost";
pub(crate) const BACK: &str = "a key that ended does not come back while it is known";
pub(crate) const CANCELLED: &str = "a cancelled job does not start";
pub(crate) const POISON: &str = "the third crash is the end";
pub(crate) const TOO_OFTEN: &str = "a job fails no more often than its policy allows";
pub(crate) const UNHEARD: &str = "a claim that a living worker never heard of is no crash";
pub(crate) const CHARGED: &str = "a worker's death is charged";
pub(crate) const FOLLOWED: &str = "a job that is done has added its follow-up";

/// What no state breaks.
pub(crate) fn promises() -> Vec<Property<Protocol>> {
    vec![
        Property::<Protocol>::always(ONE_PLACE, |_, world| {
            (0..JOBS as Job).all(|job| in_one_place(world, job))
        }),
        Property::<Protocol>::always(ONE_RUN, |_, world| {
            (0..JOBS as Job).all(|job| runs_that_believe(world).filter(|hold| hold.job == job).count() <= 1)
        }),
        Property::<Protocol>::always(BELIEF, |_, world| {
            runs_that_believe(world).all(|hold| is_right(world, hold))
        }),
        Property::<Protocol>::always(STALE, |_, world| world.witness.fault != Some(Fault::StaleFinish)),
        Property::<Protocol>::always(LOST, |_, world| {
            world.witness.answered.jobs().all(|job| is_there(world, job))
        }),
        Property::<Protocol>::always(BACK, |_, world| world.witness.fault != Some(Fault::EndedCameBack)),
        Property::<Protocol>::always(CANCELLED, |_, world| {
            world.witness.fault != Some(Fault::CancelledStarted)
        }),
        Property::<Protocol>::always(POISON, |_, world| {
            world.store.rows.iter().flatten().all(|row| row.crashes < CRASHES_MAX)
        }),
        Property::<Protocol>::always(TOO_OFTEN, |_, world| {
            world.store.rows.iter().flatten().all(|row| row.attempts < ATTEMPTS)
        }),
        Property::<Protocol>::always(UNHEARD, |_, world| {
            world.witness.fault != Some(Fault::LivingWorkerCharged)
        }),
        Property::<Protocol>::always(CHARGED, |_, world| world.witness.fault != Some(Fault::DeathNotCharged)),
        Property::<Protocol>::always(FOLLOWED, |protocol, world| {
            let owes = protocol.bounds.follow_up && world.witness.done.has(PARENT);
            !owes || world.witness.added.has(FOLLOW_UP)
        }),
    ]
}

pub(crate) const REFUSED: &str = "a finish is refused";
pub(crate) const TWICE: &str = "two workers run a job at once, of which one has lost it";
pub(crate) const NOT_HEARD: &str = "a lease ends of which its living worker never heard";
pub(crate) const FAILED: &str = "a job dies of its attempts";
pub(crate) const POISONED: &str = "a job dies of its crashes";
pub(crate) const STOPPED: &str = "a job dies of a cancel while it ran";
pub(crate) const REVIVED: &str = "a dead letter lives again and is done";
pub(crate) const TOGETHER: &str = "a claim has two jobs";

/// What some state shows; not every scenario has all of them.
pub(crate) fn scenes() -> Vec<Property<Protocol>> {
    vec![
        Property::<Protocol>::sometimes(REFUSED, |_, world| {
            let refused =
                |reply: &Reply| matches!(reply, Reply::Settled { endings } if endings.iter().any(|(_, held)| !held));
            world
                .workers
                .iter()
                .any(|worker| matches!(&worker.step, Step::Answered(reply) if refused(reply)))
        }),
        Property::<Protocol>::sometimes(TWICE, |_, world| {
            let runs = |job| move |hold: &&Hold| hold.run == Run::Going && hold.job == job;
            let [one, other] = world.workers.each_ref().map(|worker| worker.holds.iter());
            (0..JOBS as Job)
                .any(|job| one.clone().any(|hold| runs(job)(&hold)) && other.clone().any(|hold| runs(job)(&hold)))
        }),
        Property::<Protocol>::sometimes(NOT_HEARD, |_, world| {
            world
                .store
                .leases
                .iter()
                .any(|lease| lease.left == 0 && !lease.forsaken)
        }),
        Property::<Protocol>::sometimes(FAILED, |_, world| world.store.dead.contains(&Some(Reason::Attempts))),
        Property::<Protocol>::sometimes(POISONED, |_, world| world.store.dead.contains(&Some(Reason::Poison))),
        Property::<Protocol>::sometimes(STOPPED, |_, world| world.store.dead.contains(&Some(Reason::Cancelled))),
        Property::<Protocol>::sometimes(REVIVED, |protocol, world| {
            let revived = world.misfortunes.revivals < protocol.bounds.misfortunes.revivals;
            revived && !world.witness.done.is_empty()
        }),
        Property::<Protocol>::sometimes(TOGETHER, |_, world| {
            world.store.leases.iter().any(|lease| lease.jobs.jobs().count() > 1)
        }),
    ]
}

fn in_one_place(world: &World, job: Job) -> bool {
    let lives = world.store.row(job).is_some();
    let is_dead = world.store.dead[usize::from(job)].is_some();
    world.store.places(job) == usize::from(lives || is_dead)
}

/// The runs of workers whose own count of the lease is not over.
fn runs_that_believe(world: &World) -> impl Iterator<Item = &Hold> {
    let is_told = !world.witness.failed_over;
    let holds = world.workers.iter().flat_map(|worker| &worker.holds);
    holds.filter(move |hold| is_told && hold.run == Run::Going && hold.left > 0)
}

fn is_right(world: &World, hold: &Hold) -> bool {
    let lease = world.store.holds(hold.ticket, hold.job);
    lease.is_some_and(|lease| lease.left >= hold.left)
}

fn is_there(world: &World, job: Job) -> bool {
    let store = &world.store;
    store.row(job).is_some() || store.dead[usize::from(job)].is_some() || store.known.has(job)
}
