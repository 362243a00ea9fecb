//! The way of jobs through Redis: the arguments of the scripts that move them, and their answers.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use redis::{Cmd, Value};
use uuid::Uuid;

use super::RedisQueue;
use super::link::misunderstood;
use super::script::{ADD, RENEW, STEP, SWEEP};
use super::stored::{Head, first_place, line, time};
use crate::backend::{
    Added, BATCH_MAX, CRASH_BACKOFF, CRASHES_MAX, ClaimRequest, Claimed, Claims, Excerpt, Failure, NewJob, Outcome,
    QueueError, Settle, Sweep, Ticket, bounded, cut_error,
};
use crate::clock::{Millis, day, millis};
use crate::flow::Key;
use crate::job::{JobId, Queue};

/// What is kept as the last failure of a job whose workers died.
const POISON_TEXT: &str = "the worker process died while it ran this job";

/// How many thousands of dead letters one sweep puts into their buckets.
const SWEEP_ROUNDS: usize = 5;

impl RedisQueue {
    /// Adds jobs of one queue.
    pub(super) async fn add_to(
        &self,
        queue: Queue,
        jobs: &[NewJob],
        answers: &mut [Added],
        now: Millis,
    ) -> Result<(), QueueError> {
        // The first of a batch with an id is the one that counts. One group per place, due time and line; the order of a
        // line is that of the call.
        let mut ids = HashSet::with_capacity(jobs.len());
        let first = |index: &usize| jobs[*index].queue == queue && ids.insert(jobs[*index].id);
        let mut order: Vec<usize> = (0..jobs.len()).filter(first).collect();
        if order.is_empty() {
            return Ok(());
        }
        order.sort_by_key(|index| Group::of(&jobs[*index], now).sorted());
        let groups: Vec<&[usize]> = order
            .chunk_by(|one, other| Group::of(&jobs[*one], now) == Group::of(&jobs[*other], now))
            .collect();

        let mut command = ADD.on(self.tag(queue));
        command.arg(day(now)).arg(groups.len());
        for group in groups {
            let (size, group) = (group.len(), Group::of(&jobs[group[0]], now));
            command.arg(first_place(group.tenant, group.limit)).arg(size);
            if group.due > now {
                command.arg(group.due)
            } else {
                command.arg("")
            };
            command.arg(group.order.map_or("", Key::as_str));
        }
        let mut value = Vec::new();
        for index in &order {
            let job = &jobs[*index];
            Head {
                tenant: job.tenant,
                attempts: 0,
                crashes: 0,
                keys: Cow::Borrowed(&job.keys),
            }
            .write(&job.body, &mut value);
            command.arg(job.id.0.as_bytes()).arg(&value);
        }
        let duplicates: Vec<usize> = self.link.run(&ADD, &command).await?;
        for index in &order {
            answers[*index] = Added::New;
        }
        for position in duplicates {
            *order
                .get(position - 1)
                .and_then(|index| answers.get_mut(*index))
                .ok_or_else(misunderstood)? = Added::Duplicate;
        }
        Ok(())
    }

    /// Settles and claims; either may be nothing.
    pub(super) async fn step_in(
        &self,
        queue: Queue,
        settles: &[Settle],
        request: Option<&ClaimRequest>,
        now: Millis,
    ) -> Result<(Vec<bool>, Claims), QueueError> {
        bounded(settles.len())?;
        let want = request.map_or(0, |request| request.want.min(BATCH_MAX));
        if settles.is_empty() && want == 0 {
            return Ok((Vec::new(), Claims::default()));
        }
        if want > 0 {
            self.claims(queue);
        }
        let mut held = vec![false; settles.len()];
        let order = Endings::of(settles, &mut held);

        let mut command = STEP.on(self.tag(queue));
        command.arg(now).arg(day(now));
        command.arg(request.map_or(0, |request| request.lane)).arg(want);
        command.arg(request.map_or(Uuid::nil(), |request| request.session).as_bytes());
        command.arg(request.map_or(now, |request| request.until));
        order.write(settles, now, &mut command);

        let answer: Value = self.link.run(&STEP, &command).await?;
        let lane = request.map_or(0, |request| request.lane);
        let (claims, refused) = read_step(answer, queue, lane).ok_or_else(misunderstood)?;
        for position in refused {
            let index = order.index(position).ok_or_else(misunderstood)?;
            held[index] = false;
        }
        Ok((held, claims))
    }

    /// Moves the ends of leases.
    pub(super) async fn renew_in(&self, queue: Queue, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError> {
        let mut lost = Vec::new();
        for claims in claims.chunks(BATCH_MAX) {
            let mut command = RENEW.on(self.tag(queue));
            command.arg(until).arg(claims);
            lost.extend(self.link.run::<Vec<i64>>(&RENEW, &command).await?);
        }
        Ok(lost)
    }

    /// Promotes and takes back.
    pub(super) async fn sweep_in(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError> {
        let mut command = SWEEP.on(self.tag(queue));
        command
            .arg(now)
            .arg(day(now))
            .arg(serde_json::json!(POISON_TEXT).to_string());
        for crashes in 1..CRASHES_MAX {
            command.arg(millis(CRASH_BACKOFF.wait(crashes.into(), dice)));
        }
        let (promoted, rescued, unheard, poisoned, next_due, loose): (usize, usize, usize, usize, String, i64) =
            self.link.run(&SWEEP, &command).await?;
        if loose > 0 {
            self.put_letters(queue, SWEEP_ROUNDS).await?;
        }
        Ok(Sweep {
            promoted,
            rescued,
            unheard,
            poisoned,
            next_due: next_due.parse().ok(),
        })
    }
}

/// What jobs of one add have in common that go the same way.
#[derive(PartialEq, Eq)]
struct Group<'a> {
    tenant: Uuid,
    due: Millis,
    order: Option<&'a Key>,
    limit: Option<&'a Key>,
}

impl<'a> Group<'a> {
    fn of(job: &'a NewJob, now: Millis) -> Self {
        Self {
            tenant: job.tenant,
            due: job.run_at.max(now),
            order: job.keys.order.as_ref().map(|order| &order.key),
            limit: job.keys.limit.as_ref(),
        }
    }

    /// What a batch is sorted by: jobs of a line stay in their order whatever limits they count under.
    fn sorted(self) -> (Uuid, Millis, Option<&'a Key>, Option<&'a Key>) {
        let limit = self.limit.filter(|_| self.order.is_none());
        (self.tenant, self.due, self.order, limit)
    }
}

/// The order in which the step script gets the endings: indices of those that are simply done, by claim, limit key and
/// whether they stand in lines, and of the others.
struct Endings {
    done: Vec<usize>,
    others: Vec<usize>,
}

impl Endings {
    /// Marks in `held` what is sent. The same ending twice in one call is sent once and not held the second time.
    fn of(settles: &[Settle], held: &mut [bool]) -> Self {
        let mut known = HashSet::with_capacity(settles.len());
        let (mut done, mut others) = (Vec::with_capacity(settles.len()), Vec::new());
        for (index, settle) in settles.iter().enumerate() {
            held[index] = known.insert((settle.id, settle.ticket.claim));
            if held[index] {
                if settle.outcome == Outcome::Done {
                    done.push(index)
                } else {
                    others.push(index)
                }
            }
        }
        done.sort_by_key(|index| together(&settles[*index]));
        Self { done, others }
    }

    fn write(&self, settles: &[Settle], now: Millis, command: &mut Cmd) {
        let group = |index: &usize| together(&settles[*index]);
        let groups: Vec<&[usize]> = self.done.chunk_by(|one, other| group(one) == group(other)).collect();
        command.arg(groups.len()).arg(self.others.len());
        for indices in groups {
            let (claim, limit, in_lines) = group(&indices[0]);
            command.arg(claim).arg(limit.map_or("", Key::as_str));
            command.arg(u8::from(in_lines)).arg(indices.len());
            for index in indices {
                command.arg(settles[*index].id.0.as_bytes());
            }
            let ordered = indices.iter().map(|index| &settles[*index]);
            for (settle, order) in ordered.filter_map(|settle| Some((settle, settle.keys.order.as_ref()?))) {
                command.arg(line(settle.tenant, &order.key));
            }
        }
        for index in &self.others {
            write_ending(&settles[*index], now, command);
        }
    }

    /// The index of what the script calls the ending at `position`, counted from 1.
    fn index(&self, position: usize) -> Option<usize> {
        self.done
            .iter()
            .chain(&self.others)
            .nth(position.checked_sub(1)?)
            .copied()
    }
}

/// What jobs that are done must have in common to be sent as one group.
fn together(settle: &Settle) -> (i64, Option<&Key>, bool) {
    (
        settle.ticket.claim,
        settle.keys.limit.as_ref(),
        settle.keys.order.is_some(),
    )
}

fn write_ending(settle: &Settle, now: Millis, command: &mut Cmd) {
    let (name, time, text, error) = match &settle.outcome {
        Outcome::Done => unreachable!("those are sent in groups"),
        Outcome::Later { run_at, error, cool } => ("later", *run_at, if *cool { "cool" } else { "" }, error.as_deref()),
        Outcome::Dead { reason, error } => ("dead", now, reason.name(), error.as_deref()),
        Outcome::Park { gate } => ("park", now, gate.as_str(), None),
        Outcome::Release => ("release", now, "", None),
    };
    let used = settle.attempts.saturating_add(1);
    let attempts = if error.is_some() { used } else { settle.attempts };
    let failure = error.map_or_else(String::new, |error| {
        let error = cut_error(error).to_owned();
        serde_json::to_string(&Failure {
            attempt: used,
            at: now,
            error,
            excerpt: settle.excerpt.clone().map(Excerpt::cut),
        })
        .expect("numbers and a text are JSON")
    });
    let mut head = Vec::new();
    Head {
        tenant: settle.tenant,
        attempts,
        crashes: settle.crashes,
        keys: Cow::Borrowed(&settle.keys),
    }
    .write(&[], &mut head);
    command.arg(settle.ticket.claim).arg(settle.id.0.as_bytes()).arg(name);
    command.arg(head).arg(time).arg(text).arg(failure);
}

/// The claims, and the positions of the refused endings.
fn read_step(answer: Value, queue: Queue, lane: u8) -> Option<(Claims, Vec<usize>)> {
    let Value::Array(parts) = answer else { return None };
    let [claim, ids, values, more, opens_at, refused, reserved]: [Value; 7] = parts.try_into().ok()?;
    let (Value::Int(claim), Value::BulkString(ids), Value::Array(values)) = (claim, ids, values) else {
        return None;
    };
    let Value::BulkString(opens_at) = opens_at else {
        return None;
    };
    let ticket = Ticket { claim, seq: 0 };
    let reserved: Vec<(usize, Millis)> = redis::from_redis_value(reserved).ok()?;
    let starts: HashMap<_, _> = reserved.into_iter().collect();
    let jobs = ids
        .chunks_exact(16)
        .zip(values)
        .zip(1..)
        .filter_map(|((id, value), position)| {
            let Value::BulkString(mut body) = value else {
                return None;
            };
            let head = Head::take(&mut body)?;
            let id = JobId(Uuid::from_slice(id).ok()?);
            Some(Claimed {
                id,
                queue,
                tenant: head.tenant,
                crashes: lane,
                attempts: head.attempts,
                starts_at: starts.get(&position).copied().unwrap_or(0),
                ticket,
                keys: head.keys.into_owned(),
                body,
            })
        });
    let claims = Claims {
        jobs: jobs.collect(),
        more: more == Value::Int(1),
        opens_at: time(&opens_at),
    };
    Some((claims, redis::from_redis_value(refused).ok()?))
}
