//! Which message a report is about.
//!
//! A message that we send has an id of ours, and learns what its provider calls it from the provider's answer. A report may
//! come in before that answer was written down, or the answer may be lost. Then nobody knows yet whose report it is, and it
//! is kept with a message of its own, whose id follows from the provider's name for it. When the message that was sent
//! learns that name, by the answer, by a report that hands our id back, or by a look-up, it *absorbs* the other one: events,
//! counters, figures and points move over, and all is as if the answer had come first. A message that was never sent by us
//! stays as it is: tenants may have everything they send elsewhere reported here.
//!
//! Locks: first the **name** (an advisory lock on the id that follows from it), then the **message** (one on its own id),
//! then contacts, as in `record_report.rs`. Who has a message's lock never waits for a name.

use chrono::{DateTime, Utc};
use domain::{MessageId, ReportRecord, TenantId};
use uuid::Uuid;

use crate::db::Tx;
use crate::delivery_daily::Daily;
use crate::{Store, StoreError, end_attempt};

/// The statements that find a message by what a provider calls it: the message itself, else one of its attempts.
pub(crate) const OWNERS: [&str; 2] = [
    "SELECT id FROM messages WHERE tenant_id = $1 AND provider = $2 AND external_id = $3",
    "SELECT message_id FROM message_attempts WHERE tenant_id = $1 AND provider = $2 AND external_id = $3 LIMIT 1",
];

/// What a report is about.
pub(crate) enum Located {
    /// This message, which is locked; it has no row yet if nobody ever heard of it.
    Message(MessageId),
    /// It names no message.
    Nobody,
    /// A contact was merged away meanwhile: start over.
    Moved,
}

/// What a message is to be called from now on.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) provider: &'a str,
    pub(crate) external_id: &'a str,
}

impl Name<'_> {
    /// The id of the message that nothing is known of but this name.
    pub(crate) fn id(&self, tenant: TenantId) -> MessageId {
        MessageId::derive(tenant, self.provider, self.external_id)
    }
}

/// Whose name it is. The name must be locked.
pub(crate) async fn owner(tx: &mut Tx, tenant: TenantId, name: Name<'_>) -> Result<Option<MessageId>, StoreError> {
    for statement in OWNERS {
        let id: Option<Uuid> = on!(tx.connection(), connection =>
            sqlx::query_scalar(statement)
                .bind(tenant.0)
                .bind(name.provider)
                .bind(name.external_id)
                .fetch_optional(connection)
                .await)?;
        if id.is_some() {
            return Ok(id.map(MessageId));
        }
    }
    Ok(None)
}

impl Store {
    /// Finds and locks the message that a report is about.
    pub(crate) async fn locate(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        report: &ReportRecord,
        daily: &mut Daily,
        now: DateTime<Utc>,
    ) -> Result<Located, StoreError> {
        let name = report.external_id.as_deref().map(|external_id| Name {
            provider: &report.provider,
            external_id,
        });
        let mut owned_by = None;
        if let Some(name) = name {
            tx.serialise_on(name.id(tenant).0).await?;
            owned_by = owner(tx, tenant, name).await?;
        }
        if let Some(tagged) = report.message
            && owned_by != Some(tagged)
            && is_sent_by_us(tx, tenant, tagged).await?
        {
            tx.serialise_on(tagged.0).await?;
            if let Some(name) = name
                && end_attempt::prove_sent(tx, tenant, tagged, name, now).await?
                && !self.learn(tx, tenant, tagged, name, false, daily, now).await?
            {
                return Ok(Located::Moved);
            }
            return Ok(Located::Message(tagged));
        }
        let Some(name) = name else { return Ok(Located::Nobody) };
        let message = owned_by.unwrap_or(name.id(tenant));
        if message != name.id(tenant) {
            tx.serialise_on(message.0).await?;
        }
        Ok(Located::Message(message))
    }

    /// Writes down what a message is called, once its name and the message are locked; `last` when it was its last attempt
    /// that was called so. Answers false when a contact was merged away meanwhile: start over.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of two transactions, each argument a different type"
    )]
    pub(crate) async fn learn(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        name: Name<'_>,
        last: bool,
        daily: &mut Daily,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let stray = name.id(tenant);
        let owned_by: Option<Uuid> = on!(tx.connection(), connection =>
            sqlx::query_scalar(OWNERS[0])
                .bind(tenant.0)
                .bind(name.provider)
                .bind(name.external_id)
                .fetch_optional(connection)
                .await)?;
        if let Some(owner) = owned_by.map(MessageId).filter(|owner| *owner != message) {
            if owner != stray {
                // The provider gave two messages one name. The attempt says so; the name stays with whom it was given first.
                return Ok(true);
            }
            if !self.absorb(tx, tenant, stray, message, daily, now).await? {
                return Ok(false);
            }
        }
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE messages SET provider = $3, external_id = $4
                 WHERE tenant_id = $1 AND id = $2 AND ($5 OR external_id IS NULL)")
                .bind(tenant.0)
                .bind(message.0)
                .bind(name.provider)
                .bind(name.external_id)
                .bind(last)
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(true)
    }
}

/// Whether we sent it, or are about to.
async fn is_sent_by_us(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<bool, StoreError> {
    let row: Option<i32> = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT 1 FROM messages WHERE tenant_id = $1 AND id = $2 AND class IS NOT NULL")
            .bind(tenant.0)
            .bind(message.0)
            .fetch_optional(connection)
            .await)?;
    Ok(row.is_some())
}
