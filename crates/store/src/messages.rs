//! Messages: what was sent, to whom, and how far it came.

use chrono::{DateTime, Utc};
use domain::delivery::{Counters, Span};
use domain::{
    AttemptState, Channel, ContactId, EmailEventRecord, InteractionId, Language, MessageClass, MessageId, PersonalText,
    Progress, Recipient, Status, TemplateVersion, TenantId,
};
use seal::Keyring;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::contacts::Rung;
use crate::db::Tx;
use crate::leads::by_kind;
use crate::tenants::context;
use crate::{Cursor, Page, Store, StoreError, time};

/// The only channel so far.
const EMAIL: &str = "email";

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id: derived from the request for it, or of a message that was only ever reported from what its provider calls
    /// it.
    pub id: MessageId,
    /// How it goes.
    pub channel: Channel,
    /// Who carries it, or was asked to last; `None` until somebody is.
    pub provider: Option<String>,
    /// What the provider calls it, as soon as that is known.
    pub external_id: Option<String>,
    /// What kind of message it is; `None` if it was only ever reported. So are all that follow, up to the attempts.
    pub class: Option<MessageClass>,
    /// The language it is written in.
    pub language: Option<Language>,
    /// What it was written with, if with a template.
    pub template: Option<TemplateVersion>,
    /// The tenant's own words for it.
    pub tags: Vec<String>,
    /// When it was to go, if not at once.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What is known of the last attempt to send it.
    pub last_attempt: Option<AttemptState>,
    /// The latest code of what went wrong.
    pub error_code: Option<String>,
    /// How far it came: status, counters and times.
    pub progress: Progress,
    /// The follow-up that its first open created.
    pub interaction_id: Option<InteractionId>,
    /// When it was begun, or we first heard of it.
    pub created_at: DateTime<Utc>,
    /// Who it went to.
    pub contact_id: ContactId,
    /// The tenant's own id of that contact, if it is a person who has one.
    pub person_id: Option<String>,
    /// The tenant's own id of that contact, if it is an organisation.
    pub organisation_id: Option<String>,
    /// The address or number it goes to.
    pub recipient: Option<Recipient>,
    /// Its subject.
    pub subject: Option<PersonalText>,
}

/// What a list of messages is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Only those carried by this provider.
    pub provider: Option<String>,
    /// Only those that came exactly this far.
    pub status: Option<Status>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    channel: String,
    provider: String,
    external_id: String,
    #[sqlx(flatten)]
    progress: ProgressRow,
    interaction_id: Option<Uuid>,
    created_at: i64,
    contact_id: Uuid,
    contact_kind: String,
    contact_external_id: Option<String>,
    recipient: Option<Vec<u8>>,
    subject: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct ProgressRow {
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
            status: row
                .status
                .parse()
                .map_err(|_| StoreError::Corrupt("an unknown message status".into()))?,
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

pub(crate) const SELECT: &str = concat!(
    "SELECT message.id, message.channel, message.provider, message.external_id, ",
    progress_columns!(),
    ", message.interaction_id, message.created_at, message.contact_id, contact.kind AS contact_kind,
       contact.external_id AS contact_external_id, message.recipient, message.subject
     FROM messages message
     JOIN contacts contact ON contact.tenant_id = message.tenant_id AND contact.id = message.contact_id
     WHERE message.tenant_id = "
);

/// The list's statement, with only the conditions that were asked for.
///
/// A status or provider is looked for along the index of the newest: an index of its own would have to be written with
/// every event that moves a status.
macro_rules! list {
    ($tenant:expr, $filter:expr, $after:expr, $limit:expr) => {{
        let mut query = QueryBuilder::new($crate::messages::SELECT);
        query.push_bind($tenant.0);
        if let Some(provider) = &$filter.provider {
            query.push(" AND message.provider = ").push_bind(provider.as_str());
        }
        if let Some(status) = $filter.status {
            query.push(" AND message.status = ").push_bind(status.as_str());
        }
        $crate::page::push_newest_after!(query, "message", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

impl Store {
    /// A message by its id.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn message(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(SELECT);
            query.push_bind(tenant.0).push(" AND message.id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(pool).await
        })?;
        row.map(|row| self.open_message(row)).transpose()
    }

    /// A message by what its provider calls it.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn message_by_external(
        &self,
        tenant: TenantId,
        provider: &str,
        external_id: &str,
    ) -> Result<Option<Message>, StoreError> {
        self.message(tenant, MessageId::derive(tenant, provider, external_id))
            .await
    }

    /// A tenant's messages, newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn messages(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Message>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, filter, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows
            .into_iter()
            .map(|row| self.open_message(row))
            .collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, |item: &Message| Cursor {
            at: item.created_at,
            id: item.id.0,
        }))
    }

    fn open_message(&self, row: Row) -> Result<Message, StoreError> {
        let recipient = text(&self.keyring, "message.recipient", row.id, row.recipient)?
            .map(|text| Recipient::try_from(text).map_err(|_| StoreError::Corrupt("a recipient".into())))
            .transpose()?;
        let subject = text(&self.keyring, "message.subject", row.id, row.subject)?.map(PersonalText::new);
        let (person_id, organisation_id) = by_kind(&row.contact_kind, row.contact_external_id);
        Ok(Message {
            id: MessageId(row.id),
            channel: row
                .channel
                .parse()
                .map_err(|_| StoreError::Corrupt("an unknown channel".into()))?,
            provider: Some(row.provider),
            external_id: Some(row.external_id),
            class: None,
            language: None,
            template: None,
            tags: Vec::new(),
            scheduled_at: None,
            last_attempt: None,
            error_code: None,
            progress: row.progress.try_into()?,
            interaction_id: row.interaction_id.map(InteractionId),
            created_at: time::at(row.created_at)?,
            contact_id: ContactId(row.contact_id),
            person_id,
            organisation_id,
            recipient,
            subject,
        })
    }

    /// Creates a message that nothing has happened to yet. Answers whether it is new.
    pub(crate) async fn insert_message(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        id: MessageId,
        contact: ContactId,
        record: &EmailEventRecord,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let inserted = on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO messages (tenant_id, id, channel, provider, external_id, contact_id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING")
                .bind(tenant.0)
                .bind(id.0)
                .bind(EMAIL)
                .bind(&record.provider)
                .bind(&record.external_id)
                .bind(contact.0)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(inserted > 0)
    }

    /// Writes how far a message came, and what it did not know of itself yet.
    pub(crate) async fn update_message(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        id: MessageId,
        progress: &Progress,
        interaction: Option<InteractionId>,
        record: &EmailEventRecord,
    ) -> Result<(), StoreError> {
        let seal = |column, text: &str| self.keyring.seal(&context(column, id.0), text.as_bytes());
        let subject = record
            .subject
            .as_ref()
            .map(|subject| seal("message.subject", subject.expose()));
        let recipient = record
            .recipient
            .as_ref()
            .map(|recipient| seal("message.recipient", recipient.expose()));
        let Progress {
            status,
            counters,
            events,
            opens,
            clicks,
        } = progress;
        let first = |span: &Option<Span>| span.map(|span| span.first.timestamp_millis());
        let last = |span: &Option<Span>| span.map(|span| span.last.timestamp_millis());
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE messages SET status = $3, sent_count = $4, delivered_count = $5, open_count = $6,
                     click_count = $7, bounce_count = $8, complaint_count = $9, unsubscribe_count = $10,
                     first_event_at = $11, last_event_at = $12, first_opened_at = $13, last_opened_at = $14,
                     first_clicked_at = $15, last_clicked_at = $16, interaction_id = COALESCE(interaction_id, $17),
                     subject = COALESCE(subject, $18), recipient = COALESCE(recipient, $19)
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
                .bind(interaction.map(|id| id.0))
                .bind(subject)
                .bind(recipient)
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }
}

/// What recording an event needs to know of its message.
pub(crate) struct Known {
    pub(crate) progress: Progress,
    pub(crate) contact: ContactId,
    pub(crate) rung: Rung,
}

#[derive(FromRow)]
struct KnownRow {
    #[sqlx(flatten)]
    progress: ProgressRow,
    contact_id: Uuid,
    contact_external_id: Option<String>,
    contact_has_address: bool,
}

macro_rules! select_known {
    () => {
        concat!(
            "SELECT ",
            progress_columns!(),
            ", message.contact_id, contact.external_id AS contact_external_id,
               contact.address_hash IS NOT NULL AS contact_has_address
             FROM messages message
             JOIN contacts contact ON contact.tenant_id = message.tenant_id AND contact.id = message.contact_id
             WHERE message.tenant_id = $1 AND message.id = $2"
        )
    };
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
    let row: Option<KnownRow> = on!(tx.connection(), connection =>
        sqlx::query_as(statement).bind(tenant.0).bind(id.0).fetch_optional(connection).await)?;
    row.map(|row| {
        Ok(Known {
            progress: row.progress.try_into()?,
            contact: ContactId(row.contact_id),
            rung: Rung::stored(row.contact_external_id.as_deref(), row.contact_has_address),
        })
    })
    .transpose()
}

/// Opens a sealed text.
pub(crate) fn text(
    keyring: &Keyring,
    column: &str,
    row: Uuid,
    sealed: Option<Vec<u8>>,
) -> Result<Option<String>, StoreError> {
    let Some(sealed) = sealed else { return Ok(None) };
    let clear = keyring.open(&context(column, row), &sealed)?;
    String::from_utf8(clear)
        .map(Some)
        .map_err(|_| StoreError::Corrupt("a sealed text".into()))
}
