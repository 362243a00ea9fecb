//! `relais dead`.

mod edit;
mod line;
mod transfer;
mod which;

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use ::jobs::bulk::renewed;
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use domain::{AuditAction, BulkAct};
use queue::backend::{Backend, DeadGroup, Kept, State};
use queue::{Clock, JobId};
use serde_json::{Value, json};

pub use self::line::letter as letter_of_line;
use self::which::Which;
use super::answer::{Answer, or_dash, table, tenant};
use super::audit::Log;
use super::many::{self, How};
use super::{history, jobs, pages, who};
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
    /// Show a dead letter: why it died, each failed attempt, each call to a provider, its payload, and what was edited.
    Show {
        /// The job's id.
        id: JobId,
        #[command(flatten)]
        how: jobs::Shown,
    },
    /// Run dead letters again, with all their attempts: some by id, at once, or all that match, by a bulk action.
    ///
    /// Exit status 1 if one of the ids is not a dead letter.
    ///
    /// What died with its time over gets that time again; a one-time code does not, and nothing is sent.
    ///
    /// Example: relais dead retry --kind send_sms --canary 10 --rate 200/s --yes --by ann
    #[command(
        override_usage = "relais dead retry ID…\n       relais dead retry --all|--kind KIND|… --preview\n       \
                                relais dead retry --all|--kind KIND|… [--canary K] [--rate N/s] --yes [--wait]"
    )]
    Retry {
        #[command(flatten)]
        these: These,
        /// Retry so many first, the latest to die, and wait for them to end; if one dies again, leave the others alone.
        #[arg(long, conflicts_with = "ids", value_parser = clap::value_parser!(u32).range(1..))]
        canary: Option<u32>,
    },
    /// Replace a dead letter's payload. What its kind cannot read is refused; what changed is printed, and kept for
    /// `relais dead show`.
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
        /// Who edits; shown with the dead letter.
        #[arg(long)]
        by: Option<String>,
    },
    /// Remove dead letters for good: some by id, at once, or all that match, by a bulk action.
    ///
    /// Exit status 1 if one of the ids is not a dead letter.
    #[command(
        override_usage = "relais dead delete ID…\n       relais dead delete --all|--kind KIND|… --preview\n       \
                                relais dead delete --all|--kind KIND|… [--rate N/s] --yes [--wait]"
    )]
    Delete(These),
    /// Print dead letters with payload and failed attempts, one JSON object a line, for `import`.
    Export {
        #[command(flatten)]
        which: Which,
        /// Print addresses, texts and links in clear: needed only where the keys are other ones.
        #[arg(long)]
        reveal: bool,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
    /// Take in dead letters that were exported. Those that are known already stay as they are.
    ///
    /// Exit status 1 if one of the lines is refused.
    Import {
        /// The file; `-` reads from standard input.
        file: PathBuf,
        /// Who asks; kept in the audit log.
        #[arg(long)]
        by: Option<String>,
    },
}

/// Some by name, or all that match.
#[derive(Args)]
#[group(skip)]
pub(super) struct These {
    /// The jobs' ids.
    #[arg(required_unless_present_any = ["all", "Which"], conflicts_with_all = ["all", "Which"])]
    ids: Vec<JobId>,
    /// All that match the filters; without a filter, all there are.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
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
        Command::Groups { which } => {
            let groups = backend.dead_groups(&which.filter()).await?;
            Ok(show_groups(&groups))
        }
        Command::Show { id, how } => {
            let (kept, reveal) = (find(&*backend, id).await?, how.reveal);
            let shown = jobs::show_to(how, item(&kept), &kept, settings).await?;
            Ok(history::with(shown, &kept, reveal, settings).await)
        }
        Command::Retry { these, canary } if these.ids.is_empty() => {
            many::run(BulkAct::Retry, these.which.selection(), canary, these.how, settings).await
        }
        Command::Delete(these) if these.ids.is_empty() => {
            many::run(BulkAct::Delete, these.which.selection(), None, these.how, settings).await
        }
        Command::Retry { these, .. } => {
            let now = Clock::System.now();
            let log = Log::of(these.how.by, settings).await?;
            let (done, missing) = each(&*backend, these.ids, async |kept: Kept| {
                log.about_to(AuditAction::DeadLetterRetried, Some(kept.id.to_string()), None)
                    .await?;
                Ok(backend.retry_dead(kept.id, renewed(&kept, now).as_deref(), now).await?)
            })
            .await?;
            Ok(counted("retried", "will run again", done, &missing))
        }
        Command::Delete(these) => {
            let log = Log::of(these.how.by, settings).await?;
            let (done, missing) = each(&*backend, these.ids, async |kept: Kept| {
                log.about_to(AuditAction::DeadLetterDeleted, Some(kept.id.to_string()), None)
                    .await?;
                Ok(backend.delete_dead(kept.id).await?)
            })
            .await?;
            Ok(counted("deleted", "removed for good", done, &missing))
        }
        Command::Edit {
            id,
            payload,
            reveal,
            by,
        } => {
            let mut new = Vec::new();
            open(&payload)?
                .read_to_end(&mut new)
                .with_context(|| format!("{} cannot be read", payload.display()))?;
            let by = by.unwrap_or_else(who::whoever);
            edit::edit(&*backend, id, &new, reveal, by, settings).await
        }
        Command::Export { which, reveal, by } => {
            let log = Log::of(by, settings).await?;
            let how = json!({ "reveal": reveal });
            log.about_to(AuditAction::DeadLettersExported, None, Some(how)).await?;
            transfer::export(&*backend, &which, reveal, settings).await
        }
        Command::Import { file, by } => {
            let (log, file) = (Log::of(by, settings).await?, open(&file)?);
            log.about_to(AuditAction::DeadLettersImported, None, None).await?;
            transfer::import(&*backend, file, settings).await
        }
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

/// Does something with each of some dead letters; answers how often it was done, and which ids were none.
async fn each(
    backend: &dyn Backend,
    ids: Vec<JobId>,
    act: impl AsyncFn(Kept) -> anyhow::Result<bool>,
) -> anyhow::Result<(usize, Vec<JobId>)> {
    let mut done = 0;
    let mut missing = Vec::new();
    for id in ids {
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
    Ok((done, missing))
}

fn counted(name: &str, words: &str, done: usize, missing: &[JobId]) -> Answer {
    let ids: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let mut text = format!("{done} {words}.");
    if !ids.is_empty() {
        text += &format!("\nNot a dead letter: {}", ids.join(", "));
    }
    Answer::new(json!({ name: done, "missing": ids }), text).failed_if(!ids.is_empty())
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
