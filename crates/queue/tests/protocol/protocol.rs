//! Which of all that may happen is possible when.

use stateright::{Model, Property};

use crate::action::{Action, Fate};
use crate::calls::Call;
use crate::promises::{promises, scenes};
use crate::rules::{Answer, Bounds, Flaw, PARENT, WORKERS};
use crate::set::Set;
use crate::worker::{Hold, Life, Run, Step, Worker};
use crate::world::World;

/// The protocol within bounds, whole or broken in one way.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) bounds: Bounds,
    pub(crate) flaw: Option<Flaw>,
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            misfortunes: self.bounds.misfortunes,
            ..World::default()
        };
        (0..WORKERS as u8).for_each(|place| world.start(self.flaw, place));
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.about_jobs(world, actions);
        for (place, worker) in (0..).zip(&world.workers) {
            self.about_calls(world, place, worker, actions);
            self.about_runs(world, place, worker, actions);
            self.about_lives(world, place, worker, actions);
        }
        for (index, late) in world.late.iter().enumerate() {
            actions.extend(choices(world, &late.call).map(|choice| Action::ExecuteLate(index, choice)));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.happen(&mut next, action);
        let next = next.canonical();
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = promises();
        all.extend(scenes());
        all
    }
}

/// What a call may take: a claim some of the ready jobs, or nothing if there are none.
fn choices(world: &World, call: &Call) -> impl Iterator<Item = Set> {
    let claims = matches!(call, Call::Claim { .. }) && !world.store.ready.is_empty();
    let possible = move |choice: &Set| choice.is_empty() != claims && (!claims || world.store.may_claim(*choice));
    Set::all().filter(possible).collect::<Vec<_>>().into_iter()
}

impl Protocol {
    fn about_jobs(&self, world: &World, actions: &mut Vec<Action>) {
        let (store, left) = (&world.store, &world.misfortunes);
        actions.extend(self.bounds.keys.iter().map(|job| Action::Add(*job)));
        if world.workers.iter().any(|worker| worker.life == Life::Awake) {
            actions.extend(store.later.jobs().map(Action::Promote));
            actions.extend(store.parked.jobs().map(Action::Unpark));
            let ended = store.leases.iter().enumerate().filter(|(_, lease)| lease.left == 0);
            actions.extend(ended.map(|(index, _)| Action::Rescue(index)));
        }
        if world.may_tick() {
            actions.push(Action::Tick);
        }
        let live = (0..).zip(&store.rows).filter(|(_, row)| row.is_some());
        match world.operator {
            None if left.cancels > 0 => actions.extend(live.map(|(job, _)| Action::Look(job))),
            None => {}
            Some(_) => actions.push(Action::Reach),
        }
        let letters = (0..).zip(&store.dead).filter(|(_, dead)| dead.is_some());
        for (job, _) in letters {
            actions.extend((left.revivals > 0).then_some(Action::RetryDead(job)));
            actions.extend(self.bounds.forgets.then_some(Action::DeleteDead(job)));
        }
        if self.bounds.forgets {
            actions.extend(store.known.jobs().map(Action::Forget));
        }
        if left.fail_overs > 0 && world.unheard.is_some() {
            actions.push(Action::FailOver);
        }
    }

    fn about_calls(&self, world: &World, place: u8, worker: &Worker, actions: &mut Vec<Action>) {
        if worker.is_free() {
            if !world.store.ready.is_empty() {
                actions.push(Action::Claim(place));
            }
            if !worker.endings().is_empty() {
                actions.push(Action::Settle(place));
            }
        }
        let may_give_up = worker.life == Life::Awake && world.misfortunes.losses > 0;
        match &worker.step {
            Step::None => {}
            Step::Sent(call) => {
                actions.extend(choices(world, call).map(|choice| Action::Execute(place, choice)));
                if may_give_up {
                    actions.extend([Fate::Lost, Fate::Late].map(|fate| Action::GiveUp(place, fate)));
                }
            }
            Step::Answered(_) => {
                actions.extend((worker.life == Life::Awake).then_some(Action::Hear(place)));
                actions.extend(may_give_up.then_some(Action::GiveUp(place, Fate::Unheard)));
            }
        }
    }

    fn about_runs(&self, world: &World, place: u8, worker: &Worker, actions: &mut Vec<Action>) {
        if worker.life != Life::Awake {
            return;
        }
        let going = |(_, hold): &(usize, &Hold)| hold.run == Run::Going;
        for (index, hold) in worker.holds.iter().enumerate().filter(going) {
            let owes = self.bounds.follow_up && hold.job == PARENT && !hold.followed;
            if owes {
                actions.push(Action::AddFollowUp(place, index));
            }
            let ends_early = self.flaw == Some(Flaw::FollowUpComesAfterSettle);
            let may = |answer: &&Answer| **answer != Answer::Done || !owes || ends_early;
            let answers = self.bounds.answers.iter().filter(may);
            actions.extend(answers.map(|answer| Action::End(place, index, *answer)));
        }
        if worker
            .holds
            .iter()
            .any(|hold| hold.run == Run::Going && world.store.cancelled.has(hold.job))
        {
            actions.push(Action::SeeCancelled(place));
        }
        if worker.should_renew() {
            actions.push(Action::Renew(place, None));
            if world.misfortunes.losses > 0 {
                actions.extend([Fate::Lost, Fate::Unheard, Fate::Late].map(|fate| Action::Renew(place, Some(fate))));
            }
        }
    }

    fn about_lives(&self, world: &World, place: u8, worker: &Worker, actions: &mut Vec<Action>) {
        let left = &world.misfortunes;
        match worker.life {
            Life::Awake if left.freezes > 0 => actions.push(Action::Freeze(place)),
            Life::Frozen => actions.push(Action::Thaw(place)),
            Life::Dead => actions.push(Action::Start(place)),
            Life::Awake => {}
        }
        if worker.life != Life::Dead && left.deaths > 0 {
            actions.push(Action::Die(place, false));
            actions.extend(matches!(worker.step, Step::Sent(_)).then_some(Action::Die(place, true)));
        }
    }
}
