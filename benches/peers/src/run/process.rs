//! One part of a turn, in a process of its own: its memory is its own, and nothing of an earlier one is warm.

use std::fmt::{Display, Formatter};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;

use super::field::Entrant;
use crate::plan::{Outcome, Place, Plan, Task};

/// Beyond the limit that the process keeps by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer reasons are cut.
const REASON_CHARS_MAX: usize = 300;

/// Why there is no figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failed {
    task: Task,
    reason: String,
}

impl Display for Failed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} failed: {}", self.task, self.reason)
    }
}

pub(super) async fn ask(entrant: &Entrant, place: &Place, task: Task, limit_s: u64) -> Result<Outcome, Failed> {
    answer(entrant, place, task, limit_s).await.map_err(|error| {
        let reason = format!("{error:#}").chars().take(REASON_CHARS_MAX).collect();
        Failed { task, reason }
    })
}

async fn answer(entrant: &Entrant, place: &Place, task: Task, limit_s: u64) -> anyhow::Result<Outcome> {
    let plan = Plan {
        place: place.clone(),
        task,
        limit_s,
    };
    let mut command = entrant.command()?;
    command.arg(serde_json::to_string(&plan)?);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let limit = Duration::from_secs(limit_s) + PATIENCE;
    let Ok(output) = tokio::time::timeout(limit, command.spawn()?.wait_with_output()).await else {
        anyhow::bail!("no answer within {} s", limit.as_secs());
    };
    let output = output?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing");
    anyhow::ensure!(output.status.success(), "{last} ({})", output.status);
    let answer = String::from_utf8_lossy(&output.stdout);
    let line = answer.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| anyhow::anyhow!("its answer is {line:?}: {error}"))
}
