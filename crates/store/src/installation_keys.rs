//! What hashes are keyed with that belong to no tenant: those of people's addresses, who may work for several, and of the
//! places that they sign in from.

use std::fmt;
use std::sync::{Arc, OnceLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{Store, StoreError};

/// The one purpose there is, as it is stored.
const USERS: &str = "users";
/// What the key is sealed for.
const CONTEXT: &[u8] = b"installation_key:users";

const SELECT: &str = "SELECT key FROM installation_keys WHERE purpose = $1";

/// The key, once it was opened. It never changes.
#[derive(Clone, Default)]
pub(crate) struct UsersKey(Arc<OnceLock<[u8; 32]>>);

impl fmt::Debug for UsersKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsersKey(…)")
    }
}

impl Store {
    /// The hash that something of a person's is found by, whichever tenant asks. Not within a transaction: the first one
    /// makes the key.
    pub(crate) async fn users_hash(&self, what: &str, text: &str) -> Result<Vec<u8>, StoreError> {
        let key = match self.users_key.0.get() {
            Some(key) => *key,
            None => {
                let key = self.read_users_key().await?;
                *self.users_key.0.get_or_init(|| key)
            }
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(what.as_bytes());
        mac.update(b":");
        mac.update(text.as_bytes());
        Ok(mac.finalize().into_bytes().to_vec())
    }

    async fn read_users_key(&self) -> Result<[u8; 32], StoreError> {
        let known: Option<Vec<u8>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar(SELECT).bind(USERS).fetch_optional(pool).await)?;
        let sealed = match known {
            Some(sealed) => sealed,
            None => self.make_users_key().await?,
        };
        let key = self.keyring.open(CONTEXT, &sealed)?;
        key.try_into()
            .map_err(|_| StoreError::Corrupt("the installation's key".into()))
    }

    /// Of two that make one at once, the first one's counts.
    async fn make_users_key(&self) -> Result<Vec<u8>, StoreError> {
        let sealed = self.keyring.seal(CONTEXT, &rand::random::<[u8; 32]>());
        on!(self.db.writer(), pool =>
            sqlx::query("INSERT INTO installation_keys (purpose, key) VALUES ($1, $2) ON CONFLICT (purpose) DO NOTHING")
                .bind(USERS)
                .bind(&sealed)
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(on!(self.db.writer(), pool => sqlx::query_scalar(SELECT).bind(USERS).fetch_one(pool).await)?)
    }
}
