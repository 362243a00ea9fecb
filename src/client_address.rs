//! Where a request came from.
//!
//! The connection says it, unless proxies stand before us: each of them adds to `X-Forwarded-For` whom it was asked by. Only so
//! many entries from the end as there are proxies of ours can be believed; what stands before them was said by anybody.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

/// Where a request came from; `None`: nobody knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

/// Finds out where a request came from, behind so many proxies.
pub(crate) async fn find(State(hops): State<usize>, mut request: Request, next: Next) -> Response {
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let connected = connected.map(|ConnectInfo(address)| address.ip());
    let address = forwarded(request.headers(), hops).or(connected);
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

/// Whom the outermost proxy of ours was asked by.
fn forwarded(headers: &HeaderMap, hops: usize) -> Option<IpAddr> {
    let place = hops.checked_sub(1)?;
    let said = headers.get_all("x-forwarded-for").iter();
    let entries: Vec<&str> = said
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    entries.iter().rev().nth(place)?.trim().parse().ok()
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_proxies_of_ours_said_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "198.51.100.1, 203.0.113.7".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.2".parse().unwrap());
        for (hops, expected) in [
            (0, None),
            (1, Some("10.0.0.2")),
            (2, Some("203.0.113.7")),
            (3, Some("198.51.100.1")),
            (4, None),
        ] {
            assert_eq!(
                forwarded(&headers, hops),
                expected.map(|text| text.parse().unwrap()),
                "{hops}"
            );
        }
    }
}
