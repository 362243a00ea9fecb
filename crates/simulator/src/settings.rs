//! How a simulator is started.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::account::Account;
use crate::script::Script;

/// How a simulator is started. All of it has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides every chance, and every id: two simulators with one seed give out the same ids. Where ids are kept longer
    /// than the simulator runs, take another seed each time.
    pub seed: u64,
    /// Where to listen. Nobody else's machine can reach the default.
    pub ip: IpAddr,
    /// The port of everything that speaks HTTP; 0 for any that is free.
    pub http_port: u16,
    /// The port of the mail server; 0 for any that is free.
    pub smtp_port: u16,
    /// The port of the mailboxes; 0 for any that is free.
    pub imap_port: u16,
    /// Who may send. [`Simulator::put_account`](crate::Simulator::put_account) adds more.
    pub accounts: Vec<Account>,
    /// What becomes of a message that no other script is for.
    pub script: Script,
    /// How things are told.
    pub telling: Telling,
    /// How much is kept.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            http_port: 0,
            smtp_port: 0,
            imap_port: 0,
            accounts: Vec::new(),
            script: Script::delivered(),
            telling: Telling::default(),
            limits: Limits::default(),
        }
    }
}

/// How callbacks are made.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Multiplies the waiting between two attempts: 1 waits as long as the provider would (for some up to ten hours), 0
    /// not at all.
    pub pace: f64,
    /// The most repetitions, where a provider would make more.
    pub retries_max: usize,
    /// The longest wait for an answer, where a provider would wait longer.
    pub answer_within: Duration,
    /// So many are made at once.
    pub at_once: usize,
    /// Whether they may leave this machine. When not, they are made to loopback addresses only, and others are written
    /// down as withheld.
    pub leaves_machine: bool,
}

impl Default for Telling {
    fn default() -> Self {
        Self {
            pace: 1.0,
            retries_max: 10,
            answer_within: Duration::from_secs(15),
            at_once: 64,
            leaves_machine: false,
        }
    }
}

/// How much is kept. What is older is forgotten.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Messages that were accepted; as many that came back; as many webhooks that were received.
    pub messages: usize,
    /// Attempts to tell something.
    pub callbacks: usize,
    /// Start times of one account's calls.
    pub starts: usize,
    /// Messages, batches and repetitions that have still something to tell. What is beyond is never told, but counted.
    pub pending: usize,
    /// Bytes of all mail together that lies in mailboxes.
    pub mail_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            callbacks: 50_000,
            starts: 50_000,
            pending: 100_000,
            mail_bytes: 64 * 1024 * 1024,
        }
    }
}
