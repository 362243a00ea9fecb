//! Interactions: follow-up work with a contact. The list of them is in `interaction_inbox.rs`, how people create and change
//! them in `interaction_drafts.rs` and `interaction_edits.rs`, what became of them in `interaction_changes.rs`, and who is told
//! of them in `reminders.rs`.

use chrono::{DateTime, Utc};
use domain::interaction::{InteractionReason, InteractionStatus, Warning};
use domain::{Actor, ContactId, Intent, InteractionId, PersonalText, TenantId, UserId};
use seal::Keyring;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::{Store, StoreError, time};

/// A piece of follow-up work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// Its id.
    pub id: InteractionId,
    /// With whom.
    pub contact_id: ContactId,
    /// Where it stands.
    pub status: InteractionStatus,
    /// Why it exists.
    pub reason: InteractionReason,
    /// What somebody meant who wrote to us, if it exists because of that.
    pub intent: Option<Intent>,
    /// What it is about.
    pub title: Option<PersonalText>,
    /// What else is to be known.
    pub note: Option<PersonalText>,
    /// Whose work it is.
    pub assignee: Option<UserId>,
    /// When something is due.
    pub next_action_at: Option<DateTime<Utc>>,
    /// When it was found overdue and its assignee was to be told.
    pub notified_at: Option<DateTime<Utc>>,
    /// Why the assignee could not be told.
    pub warning: Option<Warning>,
    /// Who created it.
    pub creator: Actor,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// How often people wrote it, its creation included.
    pub version: u64,
}

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    contact_id: Uuid,
    status: String,
    reason: String,
    intent: Option<String>,
    title: Option<Vec<u8>>,
    note: Option<Vec<u8>>,
    assignee: Option<Uuid>,
    next_action_at: Option<i64>,
    notified_at: Option<i64>,
    warning: Option<String>,
    creator: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Row {
    pub(crate) fn is_planned_before(&self, end: DateTime<Utc>) -> bool {
        self.next_action_at.is_some_and(|at| at < end.timestamp_millis())
    }

    pub(crate) fn open(self, keyring: &Keyring) -> Result<Interaction, StoreError> {
        let open = |column, sealed| Ok::<_, StoreError>(text(keyring, column, self.id, sealed)?.map(PersonalText::new));
        let intent = self.intent.map(|intent| word(&intent, "an unknown intent"));
        let warning = self.warning.map(|warning| word(&warning, "an unknown warning"));
        Ok(Interaction {
            id: InteractionId(self.id),
            contact_id: ContactId(self.contact_id),
            status: word(&self.status, "an unknown interaction status")?,
            reason: word(&self.reason, "an unknown interaction reason")?,
            intent: intent.transpose()?,
            title: open(TITLE, self.title)?,
            note: open(NOTE, self.note)?,
            assignee: self.assignee.map(UserId),
            next_action_at: time::at_opt(self.next_action_at)?,
            notified_at: time::at_opt(self.notified_at)?,
            warning: warning.transpose()?,
            creator: word(&self.creator, "an unknown actor")?,
            created_at: time::at(self.created_at)?,
            updated_at: time::at(self.updated_at)?,
            version: self.version.unsigned_abs(),
        })
    }
}

/// What the sealed columns are bound to.
pub(crate) const TITLE: &str = "interaction.title";
pub(crate) const NOTE: &str = "interaction.note";

pub(crate) const COLUMNS: &str =
    "SELECT interaction.id, interaction.contact_id, interaction.status, interaction.reason, interaction.intent,
       interaction.title, interaction.note, interaction.assignee, interaction.next_action_at, interaction.notified_at,
       interaction.warning, interaction.creator, interaction.created_at, interaction.updated_at, interaction.version";

impl Store {
    /// An interaction by its id.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it was sealed under a key that is not in the keyring.
    pub async fn interaction(&self, tenant: TenantId, id: InteractionId) -> Result<Option<Interaction>, StoreError> {
        let row: Option<Row> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" FROM interactions interaction WHERE interaction.tenant_id = ").push_bind(tenant.0);
            query.push(" AND interaction.id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(pool).await
        })?;
        row.map(|row| row.open(&self.keyring)).transpose()
    }
}

/// An interaction that nobody in person creates.
pub(crate) struct NewInteraction {
    pub(crate) id: InteractionId,
    pub(crate) contact: ContactId,
    pub(crate) status: InteractionStatus,
    pub(crate) reason: InteractionReason,
    pub(crate) intent: Option<Intent>,
    /// Somebody who is a member until the transaction ends.
    pub(crate) assignee: Option<UserId>,
    pub(crate) next_action_at: Option<DateTime<Utc>>,
}

/// Creates an interaction. Once more is harmless.
pub(crate) async fn create(
    tx: &mut Tx,
    tenant: TenantId,
    new: &NewInteraction,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO interactions
                 (id, tenant_id, contact_id, status, reason, intent, creator, created_at, updated_at, assignee, next_action_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10) ON CONFLICT DO NOTHING")
            .bind(new.id.0)
            .bind(tenant.0)
            .bind(new.contact.0)
            .bind(new.status.as_str())
            .bind(new.reason.as_str())
            .bind(new.intent.map(Intent::as_str))
            .bind(Actor::System.to_string())
            .bind(now.timestamp_millis())
            .bind(new.assignee.map(|assignee| assignee.0))
            .bind(new.next_action_at.map(|at| at.timestamp_millis()))
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}
