//! From a payload to a message that a provider's client takes.
//!
//! The door composes every message once, without files and links, to see that it can be; so what a run cannot compose was
//! written by hand or by another version.

use domain::{Channel, EmailAddress, Language, PersonalText, Recipient};
use providers::outgoing::{
    Attachment, ContentTemplate, EmailContent, Line, Mailbox, MessagingService, OutgoingEmail, OutgoingText,
    OutgoingWhatsapp, SenderName, TextFrom, Unsubscribe, WhatsappContent,
};
use providers::{Outgoing, Provider};
use url::Url;

use super::content::{Content, EmailBody};
use super::{Sending, links, otp};

/// Why a message cannot be composed. Never repeats a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {reason}")]
pub struct Uncomposable {
    /// The field of the request at fault.
    pub field: &'static str,
    /// What is wrong with it, to be read after the field's name.
    pub reason: &'static str,
}

const fn fault(field: &'static str, reason: &'static str) -> Uncomposable {
    Uncomposable { field, reason }
}

/// What a run adds to what the payload holds.
#[derive(Debug, Default)]
pub(super) struct Additions {
    pub(super) report_to: Option<Url>,
    pub(super) files: Vec<Attachment>,
    /// The page with followed links, if they are.
    pub(super) html: Option<String>,
    /// Where a link leads that lets somebody in.
    pub(super) link: Option<PersonalText>,
    /// The digits of a one-time code, for a message whose text is made around them.
    pub(super) code: Option<domain::Code>,
}

/// The message for this provider.
///
/// # Errors
/// [`Uncomposable`] names the field at fault.
pub(super) fn compose(sending: &Sending, provider: Provider, additions: Additions) -> Result<Outgoing, Uncomposable> {
    let from = sending.from.as_ref().map(|from| from.expose());
    match sending.message.channel {
        Channel::Email => email(sending, from, additions).map(|email| Outgoing::Email(Box::new(email))),
        Channel::Sms => Ok(Outgoing::Text(OutgoingText {
            id: sending.message.id,
            from: sms_from(from.ok_or(NO_SENDER)?)?,
            to: number(sending)?,
            body: text(sending, additions.code.as_ref())?,
            valid_for: additions.code.is_some().then_some(domain::otp::LIFETIME),
            report_to: additions.report_to,
        })),
        Channel::Whatsapp => whatsapp(sending, from, provider, additions).map(Outgoing::Whatsapp),
    }
}

const NO_SENDER: Uncomposable = fault("from", "is missing, and the tenant has no sender for this channel");

fn whatsapp(
    sending: &Sending,
    from: Option<&str>,
    provider: Provider,
    additions: Additions,
) -> Result<OutgoingWhatsapp, Uncomposable> {
    let content = match &sending.content {
        Content::Template { content_id, variables } => WhatsappContent::Template {
            template: ContentTemplate::parse(content_id)
                .map_err(|_| fault("template", "names a content template that is not HX and 32 hex digits"))?,
            variables: variables.clone(),
        },
        Content::Text { .. } | Content::Code { .. } | Content::Email(_) | Content::Link { .. } => {
            WhatsappContent::Text(text(sending, additions.code.as_ref())?)
        }
    };
    let from = if provider.has_one_sender() {
        None
    } else {
        Some(whatsapp_from(from.ok_or(NO_SENDER)?)?)
    };
    Ok(OutgoingWhatsapp {
        id: sending.message.id,
        from,
        to: number(sending)?,
        content,
        report_to: additions.report_to,
    })
}

fn email(sending: &Sending, from: Option<&str>, additions: Additions) -> Result<OutgoingEmail, Uncomposable> {
    let Recipient::Address(to) = &sending.message.recipient else {
        return Err(fault("to", "must be an e-mail address"));
    };
    let made_body;
    let body = match (&sending.content, &additions.code) {
        (Content::Email(body), _) => &**body,
        (Content::Code { .. }, code) => {
            made_body = otp::email(code.as_ref(), language(sending));
            &made_body
        }
        (Content::Link { link }, _) => {
            made_body = links::email(link.does, additions.link.as_ref(), language(sending));
            &made_body
        }
        (Content::Text { .. } | Content::Template { .. }, _) => return Err(fault("content", "must be a mail's")),
    };
    let html = additions.html.map(Into::into).or_else(|| body.html.clone());
    let content = match (body.text.clone(), html) {
        (Some(text), Some(html)) => EmailContent::Both { text, html },
        (Some(text), None) => EmailContent::Text(text),
        (None, Some(html)) => EmailContent::Html(html),
        (None, None) => return Err(fault("content", "needs a text or html")),
    };
    Ok(OutgoingEmail {
        id: sending.message.id,
        from: mailbox("from", from.ok_or(NO_SENDER)?)?,
        reply_to: body
            .reply_to
            .as_ref()
            .map(|text| mailbox("reply_to", text.expose()))
            .transpose()?,
        to: Mailbox::new(to).map_err(|_| fault("to", "has no form that mail can be sent to"))?,
        subject: Line::new(body.subject.expose()),
        content,
        attachments: additions.files,
        unsubscribe: unsubscribe(body)?,
        headers: Vec::new(),
    })
}

fn unsubscribe(body: &EmailBody) -> Result<Option<Unsubscribe>, Uncomposable> {
    let Some(text) = &body.unsubscribe_url else {
        return Ok(None);
    };
    let unusable = || fault("unsubscribe_url", "must be an http or https link of at most 900 bytes");
    let url = Url::parse(text.expose()).map_err(|_| unusable())?;
    Unsubscribe::new(url).map(Some).map_err(|_| unusable())
}

fn text(sending: &Sending, code: Option<&domain::Code>) -> Result<domain::PersonalText, Uncomposable> {
    match (&sending.content, code) {
        (_, Some(code)) => Ok(otp::text(code, language(sending))),
        (Content::Text { text }, None) => Ok(text.clone()),
        // At the door, where nobody may know the code yet.
        (Content::Code { .. }, None) => Ok(domain::PersonalText::new("")),
        (Content::Template { .. } | Content::Email(_) | Content::Link { .. }, None) => {
            Err(fault("content", "must be a text"))
        }
    }
}

fn language(sending: &Sending) -> Language {
    sending.message.language.unwrap_or(Language::English)
}

fn number(sending: &Sending) -> Result<domain::E164, Uncomposable> {
    match &sending.message.recipient {
        Recipient::Number(number) => Ok(number.clone()),
        Recipient::Address(_) => Err(fault("to", "must be a phone number")),
    }
}

/// Whether messages of a channel may come from this sender.
///
/// # Errors
/// [`Uncomposable`] says what it has to be.
pub fn check_sender(channel: Channel, text: &str) -> Result<(), Uncomposable> {
    match channel {
        Channel::Email => mailbox("from", text).map(drop),
        Channel::Sms => sms_from(text).map(drop),
        Channel::Whatsapp => whatsapp_from(text).map(drop),
    }
}

/// Reads who a text message comes from: a number, Twilio's messaging service, or a name.
///
/// # Errors
/// [`Uncomposable`] when it is none of them.
fn sms_from(text: &str) -> Result<TextFrom, Uncomposable> {
    if let Ok(name) = SenderName::parse(text) {
        return Ok(TextFrom::Name(name));
    }
    number_or_service(text).ok_or(fault(
        "from",
        "must be a phone number with + and its country's code, a messaging service (MG and 32 hex digits), \
         or a name of at most 11 letters, digits and spaces",
    ))
}

/// Reads who a WhatsApp message comes from: a number, or Twilio's messaging service.
///
/// # Errors
/// [`Uncomposable`] when it is neither.
fn whatsapp_from(text: &str) -> Result<TextFrom, Uncomposable> {
    number_or_service(text).ok_or(fault(
        "from",
        "must be a phone number with + and its country's code, or a messaging service (MG and 32 hex digits)",
    ))
}

fn number_or_service(text: &str) -> Option<TextFrom> {
    let service = MessagingService::parse(text).ok().map(TextFrom::Service);
    service.or_else(|| domain::E164::parse(text).ok().map(TextFrom::Number))
}

/// Reads `Name <address>` or an address.
///
/// # Errors
/// [`Uncomposable`] when no mail can be sent there.
fn mailbox(field: &'static str, text: &str) -> Result<Mailbox, Uncomposable> {
    let unusable = || fault(field, "must be an e-mail address, or `Name <address>`");
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    };
    let address = EmailAddress::parse(address).map_err(|_| unusable())?;
    Ok(Mailbox::new(&address).map_err(|_| unusable())?.named(&Line::new(name)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sender_of_mail_is_an_address_with_or_without_a_name() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let found = mailbox("from", text).ok();
            let found = found.as_ref().map(|mailbox| (mailbox.address(), mailbox.name()));
            assert_eq!(found, expected, "{text}");
        };
        check("desk@example.com", Some(("desk@example.com", None)));
        check("Desk <desk@example.com>", Some(("desk@example.com", Some("Desk"))));
        check(
            "\"Desk, of <Example>\" <desk@example.com>",
            Some(("desk@example.com", Some("Desk, of <Example>"))),
        );
        for wrong in ["", "Desk", "desk@", "Desk <desk>", "a@example.com, b@example.com"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_sender_of_texts_is_a_number_or_a_service_and_of_sms_a_name() {
        let check = |text: &str, sms, whatsapp| {
            let found = [Channel::Sms, Channel::Whatsapp].map(|channel| check_sender(channel, text).is_ok());
            assert_eq!(found, [sms, whatsapp], "{text}");
        };
        check("+12025550143", true, true);
        check("MG00000000000000000000000000000001", true, true);
        check("MG000000000000", false, false);
        check("Acme", true, false);
        check("Acme and Sons", false, false);
        check("0612345678", false, false);
    }
}
