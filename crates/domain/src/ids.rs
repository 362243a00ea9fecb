//! Ids that cannot be mixed up, and how some are derived from what they name.
//!
//! A message's and an event's id follow from what the provider calls them, so running the same work again makes the
//! same id: a repeated insert meets the first one instead of standing beside it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::alert::{AlertChange, AlertRule};

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+ };
}

id! {
    /// An alert, from firing to recovery.
    AlertId,
    /// A tenant: one customer of the installation.
    TenantId,
    /// A key for the API.
    ApiKeyId,
    /// An address that a provider posts webhooks to.
    EndpointId,
    /// A person or an organisation.
    ContactId,
    /// A message, by the request that asked for it, else by (tenant, provider, the provider's id).
    MessageId,
    /// An event, by (endpoint, identity).
    EventId,
    /// A piece of follow-up work.
    InteractionId,
    /// A one-time code that somebody was sent and is to give back.
    ChallengeId,
    /// What one account at a provider is used with.
    CredentialId,
    /// A message that came in, by (endpoint, identity).
    InboundId,
    /// Something that is done with many dead letters.
    BulkActionId,
    /// A person who works for tenants.
    UserId,
    /// An invitation to become a member.
    InvitationId,
    /// A link that lets somebody in once.
    SignInLinkId,
    /// What somebody who signed in has until they sign out.
    SessionId,
    /// An entry of the audit log.
    AuditId,
    /// A lead's becoming hot, each time that it does.
    CrossingId,
}

/// The root of every derived id. Changing it would make every known event count again.
const RELAIS: Uuid = Uuid::from_u128(0x7c0f_2b1e_93d4_4e0a_b6a5_52e1_1a15_0001);

impl MessageId {
    /// The id of the message that `provider` calls `external_id`.
    #[must_use]
    pub fn derive(tenant: TenantId, provider: &str, external_id: &str) -> Self {
        Self(derive("message", tenant.0, &[provider, external_id]))
    }

    /// The id of the message that this request of the tenant asks for. `request` is what makes the request itself: its
    /// idempotency key.
    #[must_use]
    pub fn of_request(tenant: TenantId, request: &str) -> Self {
        Self(derive("message-request", tenant.0, &[request]))
    }

    /// The id of the message at this place, from 0, of the batch that has this idempotency key. No key by itself makes the same.
    #[must_use]
    pub fn of_batch(tenant: TenantId, request: &str, place: usize) -> Self {
        Self(derive("message-request", tenant.0, &[request, &place.to_string()]))
    }

    /// The id of a message that relais sends for this reason: a code, a link, a confirmation. No key of a caller makes the same.
    #[must_use]
    pub fn of_ours(tenant: TenantId, reason: &str) -> Self {
        Self(derive("message-ours", tenant.0, &[reason]))
    }
}

impl EndpointId {
    /// Takes an endpoint's place for events that nobody posts: those of `owner`, a message of which our own pages tell, or an
    /// account that was asked. What is derived from it is always the same.
    #[must_use]
    pub const fn stand_in(owner: Uuid) -> Self {
        Self(owner)
    }
}

impl ChallengeId {
    /// The id of the challenge that this request of the tenant asks for.
    #[must_use]
    pub fn of_request(tenant: TenantId, request: &str) -> Self {
        Self(derive("challenge-request", tenant.0, &[request]))
    }
}

impl InboundId {
    /// The id of the message that came in by the event that is `identity` at this endpoint.
    #[must_use]
    pub fn derive(endpoint: EndpointId, identity: &str) -> Self {
        Self(derive("inbound", endpoint.0, &[identity]))
    }
}

impl EventId {
    /// The id of the event that is `identity` at this endpoint.
    ///
    /// The identity itself need not be stored, which matters because it may contain a link.
    #[must_use]
    pub fn derive(endpoint: EndpointId, identity: &str) -> Self {
        Self(derive("event", endpoint.0, &[identity]))
    }

    /// The id of an event of our own: `what` became of this message, or of the attempt of this number.
    #[must_use]
    pub fn of_message(message: MessageId, what: &str, attempt: u32) -> Self {
        Self(derive("event-message", message.0, &[what, &attempt.to_string()]))
    }
}

impl ContactId {
    /// The contact that the tenant itself calls `external_id`; `kind` is the stored word of what it is.
    #[must_use]
    pub fn derive(tenant: TenantId, kind: &str, external_id: &str) -> Self {
        Self(derive("contact", tenant.0, &[kind, external_id]))
    }

    /// The contact known by an address only, named by the address's keyed hash.
    #[must_use]
    pub fn of_address(tenant: TenantId, hash: &[u8]) -> Self {
        Self(Uuid::new_v5(
            &RELAIS,
            &[b"contact-address", tenant.0.as_bytes().as_slice(), hash].concat(),
        ))
    }

    /// The contact of whom nothing is known but this message.
    #[must_use]
    pub fn of_message(message: MessageId) -> Self {
        Self(derive("contact-message", message.0, &[]))
    }
}

impl AlertId {
    /// The alert of a rule and subject that fired at that moment.
    #[must_use]
    pub fn of(rule: AlertRule, subject: &str, fired_at: DateTime<Utc>) -> Self {
        let at = fired_at.timestamp_millis().to_string();
        Self(derive("alert", Uuid::nil(), &[rule.as_str(), subject, &at]))
    }

    /// What a change of it is told under, wherever and however often.
    #[must_use]
    pub fn told_as(self, change: AlertChange) -> Uuid {
        derive("alert-notice", self.0, &[change.as_str()])
    }
}

impl InteractionId {
    /// The id of the one interaction that a message's first open creates.
    #[must_use]
    pub fn of_first_open(message: MessageId) -> Self {
        Self(derive("first-open", message.0, &[]))
    }

    /// The id of the one interaction that a message that came in creates.
    #[must_use]
    pub fn of_reply(inbound: InboundId) -> Self {
        Self(derive("reply", inbound.0, &[]))
    }

    /// The id of the one interaction that a lead's becoming hot creates.
    #[must_use]
    pub fn of_crossing(crossing: CrossingId) -> Self {
        Self(derive("crossing", crossing.0, &[]))
    }
}

/// UUIDv5 over parts with their lengths in front, so that ("ab", "c") and ("a", "bc") differ.
fn derive(what: &str, owner: Uuid, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(64);
    name.extend_from_slice(what.as_bytes());
    name.extend_from_slice(owner.as_bytes());
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&RELAIS, &name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TENANT: TenantId = TenantId(Uuid::from_u128(1));

    #[test]
    fn a_message_has_the_same_id_whenever_it_is_derived() {
        let id = MessageId::derive(TENANT, "sendgrid", "abc");
        assert_eq!(id, MessageId::derive(TENANT, "sendgrid", "abc"));
        // Written out, because an accidental change of the derivation would count every known event again.
        assert_eq!(id.to_string(), "9777d015-7d03-5ab6-9a28-e8d46d95553f");
        assert_eq!(
            EventId::derive(EndpointId(Uuid::from_u128(2)), "evt").to_string(),
            "2ab6264e-cad2-5cb2-acec-3b47ad66ba59"
        );
    }

    #[test]
    fn what_is_derived_from_requests_and_replies_is_what_it_always_was() {
        let endpoint = EndpointId(Uuid::from_u128(2));
        let message = MessageId::of_request(TENANT, "key 0");
        let inbound = InboundId::derive(endpoint, "evt");
        let ids = [
            message.to_string(),
            MessageId::of_batch(TENANT, "key", 0).to_string(),
            ChallengeId::of_request(TENANT, "key 0").to_string(),
            EventId::of_message(message, "accepted", 1).to_string(),
            inbound.to_string(),
            InteractionId::of_reply(inbound).to_string(),
        ];
        assert_eq!(
            ids,
            [
                "be9ac1b2-2d22-53c0-b026-f8287250ef18",
                "3af07534-4f62-504a-b2cb-d1efe8e00922",
                "0db28c2c-51fc-5235-ba6b-4d31a02cd244",
                "5c81b415-8972-5af1-8db6-fed69459e5c8",
                "4b7acb18-3ef9-5a98-ba60-07b9c9e69e08",
                "e35d2bef-185f-5f8e-bb3c-a0f1c599f828"
            ]
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            MessageId::derive(TENANT, "ab", "c"),
            MessageId::derive(TENANT, "a", "bc")
        );
        assert_ne!(
            MessageId::derive(TENANT, "a", "b"),
            MessageId::derive(TenantId(Uuid::from_u128(2)), "a", "b"),
            "tenants share no ids"
        );
    }

    #[test]
    fn an_id_is_a_plain_uuid_in_json_and_in_text() {
        let json = serde_json::to_string(&TENANT).unwrap();
        assert_eq!(json, r#""00000000-0000-0000-0000-000000000001""#);
        assert_eq!(serde_json::from_str::<TenantId>(&json).unwrap(), TENANT);
        assert_eq!(TENANT.to_string().parse::<TenantId>().unwrap(), TENANT);
    }
}
