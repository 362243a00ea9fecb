//! Refusals by role, for the audit log. The first one of a caller for an act is written down at once, those that follow
//! within a minute as one entry with their number: whoever asks ten thousand times a second writes two rows a minute, by
//! each thread of `web`. What is still counted when the process ends is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::{Act, Actor, AuditAction, Origin, TenantId};
use serde_json::json;
use store::{NewAuditEntry, Store};

use super::auth::Caller;

/// For how long refusals of one kind are counted before they are written down.
const COUNTED_FOR: Duration = Duration::from_secs(60);

/// So many kinds are counted at once at most; what comes beyond is only told in the log.
const KINDS_MAX: usize = 1000;

/// What makes two refusals one kind.
type Kind = (TenantId, Actor, Act, Origin);

/// The refusals that are counted now. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<HashMap<Kind, u64>>>);

impl Refusals {
    /// Counts one, beside the request.
    pub(super) fn note(&self, store: &Store, caller: &Caller, act: Act) {
        let author = caller.author();
        let kind = (caller.tenant, author.actor.clone(), act, author.origin.clone());
        {
            let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = counted.get_mut(&kind) {
                *count += 1;
                return;
            }
            if counted.len() >= KINDS_MAX {
                tracing::warn!(%act, "Too many different refusals at once: this one is not in the audit log.");
                return;
            }
            counted.insert(kind.clone(), 0);
        }
        let (all, store, tenant) = (self.clone(), store.clone(), caller.tenant);
        let entry = NewAuditEntry {
            tenant: Some(tenant),
            author,
            action: AuditAction::PermissionRefused,
            target: None,
            before: None,
            after: None,
        };
        tokio::spawn(async move {
            write(&store, &entry, act, 1).await;
            tokio::time::sleep(COUNTED_FOR).await;
            let more = all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
            if let Some(more @ 1..) = more {
                write(&store, &entry, act, more).await;
            }
        });
    }
}

async fn write(store: &Store, entry: &NewAuditEntry, act: Act, times: u64) {
    let entry = entry.clone().changed(None, json!({ "act": act, "times": times }));
    if let Err(error) = store.write_audit(&[entry], Utc::now()).await {
        tracing::warn!(%error, "A refusal could not be written into the audit log.");
    }
}
