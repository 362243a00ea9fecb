//! By what somebody is found: read from all that is kept of them.
//!
//! An address is theirs alone unless messages to somebody else went there whom the tenant names. What is known by such an
//! address only, a contact that it has, a code that was asked for, is theirs as well; what is known by one that is shared is
//! not, because nobody can tell whose it is.

use std::collections::BTreeSet;

use domain::{ContactId, PersonalText, TenantId, Traces};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::Tx;
use crate::messages::text;
use crate::{Store, StoreError};

/// So many addresses of one contact are read at most.
const ADDRESSES_MAX: usize = 200;

#[derive(FromRow)]
struct ContactRow {
    kind: String,
    external_id: Option<String>,
    address_hash: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct ReachedRow {
    id: Uuid,
    hash: Vec<u8>,
    sealed: Option<Vec<u8>>,
}

/// Where an address of a contact is sealed beside its hash: the statement without its end, and what the value is sealed as.
const REACHED: [(&str, &str, &str); 2] = [
    (
        "SELECT id, recipient_hash AS hash, recipient AS sealed FROM messages
         WHERE recipient IS NOT NULL AND recipient_hash IS NOT NULL AND tenant_id = ",
        "recipient_hash",
        "message.recipient",
    ),
    (
        "SELECT id, sender_hash AS hash, sender AS sealed FROM inbound_messages WHERE tenant_id = ",
        "sender_hash",
        "inbound.sender",
    ),
];

/// Where an address is sealed that only its hash leads to.
const HEARD: [(&str, &str); 2] = [
    (
        "SELECT id, recipient_hash AS hash, recipient AS sealed FROM suppressions
         WHERE recipient IS NOT NULL AND tenant_id = $1 AND channel IN ('email', 'sms', 'whatsapp') AND recipient_hash = $2
         LIMIT 1",
        "suppression.recipient",
    ),
    (
        "SELECT id, recipient_hash AS hash, recipient AS sealed FROM otp_challenges
         WHERE tenant_id = $1 AND recipient_hash = $2 LIMIT 1",
        "challenge.recipient",
    ),
];

impl Store {
    /// By what a contact is found, and what else is theirs; `None` if there is no such contact.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when an address was sealed under a key that is not in the keyring.
    pub async fn traces(&self, tenant: TenantId, contact: ContactId) -> Result<Option<Traces>, StoreError> {
        let mut tx = self.db.begin().await?;
        let traces = self.traces_of(&mut tx, tenant, &[contact]).await?;
        tx.rollback().await?;
        Ok(traces)
    }

    /// The same of all contacts that one person has, within a transaction.
    pub(crate) async fn traces_of(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        contacts: &[ContactId],
    ) -> Result<Option<Traces>, StoreError> {
        let mut found: Option<Traces> = None;
        for &contact in contacts {
            let row: Option<ContactRow> = on!(tx.connection(), connection =>
                sqlx::query_as(
                    "SELECT kind, external_id, address_hash FROM contacts WHERE tenant_id = $1 AND id = $2")
                    .bind(tenant.0)
                    .bind(contact.0)
                    .fetch_optional(connection)
                    .await)?;
            let Some(row) = row else { continue };
            let mut traces = self
                .addresses_of(tx, tenant, contact, contacts, row.address_hash)
                .await?;
            traces.contacts.insert(contact);
            let id = row.external_id.map(PersonalText::new);
            if row.kind == "person" {
                traces.person_id = id;
            } else {
                traces.organisation_id = id;
            }
            found.get_or_insert_default().join(traces);
        }
        Ok(found)
    }

    /// The addresses of a contact that are theirs alone, and the contacts that those have.
    async fn addresses_of(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        contact: ContactId,
        own: &[ContactId],
        known: Option<Vec<u8>>,
    ) -> Result<Traces, StoreError> {
        let mut reached: Vec<(Vec<u8>, Option<String>)> = Vec::new();
        for (statement, column, name) in REACHED {
            let mut seen = BTreeSet::new();
            while seen.len() < ADDRESSES_MAX
                && let Some(row) = next_reached(tx, tenant, contact, statement, column, &seen).await?
            {
                seen.insert(row.hash.clone());
                reached.push((row.hash, text(&self.keyring, name, row.id, row.sealed)?));
            }
        }
        if let Some(hash) = known {
            reached.push((hash, None));
        }
        let mut traces = Traces::default();
        for (hash, clear) in reached {
            if is_shared(tx, tenant, own, &hash).await? {
                continue;
            }
            let clear = match clear {
                Some(clear) => Some(clear),
                None => self.heard_of(tx, tenant, &hash).await?,
            };
            traces.contacts.insert(ContactId::of_address(tenant, &hash));
            traces.hashes.insert(hash);
            let addresses = clear.map(PersonalText::new).into_iter().collect();
            traces.join(Traces {
                addresses,
                ..Traces::default()
            });
        }
        Ok(traces)
    }

    async fn heard_of(&self, tx: &mut Tx, tenant: TenantId, hash: &[u8]) -> Result<Option<String>, StoreError> {
        for (statement, name) in HEARD {
            let row: Option<ReachedRow> = on!(tx.connection(), connection =>
                sqlx::query_as(statement).bind(tenant.0).bind(hash).fetch_optional(connection).await)?;
            if let Some(row) = row {
                return text(&self.keyring, name, row.id, row.sealed);
            }
        }
        Ok(None)
    }
}

/// An address of a contact that was not seen yet.
async fn next_reached(
    tx: &mut Tx,
    tenant: TenantId,
    contact: ContactId,
    statement: &'static str,
    column: &'static str,
    seen: &BTreeSet<Vec<u8>>,
) -> Result<Option<ReachedRow>, StoreError> {
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(statement);
        query.push_bind(tenant.0).push(" AND contact_id = ").push_bind(contact.0);
        for hash in seen {
            query.push(format!(" AND {column} <> ")).push_bind(hash.as_slice());
        }
        query.push(" LIMIT 1");
        query.build_query_as().fetch_optional(connection).await
    })?)
}

pub(crate) const SHARED: &str = "SELECT 1 FROM messages message
     JOIN contacts contact ON contact.tenant_id = message.tenant_id AND contact.id = message.contact_id
     WHERE contact.external_id IS NOT NULL AND message.tenant_id = ";

/// Whether messages to somebody else went there whom the tenant names.
async fn is_shared(tx: &mut Tx, tenant: TenantId, own: &[ContactId], hash: &[u8]) -> Result<bool, StoreError> {
    let row: Option<i32> = on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new(SHARED);
        query.push_bind(tenant.0).push(" AND message.recipient_hash = ").push_bind(hash);
        for contact in own {
            query.push(" AND message.contact_id <> ").push_bind(contact.0);
        }
        query.push(" LIMIT 1");
        query.build_query_scalar().fetch_optional(connection).await
    })?;
    Ok(row.is_some())
}
