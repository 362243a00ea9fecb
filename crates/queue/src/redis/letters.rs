//! Dead letters by what they died of: buckets, pages, groups; and letters from elsewhere.

mod worded;

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::RedisQueue;
use super::link::misunderstood;
use super::script::{DEAD_ADOPT, DEAD_IMPORT, DEAD_LOOSE, DEAD_PAGE, DEAD_PUT, DEAD_ROWS, DEAD_SIZES};
use super::stored::{Head, Row, read_failures, read_row, take_reason, time};
use crate::backend::{
    BATCH_MAX, DeadFilter, DeadGroup, Excerpt, Failure, GROUPS_MAX, Kept, NewDead, Page, QueueError, Reason, cut_error,
};
use crate::clock::{Millis, day};
use crate::envelope::{HEAD_BYTES_MAX, kind_of};
use crate::grouping::{GroupId, strip};
use crate::job::{JobId, Queue};
use crate::wording::Wording;

/// Letters of more buckets than this are not looked for in each of them, but among all letters.
const MERGED_MAX: usize = 2_000;

/// Buckets that one call looks into.
const BUCKETS_A_CALL: usize = 100;

/// The sorted set of all letters of a queue.
const ALL_LETTERS: &[u8] = b":dead:at";

/// When a letter died, and which: the order of lists, from the end.
type Place = (Millis, Uuid);

/// A bucket: the letters of a tenant that belong to a group.
struct Bucket {
    /// Group and tenant.
    name: Vec<u8>,
    holds: Arc<Holds>,
}

/// What letters of a group have in common.
struct Holds {
    group: GroupId,
    kind: String,
    reason: Reason,
    error: String,
}

impl Bucket {
    fn name(group: GroupId, tenant: Uuid) -> Vec<u8> {
        [&group.0.to_be_bytes(), tenant.as_bytes().as_slice()].concat()
    }
}

impl Holds {
    fn read(group: GroupId, text: &[u8]) -> Option<Self> {
        let (kind, reason, error): (String, String, String) = serde_json::from_slice(text).ok()?;
        let reason = Reason::named(&reason)?;
        Some(Self {
            group,
            kind,
            reason,
            error,
        })
    }

    fn is_taken(&self, filter: &DeadFilter) -> bool {
        let may_have = |text: &String| Wording::new(text).may_be_in_stripped(&self.error);
        filter.text.as_ref().is_none_or(may_have)
            && filter.kind.as_ref().is_none_or(|kind| *kind == self.kind)
            && filter.reason.is_none_or(|reason| reason == self.reason)
    }

    /// The group without any letters.
    fn empty_group(&self) -> DeadGroup {
        DeadGroup {
            id: self.group,
            kind: self.kind.clone(),
            reason: self.reason,
            error: self.error.clone(),
            count: 0,
            last_died_at: Millis::MIN,
        }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy)]
struct Span {
    /// Before this place; `None` = from the latest death.
    before: Option<Place>,
    since: Millis,
    limit: usize,
}

/// What was found in one queue.
struct Looked {
    found: Vec<Place>,
    /// There may be more behind this place.
    up_to: Option<Place>,
}

impl RedisQueue {
    /// Puts letters of a queue into their buckets, at most so many thousands.
    pub(super) async fn put_letters(&self, queue: Queue, rounds: usize) -> Result<(), QueueError> {
        let mut adopted = false;
        for _ in 0..rounds {
            let mut command = DEAD_LOOSE.on(self.tag(queue));
            command.arg(BATCH_MAX).arg(HEAD_BYTES_MAX);
            let (unknown, loose): (i64, Vec<Loose>) = self.link.run(&DEAD_LOOSE, &command).await?;
            if !loose.is_empty() {
                self.put(queue, loose).await?;
            } else if unknown > 0 && !adopted {
                self.adopt(queue).await?;
                adopted = true;
            } else {
                break;
            }
        }
        Ok(())
    }

    async fn put(&self, queue: Queue, loose: Vec<Loose>) -> Result<(), QueueError> {
        let mut command = DEAD_PUT.on(self.tag(queue));
        for (id, number, letter, failures) in loose {
            // A letter that is gone meanwhile is put nowhere.
            let (name, holds) = if letter.is_empty() {
                Default::default()
            } else {
                bucket(letter, &failures)?
            };
            command.arg(id).arg(number).arg(name).arg(holds);
        }
        self.link.run(&DEAD_PUT, &command).await
    }

    /// Finds letters that are older than buckets are.
    async fn adopt(&self, queue: Queue) -> Result<(), QueueError> {
        let mut cursor = "0".to_owned();
        loop {
            let mut command = DEAD_ADOPT.on(self.tag(queue));
            command.arg(&cursor).arg(BATCH_MAX);
            cursor = self.link.run(&DEAD_ADOPT, &command).await?;
            if cursor == "0" {
                return Ok(());
            }
        }
    }

    /// The buckets of a queue that a filter takes.
    async fn taken(&self, queue: Queue, filter: &DeadFilter) -> Result<Vec<Bucket>, QueueError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(format!("{}:dead:buckets", self.tag(queue)));
        let buckets: Vec<(Vec<u8>, Vec<u8>)> = self.link.query(&command).await?;
        // There are many tenants to a group; what it holds is read once.
        let mut groups: HashMap<GroupId, Arc<Holds>> = HashMap::new();
        let mut taken = Vec::new();
        for (name, text) in buckets {
            let group = GroupId(i64::from_be_bytes(*name.first_chunk().ok_or_else(misunderstood)?));
            if filter.group.is_some_and(|wanted| wanted != group)
                || filter.tenant.is_some_and(|tenant| !name.ends_with(tenant.as_bytes()))
            {
                continue;
            }
            let holds = match groups.entry(group) {
                Entry::Occupied(known) => Arc::clone(known.get()),
                Entry::Vacant(new) => {
                    let holds = Holds::read(group, &text).ok_or_else(misunderstood)?;
                    Arc::clone(new.insert(Arc::new(holds)))
                }
            };
            if holds.is_taken(filter) {
                taken.push(Bucket { name, holds });
            }
        }
        Ok(taken)
    }

    /// A page of dead letters, merged from the queues.
    pub(super) async fn list_letters(
        &self,
        filter: &DeadFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, QueueError> {
        let last = cursor
            .map(|cursor| read_cursor(cursor).ok_or_else(misunderstood))
            .transpose()?;
        let end = filter.before.map(|before| (before, Uuid::nil()));
        let span = Span {
            before: [last, end].into_iter().flatten().min(),
            since: filter.since.unwrap_or(Millis::MIN),
            limit: limit.clamp(1, BATCH_MAX),
        };
        let (mut found, mut up_to) = (Vec::new(), None);
        for queue in queues(filter) {
            let looked = self.look(queue, filter, &span).await?;
            found.extend(looked.found.into_iter().map(|place| (place, queue)));
            up_to = up_to.max(looked.up_to);
        }
        // Behind the first place behind which a queue may have more, the others are not complete.
        found.retain(|(place, _)| up_to.is_none_or(|up_to| *place >= up_to));
        found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        if found.len() > span.limit {
            found.truncate(span.limit);
            up_to = found.last().map(|(place, _)| *place);
        }
        let next_cursor = up_to.map(|(died_at, id)| format!("{died_at}.{id}"));
        Ok(Page {
            items: self.letters(&found).await?,
            next_cursor,
        })
    }

    async fn look(&self, queue: Queue, filter: &DeadFilter, span: &Span) -> Result<Looked, QueueError> {
        if !asks_for_buckets(filter) {
            let found = self.page(queue, &[ALL_LETTERS.to_vec()], span, span.limit).await?;
            return Ok(whole(found, span.limit));
        }
        self.put_letters(queue, usize::MAX).await?;
        let taken = self.taken(queue, filter).await?;
        match &filter.text {
            Some(text) => self.look_for(queue, &taken, &Wording::new(text), filter, *span).await,
            None => self.look_among(queue, &taken, taken.len() <= MERGED_MAX, span).await,
        }
    }

    /// The first letters of these buckets, merged from each of them or found among all.
    async fn look_among(
        &self,
        queue: Queue,
        taken: &[Bucket],
        is_merged: bool,
        span: &Span,
    ) -> Result<Looked, QueueError> {
        if is_merged {
            let sets: Vec<Vec<u8>> = taken
                .iter()
                .map(|bucket| [b":dead:b:", bucket.name.as_slice()].concat())
                .collect();
            let found = self.page(queue, &sets, span, span.limit).await?;
            return Ok(whole(found, span.limit));
        }
        let found = self.page(queue, &[ALL_LETTERS.to_vec()], span, BATCH_MAX).await?;
        let mut looked = whole(found, BATCH_MAX);
        let taken: HashSet<&[u8]> = taken.iter().map(|bucket| bucket.name.as_slice()).collect();
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}:dead:in", self.tag(queue)));
        for (_, id) in &looked.found {
            command.arg(id.as_bytes());
        }
        if !looked.found.is_empty() {
            let buckets: Vec<Option<Vec<u8>>> = self.link.query(&command).await?;
            let mut buckets = buckets.iter();
            looked.found.retain(|_| {
                buckets
                    .next()
                    .and_then(Option::as_ref)
                    .is_some_and(|name| taken.contains(name.as_slice()))
            });
        }
        Ok(looked)
    }

    /// The first letters of these sorted sets together.
    async fn page(&self, queue: Queue, sets: &[Vec<u8>], span: &Span, limit: usize) -> Result<Vec<Place>, QueueError> {
        let mut first: Vec<Place> = Vec::new();
        for sets in sets.chunks(BUCKETS_A_CALL) {
            // Nothing that died before what is found already can come before it.
            let full = first.get(limit - 1).map(|(died_at, _)| *died_at);
            let since = full.unwrap_or(span.since);
            if span.before.is_some_and(|(before, _)| before < since) {
                break;
            }
            let mut command = DEAD_PAGE.on(self.tag(queue));
            command.arg(limit).arg(since);
            match span.before {
                Some((before, last)) => command.arg(before).arg(last.as_bytes()),
                None => command.arg("+inf").arg(""),
            };
            command.arg(sets);
            let parts: Vec<Vec<u8>> = self.link.run(&DEAD_PAGE, &command).await?;
            for part in parts.chunks_exact(2) {
                let id = Uuid::from_slice(&part[0]).ok();
                first.push(time(&part[1]).zip(id).ok_or_else(misunderstood)?);
            }
            first.sort_unstable_by(|one, other| other.cmp(one));
            first.truncate(limit);
        }
        Ok(first)
    }

    /// The letters in these places, but for those that are gone meanwhile.
    async fn letters(&self, places: &[(Place, Queue)]) -> Result<Vec<Kept>, QueueError> {
        let mut letters: HashMap<Uuid, Kept> = HashMap::new();
        for queue in Queue::ALL {
            let mut command = DEAD_ROWS.on(self.tag(queue));
            let ids = places
                .iter()
                .filter(|(_, of)| *of == queue)
                .map(|((_, id), _)| id.as_bytes().as_slice());
            let ids: Vec<&[u8]> = ids.collect();
            if ids.is_empty() {
                continue;
            }
            command.arg(ids);
            let rows: Vec<LetterRow> = self.link.run(&DEAD_ROWS, &command).await?;
            for (id, value, state, died_at, second, third, failures) in rows {
                let row: Row = (id, value, state, died_at, second, third);
                let mut kept = read_row(queue, row)?;
                kept.errors = read_failures(&failures)?.pop().into_iter().collect();
                letters.insert(kept.id.0, kept);
            }
        }
        Ok(places.iter().filter_map(|((_, id), _)| letters.remove(id)).collect())
    }

    /// Of each of these buckets how many letters died at these times, and when the last of them.
    async fn sizes(
        &self,
        queue: Queue,
        buckets: &[Bucket],
        filter: &DeadFilter,
    ) -> Result<Vec<(u64, String)>, QueueError> {
        let before = filter
            .before
            .map_or_else(|| "+inf".to_owned(), |before| format!("({before}"));
        let mut sizes = Vec::with_capacity(buckets.len());
        for buckets in buckets.chunks(BATCH_MAX) {
            let mut command = DEAD_SIZES.on(self.tag(queue));
            command.arg(filter.since.unwrap_or(Millis::MIN)).arg(&before);
            command.arg(buckets.iter().map(|bucket| bucket.name.as_slice()).collect::<Vec<_>>());
            let part: Vec<(u64, String)> = self.link.run(&DEAD_SIZES, &command).await?;
            sizes.extend(part);
        }
        Ok(sizes)
    }

    /// Sums over the buckets.
    pub(super) async fn group_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadGroup>, QueueError> {
        let mut groups: BTreeMap<GroupId, DeadGroup> = BTreeMap::new();
        for queue in queues(filter) {
            self.put_letters(queue, usize::MAX).await?;
            let buckets = self.taken(queue, filter).await?;
            let sizes = self.sizes(queue, &buckets, filter).await?;
            for (bucket, (count, last)) in buckets.iter().zip(sizes) {
                if let Some(last_died_at) = time(last.as_bytes()) {
                    let group = groups
                        .entry(bucket.holds.group)
                        .or_insert_with(|| bucket.holds.empty_group());
                    group.count += count;
                    group.last_died_at = group.last_died_at.max(last_died_at);
                }
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        if let Some(text) = filter.text.as_deref().map(Wording::new) {
            groups.retain(|group| text.is_in_group(group));
        }
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.id));
        groups.truncate(GROUPS_MAX);
        Ok(groups)
    }

    /// Keeps letters whose keys are not known.
    pub(super) async fn import_letters(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        let mut imported = vec![false; letters.len()];
        for queue in Queue::ALL {
            let indices: Vec<usize> = (0..letters.len())
                .filter(|index| letters[*index].job.queue == queue)
                .collect();
            if indices.is_empty() {
                continue;
            }
            let mut command = DEAD_IMPORT.on(self.tag(queue));
            command.arg(day(now));
            for letter in indices.iter().map(|index| &letters[*index]) {
                command
                    .arg(letter.job.id.0.as_bytes())
                    .arg(value(letter))
                    .arg(letter.died_at)
                    .arg(failures(letter));
            }
            let kept: Vec<bool> = self.link.run(&DEAD_IMPORT, &command).await?;
            for (index, kept) in indices.into_iter().zip(kept) {
                imported[index] = kept;
            }
            self.put_letters(queue, 1).await?;
        }
        Ok(imported)
    }
}

/// A letter that is in no bucket: id, number, how its value begins, failures.
type Loose = (Vec<u8>, Vec<u8>, Vec<u8>, String);

/// As [`Row`], with failures.
type LetterRow = (Vec<u8>, Vec<u8>, String, Vec<u8>, Vec<u8>, Vec<u8>, String);

/// The name of the bucket a letter belongs into, and what it holds.
fn bucket(mut letter: Vec<u8>, failures: &str) -> Result<(Vec<u8>, String), QueueError> {
    let head = Head::take(&mut letter).ok_or_else(misunderstood)?;
    let reason = take_reason(&mut letter).ok_or_else(misunderstood)?;
    let kind = kind_of(&letter);
    let error = read_failures(failures)?
        .last()
        .map_or_else(String::new, |last| strip(&last.error));
    let group = GroupId::of(kind, reason, &error);
    let holds = serde_json::json!([kind, reason.name(), error]).to_string();
    Ok((Bucket::name(group, head.tenant), holds))
}

/// The stored form of a letter.
fn value(letter: &NewDead) -> Vec<u8> {
    let reason = letter.reason.name();
    let length = u8::try_from(reason.len()).expect("reasons are short");
    let mut value = Vec::new();
    Head {
        tenant: letter.job.tenant,
        attempts: letter.attempts,
        crashes: 0,
        keys: Cow::Borrowed(&letter.job.keys),
    }
    .write(&[&[length], reason.as_bytes(), &letter.job.body].concat(), &mut value);
    value
}

/// The failures of a letter as they are kept; empty if there are none.
fn failures(letter: &NewDead) -> String {
    let cut = |failure: &Failure| Failure {
        error: cut_error(&failure.error).to_owned(),
        excerpt: failure.excerpt.clone().map(Excerpt::cut),
        ..failure.clone()
    };
    if letter.errors.is_empty() {
        return String::new();
    }
    let failures: Vec<Failure> = letter.errors.iter().map(cut).collect();
    serde_json::to_string(&failures).expect("numbers and texts are JSON")
}

fn queues(filter: &DeadFilter) -> impl Iterator<Item = Queue> {
    let only = filter.queue;
    Queue::ALL
        .into_iter()
        .filter(move |queue| only.is_none_or(|only| only == *queue))
}

/// Whether the filter asks for more than queue and times, so that buckets are needed to answer.
fn asks_for_buckets(filter: &DeadFilter) -> bool {
    let DeadFilter {
        queue: _,
        tenant,
        kind,
        reason,
        group,
        since: _,
        before: _,
        text,
    } = filter;
    tenant.is_some() || kind.is_some() || reason.is_some() || group.is_some() || text.is_some()
}

fn whole(found: Vec<Place>, limit: usize) -> Looked {
    let up_to = found.last().copied().filter(|_| found.len() == limit);
    Looked { found, up_to }
}

/// The place of the last letter shown.
fn read_cursor(text: &str) -> Option<Place> {
    let (died_at, id) = text.split_once('.')?;
    Some((time(died_at.as_bytes())?, id.parse::<JobId>().ok()?.0))
}
