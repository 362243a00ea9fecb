//! Where the links of tracked mail lead: `GET /t/o/{token}`, a picture, and `GET /t/c/{token}`, on to where the link led.
//!
//! Both answer at once and never differently because of what happens to the event: somebody is reading a mail. The event
//! goes to the queue beside the answer; one that is lost with the queue costs a count and nothing else. A click leads only to
//! an address that stands in a genuine token, so this is no open redirect.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use jobs::RecordTracking;
use jobs::sending::tracking::{Followed, Purpose, read};
use queue::Origin;

use super::Api;
use crate::correlation;
use crate::path::Path;
use crate::problem::{Code, Problem};

/// A transparent picture of one pixel (GIF89a).
const PICTURE: [u8; 43] = *b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// What programs call themselves that fetch links and pictures ahead of a person, or for none.
const MACHINES: [&str; 14] = [
    "bot",
    "crawler",
    "spider",
    "preview",
    "scanner",
    "googleimageproxy",
    "yahoomailproxy",
    "barracuda",
    "mimecast",
    "proofpoint",
    "curl/",
    "wget/",
    "python-requests",
    "headless",
];

pub(super) async fn open(
    State(api): State<Api>,
    method: Method,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let followed = genuine(&api, Purpose::Open, &token)?;
    note(&api, &method, &headers, &followed);
    let headers = [(header::CONTENT_TYPE, "image/gif"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, PICTURE).into_response())
}

pub(super) async fn click(
    State(api): State<Api>,
    method: Method,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let followed = genuine(&api, Purpose::Click, &token)?;
    let url = followed.url.as_ref().ok_or_else(unknown)?;
    let location = HeaderValue::from_str(url.as_str()).map_err(|_| unknown())?;
    note(&api, &method, &headers, &followed);
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}

fn genuine(api: &Api, purpose: Purpose, token: &str) -> Result<Followed, Problem> {
    read(api.queue.keyring(), purpose, token).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "This is not a link of ours.")
}

/// Queues what happened, beside the answer.
fn note(api: &Api, method: &Method, headers: &HeaderMap, followed: &Followed) {
    let job = RecordTracking::new(followed, is_machine(method, headers), Utc::now());
    let origin = Origin {
        tenant: followed.tenant.0,
        correlation: correlation::of(headers),
    };
    let queue = api.queue.clone();
    tokio::spawn(async move {
        if let Err(error) = queue.add(&job, origin).await {
            tracing::warn!(%error, "An open or a click could not be queued, and is not counted.");
        }
    });
}

/// Whether a machine asks: it looks only whether there is something, says that it fetches ahead, or calls itself one.
fn is_machine(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let ahead = ["purpose", "sec-purpose", "x-purpose", "x-moz"].iter().any(|name| {
        let value = text(name).to_ascii_lowercase();
        value.contains("prefetch") || value.contains("preview")
    });
    let agent = text("user-agent").to_ascii_lowercase();
    method == Method::HEAD || ahead || agent.is_empty() || MACHINES.iter().any(|word| agent.contains(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::HeaderName;

    use super::*;

    fn check(method: Method, headers: &[(&str, &str)], expected: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        assert_eq!(is_machine(&method, &map), expected, "{method} {headers:?}");
    }

    #[test]
    fn machines_that_look_ahead_are_told_from_people() {
        let browser = (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        );
        check(Method::GET, &[browser], false);
        check(Method::HEAD, &[browser], true);
        check(Method::GET, &[browser, ("Sec-Purpose", "prefetch;prerender")], true);
        check(Method::GET, &[browser, ("Purpose", "preview")], true);
        check(
            Method::GET,
            &[("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1)")],
            true,
        );
        check(
            Method::GET,
            &[("User-Agent", "Mozilla/5.0 (via ggpht.com GoogleImageProxy)")],
            true,
        );
        check(Method::GET, &[], true);
    }
}
