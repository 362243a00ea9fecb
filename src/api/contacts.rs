//! `/v1/contacts/{id}…`: to answer for people whose data is kept: all of it as one document, and its erasure.

use std::io;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use domain::{AuditAction, ContactId, Traces};
use futures_util::stream;
use jobs::EraseContact;
use jobs::person::export::Export;
use queue::Origin;
use serde::Serialize;
use store::NewAuditEntry;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::auth::Caller;
use crate::correlation;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// So many pieces of a document wait at most for whoever reads it.
const PIECES_AHEAD: usize = 32;

/// That somebody will be erased.
#[derive(Serialize, ToSchema)]
pub(super) struct Erasing {
    /// The job that does it.
    job: Uuid,
}

/// All that is kept of somebody, as one JSON document. It is sent while it is read; if it cannot be read to its end, the
/// connection breaks off, and what came is no JSON.
#[utoipa::path(get, path = "/v1/contacts/{id}/export", tag = "contacts", params(("id" = Uuid, Path,
    description = "The `contact_id` of messages, interactions and leads")), security(("api_key" = [])),
    responses((status = 200, body = serde_json::Value), (status = 404, description = "No such contact, or it was erased")))]
pub(super) async fn export(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let contact = contact_id(&id)?;
    let known = api.store.is_contact_known(caller.tenant, contact).await?;
    let traces = api.store.traces(caller.tenant, contact).await?;
    let traces = traces.filter(|_| known).ok_or_else(unknown)?;
    let entry = NewAuditEntry::of(caller.tenant, &caller.author(), AuditAction::ContactExported, contact);
    api.store.write_audit(&[entry], Utc::now()).await?;
    let name = format!("attachment; filename=\"{contact}.json\"");
    let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_DISPOSITION, name.as_str())];
    Ok((headers, document(api, caller, traces)).into_response())
}

/// The document in pieces, each read when there is room for it. A fault breaks the answer off.
fn document(api: Api, caller: Caller, traces: Traces) -> Body {
    let (pieces, read) = mpsc::channel(PIECES_AHEAD);
    let written = tokio::spawn(async move {
        let export = Export {
            store: &api.store,
            backend: &**api.queue.backend(),
            keyring: api.queue.keyring(),
            tenant: caller.tenant,
            traces: &traces,
        };
        export.write(&pieces).await
    });
    Body::from_stream(stream::unfold(
        (read, Some(written)),
        |(mut read, written)| async move {
            if let Some(piece) = read.recv().await {
                return Some((Ok(piece), (read, written)));
            }
            match written?.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    tracing::warn!(error = %format!("{error:#}"), "An export was cut short.");
                    Some((Err(io::Error::other("cut short")), (read, None)))
                }
                Err(_) => Some((Err(io::Error::other("cut short")), (read, None))),
            }
        },
    ))
}

/// Erases somebody: what is personal goes, from the queue as well, and what counts stays as nobody's. What is made of them until it
/// is done goes, too; whoever comes back afterwards is met anew. Asking again is harmless.
#[utoipa::path(delete, path = "/v1/contacts/{id}", tag = "contacts", params(("id" = Uuid, Path,
    description = "The `contact_id` of messages, interactions and leads")), security(("api_key" = [])),
    responses((status = 202, body = Erasing), (status = 404, description = "No such contact")))]
pub(super) async fn erase(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Erasing>), Problem> {
    let contact = contact_id(&id)?;
    if !api.store.is_contact_known(caller.tenant, contact).await? {
        return Err(unknown());
    }
    let now = Utc::now();
    let entry = NewAuditEntry::of(caller.tenant, &caller.author(), AuditAction::ContactErased, contact);
    api.store.write_audit(&[entry], now).await?;
    let job = EraseContact { contact, asked_at: now };
    let origin = Origin {
        tenant: caller.tenant.0,
        correlation: correlation::of(&headers),
    };
    let job = api.queue.add(&job, origin).await?.job.0;
    Ok((StatusCode::ACCEPTED, Json(Erasing { job })))
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no contact with this id.")
}

fn contact_id(text: &str) -> Result<ContactId, Problem> {
    text.parse().map_err(|_| unknown())
}
