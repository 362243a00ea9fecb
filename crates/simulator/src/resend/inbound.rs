//! A mailbox answers. The event says that a mail is there; what stands in it has to be fetched.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;

use super::body::{Body, OneOrMany};
use super::events::{callback, instant};
use super::memory::Mail;
use crate::course::Parcel;
use crate::reply::{Reply, Route, Unanswerable};
use crate::world::World;

/// Prepares what our side is told of a reply.
pub(crate) fn reply(world: &Arc<World>, reply: &Reply, route: &Route) -> Result<(String, Parcel), Unanswerable> {
    let account = world.look(|state| state.accounts.resend.named(&route.account));
    let account = account.ok_or(Unanswerable::NoAccount)?;
    let now = Utc::now();
    let from = match &reply.name {
        Some(name) => format!("{name} <{}>", reply.from),
        None => reply.from.clone(),
    };
    let mail = world.look(|state| {
        let mail = Mail {
            id: state.dice.uuid().to_string(),
            account: account.name.clone(),
            message_id: format!("<{}@example.com>", state.dice.hex(32)),
            body: Body {
                from,
                to: OneOrMany::One(route.ours.clone()),
                subject: reply.subject.clone().unwrap_or_default(),
                text: Some(reply.text.clone()),
                ..Body::default()
            },
            created_at: now,
            number: 0,
        };
        state.resend.received.push(mail.clone());
        mail
    });
    let data = json!({
        "email_id": mail.id,
        "created_at": instant(now),
        "from": mail.body.from,
        "to": mail.body.to.list(),
        "bcc": [],
        "cc": [],
        "received_for": mail.body.to.list(),
        "message_id": mail.message_id,
        "subject": mail.body.subject,
        "attachments": [],
    });
    let callback = callback(world, &account, "email.received", &mail.id, &data, now);
    callback
        .map(|callback| (mail.id, Parcel::Alone(callback)))
        .ok_or(Unanswerable::NoUrl)
}
