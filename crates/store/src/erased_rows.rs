//! What is personal of rows that are nobody's now, and how it goes: some rows at a time, each time in a short transaction.
//!
//! What counts stays: that a message was, which way and by whom it went and how far it came, what its provider calls it (by
//! which late reports are known to be its), that there was work and what became of it, the lines of ledgers. Suppressions
//! stay with their keyed hash, so that whoever said STOP is not written to; what they are in the clear goes.

use std::collections::BTreeSet;

use domain::{ContactId, TenantId, Traces};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::by_ids::act;
use crate::db::Tx;
use crate::erasure::Erasure;
use crate::{Cursor, Store, StoreError, time};

/// In the place of what a request asked for in short, which whoever guesses the request can try: no request has it.
const NO_FINGERPRINT: [u8; 32] = [0; 32];

/// So many messages are looked up in one statement.
const NAMED_AT_ONCE: usize = 200;

#[derive(FromRow)]
struct Place {
    id: Uuid,
    created_at: i64,
}

/// What says of a row that something personal is left in it, by table. Each is followed by whose rows are looked at.
const LEFT: [&str; 6] = [
    "SELECT 1 FROM messages WHERE (subject IS NOT NULL OR recipient IS NOT NULL OR recipient_hash IS NOT NULL
       OR content IS NOT NULL OR tags IS NOT NULL) AND tenant_id = $1 AND contact_id = $2 LIMIT 1",
    "SELECT 1 FROM messages message
     JOIN message_events event ON event.tenant_id = message.tenant_id AND event.message_id = message.id
     WHERE (event.url IS NOT NULL OR event.raw IS NOT NULL OR event.recipient_hash IS NOT NULL)
       AND message.tenant_id = $1 AND message.contact_id = $2 LIMIT 1",
    "SELECT 1 FROM messages message
     JOIN message_requests request ON request.tenant_id = message.tenant_id AND request.message_id = message.id
     WHERE message.tenant_id = $1 AND message.contact_id = $2 LIMIT 1",
    "SELECT 1 FROM inbound_messages WHERE tenant_id = $1 AND contact_id = $2 LIMIT 1",
    "SELECT 1 FROM interactions WHERE (title IS NOT NULL OR note IS NOT NULL OR next_action_at IS NOT NULL)
       AND tenant_id = $1 AND contact_id = $2 LIMIT 1",
    "SELECT 1 FROM interactions interaction
     JOIN interaction_words word ON word.tenant_id = interaction.tenant_id AND word.interaction_id = interaction.id
     WHERE interaction.tenant_id = $1 AND interaction.contact_id = $2 LIMIT 1",
];

/// What is known by an address alone, and what is done with it.
struct ByAddress {
    table: &'static str,
    /// Which of its rows, beside the tenant and the hash.
    condition: &'static str,
    act: &'static str,
}

const BY_ADDRESS: [ByAddress; 3] = [
    ByAddress {
        table: "otp_challenges",
        condition: "",
        act: "DELETE FROM otp_challenges",
    },
    ByAddress {
        table: "suppressions",
        condition: " AND channel IN ('email', 'sms', 'whatsapp') AND recipient IS NOT NULL",
        act: "UPDATE suppressions SET recipient = NULL",
    },
    // Of no message, so nobody's but the address's.
    ByAddress {
        table: "message_events",
        condition: " AND message_id IS NULL",
        act: "UPDATE message_events SET url = NULL, raw = NULL, recipient_hash = NULL",
    },
];

impl Store {
    /// Takes what is personal from messages that are nobody's, newest first: at most `limit` of them, after those before.
    /// Answers where to go on; `None`: that was all.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; then nothing of the step was done.
    pub async fn blank_messages(
        &self,
        tenant: TenantId,
        erasure: &Erasure,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Option<Cursor>, StoreError> {
        let mut tx = self.db.begin().await?;
        let rows: Vec<Place> = on!(tx.connection(), connection => {
            let mut query = QueryBuilder::new("SELECT id, created_at FROM messages WHERE tenant_id = ");
            query.push_bind(tenant.0).push(" AND contact_id = ").push_bind(erasure.remains.0);
            crate::page::push_newest_after!(query, "messages", after, limit);
            query.build_query_as().fetch_all(connection).await
        })?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        blank_events(&mut tx, tenant, &ids).await?;
        act(&mut tx, "DELETE FROM message_requests", "message_id", tenant, &ids).await?;
        blank(&mut tx, tenant, &ids).await?;
        tx.commit().await?;
        let is_last = rows.len() <= limit as usize;
        let last = rows.last().filter(|_| !is_last);
        last.map(|row| {
            Ok(Cursor {
                at: time::at(row.created_at)?,
                id: row.id,
            })
        })
        .transpose()
    }

    /// Takes what is personal from everything else that is nobody's, or is known by the person's addresses alone: at most
    /// `limit` rows of each kind. Answers how many; 0: that was all.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to try again later; then nothing of the step was done.
    pub async fn blank_rest(&self, tenant: TenantId, erasure: &Erasure, limit: u32) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let read = "SELECT id FROM inbound_messages WHERE tenant_id = $1 AND contact_id = $2 LIMIT $3";
        let inbound = some(&mut tx, read, tenant, erasure.remains, limit).await?;
        act(&mut tx, "DELETE FROM inbound_messages", "id", tenant, &inbound).await?;
        let read =
            "SELECT id FROM interactions WHERE (title IS NOT NULL OR note IS NOT NULL OR next_action_at IS NOT NULL)
             AND tenant_id = $1 AND contact_id = $2 LIMIT $3";
        let work = some(&mut tx, read, tenant, erasure.remains, limit).await?;
        for table in ["DELETE FROM interaction_words", "DELETE FROM reminders"] {
            act(&mut tx, table, "interaction_id", tenant, &work).await?;
        }
        // There is nobody with whom anything could be done next, so nobody is reminded of it.
        let blank = "UPDATE interactions SET title = NULL, note = NULL, next_action_at = NULL, warning = NULL";
        act(&mut tx, blank, "id", tenant, &work).await?;
        let mut blanked = (inbound.len() + work.len()) as u64;
        for by_address in &BY_ADDRESS {
            blanked += by_hash(&mut tx, tenant, by_address, &erasure.traces.hashes).await?;
        }
        tx.commit().await?;
        Ok(blanked)
    }

    /// Which of these messages are of these contacts, of which there is one at least, or tell a member of work with them: by
    /// their ids, and by what their providers call them.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn messages_of(
        &self,
        tenant: TenantId,
        contacts: &[ContactId],
        ids: &BTreeSet<Uuid>,
        names: &BTreeSet<(String, String)>,
    ) -> Result<Vec<MessageNamed>, StoreError> {
        let (ids, names): (Vec<_>, Vec<_>) = (ids.iter().collect(), names.iter().collect());
        let by_id = ids.chunks(NAMED_AT_ONCE).map(|ids| (ids, &names[..0]));
        let by_name = names.chunks(NAMED_AT_ONCE).map(|names| (&ids[..0], names));
        let mut found = Vec::new();
        for (ids, names) in by_id.chain(by_name) {
            found.extend(self.messages_named(tenant, contacts, ids, names).await?);
        }
        Ok(found)
    }

    async fn messages_named(
        &self,
        tenant: TenantId,
        contacts: &[ContactId],
        ids: &[&Uuid],
        names: &[&(String, String)],
    ) -> Result<Vec<MessageNamed>, StoreError> {
        let rows: Vec<(Uuid, Option<String>, Option<String>)> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new("SELECT id, provider, external_id FROM messages WHERE tenant_id = ");
            query.push_bind(tenant.0).push(" AND contact_id");
            push_in!(query, contact in contacts => contact.0);
            query.push(" AND (");
            let mut any = query.separated(" OR ");
            for id in ids {
                any.push("id = ").push_bind_unseparated(**id);
            }
            for (provider, external_id) in names {
                any.push("provider = ").push_bind_unseparated(provider.as_str());
                any.push_unseparated(" AND external_id = ").push_bind_unseparated(external_id.as_str());
            }
            query.push(")");
            if !ids.is_empty() {
                // What a member is reminded of tells of whom the work is with.
                query.push(" UNION ALL SELECT told_by, NULL, NULL FROM interactions WHERE tenant_id = ");
                query.push_bind(tenant.0).push(" AND contact_id");
                push_in!(query, contact in contacts => contact.0);
                query.push(" AND told_by");
                push_in!(query, id in ids => **id);
            }
            query.build_query_as().fetch_all(pool).await
        })?;
        let named = rows.into_iter().map(|(id, provider, external_id)| MessageNamed {
            id,
            name: provider.zip(external_id),
        });
        Ok(named.collect())
    }

    /// Forgets which request asked for these messages, that were never begun.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_requests_of(&self, tenant: TenantId, messages: &[Uuid]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        act(&mut tx, "DELETE FROM message_requests", "message_id", tenant, messages).await?;
        tx.commit().await
    }
}

/// A message, by id and by what its provider calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageNamed {
    /// Its id.
    pub id: Uuid,
    /// Its provider and what that calls it, if it was sent.
    pub name: Option<(String, String)>,
}

/// Takes what is personal from the events of these messages.
pub(crate) async fn blank_events(tx: &mut Tx, tenant: TenantId, messages: &[Uuid]) -> Result<(), StoreError> {
    let blank = "UPDATE message_events SET url = NULL, raw = NULL, recipient_hash = NULL";
    act(tx, blank, "message_id", tenant, messages).await.map(|_| ())
}

/// Whether anything is left of somebody who is erased.
pub(crate) async fn are_left(
    tx: &mut Tx,
    tenant: TenantId,
    remains: ContactId,
    traces: &Traces,
) -> Result<bool, StoreError> {
    for statement in LEFT {
        let row: Option<i32> = on!(tx.connection(), connection =>
            sqlx::query_scalar(statement).bind(tenant.0).bind(remains.0).fetch_optional(connection).await)?;
        if row.is_some() {
            return Ok(true);
        }
    }
    for id in &traces.contacts {
        if crate::contacts::lock(tx, tenant, *id).await? {
            return Ok(true);
        }
    }
    for by_address in &BY_ADDRESS {
        let row: Option<i32> = on!(tx.connection(), connection => {
            let mut query = QueryBuilder::new(format!("SELECT 1 FROM {} WHERE tenant_id = ", by_address.table));
            query.push_bind(tenant.0).push(by_address.condition).push(" AND recipient_hash IN (NULL");
            for hash in &traces.hashes {
                query.push(", ").push_bind(hash.as_slice());
            }
            query.push(") LIMIT 1");
            query.build_query_scalar().fetch_optional(connection).await
        })?;
        if row.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes what is personal from messages themselves.
async fn blank(tx: &mut Tx, tenant: TenantId, messages: &[Uuid]) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(
            "UPDATE messages SET subject = NULL, recipient = NULL, recipient_hash = NULL, content = NULL, tags = NULL,
                 fingerprint = CASE WHEN class IS NOT NULL THEN ");
        query.push_bind(NO_FINGERPRINT.as_slice()).push(" END WHERE tenant_id = ").push_bind(tenant.0);
        query.push(" AND id");
        push_in!(query, id in messages => *id);
        query.build().execute(connection).await.map(|_| ())
    })?;
    Ok(())
}

/// The ids of some of nobody's rows.
async fn some(
    tx: &mut Tx,
    statement: &'static str,
    tenant: TenantId,
    remains: ContactId,
    limit: u32,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(on!(tx.connection(), connection =>
        sqlx::query_scalar(statement)
            .bind(tenant.0)
            .bind(remains.0)
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await)?)
}

/// Does with a tenant's rows that are known by one of these hashes what is to be done with them.
async fn by_hash(
    tx: &mut Tx,
    tenant: TenantId,
    by_address: &ByAddress,
    hashes: &BTreeSet<Vec<u8>>,
) -> Result<u64, StoreError> {
    if hashes.is_empty() {
        return Ok(0);
    }
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(format!("{} WHERE tenant_id = ", by_address.act));
        query.push_bind(tenant.0).push(by_address.condition).push(" AND recipient_hash");
        push_in!(query, hash in hashes => hash.as_slice());
        query.build().execute(connection).await.map(|done| done.rows_affected())
    })?)
}
