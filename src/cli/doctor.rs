//! `relais doctor`: everything an installation needs, looked at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::CircuitState;
use queue::backend::{Backend, Counts, Finding, FindingLevel};
use queue::{Clock, Queue};
use serde_json::json;
use store::{Circuit, Store};

use super::answer::{Answer, table};
use crate::alerts::words;
use crate::config::{Settings, Values};
use crate::connect;
use crate::ops::serving::Serving;
use crate::time::rfc3339;

/// A clock that runs has looked within so long.
const WATCHED_WITHIN: TimeDelta = TimeDelta::minutes(2);

/// How long a part may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What was found, and about what.
struct Looked {
    at: &'static str,
    finding: Finding,
}

/// Findings so far.
#[derive(Default)]
struct Findings(Vec<Looked>);

impl Findings {
    fn add(&mut self, at: &'static str, level: FindingLevel, text: impl Into<String>) {
        self.0.push(Looked {
            at,
            finding: Finding {
                level,
                text: text.into(),
            },
        });
    }

    fn good(&mut self, at: &'static str, text: impl Into<String>) {
        self.add(at, FindingLevel::Good, text);
    }

    fn fault(&mut self, at: &'static str, text: impl Into<String>) {
        self.add(at, FindingLevel::Fault, text);
    }
}

/// Looks at as much as can be looked at.
pub(super) async fn run(values: &Values) -> Answer {
    let mut findings = Findings::default();
    match Settings::read(values) {
        Ok(settings) => {
            findings.good("settings", "complete");
            let kinds = jobs::registry().names().len();
            findings.good("jobs", format!("{kinds} kinds, each ends well within its lease"));
            look_at_store(&settings, &mut findings).await;
            look_at_queue(&settings, &mut findings).await;
        }
        Err(faults) => faults
            .0
            .iter()
            .for_each(|fault| findings.fault("settings", fault.to_string())),
    }
    report(&findings.0)
}

async fn look_at_store(settings: &Settings, findings: &mut Findings) {
    let store = match connect::store(settings).await {
        Ok(store) => store,
        Err(error) => return findings.fault("database", format!("{error:#}")),
    };
    let looked = tokio::time::timeout(ANSWER_WITHIN, look_into(&store, findings)).await;
    if looked.is_err() {
        findings.fault("database", "it does not answer in time");
    }
}

async fn look_into(store: &Store, findings: &mut Findings) {
    match store::pending_migrations(store.db()).await {
        Ok(pending) if pending.is_empty() => findings.good("database", "reached, and up to date"),
        Ok(pending) => {
            let steps = pending.len();
            return findings.fault(
                "database",
                format!("{steps} migrations are missing; run `relais migrate`"),
            );
        }
        Err(error) => return findings.fault("database", error.to_string()),
    }
    match store.endpoints().await {
        Ok(endpoints) => findings.good("keys", format!("the secrets of {} endpoints open", endpoints.len())),
        Err(error) => {
            findings.fault(
                "keys",
                format!("{error}; put the key back into RELAIS_KEYS, behind the one that seals"),
            );
        }
    }
    match store.alert_memory().await {
        Ok(memory) => findings.0.push(watched(memory.looked_at, Utc::now())),
        Err(error) => findings.fault("alerts", error.to_string()),
    }
    match store.circuits(None).await {
        Ok(circuits) => findings.0.extend(resting(&circuits, Utc::now())),
        Err(error) => findings.fault("accounts", error.to_string()),
    }
}

/// Whether somebody looks whether something goes wrong.
fn watched(looked_at: DateTime<Utc>, now: DateTime<Utc>) -> Looked {
    let (level, text) = match now - looked_at {
        ago if ago < WATCHED_WITHIN => (
            FindingLevel::Good,
            "a clock looks whether something goes wrong".to_owned(),
        ),
        _ if looked_at == DateTime::UNIX_EPOCH => (
            FindingLevel::Warning,
            "no clock has looked yet whether something goes wrong; `relais clock` does".to_owned(),
        ),
        ago => {
            let text = format!(
                "no clock has looked whether something goes wrong for {}; start `relais clock`",
                words::span(ago)
            );
            (FindingLevel::Warning, text)
        }
    };
    Looked {
        at: "alerts",
        finding: Finding { level, text },
    }
}

/// The accounts at providers that are left alone because they keep failing.
fn resting(circuits: &[Circuit], now: DateTime<Utc>) -> Vec<Looked> {
    let looked = |level, text| Looked {
        at: "accounts",
        finding: Finding { level, text },
    };
    let rests = circuits.iter().filter(|circuit| circuit.state != CircuitState::Closed);
    let mut found: Vec<_> = rests
        .map(|circuit| {
            let Circuit {
                provider,
                label,
                tenant,
                failures,
                until,
                ..
            } = circuit;
            let what_now = match until {
                Some(until) if *until <= now => "the next message tries it".to_owned(),
                Some(until) => format!("is left alone until {}", rfc3339(until.timestamp_millis())),
                None => "is left alone".to_owned(),
            };
            let text = format!(
                "{provider} `{label}` of tenant {tenant} failed {failures} times in a row and {what_now}; `relais circuits`"
            );
            looked(FindingLevel::Warning, text)
        })
        .collect();
    if found.is_empty() {
        found.push(looked(FindingLevel::Good, "none is left alone".to_owned()));
    }
    found
}

async fn look_at_queue(settings: &Settings, findings: &mut Findings) {
    let backend = match connect::queue(settings).await {
        Ok(backend) => backend,
        Err(error) => return findings.fault("queue", format!("{error:#}")),
    };
    let looked = tokio::time::timeout(ANSWER_WITHIN, look_through(backend, findings)).await;
    match looked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => findings.fault("queue", error.to_string()),
        Err(_) => findings.fault("queue", "it does not answer in time"),
    }
}

async fn look_through(backend: Arc<dyn Backend>, findings: &mut Findings) -> Result<(), queue::QueueError> {
    backend.ping().await?;
    findings.good("queue", "reached");
    findings.0.extend(
        backend
            .check()
            .await?
            .into_iter()
            .map(|finding| Looked { at: "queue", finding }),
    );
    let (workers, pauses) = (backend.workers(Clock::System.now()).await?, backend.pauses().await?);
    for queue in Queue::ALL {
        let counts = backend.counts(queue).await?;
        let serving = Serving::of(queue, &workers, &pauses);
        let finding = served(queue, counts.ready, &serving);
        findings.0.push(Looked { at: "workers", finding });
        stands_still(queue, &counts, findings);
    }
    Ok(())
}

/// What waits for somebody to decide.
fn stands_still(queue: Queue, counts: &Counts, findings: &mut Findings) {
    let mut warn = |text: String| findings.add("queue", FindingLevel::Warning, text);
    if counts.paused {
        warn(format!(
            "{queue} is paused; `relais queues resume {queue}` lets it flow"
        ));
    }
    if counts.parked > 0 {
        let parked = counts.parked;
        warn(format!(
            "{parked} parked in {queue}: their kind or tenant is paused (`relais queues`), or no worker knows their kind or has \
             their key; `relais jobs list --state parked`, and `relais jobs why ID` says which"
        ));
    }
    if counts.dead > 0 {
        warn(format!(
            "{} dead in {queue}; `relais dead list --queue {queue}`",
            counts.dead
        ));
    }
}

/// An idle queue that nobody serves is a risk; one where work waits is a fault.
fn served(queue: Queue, ready: u64, serving: &Serving<'_>) -> Finding {
    let (level, text) = match (serving.claiming.len(), ready) {
        (0, 0) => (
            FindingLevel::Warning,
            format!("nobody serves {queue}; `relais worker` does"),
        ),
        (0, ready) => (
            FindingLevel::Fault,
            format!("nobody serves {queue}, and {ready} jobs wait; start `relais worker`"),
        ),
        (1, _) => (FindingLevel::Good, format!("one worker serves {queue}")),
        (serving, _) => (FindingLevel::Good, format!("{serving} workers serve {queue}")),
    };
    Finding { level, text }
}

fn report(looked: &[Looked]) -> Answer {
    let faults = looked.iter().any(|looked| looked.finding.level == FindingLevel::Fault);
    let items: Vec<_> = looked
        .iter()
        .map(|looked| json!({ "at": looked.at, "level": name(looked.finding.level), "text": looked.finding.text }))
        .collect();
    let rows: Vec<_> = looked
        .iter()
        .map(|looked| {
            [
                name(looked.finding.level).to_owned(),
                looked.at.to_owned(),
                looked.finding.text.clone(),
            ]
        })
        .collect();
    Answer::new(
        json!({ "healthy": !faults, "findings": items }),
        table(["", "AT", "FOUND"], &rows),
    )
    .failed_if(faults)
}

const fn name(level: FindingLevel) -> &'static str {
    match level {
        FindingLevel::Good => "good",
        FindingLevel::Warning => "warning",
        FindingLevel::Fault => "fault",
    }
}

#[cfg(test)]
mod tests {
    use queue::backend::Worker;

    use super::*;

    #[test]
    fn what_stands_still_is_said() {
        let mut findings = Findings::default();
        let counts = Counts {
            parked: 2,
            dead: 3,
            paused: true,
            ..Counts::default()
        };
        stands_still(Queue::Default, &counts, &mut findings);
        assert_eq!(findings.0.len(), 3);
        stands_still(Queue::Bulk, &Counts::default(), &mut findings);
        assert_eq!(findings.0.len(), 3, "nothing to say about a queue that flows");
    }

    #[test]
    fn an_account_that_is_left_alone_is_a_warning_with_its_name() {
        let circuit = |state| Circuit {
            tenant: domain::TenantId(uuid::Uuid::nil()),
            credential: domain::CredentialId(uuid::Uuid::nil()),
            provider: "twilio".into(),
            label: "main".into(),
            state,
            failures: 5,
            until: None,
            changed_at: chrono::DateTime::UNIX_EPOCH,
        };
        let levels = |states: &[CircuitState]| {
            let circuits: Vec<_> = states.iter().map(|state| circuit(*state)).collect();
            let found = resting(&circuits, DateTime::UNIX_EPOCH).into_iter();
            found.map(|looked| looked.finding.level).collect::<Vec<_>>()
        };
        assert_eq!(levels(&[]), [FindingLevel::Good]);
        assert_eq!(levels(&[CircuitState::Closed]), [FindingLevel::Good]);
        let some = [CircuitState::Open, CircuitState::Closed, CircuitState::HalfOpen];
        assert_eq!(levels(&some), [FindingLevel::Warning; 2]);
        let said = |until| {
            let open = Circuit {
                until: Some(until),
                ..circuit(CircuitState::Open)
            };
            resting(&[open], DateTime::UNIX_EPOCH).remove(0).finding.text
        };
        let alone = said(DateTime::UNIX_EPOCH + TimeDelta::seconds(1));
        assert!(alone.contains("twilio `main`") && alone.contains("5 times"), "{alone}");
        assert!(alone.contains("is left alone until 1970-01-01T00:00:01"), "{alone}");
        let over = said(DateTime::UNIX_EPOCH);
        assert!(
            over.contains("the next message tries it") && !over.contains("left alone"),
            "{over}"
        );
    }

    #[test]
    fn an_installation_that_nobody_looks_at_is_a_warning() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(3);
        let level = |looked_at| watched(looked_at, now).finding.level;
        assert_eq!(level(now - TimeDelta::seconds(90)), FindingLevel::Good);
        assert_eq!(level(now - TimeDelta::minutes(2)), FindingLevel::Warning);
        assert_eq!(level(DateTime::UNIX_EPOCH), FindingLevel::Warning);
    }

    #[test]
    fn work_that_waits_where_nobody_works_is_a_fault() {
        let worker = Worker {
            session: uuid::Uuid::nil(),
            name: "box:1".into(),
            queues: vec![("default".into(), 8)],
            kinds: Vec::new(),
            started_at: 0,
        };
        let level = |queue, ready| {
            let serving = Serving::of(queue, std::slice::from_ref(&worker), &[]);
            served(queue, ready, &serving).level
        };
        assert_eq!(level(Queue::Default, 9), FindingLevel::Good);
        assert_eq!(level(Queue::Bulk, 0), FindingLevel::Warning);
        assert_eq!(level(Queue::Bulk, 1), FindingLevel::Fault);
    }
}
