//! `relais tenant remove`.
//!
//! First everything that the tenant has in the store, so that nothing of it can begin any more; then its jobs. Those
//! that wait are taken out of the queue, and dead letters are deleted with what was edited in them; those that run are told to stop, which they hear within
//! seconds, and what is left of them is deleted with the dead letters. What they added meanwhile is found by the next round.
//! Whoever dies in between begins anew: what is gone stays gone.

use std::time::Duration;

use chrono::Utc;
use domain::{Author, TenantId};
use jobs::TellHotLead;
use queue::backend::{BATCH_MAX, Backend, Cancelled, DeadFilter, ListRequest};
use queue::{Clock, Job as _, JobId};
use serde_json::json;
use store::Store;

use crate::cli::answer::Answer;
use crate::config::Settings;
use crate::connect;

/// Rows that go in one step.
const ROWS_AT_ONCE: u32 = 1000;
/// How often the queue is looked at again while all that is left still runs …
const LOOKS_MAX: usize = 60;
/// … and how long between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Removes a tenant, or says what would be removed.
pub(super) async fn run(tenant: TenantId, yes: bool, author: &Author, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    let backend = connect::queue(settings).await?;
    let known = store.tenant(tenant).await?;
    if !yes {
        let name = known.as_ref().map_or("no tenant any more", |known| known.name.as_str());
        let (live, dead) = (
            live(&*backend, tenant).await?.len(),
            dead(&*backend, tenant).await?.len(),
        );
        let words = format!(
            "{tenant} is {name}; of its jobs at least {live} have not ended and {dead} are dead letters.\nNothing was done. \
             With --yes all of it is removed for good."
        );
        let json = json!({ "id": tenant, "name": known.map(|known| known.name), "removed": false });
        return Ok(Answer::new(json, words).failed_if(true));
    }
    let existed = remove_rows(&store, tenant, author).await?;
    let (jobs, left) = remove_jobs(&store, &*backend, tenant).await?;
    if let Some(key) = TellHotLead::limit_of(tenant) {
        let now = Clock::System.now();
        backend.set_limit(TellHotLead::POLICY.queue, &key, None, now).await?;
    }
    let was = if existed {
        "is gone with all it had"
    } else {
        "was gone already"
    };
    let mut words = format!("{tenant} {was}; {jobs} of its jobs and dead letters were removed.");
    if left > 0 {
        words +=
            &format!("\n{left} jobs still run. Once they have ended, the same command removes what is left of them.");
    }
    let json = json!({ "id": tenant, "removed": existed, "jobs": jobs, "jobs_left": left });
    Ok(Answer::new(json, words).failed_if(left > 0))
}

/// Removes large tables' rows step by step, so that none holds a lock for long, and then the tenant with the rest.
async fn remove_rows(store: &Store, tenant: TenantId, author: &Author) -> anyhow::Result<bool> {
    while store.thin_tenant(tenant, ROWS_AT_ONCE).await? > 0 {}
    Ok(store.delete_tenant(tenant, author, Utc::now()).await?)
}

/// How many jobs and dead letters were removed, and how many are left: they run although they were told to stop.
async fn remove_jobs(store: &Store, backend: &dyn Backend, tenant: TenantId) -> anyhow::Result<(u64, usize)> {
    let (mut removed, mut looks_left) = (0, LOOKS_MAX);
    loop {
        let before = removed;
        let live = live(backend, tenant).await?;
        for id in &live {
            let cancelled = backend.cancel(*id, Clock::System.now()).await?;
            removed += u64::from(cancelled == Cancelled::Removed);
        }
        let dead = dead(backend, tenant).await?;
        for id in &dead {
            // First what only the letter leads to.
            store.forget_edits_of(id.0).await?;
            removed += u64::from(backend.delete_dead(*id).await?);
        }
        if live.is_empty() && dead.is_empty() {
            return Ok((removed, 0));
        }
        if removed == before {
            if looks_left == 0 {
                return Ok((removed, live.len() + dead.len()));
            }
            looks_left -= 1;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Some of the tenant's jobs that have not ended; none if there are none.
async fn live(backend: &dyn Backend, tenant: TenantId) -> anyhow::Result<Vec<JobId>> {
    let mut cursor = None;
    loop {
        let request = ListRequest {
            queue: None,
            tenant: Some(tenant.0),
            cursor: cursor.as_deref(),
            limit: BATCH_MAX,
        };
        let page = backend.list(request).await?;
        // Among many jobs of others a page may have none and not be the last.
        if !page.items.is_empty() || page.next_cursor.is_none() {
            return Ok(page.items.into_iter().map(|kept| kept.id).collect());
        }
        cursor = page.next_cursor;
    }
}

/// Some of the tenant's dead letters; none if there are none.
async fn dead(backend: &dyn Backend, tenant: TenantId) -> anyhow::Result<Vec<JobId>> {
    let filter = DeadFilter {
        tenant: Some(tenant.0),
        ..DeadFilter::default()
    };
    let mut cursor = None;
    loop {
        let page = backend.list_dead(&filter, cursor.as_deref(), BATCH_MAX).await?;
        if !page.items.is_empty() || page.next_cursor.is_none() {
            return Ok(page.items.into_iter().map(|kept| kept.id).collect());
        }
        cursor = page.next_cursor;
    }
}
