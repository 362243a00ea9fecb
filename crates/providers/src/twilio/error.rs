//! Why a request of Twilio was refused, and why Twilio refused one of ours.

use chrono::{DateTime, Utc};

use super::codes::{self, DAILY_LIMIT};
use crate::http_client::Answer;
use crate::json::{self, Fields as _};
use crate::refusal::{Refusal, Unreadable};
use crate::send_error::{Class, Failure, SendError, tomorrow};

/// Why a request was refused. No variant repeats what the request contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwilioWebhookError {
    /// The header is not there, so nothing vouches for the request.
    #[error("the header {header} is missing")]
    SignatureMissing {
        /// The header's name.
        header: &'static str,
    },
    /// The signature cannot be one.
    #[error("the signature is not base64 of 20 bytes")]
    SignatureMalformed,
    /// The signature belongs to another URL, other parameters or another token.
    #[error("the signature does not match the URL and the parameters")]
    SignatureWrong,
    /// The URL may be genuine, but nothing vouches for the body.
    #[error("the body is not a form, and the URL has no bodySHA256 to vouch for it")]
    BodyHashMissing,
    /// The URL is genuine, but made for another body.
    #[error("bodySHA256 in the URL does not match the body")]
    BodyHashWrong,
    /// Rightly signed, but neither a form nor JSON.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl TwilioWebhookError {
    /// How far the request came.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::SignatureMissing { .. }
            | Self::SignatureMalformed
            | Self::SignatureWrong
            | Self::BodyHashMissing
            | Self::BodyHashWrong => Refusal::Unproven,
            Self::Unreadable(_) => Refusal::Unreadable,
        }
    }
}

/// What an answer that is not a success means. A code that is not in the list is decided by the status.
pub(super) fn meaning(answer: &Answer, now: DateTime<Utc>) -> SendError {
    let body = json::object(&answer.body).unwrap_or_default();
    let code = body.whole("code").and_then(|code| u32::try_from(code).ok());
    let Some((code, meaning)) = code.and_then(|code| Some((code, codes::find(code)?))) else {
        return undocumented(answer, code, now);
    };
    let until = if code == DAILY_LIMIT {
        tomorrow(now)
    } else {
        answer.asked(now)
    };
    meaning.error(code.to_string()).not_before(until)
}

fn undocumented(answer: &Answer, code: Option<u32>, now: DateTime<Utc>) -> SendError {
    if answer.status.as_u16() == 404 {
        let detail = "the account or the API is not where it was asked for";
        return SendError::rejected(Class::Configuration, "http_404", detail);
    }
    let error = answer.error(now);
    match (error.failure, code) {
        // A number tells more than the status, and is nothing personal.
        (Failure::Rejected(_), Some(code)) => SendError {
            code: code.to_string().into(),
            ..error
        },
        _ => error,
    }
}
