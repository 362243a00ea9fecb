//! What all parts share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::account::Accounts;
use crate::callback::Callback;
use crate::dice::Dice;
use crate::fault::{Called, Faults, Misbehaviour};
use crate::ledger::Ledger;
use crate::mailboxes::Mailboxes;
use crate::provider::Provider;
use crate::queues::Queues;
use crate::script::{Scripts, Status};
use crate::settings::{Limits, Settings, Telling};
use crate::{ledger, resend, sendgrid, twilio};

/// Everything that changes, and the means to tell of it.
#[derive(Debug)]
pub(crate) struct World {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    connections: Tasks,
    errands: Tasks,
    started: Instant,
    pub(crate) client: reqwest::Client,
    pub(crate) posts: Semaphore,
    pub(crate) telling: Telling,
    pub(crate) limits: Limits,
    /// Where the simulator's own HTTP is.
    pub(crate) url: String,
}

/// What is remembered.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) scripts: Scripts,
    pub(crate) accounts: Accounts,
    pub(crate) dice: Dice,
    pub(crate) twilio: twilio::Memory,
    pub(crate) resend: resend::Memory,
    /// Events of SendGrid that wait for their batch.
    pub(crate) events: Queues<sendgrid::Event>,
    /// Notifications of Green-API that wait until the one before was heard.
    pub(crate) notifications: Queues<Callback>,
    pub(crate) mailboxes: Mailboxes,
    /// Grows with every reset, so that what began before one does not count after it.
    epoch: u64,
}

impl World {
    pub(crate) fn new(settings: Settings, accounts: Accounts, url: String) -> Result<Arc<Self>, reqwest::Error> {
        let limits = settings.limits;
        // Redirects are not followed: no provider follows them for status events, and a webhook that is redirected is
        // a mistake worth seeing.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("relais-simulator")
            .build()?;
        Ok(Arc::new(Self {
            state: Mutex::new(State {
                ledger: Ledger::new(&limits),
                faults: Faults::default(),
                scripts: Scripts::new(settings.script),
                accounts,
                dice: Dice::new(settings.seed),
                twilio: twilio::Memory::new(&limits),
                resend: resend::Memory::new(&limits),
                events: Queues::default(),
                notifications: Queues::default(),
                // Seconds: larger than at any start before.
                mailboxes: Mailboxes::new(limits.mail_bytes, limits.messages, unix_seconds()),
                epoch: 0,
            }),
            changed: watch::Sender::new(()),
            connections: Tasks::default(),
            errands: Tasks::default(),
            started: Instant::now(),
            client,
            posts: Semaphore::new(settings.telling.at_once.max(1)),
            telling: settings.telling,
            limits,
            url,
        }))
    }

    /// Looks at what is remembered, and says to no one that it changed.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is remembered, and wakes those who wait for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.look(change);
        self.changed.send_replace(());
        result
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Runs until the simulator is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(task);
    }

    /// Runs until the simulator is dropped or reset.
    pub(crate) fn spawn_errand(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.errands.spawn(task);
    }

    pub(crate) fn stop(&self) {
        self.connections.stop();
        self.errands.stop();
    }

    /// Forgets everything but the accounts, and what is under way is never told.
    pub(crate) async fn reset(&self) {
        self.errands.restart().await;
        self.change(|state| {
            state.epoch += 1;
            state.ledger.clear();
            state.faults.clear();
            state.scripts.clear();
            state.dice.reset();
            state.twilio = twilio::Memory::new(&self.limits);
            state.resend = resend::Memory::new(&self.limits);
            state.events.clear();
            state.notifications.clear();
            state.mailboxes.clear();
        });
    }

    /// Counts a call as under way until the guard is dropped.
    /// How long it has been running.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn begin_call(self: &Arc<Self>, provider: Provider, account: &str) -> Busy {
        let at = self.elapsed();
        let epoch = self.change(|state| {
            state.ledger.begin(provider, account, at);
            state.epoch
        });
        Busy {
            world: Arc::clone(self),
            provider,
            account: account.to_owned(),
            epoch,
        }
    }

    /// Counts something as still to be told until the guard is dropped. None if too much is.
    pub(crate) fn pend(self: &Arc<Self>) -> Option<Pending> {
        let max = self.limits.pending;
        let epoch = self.change(|state| {
            if state.ledger.pending() >= max {
                state.ledger.leave_untold();
                return None;
            }
            state.ledger.add_pending();
            Some(state.epoch)
        })?;
        let world = Arc::clone(self);
        Some(Pending { world, epoch })
    }

    /// What goes wrong with a call, if anything.
    pub(crate) fn fault(&self, call: &Called<'_>, wanted: fn(&Misbehaviour) -> bool) -> Option<Misbehaviour> {
        self.look(|state| state.faults.pick(&mut state.dice, call, wanted))
    }

    /// Writes down how far a message came.
    pub(crate) fn progress(&self, number: u64, status: Status, code: Option<&str>, at: DateTime<Utc>) {
        self.change(|state| {
            if let Some(effect) = state.ledger.effect_mut(number) {
                effect.history.push(ledger::Passed {
                    status,
                    code: code.map(str::to_owned),
                    at,
                });
            }
        });
    }

    /// So long a repetition waits where a provider would wait `documented`.
    pub(crate) fn paced(&self, documented: Duration) -> Duration {
        Duration::try_from_secs_f64(documented.as_secs_f64() * self.telling.pace).unwrap_or(documented)
    }
}

fn unix_seconds() -> u32 {
    Utc::now().timestamp().try_into().unwrap_or(u32::MAX / 2)
}

/// A call that is under way.
#[derive(Debug)]
pub(crate) struct Busy {
    world: Arc<World>,
    provider: Provider,
    account: String,
    epoch: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.world.change(|state| {
            if state.epoch == self.epoch {
                state.ledger.end(self.provider, &self.account);
            }
        });
    }
}

/// Something that is still to be told.
#[derive(Debug)]
pub(crate) struct Pending {
    world: Arc<World>,
    epoch: u64,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.world.change(|state| {
            if state.epoch == self.epoch {
                state.ledger.end_pending();
            }
        });
    }
}

/// Tasks that end together.
#[derive(Debug)]
struct Tasks(Mutex<Option<JoinSet<()>>>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Mutex::new(Some(JoinSet::new())))
    }
}

impl Tasks {
    /// Runs a task, unless all have been stopped: one that is just ending may still try to begin another.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends all, and waits until they have ended. New ones may begin.
    async fn restart(&self) {
        let tasks = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(JoinSet::new());
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// Ends all. None begins any more.
    fn stop(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn what_began_before_a_reset_does_not_end_after_it() {
        let world = World::new(Settings::default(), Accounts::default(), String::new()).unwrap();
        let before = (world.begin_call(Provider::Twilio, "a"), world.pend());
        world.reset().await;
        let after = (world.begin_call(Provider::Twilio, "a"), world.pend());
        let counted = || {
            world.look(|state| {
                let load = state.ledger.load(Provider::Twilio, "a").map(crate::Load::in_flight);
                (load, state.ledger.pending())
            })
        };
        drop(before);
        assert_eq!(counted(), (Some(1), 1));
        drop(after);
        assert_eq!(counted(), (Some(0), 0));
    }
}
