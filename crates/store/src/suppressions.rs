//! Suppressions: who is not written to, and why.

use chrono::{DateTime, Utc};
use domain::suppression::{Lift, Suppression};
use domain::{Channel, Recipient, TenantId};

use crate::{Cursor, Page, Store, StoreError};

/// One reason for which nothing goes to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// By which channel nothing goes.
    pub channel: Channel,
    /// To whom.
    pub recipient: Recipient,
    /// Why.
    pub reason: Suppression,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who said so: a provider's word, `reply`, or a word of the caller.
    pub source: String,
}

/// What a list of suppressions is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuppressionFilter {
    /// Only of this channel.
    pub channel: Option<Channel>,
    /// Only for this reason.
    pub reason: Option<Suppression>,
}

impl Store {
    /// Stops everything that would go to `recipient`. Answers whether it was not stopped for this reason already.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone.
    pub async fn suppress(
        &self,
        tenant: TenantId,
        channel: Channel,
        recipient: &Recipient,
        reason: Suppression,
        source: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let _ = (tenant, channel, recipient, reason, source, now);
        Err(crate::not_yet())
    }

    /// Lifts what `lift` may lift; answers what that was.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone.
    pub async fn lift(
        &self,
        tenant: TenantId,
        channel: Channel,
        recipient: &Recipient,
        lift: Lift,
        now: DateTime<Utc>,
    ) -> Result<Vec<Suppression>, StoreError> {
        let _ = (tenant, channel, recipient, lift, now);
        Err(crate::not_yet())
    }

    /// Why nothing goes to `recipient`, the oldest reason first; empty if it may.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn suppressions_of(
        &self,
        tenant: TenantId,
        channel: Channel,
        recipient: &Recipient,
    ) -> Result<Vec<Suppressed>, StoreError> {
        let _ = (tenant, channel, recipient);
        Err(crate::not_yet())
    }

    /// A tenant's suppressions, newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a recipient was sealed under a key that is not in the keyring.
    pub async fn suppressions(
        &self,
        tenant: TenantId,
        filter: &SuppressionFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Suppressed>, StoreError> {
        let _ = (tenant, filter, after, limit);
        Err(crate::not_yet())
    }
}
