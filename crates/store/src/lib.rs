#![doc = include_str!("../README.md")]

#[macro_use]
mod db;

mod api_keys;
mod contacts;
mod endpoints;
mod error;
mod interactions;
mod leads;
mod message_events;
mod messages;
mod migrations;
mod page;
mod record_email_event;
mod tenants;
mod time;

#[cfg(test)]
mod plans;

pub use api_keys::{ApiKey, NewApiKey};
pub use db::{ConnectOptions, Db};
pub use endpoints::Endpoint;
pub use error::StoreError;
pub use interactions::{InboxFilter, Interaction};
pub use leads::{HotLead, LedgerEntry};
pub use message_events::MessageEvent;
pub use messages::{Message, MessageFilter};
pub use migrations::{PendingMigration, migrate, pending_migrations};
pub use page::{Cursor, Page};
pub use record_email_event::{Applied, Recorded};
pub use tenants::Tenant;

use seal::Keyring;

/// The database and the keys that what it holds is sealed under. Cheap to clone.
///
/// Every function takes the time from its caller and touches rows of one tenant only; a row of another tenant is the
/// same as no row.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    keyring: Keyring,
}

impl Store {
    /// Puts the two together. Nothing is read or written yet.
    #[must_use]
    pub fn new(db: Db, keyring: Keyring) -> Self {
        Self { db, keyring }
    }

    /// The database below.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }
}
