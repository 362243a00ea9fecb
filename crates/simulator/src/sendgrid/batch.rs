//! Events travel in batches.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use providers::sendgrid::{SIGNATURE_HEADER, TIMESTAMP_HEADER};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{SendGridAccount, SendGridKey};
use crate::callback::{Again, Callback, Manner, Prove};
use crate::provider::Provider;
use crate::queues::Waiting;
use crate::world::World;

/// A batch is posted when it has so many events, or so many bytes, before its time is over.
const EVENTS_MAX: usize = 1_000;
const BYTES_MAX: usize = 768 * 1024;
/// "At growing intervals for 24 hours" is all that the documentation says.
const WAITS_SECONDS: [u64; 10] = [30, 60, 300, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800];

/// One event.
#[derive(Clone)]
pub(crate) struct Event {
    pub(super) account: Arc<SendGridAccount>,
    pub(super) kind: &'static str,
    pub(super) fields: Value,
}

/// Puts an event into the account's next batch.
pub(crate) fn add(world: &Arc<World>, event: Event) {
    let Some(pending) = world.pend() else {
        return;
    };
    let name = event.account.name.clone();
    if let Some(waiting) = world.look(|state| state.events.put(&name, event, pending)) {
        world.spawn_errand(gather(Arc::clone(world), waiting));
    }
}

async fn gather(world: Arc<World>, mut waiting: Waiting<Event>) {
    while let Some(first) = waiting.recv().await {
        let account = Arc::clone(&first.0.account);
        let until = Instant::now() + account.gathers_for();
        let mut bytes = size(&first.0);
        let mut batch = vec![first];
        while batch.len() < EVENTS_MAX && bytes < BYTES_MAX {
            let Ok(Some(next)) = timeout_at(until, waiting.recv()).await else {
                break;
            };
            bytes += size(&next.0);
            batch.push(next);
        }
        let (batch, pending): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        if let Some(callback) = callback(&account, &batch) {
            let world_too = Arc::clone(&world);
            world.spawn_errand(async move {
                let _pending = pending;
                callback.tell(&world_too).await;
            });
        }
    }
}

fn size(event: &Event) -> usize {
    event.fields.to_string().len()
}

fn callback(account: &SendGridAccount, batch: &[Event]) -> Option<Callback> {
    let url = account.events_url.clone()?;
    // CR LF after every element and at the end: bytes that are signed, and that no parser would bring back.
    let elements: Vec<_> = batch.iter().map(|event| event.fields.to_string()).collect();
    let body = format!("[{}]\r\n", elements.join(",\r\n"));
    let kinds: Vec<_> = batch.iter().map(|event| event.kind).collect();
    Some(Callback {
        provider: Provider::SendGrid,
        account: account.name.clone(),
        external_id: None,
        kind: kinds.join(","),
        url,
        content_type: "application/json",
        body: Bytes::from(body),
        proof: Arc::new(Signed(account.key.clone())),
        manner: Manner {
            waits: WAITS_SECONDS.map(Duration::from_secs).to_vec(),
            again: Again::ALWAYS,
            only_200: false,
            answer_within: Duration::from_secs(15),
            all_within: None,
        },
        listener: None,
    })
}

/// Signed with the account's key. Whether a repetition is signed anew is not documented; here it is.
struct Signed(SendGridKey);

impl Prove for Signed {
    fn headers(&self, _: &str, body: &[u8], now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let timestamp = now.timestamp().to_string();
        let signature = self.0.sign(&[timestamp.as_bytes(), body].concat());
        vec![(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp)]
    }
}

/// Shows what kind of event it is.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
