//! Messages that stayed open: to be looked up at their provider.

use chrono::{DateTime, Utc};
use domain::{AttemptState, Channel, CredentialId, MessageClass, MessageId, Recipient, Status, TenantId};

use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::page::LIMIT_MAX;
use crate::{Store, StoreError, time};

/// A message of which nobody has heard for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMessage {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: MessageId,
    /// How it went.
    pub channel: Channel,
    /// What kind of message it is.
    pub class: MessageClass,
    /// How far it came.
    pub status: Status,
    /// Who was called last.
    pub provider: String,
    /// With which credentials, if they are stored.
    pub credential: Option<CredentialId>,
    /// What the provider calls it; `None` if the attempt has no result or it is unclear.
    pub external_id: Option<String>,
    /// Where it went, for a look-up by recipient.
    pub recipient: Option<Recipient>,
    /// The number of the last attempt.
    pub attempt: u32,
    /// What is known of it.
    pub attempt_state: AttemptState,
    /// When that attempt was begun.
    pub attempted_at: DateTime<Utc>,
    /// When the message was begun.
    pub created_at: DateTime<Utc>,
}

macro_rules! claim_head {
    () => {
        "UPDATE messages SET looked_at = $1
         WHERE (tenant_id, id) IN
             (SELECT tenant_id, id FROM messages WHERE looked_at < $2 ORDER BY looked_at LIMIT $3"
    };
}

macro_rules! claim_tail {
    () => {
        ") RETURNING tenant_id, id"
    };
}

/// What is looked up, longest silence first: the part of the claim that must not read a whole table.
#[cfg(test)]
pub(crate) const SILENT: &str = "SELECT tenant_id, id FROM messages WHERE looked_at < $1 ORDER BY looked_at LIMIT $2";

const SELECT: &str = "SELECT message.tenant_id, message.id, message.channel, message.class, message.status,
       message.recipient, message.created_at, attempt.provider, attempt.credential_id, attempt.external_id,
       attempt.number, attempt.state, attempt.started_at
     FROM messages message
     JOIN message_attempts attempt ON attempt.tenant_id = message.tenant_id AND attempt.message_id = message.id
         AND attempt.number = message.attempts
     WHERE (message.tenant_id, message.id) IN (";

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    channel: String,
    class: String,
    status: String,
    recipient: Option<Vec<u8>>,
    created_at: i64,
    provider: String,
    credential_id: Option<Uuid>,
    external_id: Option<String>,
    number: i64,
    state: String,
    started_at: i64,
}

impl Store {
    /// Messages of all tenants, at most `limit`, that were sent, or may have been, and of which nothing was heard or asked
    /// since `before`; longest silence first. They are marked as looked at `now`, so that they are not among those asked for
    /// next, and two that ask at once get different ones.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn open_messages(
        &self,
        before: DateTime<Utc>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        let mut tx = self.db.begin().await?;
        let claim = match tx {
            Tx::Postgres(_) => concat!(claim_head!(), " FOR UPDATE SKIP LOCKED", claim_tail!()),
            Tx::Sqlite(_) => concat!(claim_head!(), claim_tail!()),
        };
        let claimed: Vec<(Uuid, Uuid)> = on!(tx.connection(), connection =>
            sqlx::query_as(claim)
                .bind(now.timestamp_millis())
                .bind(before.timestamp_millis())
                .bind(i64::from(limit.min(LIMIT_MAX)))
                .fetch_all(connection)
                .await)?;
        let rows: Vec<Row> = if claimed.is_empty() {
            Vec::new()
        } else {
            on!(tx.connection(), connection => {
                let mut query = QueryBuilder::new(SELECT);
                query.push_values(&claimed, |mut row, (tenant, id)| {
                    row.push_bind(*tenant).push_bind(*id);
                });
                query.push(") ORDER BY attempt.started_at, message.id");
                query.build_query_as().fetch_all(connection).await
            })?
        };
        tx.commit().await?;
        rows.into_iter().map(|row| self.open_open_message(row)).collect()
    }

    /// Takes a message out of what [`open_messages`](Self::open_messages) gives: its provider cannot be asked, or not after
    /// so long. Reports still count. Answers whether it was in.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn stop_looking(&self, tenant: TenantId, message: MessageId) -> Result<bool, StoreError> {
        let changed = write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE messages SET looked_at = NULL WHERE tenant_id = $1 AND id = $2 AND looked_at IS NOT NULL")
                .bind(tenant.0)
                .bind(message.0)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(changed > 0)
    }

    fn open_open_message(&self, row: Row) -> Result<OpenMessage, StoreError> {
        let recipient = text(&self.keyring, "message.recipient", row.id, row.recipient)?
            .map(|text| Recipient::try_from(text).map_err(|_| StoreError::Corrupt("a recipient".into())));
        Ok(OpenMessage {
            tenant: TenantId(row.tenant_id),
            id: MessageId(row.id),
            channel: word(&row.channel, "an unknown channel")?,
            class: word(&row.class, "an unknown class")?,
            status: word(&row.status, "an unknown message status")?,
            provider: row.provider,
            credential: row.credential_id.map(CredentialId),
            external_id: row.external_id,
            recipient: recipient.transpose()?,
            attempt: u32::try_from(row.number).map_err(|_| StoreError::Corrupt("a number out of range".into()))?,
            attempt_state: word(&row.state, "an unknown state of an attempt")?,
            attempted_at: time::at(row.started_at)?,
            created_at: time::at(row.created_at)?,
        })
    }
}
