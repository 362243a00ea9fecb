//! Why an event of Resend was refused, and why Resend refused a mail.

use chrono::{DateTime, Utc};

use crate::http_client::Answer;
use crate::json::{self, Fields as _};
use crate::refusal::{Refusal, Unreadable};
use crate::send_error::{Class, Failure, Meaning, SendError, tomorrow};
use crate::standard_webhooks::StandardWebhookError;

/// Why a request was refused, in the order in which it is checked. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendWebhookError {
    /// Its Svix headers do not vouch for it.
    #[error(transparent)]
    Signature(#[from] StandardWebhookError),
    /// Rightly signed and timely, but not an event.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl ResendWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Signature(error) => error.refusal(),
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}

/// What the names of errors mean (documentation, "Errors" and "Idempotency keys"). A name may come with several statuses;
/// 0 stands for any.
const NAMES: [(&str, u16, Failure, &str); 27] = {
    use Class::{Configuration, Content, Quota, Recipient};
    use Failure::{Deferred, RateLimited, Rejected, Unauthorized, Unclear};
    [
        ("validation_error", 400, Rejected(Content), "a field is not valid"),
        (
            "validation_error",
            403,
            Rejected(Configuration),
            "the sender's domain is not verified",
        ),
        ("validation_error", 422, Rejected(Content), "a field is not valid"),
        (
            "invalid_idempotency_key",
            0,
            Rejected(Content),
            "the idempotency key is not valid",
        ),
        ("missing_api_key", 0, Unauthorized, "the API key is missing"),
        ("restricted_api_key", 0, Unauthorized, "the API key may not send"),
        ("invalid_api_key", 0, Unauthorized, "the API key is not valid"),
        (
            "invalid_access",
            0,
            Rejected(Configuration),
            "the account may not do this",
        ),
        (
            "invalid_permission",
            0,
            Rejected(Configuration),
            "the account may not do this",
        ),
        ("invalid_region", 0, Rejected(Configuration), "the region is not valid"),
        (
            "security_error",
            0,
            Rejected(Configuration),
            "the account was stopped for a reason of security",
        ),
        (
            "not_found",
            0,
            Rejected(Configuration),
            "the API is not where it was asked for",
        ),
        (
            "method_not_allowed",
            0,
            Rejected(Configuration),
            "the API is not where it was asked for",
        ),
        (
            "concurrent_idempotent_requests",
            0,
            Deferred,
            "the same mail is being sent at this moment",
        ),
        (
            "resource_locked",
            0,
            Deferred,
            "the same mail is being sent at this moment",
        ),
        (
            "invalid_idempotent_request",
            0,
            Rejected(Content),
            "another mail was sent with this key before",
        ),
        ("missing_required_field", 0, Rejected(Content), "a field is missing"),
        ("invalid_parameter", 0, Rejected(Content), "a field is not valid"),
        ("invalid_attachment", 0, Rejected(Content), "an attachment is not taken"),
        (
            "invalid_from_address",
            0,
            Rejected(Configuration),
            "the sender's address is not taken",
        ),
        (
            "invalid_to_address",
            0,
            Rejected(Recipient),
            "the recipient's address is not taken",
        ),
        ("rate_limit_exceeded", 0, RateLimited, "too many requests"),
        (DAILY_QUOTA, 0, RateLimited, "the mails of this day are used up"),
        (
            "monthly_quota_exceeded",
            0,
            Rejected(Quota),
            "the mails of this month are used up",
        ),
        ("application_error", 0, Unclear, "Resend has a fault"),
        ("internal_server_error", 0, Unclear, "Resend has a fault"),
        ("service_unavailable", 0, Unclear, "Resend has a fault"),
    ]
};

/// The one that ends at midnight, UTC.
const DAILY_QUOTA: &str = "daily_quota_exceeded";

/// What an answer that is not a success means. A name that is not in the list is decided by the status.
pub(super) fn meaning(answer: &Answer, now: DateTime<Utc>) -> SendError {
    let status = answer.status.as_u16();
    let body = json::object(&answer.body).unwrap_or_default();
    let name = body.text("name").unwrap_or_default();
    let row = NAMES
        .iter()
        .find(|row| row.0 == name && (row.1 == 0 || row.1 == status));
    let Some((name, _, failure, detail)) = row else {
        return answer.error(now);
    };
    let until = if *name == DAILY_QUOTA {
        tomorrow(now)
    } else {
        answer.asked(now)
    };
    Meaning::new(*failure, detail).error(*name).not_before(until)
}
