//! How people change and remove interactions: one at a time, each change under the row's lock, with the version it was made
//! for. Many at once: `interaction_assign.rs`.

use chrono::{DateTime, Utc};
use domain::interaction::reminder::is_told_anew;
use domain::interaction::{InteractionAct, InteractionField, InteractionStatus, Standing};
use domain::{Actor, InteractionId, Role, TenantId, UserId};
use sqlx::QueryBuilder;

use crate::db::Tx;
use crate::interaction_changes::{self, NewChange};
use crate::interaction_drafts::is_member;
use crate::interactions::{COLUMNS, Row};
use crate::{Interaction, Store, StoreError, api_keys, reminder_marks, time};

/// Somebody who writes.
#[derive(Debug, Clone, Copy)]
pub struct Editor<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Their role in the tenant.
    pub role: Role,
}

/// What is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InteractionEdit {
    /// Where it stands.
    Status(InteractionStatus),
    /// Whose work it is.
    Assignee(Option<UserId>),
    /// When something is due.
    NextAction(Option<DateTime<Utc>>),
}

/// What came of a wish to change or remove an interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InteractionWritten<T> {
    /// It is so.
    Written(T),
    /// There is no such interaction.
    Unknown,
    /// Whoever asks may not.
    Forbidden,
    /// It has another version than the wish was made for: this one.
    Conflict(u64),
    /// Nobody of that id is a member.
    AssigneeUnknown,
}

impl Editor<'_> {
    async fn may(
        self,
        tx: &mut Tx,
        tenant: TenantId,
        act: InteractionAct,
        on: &Interaction,
    ) -> Result<bool, StoreError> {
        let standing = Standing {
            role: self.role,
            is_creator: on.creator == *self.actor,
            is_assignee: on.assignee.is_some() && on.assignee == self.actor.user(),
        };
        if standing.may(act) {
            return Ok(true);
        }
        // A key in the place of another goes on with what that one created.
        match (self.actor, &on.creator) {
            (Actor::Key(key), Actor::Key(creator)) => {
                let is_creator = api_keys::are_of_one_holder(tx, tenant, *key, *creator).await?;
                Ok(Standing { is_creator, ..standing }.may(act))
            }
            _ => Ok(false),
        }
    }
}

impl InteractionEdit {
    const fn act(self) -> InteractionAct {
        match self {
            Self::Status(_) => InteractionAct::SetStatus,
            Self::Assignee(_) => InteractionAct::Assign,
            Self::NextAction(_) => InteractionAct::SetNextAction,
        }
    }
}

impl Store {
    /// Changes an interaction. What stands there already changes nothing, not even the version. Without an `expected`
    /// version the last write wins.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn edit_interaction(
        &self,
        tenant: TenantId,
        id: InteractionId,
        by: Editor<'_>,
        edit: InteractionEdit,
        expected: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<InteractionWritten<Interaction>, StoreError> {
        let mut tx = self.db.begin().await?;
        // First who is to have it, then what: so does who takes it from a member who leaves.
        let is_known = match edit {
            InteractionEdit::Assignee(assignee) => is_member(&mut tx, tenant, assignee).await?,
            InteractionEdit::Status(_) | InteractionEdit::NextAction(_) => true,
        };
        let found = match self.writable(&mut tx, tenant, id, by, edit.act(), expected).await? {
            InteractionWritten::Written(found) => found,
            refused => return Ok(refused),
        };
        if !is_known {
            return Ok(InteractionWritten::AssigneeUnknown);
        }
        let Some((mut edited, change)) = edited(&found, edit, now) else {
            return Ok(InteractionWritten::Written(found));
        };
        let forgotten = match edit {
            InteractionEdit::Assignee(Some(assignee)) => {
                reminder_marks::pass_on(&mut tx, tenant, &[id.0], assignee).await?;
                0
            }
            InteractionEdit::Assignee(None)
            | InteractionEdit::Status(InteractionStatus::Done)
            | InteractionEdit::NextAction(_) => reminder_marks::forget(&mut tx, tenant, &[id.0]).await?,
            InteractionEdit::Status(_) => 0,
        };
        if forgotten > 0 {
            edited.notified_at = None;
        }
        on!(tx.connection(), connection =>
            sqlx::query(
                "UPDATE interactions SET status = $3, assignee = $4, next_action_at = $5, notified_at = $6, warning = $7,
                     updated_at = $8, version = $9
                 WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .bind(edited.status.as_str())
                .bind(edited.assignee.map(|assignee| assignee.0))
                .bind(edited.next_action_at.map(|at| at.timestamp_millis()))
                .bind(edited.notified_at.map(|at| at.timestamp_millis()))
                .bind(edited.warning.map(|warning| warning.as_str()))
                .bind(edited.updated_at.timestamp_millis())
                .bind(change.version)
                .execute(connection)
                .await
                .map(|_| ()))?;
        interaction_changes::write(&mut tx, tenant, &[change], by.actor, now).await?;
        tx.commit().await?;
        Ok(InteractionWritten::Written(edited))
    }

    /// Removes an interaction, with its history.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_interaction(
        &self,
        tenant: TenantId,
        id: InteractionId,
        by: Editor<'_>,
        expected: Option<u64>,
    ) -> Result<InteractionWritten<()>, StoreError> {
        let mut tx = self.db.begin().await?;
        match self
            .writable(&mut tx, tenant, id, by, InteractionAct::Delete, expected)
            .await?
        {
            InteractionWritten::Written(_) => {}
            InteractionWritten::Unknown => return Ok(InteractionWritten::Unknown),
            InteractionWritten::Forbidden => return Ok(InteractionWritten::Forbidden),
            InteractionWritten::Conflict(present) => return Ok(InteractionWritten::Conflict(present)),
            InteractionWritten::AssigneeUnknown => return Ok(InteractionWritten::AssigneeUnknown),
        }
        on!(tx.connection(), connection =>
            sqlx::query("DELETE FROM interactions WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(id.0)
                .execute(connection)
                .await
                .map(|_| ()))?;
        tx.commit().await?;
        Ok(InteractionWritten::Written(()))
    }

    /// Reads an interaction under a lock, if whoever asks may do that with it in this version.
    async fn writable(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        id: InteractionId,
        by: Editor<'_>,
        act: InteractionAct,
        expected: Option<u64>,
    ) -> Result<InteractionWritten<Interaction>, StoreError> {
        let lock = match tx {
            Tx::Postgres(_) => " FOR UPDATE",
            Tx::Sqlite(_) => "",
        };
        let row: Option<Row> = on!(tx.connection(), connection => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" FROM interactions interaction WHERE interaction.tenant_id = ").push_bind(tenant.0);
            query.push(" AND interaction.id = ").push_bind(id.0).push(lock);
            query.build_query_as().fetch_optional(connection).await
        })?;
        let Some(row) = row else {
            return Ok(InteractionWritten::Unknown);
        };
        let found = row.open(&self.keyring)?;
        Ok(if !by.may(tx, tenant, act, &found).await? {
            InteractionWritten::Forbidden
        } else if expected.is_some_and(|expected| expected != found.version) {
            InteractionWritten::Conflict(found.version)
        } else {
            InteractionWritten::Written(found)
        })
    }
}

/// The interaction after the edit, and what changed; `None` if nothing does.
fn edited(found: &Interaction, edit: InteractionEdit, now: DateTime<Utc>) -> Option<(Interaction, NewChange)> {
    let mut edited = found.clone();
    let (field, before, after) = match edit {
        InteractionEdit::Status(status) => {
            edited.status = status;
            (
                InteractionField::Status,
                Some(found.status.to_string()),
                Some(status.to_string()),
            )
        }
        InteractionEdit::Assignee(assignee) => {
            edited.assignee = assignee;
            if found.warning.is_some() {
                // Nobody was told; whose work it is now is.
                (edited.notified_at, edited.warning) = (None, None);
            }
            let words = |user: Option<UserId>| user.map(|user| user.to_string());
            (InteractionField::Assignee, words(found.assignee), words(assignee))
        }
        InteractionEdit::NextAction(at) => {
            edited.next_action_at = at.map(time::stored);
            if is_told_anew(found.next_action_at, edited.next_action_at) {
                (edited.notified_at, edited.warning) = (None, None);
            }
            let words =
                |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
            (
                InteractionField::NextActionAt,
                words(found.next_action_at),
                words(edited.next_action_at),
            )
        }
    };
    if before == after {
        return None;
    }
    edited.version += 1;
    edited.updated_at = time::stored(now);
    let change = NewChange {
        interaction: found.id.0,
        version: i64::try_from(edited.version).unwrap_or(i64::MAX),
        field,
        before,
        after,
    };
    Some((edited, change))
}
