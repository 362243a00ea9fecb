//! `relais dead`.

mod edit;
mod transfer;
mod which;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use queue::backend::{BATCH_MAX, Backend, DeadGroup, Kept, State};
use queue::clock::millis;
use queue::envelope::Envelope;
use queue::{Clock, JobId, Millis};
use serde_json::{Value, json};

use self::which::Which;
use super::answer::{Answer, or_dash, table, tenant};
use super::{jobs, pages};
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
    /// What dead letters died of, largest group first: same kind, same reason, same error but for numbers, ids and addresses.
    ///
    /// Example: relais dead groups --since 2h
    Groups {
        #[command(flatten)]
        which: Which,
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
    /// Print dead letters with payload and failed attempts, one JSON object a line, for `import`.
    Export {
        #[command(flatten)]
        which: Which,
        /// Print addresses, texts and links in clear: needed only where the keys are other ones.
        #[arg(long)]
        reveal: bool,
    },
    /// Take in dead letters that were exported. Those that are known already stay as they are.
    ///
    /// Exit status 1 if one of the lines is refused.
    Import {
        /// The file; `-` reads from standard input.
        file: PathBuf,
    },
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
            let page = pages::dead(&*backend, &which.filter(), which.text.as_deref(), limit, cursor).await?;
            let items: Vec<_> = page.items.iter().map(item).collect();
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let words = table(["ID", "KIND", "QUEUE", "TENANT", "REASON", "ATTEMPTS", "DIED"], &rows);
            let more = pages::more(page.next_cursor.as_deref());
            Ok(Answer::new(
                json!({ "items": items, "next_cursor": page.next_cursor }),
                words + &more,
            ))
        }
        Command::Groups { which } => {
            let mut groups = backend.dead_groups(&which.filter()).await?;
            groups.retain(|group| which.has_text(group));
            Ok(show_groups(&groups))
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
        Command::Edit { id, payload, reveal } => {
            let mut new = Vec::new();
            open(&payload)?
                .read_to_end(&mut new)
                .with_context(|| format!("{} cannot be read", payload.display()))?;
            edit::edit(&*backend, id, &new, reveal, settings).await
        }
        Command::Export { which, reveal } => transfer::export(&*backend, &which, reveal, settings).await,
        Command::Import { file } => transfer::import(&*backend, open(&file)?, settings).await,
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
    let (filter, text) = (selection.which.filter(), selection.which.text);
    let limit = selection.limit.unwrap_or(usize::MAX);
    // What is retried may die again while this goes on; each is taken once.
    let mut met = BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = pages::dead(backend, &filter, text.as_deref(), BATCH_MAX.min(limit - done), cursor).await?;
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

/// A file, or what comes in; `-` says so.
fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

fn show_groups(groups: &[DeadGroup]) -> Answer {
    let item = |group: &DeadGroup| {
        json!({
            "group": group.id.to_string(),
            "kind": group.kind,
            "reason": group.reason.name(),
            "error": group.error,
            "count": group.count,
            "last_died_at": rfc3339(group.last_died_at),
        })
    };
    let row = |group: &DeadGroup| {
        [
            group.id.to_string(),
            group.count.to_string(),
            group.kind.clone(),
            group.reason.name().to_owned(),
            rfc3339(group.last_died_at),
            group.error.clone(),
        ]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    let words = table(["GROUP", "COUNT", "KIND", "REASON", "LAST DIED", "ERROR"], &rows);
    Answer::new(json!({ "items": groups.iter().map(item).collect::<Vec<_>>() }), words)
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
    use queue::Queue;
    use queue::backend::Reason;
    use uuid::Uuid;

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
