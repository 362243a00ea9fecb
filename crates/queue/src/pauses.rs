//! What an operator has stopped for a while.
//!
//! A paused *queue* is not claimed from, and a paused *worker* does not claim. Jobs of a paused *kind* or *tenant* are parked by the worker that meets them,
//! each once, behind a gate of the pause's name; when the pause is over, workers open the gate. So a pause costs nothing
//! while there is none, and holds for a job that is due only later. A job that runs when the pause begins is finished.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use crate::clock::Millis;
use crate::job::Queue;

/// What can be paused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All jobs of a queue.
    Queue(Queue),
    /// All jobs of a kind.
    Kind(String),
    /// All jobs of a tenant.
    Tenant(Uuid),
    /// One worker process, by its session: it claims nothing, and finishes what runs.
    Worker(Uuid),
}

impl Scope {
    /// The name under which the pause is kept, and behind which its jobs are parked.
    #[must_use]
    pub fn gate(&self) -> String {
        match self {
            Self::Queue(queue) => format!("paused:{queue}"),
            Self::Kind(kind) => format!("paused-kind:{kind}"),
            Self::Tenant(tenant) => format!("paused-tenant:{tenant}"),
            Self::Worker(session) => format!("paused-worker:{session}"),
        }
    }

    /// The scope whose gate this is.
    #[must_use]
    pub fn of_gate(gate: &str) -> Option<Self> {
        let (what, name) = gate.split_once(':')?;
        match what {
            "paused" => Queue::named(name).map(Self::Queue),
            "paused-kind" => Some(Self::Kind(name.to_owned())),
            "paused-tenant" => name.parse().ok().map(Self::Tenant),
            "paused-worker" => name.parse().ok().map(Self::Worker),
            _ => None,
        }
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What is paused.
    pub scope: Scope,
    /// Who paused it, as they call themselves.
    pub by: String,
    /// Since when.
    pub at: Millis,
}

impl Pause {
    /// The stored form of what is not in the scope.
    pub(crate) fn details(&self) -> String {
        serde_json::json!({ "by": self.by, "at": self.at }).to_string()
    }

    /// Reads what [`details`](Self::details) wrote under the name of a [gate](Scope::gate). What cannot be read is still
    /// a pause.
    pub(crate) fn read(gate: &str, details: &str) -> Option<Self> {
        let details: serde_json::Value = serde_json::from_str(details).unwrap_or_default();
        Some(Self {
            scope: Scope::of_gate(gate)?,
            by: details["by"].as_str().unwrap_or("somebody").to_owned(),
            at: details["at"].as_i64().unwrap_or(0),
        })
    }
}

/// The pauses as a process last heard of them.
#[derive(Clone, Debug, Default)]
pub struct Pauses(Arc<RwLock<HashMap<Scope, Pause>>>);

impl Pauses {
    /// Replaces all; answers whether something is different now.
    pub fn set(&self, pauses: Vec<Pause>) -> bool {
        let pauses: HashMap<_, _> = pauses.into_iter().map(|pause| (pause.scope.clone(), pause)).collect();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let differs = *known != pauses;
        *known = pauses;
        differs
    }

    /// Whether exactly this is paused.
    #[must_use]
    pub fn covers(&self, scope: &Scope) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(scope)
    }

    /// The gate behind which such a job has to wait now.
    #[must_use]
    pub fn gate(&self, kind: &str, tenant: Uuid) -> Option<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return None;
        }
        let scopes = [Scope::Kind(kind.to_owned()), Scope::Tenant(tenant)];
        scopes.iter().find(|scope| known.contains_key(scope)).map(Scope::gate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_read_back_from_its_gate() {
        let scopes = [
            Scope::Queue(Queue::Bulk),
            Scope::Kind("send:otp".to_owned()),
            Scope::Tenant(Uuid::from_u128(7)),
            Scope::Worker(Uuid::from_u128(7)),
        ];
        for scope in scopes {
            assert_eq!(Scope::of_gate(&scope.gate()), Some(scope));
        }
        assert_eq!(Scope::of_gate("kind:send_otp"), None);
    }

    #[test]
    fn a_job_waits_behind_the_pause_of_its_kind_or_its_tenant() {
        let (pauses, tenant) = (Pauses::default(), Uuid::from_u128(7));
        let pause = |scope| Pause {
            scope,
            by: "me".to_owned(),
            at: 1,
        };
        assert_eq!(pauses.gate("a", tenant), None);
        assert!(pauses.set(vec![pause(Scope::Kind("a".to_owned()))]));
        assert_eq!(pauses.gate("a", tenant), Some("paused-kind:a".to_owned()));
        assert_eq!(pauses.gate("b", tenant), None);
        assert!(pauses.set(vec![pause(Scope::Tenant(tenant))]));
        assert_eq!(pauses.gate("a", tenant), Some(format!("paused-tenant:{tenant}")));
        assert!(!pauses.set(vec![pause(Scope::Tenant(tenant))]));
    }
}
