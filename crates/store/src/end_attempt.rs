//! What came of an attempt, and the end of a message that nobody took.

use chrono::{DateTime, Utc};
use domain::outgoing::{AttemptResult, AttemptState, MessageEnd};
use domain::{EventId, EventKind, Figures, MessageId, Recipient, Status, TenantId};

use crate::attempts::{Attempt, attempt_of, attempts_of};
use crate::db::Tx;
use crate::delivery_daily::Daily;
use crate::message_events::NewEvent;
use crate::message_names::Name;
use crate::message_state::{self, Change, Known};
use crate::messages::text;
use crate::record_report::ATTEMPTS_MAX;
use crate::suppressions::Said;
use crate::{Store, StoreError, time};

impl Store {
    /// Writes down what came of an attempt: its result, what the provider calls the message, the message's status and
    /// event, what a refusal says of the recipient; and applies reports that came in before. In one transaction; once more
    /// is harmless. What was surely sent, or surely not, is not overwritten. Answers the attempt as it now stands; `None`:
    /// there is no such attempt.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later: nothing was written.
    pub async fn end_attempt(
        &self,
        tenant: TenantId,
        message: MessageId,
        number: u32,
        result: &AttemptResult,
        now: DateTime<Utc>,
    ) -> Result<Option<Attempt>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = self.db.begin().await?;
            match self.end(&mut tx, tenant, message, number, result, now).await? {
                Ended::Written(attempt) => {
                    tx.commit().await?;
                    return Ok(Some(attempt));
                }
                Ended::Stands(attempt) => {
                    tx.rollback().await?;
                    return Ok(attempt);
                }
                Ended::ContactMoved => tx.rollback().await?,
            }
        }
        Err(StoreError::Unavailable("the contact kept being merged".into()))
    }

    /// Gives a message up that no attempt sent, or may have sent. Answers its status now: the one asked for, or the one that
    /// was in the way; `None`: there is no such message. Once more is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later.
    pub async fn end_message(
        &self,
        tenant: TenantId,
        message: MessageId,
        end: &MessageEnd,
        now: DateTime<Utc>,
    ) -> Result<Option<Status>, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(message.0).await?;
        let Some(known) = message_state::load(&mut tx, tenant, message).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        let went = attempts_of(&mut tx, tenant, message).await?;
        if known.progress.status != Status::Queued || went.iter().any(|attempt| attempt.state.may_have_gone()) {
            tx.rollback().await?;
            return Ok(Some(known.progress.status));
        }
        let own = Own {
            id: EventId::of_message(message, end.event().as_str(), 0),
            kind: end.event(),
            code: end.code(),
            provider: None,
        };
        let mut daily = Daily::default();
        let status = self
            .happened(&mut tx, tenant, message, &known, &own, &mut daily, now)
            .await?;
        daily.write(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(Some(status))
    }

    /// Writes down that the account at `place` of a message's way, counted from 0, is passed over without being asked: its
    /// circuit is open, its credentials are gone. Once more is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later.
    pub async fn pass_over(
        &self,
        tenant: TenantId,
        message: MessageId,
        place: u32,
        provider: &str,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(message.0).await?;
        let Some(known) = message_state::load(&mut tx, tenant, message).await? else {
            return tx.rollback().await;
        };
        let own = Own {
            id: EventId::of_message(message, "passed_over", place),
            kind: EventKind::NotSent,
            code: Some(code),
            provider: Some(provider),
        };
        let mut daily = Daily::default();
        self.happened(&mut tx, tenant, message, &known, &own, &mut daily, now)
            .await?;
        daily.write(&mut tx, tenant).await?;
        tx.commit().await
    }

    async fn end(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        number: u32,
        result: &AttemptResult,
        now: DateTime<Utc>,
    ) -> Result<Ended, StoreError> {
        // Who is called never changes, so it may be read before the locks.
        let Some(attempt) = attempt_of(tx, tenant, message, number).await? else {
            return Ok(Ended::Stands(None));
        };
        let name = match result {
            AttemptResult::Sent { external_id, .. } => Some(Name {
                provider: &attempt.provider,
                external_id,
            }),
            _ => None,
        };
        if let Some(name) = name {
            tx.serialise_on(name.id(tenant).0).await?;
        }
        tx.serialise_on(message.0).await?;
        let Some(attempt) = attempt_of(tx, tenant, message, number).await? else {
            return Ok(Ended::Stands(None));
        };
        if !attempt.state.gives_way_to(result.state()) {
            return Ok(Ended::Stands(Some(attempt)));
        }
        let mut daily = Daily::default();
        if let Some(name) = name
            && !self.learn(tx, tenant, message, name, true, &mut daily, now).await?
        {
            return Ok(Ended::ContactMoved);
        }
        let name = name.map(|name| name.external_id.to_owned());
        set_result(
            tx,
            tenant,
            message,
            number,
            result.state(),
            name.as_deref(),
            result.code(),
            now,
        )
        .await?;
        let Some(known) = message_state::load(tx, tenant, message).await? else {
            return Ok(Ended::Stands(None));
        };
        let own = Own {
            id: EventId::of_message(message, result.event().as_str(), number),
            kind: result.event(),
            code: result.code(),
            provider: Some(&attempt.provider),
        };
        self.happened(tx, tenant, message, &known, &own, &mut daily, now)
            .await?;
        if let (Some(reason), Some(hash)) = (result.suppression(known.channel), &known.recipient_hash) {
            let recipient = self.recipient_of(tx, tenant, message).await?;
            let recipient = recipient.filter(|_| !known.is_of_nobody());
            let said = Said {
                channel: known.channel,
                hash,
                recipient: recipient.as_ref(),
                source: &attempt.provider,
                at: time::stored(now),
            };
            self.say_suppressed(tx, tenant, &said, reason).await?;
        }
        daily.write(tx, tenant).await?;
        let ended = attempt_of(tx, tenant, message, number).await?;
        Ok(ended.map_or(Ended::Stands(None), Ended::Written))
    }

    /// Writes down something of our own that happened to a message: event, status, figures. Answers the status after it.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of two transactions, each argument a different type"
    )]
    async fn happened(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
        known: &Known,
        own: &Own<'_>,
        daily: &mut Daily,
        now: DateTime<Utc>,
    ) -> Result<Status, StoreError> {
        let event = NewEvent {
            id: own.id,
            message: Some(message),
            kind: own.kind,
            occurred_at: now,
            error_code: own.code,
            provider: own.provider,
            report: None,
            recipient_hash: None,
        };
        if !self.insert_event(tx, tenant, &event, now).await? {
            return Ok(known.progress.status);
        }
        let mut progress = known.progress.after_event(own.kind, false, time::stored(now));
        // They count what is reported: a provider may have a word of its own for the same.
        progress.counters = known.progress.counters;
        let figures = Figures::of(own.kind, false);
        let mut change = Change::new(progress, known.figures.and(figures)).with_code(own.kind, own.code);
        if own.kind.status().is_none() && progress.status == Status::Queued {
            // Of a message that is still to be sent, the latest refusal tells most.
            change.error_code = Some(own.code);
        }
        self.change_message(tx, tenant, message, &change).await?;
        daily.gain(message, known, figures.without(known.figures));
        Ok(progress.status)
    }

    async fn recipient_of(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<Option<Recipient>, StoreError> {
        let sealed: Option<Vec<u8>> = on!(tx.connection(), connection =>
            sqlx::query_scalar("SELECT recipient FROM messages WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(message.0)
                .fetch_one(connection)
                .await)?;
        text(&self.keyring, "message.recipient", message.0, sealed)?
            .map(|text| Recipient::try_from(text).map_err(|_| StoreError::Corrupt("a recipient".into())))
            .transpose()
    }
}

/// Something of our own that happened to a message.
struct Own<'a> {
    id: EventId,
    kind: EventKind,
    code: Option<&'a str>,
    provider: Option<&'a str>,
}

enum Ended {
    Written(Attempt),
    /// It was ended before, or there is none.
    Stands(Option<Attempt>),
    ContactMoved,
}

/// Writes what came of an attempt, to the attempt and, if it is the last one, to the message. Only of what may have gone is
/// something left to look up.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
async fn set_result(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    number: u32,
    state: AttemptState,
    external_id: Option<&str>,
    code: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE message_attempts SET state = $4, external_id = $5, code = $6, ended_at = $7
             WHERE tenant_id = $1 AND message_id = $2 AND number = $3")
            .bind(tenant.0)
            .bind(message.0)
            .bind(i64::from(number))
            .bind(state.as_str())
            .bind(external_id)
            .bind(code)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    on!(tx.connection(), connection =>
        sqlx::query(
            "UPDATE messages SET attempt_state = $4, looked_at = $5
             WHERE tenant_id = $1 AND id = $2 AND attempts = $3")
            .bind(tenant.0)
            .bind(message.0)
            .bind(i64::from(number))
            .bind(state.as_str())
            .bind(state.may_have_gone().then(|| now.timestamp_millis()))
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// A report names a message of ours as the provider's: so the attempt with that provider of which nobody knew it was sent.
/// Answers whether there is one. The message must be locked.
pub(crate) async fn prove_sent(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    name: Name<'_>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let attempts = attempts_of(tx, tenant, message).await?;
    let lost = attempts.into_iter().rev().find(|attempt| {
        attempt.provider == name.provider
            && attempt.external_id.is_none()
            && attempt.state.gives_way_to(AttemptState::Sent)
    });
    let Some(lost) = lost else { return Ok(false) };
    let external_id = Some(name.external_id);
    set_result(
        tx,
        tenant,
        message,
        lost.number,
        AttemptState::Sent,
        external_id,
        None,
        now,
    )
    .await?;
    Ok(true)
}
