//! Why a notification was refused, and why Green-API refused a message.

use chrono::{DateTime, Utc};

use crate::http_client::Answer;
use crate::refusal::{Refusal, Unreadable};
use crate::send_error::{Class, Failure, Meaning, SendError};

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GreenApiWebhookError {
    /// The header is not there, so nothing vouches for the request.
    #[error("the header Authorization is missing")]
    TokenMissing,
    /// It is another token.
    #[error("the token in Authorization is not that of the endpoint")]
    TokenWrong,
    /// The token is right, but the body is no notification.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The token is right, but the notification is another instance's.
    #[error("instanceData.idInstance is not the endpoint's instance")]
    InstanceWrong,
}

impl GreenApiWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::TokenMissing | Self::TokenWrong | Self::InstanceWrong => Refusal::Unproven,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}

/// What an answer that is not a success means (documentation, "Common errors").
pub(super) fn meaning(answer: &Answer, now: DateTime<Utc>) -> SendError {
    use Class::{Configuration, Quota};
    use Failure::{Rejected, Unclear};
    let (failure, detail) = match answer.status.as_u16() {
        400 => bad_request(&answer.body),
        403 => (Rejected(Configuration), "the instance is not where it was asked for"),
        404 => (Rejected(Configuration), "the API is not where it was asked for"),
        466 => (Rejected(Quota), "what the plan allows is used up"),
        // It gave up waiting for a part of itself, which may have gone on.
        499 => (Unclear, "Green-API did not wait for the end"),
        // 401, 429 and faults. 500 is documented for files that are too large; none are sent here.
        _ => return answer.error(now),
    };
    let code = format!("http_{}", answer.status.as_u16());
    Meaning::new(failure, detail).error(code).not_before(answer.asked(now))
}

/// The form of the body is not documented, so nothing is read of it but which of the documented causes it speaks of.
fn bad_request(body: &[u8]) -> (Failure, &'static str) {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let speaks_of = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if speaks_of(&["validation"]) {
        (Failure::Rejected(Class::Content), "a field is not valid")
    } else if speaks_of(&["starting"]) {
        (Failure::Deferred, "the instance is starting")
    } else if speaks_of(&["authorized", "expired", "deleted"]) {
        let detail = "the instance is not linked to a telephone, has expired or was deleted";
        (Failure::Rejected(Class::Configuration), detail)
    } else {
        (Failure::Rejected(Class::Unknown), "Green-API does not take the request")
    }
}
