//! Interactions: follow-up work with a contact, and the inbox that shows it. How people write them is in
//! `interaction_writes.rs`, what became of them in `interaction_changes.rs`, who is told in `reminders.rs`.
//!
//! The inbox has one order of two: newest first, or, of what is planned for a span of time, soonest first. Each has an
//! index for everybody's and one for somebody's work (`holder` is the assignee, and zeros for nobody); what else is asked
//! for is looked for along it. A question with words goes along the index of its longest word.

use chrono::{DateTime, Utc};
use domain::interaction::{DueWindow, InteractionReason, InteractionStatus, Warning, search};
use domain::{Actor, ContactId, Intent, InteractionId, PersonalText, TenantId, UserId};
use seal::Keyring;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::{text, word};
use crate::{Cursor, Page, Store, StoreError, time};

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

/// Whose work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody's.
    Nobody,
    /// This member's.
    User(UserId),
}

/// When work is planned for. What is done is planned for no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {
    /// For a time in this window.
    Within(DueWindow),
    /// For none.
    Not,
}

/// What the inbox is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxFilter {
    /// Only this status.
    pub status: Option<InteractionStatus>,
    /// Only this person's, or nobody's.
    pub holder: Option<Holder>,
    /// Only open work that is planned like this.
    pub planned: Option<Planned>,
    /// Only what all words of this question find.
    pub question: Option<String>,
}

impl Holder {
    /// What stands in the column of the same name.
    pub(crate) const fn stored(self) -> Uuid {
        match self {
            Self::Nobody => Uuid::nil(),
            Self::User(user) => user.0,
        }
    }

    /// Of an assignee.
    pub(crate) fn of(assignee: Option<UserId>) -> Self {
        assignee.map_or(Self::Nobody, Self::User)
    }
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

/// The inbox's statement, with only the conditions that were asked for, so that each has its index. `hashes` are those of
/// the question's words, `except` is whose work is left out.
macro_rules! inbox {
    ($tenant:expr, $filter:expr, $hashes:expr, $except:expr, $after:expr, $limit:expr) => {{
        let (filter, hashes): (&$crate::InboxFilter, &[Vec<u8>]) = ($filter, $hashes);
        let after: Option<$crate::Cursor> = $after;
        let mut query = QueryBuilder::new($crate::interactions::COLUMNS);
        if let Some((first, others)) = hashes.split_first() {
            // SQLite takes the tables of a CROSS JOIN in their order, so that the words come in that of the list.
            query.push(
                " FROM interaction_words word CROSS JOIN interactions interaction
                 WHERE interaction.tenant_id = word.tenant_id AND interaction.id = word.interaction_id
                     AND word.tenant_id = ",
            );
            query.push_bind($tenant.0);
            query.push(" AND word.word_hash = ").push_bind(first.clone());
            for other in others {
                query.push(
                    " AND EXISTS (SELECT 1 FROM interaction_words other WHERE other.tenant_id = word.tenant_id
                         AND other.created_at = word.created_at AND other.interaction_id = word.interaction_id
                         AND other.word_hash = ",
                );
                query.push_bind(other.clone()).push(")");
            }
        } else {
            query.push(" FROM interactions interaction WHERE interaction.tenant_id = ");
            query.push_bind($tenant.0);
        }
        if let Some(holder) = filter.holder {
            query.push(" AND interaction.holder = ").push_bind(holder.stored());
        }
        if let Some(except) = $except {
            let except: $crate::interactions::Holder = except;
            query.push(" AND interaction.holder <> ").push_bind(except.stored());
        }
        if let Some(status) = filter.status {
            // Along the index of what is planned there are few others; an index of the status would have them in another
            // order. Without this disguise SQLite takes that one, and sorts.
            query.push(match filter.planned {
                None => " AND interaction.status = ",
                Some(_) => " AND COALESCE(interaction.status, '') = ",
            });
            query.push_bind(status.as_str());
        }
        let mut by_plan = false;
        if let Some(planned) = filter.planned {
            // Word for word the conditions of the indexes.
            query.push(match planned {
                $crate::Planned::Within(_) => {
                    " AND interaction.next_action_at IS NOT NULL AND interaction.status <> 'done'"
                }
                $crate::Planned::Not => " AND interaction.next_action_at IS NULL AND interaction.status <> 'done'",
            });
            if let $crate::Planned::Within(window) = planned {
                by_plan = hashes.is_empty();
                if let Some(from) = window.from {
                    query.push(" AND interaction.next_action_at >= ");
                    query.push_bind(from.timestamp_millis());
                }
                if let Some(before) = window.before {
                    query.push(" AND interaction.next_action_at < ");
                    query.push_bind(before.timestamp_millis());
                }
            }
        }
        let (place, order) = if by_plan {
            (
                " AND (interaction.next_action_at, interaction.id) > (",
                " ORDER BY interaction.next_action_at, interaction.id LIMIT ",
            )
        } else if hashes.is_empty() {
            (
                " AND (interaction.created_at, interaction.id) < (",
                " ORDER BY interaction.created_at DESC, interaction.id DESC LIMIT ",
            )
        } else {
            (
                " AND (word.created_at, word.interaction_id) < (",
                " ORDER BY word.created_at DESC, word.interaction_id DESC LIMIT ",
            )
        };
        if let Some(cursor) = after {
            query.push(place).push_bind(cursor.at.timestamp_millis());
            query.push(", ").push_bind(cursor.id).push(")");
        }
        query.push(order).push_bind($crate::page::rows_for($limit));
        query
    }};
}
#[cfg(test)]
pub(crate) use inbox;

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

    /// A tenant's interactions: newest first, or what is planned for a window, if nothing is searched for, soonest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when one was sealed under a key that is not in the keyring.
    pub async fn inbox(
        &self,
        tenant: TenantId,
        filter: &InboxFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Interaction>, StoreError> {
        let by_plan = filter.is_by_plan();
        let page = self.inbox_except(tenant, filter, None, after, limit).await?;
        let page = Page::of(page, limit, |item: &Interaction| Cursor {
            at: if by_plan { item.next_action_at } else { None }.unwrap_or(item.created_at),
            id: item.id.0,
        });
        Ok(page)
    }

    /// One row more than `limit`, if there is one.
    pub(crate) async fn inbox_except(
        &self,
        tenant: TenantId,
        filter: &InboxFilter,
        except: Option<Holder>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Interaction>, StoreError> {
        let hashes = match &filter.question {
            Some(question) => {
                let words = search::asked_for(question);
                if words.is_empty() {
                    return Ok(Vec::new());
                }
                self.word_hashes_to_find(tenant, &words).await?
            }
            None => Vec::new(),
        };
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = inbox!(tenant, filter, &hashes, except, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        rows.into_iter().map(|row| row.open(&self.keyring)).collect()
    }
}

impl InboxFilter {
    /// Whether the list is in the order of the next action.
    fn is_by_plan(&self) -> bool {
        self.question.is_none() && matches!(self.planned, Some(Planned::Within(_)))
    }
}

/// An interaction that nobody in person creates.
pub(crate) struct NewInteraction {
    pub(crate) id: InteractionId,
    pub(crate) contact: ContactId,
    pub(crate) status: InteractionStatus,
    pub(crate) reason: InteractionReason,
    pub(crate) intent: Option<Intent>,
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
                 (id, tenant_id, contact_id, status, reason, intent, creator, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING")
            .bind(new.id.0)
            .bind(tenant.0)
            .bind(new.contact.0)
            .bind(new.status.as_str())
            .bind(new.reason.as_str())
            .bind(new.intent.map(Intent::as_str))
            .bind(Actor::System.to_string())
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}
