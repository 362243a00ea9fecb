//! `relais dead`.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use queue::backend::{BATCH_MAX, Backend, Kept, Reason, State};
use queue::clock::millis;
use queue::envelope::{Envelope, seal_payload};
use queue::{Clock, JobId, Millis, Queue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, or_dash, table, tenant};
use super::pages::{self, Filter};
use super::payload::{self, Change};
use super::{jobs, queues};
use crate::config::Settings;
use crate::connect;
use crate::time::rfc3339;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List dead letters, latest death first.
    ///
    /// Example: relais dead list --kind record_email_event --reason attempts
    List {
        #[command(flatten)]
        which: Which,
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = pages::limit)]
        limit: usize,
        /// Go on where the list before ended (its `next_cursor`).
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a dead letter: why it died, each failed attempt, and its payload.
    Show {
        /// The job's id.
        id: JobId,
        /// Show addresses, texts and links in clear.
        #[arg(long)]
        reveal: bool,
    },
    /// Run dead letters again, with all their attempts. Exit status 1 if one of the ids is not a dead letter.
    ///
    /// Examples: relais dead retry 0b81…   ·   relais dead retry --all --kind record_email_event --limit 10
    #[command(override_usage = "relais dead retry ID…\n       relais dead retry --all [--kind KIND] [--limit N] …")]
    Retry(Selection),
    /// Replace a dead letter's payload. What its kind cannot read is refused; what changed is printed.
    ///
    /// It stays dead: `relais dead retry ID` runs it again.
    Edit {
        /// The job's id.
        id: JobId,
        /// A file with the new payload as JSON; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        payload: PathBuf,
        /// Print what changed in clear.
        #[arg(long)]
        reveal: bool,
    },
    /// Remove dead letters for good. Exit status 1 if one of the ids is not a dead letter.
    #[command(override_usage = "relais dead delete ID…\n       relais dead delete --all [--kind KIND] [--limit N] …")]
    Delete(Selection),
    /// Print dead letters with payload and failed attempts, one JSON object a line.
    Export {
        #[command(flatten)]
        which: Which,
        /// Print addresses, texts and links in clear.
        #[arg(long)]
        reveal: bool,
    },
}

/// Filters of lists.
#[derive(Args)]
pub(super) struct Which {
    /// Only those of this queue.
    #[arg(long, value_parser = queues::names())]
    queue: Option<String>,
    /// Only those of this tenant.
    #[arg(long, value_name = "ID")]
    tenant: Option<Uuid>,
    /// Only those of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only those that died of this.
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::name)))]
    reason: Option<String>,
}

impl Which {
    fn filter(self) -> Filter {
        let queue = self.queue.as_deref().and_then(Queue::named);
        Filter {
            queue,
            tenant: self.tenant,
            kind: self.kind,
            state: None,
            reason: self.reason,
        }
    }
}

/// Some by name, or all that match.
#[derive(Args)]
pub(super) struct Selection {
    /// The jobs' ids.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<JobId>,
    /// All that match the filters.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// At most this many, latest death first: try some before all.
    #[arg(long, value_parser = pages::limit, requires = "all")]
    limit: Option<usize>,
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    match command {
        Command::List { which, limit, cursor } => {
            let page = pages::dead(&*backend, &which.filter(), limit, cursor).await?;
            let items: Vec<_> = page.items.iter().map(item).collect();
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let words = table(["ID", "KIND", "QUEUE", "TENANT", "REASON", "ATTEMPTS", "DIED"], &rows);
            let more = pages::more(page.next_cursor.as_deref());
            Ok(Answer::new(
                json!({ "items": items, "next_cursor": page.next_cursor }),
                words + &more,
            ))
        }
        Command::Show { id, reveal } => {
            let kept = find(&*backend, id).await?;
            Ok(jobs::show(item(&kept), &kept, &settings.keyring, reveal))
        }
        Command::Retry(selection) => {
            let now = Clock::System.now();
            let (done, missing) = each(&*backend, selection, async |kept: Kept| {
                backend.retry_dead(kept.id, renewed(&kept, now).as_deref(), now).await
            })
            .await?;
            Ok(counted("retried", "will run again", done, &missing))
        }
        Command::Delete(selection) => {
            let (done, missing) = each(&*backend, selection, async |kept: Kept| {
                backend.delete_dead(kept.id).await
            })
            .await?;
            Ok(counted("deleted", "removed for good", done, &missing))
        }
        Command::Edit { id, payload, reveal } => edit(&*backend, id, &read(&payload)?, reveal, settings).await,
        Command::Export { which, reveal } => export(&*backend, &which.filter(), reveal, settings).await,
    }
}

async fn find(backend: &dyn Backend, id: JobId) -> anyhow::Result<Kept> {
    let kept = jobs::find(backend, id).await?;
    ensure!(
        matches!(kept.state, State::Dead { .. }),
        "job {id} is not dead but {}",
        kept.state.name()
    );
    Ok(kept)
}

/// Does something with each selected dead letter; answers how often it was done, and which ids were none.
async fn each(
    backend: &dyn Backend,
    selection: Selection,
    act: impl AsyncFn(Kept) -> Result<bool, queue::QueueError>,
) -> anyhow::Result<(usize, Vec<JobId>)> {
    let mut done = 0;
    let mut missing = Vec::new();
    for id in selection.ids {
        let kept = backend
            .find(id)
            .await?
            .filter(|kept| matches!(kept.state, State::Dead { .. }));
        let acted = match kept {
            Some(kept) => act(kept).await?,
            None => false,
        };
        if acted {
            done += 1;
        } else {
            missing.push(id);
        }
    }
    if !selection.all {
        return Ok((done, missing));
    }
    let filter = selection.which.filter();
    let limit = selection.limit.unwrap_or(usize::MAX);
    // What is retried may die again while this goes on; each is taken once.
    let mut met = BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = pages::dead(backend, &filter, BATCH_MAX.min(limit - done), cursor).await?;
        for kept in page.items {
            if met.insert(kept.id) && act(kept).await? {
                done += 1;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() || done >= limit {
            return Ok((done, missing));
        }
    }
}

fn counted(name: &str, words: &str, done: usize, missing: &[JobId]) -> Answer {
    let ids: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let mut text = format!("{done} {words}.");
    if !ids.is_empty() {
        text += &format!("\nNot a dead letter: {}", ids.join(", "));
    }
    Answer::new(json!({ name: done, "missing": ids }), text).failed_if(!ids.is_empty())
}

/// An envelope with a new expiry, if the old one has passed: otherwise the job would expire again at once.
fn renewed(kept: &Kept, now: Millis) -> Option<Vec<u8>> {
    let envelope = Envelope::decode(&kept.body)?;
    let expires_at = envelope.expires_at.filter(|at| *at <= now)?;
    let usual = ::jobs::registry()
        .policy(envelope.kind)
        .map(|policy| policy.expires.map(millis));
    let span = usual.unwrap_or(Some(expires_at - envelope.created_at));
    Some(
        Envelope {
            expires_at: span.map(|span| now + span),
            ..envelope
        }
        .encode(),
    )
}

async fn edit(
    backend: &dyn Backend,
    id: JobId,
    new: &[u8],
    reveal: bool,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let kept = find(backend, id).await?;
    let envelope = Envelope::decode(&kept.body).context("its stored form is not one this program ever wrote")?;
    match ::jobs::registry().check(envelope.kind, new) {
        Some(checked) => checked.map_err(|why| anyhow::anyhow!("a {} cannot be read from it: {why}", envelope.kind))?,
        None => bail!(
            "this version does not know the kind `{}`, so it cannot check the payload",
            envelope.kind
        ),
    }
    // What cannot be opened or parsed any more may still be replaced.
    let old = payload::clear(&envelope, id, &settings.keyring).ok();
    let old = old
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null);
    let changes = payload::differences(&old, &serde_json::from_slice(new)?);
    if let Some(change) = changes.iter().find(|change| change.writes_a_mask()) {
        bail!(
            "`{}` is what `dead show` prints in place of the real value. Write the payload from \
             `relais dead show {id} --reveal --json`.",
            change.path()
        );
    }
    let changes: Vec<_> = changes
        .into_iter()
        .map(|change| if reveal { change } else { change.masked() })
        .collect();
    let sealed = seal_payload(id, envelope.kind, new, &settings.keyring);
    let edited = backend
        .edit_dead(
            id,
            &Envelope {
                sealed: &sealed,
                ..envelope
            }
            .encode(),
        )
        .await?;
    ensure!(edited, "job {id} is not a dead letter any more");
    let words = match changes.is_empty() {
        true => "Nothing changed.".to_owned(),
        false => {
            changes.iter().map(Change::words).collect::<String>() + &format!("\n`relais dead retry {id}` runs it.")
        }
    };
    let changes: Vec<_> = changes.iter().map(Change::to_json).collect();
    Ok(Answer::new(json!({ "id": id.to_string(), "changes": changes }), words))
}

fn read(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    Ok(bytes)
}

/// Prints while it reads, because dead letters may be many.
async fn export(backend: &dyn Backend, filter: &Filter, reveal: bool, settings: &Settings) -> anyhow::Result<Answer> {
    let mut cursor = None;
    loop {
        let page = pages::dead(backend, filter, BATCH_MAX, cursor).await?;
        for listed in page.items {
            // One that was retried meanwhile is no dead letter any more.
            if let Some(kept) = backend
                .find(listed.id)
                .await?
                .filter(|kept| matches!(kept.state, State::Dead { .. }))
            {
                let line = jobs::show(item(&kept), &kept, &settings.keyring, reveal).into_json();
                writeln!(std::io::stdout(), "{line}")?;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(Answer::printed());
        }
    }
}

fn item(kept: &Kept) -> Value {
    jobs::to_json(kept)
}

fn row(kept: &Kept) -> [String; 7] {
    let (reason, died) = match &kept.state {
        State::Dead { reason, died_at } => (reason.name(), rfc3339(*died_at)),
        _ => ("-", "-".to_owned()),
    };
    [
        kept.id.to_string(),
        pages::kind(kept),
        kept.queue.name().to_owned(),
        or_dash(tenant(kept.tenant)),
        reason.to_owned(),
        kept.attempts.to_string(),
        died,
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn dead_letter(expires_at: Option<Millis>) -> Kept {
        let envelope = Envelope {
            created_at: 100,
            expires_at,
            correlation: Uuid::nil(),
            kind: "of_another_version",
            sealed: b"x",
        };
        Kept {
            id: JobId(Uuid::nil()),
            queue: Queue::Default,
            tenant: Uuid::nil(),
            attempts: 1,
            crashes: 0,
            state: State::Dead {
                reason: Reason::Expired,
                died_at: 500,
            },
            keys: queue::Keys::default(),
            body: envelope.encode(),
            errors: Vec::new(),
        }
    }

    #[test]
    fn an_expired_job_that_is_retried_gets_its_span_again() {
        let body = renewed(&dead_letter(Some(400)), 1000).unwrap();
        let envelope = Envelope::decode(&body).unwrap();
        assert_eq!((envelope.expires_at, envelope.created_at), (Some(1300), 100));
        assert_eq!(renewed(&dead_letter(Some(1001)), 1000), None);
        assert_eq!(renewed(&dead_letter(None), 1000), None);
    }
}
