//! Circuits: credentials that keep failing are left alone for a while, then tried by one.

use chrono::{DateTime, Utc};
use domain::{CircuitState, CredentialId, TenantId};

use crate::{Store, StoreError};

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
    /// How often the circuit had opened or been probed by then: what a call says that was let through before counts no
    /// more.
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
        let _ = (tenant, credential, now);
        Err(crate::not_yet())
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
        let _ = (tenant, credential, pass, now);
        Err(crate::not_yet())
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
        let _ = (tenant, credential, pass, now);
        Err(crate::not_yet())
    }

    /// The circuits that are not as new: of one tenant, or of all, for metrics and the command line.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn circuits(&self, tenant: Option<TenantId>) -> Result<Vec<Circuit>, StoreError> {
        let _ = tenant;
        Err(crate::not_yet())
    }
}
