//! How people create interactions.

use chrono::{DateTime, Utc};
use domain::interaction::{InteractionField, InteractionReason, InteractionStatus, search};
use domain::{Actor, ContactId, InteractionId, MessageId, PersonalText, Recipient, TenantId, UserId};
use uuid::Uuid;

use crate::contacts::{self, Who};
use crate::db::Tx;
use crate::interaction_changes::{self, NewChange};
use crate::interactions::{NOTE, TITLE};
use crate::tenants::{context, new_id};
use crate::{Interaction, Store, StoreError, time};

/// With whom an interaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithWhom {
    /// A contact that is there.
    Contact(ContactId),
    /// Whoever the tenant calls this person; made if not there.
    Person(String),
    /// Whoever the tenant calls this organisation; made if not there.
    Organisation(String),
    /// Whoever is known by this address or number; made if not there.
    Reached(Recipient),
}

/// An interaction that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionDraft {
    /// With whom.
    pub with: WithWhom,
    /// What it is about.
    pub title: Option<PersonalText>,
    /// What else is to be known.
    pub note: Option<PersonalText>,
    /// Whose work it is.
    pub assignee: Option<UserId>,
    /// When something is due.
    pub next_action_at: Option<DateTime<Utc>>,
}

/// What came of a wish to create an interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InteractionCreated {
    /// It is there.
    Created(Box<Interaction>),
    /// There is no such contact.
    ContactUnknown,
    /// Nobody of that id is a member.
    AssigneeUnknown,
}

impl Store {
    /// Creates an interaction, and its contact if need be.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone.
    pub async fn create_interaction(
        &self,
        tenant: TenantId,
        draft: &InteractionDraft,
        creator: &Actor,
        now: DateTime<Utc>,
    ) -> Result<InteractionCreated, StoreError> {
        let mut tx = self.db.begin().await?;
        let Some(contact) = self.contact_of(&mut tx, tenant, &draft.with, now).await? else {
            return Ok(InteractionCreated::ContactUnknown);
        };
        if !is_member(&mut tx, tenant, draft.assignee).await? {
            return Ok(InteractionCreated::AssigneeUnknown);
        }
        let now = time::stored(now);
        let created = Interaction {
            id: InteractionId(new_id(now)),
            contact_id: contact,
            status: InteractionStatus::Todo,
            reason: InteractionReason::Manual,
            intent: None,
            title: draft.title.clone(),
            note: draft.note.clone(),
            assignee: draft.assignee,
            next_action_at: draft.next_action_at.map(time::stored),
            notified_at: None,
            warning: None,
            creator: creator.clone(),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        self.insert(&mut tx, tenant, &created).await?;
        let text = |text: &Option<PersonalText>| text.as_ref().map(|text| text.expose().to_owned());
        let words = search::found_by(text(&created.title).as_deref(), text(&created.note).as_deref());
        self.index_words(&mut tx, tenant, created.id, &words, now).await?;
        let change = NewChange {
            interaction: created.id.0,
            version: 1,
            field: InteractionField::Created,
            before: None,
            after: None,
        };
        interaction_changes::write(&mut tx, tenant, &[change], creator, now).await?;
        tx.commit().await?;
        Ok(InteractionCreated::Created(Box::new(created)))
    }

    async fn contact_of(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        with: &WithWhom,
        now: DateTime<Utc>,
    ) -> Result<Option<ContactId>, StoreError> {
        let hash;
        let who = match with {
            WithWhom::Contact(id) => {
                let is_there = contacts::lock(tx, tenant, *id).await? && !contacts::is_nobody(tx, tenant, *id).await?;
                return Ok(is_there.then_some(*id));
            }
            WithWhom::Person(id) => Who::new(Some(id), None, None),
            WithWhom::Organisation(id) => Who::new(None, Some(id), None),
            WithWhom::Reached(recipient) => {
                hash = self.recipient_hash(tx, tenant, recipient).await?;
                Who::new(None, None, Some(&hash))
            }
        };
        // Whoever is known by any of these is not named after a message.
        let nobody = MessageId(Uuid::nil());
        let contact = contacts::find_or_make(tx, tenant, nobody, &who, now).await?;
        let merged = || StoreError::Unavailable("the contact was merged meanwhile".into());
        contact.ok_or_else(merged).map(Some)
    }

    async fn insert(&self, tx: &mut Tx, tenant: TenantId, new: &Interaction) -> Result<(), StoreError> {
        let seal = |column, text: &Option<PersonalText>| {
            let seal = |text: &PersonalText| self.keyring.seal(&context(column, new.id.0), text.expose().as_bytes());
            text.as_ref().map(seal)
        };
        let (title, note) = (seal(TITLE, &new.title), seal(NOTE, &new.note));
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO interactions
                     (id, tenant_id, contact_id, status, reason, title, note, assignee, next_action_at, creator, created_at,
                      updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)")
                .bind(new.id.0)
                .bind(tenant.0)
                .bind(new.contact_id.0)
                .bind(new.status.as_str())
                .bind(new.reason.as_str())
                .bind(&title)
                .bind(&note)
                .bind(new.assignee.map(|assignee| assignee.0))
                .bind(new.next_action_at.map(|at| at.timestamp_millis()))
                .bind(new.creator.to_string())
                .bind(new.created_at.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }
}

/// Whether that is a member, or nobody. Who is one stays one until the transaction ends.
pub(crate) async fn is_member(tx: &mut Tx, tenant: TenantId, user: Option<UserId>) -> Result<bool, StoreError> {
    let Some(user) = user else { return Ok(true) };
    let statement = match tx {
        Tx::Postgres(_) => "SELECT 1 FROM memberships WHERE tenant_id = $1 AND user_id = $2 FOR KEY SHARE",
        Tx::Sqlite(_) => "SELECT 1 FROM memberships WHERE tenant_id = $1 AND user_id = $2",
    };
    let found: Option<i32> = on!(tx.connection(), connection =>
        sqlx::query_scalar(statement)
            .bind(tenant.0)
            .bind(user.0)
            .fetch_optional(connection)
            .await)?;
    Ok(found.is_some())
}
