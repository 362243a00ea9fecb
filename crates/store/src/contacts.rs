//! Contacts: the persons and organisations that messages go to.
//!
//! What is told about a contact is a ladder: the tenant's own id of a person, else of an organisation, else an address
//! or a number, else nothing but the message. A contact's id follows from the rung it stands on, so two processes that
//! meet the same person for the first time make the same row.
//!
//! A message may first be heard of anonymously and be named later. Then the lower contact is *merged* into the named
//! one: messages, interactions, replies and points move over and nothing counted is lost. An address belongs to a contact only
//! while it is all that is known of them: two named persons may share one.
//!
//! Of a person who was erased nothing is left but what counts, and that hangs on a contact that is nobody (`erasure.rs`).

use chrono::{DateTime, Utc};
use domain::{ContactId, MessageId, TenantId};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::db::Tx;
use crate::{StoreError, score_changes, time};

/// How well a contact is known. A message's contact is only ever replaced by a better known one, and contacts are
/// locked in this order, so that two transactions can never wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rung {
    Anonymous,
    Address,
    Named,
    /// Nobody any more. Last, so that nothing that is told later makes it anybody.
    Erased,
}

impl Rung {
    /// The rung of a stored contact.
    pub(crate) fn stored(external_id: Option<&str>, has_address: bool, is_erased: bool) -> Self {
        match external_id {
            _ if is_erased => Self::Erased,
            Some(_) => Self::Named,
            None if has_address => Self::Address,
            None => Self::Anonymous,
        }
    }
}

/// What is told about a contact.
pub(crate) struct Who<'a> {
    /// The kind and the tenant's own id.
    named: Option<(&'static str, &'a str)>,
    /// The hash of an address or number.
    hash: Option<&'a [u8]>,
}

impl<'a> Who<'a> {
    /// An id of a person goes before one of an organisation, and an empty one is none.
    pub(crate) fn new(person_id: Option<&'a str>, organisation_id: Option<&'a str>, hash: Option<&'a [u8]>) -> Self {
        let given = |id: Option<&'a str>| id.map(str::trim).filter(|id| !id.is_empty());
        let person = given(person_id).map(|id| ("person", id));
        Self {
            named: person.or_else(|| given(organisation_id).map(|id| ("organisation", id))),
            hash,
        }
    }

    /// The contact, unless nothing is known but the message.
    pub(crate) fn id(&self, tenant: TenantId) -> Option<ContactId> {
        let named = self.named.map(|(kind, id)| ContactId::derive(tenant, kind, id));
        named.or_else(|| self.hash.map(|hash| ContactId::of_address(tenant, hash)))
    }

    /// The rung that this puts the contact on.
    pub(crate) fn rung(&self) -> Rung {
        match (self.named, self.hash) {
            (Some(_), _) => Rung::Named,
            (None, Some(_)) => Rung::Address,
            (None, None) => Rung::Anonymous,
        }
    }
}

/// Makes sure that the contact of a message exists, and locks it. `None`: it was merged away meanwhile.
pub(crate) async fn find_or_make(
    tx: &mut Tx,
    tenant: TenantId,
    message: MessageId,
    who: &Who<'_>,
    now: DateTime<Utc>,
) -> Result<Option<ContactId>, StoreError> {
    let (kind, external_id, hash) = match (who.named, who.hash) {
        (Some((kind, external_id)), _) => (kind, Some(external_id), None),
        (None, hash) => ("person", None, hash),
    };
    let id = who.id(tenant).unwrap_or_else(|| ContactId::of_message(message));
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO contacts (tenant_id, id, kind, external_id, address_hash, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
            .bind(tenant.0)
            .bind(id.0)
            .bind(kind)
            .bind(external_id)
            .bind(hash)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(lock(tx, tenant, id).await?.then_some(id))
}

/// Makes sure that the contact of an address or a number exists, and locks it. `None`: it was merged away meanwhile.
pub(crate) async fn find_or_make_by_hash(
    tx: &mut Tx,
    tenant: TenantId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<ContactId>, StoreError> {
    // Whoever is known by a hash is not named after a message.
    let nobody = MessageId(Uuid::nil());
    find_or_make(tx, tenant, nobody, &Who::new(None, None, Some(hash)), now).await
}

/// Locks a contact until the transaction ends. Answers whether it (still) exists.
pub(crate) async fn lock(tx: &mut Tx, tenant: TenantId, id: ContactId) -> Result<bool, StoreError> {
    let statement = match tx {
        Tx::Postgres(_) => "SELECT 1 FROM contacts WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
        Tx::Sqlite(_) => "SELECT 1 FROM contacts WHERE tenant_id = $1 AND id = $2",
    };
    let row: Option<i32> = on!(tx.connection(), connection =>
        sqlx::query_scalar(statement).bind(tenant.0).bind(id.0).fetch_optional(connection).await)?;
    Ok(row.is_some())
}

/// Locks those of these contacts that nobody else works on until the transaction ends, and answers which. It waits for
/// nobody, so that it may be asked for many at once, in whichever order.
pub(crate) async fn lock_free(tx: &mut Tx, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let tail = match tx {
        Tx::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        Tx::Sqlite(_) => "",
    };
    Ok(on!(tx.connection(), connection => {
        let mut query = QueryBuilder::new("SELECT id FROM contacts WHERE tenant_id = ");
        query.push_bind(tenant.0).push(" AND id");
        push_in!(query, id in ids => *id);
        query.push(tail);
        query.build_query_scalar().fetch_all(connection).await
    })?)
}

/// Makes sure that there is a contact that is nobody, and locks it.
pub(crate) async fn make_nobody(
    tx: &mut Tx,
    tenant: TenantId,
    id: ContactId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    on!(tx.connection(), connection =>
        sqlx::query(
            "INSERT INTO contacts (tenant_id, id, kind, created_at, erased_at) VALUES ($1, $2, 'person', $3, $3)
             ON CONFLICT (tenant_id, id) DO UPDATE SET erased_at = COALESCE(contacts.erased_at, excluded.erased_at)")
            .bind(tenant.0)
            .bind(id.0)
            .bind(now.timestamp_millis())
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}

/// Whether a contact is what is left of somebody who was erased.
pub(crate) async fn is_nobody(tx: &mut Tx, tenant: TenantId, id: ContactId) -> Result<bool, StoreError> {
    let row: Option<i32> = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT 1 FROM contacts WHERE tenant_id = $1 AND id = $2 AND erased_at IS NOT NULL")
            .bind(tenant.0)
            .bind(id.0)
            .fetch_optional(connection)
            .await)?;
    Ok(row.is_some())
}

/// When somebody was last erased who had this contact.
pub(crate) async fn erased_at(
    tx: &mut Tx,
    tenant: TenantId,
    id: ContactId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let at: Option<i64> = on!(tx.connection(), connection =>
        sqlx::query_scalar("SELECT erased_at FROM erased_contacts WHERE tenant_id = $1 AND contact_id = $2")
            .bind(tenant.0)
            .bind(id.0)
            .fetch_optional(connection)
            .await)?;
    time::at_opt(at)
}

/// Moves everything that `from` has to `into` and removes `from`. Both must be locked.
pub(crate) async fn merge(
    tx: &mut Tx,
    tenant: TenantId,
    from: ContactId,
    into: ContactId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for statement in [
        "UPDATE messages SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
        "UPDATE interactions SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
        "UPDATE inbound_messages SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2",
    ] {
        on!(tx.connection(), connection =>
            sqlx::query(statement).bind(tenant.0).bind(from.0).bind(into.0).execute(connection).await.map(|_| ()))?;
    }
    score_changes::merge(tx, tenant, from, into, now).await?;
    on!(tx.connection(), connection =>
        sqlx::query("DELETE FROM contacts WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.0)
            .bind(from.0)
            .execute(connection)
            .await
            .map(|_| ()))?;
    Ok(())
}
