//! The simulator as others in the same process use it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::account::{Account, Accounts};
use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::reply::{self, Reply, Unanswerable};
use crate::script::Script;
use crate::selector::Selector;
use crate::settings::Settings;
use crate::unusable::Unusable;
use crate::world::World;
use crate::{imap, smtp, web};

/// The outside providers, on ports of this machine. Ends when it is dropped: connections are closed, nothing more is
/// told.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    smtp_address: SocketAddr,
    imap_address: SocketAddr,
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of the accounts or scripts in the settings cannot be used.
    #[error("the settings cannot be used: {0}")]
    Unusable(#[from] Unusable),
    /// A port cannot be opened.
    #[error("a port cannot be opened")]
    Port(#[from] io::Error),
    /// Callbacks cannot be made.
    #[error("the client for callbacks cannot be built")]
    Client(#[from] reqwest::Error),
}

/// What was waited for did not come in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReached {
    /// How long was waited.
    pub limit: Duration,
    /// How many effects there are.
    pub effects: usize,
    /// How many attempts to tell something were made.
    pub told: usize,
    /// How much is still to be told.
    pub pending: usize,
}

impl fmt::Display for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            effects,
            told,
            pending,
        } = self;
        write!(
            f,
            "not reached within {limit:?}: {effects} effects, {told} attempts to tell, {pending} pending"
        )
    }
}

impl std::error::Error for NotReached {}

impl Simulator {
    /// Opens the ports and takes what comes.
    ///
    /// # Errors
    /// [`StartError`] says what of the settings or of the system is in the way.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        settings.script.check()?;
        let mut accounts = Accounts::default();
        for account in std::mem::take(&mut settings.accounts) {
            accounts.put(account)?;
        }
        let http = TcpListener::bind(SocketAddr::new(settings.ip, settings.http_port)).await?;
        let smtp = TcpListener::bind(SocketAddr::new(settings.ip, settings.smtp_port)).await?;
        let smtp_address = smtp.local_addr()?;
        let imap = TcpListener::bind(SocketAddr::new(settings.ip, settings.imap_port)).await?;
        let imap_address = imap.local_addr()?;
        let url = format!("http://{}", http.local_addr()?);
        let world = World::new(settings, accounts, url)?;
        world.spawn(web::serve(Arc::clone(&world), http));
        world.spawn(smtp::serve(Arc::clone(&world), smtp));
        world.spawn(imap::serve(Arc::clone(&world), imap));
        Ok(Self {
            world,
            smtp_address,
            imap_address,
        })
    }

    /// Where HTTP is spoken, without a slash at the end: `http://127.0.0.1:4321`. Behind it come `/twilio`, `/_sim` and
    /// so on.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.world.url
    }

    /// Where mail is taken, in clear.
    #[must_use]
    pub fn smtp_address(&self) -> SocketAddr {
        self.smtp_address
    }

    /// Where mailboxes are polled, in clear.
    #[must_use]
    pub fn imap_address(&self) -> SocketAddr {
        self.imap_address
    }

    /// Numbers all mail in mailboxes anew: UIDs that somebody remembers are worth nothing then, and UIDVALIDITY says so.
    pub fn renumber_mailboxes(&self) {
        self.world.change(|state| state.mailboxes.renumber());
    }

    /// Takes on an account, or changes the one of the same name.
    ///
    /// # Errors
    /// [`Unusable`] when something necessary is missing.
    pub fn put_account(&self, account: Account) -> Result<(), Unusable> {
        self.world.change(|state| state.accounts.put(account))
    }

    /// From now on messages that `selector` fits go as `script` says. The one set last counts.
    ///
    /// # Errors
    /// [`Unusable`] when the script is too long, or there are too many.
    pub fn set_script(&self, selector: Selector, script: Script) -> Result<(), Unusable> {
        self.world.change(|state| state.scripts.set(selector, script))
    }

    /// From now on calls go wrong as `fault` says, in addition to those set before.
    ///
    /// # Errors
    /// [`Unusable`] when it cannot happen, or there are too many.
    pub fn set_fault(&self, fault: impl Into<Fault>) -> Result<(), Unusable> {
        self.world.change(|state| state.faults.add(fault.into()))
    }

    /// All goes well again.
    pub fn clear_faults(&self) {
        self.world.change(|state| state.faults.clear());
    }

    /// A telephone or a mailbox writes to us. Returns what the provider calls the message; what our side says to it is in
    /// the [`Ledger`].
    ///
    /// # Errors
    /// [`Unanswerable`] when it is not known to whom it goes.
    pub fn reply(&self, reply: &Reply) -> Result<String, Unanswerable> {
        reply::send(&self.world, reply)
    }

    /// What happened so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.world.look(|state| state.ledger.clone())
    }

    /// Looks at what happened so far without copying it. Nothing else happens meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        self.world.look(|state| look(&state.ledger))
    }

    /// How long it has been running: the clock that [`Load::starts`](crate::Load::starts) go by.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.world.elapsed()
    }

    /// Waits until `reached` holds, looking whenever something happened.
    ///
    /// # Errors
    /// [`NotReached`] when it did not hold within `limit`.
    pub async fn wait_for(
        &self,
        limit: Duration,
        mut reached: impl FnMut(&Ledger) -> bool,
    ) -> Result<Ledger, NotReached> {
        let mut changes = self.world.changes();
        let reached = async {
            loop {
                // Before looking, so that a change while looking is not missed.
                changes.mark_unchanged();
                let ledger = self.look(|ledger| reached(ledger).then(|| ledger.clone()));
                if let Some(ledger) = ledger {
                    return ledger;
                }
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        let in_time = tokio::time::timeout(limit, reached).await;
        in_time.map_err(|_| {
            self.look(|ledger| NotReached {
                limit,
                effects: ledger.effects().len(),
                told: ledger.told().len(),
                pending: ledger.pending(),
            })
        })
    }

    /// Waits until nothing is left to tell: every script has come to its end, and everything was heard or given up.
    ///
    /// # Errors
    /// [`NotReached`] when there was something left after `limit`.
    pub async fn settled(&self, limit: Duration) -> Result<Ledger, NotReached> {
        self.wait_for(limit, |ledger| ledger.pending() == 0).await
    }

    /// Forgets everything but the accounts: what happened, faults, scripts. What is under way is never told.
    pub async fn reset(&self) {
        self.world.reset().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.stop();
    }
}
