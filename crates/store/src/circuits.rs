//! Circuits: credentials that keep failing are left alone for a while, then tried by one.

use chrono::{DateTime, Utc};
use domain::{CircuitState, CredentialId, TenantId, circuit};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::messages::word;
use crate::{Store, StoreError, time};

/// The circuit of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    /// Whose credential.
    pub tenant: TenantId,
    /// Which.
    pub credential: CredentialId,
    /// The provider of the credential.
    pub provider: String,
    /// The credential's label.
    pub label: String,
    /// Whether calls are let through.
    pub state: CircuitState,
    /// How many calls failed in a row.
    pub failures: u32,
    /// Until when it is open, or the one who probes has it to itself.
    pub until: Option<DateTime<Utc>>,
    /// Since when anything of this is so.
    pub changed_at: DateTime<Utc>,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may. Hand the pass back with what came of it.
    Granted(Pass),
    /// It may not: the circuit is open, or somebody else probes.
    Refused {
        /// When to ask again.
        until: DateTime<Utc>,
    },
}

/// What a call was let through with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// How often the circuit had changed its state by then: what calls say that were let through before the last change
    /// counts no more.
    pub(crate) epoch: i64,
    /// Whether this call is the one that probes an account that failed.
    pub is_probe: bool,
}

impl Store {
    /// Whether a call with this credential may be made now. After the time of an open circuit is over, one caller gets the
    /// probe; if that one is not heard of, another does later.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn circuit_passage(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        now: DateTime<Utc>,
    ) -> Result<Passage, StoreError> {
        let Some(row) = self.circuit(tenant, credential).await? else {
            return Ok(Passage::Granted(Pass {
                epoch: 0,
                is_probe: false,
            }));
        };
        let until = time::at_opt(row.until)?;
        match (word(&row.state, "an unknown state of a circuit")?, until) {
            (CircuitState::Closed, _) | (_, None) => Ok(Passage::Granted(Pass {
                epoch: row.epoch,
                is_probe: false,
            })),
            (CircuitState::HalfOpen, Some(until)) if until > now => Ok(Passage::Refused {
                until: until.min(now + circuit::PROBED_ASK_AGAIN),
            }),
            (_, Some(until)) if until > now => Ok(Passage::Refused { until }),
            _ => self.claim_probe(tenant, credential, row.epoch, now).await,
        }
    }

    /// Says that a call succeeded, or that the provider refused the message and so works: closes the circuit if the call was
    /// the probe, forgets earlier failures.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn circuit_succeeded(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        pass: Pass,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE circuits SET state = $4, failures = 0, until = NULL, epoch = epoch + $5, changed_at = $6
                 WHERE tenant_id = $1 AND credential_id = $2 AND epoch = $3 AND (failures > 0 OR state <> $4)")
                .bind(tenant.0)
                .bind(credential.0)
                .bind(pass.epoch)
                .bind(CircuitState::Closed.as_str())
                .bind(i64::from(pass.is_probe))
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|_| ()))?;
        Ok(())
    }

    /// Says that a call failed for a reason that has nothing to do with the message: the provider away, the account
    /// suspended. Answers until when the circuit is open, if it is now.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such credential.
    pub async fn circuit_failed(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        pass: Pass,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut tx = self.db.begin().await?;
        let failures: Option<i64> = on!(tx.connection(), connection =>
            sqlx::query_scalar(
                "INSERT INTO circuits (tenant_id, credential_id, state, failures, epoch, changed_at)
                 VALUES ($1, $2, $3, 1, 0, $5)
                 ON CONFLICT (tenant_id, credential_id)
                 DO UPDATE SET failures = circuits.failures + 1, changed_at = excluded.changed_at
                 WHERE circuits.epoch = $4
                 RETURNING failures")
                .bind(tenant.0)
                .bind(credential.0)
                .bind(CircuitState::Closed.as_str())
                .bind(pass.epoch)
                .bind(now.timestamp_millis())
                .fetch_optional(connection)
                .await)?;
        let failures = failures
            .map(u32::try_from)
            .transpose()
            .map_err(|_| StoreError::Corrupt("a number out of range".into()))?;
        // Of a call from before the circuit last opened or closed, nothing is learnt.
        let until = failures.and_then(|failures| circuit::open_until(failures, now));
        if let Some(until) = until {
            on!(tx.connection(), connection =>
                sqlx::query(
                    "UPDATE circuits SET state = $3, until = $4, epoch = epoch + 1
                     WHERE tenant_id = $1 AND credential_id = $2")
                    .bind(tenant.0)
                    .bind(credential.0)
                    .bind(CircuitState::Open.as_str())
                    .bind(until.timestamp_millis())
                    .execute(connection)
                    .await
                    .map(|_| ()))?;
        }
        tx.commit().await?;
        Ok(until)
    }

    /// The circuits that are not as new: of one tenant, or of all, for metrics and the command line.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn circuits(&self, tenant: Option<TenantId>) -> Result<Vec<Circuit>, StoreError> {
        let rows: Vec<ShownRow> = on!(self.db.reader(), pool => {
            let mut query = QueryBuilder::new(
                "SELECT circuit.tenant_id, circuit.credential_id, credential.provider, credential.label, circuit.state,
                     circuit.failures, circuit.until, circuit.changed_at
                 FROM circuits circuit
                 JOIN credentials credential
                     ON credential.tenant_id = circuit.tenant_id AND credential.id = circuit.credential_id
                 WHERE (circuit.failures > 0 OR circuit.state <> 'closed')",
            );
            if let Some(tenant) = tenant {
                query.push(" AND circuit.tenant_id = ").push_bind(tenant.0);
            }
            query.push(" ORDER BY circuit.tenant_id, circuit.credential_id");
            query.build_query_as().fetch_all(pool).await
        })?;
        rows.into_iter()
            .map(|row| {
                Ok(Circuit {
                    tenant: TenantId(row.tenant_id),
                    credential: CredentialId(row.credential_id),
                    provider: row.provider,
                    label: row.label,
                    state: word(&row.state, "an unknown state of a circuit")?,
                    failures: u32::try_from(row.failures)
                        .map_err(|_| StoreError::Corrupt("a number out of range".into()))?,
                    until: time::at_opt(row.until)?,
                    changed_at: time::at(row.changed_at)?,
                })
            })
            .collect()
    }

    async fn circuit(&self, tenant: TenantId, credential: CredentialId) -> Result<Option<Row>, StoreError> {
        Ok(on!(self.db.reader(), pool =>
            sqlx::query_as("SELECT state, until, epoch FROM circuits WHERE tenant_id = $1 AND credential_id = $2")
                .bind(tenant.0)
                .bind(credential.0)
                .fetch_optional(pool)
                .await)?)
    }

    /// Of all who saw the circuit at this epoch and ask for the probe, one gets it.
    async fn claim_probe(
        &self,
        tenant: TenantId,
        credential: CredentialId,
        epoch: i64,
        now: DateTime<Utc>,
    ) -> Result<Passage, StoreError> {
        let until = now + circuit::PROBE;
        let claimed = write_on!(self.db, pool =>
            sqlx::query(
                "UPDATE circuits SET state = $4, until = $5, epoch = epoch + 1, changed_at = $6
                 WHERE tenant_id = $1 AND credential_id = $2 AND epoch = $3")
                .bind(tenant.0)
                .bind(credential.0)
                .bind(epoch)
                .bind(CircuitState::HalfOpen.as_str())
                .bind(until.timestamp_millis())
                .bind(now.timestamp_millis())
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
        Ok(if claimed > 0 {
            Passage::Granted(Pass {
                epoch: epoch + 1,
                is_probe: true,
            })
        } else {
            Passage::Refused {
                until: now + circuit::PROBED_ASK_AGAIN,
            }
        })
    }
}

#[derive(FromRow)]
struct Row {
    state: String,
    until: Option<i64>,
    epoch: i64,
}

#[derive(FromRow)]
struct ShownRow {
    tenant_id: Uuid,
    credential_id: Uuid,
    provider: String,
    label: String,
    state: String,
    failures: i64,
    until: Option<i64>,
    changed_at: i64,
}
