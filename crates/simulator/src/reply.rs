//! A telephone or a mailbox answers.

use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use domain::PersonalText;
use serde::Deserialize;

use crate::course::Parcel;
use crate::ledger::{Replied, cut};
use crate::provider::{Channel, Provider};
use crate::world::{State, World};
use crate::{green_api, resend, smtp, twilio};

/// What somebody writes to us.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Who brings it.
    pub provider: Provider,
    /// By which way.
    pub channel: Channel,
    /// The telephone or mailbox.
    pub from: String,
    /// The name that the writer goes by.
    #[serde(default)]
    pub name: Option<String>,
    /// Our number or address. The one that wrote to them last when not given.
    #[serde(default)]
    pub to: Option<String>,
    /// Whose account. The one that wrote to them last when not given.
    #[serde(default)]
    pub account: Option<String>,
    /// The subject of a mail.
    #[serde(default)]
    pub subject: Option<String>,
    /// What is written.
    pub text: String,
    /// The button that is pressed instead of writing.
    #[serde(default)]
    pub button: Option<Button>,
    /// What the provider calls the message that is quoted.
    #[serde(default)]
    pub answers: Option<String>,
}

/// A button that is pressed.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// Our id of it.
    pub payload: String,
    /// What is written on it.
    pub label: String,
}

impl Reply {
    /// Somebody answers what came last from us to `from` by this way.
    #[must_use]
    pub fn new(provider: Provider, channel: Channel, from: &str, text: &str) -> Self {
        Self {
            provider,
            channel,
            from: from.to_owned(),
            name: None,
            to: None,
            account: None,
            subject: None,
            text: text.to_owned(),
            button: None,
            answers: None,
        }
    }

    /// To this number or address of ours, at this account, whatever was written before.
    #[must_use]
    pub fn to(self, account: &str, ours: &str) -> Self {
        Self {
            to: Some(ours.to_owned()),
            account: Some(account.to_owned()),
            ..self
        }
    }

    /// By pressing this button.
    #[must_use]
    pub fn pressing(self, payload: &str, label: &str) -> Self {
        let button = Button {
            payload: payload.to_owned(),
            label: label.to_owned(),
        };
        Self {
            button: Some(button),
            ..self
        }
    }

    /// What is written, or what is written on the button.
    pub(crate) fn text(&self) -> &str {
        self.button.as_ref().map_or(&self.text, |button| &button.label)
    }
}

/// Shows the way.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("provider", &self.provider)
            .field("channel", &self.channel)
            .field("button", &self.button)
            .finish_non_exhaustive()
    }
}

/// Shows that there is one.
impl fmt::Debug for Button {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Button")
    }
}

/// Why nobody can be told of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// It does not say to whom it goes, and nobody wrote to them.
    #[error("nothing was sent to this recipient that could be answered; say `account` and `to`")]
    NoConversation,
    /// The account is not known.
    #[error("the account is not known")]
    NoAccount,
    /// Nobody said where messages that come in are posted to.
    #[error("the account has no URL for messages that come in")]
    NoUrl,
    /// The provider brings no messages by this way.
    #[error("the provider brings no replies by this way")]
    NoWay,
}

/// Where a reply goes.
pub(crate) struct Route {
    pub(crate) account: String,
    /// Our number or address.
    pub(crate) ours: String,
    /// What the provider calls the message that is answered.
    pub(crate) answered: Option<String>,
}

/// Has our side told of it. Returns what the provider calls it.
pub(crate) fn send(world: &Arc<World>, reply: &Reply) -> Result<String, Unanswerable> {
    let route = world.look(|state| route(state, reply))?;
    let (external_id, parcel) = match (reply.provider, reply.channel) {
        (Provider::Twilio, Channel::Sms | Channel::Whatsapp) => twilio::reply(world, reply, &route)?,
        (Provider::GreenApi, Channel::Whatsapp) => green_api::reply(world, reply, &route)?,
        (Provider::Resend, Channel::Email) => resend::reply(world, reply, &route)?,
        (Provider::Smtp | Provider::SendGrid, Channel::Email) => (smtp::reply(world, reply, &route), Parcel::Nothing),
        _ => return Err(Unanswerable::NoWay),
    };
    world.change(|state| {
        let replied = Replied {
            number: state.ledger.next_number(),
            provider: reply.provider,
            channel: reply.channel,
            account: route.account,
            external_id: external_id.clone(),
            from: PersonalText::new(&reply.from),
            to: PersonalText::new(&route.ours),
            subject: reply.subject.as_ref().map(PersonalText::new),
            text: PersonalText::new(cut(reply.text())),
            at: Utc::now(),
        };
        state.ledger.reply(replied);
    });
    if let Some(pending) = world.pend() {
        let world = Arc::clone(world);
        world.clone().spawn_errand(async move {
            let _pending = pending;
            parcel.bring(&world).await;
        });
    }
    Ok(external_id)
}

/// By what it says itself, else by what was last sent to whoever writes.
fn route(state: &State, reply: &Reply) -> Result<Route, Unanswerable> {
    let mut sent = state.ledger.effects_to(&reply.from).rev();
    let last = sent.find(|effect| {
        let same_account = reply.account.as_ref().is_none_or(|account| *account == effect.account);
        effect.provider == reply.provider && effect.channel == reply.channel && same_account
    });
    let ours = last.map(|effect| effect.reply_to.as_ref().unwrap_or(&effect.from).expose().to_owned());
    let account = last.map(|effect| effect.account.clone());
    let known = (reply.account.clone().or(account)).zip(reply.to.clone().or(ours));
    let (account, ours) = known.ok_or(Unanswerable::NoConversation)?;
    let answered = last.map(|effect| effect.external_id.clone());
    Ok(Route {
        account,
        ours,
        answered,
    })
}
