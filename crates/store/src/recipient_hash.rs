//! What addresses and numbers are found by without being readable: a hash under a key of the tenant's own, which is itself
//! sealed. Somebody with a copy of the database alone can neither read them nor try out those they know of.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use domain::{Recipient, TenantId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::db::Tx;
use crate::tenants::address_key_context;
use crate::{Store, StoreError};

/// So many keys are remembered at most. One that is not is read again.
const KEYS_MAX: usize = 1024;

/// The keys that were needed lately, opened. A tenant's key never changes.
#[derive(Clone, Default)]
pub(crate) struct AddressKeys(Arc<RwLock<HashMap<Uuid, [u8; 32]>>>);

impl AddressKeys {
    fn get(&self, tenant: TenantId) -> Option<[u8; 32]> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&tenant.0)
            .copied()
    }

    fn put(&self, tenant: TenantId, key: [u8; 32]) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(tenant.0, key);
    }
}

impl fmt::Debug for AddressKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKeys(…)")
    }
}

const SELECT: &str = "SELECT address_key FROM tenants WHERE id = $1";

impl Store {
    /// The hash of a recipient, within a transaction: on SQLite, reading on another connection meanwhile would see the
    /// state before it.
    pub(crate) async fn recipient_hash(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        recipient: &Recipient,
    ) -> Result<Vec<u8>, StoreError> {
        self.text_hash(tx, tenant, &recipient.expose_folded()).await
    }

    /// The same of whatever a sender goes by who is neither address nor number.
    pub(crate) async fn text_hash(&self, tx: &mut Tx, tenant: TenantId, text: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(key) = self.address_keys.get(tenant) {
            return Ok(hash(&key, text));
        }
        let sealed: Option<Vec<u8>> = on!(tx.connection(), connection =>
            sqlx::query_scalar(SELECT).bind(tenant.0).fetch_optional(connection).await)?;
        self.hash_under(tenant, sealed, text)
    }

    /// The hash of a recipient, to look something up by.
    pub(crate) async fn recipient_hash_to_find(
        &self,
        tenant: TenantId,
        recipient: &Recipient,
    ) -> Result<Vec<u8>, StoreError> {
        self.text_hash_to_find(tenant, &recipient.expose_folded()).await
    }

    /// The hash of any text, to look something up by.
    pub(crate) async fn text_hash_to_find(&self, tenant: TenantId, text: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(key) = self.address_keys.get(tenant) {
            return Ok(hash(&key, text));
        }
        let sealed: Option<Vec<u8>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar(SELECT).bind(tenant.0).fetch_optional(pool).await)?;
        self.hash_under(tenant, sealed, text)
    }

    fn hash_under(&self, tenant: TenantId, sealed: Option<Vec<u8>>, text: &str) -> Result<Vec<u8>, StoreError> {
        let sealed = sealed.ok_or(StoreError::Missing)?;
        let key = self.keyring.open(&address_key_context(tenant), &sealed)?;
        let key: [u8; 32] = key
            .try_into()
            .map_err(|_| StoreError::Corrupt("a tenant's key".into()))?;
        self.address_keys.put(tenant, key);
        Ok(hash(&key, text))
    }
}

fn hash(key: &[u8; 32], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
