//! `relais pause` and `relais resume`: stopping what is not a whole queue.

use anyhow::Context as _;
use clap::Subcommand;
use domain::{AuditAction, Author, TenantId};
use queue::backend::Backend;
use queue::{Clock, Pause, Scope};
use serde_json::json;
use uuid::Uuid;

use super::answer::Answer;
use super::{audit, who};
use crate::config::Settings;
use crate::connect;

#[derive(Subcommand)]
pub(super) enum Target {
    /// All jobs of a kind. Workers set those that wait aside; what runs is finished.
    Kind {
        /// The kind, as `relais jobs list` shows it.
        name: String,
    },
    /// All jobs of a tenant. Workers set those that wait aside; what runs is finished.
    Tenant {
        /// The tenant's id.
        id: Uuid,
    },
    /// One worker process: it claims nothing more and finishes what runs.
    Worker {
        /// Its session, as `relais queues` shows it.
        session: Uuid,
    },
}

impl Target {
    fn scope(self) -> Scope {
        match self {
            Self::Kind { name } => Scope::Kind(name),
            Self::Tenant { id } => Scope::Tenant(id),
            Self::Worker { session } => Scope::Worker(session),
        }
    }
}

pub(super) async fn pause(target: Target, by: Option<String>, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    let scope = target.scope();
    let answer = stop(&*backend, scope.clone(), by, settings).await?;
    // What cannot be looked up just now is paused all the same, and nothing is said of it.
    let is_known = is_known(&*backend, &scope, settings).await.unwrap_or(true);
    let unknown =
        " Nothing of that name is known here: look whether it is the right one. `relais resume` ends the pause.";
    Ok(answer.and("known", json!(is_known), if is_known { "" } else { unknown }))
}

async fn is_known(backend: &dyn Backend, scope: &Scope, settings: &Settings) -> anyhow::Result<bool> {
    Ok(match scope {
        Scope::Queue(_) => true,
        Scope::Kind(kind) => ::jobs::registry().names().contains(&kind.as_str()),
        Scope::Tenant(id) => connect::store(settings).await?.tenant(TenantId(*id)).await?.is_some(),
        Scope::Worker(session) => {
            let workers = backend.workers(Clock::System.now()).await?;
            workers.iter().any(|worker| worker.session == *session)
        }
    })
}

pub(super) async fn resume(target: Target, by: Option<String>, settings: &Settings) -> anyhow::Result<Answer> {
    let backend = connect::queue(settings).await?;
    start(&*backend, target.scope(), by, settings).await
}

/// Pauses, and says what is so now: an earlier pause keeps its name and time.
pub(super) async fn stop(
    backend: &dyn Backend,
    scope: Scope,
    by: Option<String>,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let by = who::name(by)?;
    let pause = Pause {
        scope,
        by: by.as_str().to_owned(),
        at: Clock::System.now(),
    };
    backend.pause(&pause).await?;
    let pauses = backend.pauses().await?;
    let kept = pauses.into_iter().find(|other| other.scope == pause.scope);
    let kept = kept.context("somebody resumed it in the same moment")?;
    let (what, name) = crate::ops::why::scope(&kept.scope);
    let since = crate::time::rfc3339(kept.at);
    let words = format!("{what} {name} is paused by {} since {since}.", kept.by);
    let json = json!({ what: name, "paused": true, "by": kept.by, "since": since });
    let entry = audit::entry(
        Author::operator(by),
        AuditAction::Paused,
        Some(format!("{what} {name}")),
        None,
    );
    Ok(audit::note(Answer::new(json, words), entry, settings).await)
}

/// Ends a pause.
pub(super) async fn start(
    backend: &dyn Backend,
    scope: Scope,
    by: Option<String>,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let author = who::author(by)?;
    backend.resume(&scope).await?;
    let (what, name) = crate::ops::why::scope(&scope);
    let answer = Answer::new(json!({ what: name, "paused": false }), format!("{what} {name} flows."));
    let entry = audit::entry(author, AuditAction::Resumed, Some(format!("{what} {name}")), None);
    Ok(audit::note(answer, entry, settings).await)
}
