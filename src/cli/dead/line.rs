//! One line of a file of dead letters: what it must say to be kept.
//!
//! Whoever wrote the file may have written anything, so what is shown to operators afterwards is checked here: words, times,
//! texts. A refusal names the field and never repeats its value.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use queue::backend::{Excerpt, Failure, NewDead, NewJob, Reason, cut_error};
use queue::envelope::{Envelope, KIND_BYTES_MAX};
use queue::{AfterDeath, JobId, Key, Keys, Order, Queue};
use seal::Keyring;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::edit::replaced;
use crate::cli::answer::plain;
use crate::cli::payload;

/// How far ahead the clock may have been of the installation that a letter comes from.
const CLOCKS_APART: TimeDelta = TimeDelta::days(1);

/// A line of a file. What is missing here is not needed to keep the letter.
#[derive(Deserialize)]
struct Line {
    id: Uuid,
    queue: String,
    tenant: Option<Uuid>,
    reason: String,
    attempts: u16,
    died_at: DateTime<Utc>,
    kind: Option<String>,
    created_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    correlation: Option<Uuid>,
    limit_key: Option<String>,
    order_key: Option<String>,
    #[serde(default)]
    line_waits: bool,
    #[serde(default)]
    errors: Vec<Attempt>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    masked: bool,
    sealed: Option<String>,
}

#[derive(Deserialize)]
struct Attempt {
    attempt: u16,
    at: DateTime<Utc>,
    error: String,
    request: Option<String>,
    response: Option<String>,
}

impl Attempt {
    fn failure(&self) -> Failure {
        Failure {
            attempt: self.attempt,
            at: self.at.timestamp_millis(),
            error: cut_error(&plain(&self.error)).to_owned(),
            excerpt: self.excerpt(),
        }
    }

    fn excerpt(&self) -> Option<Excerpt> {
        let excerpt = Excerpt {
            request: self.request.as_deref().map(plain),
            response: self.response.as_deref().map(plain),
        };
        (excerpt != Excerpt::default()).then(|| excerpt.cut())
    }
}

/// The letter that a line says.
///
/// # Errors
/// Says what is wrong, and with which field.
pub fn letter(text: &[u8], keyring: &Keyring, now: DateTime<Utc>) -> anyhow::Result<NewDead> {
    let line = read(text)?;
    let queue = Queue::named(&line.queue).context("`queue` is none there is")?;
    let reason = Reason::named(&line.reason).context("`reason` is none there is")?;
    let key = |name: &Option<String>| name.as_deref().and_then(Key::new);
    let after_death = if line.line_waits {
        AfterDeath::Hold
    } else {
        AfterDeath::GoOn
    };
    let order = key(&line.order_key).map(|key| Order { key, after_death });
    let died_at = line.died_at.timestamp_millis();
    let body = line.body(reason, keyring)?;
    line.check_times(now)?;
    check_envelope(&body, now)?;
    Ok(NewDead {
        job: NewJob {
            id: JobId(line.id),
            queue,
            tenant: line.tenant.unwrap_or_default(),
            run_at: died_at,
            keys: Keys {
                limit: key(&line.limit_key),
                order,
            },
            body,
        },
        reason,
        died_at,
        attempts: line.attempts,
        errors: line.errors.iter().map(Attempt::failure).collect(),
    })
}

/// The parser's own words may repeat a value, and what lies in a payload has names of its own.
fn read(text: &[u8]) -> anyhow::Result<Line> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    let line = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let path = error.path().to_string();
        let place = match path.as_str() {
            "." => format!("column {}", error.inner().column()),
            path if path.starts_with("payload") => "`payload`".to_owned(),
            path => format!("`{path}`"),
        };
        anyhow::anyhow!("it is not a line of `relais dead export` ({place})")
    })?;
    parser
        .end()
        .map_err(|error| anyhow::anyhow!("something follows the letter (column {})", error.column()))?;
    Ok(line)
}

/// What is kept is removed so long after it died: a time to come would keep it for ever.
fn check_time(field: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> anyhow::Result<()> {
    ensure!(
        (DateTime::UNIX_EPOCH..=now + CLOCKS_APART).contains(&at),
        "`{field}` is before 1970 or in the future"
    );
    Ok(())
}

/// Whether it can be the stored name of a kind, of whatever version.
fn is_kind(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=KIND_BYTES_MAX).contains(&word.len()) && word.chars().all(is_part)
}

/// What operators see of the stored form, if it can be read at all.
fn check_envelope(body: &[u8], now: DateTime<Utc>) -> anyhow::Result<()> {
    let Some(envelope) = Envelope::decode(body) else {
        return Ok(());
    };
    ensure!(is_kind(envelope.kind), "`kind` is none there is");
    let created_at = DateTime::from_timestamp_millis(envelope.created_at).unwrap_or(DateTime::<Utc>::MAX_UTC);
    check_time("created_at", created_at, now)
}

impl Line {
    fn check_times(&self, now: DateTime<Utc>) -> anyhow::Result<()> {
        check_time("died_at", self.died_at, now)?;
        for (place, attempt) in self.errors.iter().enumerate() {
            check_time(&format!("errors[{place}].at"), attempt.at, now)?;
        }
        Ok(())
    }

    /// The stored form as it was, if the payload is still what it holds; else it is made of the payload.
    fn body(&self, reason: Reason, keyring: &Keyring) -> anyhow::Result<Vec<u8>> {
        let id = JobId(self.id);
        let sealed = self.sealed.as_ref().map(|sealed| STANDARD.decode(sealed));
        let sealed = sealed.transpose().ok().context("`sealed` is not base64")?;
        let was = sealed.as_deref().and_then(Envelope::decode);
        let opened = was.and_then(|envelope| envelope.open(id, keyring).ok());
        let held: Option<Value> = opened.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let held_is_unknown = held.is_none();
        let is_same = |held: &Value| self.payload == *held || self.payload == payload::masked(held);
        match (&sealed, held) {
            (Some(sealed), Some(held)) if is_same(&held) => return Ok(sealed.clone()),
            // What nobody could read when it died, nobody need read now.
            (Some(sealed), None) if reason == Reason::Unreadable => return Ok(sealed.clone()),
            _ => {}
        }
        ensure!(
            self.payload.is_object() && !(self.masked && held_is_unknown),
            "it is sealed under a key that is not here, and its payload is masked: export it with --reveal"
        );
        let kind = self.kind.as_deref().context("it says no `kind`")?;
        ensure!(is_kind(kind), "`kind` is none there is");
        let at = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        let envelope = Envelope {
            created_at: at(self.created_at).unwrap_or_else(|| self.died_at.timestamp_millis()),
            expires_at: at(self.expires_at),
            correlation: self.correlation.unwrap_or_default(),
            kind,
            sealed: was.map_or(&[], |was| was.sealed),
        };
        let new = serde_json::to_vec(&self.payload)?;
        Ok(replaced(&envelope, id, &new, keyring)?.0)
    }
}
