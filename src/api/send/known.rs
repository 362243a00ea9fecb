//! Where a message is: written down in the store, or only in the queue yet.

use domain::{Fingerprint, MessageId, OutgoingRecord, TenantId};
use jobs::sending::{KINDS, Sending};
use queue::JobId;
use queue::backend::{Kept, State};
use queue::envelope::Envelope;

use crate::api::Api;
use crate::problem::Problem;

/// A message that was asked for or reported.
pub(in crate::api) enum Known {
    Stored(Box<store::Message>),
    Waiting(Box<Waiting>),
}

/// A message whose job has not ended, and that is not in the store.
pub(in crate::api) struct Waiting {
    pub(in crate::api) job: JobId,
    pub(in crate::api) message: OutgoingRecord,
    /// When it is to go, if later.
    pub(in crate::api) is_scheduled: bool,
    /// When the request came.
    pub(in crate::api) created_at: i64,
}

impl Waiting {
    pub(in crate::api) fn fingerprint(&self) -> Fingerprint {
        self.message.fingerprint
    }
}

/// The message of this id. The store is asked once more in the end, because its job may have written it down and ended
/// between the two looks.
pub(in crate::api) async fn find(api: &Api, tenant: TenantId, id: MessageId) -> Result<Option<Known>, Problem> {
    let stored = async || {
        let message = api.store.message(tenant, id).await?;
        Ok::<_, Problem>(message.map(|message| Known::Stored(Box::new(message))))
    };
    if let Some(known) = stored().await? {
        return Ok(Some(known));
    }
    match waiting(api, tenant, id).await? {
        Some(waiting) => Ok(Some(Known::Waiting(Box::new(waiting)))),
        None => stored().await,
    }
}

async fn waiting(api: &Api, tenant: TenantId, id: MessageId) -> Result<Option<Waiting>, Problem> {
    let unique = id.to_string();
    for kind in KINDS {
        let job = JobId::derive(kind, tenant.0, &unique);
        // The id is derived with the tenant: another tenant's job has another.
        if let Some(kept) = api.queue.backend().find(job).await?
            && let Some(waiting) = read(api, &kept)
        {
            return Ok(Some(waiting));
        }
    }
    Ok(None)
}

/// `None` for what cannot be opened or read: that is told where it runs.
fn read(api: &Api, kept: &Kept) -> Option<Waiting> {
    let envelope = Envelope::decode(&kept.body)?;
    let payload = envelope.open(kept.id, api.queue.keyring()).ok()?;
    let sending: Sending = serde_json::from_slice(&payload).ok()?;
    Some(Waiting {
        job: kept.id,
        message: sending.message,
        is_scheduled: matches!(kept.state, State::Scheduled { .. }),
        created_at: envelope.created_at,
    })
}
