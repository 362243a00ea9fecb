//! A telephone writes. Source: Twilio's documentation, "Twilio's request to your incoming message webhook URL".

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use url::form_urlencoded::Serializer;

use super::account::TwilioAccount;
use super::create::with_prefix;
use super::memory::{Message, OptOut};
use super::segments;
use super::status::{StatusTeller, callback};
use super::twiml::Obedient;
use crate::callback::Callback;
use crate::course::{Course, Parcel};
use crate::ledger::{Draft, sha256};
use crate::provider::{Channel, Provider};
use crate::reply::{Reply, Route, Unanswerable};
use crate::world::{State, World};

/// The words that Twilio itself acts upon, in capitals.
const STOP: [&str; 6] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"];
const START: [&str; 3] = ["START", "YES", "UNSTOP"];

/// Prepares what our side is told of a reply. `route` is the conversation that it belongs to.
pub(crate) fn reply(world: &Arc<World>, reply: &Reply, route: &Route) -> Result<(String, Parcel), Unanswerable> {
    let (account, url, service, sid) = world.change(|state| {
        let account = state
            .accounts
            .twilio
            .named(&route.account)
            .ok_or(Unanswerable::NoAccount)?;
        let url = url(state, &account, reply.channel, &route.ours).ok_or(Unanswerable::NoUrl)?;
        let newest = state.twilio.messages.iter().rev();
        let mut conversation = newest.filter(|message| message.account == account.sid && message.to == reply.from);
        let service = conversation.next().and_then(|message| message.service.clone());
        let sid = format!("SM{}", state.dice.hex(32));
        if reply.channel == Channel::Sms {
            mind(state, &account.sid, route, reply);
        }
        Ok((account, url, service, sid))
    })?;
    let body = form(&account, reply, route, &sid, service.as_deref());
    let callback = Callback {
        listener: Some(Arc::new(Obedient {
            account: Arc::clone(&account),
            channel: reply.channel,
            from: route.ours.clone(),
            to: reply.from.clone(),
        })),
        ..callback(world, &account, &url, &sid, "received", body)
    };
    Ok((sid, Parcel::Alone(callback)))
}

/// Where messages to this number of ours are posted.
fn url(state: &State, account: &TwilioAccount, channel: Channel, ours: &str) -> Option<String> {
    if channel == Channel::Whatsapp {
        return account.whatsapp_url.clone();
    }
    let bought = state
        .twilio
        .owned
        .iter()
        .find(|owned| owned.phone_number == ours && owned.account == account.sid);
    let own = bought
        .and_then(|owned| owned.setting("SmsUrl"))
        .filter(|url| !url.is_empty());
    own.map(str::to_owned).or_else(|| account.sms_url.clone())
}

/// Remembers who wants no more messages, and who does again.
fn mind(state: &mut State, account: &str, route: &Route, reply: &Reply) {
    let opt_out = OptOut {
        account: account.to_owned(),
        from: route.ours.clone(),
        to: reply.from.clone(),
    };
    match opt_out_type(&reply.text) {
        Some("STOP") => {
            state.twilio.opted_out.push(opt_out);
        }
        Some(_) => state.twilio.opted_out.retain(|one| *one != opt_out),
        None => {}
    }
}

fn opt_out_type(text: &str) -> Option<&'static str> {
    let word = text.trim().to_uppercase();
    let one_of = |words: &[&str]| words.contains(&word.as_str());
    if one_of(&STOP) {
        Some("STOP")
    } else {
        one_of(&START).then_some("START")
    }
}

fn form(account: &TwilioAccount, reply: &Reply, route: &Route, sid: &str, service: Option<&str>) -> String {
    let address = |number: &str| with_prefix(reply.channel, number);
    let by_whatsapp = reply.channel == Channel::Whatsapp;
    let mut form = Serializer::new(String::new());
    let mut pair = |name: &str, value: &str| {
        form.append_pair(name, value);
    };
    pair("SmsMessageSid", sid);
    pair("NumMedia", "0");
    pair("SmsSid", sid);
    pair("SmsStatus", "received");
    pair("Body", reply.text());
    pair("To", &address(&route.ours));
    pair("NumSegments", &segments::count(reply.text()).to_string());
    pair("MessageSid", sid);
    pair("AccountSid", &account.sid);
    pair("From", &address(&reply.from));
    pair("ApiVersion", "2010-04-01");
    if by_whatsapp {
        pair("ProfileName", reply.name.as_deref().unwrap_or("Ana Example"));
        pair("WaId", reply.from.trim_start_matches('+'));
        pair("MessageType", if reply.button.is_some() { "button" } else { "text" });
    } else {
        for name in [
            "FromCountry",
            "FromState",
            "FromCity",
            "FromZip",
            "ToCountry",
            "ToState",
            "ToCity",
            "ToZip",
        ] {
            pair(name, "");
        }
    }
    if let Some(service) = service {
        pair("MessagingServiceSid", service);
        // Twilio adds it where a service has Advanced Opt-Out.
        if let Some(kind) = opt_out_type(&reply.text).filter(|_| !by_whatsapp) {
            pair("OptOutType", kind);
        }
    }
    if let Some(button) = reply.button.as_ref().filter(|_| by_whatsapp) {
        pair("ButtonText", &button.label);
        pair("ButtonPayload", &button.payload);
    }
    if let Some(answers) = reply.answers.as_deref().filter(|_| by_whatsapp) {
        pair("OriginalRepliedMessageSid", answers);
        pair("OriginalRepliedMessageSender", &address(&route.ours));
    }
    form.finish()
}

/// Sends what our side answered with.
pub(super) fn answer(world: &Arc<World>, heard_by: &Obedient, text: &str) {
    let Obedient {
        account,
        channel,
        from,
        to,
    } = heard_by;
    let now = Utc::now();
    let body_sha256 = sha256([to, text]);
    let message = world.change(|state| {
        let sid = format!("SM{}", state.dice.hex(32));
        let draft = Draft {
            provider: Provider::Twilio,
            channel: *channel,
            account: &account.sid,
            external_id: &sid,
            reference: None,
            idempotency_key: None,
            from,
            to,
            reply_to: None,
            subject: None,
            text,
            body_sha256: body_sha256.clone(),
        };
        let message = Message {
            number: state.ledger.accept(draft, now),
            sid: sid.clone(),
            account: account.sid.clone(),
            channel: *channel,
            from: Some(from.clone()),
            to: to.clone(),
            body: text.to_owned(),
            service: None,
            media: 0,
            direction: "outbound-reply",
            first: "queued",
            created_at: now,
        };
        state.twilio.messages.push(message.clone());
        message
    });
    let course = Course {
        number: message.number,
        provider: Provider::Twilio,
        recipient: to.clone(),
        body_sha256,
        wait: Duration::ZERO,
        teller: Box::new(StatusTeller {
            account: Arc::clone(account),
            url: String::new(),
            message,
        }),
    };
    course.start(world);
}
