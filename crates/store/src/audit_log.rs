//! The audit log: who did what, when and from where. It is only added to, which the database sees to.

use chrono::{DateTime, Utc};
use domain::{Actor, AuditAction, AuditId, Author, Origin, TenantId};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::{Db, Tx};
use crate::messages::word;
use crate::tenants::new_id;
use crate::{Cursor, Page, Store, StoreError, time};

/// Something to be written down. Nothing in it may be secret or personal: what it is about is an id, and what there was
/// before and after is as much as may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAuditEntry {
    /// Whose it is; `None`: the installation's own.
    pub tenant: Option<TenantId>,
    /// Who did it, and from where.
    pub author: Author,
    /// What they did.
    pub action: AuditAction,
    /// To what: its id.
    pub target: Option<String>,
    /// What there was before.
    pub before: Option<Value>,
    /// What there was after.
    pub after: Option<Value>,
}

/// Something that was written down.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// Whose it is; `None`: the installation's own.
    pub tenant: Option<TenantId>,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// Who did it, and from where.
    pub author: Author,
    /// What they did.
    pub action: AuditAction,
    /// To what: its id.
    pub target: Option<String>,
    /// What there was before.
    pub before: Option<Value>,
    /// What there was after.
    pub after: Option<Value>,
}

/// Which entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only those of this action.
    pub action: Option<AuditAction>,
    /// Only those from then on.
    pub since: Option<DateTime<Utc>>,
    /// Only those before then.
    pub until: Option<DateTime<Utc>>,
}

/// The statement of a list: of one tenant's entries, or of the installation's own.
macro_rules! list {
    ($tenant:expr, $filter:expr, $after:expr, $limit:expr) => {{
        let mut query = sqlx::QueryBuilder::new(
            "SELECT id, tenant_id, at, actor, action, target, origin, before, after FROM audit_log WHERE ",
        );
        match $tenant {
            Some(tenant) => query.push("tenant_id = ").push_bind(tenant),
            None => query.push("tenant_id IS NULL"),
        };
        if let Some(action) = $filter.action {
            query.push(" AND action = ").push_bind(action.as_str());
        }
        if let Some(since) = $filter.since {
            query.push(" AND at >= ").push_bind(since.timestamp_millis());
        }
        if let Some(until) = $filter.until {
            query.push(" AND at < ").push_bind(until.timestamp_millis());
        }
        if let Some(cursor) = $after {
            query.push(" AND (at, id) < (").push_bind(cursor.at.timestamp_millis());
            query.push(", ").push_bind(cursor.id).push(")");
        }
        query
            .push(" ORDER BY at DESC, id DESC LIMIT ")
            .push_bind($crate::page::rows_for($limit));
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

/// The statement that writes an entry down, unless it is written already.
macro_rules! insert {
    ($entry:expr, $id:expr, $now:expr) => {
        sqlx::query(
            "INSERT INTO audit_log (id, tenant_id, at, actor, action, target, origin, before, after)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        )
        .bind($id)
        .bind($entry.tenant.map(|tenant| tenant.0))
        .bind($now.timestamp_millis())
        .bind($entry.author.actor.to_string())
        .bind($entry.action.as_str())
        .bind($entry.target.clone())
        .bind($entry.author.origin.as_str())
        .bind($entry.before.as_ref().map(Value::to_string))
        .bind($entry.after.as_ref().map(Value::to_string))
    };
}

impl NewAuditEntry {
    /// An entry about something of a tenant's.
    #[must_use]
    pub fn of(tenant: TenantId, author: &Author, action: AuditAction, target: impl ToString) -> Self {
        Self {
            tenant: Some(tenant),
            author: author.clone(),
            action,
            target: Some(target.to_string()),
            before: None,
            after: None,
        }
    }

    /// With what there was before and after.
    #[must_use]
    pub fn changed(self, before: impl Into<Option<Value>>, after: impl Into<Option<Value>>) -> Self {
        Self {
            before: before.into(),
            after: after.into(),
            ..self
        }
    }
}

impl Store {
    /// Writes entries down, all or none.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant of one is gone.
    pub async fn write_audit(&self, entries: &[NewAuditEntry], now: DateTime<Utc>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for entry in entries {
            write(&mut tx, entry, now).await?;
        }
        tx.commit().await
    }

    /// What was written down about a tenant, or about the installation itself, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn audit_log(
        &self,
        tenant: Option<TenantId>,
        filter: &AuditFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let tenant = tenant.map(|tenant| tenant.0);
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, filter, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let entries: Result<Vec<_>, _> = rows.into_iter().map(AuditEntry::try_from).collect();
        Ok(Page::of(entries?, limit, |entry| Cursor {
            at: entry.at,
            id: entry.id.0,
        }))
    }
}

/// Writes an entry down within the transaction of what it is about.
pub(crate) async fn write(tx: &mut Tx, entry: &NewAuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
    on!(tx.connection(), connection => insert!(entry, new_id(now), now).execute(connection).await.map(|_| ()))?;
    Ok(())
}

/// Ends the transaction of a change: with its entry if there was a row to change, else as if nothing had been. Answers which.
pub(crate) async fn commit(
    mut tx: Tx,
    changed_rows: u64,
    entry: &NewAuditEntry,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    if changed_rows == 0 {
        return Ok(false);
    }
    write(&mut tx, entry, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Writes down what happens all the time, once an hour for each `subject`: whoever comes later finds it written.
pub(crate) async fn write_hourly(
    db: &Db,
    entry: &NewAuditEntry,
    subject: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let hour = now.timestamp().div_euclid(3600);
    let id = Uuid::new_v5(&subject, format!("{}/{hour}", entry.action).as_bytes());
    let known: Option<Uuid> = on!(db.reader(), pool =>
        sqlx::query_scalar("SELECT id FROM audit_log WHERE id = $1").bind(id).fetch_optional(pool).await)?;
    if known.is_none() {
        write_on!(db, pool => insert!(entry, id, now).execute(pool).await.map(|_| ()))?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Option<Uuid>,
    at: i64,
    actor: String,
    action: String,
    target: Option<String>,
    origin: String,
    before: Option<String>,
    after: Option<String>,
}

impl TryFrom<Row> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let json = |text: Option<String>| {
            let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
            parsed.map_err(|_| StoreError::Corrupt("what an entry of the audit log shows".into()))
        };
        Ok(Self {
            id: AuditId(row.id),
            tenant: row.tenant_id.map(TenantId),
            at: time::at(row.at)?,
            author: Author {
                actor: word::<Actor>(&row.actor, "an unknown actor")?,
                origin: Origin::stored(row.origin),
            },
            action: word(&row.action, "an unknown action")?,
            target: row.target,
            before: json(row.before)?,
            after: json(row.after)?,
        })
    }
}
