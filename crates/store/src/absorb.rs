//! How a message that was only ever reported becomes a part of the message that it is. When, says `message_names.rs`.

use chrono::{DateTime, Utc};
use domain::{Channel, EventKind, FailureCause, MessageId, PersonalText, Recipient, TenantId};
use sqlx::FromRow;

use crate::db::Tx;
use crate::delivery_daily::Daily;
use crate::message_state::{Change, load, load_and_lock_contact};
use crate::messages::{text, word};
use crate::suppressions::Said;
use crate::{Store, StoreError, contacts, erased_rows, time};

impl Store {
    /// Makes what was reported of a stray message a part of the message that it is. Both are locked. Answers false when a
    /// contact was merged away meanwhile: start over.
    pub(crate) async fn absorb(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        stray: MessageId,
        message: MessageId,
        daily: &mut Daily,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        if !join_contacts(tx, tenant, stray, message, now).await? {
            return Ok(false);
        }
        let (Some(lost), Some(known)) = (load(tx, tenant, stray).await?, load(tx, tenant, message).await?) else {
            return Ok(false);
        };
        for statement in [
            "UPDATE message_events SET message_id = $3 WHERE tenant_id = $1 AND message_id = $2",
            "UPDATE inbound_messages SET answers = $3 WHERE tenant_id = $1 AND answers = $2",
        ] {
            on!(tx.connection(), connection =>
                sqlx::query(statement).bind(tenant.0).bind(stray.0).bind(message.0).execute(connection).await.map(|_| ()))?;
        }
        let is_of_nobody = known.is_of_nobody();
        if is_of_nobody {
            // What was told of it meanwhile, by a name that nobody knew to be its own.
            erased_rows::blank_events(tx, tenant, &[message.0]).await?;
        }
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE lead_ledger SET message_id = $4 WHERE tenant_id = $1 AND contact_id = $2 AND message_id = $3")
                .bind(tenant.0)
                .bind(lost.contact.0)
                .bind(stray.0)
                .bind(message.0)
                .execute(connection)
                .await
                .map(|_| ()))?;
        let seen = self.forget_stray(tx, tenant, stray).await?;
        if let Some(hash) = &known.recipient_hash {
            self.hear_earlier(tx, tenant, message, known.channel, hash, None)
                .await?;
        }

        let progress = known.progress.joined(lost.progress);
        let change = Change {
            interaction: lost.interaction,
            subject: seen.subject.as_ref().filter(|_| !is_of_nobody),
            recipient: seen.recipient.as_ref().filter(|_| !is_of_nobody),
            recipient_hash: lost.recipient_hash.as_deref().filter(|_| !is_of_nobody),
            // The code of whichever of the two says more.
            error_code: (lost.progress.status >= known.progress.status).then_some(seen.error_code.as_deref()),
            ..Change::new(progress, known.figures.and(lost.figures))
        };
        self.change_message(tx, tenant, message, &change).await?;
        daily.lose(stray, &lost, lost.figures);
        daily.gain(message, &known, lost.figures.without(known.figures));
        Ok(true)
    }

    /// Removes the row of a stray message, of which nothing hangs any more. Answers what it said.
    async fn forget_stray(&self, tx: &mut Tx, tenant: TenantId, stray: MessageId) -> Result<Seen, StoreError> {
        let row: StrayRow = on!(tx.connection(), connection =>
            sqlx::query_as(
                "DELETE FROM messages WHERE tenant_id = $1 AND id = $2 RETURNING subject, recipient, error_code")
                .bind(tenant.0)
                .bind(stray.0)
                .fetch_one(connection)
                .await)?;
        let recipient = text(&self.keyring, "message.recipient", stray.0, row.recipient)?
            .map(|text| Recipient::try_from(text).map_err(|_| StoreError::Corrupt("a recipient".into())));
        Ok(Seen {
            subject: text(&self.keyring, "message.subject", stray.0, row.subject)?.map(PersonalText::new),
            recipient: recipient.transpose()?,
            error_code: row.error_code,
        })
    }

    /// Writes down what earlier reports said of a recipient whom they did not name.
    pub(crate) async fn hear_earlier(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        channel: Channel,
        hash: &[u8],
        recipient: Option<&Recipient>,
    ) -> Result<(), StoreError> {
        let rows: Vec<SaidRow> = on!(tx.connection(), connection =>
            sqlx::query_as(
                "SELECT kind, cause, provider, occurred_at FROM message_events
                 WHERE tenant_id = $1 AND message_id = $2 AND recipient_hash IS NULL AND cause IS NOT NULL")
                .bind(tenant.0)
                .bind(message.0)
                .fetch_all(connection)
                .await)?;
        for row in rows {
            let kind: EventKind = word(&row.kind, "an unknown event kind")?;
            let cause: FailureCause = word(&row.cause, "an unknown cause")?;
            let said = Said {
                channel,
                hash,
                recipient,
                source: row.provider.as_deref().unwrap_or_default(),
                at: time::at(row.occurred_at)?,
            };
            if let Some(reason) = kind.suppression(channel, cause) {
                self.say_suppressed(tx, tenant, &said, reason).await?;
            }
            if let Some(lift) = kind.lift() {
                self.say_lifted(tx, tenant, &said, lift).await?;
            }
        }
        Ok(())
    }
}

#[derive(FromRow)]
struct StrayRow {
    subject: Option<Vec<u8>>,
    recipient: Option<Vec<u8>>,
    error_code: Option<String>,
}

/// What a stray message said of itself.
struct Seen {
    subject: Option<PersonalText>,
    recipient: Option<Recipient>,
    error_code: Option<String>,
}

#[derive(FromRow)]
struct SaidRow {
    kind: String,
    cause: String,
    provider: Option<String>,
    occurred_at: i64,
}

/// Merges the lesser known of both messages' contacts into the better known one, which is that of both then; two that are
/// known equally well stay apart, and so does nobody. The one that points may be moved for is locked. Answers false when one of them was merged
/// away meanwhile.
async fn join_contacts(
    tx: &mut Tx,
    tenant: TenantId,
    stray: MessageId,
    message: MessageId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let (Some(lost), Some(known)) = (load(tx, tenant, stray).await?, load(tx, tenant, message).await?) else {
        return Ok(false);
    };
    let (lesser, better, expected) = if lost.rung <= known.rung {
        (stray, message, lost.contact)
    } else {
        (message, stray, known.contact)
    };
    let Some(from) = load_and_lock_contact(tx, tenant, lesser).await? else {
        return Ok(false);
    };
    if lost.contact == known.contact || lost.rung == known.rung || lost.is_of_nobody() || known.is_of_nobody() {
        return Ok(from.contact == expected);
    }
    let Some(into) = load_and_lock_contact(tx, tenant, better).await? else {
        return Ok(false);
    };
    // Both may have become another's, or better known, before they were locked.
    if from.rung >= into.rung || into.is_of_nobody() {
        return Ok(false);
    }
    contacts::merge(tx, tenant, from.contact, into.contact, now).await?;
    Ok(true)
}
