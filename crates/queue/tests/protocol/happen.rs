//! What comes of what happens.

use crate::action::{Action, Fate};
use crate::calls::{Call, Late, Outcome, Reason, Reply, Session, Ticket};
use crate::protocol::Protocol;
use crate::rules::{FOLLOW_UP, Flaw, Job, LEASE};
use crate::worker::{Life, Run, Step, Worker, decide};
use crate::world::{Look, World};

/// How often a flawed cancel looks; `TRIES` in `sql/postgres/cancel.rs`.
const LOOKS: u8 = 3;

impl Protocol {
    /// Makes it happen.
    pub(crate) fn happen(&self, world: &mut World, action: Action) {
        let flaw = self.flaw;
        match action {
            Action::Add(job) => world.call(flaw, |call| call.add(job)),
            Action::Claim(place) => worker(world, place).step = Step::Sent(Call::Claim { left: LEASE }),
            Action::Settle(place) => {
                let worker = worker(world, place);
                let endings = worker.endings();
                worker.step = Step::Sent(Call::Settle { endings });
            }
            Action::Execute(place, choice) => {
                let step = std::mem::replace(&mut worker(world, place).step, Step::None);
                if let Step::Sent(call) = step {
                    let step = world.execute(flaw, Session::Of(place), call, choice);
                    worker(world, place).step = step;
                }
            }
            Action::Hear(place) => self.hear(worker(world, place)),
            Action::GiveUp(place, fate) => {
                world.misfortunes.losses -= 1;
                let step = std::mem::replace(&mut worker(world, place).step, Step::None);
                if let (Step::Sent(call), Fate::Late) = (step, fate) {
                    let from = Session::Of(place);
                    world.late.push(Late { from, call });
                }
            }
            Action::ExecuteLate(index, choice) => {
                let Late { from, call } = world.late.remove(index);
                if let Step::Sent(call) = world.execute(flaw, from, call, choice) {
                    world.late.push(Late { from, call });
                }
            }
            Action::End(place, index, answer) => {
                let hold = &mut worker(world, place).holds[index];
                hold.run = Run::Ended(decide(answer, hold.attempts));
            }
            Action::AddFollowUp(place, index) => {
                worker(world, place).holds[index].followed = true;
                world.call(flaw, |call| call.add(FOLLOW_UP));
            }
            Action::Renew(place, fate) => self.renew(world, place, fate),
            Action::SeeCancelled(place) => {
                let cancelled = world.store.cancelled;
                let holds = worker(world, place).holds.iter_mut();
                let (reason, failed) = (Reason::Cancelled, false);
                holds
                    .filter(|hold| hold.run == Run::Going && cancelled.has(hold.job))
                    .for_each(|hold| hold.run = Run::Ended(Outcome::Dead { reason, failed }));
            }
            Action::Promote(job) => world.call(flaw, |call| call.promote(job)),
            Action::Rescue(index) => world.call(flaw, |call| call.rescue(index)),
            Action::Unpark(job) => world.call(flaw, |call| call.unpark(job)),
            Action::Tick => world.tick(flaw),
            Action::Freeze(place) => {
                world.misfortunes.freezes -= 1;
                world.freeze(place);
            }
            Action::Thaw(place) => worker(world, place).life = Life::Awake,
            Action::Die(place, goes_on) => {
                world.misfortunes.deaths -= 1;
                world.die(place, goes_on);
            }
            Action::Start(place) => world.start(flaw, place),
            Action::Look(job) => {
                world.misfortunes.cancels -= 1;
                world.operator = look(world, job, 0);
            }
            Action::Reach => self.reach(world),
            Action::RetryDead(job) => {
                world.misfortunes.revivals -= 1;
                world.call(flaw, |call| call.revive(job));
            }
            Action::DeleteDead(job) => world.store.dead[usize::from(job)] = None,
            Action::Forget(job) => world.call(flaw, |call| {
                if call.may_forget(job) {
                    call.forget(job);
                }
            }),
            Action::FailOver => {
                world.misfortunes.fail_overs -= 1;
                world.witness.failed_over = true;
                if let Some(ticket) = world.unheard {
                    self.fail_over(world, ticket);
                }
            }
        }
    }

    fn hear(&self, worker: &mut Worker) {
        let Step::Answered(mut reply) = std::mem::replace(&mut worker.step, Step::None) else {
            return;
        };
        if let (Reply::Claimed { left, .. }, Some(Flaw::LeaseCountsFromTheAnswer)) = (&mut reply, self.flaw) {
            *left = LEASE;
        }
        worker.hear(reply);
    }

    fn renew(&self, world: &mut World, place: u8, fate: Option<Fate>) {
        let claims = worker(world, place).claims();
        worker(world, place).tried = true;
        world.misfortunes.losses -= u8::from(fate.is_some());
        match fate {
            None => {
                let lost = world.call(self.flaw, |call| call.renew(&claims, LEASE));
                worker(world, place).renewed(&lost);
            }
            Some(Fate::Unheard) => drop(world.call(self.flaw, |call| call.renew(&claims, LEASE))),
            Some(Fate::Late) => world.late.push(Late {
                from: Session::Of(place),
                call: Call::Renew { claims, left: LEASE },
            }),
            Some(Fate::Lost) => {}
        }
    }

    fn reach(&self, world: &mut World) {
        let Some(seen) = world.operator.take() else { return };
        let job = seen.job;
        match self.flaw {
            Some(Flaw::CancelLooksThenActs) if seen.runs => world.call(self.flaw, |call| call.mark(job)),
            Some(Flaw::CancelLooksThenActs) => world.call(self.flaw, |call| call.remove(job)),
            Some(Flaw::CancelGivesUp) if seen.moved && seen.misses + 1 == LOOKS => world.witness.forbidden.insert(job),
            Some(Flaw::CancelGivesUp) if seen.moved => world.operator = look(world, job, seen.misses + 1),
            _ if seen.moved => world.operator = look(world, job, 0),
            _ => world.call(self.flaw, |call| call.cancel(job)),
        }
    }

    fn fail_over(&self, world: &mut World, ticket: Ticket) {
        let leases = &world.store.leases;
        if let Some(index) = leases.iter().position(|lease| lease.ticket == ticket) {
            world.call(self.flaw, |call| call.unclaim(index));
            world.reissue = Some(ticket.claim).filter(|_| self.flaw == Some(Flaw::ClaimNumbersComeAgain));
        }
    }
}

fn worker(world: &mut World, place: u8) -> &mut Worker {
    &mut world.workers[usize::from(place)]
}

/// Where a job is, for a cancel; nothing if it is gone.
fn look(world: &World, job: Job, misses: u8) -> Option<Look> {
    world.store.row(job)?;
    Some(Look {
        job,
        runs: world.store.leases.iter().any(|lease| lease.jobs.has(job)),
        moved: false,
        misses,
    })
}
