//! Writing down what is said of a recipient, by whomever, whenever it comes in.

use chrono::{DateTime, Utc};
use domain::suppression::{Lift, Suppression};
use domain::{Channel, Recipient, TenantId};

use super::{OF_RECIPIENT, Row, suppression_id};
use crate::db::Tx;
use crate::messages::word;
use crate::tenants::context;
use crate::{Store, StoreError, time};

/// Something that is said of a recipient.
pub(crate) struct Said<'a> {
    pub(crate) channel: Channel,
    pub(crate) hash: &'a [u8],
    /// In the clear, if it was said so.
    pub(crate) recipient: Option<&'a Recipient>,
    /// By whom, as one word.
    pub(crate) source: &'a str,
    pub(crate) at: DateTime<Utc>,
}

impl Store {
    /// Writes down that a recipient is not to be written to.
    pub(crate) async fn say_suppressed(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        said: &Said<'_>,
        reason: Suppression,
    ) -> Result<(), StoreError> {
        let id = suppression_id(tenant, said.channel, said.hash, reason);
        let recipient = said.recipient.map(|recipient| {
            self.keyring
                .seal(&context("suppression.recipient", id), recipient.expose().as_bytes())
        });
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO suppressions (id, tenant_id, channel, recipient_hash, reason, since, source, recipient)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (id) DO UPDATE SET
                     source = CASE WHEN suppressions.since >= excluded.since THEN suppressions.source
                              ELSE excluded.source END,
                     since = CASE WHEN suppressions.since >= excluded.since THEN suppressions.since
                             ELSE excluded.since END,
                     recipient = COALESCE(suppressions.recipient, excluded.recipient)")
                .bind(id)
                .bind(tenant.0)
                .bind(said.channel.as_str())
                .bind(said.hash)
                .bind(reason.as_str())
                .bind(said.at.timestamp_millis())
                .bind(said.source)
                .bind(recipient)
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Writes down that what `lift` may lift is lifted, also for what is yet to be heard of.
    pub(crate) async fn say_lifted(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        said: &Said<'_>,
        lift: Lift,
    ) -> Result<(), StoreError> {
        for &reason in Suppression::ALL {
            if reason.is_lifted_by(lift) {
                self.say_lifted_one(tx, tenant, said, reason).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn say_lifted_one(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        said: &Said<'_>,
        reason: Suppression,
    ) -> Result<(), StoreError> {
        on!(tx.connection(), connection =>
            sqlx::query(
                "INSERT INTO suppressions (id, tenant_id, channel, recipient_hash, reason, lifted_at, source)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (id) DO UPDATE SET
                     lifted_at = CASE WHEN suppressions.lifted_at >= excluded.lifted_at THEN suppressions.lifted_at
                                 ELSE excluded.lifted_at END")
                .bind(suppression_id(tenant, said.channel, said.hash, reason))
                .bind(tenant.0)
                .bind(said.channel.as_str())
                .bind(said.hash)
                .bind(reason.as_str())
                .bind(said.at.timestamp_millis())
                .bind(said.source)
                .execute(connection)
                .await
                .map(|_| ()))?;
        Ok(())
    }
}

/// Why nothing goes to a recipient, and when that was last said; the oldest first.
pub(crate) async fn standing(
    tx: &mut Tx,
    tenant: TenantId,
    channel: Channel,
    hash: &[u8],
) -> Result<Vec<(Suppression, DateTime<Utc>)>, StoreError> {
    let rows: Vec<Row> = on!(tx.connection(), connection =>
        sqlx::query_as(OF_RECIPIENT)
            .bind(tenant.0)
            .bind(channel.as_str())
            .bind(hash)
            .fetch_all(connection)
            .await)?;
    rows.into_iter()
        .map(|row| {
            Ok((
                word(&row.reason, "an unknown reason of a suppression")?,
                time::at(row.since)?,
            ))
        })
        .collect()
}
