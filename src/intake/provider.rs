//! What the providers themselves tell: `POST /webhooks/{provider}/{endpoint}`.
//!
//! Whatever a genuine request says is queued, whether it means anything to us or not: what it was about is decided where
//! it can be decided again. Only a list without a single event leaves nothing to keep.

use axum::http::request::Parts;
use futures_util::future::try_join_all;
use jobs::RecordProviderEvents;
use providers::{Event, Request};
use queue::{Origin, Receipt};
use uuid::Uuid;

use super::answer::Answer;
use super::check::{self, Way};
use super::endpoints::Known;
use super::{Intake, Taken};
use crate::problem::{Code, Problem};

/// The most events in one request. SendGrid's smallest have more than 100 bytes, so that a whole body of them holds less.
const EVENTS_MAX: usize = 10_000;

pub(super) async fn accept(
    intake: &Intake,
    endpoint: &Known,
    ways: &[Way],
    head: &Parts,
    body: &[u8],
    correlation: Uuid,
) -> Result<Taken, Problem> {
    let request = Request {
        method: head.method.as_str(),
        url: &url(intake, head),
        headers: &head.headers,
        body,
        received_at: intake.now(),
    };
    let events = check::verify(ways, &request)?;
    refuse_too_many(&events)?;
    let answer = Answer::to(endpoint, &events);
    let jobs = RecordProviderEvents::of(endpoint.id, events);
    let origin = Origin {
        tenant: endpoint.tenant.0,
        correlation,
    };
    // Those of one request wait for the same call to the queue.
    let receipts = try_join_all(jobs.iter().map(|job| intake.queue.add(job, origin))).await?;
    Ok(Taken {
        receipt: together(&receipts),
        answer,
    })
}

/// The URL as its sender knows it. Only our own settings say where senders reach us: what `X-Forwarded-…` says, anybody
/// may have written. The path and the query are kept byte by byte, because they are signed as they are.
fn url(intake: &Intake, head: &Parts) -> String {
    let path_and_query = head.uri.path_and_query().map_or("/", |text| text.as_str());
    [intake.endpoints.base(), path_and_query].concat()
}

fn refuse_too_many(events: &[Event]) -> Result<(), Problem> {
    if events.len() <= EVENTS_MAX {
        return Ok(());
    }
    Err(Problem::new(
        Code::Unreadable,
        format!("body must hold at most {EVENTS_MAX} events."),
    ))
}

/// Of a request that makes several jobs the first is named. It was here before if all of it was.
fn together(receipts: &[Receipt]) -> Option<Receipt> {
    let first = receipts.first()?;
    Some(Receipt {
        job: first.job,
        duplicate: receipts.iter().all(|receipt| receipt.duplicate),
    })
}
