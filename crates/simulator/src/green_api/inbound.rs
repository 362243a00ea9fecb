//! A telephone writes. Source: Green-API's documentation, "Incoming messages".

use std::sync::Arc;

use chrono::Utc;
use serde_json::{Value, json};

use super::chat;
use super::notification::callback;
use crate::course::Parcel;
use crate::reply::{Reply, Route, Unanswerable};
use crate::world::World;

/// Prepares what our side is told of a reply.
pub(crate) fn reply(world: &Arc<World>, reply: &Reply, route: &Route) -> Result<(String, Parcel), Unanswerable> {
    let account = world.look(|state| state.accounts.green_api.named(&route.account));
    let account = account.ok_or(Unanswerable::NoAccount)?;
    let id = world.look(|state| state.dice.hex(20).to_uppercase());
    let from = chat(&reply.from);
    let name = reply.name.as_deref().unwrap_or("Ana Example");
    let fields = json!({
        "idMessage": id,
        "senderData": {
            "chatId": from,
            "sender": from,
            "chatName": name,
            "senderName": name,
            "senderContactName": "",
        },
        "messageData": message(reply, &chat(&account.number)),
    });
    let callback = callback(&account, "incomingMessageReceived", "received", &id, fields, Utc::now());
    let callback = callback.ok_or(Unanswerable::NoUrl)?;
    Ok((id, Parcel::InLine(callback)))
}

fn message(reply: &Reply, ours: &str) -> Value {
    if let Some(button) = &reply.button {
        return json!({
            // The type has an s that the field lacks.
            "typeMessage": "templateButtonsReplyMessage",
            "templateButtonReplyMessage": {
                "stanzaId": reply.answers.as_deref().unwrap_or_default(),
                "selectedIndex": 0,
                "selectedId": button.payload,
                "selectedDisplayText": button.label,
            },
        });
    }
    match &reply.answers {
        None => json!({
            "typeMessage": "textMessage",
            "textMessageData": { "textMessage": reply.text },
        }),
        Some(answered) => json!({
            "typeMessage": "quotedMessage",
            "extendedTextMessageData": {
                "text": reply.text,
                "description": "",
                "title": "",
                "jpegThumbnail": "",
                "forwardingScore": 0,
                "isForwarded": false,
            },
            "quotedMessage": {
                "stanzaId": answered,
                "participant": ours,
                "typeMessage": "textMessage",
                "textMessage": "",
            },
        }),
    }
}
