//! Reading lists page by page, with filters that the queue itself does not know.

use queue::Queue;
use queue::backend::{BATCH_MAX, Backend, DeadFilter, Kept, ListRequest, Page, QueueError};
use queue::envelope::Envelope;
use uuid::Uuid;

/// So many pages of dead letters are looked for by text, if they come short, before a list ends with what was found; it says
/// where to go on.
const LOOKS_MAX: usize = 50;

/// Which live jobs are meant. What is not said does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) queue: Option<Queue>,
    pub(super) tenant: Option<Uuid>,
    pub(super) kind: Option<String>,
    pub(super) state: Option<String>,
}

impl Filter {
    fn takes(&self, kept: &Kept) -> bool {
        self.kind.as_ref().is_none_or(|wanted| *wanted == kind(kept))
            && self.state.as_deref().is_none_or(|wanted| wanted == kept.state.name())
    }
}

/// A page of live jobs.
pub(super) async fn live(
    backend: &dyn Backend,
    filter: &Filter,
    limit: usize,
    cursor: Option<String>,
) -> anyhow::Result<Page> {
    let read = async |cursor: Option<String>, limit: usize| {
        let request = ListRequest {
            queue: filter.queue,
            tenant: filter.tenant,
            cursor: cursor.as_deref(),
            limit: limit.min(BATCH_MAX),
        };
        let mut page = backend.list(request).await?;
        page.items.retain(|kept| filter.takes(kept));
        Ok(page)
    };
    fill(limit, cursor, usize::MAX, read).await
}

/// A page of dead letters.
pub(super) async fn dead(
    backend: &dyn Backend,
    filter: &DeadFilter,
    limit: usize,
    cursor: Option<String>,
) -> anyhow::Result<Page> {
    let read = async |cursor: Option<String>, room: usize| {
        backend.list_dead(filter, cursor.as_deref(), room.min(BATCH_MAX)).await
    };
    let looks = filter.text.as_ref().map_or(usize::MAX, |_| LOOKS_MAX);
    fill(limit, cursor, looks, read).await
}

/// Reads until a page is full or the list ends, or so often. `read` gets a cursor, and how many there is room for: it
/// must not read more, so that nothing behind a cursor is skipped.
async fn fill(
    limit: usize,
    cursor: Option<String>,
    looks: usize,
    read: impl AsyncFn(Option<String>, usize) -> Result<Page, QueueError>,
) -> anyhow::Result<Page> {
    let mut page = Page {
        items: Vec::new(),
        next_cursor: cursor.clone(),
    };
    for _ in 0..looks {
        let room = limit - page.items.len();
        let part = read(page.next_cursor.take(), room)
            .await
            .map_err(|error| fault(error, cursor.as_ref()))?;
        page.items.extend(part.items);
        page.next_cursor = part.next_cursor;
        if page.next_cursor.is_none() || page.items.len() >= limit {
            break;
        }
    }
    if page.next_cursor.is_some() {
        let behind = read(page.next_cursor.clone(), 1).await?;
        ends_here(&mut page, &behind);
    }
    Ok(page)
}

/// What a queue refuses that answers otherwise is the cursor that somebody gave.
fn fault(error: QueueError, cursor: Option<&String>) -> anyhow::Error {
    match (&error, cursor) {
        (QueueError::Broken(_), Some(_)) => {
            anyhow::anyhow!("`--cursor` is not one that this list printed; without it the list begins at its start")
        }
        _ => error.into(),
    }
}

/// A cursor behind which there is nothing any more is no promise of more.
fn ends_here(page: &mut Page, behind: &Page) {
    if behind.items.is_empty() && behind.next_cursor.is_none() {
        page.next_cursor = None;
    }
}

/// The kind that an envelope names.
pub(super) fn kind(kept: &Kept) -> String {
    Envelope::decode(&kept.body).map_or_else(|| "?".to_owned(), |envelope| envelope.kind.to_owned())
}

/// The hint under a table that goes on.
pub(super) fn more(next_cursor: Option<&str>) -> String {
    next_cursor
        .map(|cursor| format!("\nThere are more: --cursor '{cursor}'"))
        .unwrap_or_default()
}

/// Reads the number of a `--limit`.
pub(super) fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or_else(|| "a whole number, 1 or more".to_owned())
}
