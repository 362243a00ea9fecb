//! What is done with the dead.

use std::collections::BTreeMap;

use queue::backend::{BATCH_MAX, DeadFilter, DeadGroup, KNOWN_DAYS, Kept, NewDead, Reason, State};
use queue::clock::day;
use queue::envelope::kind_of;
use queue::grouping::{GroupId, strip};
use queue::{JobId, Millis, Queue};

use super::{Entry, Model};

impl Model {
    /// Dead letters that match, latest death first; of each the last error.
    pub(crate) fn dead(&self, filter: &DeadFilter) -> Vec<Kept> {
        let mut letters: Vec<_> = self.jobs.iter().map(|(id, entry)| entry.kept(*id)).collect();
        letters.retain(|kept| matches(kept, filter));
        letters.sort_by_key(|kept| std::cmp::Reverse((died(kept).1, kept.id)));
        for kept in &mut letters {
            kept.errors = kept.errors.split_off(kept.errors.len().saturating_sub(1));
        }
        letters
    }

    pub(crate) fn dead_groups(&self, filter: &DeadFilter) -> Vec<DeadGroup> {
        let mut groups: BTreeMap<GroupId, DeadGroup> = BTreeMap::new();
        let of_any_text = DeadFilter {
            text: None,
            ..filter.clone()
        };
        for kept in self.dead(&of_any_text) {
            let (id, error) = group_of(&kept);
            if !filter
                .text
                .as_deref()
                .is_none_or(|text| error.to_lowercase().contains(&text.to_lowercase()))
            {
                continue;
            }
            let (reason, died_at) = died(&kept);
            let group = groups.entry(id).or_insert_with(|| DeadGroup {
                id,
                kind: kind_of(&kept.body).to_owned(),
                reason,
                error,
                count: 0,
                last_died_at: died_at,
            });
            group.count += 1;
            group.last_died_at = group.last_died_at.max(died_at);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.id));
        groups
    }

    pub(crate) fn import(&mut self, letter: &NewDead, now: Millis) -> bool {
        if self.jobs.contains_key(&letter.job.id) || self.remembers(letter.job.id, now) {
            return false;
        }
        self.bury(letter, now);
        true
    }

    /// Keeps a letter from elsewhere that is new.
    pub(crate) fn bury(&mut self, letter: &NewDead, now: Millis) {
        self.insert(&letter.job, now);
        self.leave_line(letter.job.id);
        let entry = self.jobs.get_mut(&letter.job.id).expect("it was added");
        entry.attempts = letter.attempts;
        entry.errors.clone_from(&letter.errors);
        entry.state = State::Dead {
            reason: letter.reason,
            died_at: letter.died_at,
        };
    }

    pub(crate) fn retry_dead(&mut self, id: JobId, body: Option<&[u8]>) -> bool {
        let Some(entry) = self.jobs.get_mut(&id).filter(|entry| entry.is_dead()) else {
            return false;
        };
        entry.attempts = 0;
        entry.crashes = 0;
        entry.cancelled = false;
        if let Some(body) = body {
            entry.body = body.to_vec();
        }
        self.make_ready(id);
        true
    }

    /// Answers the queue and the kind of the letter that went.
    pub(crate) fn delete_dead(&mut self, id: JobId) -> Option<(Queue, String)> {
        let dead = self.jobs.get(&id).filter(|entry| entry.is_dead());
        let gone = dead.map(|entry| (entry.queue, kind_of(&entry.body).to_owned()));
        if gone.is_some() {
            self.leave_line(id);
            self.jobs.remove(&id);
            self.removed.insert(id);
        }
        gone
    }

    /// Answers the kinds of the letters that went.
    pub(crate) fn purge(&mut self, queue: Queue, now: Millis, dead_before: Millis) -> Vec<String> {
        self.ended.retain(|_, at| day(now) - day(*at) <= KNOWN_DAYS);
        let old = |entry: &Entry| matches!(entry.state, State::Dead { died_at, .. } if died_at < dead_before);
        let gone = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.queue == queue && old(entry))
            .map(|(id, entry)| (*id, kind_of(&entry.body).to_owned()));
        let gone: Vec<_> = gone.take(BATCH_MAX).collect();
        for (id, _) in &gone {
            self.delete_dead(*id);
        }
        gone.into_iter().map(|(_, kind)| kind).collect()
    }
}

fn died(kept: &Kept) -> (Reason, Millis) {
    match kept.state {
        State::Dead { reason, died_at } => (reason, died_at),
        _ => panic!("{} is not dead", kept.id),
    }
}

/// The group of a dead letter and its stripped error.
fn group_of(kept: &Kept) -> (GroupId, String) {
    let error = kept.errors.last().map_or_else(String::new, |last| strip(&last.error));
    (GroupId::of(kind_of(&kept.body), died(kept).0, &error), error)
}

fn has_text(kept: &Kept, text: &str) -> bool {
    let error = kept.errors.last().map_or("", |last| last.error.as_str());
    error.to_lowercase().contains(&text.to_lowercase())
}

fn matches(kept: &Kept, filter: &DeadFilter) -> bool {
    let State::Dead { reason, died_at } = kept.state else {
        return false;
    };
    filter.queue.is_none_or(|queue| queue == kept.queue)
        && filter.tenant.is_none_or(|tenant| tenant == kept.tenant)
        && filter.kind.as_deref().is_none_or(|kind| kind == kind_of(&kept.body))
        && filter.reason.is_none_or(|wanted| wanted == reason)
        && filter.group.is_none_or(|group| group == group_of(kept).0)
        && filter.text.as_deref().is_none_or(|text| has_text(kept, text))
        && filter.since.is_none_or(|since| died_at >= since)
        && filter.before.is_none_or(|before| died_at < before)
}
