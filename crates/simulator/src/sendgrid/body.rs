//! Reads what is to be sent.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use crate::mail::{Seen, is_address};

const PERSONALIZATIONS_MAX: usize = 1_000;
const RECIPIENTS_MAX: usize = 1_000;
const CATEGORIES_MAX: usize = 10;

/// The body of a request. What is not needed here is left out.
#[derive(Deserialize)]
pub(super) struct Body {
    #[serde(default)]
    pub(super) personalizations: Vec<Personalization>,
    pub(super) from: Option<Address>,
    reply_to: Option<Address>,
    #[serde(default)]
    reply_to_list: Vec<Address>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    content: Vec<Content>,
    template_id: Option<String>,
    #[serde(default)]
    custom_args: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) categories: Vec<String>,
    send_at: Option<i64>,
    #[serde(default)]
    mail_settings: MailSettings,
}

/// What goes to some recipients.
#[derive(Deserialize)]
pub(super) struct Personalization {
    #[serde(default)]
    to: Vec<Address>,
    #[serde(default)]
    cc: Vec<Address>,
    #[serde(default)]
    bcc: Vec<Address>,
    subject: Option<String>,
    #[serde(default)]
    custom_args: BTreeMap<String, String>,
    #[serde(default)]
    dynamic_template_data: serde_json::Value,
    send_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Address {
    #[serde(default)]
    pub(super) email: String,
}

#[derive(Deserialize)]
struct Content {
    r#type: String,
    #[serde(default)]
    value: String,
}

#[derive(Default, Deserialize)]
struct MailSettings {
    #[serde(default)]
    sandbox_mode: Switch,
}

#[derive(Default, Deserialize)]
struct Switch {
    #[serde(default)]
    enable: bool,
}

/// Why a request is refused: what is wrong, and where.
pub(super) type Fault = (&'static str, &'static str);

/// A mail to one recipient.
pub(super) struct Mail<'a> {
    pub(super) to: &'a str,
    pub(super) seen: Seen,
    pub(super) custom_args: BTreeMap<String, String>,
    /// Unix seconds.
    pub(super) send_at: Option<i64>,
}

impl Body {
    /// The first thing that is wrong with it.
    pub(super) fn fault(&self) -> Option<Fault> {
        let from = self.from.as_ref().map_or("", |from| from.email.as_str());
        let has_template = self.template_id.is_some();
        let has_subject = !self.subject.is_empty() || has_template;
        let is_empty = |content: &Content| content.value.is_empty();
        let is_plain_late = self
            .content
            .iter()
            .skip(1)
            .any(|content| content.r#type == "text/plain");
        let checks = [
            (
                !(1..=PERSONALIZATIONS_MAX).contains(&self.personalizations.len()),
                ("There are 1 to 1000 personalizations", "personalizations"),
            ),
            (
                !is_address(from),
                (
                    "The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.",
                    "from.email",
                ),
            ),
            (
                !has_template && self.content.is_empty(),
                (
                    "Unless a valid template_id is provided, the content parameter is required.",
                    "content",
                ),
            ),
            (
                self.content.iter().any(is_empty),
                (
                    "The content value must be a string at least one character in length.",
                    "content.value",
                ),
            ),
            (
                is_plain_late,
                ("If present, text/plain must be first, followed by text/html", "content"),
            ),
            (
                self.categories.len() > CATEGORIES_MAX,
                ("There are at most 10 categories", "categories"),
            ),
        ];
        let first = checks
            .into_iter()
            .find(|(is_wrong, _)| *is_wrong)
            .map(|(_, fault)| fault);
        first.or_else(|| self.personalizations.iter().find_map(|one| one.fault(has_subject)))
    }

    pub(super) fn is_sandboxed(&self) -> bool {
        self.mail_settings.sandbox_mode.enable
    }

    /// The first recipient, to whom faults may be limited.
    pub(super) fn first_recipient(&self) -> &str {
        let mut all = self.personalizations.iter().flat_map(|one| &one.to);
        all.next().map_or("", |to| &to.email)
    }

    pub(super) fn reply_to(&self) -> Option<&str> {
        let first = self.reply_to.as_ref().or_else(|| self.reply_to_list.first());
        first.map(|address| address.email.as_str())
    }

    /// One mail for every recipient.
    pub(super) fn mails(&self) -> impl Iterator<Item = Mail<'_>> {
        self.personalizations.iter().flat_map(|one| {
            let everybody = one.to.iter().chain(&one.cc).chain(&one.bcc);
            everybody.map(|to| self.mail(one, &to.email))
        })
    }

    fn mail<'a>(&'a self, personal: &'a Personalization, to: &'a str) -> Mail<'a> {
        let part = |kind: &str| {
            let found = self.content.iter().find(|content| content.r#type == kind);
            found.map_or("", |content| content.value.as_str())
        };
        let subject = personal.subject.as_deref().unwrap_or(&self.subject);
        let seen = match &self.template_id {
            // What the template says is not known here.
            Some(id) => Seen::of_parts(subject, &format!("{id} {}", personal.dynamic_template_data), ""),
            None => Seen::of_parts(subject, part("text/plain"), part("text/html")),
        };
        let mut custom_args = self.custom_args.clone();
        custom_args.extend(personal.custom_args.clone());
        Mail {
            to,
            seen,
            custom_args,
            send_at: personal.send_at.or(self.send_at),
        }
    }

    /// All that a recipient gets to read, beside the subject.
    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        self.content.iter().map(|content| content.value.as_str())
    }
}

impl Personalization {
    fn fault(&self, has_subject: bool) -> Option<Fault> {
        let everybody: Vec<_> = self.to.iter().chain(&self.cc).chain(&self.bcc).collect();
        let mut seen = HashSet::new();
        let is_twice = |address: &&Address| !seen.insert(address.email.to_lowercase());
        if self.to.is_empty() {
            Some((
                "The to array is required for all personalization objects, and must have at least one email object with a valid email address.",
                "personalizations.to",
            ))
        } else if everybody.len() > RECIPIENTS_MAX {
            Some(("There are at most 1000 recipients", "personalizations"))
        } else if everybody.iter().any(|address| !is_address(&address.email)) {
            Some(("Does not contain a valid address.", "personalizations.to"))
        } else if everybody.iter().any(is_twice) {
            Some((
                "Each email address in the personalization block should be unique between to, cc, and bcc.",
                "personalizations",
            ))
        } else if !has_subject && self.subject.as_deref().unwrap_or_default().is_empty() {
            Some((
                "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.",
                "subject",
            ))
        } else {
            None
        }
    }
}
