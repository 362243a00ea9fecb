//! What is remembered from one look to the next, and what changed.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{AlertChange, AlertRule, Growth, QueueReading, Reading, Readings, Thresholds, Verdict, Waits};
use crate::{AlertId, CircuitState, CredentialId, EndpointId};

/// Everything that is remembered. Kept by whoever looks, so that the next one goes on where it ended, whoever that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// By the rule's name: a rule that only a newer version knows keeps nobody from looking.
    watched: BTreeMap<String, BTreeMap<String, Watched>>,
    waits: BTreeMap<String, Waits>,
    dead: BTreeMap<String, Growth>,
}

/// How it stands with one subject of a rule; one that is quiet is not remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    /// Since when it has been wrong.
    since: DateTime<Utc>,
    /// Set while it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<AlertId>,
    /// Since when it has been well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    well_since: Option<DateTime<Utc>>,
}

/// Something that fired or has recovered; or, without a change, what a firing one is at now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertNews {
    /// From firing to recovery the same.
    pub id: AlertId,
    /// What went wrong.
    pub rule: AlertRule,
    /// With which queue, endpoint or account.
    pub subject: String,
    /// The figure that was found.
    pub value: u64,
    /// Since when it has been wrong.
    pub since: DateTime<Utc>,
    /// What is to be told.
    pub change: Option<AlertChange>,
}

impl Watch {
    /// The marks of a queue's jobs to ask about at the next look.
    #[must_use]
    pub fn marks(&self, queue: &str) -> Vec<String> {
        let waits = self.waits.get(queue);
        waits.map_or_else(Vec::new, |waits| waits.marks().map(str::to_owned).collect())
    }

    /// For how long a job of a queue has been ready at least, by the look of that moment.
    #[must_use]
    pub fn waited(&self, queue: &str, looked_at: DateTime<Utc>) -> TimeDelta {
        let waits = self.waits.get(queue);
        waits.map_or(TimeDelta::zero(), |waits| waits.longest(looked_at))
    }

    /// Takes in what was found at `now`, and answers about everything that fires, fired or has recovered.
    pub fn look(&mut self, found: &Readings, thresholds: &Thresholds, now: DateTime<Utc>) -> Vec<AlertNews> {
        let mut news = Vec::new();
        if let Some(queues) = &found.queues {
            let all = |judge: &mut dyn FnMut(&QueueReading) -> Reading| queues.iter().map(judge).collect::<Vec<_>>();
            let workers = all(&mut Reading::no_worker);
            let waits = all(&mut |queue| self.judge_wait(queue, thresholds, now));
            let dead = all(&mut |queue| self.judge_dead(queue, thresholds, now));
            news.extend(self.judge(AlertRule::NoWorker, workers, now));
            news.extend(self.judge(AlertRule::OldestReady, waits, now));
            news.extend(self.judge(AlertRule::DeadLettersGrowing, dead, now));
        }
        if let Some(failures) = &found.signature_failures {
            let most = thresholds.signature_failures;
            let of =
                |(endpoint, count): &(EndpointId, u64)| Reading::counted(EndpointId::to_string(endpoint), *count, most);
            news.extend(self.judge(AlertRule::SignatureFailures, failures.iter().map(of).collect(), now));
        }
        if let Some(circuits) = &found.circuits {
            let of = |(account, state, failures): &(CredentialId, CircuitState, u64)| {
                Reading::circuit(*account, *state, *failures)
            };
            news.extend(self.judge(AlertRule::CircuitOpen, circuits.iter().map(of).collect(), now));
        }
        news
    }

    fn judge_wait(&mut self, found: &QueueReading, thresholds: &Thresholds, now: DateTime<Utc>) -> Reading {
        let waits = self.waits.entry(found.queue.clone()).or_default();
        let waited = waits.note(&found.still, found.fresh.as_deref(), now);
        let seconds = waited.num_seconds().max(0).unsigned_abs();
        Reading::oldest_ready(found, seconds, thresholds.oldest_ready.get(&found.queue))
    }

    fn judge_dead(&mut self, found: &QueueReading, thresholds: &Thresholds, now: DateTime<Utc>) -> Reading {
        let growth = self.dead.entry(found.queue.clone()).or_default();
        Reading::counted(
            found.queue.clone(),
            growth.note(found.dead, now),
            thresholds.dead_letters,
        )
    }

    /// What is remembered of a rule and not found any more is well.
    fn judge(&mut self, rule: AlertRule, found: Vec<Reading>, now: DateTime<Utc>) -> Vec<AlertNews> {
        let mut before = self.watched.remove(rule.as_str()).unwrap_or_default();
        let is_found = |subject: &String| found.iter().any(|reading| reading.subject == *subject);
        let gone: Vec<_> = before
            .keys()
            .filter(|subject| !is_found(subject))
            .cloned()
            .map(Reading::gone)
            .collect();
        let (mut after, mut news) = (BTreeMap::new(), Vec::new());
        for reading in found.into_iter().chain(gone) {
            let (watched, change) = match before.remove(&reading.subject) {
                Some(known) => known.step(rule, &reading, now),
                None => (Watched::begin(&reading, now), None),
            };
            let Some(watched) = watched else { continue };
            if let Some(id) = watched.alert {
                news.push(AlertNews {
                    id,
                    rule,
                    subject: reading.subject.clone(),
                    value: reading.value,
                    since: watched.since,
                    change,
                });
            }
            if change != Some(AlertChange::Recovered) {
                after.insert(reading.subject, watched);
            }
        }
        if !after.is_empty() {
            self.watched.insert(rule.as_str().to_owned(), after);
        }
        news
    }
}

impl Watched {
    fn begin(reading: &Reading, now: DateTime<Utc>) -> Option<Self> {
        (reading.verdict == Verdict::Wrong).then_some(Self {
            since: now,
            alert: None,
            well_since: None,
        })
    }

    /// How it stands now, `None` = quiet; and what is to be told.
    fn step(self, rule: AlertRule, reading: &Reading, now: DateTime<Utc>) -> (Option<Self>, Option<AlertChange>) {
        // Somebody's clock may have been ahead.
        let since = self.since.min(now);
        match (self.alert, reading.verdict) {
            (None, Verdict::Wrong) if now - since >= rule.hold() => {
                let alert = Some(AlertId::of(rule, &reading.subject, now));
                (Some(Self { since, alert, ..self }), Some(AlertChange::Fired))
            }
            (None, Verdict::Wrong) => (Some(Self { since, ..self }), None),
            (None, Verdict::Unsure | Verdict::Well) => (None, None),
            (Some(_), Verdict::Wrong | Verdict::Unsure) => {
                let firing = Self {
                    since,
                    well_since: None,
                    ..self
                };
                (Some(firing), None)
            }
            (Some(_), Verdict::Well) => {
                let well_since = self.well_since.unwrap_or(now).min(now);
                let change = (now - well_since >= rule.hold()).then_some(AlertChange::Recovered);
                let recovering = Self {
                    since,
                    well_since: Some(well_since),
                    ..self
                };
                (Some(recovering), change)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;

    const FIRED: Option<AlertChange> = Some(AlertChange::Fired);
    const RECOVERED: Option<AlertChange> = Some(AlertChange::Recovered);
    const ACCOUNT: CredentialId = CredentialId(Uuid::from_u128(7));

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn thresholds() -> Thresholds {
        Thresholds {
            oldest_ready: BTreeMap::from([("default".to_owned(), Duration::from_secs(300))]),
            dead_letters: 10,
            signature_failures: 20,
        }
    }

    /// An account that is left alone, or is not.
    fn circuit(is_open: bool) -> Readings {
        let open = (ACCOUNT, CircuitState::Open, 5);
        Readings {
            circuits: Some(is_open.then_some(open).into_iter().collect()),
            ..Readings::default()
        }
    }

    /// What is told at these seconds, where an account is open or not.
    fn told(watch: &mut Watch, looks: &[(i64, bool)]) -> Vec<(i64, AlertChange)> {
        let mut told = Vec::new();
        for (seconds, is_open) in looks {
            // Whoever looks next knows no more than what was written down.
            let kept = serde_json::to_string(&watch).unwrap();
            *watch = serde_json::from_str(&kept).unwrap();
            let news = watch.look(&circuit(*is_open), &thresholds(), at(*seconds));
            told.extend(news.into_iter().filter_map(|news| Some((*seconds, news.change?))));
        }
        told
    }

    #[test]
    fn what_lasts_is_told_once_and_so_is_its_end() {
        let (fired, recovered) = (AlertChange::Fired, AlertChange::Recovered);
        let looks = [
            (0, true),
            (15, true),
            (30, true),
            (45, true),
            (900, true),
            (915, false),
            (930, false),
            (945, false),
            (990, false),
        ];
        let mut watch = Watch::default();
        assert_eq!(told(&mut watch, &looks), [(30, fired), (945, recovered)]);
        assert_eq!(watch, Watch::default(), "nothing is remembered of what is quiet");
    }

    #[test]
    fn what_comes_and_goes_is_told_of_nobody() {
        let flapping: Vec<_> = (0..100).map(|look| (15 * look, look % 3 < 2)).collect();
        assert_eq!(told(&mut Watch::default(), &flapping), []);
        // Nor is the end of what fires, as long as it comes back.
        let mut watch = Watch::default();
        assert_eq!(told(&mut watch, &[(0, true), (30, true)]).len(), 1);
        let back: Vec<_> = (3..100).map(|look| (15 * look, look % 3 == 2)).collect();
        assert_eq!(told(&mut watch, &back), []);
    }

    #[test]
    fn a_clock_that_was_far_ahead_holds_up_nobody_after_it() {
        let (mut watch, far) = (Watch::default(), 1_000_000);
        assert_eq!(
            told(&mut watch, &[(far, true), (0, true), (30, true)]),
            [(30, AlertChange::Fired)]
        );
        let well = [(far, false), (45, false), (75, false)];
        assert_eq!(told(&mut watch, &well), [(75, AlertChange::Recovered)]);
    }

    #[test]
    fn what_cannot_be_looked_at_stays_as_it_was() {
        let mut watch = Watch::default();
        told(&mut watch, &[(0, true), (30, true)]);
        let before = watch.clone();
        assert_eq!(watch.look(&Readings::default(), &thresholds(), at(600)), []);
        assert_eq!(watch, before);
    }

    #[test]
    fn an_alert_has_one_id_from_firing_to_recovery_and_the_next_one_another() {
        let mut watch = Watch::default();
        let mut ids = Vec::new();
        for (seconds, is_open) in [
            (0, true),
            (30, true),
            (60, false),
            (90, false),
            (100, true),
            (130, true),
        ] {
            let news = watch.look(&circuit(is_open), &thresholds(), at(seconds));
            ids.extend(news.into_iter().map(|news| (news.id, news.change, news.value)));
        }
        let first = ids[0].0;
        let of_first = [(first, FIRED, 5), (first, None, 0), (first, RECOVERED, 0)];
        assert_eq!(ids[..3], of_first);
        assert_ne!(ids[3].0, first);
    }

    #[test]
    fn what_a_newer_version_remembers_of_its_own_rules_stops_nobody() {
        let newer = r#"{"watched":{"disk_full":{"disk":{"since":"1970-01-01T00:00:00Z","grows":true}}},"disks":[1]}"#;
        let mut watch: Watch = serde_json::from_str(newer).unwrap();
        assert_eq!(told(&mut watch, &[(0, true), (30, true)]), [(30, AlertChange::Fired)]);
        assert!(watch.watched.contains_key("disk_full"), "{watch:?}");
    }

    fn queue(reading: QueueReading) -> Readings {
        Readings {
            queues: Some(vec![QueueReading {
                queue: "default".into(),
                workers: 1,
                ..reading
            }]),
            ..Readings::default()
        }
    }

    #[test]
    fn a_job_that_nobody_takes_fires_when_it_has_waited_for_too_long() {
        let mut watch = Watch::default();
        let mut fired = Vec::new();
        for look in 0..30 {
            let waits = QueueReading {
                still: watch.marks("default"),
                fresh: Some("a".into()),
                ..QueueReading::default()
            };
            let news = watch.look(&queue(waits), &thresholds(), at(15 * look));
            fired.extend(
                news.into_iter()
                    .filter(|news| news.change.is_some())
                    .map(|news| (15 * look, news.value)),
            );
        }
        assert_eq!(fired, [(330, 330)], "300 s, and 30 more to be sure");
    }

    #[test]
    fn dead_letters_fire_when_they_grow_and_not_for_being_there() {
        let changes = |levels: &[(i64, u64)]| {
            let mut watch = Watch::default();
            let mut changes = Vec::new();
            for (seconds, dead) in levels {
                let found = queue(QueueReading {
                    dead: *dead,
                    ..QueueReading::default()
                });
                let news = watch.look(&found, &thresholds(), at(*seconds));
                changes.extend(news.into_iter().filter_map(|news| Some((*seconds, news.change?))));
            }
            changes
        };
        assert_eq!(changes(&[(0, 500), (30, 500), (60, 500), (900, 509)]), []);
        let (fired, recovered) = (AlertChange::Fired, AlertChange::Recovered);
        let grows = [
            (0, 500),
            (60, 510),
            (90, 510),
            (600, 510),
            (660, 510),
            (720, 510),
            (750, 510),
        ];
        assert_eq!(changes(&grows), [(90, fired), (660, recovered)]);
    }
}
