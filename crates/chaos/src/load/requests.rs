//! The requests that callers make.

use providers::email::sign;
use providers::twilio;
use reqwest::RequestBuilder;
use secrecy::SecretString;
use serde_json::json;
use url::form_urlencoded::Serializer;

use super::course::body_of;
use super::{Load, PROVIDER};
use crate::book::{Event, Inbound, Send, Way, now};
use crate::site::{OURS, SID};

impl Load {
    pub(super) fn webhook(&self, event: &Event) -> RequestBuilder {
        let at = chrono::DateTime::from_timestamp_millis(event.occurred_at).unwrap_or_default();
        let mut body = json!({
            "provider": PROVIDER, "external_id": event.message, "event": event.kind.as_str(),
            "person_id": event.person, "occurred_at": at,
        });
        if event.way == Way::Named {
            body["event_id"] = json!(format!("{}-{}", event.message, event.occurred_at));
        }
        let body = body.to_string();
        let timestamp = (now() / 1000).to_string();
        let signature = sign(
            &SecretString::from(self.reach.secret.as_str()),
            &timestamp,
            body.as_bytes(),
        );
        let url = format!("{}/webhooks/email/{}", self.reach.base, self.reach.endpoint);
        let request = self.http.post(url).header("Content-Type", "application/json");
        let request = request
            .header("X-Timestamp", timestamp)
            .header("X-Signature", signature);
        request.body(body)
    }

    pub(super) fn message(&self, send: &Send) -> RequestBuilder {
        let request = self.http.post(format!("{}/v1/messages", self.reach.base));
        let request = request
            .bearer_auth(&self.reach.api_key)
            .header("Idempotency-Key", &send.mark);
        request.json(&body_of(send))
    }

    /// As Twilio tells of a text (documentation, "Twilio's request to your incoming message webhook URL").
    pub(super) fn inbound(&self, inbound: Inbound) -> RequestBuilder {
        let url = format!("{}/webhooks/twilio/{}", self.reach.base, self.reach.replies);
        let body = Serializer::new(String::new())
            .append_pair("MessageSid", &inbound.sid())
            .append_pair("SmsStatus", "received")
            .append_pair("AccountSid", SID)
            .append_pair("From", &inbound.from())
            .append_pair("To", OURS)
            .append_pair("Body", inbound.text())
            .finish();
        // Only an empty token cannot sign.
        let signature = twilio::sign(&self.reach.token, &url, body.as_bytes()).unwrap_or_default();
        let request = self
            .http
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded");
        request.header(twilio::SIGNATURE_HEADER, signature).body(body)
    }
}
