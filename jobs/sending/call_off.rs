//! A message whose job is cancelled.

use chrono::{DateTime, Utc};
use domain::outgoing::MessageEnd;
use domain::{Status, TenantId};
use store::{MessageBegun, Store, StoreError};

use super::{KINDS, Sending};

/// Ends the message that a job sends, as canceled, unless it has gone or may have. To be called before the job is cancelled: of a
/// message that has ended a job that begins meanwhile sends nothing. Answers the message's status now; `None`: the job sends none.
///
/// A message is written down when its job runs, so one whose job never does is written down here: whoever asked for it was told
/// its id, and it would not be there.
///
/// # Errors
/// [`StoreError::Unavailable`] to try again later.
pub async fn call_off(
    store: &Store,
    tenant: TenantId,
    kind: &str,
    payload: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Status>, StoreError> {
    let sending = KINDS
        .contains(&kind)
        .then(|| serde_json::from_slice::<Sending>(payload));
    let Some(Ok(Sending { message, .. })) = sending else {
        return Ok(None);
    };
    match store.begin_message(tenant, &message, now).await {
        Ok(MessageBegun::New | MessageBegun::Known) => {}
        Ok(MessageBegun::OtherRequest) | Err(StoreError::Missing) => return Ok(None),
        Err(error) => return Err(error),
    }
    store.end_message(tenant, message.id, &MessageEnd::Canceled, now).await
}
