//! Tells what happened at an instance. Source: Green-API's documentation, "Outgoing message status", "Webhook endpoint
//! technology".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::account::GreenApiAccount;
use super::chat;
use crate::callback::{Again, Callback, Manner, Prove};
use crate::course::{Parcel, Tell};
use crate::provider::Provider;
use crate::queues::Waiting;
use crate::script::{Status, Step};
use crate::world::World;

/// What was not heard is told again after so long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// It is kept for so long.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const ANSWER_WITHIN: Duration = Duration::from_secs(180);

/// Puts a notification behind those of its instance. Each waits until the one before was heard or given up.
pub(crate) fn add(world: &Arc<World>, callback: Callback) {
    let Some(pending) = world.pend() else {
        return;
    };
    let instance = callback.account.clone();
    if let Some(waiting) = world.look(|state| state.notifications.put(&instance, callback, pending)) {
        world.spawn_errand(tell_in_line(Arc::clone(world), waiting));
    }
}

async fn tell_in_line(world: Arc<World>, mut waiting: Waiting<Callback>) {
    while let Some((callback, pending)) = waiting.recv().await {
        callback.tell_to_the_end(&world).await;
        drop(pending);
    }
}

/// Tells about one message.
pub(super) struct StatusTeller {
    pub(super) account: Arc<GreenApiAccount>,
    pub(super) id: String,
    /// A number, or the id of a group.
    pub(super) to: String,
}

impl Tell for StatusTeller {
    fn tell(&self, _: &Arc<World>, step: &Step, happened_at: DateTime<Utc>) -> Option<Parcel> {
        let word = word(step.status, step.code.as_deref())?;
        let mut fields = json!({
            "chatId": chat(&self.to),
            "idMessage": self.id,
            "status": word,
            "sendByApi": true,
        });
        if matches!(word, "failed" | "noAccount") {
            fields["description"] = json!("Message was not sent");
        }
        callback(
            &self.account,
            "outgoingMessageStatus",
            word,
            &self.id,
            fields,
            happened_at,
        )
        .map(Parcel::InLine)
    }
}

/// Green-API's word. None for what it does not tell.
pub(super) fn word(status: Status, code: Option<&str>) -> Option<&'static str> {
    Some(match (status, code) {
        (Status::Sent, _) => "sent",
        (Status::Delivered, _) => "delivered",
        (Status::Read, _) => "read",
        (Status::Bounced, _) | (Status::Failed, Some("noAccount")) => "noAccount",
        (Status::Failed, Some("notInGroup")) => "notInGroup",
        (Status::Failed | Status::Undelivered | Status::Dropped, _) => "failed",
        (Status::Delayed, _) => "yellowCard",
        _ => return None,
    })
}

/// A request of Green-API to our side. None when nobody wants to hear it.
pub(super) fn callback(
    account: &GreenApiAccount,
    kind: &str,
    word: &str,
    about: &str,
    mut fields: Value,
    at: DateTime<Utc>,
) -> Option<Callback> {
    let url = account.webhook_url.clone()?;
    fields["typeWebhook"] = json!(kind);
    fields["timestamp"] = json!(at.timestamp());
    fields["instanceData"] = json!({
        "idInstance": account.id(),
        "wid": chat(&account.number),
        "typeInstance": "whatsapp",
    });
    let tries = KEPT_FOR.as_secs() / AGAIN_AFTER.as_secs();
    Some(Callback {
        provider: Provider::GreenApi,
        account: account.id_instance.clone(),
        external_id: Some(about.to_owned()),
        kind: word.to_owned(),
        url,
        content_type: "application/json",
        body: Bytes::from(fields.to_string()),
        proof: Arc::new(Shown(account.webhook_token.clone())),
        manner: Manner {
            waits: vec![AGAIN_AFTER; tries.try_into().unwrap_or(usize::MAX)],
            again: Again::ALWAYS,
            only_200: true,
            answer_within: ANSWER_WITHIN,
            all_within: Some(KEPT_FOR),
        },
        listener: None,
    })
}

/// Shows a token; nothing is signed.
struct Shown(SecretString);

impl Prove for Shown {
    fn headers(&self, _: &str, _: &[u8], _: DateTime<Utc>) -> Vec<(&'static str, String)> {
        vec![("Authorization", format!("Bearer {}", self.0.expose_secret()))]
    }
}
