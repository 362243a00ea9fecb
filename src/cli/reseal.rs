//! `relais reseal`.

use anyhow::bail;
use domain::AuditAction;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use queue::Backend;
use queue::backend::{DeadFilter, Kept, ListRequest};
use queue::envelope;
use seal::Keyring;
use serde_json::json;
use store::{Resealed, SealedColumn, Store};

use super::answer::{Answer, table};
use super::audit::Log;
use crate::config::Settings;
use crate::connect;

/// How many rows, or jobs, are looked at in one step.
const LOOKED_AT_ONCE: u32 = 500;
/// How many columns are gone through at once: the queue and the intake want the database too.
const COLUMNS_AT_ONCE: usize = 4;
/// What others changed in the same moment is looked at again, so many times at most.
const PASSES_MAX: usize = 10;

/// What came of one column, or of one part of the queue.
#[derive(Clone, Debug, Default)]
struct Part {
    name: String,
    looked_at: u64,
    resealed: u64,
    missed: u64,
    unreadable: u64,
}

impl Part {
    fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    fn add(&mut self, done: &Resealed) {
        self.looked_at += done.looked_at;
        self.resealed += done.resealed;
        self.missed += done.missed;
        self.unreadable += done.unreadable;
    }
}

/// Goes through everything until a whole pass finds nothing more to do.
pub(super) async fn run(by: Option<String>, settings: &Settings) -> anyhow::Result<Answer> {
    let keyring = &settings.keyring;
    let log = Log::of(by, settings).await?;
    log.about_to(AuditAction::Resealed, Some(keyring.current().to_owned()), None)
        .await?;
    let store = connect::store_of_jobs(settings).await?;
    let backend = connect::queue(settings).await?;
    let mut resealed = 0;
    for _ in 0..PASSES_MAX {
        let parts = pass(&store, &*backend, keyring).await?;
        let found: u64 = parts.iter().map(|part| part.resealed + part.missed).sum();
        resealed += parts.iter().map(|part| part.resealed).sum::<u64>();
        // Jobs move while they are looked through; one that was not met in a pass is met in the next.
        if found == 0 {
            return Ok(answer(&parts, resealed, keyring));
        }
    }
    bail!(
        "after {PASSES_MAX} passes and {resealed} values there is still something under a former key: does every process \
         have the key `{}` in front? Then call it again",
        keyring.current()
    )
}

async fn pass(store: &Store, backend: &dyn Backend, keyring: &Keyring) -> anyhow::Result<Vec<Part>> {
    let mut parts = vec![installation_key(store).await?];
    let columns = stream::iter(SealedColumn::all()).map(|column| through(store, column));
    parts.extend(columns.buffered(COLUMNS_AT_ONCE).try_collect::<Vec<_>>().await?);
    parts.push(live_jobs(backend, keyring).await?);
    parts.push(dead_letters(backend, keyring).await?);
    Ok(parts)
}

async fn installation_key(store: &Store) -> anyhow::Result<Part> {
    let mut part = Part::named("installation_keys.key");
    part.add(&store.reseal_installation_key().await?);
    Ok(part)
}

async fn through(store: &Store, column: &SealedColumn) -> anyhow::Result<Part> {
    let mut part = Part::named(column.shown());
    let mut after = None;
    loop {
        let done = store.reseal(column, after, LOOKED_AT_ONCE).await?;
        part.add(&done);
        after = done.next;
        if after.is_none() {
            return Ok(part);
        }
    }
}

async fn live_jobs(backend: &dyn Backend, keyring: &Keyring) -> anyhow::Result<Part> {
    let mut part = Part::named("jobs");
    let mut cursor = None;
    loop {
        let page = backend
            .list(ListRequest {
                queue: None,
                tenant: None,
                cursor: cursor.as_deref(),
                limit: LOOKED_AT_ONCE as usize,
            })
            .await?;
        rewrite(backend, keyring, &page.items, &mut part).await?;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(part);
        }
    }
}

async fn dead_letters(backend: &dyn Backend, keyring: &Keyring) -> anyhow::Result<Part> {
    let mut part = Part::named("dead letters");
    let mut cursor = None;
    loop {
        let page = backend
            .list_dead(&DeadFilter::default(), cursor.as_deref(), LOOKED_AT_ONCE as usize)
            .await?;
        rewrite(backend, keyring, &page.items, &mut part).await?;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(part);
        }
    }
}

async fn rewrite(backend: &dyn Backend, keyring: &Keyring, jobs: &[Kept], part: &mut Part) -> anyhow::Result<()> {
    part.looked_at += jobs.len() as u64;
    for job in jobs {
        match envelope::reseal(job.id, &job.body, keyring) {
            Ok(None) => {}
            Ok(Some(body)) if backend.rewrite(job.id, &job.body, &body).await? => part.resealed += 1,
            // It ended, died or was edited meanwhile.
            Ok(Some(_)) => part.missed += 1,
            Err(_) => part.unreadable += 1,
        }
    }
    Ok(())
}

fn answer(parts: &[Part], resealed: u64, keyring: &Keyring) -> Answer {
    let unreadable: u64 = parts.iter().map(|part| part.unreadable).sum();
    let key = keyring.current();
    let words = match unreadable {
        0 => {
            let looked_at: u64 = parts.iter().map(|part| part.looked_at).sum();
            format!(
                "All {looked_at} sealed values are under `{key}` now, {resealed} of them since you asked. Other keys can leave \
                 RELAIS_KEYS, once every process has `{key}` in front; links in mails that were made under them end with them."
            )
        }
        _ => {
            let rows = parts.iter().filter(|part| part.unreadable > 0);
            let rows: Vec<_> = rows
                .map(|part| [part.name.clone(), part.unreadable.to_string()])
                .collect();
            format!(
                "{resealed} values were sealed again under `{key}`, but some open under no key of RELAIS_KEYS. Put the key \
                 back that they were sealed under, and call it again.\n{}",
                table(["WHERE", "UNREADABLE"], &rows)
            )
        }
    };
    let items: Vec<_> = parts
        .iter()
        .map(|part| json!({ "name": part.name, "looked_at": part.looked_at, "unreadable": part.unreadable }))
        .collect();
    Answer::new(json!({ "key": key, "resealed": resealed, "items": items }), words).failed_if(unreadable > 0)
}
