//! E-mail events, signed by whoever reports them: `POST /webhooks/email/{endpoint}`.

use axum::http::HeaderMap;
use jobs::RecordEmailEvent;
use providers::email::{EmailVerifier, EmailWebhookError};
use queue::{Origin, Receipt};
use uuid::Uuid;

use super::endpoints::Known;
use super::{Intake, sentence};
use crate::problem::{Code, Problem};

pub(super) async fn accept(
    intake: &Intake,
    endpoint: &Known,
    verifier: &EmailVerifier,
    headers: &HeaderMap,
    body: &[u8],
    correlation: Uuid,
) -> Result<Receipt, Problem> {
    let event = verifier.verify(headers, body, intake.now())?;
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
