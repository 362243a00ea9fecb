//! Reading lists page by page, with filters that the queue itself does not know.

use queue::Queue;
use queue::backend::{BATCH_MAX, Backend, Kept, ListRequest, Page, QueueError, State};
use queue::envelope::Envelope;
use uuid::Uuid;

/// Which jobs are meant. What is not said does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) queue: Option<Queue>,
    pub(super) tenant: Option<Uuid>,
    pub(super) kind: Option<String>,
    pub(super) state: Option<String>,
    pub(super) reason: Option<String>,
}

impl Filter {
    fn takes(&self, kept: &Kept) -> bool {
        let reason = match &kept.state {
            State::Dead { reason, .. } => Some(reason.name()),
            _ => None,
        };
        self.kind.as_ref().is_none_or(|wanted| *wanted == kind(kept))
            && self.state.as_deref().is_none_or(|wanted| wanted == kept.state.name())
            && self.reason.as_deref().is_none_or(|wanted| Some(wanted) == reason)
    }

    fn request<'a>(&self, cursor: Option<&'a str>, limit: usize) -> ListRequest<'a> {
        ListRequest {
            queue: self.queue,
            tenant: self.tenant,
            cursor,
            limit: limit.min(BATCH_MAX),
        }
    }
}

/// A page of live jobs.
pub(super) async fn live(
    backend: &dyn Backend,
    filter: &Filter,
    limit: usize,
    cursor: Option<String>,
) -> anyhow::Result<Page> {
    fill(filter, limit, cursor, async |request| backend.list(request).await).await
}

/// A page of dead letters.
pub(super) async fn dead(
    backend: &dyn Backend,
    filter: &Filter,
    limit: usize,
    cursor: Option<String>,
) -> anyhow::Result<Page> {
    fill(filter, limit, cursor, async |request| backend.list_dead(request).await).await
}

/// Reads until a page is full or the list ends.
async fn fill(
    filter: &Filter,
    limit: usize,
    cursor: Option<String>,
    read: impl AsyncFn(ListRequest<'_>) -> Result<Page, QueueError>,
) -> anyhow::Result<Page> {
    let mut page = Page {
        items: Vec::new(),
        next_cursor: cursor.clone(),
    };
    loop {
        let request = filter.request(page.next_cursor.as_deref(), limit - page.items.len());
        let part = read(request).await.map_err(|error| fault(error, cursor.as_ref()))?;
        if took_all(&mut page, part, filter, limit) {
            break;
        }
    }
    if page.next_cursor.is_some() {
        let behind = read(filter.request(page.next_cursor.as_deref(), 1)).await?;
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

/// Adds what was read. Never more than there is room for was asked for, so that nothing behind a cursor is skipped.
fn took_all(page: &mut Page, read: Page, filter: &Filter, limit: usize) -> bool {
    page.items
        .extend(read.items.into_iter().filter(|kept| filter.takes(kept)));
    page.next_cursor = read.next_cursor;
    page.next_cursor.is_none() || page.items.len() >= limit
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
