//! What interactions are searched by: keyed hashes of the words of their sealed texts, and of how those begin.
//!
//! The key is the tenant's own, as of addresses. Somebody with a copy of the database alone learns which interactions
//! share words, and not which words those are.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{InteractionId, TenantId};
use sqlx::QueryBuilder;

use crate::db::Tx;
use crate::{Store, StoreError};

/// As much of a hash as tells words apart, and halves the table.
const HASH_BYTES: usize = 16;
/// So many rows go into one statement.
const ROWS_AT_ONCE: usize = 500;

impl Store {
    /// Makes an interaction that is there found by `words`.
    pub(crate) async fn index_words(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        interaction: InteractionId,
        words: &BTreeSet<String>,
        created_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut hashes = Vec::with_capacity(words.len());
        for word in words {
            let mut hash = self.text_hash(tx, tenant, &hashed(word)).await?;
            hash.truncate(HASH_BYTES);
            hashes.push(hash);
        }
        for hashes in hashes.chunks(ROWS_AT_ONCE) {
            on!(tx.connection(), connection => {
                let mut query = QueryBuilder::new(
                    "INSERT INTO interaction_words (tenant_id, word_hash, created_at, interaction_id) ");
                query.push_values(hashes, |mut row, hash| {
                    row.push_bind(tenant.0)
                        .push_bind(hash.as_slice())
                        .push_bind(created_at.timestamp_millis())
                        .push_bind(interaction.0);
                });
                query.push(" ON CONFLICT DO NOTHING");
                query.build().execute(connection).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    /// The hashes of words that are looked for.
    pub(crate) async fn word_hashes_to_find(
        &self,
        tenant: TenantId,
        words: &[String],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut hashes = Vec::with_capacity(words.len());
        for word in words {
            let mut hash = self.text_hash_to_find(tenant, &hashed(word)).await?;
            hash.truncate(HASH_BYTES);
            hashes.push(hash);
        }
        Ok(hashes)
    }
}

/// What is hashed of a word: nothing that could be an address or a number, which are hashed under the same key.
fn hashed(word: &str) -> String {
    format!("word\0{word}")
}
