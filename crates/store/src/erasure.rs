//! Erasing a person: what counts stays, and is nobody's.
//!
//! 1. *Take over*: who they were is remembered by id, with the time, and by what they are found is written down, sealed, until
//!    the end. What hangs on the person's contacts moves to a new contact that is nobody, some rows at a time, and in one
//!    transaction what is left of it, in which theirs are removed.
//! 2. *Blank*: whatever is personal of what moved goes, some rows at a time (`erased_rows.rs`). Outside the store whoever
//!    erases goes through the queue meanwhile.
//! 3. *End*: when a last look finds nothing, what they were found by goes too, and with it the link between the person and
//!    the contact that is nobody.
//!
//! Whoever writes at the same time waits for the contact's lock or makes the contact anew. What it writes of a message that
//! moved, it writes of nobody's. A contact that was made anew is taken over by the next round: there is always one more, until
//! the last look finds none. A process may die between any two steps; the next one begins at the first again, which finds what was
//! written down.
//!
//! After the end the same person may come back, and is met anew, under the id that they had. What is told late of what was
//! before is known by its time ([`record_report`](crate::Store::record_report), [`record_inbound`](crate::Store::record_inbound)).

use chrono::{DateTime, Utc};
use domain::{ContactId, TenantId, Traces};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::Tx;
use crate::tenants::context;
use crate::{Store, StoreError, contacts, erased_rows};

/// An erasure under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose: the contact's id, which is gone.
    pub contact: ContactId,
    /// The contact that is nobody, on which hangs what is left.
    pub remains: ContactId,
    /// By what whatever is left of them is found.
    pub traces: Traces,
    /// How far whoever looks for it came ([`Store::keep_erasure_place`]).
    pub place: Option<String>,
}

#[derive(FromRow)]
struct Row {
    remains_id: Uuid,
    traces: Vec<u8>,
    place: Option<String>,
}

/// What the traces are sealed as.
const TRACES: &str = "erasure.traces";

/// So many rows move in one transaction.
const MOVED_AT_ONCE: i64 = 500;

/// What there may be much of, a part at a time.
const THIN_OUT: [&str; 3] = [
    "UPDATE messages SET contact_id = $3 WHERE tenant_id = $1 AND id IN
         (SELECT id FROM messages WHERE tenant_id = $1 AND contact_id = $2 LIMIT $4)",
    "UPDATE interactions SET contact_id = $3 WHERE tenant_id = $1 AND id IN
         (SELECT id FROM interactions WHERE tenant_id = $1 AND contact_id = $2 LIMIT $4)",
    "UPDATE inbound_messages SET contact_id = $3 WHERE tenant_id = $1 AND id IN
         (SELECT id FROM inbound_messages WHERE tenant_id = $1 AND contact_id = $2 LIMIT $4)",
];

/// What moves to nobody, or is left to move. What only said that somebody was worth a call goes.
const MOVES: [&str; 7] = [
    "UPDATE messages SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    "UPDATE interactions SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    "UPDATE inbound_messages SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    "UPDATE lead_ledger SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    "UPDATE lead_archive SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    "DELETE FROM lead_crossings WHERE tenant_id = $1 AND contact_id = $2 AND contact_id <> $3",
    // Its score goes with it.
    "DELETE FROM contacts WHERE tenant_id = $1 AND id = $2 AND id <> $3",
];

/// How far taking up an erasure goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// It is known by what they are found.
    Known,
    /// All that they have is nobody's.
    TakenOver,
}

impl Store {
    /// Begins to erase whoever has this contact, or goes on: what was made of them meanwhile is taken over as well. `None`:
    /// there is no such contact, and no erasure of it under way.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when something was sealed under a key that is not in the keyring;
    /// [`StoreError::Unavailable`] to try again later: nothing was done.
    pub async fn begin_erasure(
        &self,
        tenant: TenantId,
        contact: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Option<Erasure>, StoreError> {
        let Some((erasure, theirs)) = self.take_up(tenant, contact, now, Until::Known).await? else {
            return Ok(None);
        };
        for from in theirs {
            self.thin_out(tenant, from, erasure.remains).await?;
        }
        let taken = self.take_up(tenant, contact, now, Until::TakenOver).await?;
        Ok(taken.map(|(erasure, _)| erasure))
    }

    /// Writes down who is erased, in one transaction, and takes over what they have if it is to go so far. Answers what was
    /// theirs until then, too.
    async fn take_up(
        &self,
        tenant: TenantId,
        contact: ContactId,
        now: DateTime<Utc>,
        until: Until,
    ) -> Result<Option<(Erasure, Vec<ContactId>)>, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(contact.0).await?;
        if contacts::is_nobody(&mut tx, tenant, contact).await? {
            return Ok(None);
        }
        let under_way = self.erasure(&mut tx, tenant, contact).await?;
        let is_new = under_way.is_none();
        let mut erasure = under_way.unwrap_or_else(|| Erasure {
            contact,
            // Nothing may lead from the one to the other.
            remains: ContactId(Uuid::new_v4()),
            traces: Traces::default(),
            place: None,
        });
        let theirs = self.lock_theirs(&mut tx, tenant, &mut erasure).await?;
        if is_new && !theirs.contains(&contact) {
            return Ok(None);
        }
        contacts::make_nobody(&mut tx, tenant, erasure.remains, now).await?;
        if until == Until::TakenOver {
            for from in &theirs {
                take_over(&mut tx, tenant, *from, erasure.remains).await?;
            }
        }
        // Everything that happened until now is before it.
        for id in &erasure.traces.contacts {
            remember(&mut tx, tenant, *id, now).await?;
        }
        self.write_erasure(&mut tx, tenant, &erasure, now).await?;
        tx.commit().await?;
        Ok(Some((erasure, theirs)))
    }

    /// Moves most of what a contact has to nobody, in steps that keep nobody waiting for long.
    async fn thin_out(&self, tenant: TenantId, from: ContactId, nobody: ContactId) -> Result<(), StoreError> {
        for statement in THIN_OUT {
            loop {
                let mut tx = self.db.begin().await?;
                if !contacts::lock(&mut tx, tenant, from).await? {
                    return tx.rollback().await;
                }
                let moved = on!(tx.connection(), connection =>
                    sqlx::query(statement)
                        .bind(tenant.0)
                        .bind(from.0)
                        .bind(nobody.0)
                        .bind(MOVED_AT_ONCE)
                        .execute(connection)
                        .await
                        .map(|done| done.rows_affected()))?;
                tx.commit().await?;
                if moved < MOVED_AT_ONCE.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Keeps how far whoever looks for what is left came: ids and words, nothing personal.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn keep_erasure_place(
        &self,
        tenant: TenantId,
        contact: ContactId,
        place: &str,
    ) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query("UPDATE erasures SET place = $3 WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(contact.0)
                .bind(place)
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Looks for anything that is left, and ends the erasure if there is nothing. Answers whether it has ended.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_erasure(&self, tenant: TenantId, erasure: &Erasure) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.serialise_on(erasure.contact.0).await?;
        if erased_rows::are_left(&mut tx, tenant, erasure.remains, &erasure.traces).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        on!(tx.connection(), connection =>
            sqlx::query("DELETE FROM erasures WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(erasure.contact.0)
                .execute(connection)
                .await
                .map(|_| ()))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Locks all contacts of the person that there are, and learns what they are found by. Contacts are locked from the least
    /// known to the best known, as everywhere; whose address only shows under the locks is taken over by the next round.
    async fn lock_theirs(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        erasure: &mut Erasure,
    ) -> Result<Vec<ContactId>, StoreError> {
        let all = [erasure.contact, erasure.remains];
        if let Some(traces) = self.traces_of(tx, tenant, &all).await? {
            erasure.traces.join(traces);
        }
        erasure.traces.contacts.remove(&erasure.remains);
        let mut theirs = Vec::new();
        let by_address = erasure.traces.contacts.iter().filter(|id| **id != erasure.contact);
        for id in by_address.copied().chain([erasure.contact]) {
            if contacts::lock(tx, tenant, id).await? {
                theirs.push(id);
            }
        }
        if let Some(traces) = self.traces_of(tx, tenant, &theirs).await? {
            erasure.traces.join(traces);
        }
        Ok(theirs)
    }

    async fn erasure(&self, tx: &mut Tx, tenant: TenantId, contact: ContactId) -> Result<Option<Erasure>, StoreError> {
        let row: Option<Row> = on!(tx.connection(), connection =>
            sqlx::query_as("SELECT remains_id, traces, place FROM erasures WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.0)
                .bind(contact.0)
                .fetch_optional(connection)
                .await)?;
        let Some(row) = row else { return Ok(None) };
        let traces = self.keyring.open(&context(TRACES, contact.0), &row.traces)?;
        Ok(Some(Erasure {
            contact,
            remains: ContactId(row.remains_id),
            traces: serde_json::from_slice(&traces).map_err(|_| StoreError::Corrupt("traces".into()))?,
            place: row.place,
        }))
    }

    async fn write_erasure(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        erasure: &Erasure,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        // Ids and texts: this cannot fail.
        let traces = serde_json::to_vec(&erasure.traces).unwrap_or_default();
        let traces = self.keyring.seal(&context(TRACES, erasure.contact.0), &traces);
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO erasures (tenant_id, id, remains_id, traces, begun_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant_id, id) DO UPDATE SET traces = excluded.traces")
                .bind(tenant.0)
                .bind(erasure.contact.0)
                .bind(erasure.remains.0)
                .bind(traces)
                .bind(now.timestamp_millis())
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }
}

/// Moves all that a locked contact has to nobody, and removes it.
async fn take_over(tx: &mut Tx, tenant: TenantId, from: ContactId, nobody: ContactId) -> Result<(), StoreError> {
    for statement in MOVES {
        on!(tx.connection(), connection =>
            sqlx::query(statement).bind(tenant.0).bind(from.0).bind(nobody.0).execute(connection).await.map(|_| ()))?;
    }
    Ok(())
}

/// Writes down that whoever has this contact was erased now.
async fn remember(tx: &mut Tx, tenant: TenantId, id: ContactId, now: DateTime<Utc>) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO erased_contacts (tenant_id, contact_id, erased_at) VALUES ($1, $2, $3)
             ON CONFLICT (tenant_id, contact_id) DO UPDATE SET erased_at = excluded.erased_at
             WHERE erased_contacts.erased_at < excluded.erased_at")
            .bind(tenant.0)
            .bind(id.0)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}
