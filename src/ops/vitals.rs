//! Whether the work of this process is progressing.

use queue::{Health, Switch};
use serde_json::{Value, json};

use crate::time::rfc3339;

/// What tells how the queues that this process works are; none for a process that works none.
#[derive(Clone, Default)]
pub struct Vitals(Vec<Switch>);

impl Vitals {
    /// Of a worker's queues.
    #[must_use]
    pub const fn of(switches: Vec<Switch>) -> Self {
        Self(switches)
    }

    /// Whether everything flows.
    #[must_use]
    pub fn are_good(&self) -> bool {
        self.0.iter().all(|switch| switch.health().is_good())
    }

    /// Whether only a new start can help.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.iter().any(|switch| switch.health() == Health::Broken)
    }

    /// Per queue, what is wrong; nothing for a process that works none.
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        let of = |switch: &Switch| (switch.queue().to_string(), words(switch.health()));
        (!self.0.is_empty()).then(|| self.0.iter().map(of).collect())
    }
}

fn words(health: Health) -> Value {
    match health {
        Health::Flowing => json!("ok"),
        Health::Unreachable { since } => json!(format!("the queue has not answered since {}", rfc3339(since))),
        Health::Still { since, ready } => {
            json!(format!(
                "{ready} jobs are ready and none was claimed since {}",
                rfc3339(since)
            ))
        }
        Health::Broken => json!("a part has ended; start the process again"),
    }
}
