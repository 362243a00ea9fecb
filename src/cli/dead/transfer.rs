//! Dead letters out into files and in again, one JSON object a line.
//!
//! A line is what `dead show --json` prints, and `sealed`, the stored form as it is, under this installation's keys. So an
//! export in which everything personal is masked comes back whole; and one with payloads in clear (`--reveal`) comes into
//! an installation with other keys, or comes in corrected.

use std::io::{BufRead, Write as _};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use queue::backend::{BATCH_MAX, Backend, Excerpt, Failure, Kept, NewDead, NewJob, Reason, State, cut_error};
use queue::envelope::{Envelope, KIND_BYTES_MAX};
use queue::{AfterDeath, Clock, JobId, Key, Keys, Order, Queue};
use seal::Keyring;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::edit::replaced;
use super::which::Which;
use crate::cli::answer::Answer;
use crate::cli::{jobs, pages, payload};
use crate::config::Settings;

/// Letters that one call keeps: fewer than a call may have, as each may be large.
const IMPORTED_AT_ONCE: usize = 200;

/// The most refused lines that are told one by one.
const REFUSED_TOLD_MAX: usize = 100;

/// Prints while it reads, because dead letters may be many.
pub(super) async fn export(
    backend: &dyn Backend,
    which: &Which,
    reveal: bool,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let filter = which.filter();
    let mut cursor = None;
    loop {
        let page = pages::dead(backend, &filter, BATCH_MAX, cursor).await?;
        for listed in page.items {
            // One that was retried meanwhile is no dead letter any more.
            if let Some(kept) = backend
                .find(listed.id)
                .await?
                .filter(|kept| matches!(kept.state, State::Dead { .. }))
            {
                writeln!(std::io::stdout(), "{}", line(&kept, &settings.keyring, reveal))?;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(Answer::printed());
        }
    }
}

fn line(kept: &Kept, keyring: &Keyring, reveal: bool) -> Value {
    let mut line = jobs::show(jobs::to_json(kept), kept, keyring, reveal).into_json();
    let holds = |order: &Order| order.after_death == AfterDeath::Hold;
    line["line_waits"] = kept.keys.order.as_ref().is_some_and(holds).into();
    line["masked"] = (!reveal).into();
    line["sealed"] = STANDARD.encode(&kept.body).into();
    line
}

/// Keeps the letters of a file. One whose job lives, is dead, or ended not long ago is left as it is.
pub(super) async fn import(backend: &dyn Backend, file: impl BufRead, settings: &Settings) -> anyhow::Result<Answer> {
    let mut told = Told::default();
    let mut letters = Vec::new();
    for (index, text) in file.lines().enumerate() {
        let text = text.context("the file cannot be read")?;
        if text.trim().is_empty() {
            continue;
        }
        match letter(&text, &settings.keyring) {
            Ok(letter) => letters.push(letter),
            Err(error) => told.refuse(index + 1, &error),
        }
        if letters.len() == IMPORTED_AT_ONCE {
            told.keep(backend, std::mem::take(&mut letters)).await?;
        }
    }
    told.keep(backend, letters).await?;
    Ok(told.answer())
}

/// What became of the lines.
#[derive(Default)]
struct Told {
    imported: usize,
    known: usize,
    refused: usize,
    why: Vec<Value>,
}

impl Told {
    fn refuse(&mut self, line: usize, error: &anyhow::Error) {
        self.refused += 1;
        if self.why.len() < REFUSED_TOLD_MAX {
            self.why.push(json!({ "line": line, "error": format!("{error:#}") }));
        }
    }

    async fn keep(&mut self, backend: &dyn Backend, letters: Vec<NewDead>) -> anyhow::Result<()> {
        if !letters.is_empty() {
            let kept = backend.import_dead(&letters, Clock::System.now()).await?;
            let imported = kept.iter().filter(|kept| **kept).count();
            self.imported += imported;
            self.known += kept.len() - imported;
        }
        Ok(())
    }

    fn answer(self) -> Answer {
        let Self {
            imported,
            known,
            refused,
            why,
        } = self;
        let mut words = format!("{imported} imported, {known} known already, {refused} refused.\n");
        for told in &why {
            words += &format!(
                "line {}: {}\n",
                told["line"],
                told["error"].as_str().unwrap_or_default()
            );
        }
        let json = json!({ "imported": imported, "known": known, "refused": refused, "errors": why });
        Answer::new(json, words).failed_if(refused > 0)
    }
}

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
    fn excerpt(&self) -> Option<Excerpt> {
        let excerpt = Excerpt {
            request: self.request.clone(),
            response: self.response.clone(),
        };
        (excerpt != Excerpt::default()).then(|| excerpt.cut())
    }
}

fn letter(text: &str, keyring: &Keyring) -> anyhow::Result<NewDead> {
    // The parser's own words may repeat a value.
    let line: Line = serde_json::from_str(text)
        .map_err(|error| anyhow::anyhow!("it is not a line of `relais dead export` (column {})", error.column()))?;
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
    let failure = |attempt: &Attempt| Failure {
        attempt: attempt.attempt,
        at: attempt.at.timestamp_millis(),
        error: cut_error(&attempt.error).to_owned(),
        excerpt: attempt.excerpt(),
    };
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
            body: line.body(reason, keyring)?,
        },
        reason,
        died_at,
        attempts: line.attempts,
        errors: line.errors.iter().map(failure).collect(),
    })
}

impl Line {
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
        ensure!(kind.len() <= KIND_BYTES_MAX, "`kind` is none there is");
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
