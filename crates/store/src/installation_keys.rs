//! What hashes are keyed with that belong to no tenant: those of people's addresses, who may work for several, and of the
//! places that they sign in from.

use std::fmt;
use std::sync::{Arc, OnceLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::reseal::Resealed;
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

    /// Seals the key again if it is sealed under another key than the one that seals. Answers as [`reseal`](Store::reseal).
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn reseal_installation_key(&self) -> Result<Resealed, StoreError> {
        let sealed: Option<Vec<u8>> = on!(self.db.reader(), pool =>
            sqlx::query_scalar(SELECT).bind(USERS).fetch_optional(pool).await)?;
        let Some(old) = sealed else {
            return Ok(Resealed::default());
        };
        let mut done = Resealed {
            looked_at: 1,
            ..Resealed::default()
        };
        match self.keyring.reseal(CONTEXT, &old) {
            Ok(None) => {}
            Err(_) => done.unreadable = 1,
            Ok(Some(new)) => {
                // The key itself never changes, so another process that sealed it again has done the same.
                write_on!(self.db, pool =>
                    sqlx::query("UPDATE installation_keys SET key = $2 WHERE purpose = $1")
                        .bind(USERS)
                        .bind(&new)
                        .execute(pool)
                        .await
                        .map(|_| ()))?;
                done.resealed = 1;
            }
        }
        Ok(done)
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
        write_on!(self.db, pool =>
            sqlx::query("INSERT INTO installation_keys (purpose, key) VALUES ($1, $2) ON CONFLICT (purpose) DO NOTHING")
                .bind(USERS)
                .bind(&sealed)
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(write_on!(self.db, pool => sqlx::query_scalar(SELECT).bind(USERS).fetch_one(pool).await)?)
    }
}
