//! Writing a message down before anybody is called.

use chrono::{DateTime, Utc};
use domain::{ContactId, Language, OutgoingRecord, PersonalText, TenantId};

use crate::contacts::{self, Who};
use crate::db::Tx;
use crate::record_report::ATTEMPTS_MAX;
use crate::tenants::context;
use crate::{Store, StoreError};

/// What [`Store::begin_message`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageBegun {
    /// It is written down now.
    New,
    /// It was written down before, for the same request.
    Known,
    /// A message of this id was written down for another request. Nothing changed.
    OtherRequest,
}

impl Store {
    /// Writes a message down, as queued, with its contact. Once more is harmless.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; [`StoreError::Missing`] when the tenant is gone.
    pub async fn begin_message(
        &self,
        tenant: TenantId,
        message: &OutgoingRecord,
        now: DateTime<Utc>,
    ) -> Result<MessageBegun, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = self.db.begin().await?;
            tx.serialise_on(message.id.0).await?;
            if let Some(begun) = begun_before(&mut tx, tenant, message).await? {
                tx.rollback().await?;
                return Ok(begun);
            }
            let hash = self.recipient_hash(&mut tx, tenant, &message.recipient).await?;
            let who = Who::new(
                message.person_id.as_deref(),
                message.organisation_id.as_deref(),
                Some(&hash),
            );
            if let Some(contact) = contacts::find_or_make(&mut tx, tenant, message.id, &who, now).await? {
                self.insert_message(&mut tx, tenant, message, contact, &hash, now)
                    .await?;
                tx.commit().await?;
                return Ok(MessageBegun::New);
            }
            tx.rollback().await?;
        }
        Err(StoreError::Unavailable("the contact kept being merged".into()))
    }

    async fn insert_message(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        message: &OutgoingRecord,
        contact: ContactId,
        hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let seal = |column, text: &str| self.keyring.seal(&context(column, message.id.0), text.as_bytes());
        let sealed = |column, text: &Option<PersonalText>| text.as_ref().map(|text| seal(column, text.expose()));
        let (template, version) = match &message.template {
            Some(template) => (Some(template.name.as_str()), Some(i64::from(template.version))),
            None => (None, None),
        };
        let tags = (!message.tags.is_empty()).then(|| serde_json::Value::from(message.tags.clone()).to_string());
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO messages
                     (tenant_id, id, channel, contact_id, class, fingerprint, language, template_name, template_version,
                      tags, scheduled_at, subject, recipient, recipient_hash, content, created_at, to_member)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
                .bind(tenant.0)
                .bind(message.id.0)
                .bind(message.channel.as_str())
                .bind(contact.0)
                .bind(message.class.as_str())
                .bind(message.fingerprint.0.as_slice())
                .bind(message.language.map(Language::as_str))
                .bind(template)
                .bind(version)
                .bind(tags)
                .bind(message.scheduled_at.map(|at| at.timestamp_millis()))
                .bind(sealed("message.subject", &message.subject))
                .bind(seal("message.recipient", message.recipient.expose()))
                .bind(hash)
                .bind(sealed("message.content", &message.content))
                .bind(now.timestamp_millis())
                .bind(message.to_member)
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }
}

/// What a message of this id was begun for, if there is one.
async fn begun_before(
    tx: &mut Tx,
    tenant: TenantId,
    message: &OutgoingRecord,
) -> Result<Option<MessageBegun>, StoreError> {
    let row: Option<Option<Vec<u8>>> = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT fingerprint FROM messages WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.0)
            .bind(message.id.0)
            .fetch_optional(connection)
            .await)?;
    Ok(row.map(|fingerprint| {
        if fingerprint.as_deref() == Some(message.fingerprint.0.as_slice()) {
            MessageBegun::Known
        } else {
            MessageBegun::OtherRequest
        }
    }))
}
