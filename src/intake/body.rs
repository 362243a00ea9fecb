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

/// The types of body that an endpoint reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Types {
    /// JSON. A request that does not say what it holds is taken for it.
    Json,
    /// A form, or JSON.
    FormOrJson,
}

/// Reads a body.
///
/// # Errors
/// 413 over [`BODY_BYTES_MAX`], 400 when it does not arrive whole within [`BODY_WITHIN`].
pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    tokio::time::timeout(BODY_WITHIN, collect(body))
        .await
        .unwrap_or_else(|_| {
            let seconds = BODY_WITHIN.as_secs();
            Err(Problem::new(
                Code::BodyUnreadable,
                format!("The body did not arrive within {seconds} seconds."),
            ))
        })
}

/// Receives a body for nobody, as long as it would have been received for somebody. None of it is kept.
pub(super) async fn throw_away(body: Body) {
    let all = async {
        let (mut chunks, mut length) = (body.into_data_stream(), 0);
        while let Some(Ok(chunk)) = chunks.next().await {
            length += chunk.len();
            if length > THROWN_AWAY_BYTES_MAX {
                break;
            }
        }
    };
    // One that comes too slowly is refused as it would be otherwise.
    drop(tokio::time::timeout(BODY_WITHIN, all).await);
}

impl Types {
    /// Refuses what is said to be of another type.
    ///
    /// # Errors
    /// 415.
    pub(super) fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return Ok(());
        };
        let value = value.to_str().unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        match self {
            _ if is_json(essence) => Ok(()),
            Self::FormOrJson if essence.eq_ignore_ascii_case(FORM) => Ok(()),
            Self::Json => Err(unsupported("Send it with `Content-Type: application/json`.")),
            Self::FormOrJson => Err(unsupported(
                "Send it as a form (`application/x-www-form-urlencoded`) or as JSON.",
            )),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn is_json(essence: &str) -> bool {
    essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5
            && essence.is_char_boundary(essence.len() - 5)
            && essence[essence.len() - 5..].eq_ignore_ascii_case("+json"))
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(Code::ContentTypeUnsupported, detail)
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
