//! Jobs and dead letters of a tenant that mention a person, a page at a time.

use domain::{ContactId, TenantId, Traces};
use queue::backend::{Backend, DeadFilter, Kept, ListRequest};
use queue::envelope::{Envelope, seal_payload};
use seal::Keyring;
use serde_json::Value;
use store::Store;

use super::mentions::{Names, Wanted, read, without};

/// How many are looked at in one step.
const LOOKED_AT_ONCE: usize = 100;

/// Where is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// What waits and runs.
    Live,
    /// Dead letters.
    Dead,
}

/// A job or dead letter that mentions them.
pub(super) struct Mention {
    pub(super) kept: Kept,
    pub(super) payload: Value,
    /// What is left of it without them, if it is about others, too.
    pub(super) without: Option<Value>,
}

/// Who is looked for, and where.
pub(super) struct Search<'a> {
    pub(super) store: &'a Store,
    pub(super) backend: &'a dyn Backend,
    pub(super) keyring: &'a Keyring,
    pub(super) tenant: TenantId,
    pub(super) traces: &'a Traces,
    /// The contacts whose messages count as theirs.
    pub(super) contacts: &'a [ContactId],
}

impl Search<'_> {
    /// One page of what mentions them, and where to go on. What opens under no key cannot be looked into and is passed over.
    pub(super) async fn page(
        &self,
        among: Among,
        cursor: Option<&str>,
    ) -> anyhow::Result<(Vec<Mention>, Option<String>)> {
        let page = match among {
            Among::Live => {
                let request = ListRequest {
                    queue: None,
                    tenant: Some(self.tenant.0),
                    cursor,
                    limit: LOOKED_AT_ONCE,
                };
                self.backend.list(request).await?
            }
            Among::Dead => {
                let filter = DeadFilter {
                    tenant: Some(self.tenant.0),
                    ..DeadFilter::default()
                };
                self.backend.list_dead(&filter, cursor, LOOKED_AT_ONCE).await?
            }
        };
        let opened: Vec<_> = page.items.into_iter().filter_map(|kept| self.open(kept)).collect();
        let payloads = opened.iter().map(|(_, payload)| payload);
        let wanted = self.wanted(payloads).await?;
        let met = opened.into_iter().filter(|(_, payload)| wanted.are_in(payload));
        let mentions = met.map(|(kept, payload)| Mention {
            without: without(&payload, &wanted),
            kept,
            payload,
        });
        Ok((mentions.collect(), page.next_cursor))
    }

    /// Who is looked for in these.
    pub(super) async fn wanted(&self, texts: impl Iterator<Item = &Value>) -> anyhow::Result<Wanted<'_>> {
        let mut names = Names::default();
        for text in texts {
            names.gather(text);
        }
        let messages = self
            .store
            .messages_of(self.tenant, self.contacts, &names.ids, &names.external)
            .await?;
        Ok(Wanted {
            traces: self.traces,
            messages,
        })
    }

    /// Puts another payload in the place of that of a job; `false`: it changed in the same moment.
    pub(super) async fn rewrite(&self, kept: &Kept, payload: &Value) -> anyhow::Result<bool> {
        let Some(envelope) = Envelope::decode(&kept.body) else {
            return Ok(false);
        };
        let sealed = seal_payload(kept.id, envelope.kind, payload.to_string().as_bytes(), self.keyring);
        let body = Envelope {
            sealed: &sealed,
            ..envelope
        }
        .encode();
        Ok(self.backend.rewrite(kept.id, &kept.body, &body).await?)
    }

    fn open(&self, kept: Kept) -> Option<(Kept, Value)> {
        let payload = Envelope::decode(&kept.body)?.open(kept.id, self.keyring).ok();
        if payload.is_none() {
            tracing::warn!(job.id = %kept.id, "A payload opens under no key: whether it mentions somebody is not known.");
        }
        let payload = read(&payload?);
        Some((kept, payload))
    }
}
