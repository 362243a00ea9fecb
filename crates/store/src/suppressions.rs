//! Suppressions: who is not written to, and why.
//!
//! Of each (channel, recipient, reason) there is one row, with the last time that it was said and the last time that it was
//! lifted. It stands if it was said after it was lifted. So what is reported late, or in another order, ends the same: a
//! STOP of yesterday that comes in after the START of today changes nothing.

mod said;

use chrono::{DateTime, TimeDelta, Utc};
use domain::suppression::{Lift, Suppression};
use domain::{Channel, Recipient, TenantId};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

pub(crate) use said::{Said, standing};

use crate::messages::{text, word};
use crate::{Cursor, Page, Store, StoreError, time};

/// One reason for which nothing goes to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// By which channel nothing goes.
    pub channel: Channel,
    /// To whom; `None` if nobody ever said it in the clear.
    pub recipient: Option<Recipient>,
    /// Why.
    pub reason: Suppression,
    /// When that was last said.
    pub since: DateTime<Utc>,
    /// Who said so: a provider's word, `reply`, or a word of the caller.
    pub source: String,
}

/// What a list of suppressions is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuppressionFilter {
    /// Only of this channel.
    pub channel: Option<Channel>,
    /// Only for this reason.
    pub reason: Option<Suppression>,
}

/// What makes a row stand. Word for word the condition of the list's index.
macro_rules! stands {
    () => {
        "since IS NOT NULL AND (lifted_at IS NULL OR lifted_at < since)"
    };
}

const OF_RECIPIENT: &str = concat!(
    "SELECT id, channel, recipient, reason, since, source FROM suppressions
     WHERE tenant_id = $1 AND channel = $2 AND recipient_hash = $3 AND ",
    stands!(),
    " ORDER BY since, reason"
);

pub(crate) const SELECT: &str = concat!(
    "SELECT id, channel, recipient, reason, since, source FROM suppressions WHERE ",
    stands!(),
    " AND tenant_id = "
);

/// The list's statement. Channel and reason are looked for along the index of the newest.
macro_rules! list {
    ($tenant:expr, $filter:expr, $after:expr, $limit:expr) => {{
        let mut query = QueryBuilder::new($crate::suppressions::SELECT);
        query.push_bind($tenant.0);
        if let Some(channel) = $filter.channel {
            query.push(" AND channel = ").push_bind(channel.as_str());
        }
        if let Some(reason) = $filter.reason {
            query.push(" AND reason = ").push_bind(reason.as_str());
        }
        if let Some(cursor) = $after {
            query
                .push(" AND (since, id) < (")
                .push_bind(cursor.at.timestamp_millis());
            query.push(", ").push_bind(cursor.id).push(")");
        }
        query
            .push(" ORDER BY since DESC, id DESC LIMIT ")
            .push_bind($crate::page::rows_for($limit));
        query
    }};
}
#[cfg(test)]
pub(crate) use list;

#[derive(FromRow)]
struct Row {
    id: Uuid,
    channel: String,
    recipient: Option<Vec<u8>>,
    reason: String,
    since: i64,
    source: String,
}

impl Store {
    /// Stops everything that would go to `recipient`. Answers whether it was not stopped for this reason already.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone.
    pub async fn suppress(
        &self,
        tenant: TenantId,
        channel: Channel,
        recipient: &Recipient,
        reason: Suppression,
        source: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let hash = self.recipient_hash(&mut tx, tenant, recipient).await?;
        let id = suppression_id(tenant, channel, &hash, reason);
        tx.serialise_on(id).await?;
        let stood = standing(&mut tx, tenant, channel, &hash).await?;
        let lifted: Option<Option<i64>> = on!(tx.connection(), connection =>
            sqlx::query_scalar("SELECT lifted_at FROM suppressions WHERE id = $1")
                .bind(id)
                .fetch_optional(connection)
                .await)?;
        let said = Said {
            channel,
            hash: &hash,
            recipient: Some(recipient),
            source,
            // Whoever asks now means now, also in the millisecond in which it was lifted.
            at: after(now, lifted.flatten())?,
        };
        self.say_suppressed(&mut tx, tenant, &said, reason).await?;
        tx.commit().await?;
        Ok(!stood.iter().any(|(stood, _)| *stood == reason))
    }

    /// Lifts what `lift` may lift; answers what that was.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the tenant is gone.
    pub async fn lift(
        &self,
        tenant: TenantId,
        channel: Channel,
        recipient: &Recipient,
        lift: Lift,
        now: DateTime<Utc>,
    ) -> Result<Vec<Suppression>, StoreError> {
        let mut tx = self.db.begin().await?;
        let hash = self.recipient_hash(&mut tx, tenant, recipient).await?;
        let mut lifted = Vec::new();
        for (reason, since) in standing(&mut tx, tenant, channel, &hash).await? {
            if reason.is_lifted_by(lift) {
                let said = Said {
                    channel,
                    hash: &hash,
                    recipient: None,
                    source: "",
                    // Whoever asks now means now, also when a provider's clock is ahead.
                    at: now.max(since),
                };
                self.say_lifted_one(&mut tx, tenant, &said, reason).await?;
                lifted.push(reason);
            }
        }
        tx.commit().await?;
        Ok(lifted)
    }

    /// Why nothing goes to `recipient`, the oldest reason first; empty if it may.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn suppressions_of(
        &self,
        tenant: TenantId,
        channel: Channel,
        recipient: &Recipient,
    ) -> Result<Vec<Suppressed>, StoreError> {
        let hash = self.recipient_hash_to_find(tenant, recipient).await?;
        let rows: Vec<Row> = on!(self.db.reader(), pool =>
            sqlx::query_as(OF_RECIPIENT)
                .bind(tenant.0)
                .bind(channel.as_str())
                .bind(hash)
                .fetch_all(pool)
                .await)?;
        rows.into_iter()
            .map(|row| self.open_suppression(row).map(|(_, suppressed)| suppressed))
            .collect()
    }

    /// A tenant's suppressions, newest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a recipient was sealed under a key that is not in the keyring.
    pub async fn suppressions(
        &self,
        tenant: TenantId,
        filter: &SuppressionFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Suppressed>, StoreError> {
        let rows: Vec<Row> = on!(self.db.reader(), pool => {
            let mut query = list!(tenant, filter, after, limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let items = rows
            .into_iter()
            .map(|row| self.open_suppression(row))
            .collect::<Result<_, StoreError>>()?;
        let page = Page::of(items, limit, |(id, item): &(Uuid, Suppressed)| Cursor {
            at: item.since,
            id: *id,
        });
        Ok(page.map(|(_, item)| item))
    }

    fn open_suppression(&self, row: Row) -> Result<(Uuid, Suppressed), StoreError> {
        let recipient = text(&self.keyring, "suppression.recipient", row.id, row.recipient)?
            .map(|text| Recipient::try_from(text).map_err(|_| StoreError::Corrupt("a recipient".into())));
        let suppressed = Suppressed {
            channel: word(&row.channel, "an unknown channel")?,
            recipient: recipient.transpose()?,
            reason: word(&row.reason, "an unknown reason of a suppression")?,
            since: time::at(row.since)?,
            source: row.source,
        };
        Ok((row.id, suppressed))
    }
}

/// `now`, or just after `earlier` if that is not before it.
fn after(now: DateTime<Utc>, earlier: Option<i64>) -> Result<DateTime<Utc>, StoreError> {
    let earlier = time::at_opt(earlier)?.map(|earlier| earlier + TimeDelta::milliseconds(1));
    Ok(earlier.map_or(now, |earlier| now.max(earlier)))
}

/// A row's id follows from what makes it unique.
fn suppression_id(tenant: TenantId, channel: Channel, hash: &[u8], reason: Suppression) -> Uuid {
    let name = [hash, channel.as_str().as_bytes(), b":", reason.as_str().as_bytes()].concat();
    Uuid::new_v5(&tenant.0, &name)
}
