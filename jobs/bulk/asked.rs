//! What operators ask for: how many letters match, begin, go on.

use chrono::{DateTime, Utc};
use domain::{BulkAct, BulkActionId};
use queue::backend::{BATCH_MAX, Backend, DeadGroup, GROUPS_MAX, QueueError};
use queue::{Client, Job as _, JobId, Origin};
use store::{BulkAction, NewBulkAction, Store, StoreError};
use uuid::Uuid;

use super::Selection;
use crate::ActOnDeadLetters;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is done with each letter.
    pub act: BulkAct,
    /// Which letters.
    pub selection: Selection,
    /// How many go first.
    pub canary: Option<u32>,
    /// Letters per second.
    pub rate: u32,
    /// Who asks.
    pub by: String,
}

/// What an action would be about.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// How many letters.
    pub matched: u64,
    /// What they died of. Those of a selection by text are not told apart.
    pub groups: Vec<DeadGroup>,
}

/// Why an action was not begun or resumed.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// The store did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not answer, or refused.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// It is written down, but nothing works on it yet.
    #[error("bulk action {id} is written down, but its job could not be added: `relais bulk resume {id}` adds it")]
    NotAdded {
        /// The action.
        id: BulkActionId,
        /// What the queue said.
        source: QueueError,
    },
}

/// Counts the letters that match.
///
/// # Errors
/// Those of the queue.
pub async fn preview(backend: &dyn Backend, selection: &Selection) -> Result<Preview, QueueError> {
    let Selection(letters) = selection;
    // Groups are told apart by errors as they are shown, so a text that is in a letter's need not be in its group's.
    if letters.text.is_none() {
        let groups = backend.dead_groups(letters).await?;
        if groups.len() < GROUPS_MAX {
            return Ok(Preview {
                matched: groups.iter().map(|group| group.count).sum(),
                groups,
            });
        }
    }
    let mut matched = 0;
    let mut cursor = None;
    loop {
        let page = backend.list_dead(letters, cursor.as_deref(), BATCH_MAX).await?;
        matched += page.items.len() as u64;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(Preview {
                matched,
                groups: Vec::new(),
            });
        }
    }
}

/// Begins an action: writes it down, then adds the job of its first step. `None`: nothing matches.
///
/// # Errors
/// Those of store and queue. After [`BulkError::NotAdded`] the action is there, and waits to be resumed.
pub async fn begin(
    store: &Store,
    queue: &Client,
    asked: Asked,
    now: DateTime<Utc>,
) -> Result<Option<BulkAction>, BulkError> {
    let selection = asked.selection.dead_before(now.timestamp_millis());
    let matched = preview(&**queue.backend(), &selection).await?.matched;
    if matched == 0 {
        return Ok(None);
    }
    let new = NewBulkAction {
        act: asked.act,
        filter: selection.to_json().to_string(),
        canary: asked.canary,
        rate: asked.rate,
        matched,
        asked_by: asked.by,
    };
    let id = store.create_bulk_action(&new, now).await?;
    add_step(queue, id, 0).await?;
    tracing::info!(bulk_action = %id, act = %new.act, matched, by = new.asked_by, "A bulk action began.");
    Ok(store.bulk_action(id).await?)
}

/// Lets an action that has not ended go on, with a new job; `false` = it has ended.
///
/// # Errors
/// Those of store and queue. After [`BulkError::NotAdded`], ask again.
pub async fn resume(
    store: &Store,
    queue: &Client,
    id: BulkActionId,
    by: &str,
    now: DateTime<Utc>,
) -> Result<bool, BulkError> {
    let Some(step) = store.resume_bulk_action(id, by, now).await? else {
        return Ok(false);
    };
    add_step(queue, id, step).await?;
    Ok(true)
}

/// The job that works on an action that has not ended and is not paused.
#[must_use]
pub fn job_of(action: &BulkAction) -> JobId {
    let job = ActOnDeadLetters {
        action: action.id,
        step: action.step,
    };
    JobId::derive(ActOnDeadLetters::KIND, TENANT, &job.unique())
}

/// Bulk actions are the installation's own.
const TENANT: Uuid = Uuid::nil();

async fn add_step(queue: &Client, id: BulkActionId, step: u32) -> Result<(), BulkError> {
    let job = ActOnDeadLetters { action: id, step };
    let origin = Origin {
        tenant: TENANT,
        correlation: Uuid::new_v4(),
    };
    let added = queue.add(&job, origin).await;
    added.map(drop).map_err(|source| BulkError::NotAdded { id, source })
}
