//! Which dead letters a command means.

use ::jobs::bulk::Selection;
use clap::Args;
use clap::builder::PossibleValuesParser;
use queue::backend::{DeadFilter, Reason};
use queue::grouping::GroupId;
use queue::{Clock, Millis, Queue};
use uuid::Uuid;

use crate::cli::queues;
use crate::time::moment;

/// Filters of lists. What is not said does not matter.
#[derive(Args)]
pub(in crate::cli) struct Which {
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
    /// Only those of this group (`relais dead groups`).
    #[arg(long)]
    group: Option<GroupId>,
    /// Only those that died then or later: `2026-01-31T12:00:00Z`, or so long ago: `90m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Millis>,
    /// Only those that died before: as `--since`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Millis>,
    /// Only those with this in their last error, in capitals or not; in a group's, as it is shown.
    #[arg(long)]
    text: Option<String>,
}

impl Which {
    pub(super) fn filter(&self) -> DeadFilter {
        DeadFilter {
            queue: self.queue.as_deref().and_then(Queue::named),
            tenant: self.tenant,
            kind: self.kind.clone(),
            reason: self.reason.as_deref().and_then(Reason::named),
            group: self.group,
            since: self.since,
            before: self.until,
            text: self.text.clone(),
        }
    }

    pub(super) fn selection(&self) -> Selection {
        Selection(self.filter())
    }
}

fn time(text: &str) -> Result<Millis, String> {
    moment(text, Clock::System.now()).ok_or_else(|| "a time such as `2026-01-31T12:00:00Z`, `90m`, `2h` or `7d`".into())
}
