//! Reading a webhook's body: limited in size and time, and exactly as it was sent.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::problem::{Code, Problem};

/// The largest body that is read.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How much more is received and thrown away, so that the sender gets to read the refusal.
const THROWN_AWAY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a sender may take to send its body.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Reads a JSON body.
///
/// # Errors
/// 415 for another type, 413 over [`BODY_BYTES_MAX`], 400 when it does not arrive whole within [`BODY_WITHIN`].
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let bytes = tokio::time::timeout(BODY_WITHIN, collect(body))
        .await
        .unwrap_or_else(|_| {
            let seconds = BODY_WITHIN.as_secs();
            Err(Problem::new(
                Code::BodyUnreadable,
                format!("The body did not arrive within {seconds} seconds."),
            ))
        })?;
    if is_json(headers) {
        Ok(bytes)
    } else {
        Err(Problem::new(
            Code::ContentTypeUnsupported,
            "Send it with `Content-Type: application/json`.",
        ))
    }
}

/// A request that does not say what it holds is taken for JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5
            && essence.is_char_boundary(essence.len() - 5)
            && essence[essence.len() - 5..].eq_ignore_ascii_case("+json"))
}

async fn collect(body: Body) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::BodyUnreadable, "The connection ended within the body."))?;
        length += chunk.len();
        if length > THROWN_AWAY_BYTES_MAX {
            break;
        }
        if length > BODY_BYTES_MAX {
            continue;
        }
        // Nearly every body comes in one piece, which then is not copied.
        if first.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&chunk);
        }
    }
    if length > BODY_BYTES_MAX {
        let limit = BODY_BYTES_MAX;
        return Err(Problem::new(
            Code::BodyTooLarge,
            format!("At most {limit} bytes are read."),
        ));
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
