//! E-mail events, signed by whoever reports them: `POST /webhooks/email/{endpoint}`.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use jobs::RecordEmailEvent;
use providers::email::EmailWebhookError;
use queue::{Origin, Receipt};
use uuid::Uuid;

use super::Intake;
use super::endpoints::Known;
use crate::problem::{Code, Problem};

pub(super) async fn accept(
    intake: &Intake,
    endpoint: &Known,
    headers: &HeaderMap,
    body: &[u8],
    correlation: Uuid,
) -> Result<Receipt, Problem> {
    let now = DateTime::<Utc>::from_timestamp_millis(intake.queue.clock().now()).unwrap_or_default();
    let event = endpoint.verifier.verify(headers, body, now)?;
    let job = RecordEmailEvent::new(endpoint.id, event);
    Ok(intake
        .queue
        .add(
            &job,
            Origin {
                tenant: endpoint.tenant.0,
                correlation,
            },
        )
        .await?)
}

impl From<EmailWebhookError> for Problem {
    fn from(error: EmailWebhookError) -> Self {
        use EmailWebhookError as E;
        let code = match error {
            E::SignatureMissing { .. } | E::SignatureMalformed | E::SignatureWrong => Code::SignatureInvalid,
            E::TimestampMalformed | E::TimestampStale { .. } => Code::TimestampStale,
            E::Unreadable { .. } => Code::Unreadable,
        };
        Self::new(code, sentence(&error.to_string()))
    }
}

/// Field names stay as they are written in the body, so only the full stop is added.
fn sentence(text: &str) -> String {
    format!("{text}.")
}
