//! Sealing again, under the key that seals now, what was sealed under a former one.
//!
//! A value is replaced by itself: the statement that writes it asks that it still is what was read. So whoever changes a
//! row meanwhile wins, a run that is cut short leaves nothing half done, and two at once do no harm. Each row is a
//! transaction of its own, and nobody waits for more than one of them.

use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::member_rows::membership;
use crate::tenants::context;
use crate::{Store, StoreError};

/// A column of sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedColumn {
    table: &'static str,
    column: &'static str,
    key: Key,
    /// What its values are sealed as.
    name: &'static str,
}

/// What the rows of a table are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// One id, of this column.
    One(&'static str),
    /// The tenant's, and an id of its own.
    OfTenant,
    /// The tenant's, and somebody's who works for it.
    Member,
}

const fn of(table: &'static str, column: &'static str, key: Key, name: &'static str) -> SealedColumn {
    SealedColumn {
        table,
        column,
        key,
        name,
    }
}

const ID: Key = Key::One("id");
const SETTINGS: Key = Key::One("tenant_id");

/// All there are beside the key of [`installation_keys`](crate::installation_keys). First what everything else is found and
/// checked by.
const ALL: &[SealedColumn] = &[
    of("tenants", "address_key", ID, "tenant.address_key"),
    of("endpoints", "secret", ID, "endpoint.secret"),
    of("endpoints", "secret_previous", ID, "endpoint.secret"),
    of("credentials", "clear", Key::OfTenant, "credential.clear"),
    of("credentials", "previous", Key::OfTenant, "credential.clear"),
    of("tenant_settings", "sender_email", SETTINGS, "settings.sender_email"),
    of("tenant_settings", "sender_sms", SETTINGS, "settings.sender_sms"),
    of(
        "tenant_settings",
        "sender_whatsapp",
        SETTINGS,
        "settings.sender_whatsapp",
    ),
    of("score_rules", "hook_url", SETTINGS, "score_rules.hook_url"),
    of("score_rules", "hook_secret", SETTINGS, "score_rules.hook_secret"),
    of("users", "email", ID, "user.email"),
    of("memberships", "name", Key::Member, "membership.name"),
    of(
        "memberships",
        "notify_address",
        Key::Member,
        "membership.notify_address",
    ),
    of("invitations", "email", Key::OfTenant, "invitation.email"),
    of("suppressions", "recipient", ID, "suppression.recipient"),
    of("otp_challenges", "recipient", Key::OfTenant, "challenge.recipient"),
    of("messages", "recipient", Key::OfTenant, "message.recipient"),
    of("messages", "subject", Key::OfTenant, "message.subject"),
    of("messages", "content", Key::OfTenant, "message.content"),
    of("inbound_messages", "sender", ID, "inbound.sender"),
    of("inbound_messages", "recipient", ID, "inbound.recipient"),
    of("inbound_messages", "text", ID, "inbound.text"),
    of("inbound_messages", "raw", ID, "inbound.raw"),
    of("interactions", "title", ID, "interaction.title"),
    of("interactions", "note", ID, "interaction.note"),
    of("message_events", "url", ID, "event.url"),
    of("message_events", "raw", ID, "event.raw"),
    of("kept_events", "content", ID, "kept_event.content"),
    of("dead_letter_edits", "changes", ID, "dead_letter_edit.changes"),
    of("erasures", "traces", Key::OfTenant, "erasure.traces"),
];

impl SealedColumn {
    /// All columns of the database that hold sealed values.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        ALL
    }

    /// Table and column, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// What its values are sealed as: they are bound to it and to their row.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The columns of the key: of one, the second is the first once more.
    const fn key(&self) -> (&'static str, &'static str) {
        match self.key {
            Key::One(column) => (column, column),
            Key::OfTenant => ("tenant_id", "id"),
            Key::Member => ("tenant_id", "user_id"),
        }
    }

    /// What a value of that row is bound to.
    fn context(&self, place: Place) -> Vec<u8> {
        let row = match self.key {
            Key::Member => membership(domain::TenantId(place.0), domain::UserId(place.1)),
            Key::One(_) | Key::OfTenant => place.1,
        };
        context(self.name, row)
    }
}

/// A row: both parts of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Uuid, Uuid);

/// What came of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many values were looked at.
    pub looked_at: u64,
    /// How many were sealed again.
    pub resealed: u64,
    /// How many were changed by somebody else in the same moment: to be looked at again.
    pub missed: u64,
    /// How many open under no key of the ring.
    pub unreadable: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

impl Store {
    /// Seals the values of up to `limit` rows again that follow `after`, where they are under another key than the one that
    /// seals. Costs a transaction for each value that is; the others are told by their first bytes.
    ///
    /// # Errors
    /// Only those of the database: what does not open is counted.
    pub async fn reseal(
        &self,
        column: &SealedColumn,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Resealed, StoreError> {
        let head = self.keyring.current_head();
        let rows = self.heads(column, after, limit, head.len()).await?;
        let mut done = Resealed {
            looked_at: rows.len() as u64,
            next: rows.last().map(Head::place).filter(|_| rows.len() >= limit as usize),
            ..Resealed::default()
        };
        for row in rows.iter().filter(|row| row.2 != head) {
            let place = row.place();
            let Some(old) = self.sealed_value(column, place).await? else {
                done.missed += 1;
                continue;
            };
            match self.keyring.reseal(&column.context(place), &old) {
                Ok(Some(new)) if self.replace_sealed(column, place, &old, &new).await? => done.resealed += 1,
                Ok(_) => done.missed += 1,
                Err(_) => done.unreadable += 1,
            }
        }
        Ok(done)
    }

    /// How the values of some rows begin, and where they lie.
    async fn heads(
        &self,
        column: &SealedColumn,
        after: Option<Place>,
        limit: u32,
        bytes: usize,
    ) -> Result<Vec<Head>, StoreError> {
        let (first, second) = column.key();
        let SealedColumn { table, column, .. } = column;
        let head =
            format!("SELECT {first}, {second}, substr({column}, 1, {bytes}) FROM {table} WHERE {column} IS NOT NULL");
        let order = format!("ORDER BY {first}, {second} LIMIT {limit}");
        let rows = match after {
            None => on!(self.db.reader(), pool =>
                sqlx::query_as(AssertSqlSafe(format!("{head} {order}"))).fetch_all(pool).await)?,
            Some(Place(tenant, id)) => {
                let text = format!("{head} AND ({first}, {second}) > ($1, $2) {order}");
                on!(self.db.reader(), pool =>
                    sqlx::query_as(AssertSqlSafe(text)).bind(tenant).bind(id).fetch_all(pool).await)?
            }
        };
        Ok(rows)
    }

    async fn sealed_value(&self, column: &SealedColumn, place: Place) -> Result<Option<Vec<u8>>, StoreError> {
        let (first, second) = column.key();
        let SealedColumn { table, column, .. } = column;
        let text = format!("SELECT {column} FROM {table} WHERE {first} = $1 AND {second} = $2");
        let value: Option<Option<Vec<u8>>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar(AssertSqlSafe(text)).bind(place.0).bind(place.1).fetch_optional(pool).await)?;
        Ok(value.flatten())
    }

    /// Answers whether the value still was `old`.
    async fn replace_sealed(
        &self,
        column: &SealedColumn,
        place: Place,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let (first, second) = column.key();
        let SealedColumn { table, column, .. } = column;
        let text = format!("UPDATE {table} SET {column} = $4 WHERE {first} = $1 AND {second} = $2 AND {column} = $3");
        let rows = write_on!(self.db, pool =>
            sqlx::query(AssertSqlSafe(text))
                .bind(place.0)
                .bind(place.1)
                .bind(old)
                .bind(new)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(rows > 0)
    }
}

#[derive(FromRow)]
struct Head(Uuid, Uuid, Vec<u8>);

impl Head {
    fn place(&self) -> Place {
        Place(self.0, self.1)
    }
}
