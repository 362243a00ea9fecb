//! Reads the body of a signed e-mail event.
//!
//! By hand rather than by derive, for two reasons. A refusal must name the field and must not repeat its value, where
//! serde's own messages do the opposite. And texts are borrowed from the body until they are known to be good.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use domain::{EmailAddress, EmailEvent, EmailEventRecord, PersonalText};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::EmailWebhookError;
use super::identity::Source;
use super::time;
use crate::refusal::Unreadable;

/// The longest name of a provider.
pub const PROVIDER_BYTES_MAX: usize = 64;
/// The longest id: of a message, an event, a person, an organisation.
pub const ID_BYTES_MAX: usize = 255;
/// The longest subject: the longest line that a mail may contain.
pub const SUBJECT_BYTES_MAX: usize = 998;
/// The longest link.
pub const URL_BYTES_MAX: usize = 2_048;

/// Reads `body`, which was signed at `sent_at`.
pub(super) fn read(body: &[u8], sent_at: DateTime<Utc>) -> Result<EmailEventRecord, EmailWebhookError> {
    let mut fields: Fields<'_> =
        serde_json::from_slice(body).map_err(|error| Unreadable::body(&error, "must be a JSON object"))?;
    if let Some(field) = fields.twice {
        return Err(unreadable(field, "is given twice"));
    }

    let provider = provider(required(
        Field::Provider,
        fields.text(Field::Provider, PROVIDER_BYTES_MAX)?,
    )?)?;
    let external_id = required(Field::ExternalId, fields.text(Field::ExternalId, ID_BYTES_MAX)?)?;
    let kind = kind(&required(Field::Event, fields.any_text(Field::Event)?)?)?;
    let event_id = fields.text(Field::EventId, ID_BYTES_MAX)?;
    let occurred_at = fields.instant(Field::OccurredAt)?.unwrap_or(sent_at);
    let recipient = fields
        .any_text(Field::Recipient)?
        .map(|text| address(&text))
        .transpose()?;
    let subject = fields.any_text(Field::Subject)?.filter(|subject| !subject.is_empty());
    let subject = subject
        .map(|text| limited(Field::Subject, text, SUBJECT_BYTES_MAX))
        .transpose()?;
    let person_id = fields.id(Field::PersonId)?;
    let organisation_id = fields.id(Field::OrganisationId)?;
    if person_id.is_some() && organisation_id.is_some() {
        return Err(unreadable(
            Field::OrganisationId,
            "must not be given together with person_id",
        ));
    }
    let url = fields.text(Field::Url, URL_BYTES_MAX)?;

    let source = match &event_id {
        Some(id) => Source::EventId(id),
        None => Source::Content {
            provider: &provider,
            external_id: &external_id,
            kind,
            url: url.as_deref(),
            occurred_at,
        },
    };
    Ok(EmailEventRecord {
        identity: source.identity(),
        provider,
        external_id: external_id.into_owned(),
        kind,
        occurred_at,
        recipient,
        subject: subject.map(|text| PersonalText::new(text.into_owned())),
        person_id: person_id.map(Cow::into_owned),
        organisation_id: organisation_id.map(Cow::into_owned),
        url: url.map(|text| PersonalText::new(text.into_owned())),
    })
}

/// The fields we know. Everything else in the object is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Provider,
    ExternalId,
    Event,
    EventId,
    OccurredAt,
    Recipient,
    Subject,
    PersonId,
    OrganisationId,
    Url,
}

impl Field {
    const ALL: [Self; 10] = [
        Self::Provider,
        Self::ExternalId,
        Self::Event,
        Self::EventId,
        Self::OccurredAt,
        Self::Recipient,
        Self::Subject,
        Self::PersonId,
        Self::OrganisationId,
        Self::Url,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ExternalId => "external_id",
            Self::Event => "event",
            Self::EventId => "event_id",
            Self::OccurredAt => "occurred_at",
            Self::Recipient => "recipient",
            Self::Subject => "subject",
            Self::PersonId => "person_id",
            Self::OrganisationId => "organisation_id",
            Self::Url => "url",
        }
    }
}

/// A field's value before anyone asked what it should be.
enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Whole(i128),
    /// A fraction, a truth value, a list, an object: nothing that any field takes.
    Other,
}

/// The known fields of one object, as they were written.
#[derive(Default)]
struct Fields<'a> {
    values: [Option<Value<'a>>; Field::ALL.len()],
    twice: Option<Field>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, field: Field) -> Option<Value<'a>> {
        self.values[field as usize]
            .take()
            .filter(|value| !matches!(value, Value::Null))
    }

    /// A text of any length.
    fn any_text(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, EmailWebhookError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(unreadable(field, "must be a string")),
        }
    }

    fn text(&mut self, field: Field, bytes_max: usize) -> Result<Option<Cow<'a, str>>, EmailWebhookError> {
        self.any_text(field)?
            .map(|text| limited(field, text, bytes_max))
            .transpose()
    }

    /// The caller's own id, which is often a number where they keep it.
    fn id(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, EmailWebhookError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Text(text)) => limited(field, text, ID_BYTES_MAX).map(Some),
            Some(Value::Whole(number)) => Ok(Some(number.to_string().into())),
            Some(_) => Err(unreadable(
                field,
                "must be a string or a whole number of at most 64 bits",
            )),
        }
    }

    fn instant(&mut self, field: Field) -> Result<Option<DateTime<Utc>>, EmailWebhookError> {
        let instant = match self.take(field) {
            None => return Ok(None),
            Some(Value::Text(text)) => time::parse(&text),
            Some(Value::Whole(seconds)) => i64::try_from(seconds).ok().and_then(time::from_unix_seconds),
            Some(_) => None,
        };
        instant
            .map(Some)
            .ok_or_else(|| unreadable(field, "must be RFC 3339 or whole unix seconds, from 1970 to 9999"))
    }
}

fn required<T>(field: Field, value: Option<T>) -> Result<T, EmailWebhookError> {
    value.ok_or_else(|| unreadable(field, "is missing"))
}

/// A text that is there, short enough, and without characters that cannot be shown. (A NUL cannot even be stored.)
fn limited(field: Field, text: Cow<'_, str>, bytes_max: usize) -> Result<Cow<'_, str>, EmailWebhookError> {
    if text.is_empty() {
        Err(unreadable(field, "must not be empty"))
    } else if text.len() > bytes_max {
        Err(unreadable(field, format!("must have at most {bytes_max} bytes")))
    } else if has_control(&text) {
        Err(unreadable(field, "must have no control characters"))
    } else {
        Ok(text)
    }
}

/// As `char::is_control`, without decoding what is plain ASCII, as nearly every text here is.
fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        // No early end: so the compiler takes many bytes at a time.
        text.bytes().fold(false, |any, byte| any | byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

fn provider(text: Cow<'_, str>) -> Result<String, EmailWebhookError> {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    {
        return Err(unreadable(Field::Provider, "must consist of A-Z a-z 0-9 _ . -"));
    }
    let mut provider = text.into_owned();
    provider.make_ascii_lowercase();
    Ok(provider)
}

fn kind(word: &str) -> Result<EmailEvent, EmailWebhookError> {
    word.parse()
        .map_err(|unknown: domain::UnknownWord| unreadable(Field::Event, format!("is {unknown}")))
}

fn address(text: &str) -> Result<EmailAddress, EmailWebhookError> {
    EmailAddress::parse(text).map_err(|error| unreadable(Field::Recipient, format!("is refused: {error}")))
}

fn unreadable(field: Field, reason: impl Into<Cow<'static, str>>) -> EmailWebhookError {
    EmailWebhookError::Unreadable {
        field: field.name(),
        reason: reason.into(),
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Key(key)) = map.next_key()? {
            let Some(field) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let earlier = fields.values[field as usize].replace(map.next_value()?);
            if earlier.is_some() {
                fields.twice.get_or_insert(field);
            }
        }
        Ok(fields)
    }
}

/// A known field, or `None`.
struct Key(Option<Field>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key(Field::ALL.into_iter().find(|field| field.name() == name)))
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    /// A text with escapes in it, which cannot be borrowed.
    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(number.into()))
    }

    /// Also whole numbers beyond 64 bits, which have lost digits by now.
    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}
