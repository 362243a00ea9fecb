//! Twilio signs the address that it knows. Behind a proxy that is another one than the one we hear.

use axum::http::StatusCode;
use domain::EndpointId;
use relais::intake::poster::Poster;

use super::raw::Raw;
use super::served::Served;
use super::sign::twilio_signature;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const FORM: &str = "MessageSid=SM1&From=%2B12025550143&To=%2B15005550006&Body=Yes%2C+14%3A30&SmsStatus=received";

/// An installation that is reached at some address, and an endpoint there.
struct Behind {
    served: Served,
    id: EndpointId,
}

impl Behind {
    async fn proxy(public_url: &str) -> Self {
        let served = Served::at(public_url).await;
        let id = served.endpoint(Poster::Twilio, &[TOKEN.into()]).await;
        Self { served, id }
    }

    /// The request that the proxy hands on, signed for `base`, the path and `signed` as the query.
    fn request(&self, base: &str, query: &str, signed: &str) -> Raw {
        let path = format!("/webhooks/twilio/{}", self.id);
        let signature = twilio_signature(&format!("{base}{path}{signed}"), TOKEN, FORM);
        Raw::post(format!("{path}{query}"), FORM)
            .with("Content-Type", "application/x-www-form-urlencoded")
            .with("X-Twilio-Signature", signature)
    }

    async fn check(&self, what: &str, request: &Raw, is_taken: bool) {
        let reply = self.served.send(request).await;
        let expected = if is_taken {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(reply.status, expected, "{what}: {reply:?}");
    }
}

#[tokio::test]
async fn the_public_address_counts_with_its_port_and_without() {
    let behind = Behind::proxy("https://hooks.example.com").await;
    for (base, is_taken) in [
        ("https://hooks.example.com", true),
        ("https://hooks.example.com:443", true),
        ("https://hooks.example.com:8443", false),
        ("http://hooks.example.com", false),
        ("https://internal.example.com", false),
        ("https://hooks.example.com/prefix", false),
    ] {
        behind.check(base, &behind.request(base, "", ""), is_taken).await;
    }
    let behind = Behind::proxy("https://hooks.example.com:8443/relais/").await;
    for (base, is_taken) in [
        ("https://hooks.example.com:8443/relais", true),
        ("https://hooks.example.com/relais", true),
        ("https://hooks.example.com:443/relais", false),
        ("https://hooks.example.com:8443", false),
    ] {
        behind.check(base, &behind.request(base, "", ""), is_taken).await;
    }
}

#[tokio::test]
async fn what_a_request_says_of_its_way_changes_nothing() {
    let behind = Behind::proxy("https://hooks.example.com").await;
    let forwarded = |request: Raw, scheme: &str, host: &str| {
        request
            .with("X-Forwarded-Proto", scheme)
            .with("X-Forwarded-Host", host)
            .with("X-Forwarded-Port", "443")
            .with("Forwarded", format!("proto={scheme};host={host}"))
    };
    let genuine = behind.request("https://hooks.example.com", "", "");
    behind
        .check("genuine", &forwarded(genuine, "http", "evil.example.com"), true)
        .await;
    let forged = behind.request("https://evil.example.com", "", "");
    behind
        .check("forged", &forwarded(forged, "https", "evil.example.com"), false)
        .await;
}

#[tokio::test]
async fn the_query_is_signed_as_it_stands() {
    let behind = Behind::proxy("https://hooks.example.com").await;
    for (query, signed, is_taken) in [
        ("?b=%2F%20+&a=&c", "?b=%2F%20+&a=&c", true),
        ("?tenant=t_1&v=2", "?tenant=t_1&v=2", true),
        ("?q=it's", "?q=it%27s", true),
        ("?q=it%27s", "?q=it's", true),
        ("?b=/", "?b=%2F", false),
        ("?b=%2f", "?b=%2F", false),
        ("?a=1&b=2", "?b=2&a=1", false),
        ("", "?a=1", false),
        ("?a=1", "", false),
        ("?", "", false),
    ] {
        let request = behind.request("https://hooks.example.com", query, signed);
        behind.check(&format!("{query} {signed}"), &request, is_taken).await;
    }
}

#[tokio::test]
async fn a_path_that_was_tidied_on_its_way_leads_nowhere() {
    let behind = Behind::proxy("https://hooks.example.com").await;
    let genuine = behind.request("https://hooks.example.com", "", "");
    let slash_added = Raw {
        target: format!("{}/", genuine.target),
        ..genuine.clone()
    };
    let slash_doubled = Raw {
        target: format!("/{}", genuine.target),
        ..genuine
    };
    for request in [slash_added, slash_doubled] {
        let reply = behind.served.send(&request).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{request:?}");
    }
}
