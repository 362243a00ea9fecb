//! Reads what is to be sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{INVALID_FROM, INVALID_PARAMETER, MISSING_FIELD, Refusal};
use crate::ledger::cut;
use crate::mail::{address, is_address};

const RECIPIENTS_MAX: usize = 50;
const TAG_BYTES_MAX: usize = 256;

/// The body of a request. What is not needed here is left out.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Body {
    #[serde(default)]
    pub(super) from: String,
    #[serde(default)]
    pub(super) to: OneOrMany,
    #[serde(default)]
    pub(super) cc: OneOrMany,
    #[serde(default)]
    pub(super) bcc: OneOrMany,
    #[serde(default)]
    pub(super) reply_to: OneOrMany,
    #[serde(default)]
    pub(super) subject: String,
    pub(super) html: Option<String>,
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
    pub(super) scheduled_at: Option<String>,
    pub(super) template: Option<serde_json::Value>,
}

/// Resend takes one address as a text, several as a list.
#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    pub(super) fn list(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Tag {
    fn is_plain(&self) -> bool {
        let plain = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            text.len() <= TAG_BYTES_MAX && text.bytes().all(allowed)
        };
        !self.name.is_empty() && plain(&self.name) && plain(&self.value)
    }
}

impl Body {
    /// The first thing that is wrong with it.
    pub(super) fn fault(&self) -> Option<Refusal> {
        let has_content = self.html.is_some() || self.text.is_some() || self.template.is_some();
        let has_subject = !self.subject.is_empty() || self.template.is_some();
        let are_addresses = self.everybody().all(is_address);
        let checks = [
            (self.from.is_empty() || self.to.list().is_empty(), MISSING_FIELD),
            (!has_subject || !has_content, MISSING_FIELD),
            (!is_address(address(&self.from)), INVALID_FROM),
            (
                !are_addresses || self.to.list().len() > RECIPIENTS_MAX,
                INVALID_PARAMETER,
            ),
            (!self.tags.iter().all(Tag::is_plain), INVALID_PARAMETER),
        ];
        checks
            .into_iter()
            .find(|(is_wrong, _)| *is_wrong)
            .map(|(_, refusal)| refusal)
    }

    /// What is remembered of it.
    pub(super) fn kept(&self) -> Self {
        let kept = |text: &Option<String>| text.as_deref().map(|text| cut(text).to_owned());
        Self {
            html: kept(&self.html),
            text: kept(&self.text),
            ..self.clone()
        }
    }

    /// The addresses of all who get it.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.to, &self.cc, &self.bcc];
        lists
            .into_iter()
            .flat_map(OneOrMany::list)
            .map(|mailbox| address(mailbox))
    }

    pub(super) fn tags(&self) -> BTreeMap<&str, &str> {
        let pairs = self.tags.iter().map(|tag| (tag.name.as_str(), tag.value.as_str()));
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_and_several_are_the_same() {
        let one: Body = serde_json::from_str(r#"{"to":"ana@example.com"}"#).unwrap_or_default();
        let many: Body = serde_json::from_str(r#"{"to":["Ana <ana@example.com>"]}"#).unwrap_or_default();
        assert!(one.everybody().eq(["ana@example.com"]) && many.everybody().eq(one.everybody()));
    }
}
