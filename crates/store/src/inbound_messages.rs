//! Messages that came in.

use chrono::{DateTime, Utc};
use domain::{
    Channel, ContactId, InboundId, InboundRecord, Intent, InteractionId, Language, MessageId, PersonalText, TenantId,
};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::tenants::context;
use crate::{Cursor, Page, Store, StoreError, time};

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// Its id.
    pub id: InboundId,
    /// The way it came.
    pub channel: Channel,
    /// Who brought it.
    pub provider: String,
    /// What the provider calls it.
    pub external_id: String,
    /// Who wrote it.
    pub contact_id: ContactId,
    /// The number or address it came from.
    pub from: PersonalText,
    /// Our number or address.
    pub to: Option<PersonalText>,
    /// What was written, or what stood on the button.
    pub text: Option<PersonalText>,
    /// What it means.
    pub intent: Intent,
    /// Our message that it answers.
    pub answers: Option<MessageId>,
    /// The interaction that it was logged as.
    pub interaction_id: Option<InteractionId>,
    /// When it came in, by the provider's clock.
    pub occurred_at: DateTime<Utc>,
    /// When it was written down here.
    pub created_at: DateTime<Utc>,
}

/// Who wrote a message that came in, as far as an answer to them needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The tenant's own id of the person, if there is one.
    pub person_id: Option<String>,
    /// The tenant's own id of the organisation, if it is one.
    pub organisation_id: Option<String>,
    /// The language of our message that was answered.
    pub language: Option<Language>,
}

pub(crate) const SELECT: &str =
    "SELECT id, channel, provider, external_id, contact_id, sender, recipient, text, intent, answers, interaction_id,
       occurred_at, created_at
     FROM inbound_messages WHERE tenant_id = ";

/// The list's statement: all of a tenant, or those of one contact.
macro_rules! list {
    ($tenant:expr, $contact:expr, $after:expr, $limit:expr) => {{
        let mut query = QueryBuilder::new($crate::inbound_messages::SELECT);
        query.push_bind($tenant.0);
        if let Some(contact) = $contact {
            query.push(" AND contact_id = ").push_bind(contact.0);
        }
        $crate::page::push_newest_after!(query, "inbound_messages", $after, $limit);
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

#[derive(FromRow)]
struct Row {
    id: Uuid,
    channel: String,
    provider: String,
    external_id: String,
    contact_id: Uuid,
    sender: Vec<u8>,
    recipient: Option<Vec<u8>>,
    text: Option<Vec<u8>>,
    intent: String,
    answers: Option<Uuid>,
    interaction_id: Option<Uuid>,
    occurred_at: i64,
    created_at: i64,
}

impl Store {
    /// The messages that came in, newest first; with a contact, only theirs.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn inbound_messages(
        &self,
        tenant: TenantId,
        contact: Option<ContactId>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<InboundMessage>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, contact, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows
            .into_iter()
            .map(|row| self.open_inbound(row))
            .collect::<Result<_, _>>()?;
        Ok(Page::of(items, limit, |item: &InboundMessage| Cursor {
            at: item.created_at,
            id: item.id.0,
        }))
    }

    /// Who wrote a message that came in; `None` if it is not there.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn writer(&self, tenant: TenantId, inbound: InboundId) -> Result<Option<Writer>, StoreError> {
        let row: Option<(String, Option<String>, Option<String>)> = on!(self.db.reader(), pool =>
            sqlx::query_as(
                "SELECT contact.kind, contact.external_id, message.language
                 FROM inbound_messages inbound
                 JOIN contacts contact ON contact.tenant_id = inbound.tenant_id AND contact.id = inbound.contact_id
                 LEFT JOIN messages message ON message.tenant_id = inbound.tenant_id AND message.id = inbound.answers
                 WHERE inbound.tenant_id = $1 AND inbound.id = $2")
                .bind(tenant.0)
                .bind(inbound.0)
                .fetch_optional(pool)
                .await)?;
        let Some((kind, external_id, language)) = row else {
            return Ok(None);
        };
        let is_person = kind == "person";
        Ok(Some(Writer {
            organisation_id: external_id.clone().filter(|_| !is_person),
            person_id: external_id.filter(|_| is_person),
            language: language.map(|code| word(&code, "an unknown language")).transpose()?,
        }))
    }

    fn open_inbound(&self, row: Row) -> Result<InboundMessage, StoreError> {
        let open =
            |column, sealed| Ok::<_, StoreError>(text(&self.keyring, column, row.id, sealed)?.map(PersonalText::new));
        Ok(InboundMessage {
            id: InboundId(row.id),
            channel: word(&row.channel, "an unknown channel")?,
            provider: row.provider,
            external_id: row.external_id,
            contact_id: ContactId(row.contact_id),
            from: open("inbound.sender", Some(row.sender))?.ok_or(StoreError::Corrupt("a sender".into()))?,
            to: open("inbound.recipient", row.recipient)?,
            text: open("inbound.text", row.text)?,
            intent: word(&row.intent, "an unknown intent")?,
            answers: row.answers.map(MessageId),
            interaction_id: row.interaction_id.map(InteractionId),
            occurred_at: time::at(row.occurred_at)?,
            created_at: time::at(row.created_at)?,
        })
    }

    /// Writes a message that came in down. Answers whether it is new: the same one is never there twice.
    pub(crate) async fn insert_inbound(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        new: &NewInbound<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let seal =
            |column, text: &PersonalText| self.keyring.seal(&context(column, new.id.0), text.expose().as_bytes());
        let record = new.record;
        let inserted = on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO inbound_messages
                     (id, tenant_id, channel, provider, external_id, contact_id, sender_hash, sender, recipient, text, raw,
                      intent, answers, interaction_id, occurred_at, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
                 ON CONFLICT (id) DO NOTHING")
                .bind(new.id.0)
                .bind(tenant.0)
                .bind(record.channel.as_str())
                .bind(&record.provider)
                .bind(&record.external_id)
                .bind(new.contact.0)
                .bind(new.sender_hash)
                .bind(seal("inbound.sender", &record.from))
                .bind(record.to.as_ref().map(|to| seal("inbound.recipient", to)))
                .bind(record.text.as_ref().or(record.button_label.as_ref()).map(|text| seal("inbound.text", text)))
                .bind(record.raw.as_ref().map(|raw| seal("inbound.raw", raw)))
                .bind(new.intent.as_str())
                .bind(new.answers.map(|id| id.0))
                .bind(new.interaction.0)
                .bind(time::happened(record.occurred_at, now).timestamp_millis())
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(inserted > 0)
    }
}

/// A message that came in, about to be written.
pub(crate) struct NewInbound<'a> {
    pub(crate) id: InboundId,
    pub(crate) record: &'a InboundRecord,
    pub(crate) sender_hash: &'a [u8],
    pub(crate) contact: ContactId,
    pub(crate) intent: Intent,
    pub(crate) answers: Option<MessageId>,
    pub(crate) interaction: InteractionId,
}
