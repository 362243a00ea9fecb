//! Messages: what was sent, to whom, and how far it came.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{
    AttemptState, Channel, ContactId, InteractionId, Language, MessageClass, MessageId, PersonalText, Progress,
    Recipient, Status, TemplateVersion, TenantId,
};
use seal::Keyring;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::leads::by_kind;
use crate::message_names::OWNERS;
use crate::message_state::{ProgressRow, progress_columns};
use crate::tenants::context;
use crate::{Cursor, Page, Store, StoreError, time};

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
    /// Only those of which nobody knows whether they went, or only the others.
    pub unclear: Option<bool>,
    /// Only those that go this way.
    pub channel: Option<Channel>,
    /// Only those to this contact.
    pub contact: Option<ContactId>,
    /// Only those to the person whom the tenant calls this.
    pub person: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    channel: String,
    provider: Option<String>,
    external_id: Option<String>,
    class: Option<String>,
    language: Option<String>,
    template_name: Option<String>,
    template_version: Option<i64>,
    tags: Option<String>,
    scheduled_at: Option<i64>,
    attempt_state: Option<String>,
    error_code: Option<String>,
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

pub(crate) const SELECT: &str = concat!(
    "SELECT message.id, message.channel, message.provider, message.external_id, message.class, message.language,
       message.template_name, message.template_version, message.tags, message.scheduled_at, message.attempt_state,
       message.error_code, ",
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
        if let Some(unclear) = $filter.unclear {
            query
                .push(" AND (COALESCE(message.attempt_state, '') = 'unclear') = ")
                .push_bind(unclear);
        }
        if let Some(channel) = $filter.channel {
            query.push(" AND message.channel = ").push_bind(channel.as_str());
        }
        if let Some(contact) = $filter.contact {
            query.push(" AND message.contact_id = ").push_bind(contact.0);
        }
        if let Some(person) = &$filter.person {
            query
                .push(
                    " AND message.contact_id = (SELECT named.id FROM contacts named WHERE named.kind = 'person'
                       AND named.tenant_id = ",
                )
                .push_bind($tenant.0);
            query
                .push(" AND named.external_id = ")
                .push_bind(person.as_str())
                .push(")");
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

    /// A message by what its provider calls it, also by an attempt that was not the last.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn message_by_external(
        &self,
        tenant: TenantId,
        provider: &str,
        external_id: &str,
    ) -> Result<Option<Message>, StoreError> {
        for statement in OWNERS {
            let id: Option<Uuid> = on!(self.db.reader(), pool =>
                sqlx::query_scalar(statement)
                    .bind(tenant.0)
                    .bind(provider)
                    .bind(external_id)
                    .fetch_optional(pool)
                    .await)?;
            if let Some(id) = id {
                return self.message(tenant, MessageId(id)).await;
            }
        }
        Ok(None)
    }

    /// What a message says, as [`begin_message`](Self::begin_message) was given it.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn message_content(&self, tenant: TenantId, id: MessageId) -> Result<Option<PersonalText>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar("SELECT content FROM messages WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .fetch_optional(pool)
                .await)?;
        Ok(text(&self.keyring, "message.content", id.0, sealed.flatten())?.map(PersonalText::new))
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
            channel: word(&row.channel, "an unknown channel")?,
            provider: row.provider,
            external_id: row.external_id,
            class: row.class.map(|class| word(&class, "an unknown class")).transpose()?,
            language: row
                .language
                .map(|language| word(&language, "an unknown language"))
                .transpose()?,
            template: template(row.template_name, row.template_version)?,
            tags: row.tags.map_or(Ok(Vec::new()), |tags| {
                serde_json::from_str(&tags).map_err(|_| StoreError::Corrupt("tags".into()))
            })?,
            scheduled_at: time::at_opt(row.scheduled_at)?,
            last_attempt: row
                .attempt_state
                .map(|state| word(&state, "an unknown state of an attempt"))
                .transpose()?,
            error_code: row.error_code,
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
}

fn template(name: Option<String>, version: Option<i64>) -> Result<Option<TemplateVersion>, StoreError> {
    let version = version
        .map(u32::try_from)
        .transpose()
        .map_err(|_| StoreError::Corrupt("a version out of range".into()))?;
    Ok(name
        .zip(version)
        .map(|(name, version)| TemplateVersion { name, version }))
}

/// Reads a stored word.
pub(crate) fn word<T: FromStr>(word: &str, fault: &'static str) -> Result<T, StoreError> {
    word.parse().map_err(|_| StoreError::Corrupt(fault.into()))
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
