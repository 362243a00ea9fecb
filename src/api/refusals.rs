//! Refusals by role, for the audit log. The first one of a caller for an act is written down at once, those that follow
//! within a minute as one entry with their number and what they were about: whoever asks ten thousand times a second writes
//! two rows a minute, by each thread of `web`. What is still counted when the process ends is lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use domain::{Act, Actor, AuditAction, Origin, TenantId};
use serde_json::json;
use store::{NewAuditEntry, Store};
use uuid::Uuid;

use super::auth::Caller;

/// For how long refusals of one kind are counted before they are written down.
const COUNTED_FOR: Duration = Duration::from_secs(60);

/// So many kinds are counted at once at most; what comes beyond is only told in the log.
const KINDS_MAX: usize = 1000;

/// So many things that refusals were about are named in one entry.
const TARGETS_MAX: usize = 20;

/// What makes two refusals one kind.
type Kind = (TenantId, Actor, Act, Origin);

/// Refusals of one kind.
#[derive(Debug, Default)]
struct Counted {
    times: u64,
    /// What they were about.
    targets: BTreeSet<Uuid>,
}

/// The refusals that are counted now. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<HashMap<Kind, Counted>>>);

impl Counted {
    fn count(&mut self, target: Option<Uuid>) {
        self.times += 1;
        if self.targets.len() < TARGETS_MAX {
            self.targets.extend(target);
        }
    }

    /// One thing is the entry's target; several are listed.
    fn entry(&self, entry: &NewAuditEntry, act: Act) -> NewAuditEntry {
        let mut entry = entry.clone();
        let mut after = json!({ "act": act, "times": self.times });
        match self.targets.first() {
            Some(only) if self.targets.len() == 1 => entry.target = Some(only.to_string()),
            Some(_) => after["targets"] = json!(self.targets),
            None => {}
        }
        entry.changed(None, after)
    }
}

impl Refusals {
    /// Counts one, beside the request.
    pub(super) fn note(&self, store: &Store, caller: &Caller, act: Act, target: Option<Uuid>) {
        let author = caller.author();
        let kind = (caller.tenant, author.actor.clone(), act, author.origin.clone());
        {
            let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = counted.get_mut(&kind) {
                count.count(target);
                return;
            }
            if counted.len() >= KINDS_MAX {
                tracing::warn!(%act, "Too many different refusals at once: this one is not in the audit log.");
                return;
            }
            counted.insert(kind.clone(), Counted::default());
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
        let mut first = Counted::default();
        first.count(target);
        tokio::spawn(async move {
            write(&store, first.entry(&entry, act)).await;
            tokio::time::sleep(COUNTED_FOR).await;
            let more = all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
            if let Some(more) = more.filter(|more| more.times > 0) {
                write(&store, more.entry(&entry, act)).await;
            }
        });
    }
}

async fn write(store: &Store, entry: NewAuditEntry) {
    if let Err(error) = store.write_audit(&[entry], Utc::now()).await {
        tracing::warn!(%error, "A refusal could not be written into the audit log.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refusals_were_about_is_named_and_not_without_end() {
        let check = |targets: &[Option<u128>], target: Option<u128>, listed: Option<usize>| {
            let mut counted = Counted::default();
            for target in targets {
                counted.count(target.map(Uuid::from_u128));
            }
            let plain = NewAuditEntry {
                tenant: None,
                author: domain::Author::system(),
                action: AuditAction::PermissionRefused,
                target: None,
                before: None,
                after: None,
            };
            let entry = counted.entry(&plain, Act::WriteOwnInteractions);
            let after = entry.after.unwrap_or_default();
            assert_eq!(
                entry.target,
                target.map(|id| Uuid::from_u128(id).to_string()),
                "{targets:?}"
            );
            assert_eq!(after["times"], targets.len());
            assert_eq!(after["targets"].as_array().map(Vec::len), listed, "{after}");
        };
        check(&[None], None, None);
        check(&[Some(1)], Some(1), None);
        check(&[Some(1), Some(1), None], Some(1), None);
        check(&[Some(1), Some(2), Some(1)], None, Some(2));
        let many: Vec<_> = (0..99).map(Some).collect();
        check(&many, None, Some(TARGETS_MAX));
    }
}
