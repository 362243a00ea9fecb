//! All that is at one moment, and what time and the numbering of claims do to it.

use crate::calls::{Call, Late, Lease, Reply, Session, Ticket};
use crate::rules::{ANNOUNCED, Flaw, Job, LEASE, Misfortunes, WORKERS};
use crate::set::Set;
use crate::store::{Store, StoreCall};
use crate::witness::Witness;
use crate::worker::{Life, Step, Worker};

/// An operator's cancel between its look at the job and its grip on it: `cancel` in `sql/postgres/cancel.rs`. Elsewhere
/// nothing comes in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Look {
    pub(crate) job: Job,
    /// It was running.
    pub(crate) runs: bool,
    /// It has been moved since.
    pub(crate) moved: bool,
    /// How often it had been moved.
    pub(crate) misses: u8,
}

/// A state of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) workers: [Worker; WORKERS],
    /// Calls that their callers do not wait for any more.
    pub(crate) late: Vec<Late>,
    pub(crate) operator: Option<Look>,
    /// What may still go wrong.
    pub(crate) misfortunes: Misfortunes,
    pub(crate) witness: Witness,
    /// The claim that a copy of the store may not have heard of yet: the last thing written.
    pub(crate) unheard: Option<Ticket>,
    /// The number that a copy of the store takes for new
    /// ([`ClaimNumbersComeAgain`](Flaw::ClaimNumbersComeAgain)).
    pub(crate) reissue: Option<u8>,
}

impl World {
    /// Does something with the store; `act` is one call.
    pub(crate) fn call<T>(&mut self, flaw: Option<Flaw>, act: impl FnOnce(&mut StoreCall<'_>) -> T) -> T {
        let mut call = StoreCall {
            store: &mut self.store,
            flaw,
            witness: &mut self.witness,
            moved: Set::default(),
        };
        let answer = act(&mut call);
        let moved = call.moved;
        if let Some(look) = &mut self.operator {
            look.moved |= moved.has(look.job);
        }
        self.unheard = None;
        answer
    }

    /// The store gets a worker's call and does it. `choice` is what a claim takes. Answers what goes back.
    pub(crate) fn execute(&mut self, flaw: Option<Flaw>, from: Session, call: Call, choice: Set) -> Step {
        match call {
            Call::Claim { .. } if choice.is_empty() => Step::None,
            Call::Claim { left } => self.claim(flaw, from, left, choice),
            Call::Settle { endings } if flaw == Some(Flaw::SettleLooksThenActs) => {
                let look =
                    |call: &mut StoreCall<'_>| endings.iter().map(|ending| call.is_held(ending)).collect::<Vec<_>>();
                let held = self.call(flaw, look);
                let endings = endings.into_iter().zip(held).collect();
                Step::Sent(Call::SettleLooked { endings })
            }
            Call::Settle { endings } => {
                let held = endings
                    .into_iter()
                    .map(|ending| (ending, self.call(flaw, |call| call.settle(&ending))));
                Step::Answered(Reply::Settled {
                    endings: held.collect(),
                })
            }
            Call::SettleLooked { endings } => {
                for (ending, _) in endings.iter().filter(|(_, held)| *held) {
                    self.call(flaw, |call| call.end_run(ending));
                }
                Step::Answered(Reply::Settled { endings })
            }
            Call::Renew { claims, left } => {
                self.call(flaw, |call| call.renew(&claims, left));
                Step::None
            }
        }
    }

    fn claim(&mut self, flaw: Option<Flaw>, session: Session, left: u8, choice: Set) -> Step {
        let ticket = self.next_ticket();
        let silent = match session {
            Session::Of(place) => self.is_silent(place),
            Session::Gone { .. } => true,
        };
        let lease = Lease {
            ticket,
            session,
            left,
            jobs: Set::default(),
            forsaken: silent,
            mourned: false,
        };
        let jobs = self.call(flaw, |call| call.claim(choice, lease));
        self.unheard = Some(ticket).filter(|_| self.misfortunes.fail_overs > 0);
        Step::Answered(Reply::Claimed { ticket, jobs, left })
    }

    /// Whether a worker has not announced itself of late.
    fn is_silent(&self, place: u8) -> bool {
        self.workers[usize::from(place)].life != Life::Awake || self.store.announced[usize::from(place)] == 0
    }

    /// A number never issued before: `next_claim` in `step.lua`, `nextval('queue_claims')` in SQL.
    fn next_ticket(&mut self) -> Ticket {
        let (mut claim, mut serial) = (0, 0);
        self.tickets(|ticket| {
            claim = claim.max(ticket.claim + 1);
            serial = serial.max(ticket.serial + 1);
        });
        let claim = self.reissue.take().unwrap_or(claim);
        Ticket { claim, serial }
    }

    /// Whether the clock may move: within a third of a lease, whoever is awake has its answers or has given up, and has
    /// tried to renew.
    pub(crate) fn may_tick(&self) -> bool {
        let awake = |worker: &&Worker| worker.life == Life::Awake;
        let kept_up = |worker: &Worker| worker.step == Step::None && (worker.tried || !worker.should_renew());
        self.workers.iter().filter(awake).all(kept_up)
    }

    /// A third of a lease passes. Whoever is awake says so (`announce` in `src/worker.rs`).
    pub(crate) fn tick(&mut self, flaw: Option<Flaw>) {
        for lease in &mut self.store.leases {
            lease.left = lease.left.saturating_sub(1);
            lease.session.tick();
        }
        for (worker, announced) in self.workers.iter_mut().zip(&mut self.store.announced) {
            worker.tick();
            *announced = match worker.life {
                Life::Awake => announced_for(flaw),
                Life::Frozen | Life::Dead => announced.saturating_sub(1),
            };
        }
        for late in &mut self.late {
            late.call.tick();
            late.from.tick();
        }
    }

    /// A process freezes: nobody hears of it.
    pub(crate) fn freeze(&mut self, place: u8) {
        self.workers[usize::from(place)].life = Life::Frozen;
        let leases = self.store.leases.iter_mut();
        leases
            .filter(|lease| lease.session == Session::Of(place))
            .for_each(|lease| lease.forsaken = true);
    }

    /// A process dies. If its call was on its way, it may go on without it.
    pub(crate) fn die(&mut self, place: u8, goes_on: bool) {
        let announced = std::mem::take(&mut self.store.announced[usize::from(place)]);
        let worker = std::mem::take(&mut self.workers[usize::from(place)]);
        self.workers[usize::from(place)].life = Life::Dead;
        let (mine, gone) = (Session::Of(place), Session::Gone { announced });
        for lease in self.store.leases.iter_mut().filter(|lease| lease.session == mine) {
            lease.session = gone;
            lease.forsaken = true;
            lease.mourned = lease.left >= ANNOUNCED;
        }
        for late in self.late.iter_mut().filter(|late| late.from == mine) {
            late.from = gone;
        }
        if let (Step::Sent(call), true) = (worker.step, goes_on) {
            self.late.push(Late { from: gone, call });
        }
    }

    /// Another process takes the place of a dead one.
    pub(crate) fn start(&mut self, flaw: Option<Flaw>, place: u8) {
        self.workers[usize::from(place)] = Worker::default();
        self.store.announced[usize::from(place)] = announced_for(flaw);
    }

    /// The same world written the same way: what has no order is sorted (so the two places of workers may change), and
    /// claims are numbered from 0 without holes, as only their order counts.
    pub(crate) fn canonical(mut self) -> Self {
        let (mut claims, mut serials) = (Vec::new(), Vec::new());
        self.tickets(|ticket| {
            claims.push(ticket.claim);
            serials.push(ticket.serial);
        });
        claims.extend(self.reissue);
        for numbers in [&mut claims, &mut serials] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        let rank = |numbers: &[u8], number: u8| numbers.iter().take_while(|other| **other < number).count() as u8;
        self.tickets(|ticket| {
            ticket.claim = rank(&claims, ticket.claim);
            ticket.serial = rank(&serials, ticket.serial);
        });
        self.reissue = self.reissue.map(|claim| rank(&claims, claim));
        for worker in &mut self.workers {
            worker.holds.sort_unstable();
            worker.tried &= worker.should_renew();
        }
        let [one, other] = &self.workers;
        if (other, self.store.announced[1]) < (one, self.store.announced[0]) {
            self.swap_workers();
        }
        self.store.leases.sort_unstable();
        self.late.sort_unstable();
        self
    }

    /// Gives each of the two workers the other's place.
    fn swap_workers(&mut self) {
        self.workers.reverse();
        self.store.announced.reverse();
        let leases = self.store.leases.iter_mut().map(|lease| &mut lease.session);
        let late = self.late.iter_mut().map(|late| &mut late.from);
        for session in leases.chain(late) {
            if let Session::Of(place) = session {
                *place = 1 - *place;
            }
        }
    }

    /// Shows every ticket that is anywhere.
    fn tickets(&mut self, mut show: impl FnMut(&mut Ticket)) {
        self.store.leases.iter_mut().for_each(|lease| show(&mut lease.ticket));
        self.unheard.iter_mut().for_each(&mut show);
        for worker in &mut self.workers {
            worker.holds.iter_mut().for_each(|hold| show(&mut hold.ticket));
            match &mut worker.step {
                Step::Sent(call) => call.tickets(&mut show),
                Step::Answered(Reply::Claimed { ticket, .. }) => show(ticket),
                Step::Answered(Reply::Settled { endings }) => {
                    endings.iter_mut().for_each(|(ending, _)| show(&mut ending.ticket));
                }
                Step::None => {}
            }
        }
        self.late.iter_mut().for_each(|late| late.call.tickets(&mut show));
    }
}

impl Call {
    fn tickets(&mut self, show: &mut impl FnMut(&mut Ticket)) {
        match self {
            Self::Claim { .. } => {}
            Self::Settle { endings } => endings.iter_mut().for_each(|ending| show(&mut ending.ticket)),
            Self::SettleLooked { endings } => endings.iter_mut().for_each(|(ending, _)| show(&mut ending.ticket)),
            Self::Renew { claims, .. } => claims.iter_mut().for_each(show),
        }
    }
}

impl Session {
    fn tick(&mut self) {
        if let Self::Gone { announced } = self {
            *announced = announced.saturating_sub(1);
        }
    }
}

fn announced_for(flaw: Option<Flaw>) -> u8 {
    match flaw {
        Some(Flaw::AnnouncedTooLong) => LEASE + 1,
        _ => ANNOUNCED,
    }
}
