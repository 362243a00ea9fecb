//! How far a message came: what recording reads of it, and writes.

use chrono::{DateTime, Utc};
use domain::delivery::{Counters, Span};
use domain::scoring;
use domain::{Channel, ContactId, Figures, InteractionId, MessageId, PersonalText, Progress, Recipient, TenantId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::contacts::Rung;
use crate::db::Tx;
use crate::messages::word;
use crate::tenants::context;
use crate::{Store, StoreError, reminder_marks, time};

#[derive(FromRow)]
pub(crate) struct ProgressRow {
    status: String,
    sent_count: i64,
    delivered_count: i64,
    open_count: i64,
    click_count: i64,
    bounce_count: i64,
    complaint_count: i64,
    unsubscribe_count: i64,
    first_event_at: Option<i64>,
    last_event_at: Option<i64>,
    first_opened_at: Option<i64>,
    last_opened_at: Option<i64>,
    first_clicked_at: Option<i64>,
    last_clicked_at: Option<i64>,
}

impl TryFrom<ProgressRow> for Progress {
    type Error = StoreError;

    fn try_from(row: ProgressRow) -> Result<Self, StoreError> {
        let count = |count: i64| u32::try_from(count).map_err(|_| StoreError::Corrupt("a counter out of range".into()));
        let span = |first: Option<i64>, last: Option<i64>| match first.zip(last) {
            Some((first, last)) => Ok(Some(Span {
                first: time::at(first)?,
                last: time::at(last)?,
            })),
            None => Ok::<_, StoreError>(None),
        };
        Ok(Self {
            status: word(&row.status, "an unknown message status")?,
            counters: Counters {
                sent: count(row.sent_count)?,
                delivered: count(row.delivered_count)?,
                opened: count(row.open_count)?,
                clicked: count(row.click_count)?,
                bounced: count(row.bounce_count)?,
                complained: count(row.complaint_count)?,
                unsubscribed: count(row.unsubscribe_count)?,
            },
            events: span(row.first_event_at, row.last_event_at)?,
            opens: span(row.first_opened_at, row.last_opened_at)?,
            clicks: span(row.first_clicked_at, row.last_clicked_at)?,
        })
    }
}

macro_rules! progress_columns {
    () => {
        "message.status, message.sent_count, message.delivered_count, message.open_count, message.click_count,
         message.bounce_count, message.complaint_count, message.unsubscribe_count, message.first_event_at,
         message.last_event_at, message.first_opened_at, message.last_opened_at, message.first_clicked_at,
         message.last_clicked_at"
    };
}
pub(crate) use progress_columns;

/// What recording needs to know of a message.
pub(crate) struct Known {
    pub(crate) progress: Progress,
    pub(crate) figures: Figures,
    pub(crate) channel: Channel,
    pub(crate) provider: Option<String>,
    pub(crate) recipient_hash: Option<Vec<u8>>,
    pub(crate) interaction: Option<InteractionId>,
    pub(crate) attempts: u32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) contact: ContactId,
    pub(crate) rung: Rung,
    /// Whether opening it says anything of its recipient's interest.
    pub(crate) warms: bool,
    /// Since when its contact is nobody.
    pub(crate) erased_at: Option<DateTime<Utc>>,
}

impl Known {
    /// Whoever it went to was erased: nothing personal is written of it any more.
    pub(crate) const fn is_of_nobody(&self) -> bool {
        self.erased_at.is_some()
    }

    /// The same of a message that is nobody's.
    pub(crate) fn of_nobody(self, since: DateTime<Utc>) -> Self {
        Self {
            rung: Rung::Erased,
            erased_at: Some(since),
            ..self
        }
    }
}

#[derive(FromRow)]
struct KnownRow {
    #[sqlx(flatten)]
    progress: ProgressRow,
    figures: i64,
    channel: String,
    provider: Option<String>,
    recipient_hash: Option<Vec<u8>>,
    interaction_id: Option<Uuid>,
    attempts: i64,
    created_at: i64,
    contact_id: Uuid,
    contact_external_id: Option<String>,
    contact_has_address: bool,
    class: Option<String>,
    to_member: bool,
    contact_erased_at: Option<i64>,
}

macro_rules! select_known {
    () => {
        concat!(
            "SELECT ",
            progress_columns!(),
            ", message.figures, message.channel, message.provider, message.recipient_hash, message.interaction_id,
               message.attempts, message.created_at, message.contact_id, message.class, message.to_member,
               contact.external_id AS contact_external_id, contact.address_hash IS NOT NULL AS contact_has_address,
               contact.erased_at AS contact_erased_at
             FROM messages message
             JOIN contacts contact ON contact.tenant_id = message.tenant_id AND contact.id = message.contact_id
             WHERE message.tenant_id = $1 AND message.id = $2"
        )
    };
}

/// Reads a message.
pub(crate) async fn load(tx: &mut Tx, tenant: TenantId, id: MessageId) -> Result<Option<Known>, StoreError> {
    read(tx, tenant, id, select_known!()).await
}

/// Reads a message and locks its contact, in one statement: a contact that was merged away meanwhile gives no row, so
/// what comes back belongs together.
pub(crate) async fn load_and_lock_contact(
    tx: &mut Tx,
    tenant: TenantId,
    id: MessageId,
) -> Result<Option<Known>, StoreError> {
    let statement = match tx {
        Tx::Postgres(_) => concat!(select_known!(), " FOR UPDATE OF contact"),
        Tx::Sqlite(_) => select_known!(),
    };
    read(tx, tenant, id, statement).await
}

async fn read(
    tx: &mut Tx,
    tenant: TenantId,
    id: MessageId,
    statement: &'static str,
) -> Result<Option<Known>, StoreError> {
    let row: Option<KnownRow> = on!(tx.connection(), connection =>
        sqlx::query_as(statement).bind(tenant.0).bind(id.0).fetch_optional(connection).await)?;
    row.map(|row| {
        let number =
            |number: i64| u32::try_from(number).map_err(|_| StoreError::Corrupt("a number out of range".into()));
        let class = row.class.map(|class| word(&class, "an unknown message class"));
        Ok(Known {
            warms: scoring::warms(class.transpose()?, row.to_member),
            progress: row.progress.try_into()?,
            figures: Figures::from_bits(number(row.figures)?),
            channel: word(&row.channel, "an unknown channel")?,
            provider: row.provider,
            recipient_hash: row.recipient_hash,
            interaction: row.interaction_id.map(InteractionId),
            attempts: number(row.attempts)?,
            created_at: time::at(row.created_at)?,
            contact: ContactId(row.contact_id),
            rung: Rung::stored(
                row.contact_external_id.as_deref(),
                row.contact_has_address,
                row.contact_erased_at.is_some(),
            ),
            erased_at: time::at_opt(row.contact_erased_at)?,
        })
    })
    .transpose()
}

/// What is written of a message when something became known of it.
pub(crate) struct Change<'a> {
    /// How far it came.
    pub(crate) progress: Progress,
    /// The figures that count it now.
    pub(crate) figures: Figures,
    /// The code of what went wrong, if that changes; there may be none any more.
    pub(crate) error_code: Option<Option<&'a str>>,
    /// What it did not know of itself yet.
    pub(crate) interaction: Option<InteractionId>,
    pub(crate) subject: Option<&'a PersonalText>,
    pub(crate) recipient: Option<&'a Recipient>,
    pub(crate) recipient_hash: Option<&'a [u8]>,
}

impl<'a> Change<'a> {
    /// It came so far, is counted so, and nothing else.
    pub(crate) const fn new(progress: Progress, figures: Figures) -> Self {
        Self {
            progress,
            figures,
            error_code: None,
            interaction: None,
            subject: None,
            recipient: None,
            recipient_hash: None,
        }
    }

    /// With the code of an event, if it is the event that tells most of the message: so it is the same code in whichever
    /// order events arrive.
    pub(crate) fn with_code(mut self, kind: domain::EventKind, code: Option<&'a str>) -> Self {
        if kind.status() == Some(self.progress.status) {
            self.error_code = Some(code);
        }
        self
    }
}

impl Store {
    /// Writes down what became known of a message. One that has come to an end is not looked up any more.
    pub(crate) async fn change_message(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        id: MessageId,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        let seal = |column, text: &str| self.keyring.seal(&context(column, id.0), text.as_bytes());
        let subject = change.subject.map(|subject| seal("message.subject", subject.expose()));
        let recipient = change
            .recipient
            .map(|recipient| seal("message.recipient", recipient.expose()));
        let Progress {
            status,
            counters,
            events,
            opens,
            clicks,
        } = change.progress;
        let first = |span: Option<Span>| span.map(|span| span.first.timestamp_millis());
        let last = |span: Option<Span>| span.map(|span| span.last.timestamp_millis());
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE messages SET status = $3, sent_count = $4, delivered_count = $5, open_count = $6,
                     click_count = $7, bounce_count = $8, complaint_count = $9, unsubscribe_count = $10,
                     first_event_at = $11, last_event_at = $12, first_opened_at = $13, last_opened_at = $14,
                     first_clicked_at = $15, last_clicked_at = $16, interaction_id = COALESCE(interaction_id, $17),
                     subject = COALESCE(subject, $18), recipient = COALESCE(recipient, $19),
                     recipient_hash = COALESCE(recipient_hash, $20), figures = $21,
                     error_code = CASE WHEN $22 THEN $23 ELSE error_code END,
                     looked_at = CASE WHEN $24 THEN looked_at END
                 WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .bind(status.as_str())
                .bind(i64::from(counters.sent))
                .bind(i64::from(counters.delivered))
                .bind(i64::from(counters.opened))
                .bind(i64::from(counters.clicked))
                .bind(i64::from(counters.bounced))
                .bind(i64::from(counters.complained))
                .bind(i64::from(counters.unsubscribed))
                .bind(first(events))
                .bind(last(events))
                .bind(first(opens))
                .bind(last(opens))
                .bind(first(clicks))
                .bind(last(clicks))
                .bind(change.interaction.map(|id| id.0))
                .bind(subject)
                .bind(recipient)
                .bind(change.recipient_hash)
                .bind(i64::from(change.figures.bits()))
                .bind(change.error_code.is_some())
                .bind(change.error_code.flatten())
                .bind(status.is_open())
                .execute(connection)
                .await
                .map(|_| ()))?;
        if status.is_lost() {
            reminder_marks::not_delivered(tx, tenant, id).await?;
        }
        Ok(())
    }
}
