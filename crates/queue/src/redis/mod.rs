//! The queue on Redis 7 or Valkey: lists that are claimed in groups, by scripts that are each atomic.
//!
//! # What is kept
//!
//! All keys of a queue start with its hash tag `{prefix:queue}`, so they lie in one slot of a cluster, and a script that
//! declares the tag has declared them all: which lists a script touches depends on the tenants it meets.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `jobs` | hash | id → head (tenant, attempts, crashes, keys) and envelope of every live job |
//! | `w:<lane><tenant><limit>` | list | ids that are ready, of one lane, tenant and limit key (most jobs have none) |
//! | `ring:<lane>` | list | tenants with limit keys whose list is not empty, each once, in the order of their turns |
//! | `sched` | sorted set | id, lane, tenant and limit key → due time; so becoming ready needs no look at the job |
//! | `joining` | hash | id → number, of jobs with an order key that were added to start later; `sched` has number and id |
//! | `line:<tenant><order>` | list | ids of one line, each with its limit key; the first is the head |
//! | `behind` | set | ids in lines that are not their heads |
//! | `run:<claim>` | set | ids that a claim holds |
//! | `leases`, `holders` | sorted set, hash | claim → end of its lease; claim → worker session |
//! | `sessions` | sorted set | worker session → until when it is announced |
//! | `seq` | number | the last claim's number; those in `joining` are counted on from it too |
//! | `parked`, `gate:<gate>`, `gates` | hash, set, set | id → gate; the ids behind a gate; the gates there are |
//! | `limits`, `arrival` | hash, hash | limit key → what was set; its theoretical arrival time in microseconds |
//! | `cooled` | sorted set | limit key → until when it is cooled |
//! | `use:<limit>`, `used` | set, set | ids that run and count under a limit key; the keys of which some do |
//! | `closed:<lane>:<limit>` | list | tenants whose list is not empty and not on the ring: the key is closed |
//! | `shut` | sorted set | limit key that has such tenants → when it opens, endless if not by itself |
//! | `asks` | sorted set | lane after the first with a limit key that it found full → until when it is left one room |
//! | `errors` | hash | id → failures so far, a JSON list |
//! | `cancelled` | set | running jobs that somebody cancelled |
//! | `dead`, `dead:at`, `dead:errors` | hash, sorted set, hash | dead letters, when they died, their failures |
//! | `dead:b:<group><tenant>` | sorted set | a bucket: letter that died of this and was this tenant's → when it died |
//! | `dead:buckets`, `dead:in` | hash, hash | bucket → kind, reason, error; letter → its bucket |
//! | `dead:loose` | hash | letter that is in no bucket yet → number |
//! | `purged`, `deleted` | hash, hash | kind → how many letters of it were removed because of their age, or otherwise |
//! | `seen:<day>`, `days` | set, set | ids that ended that day (also by dying); the days there are |
//! | `paused` | text | nothing is claimed; who paused it and when |
//! | `wake` | list | at most one token: there may be work |
//!
//! The installation's own `{prefix}:counters`, `{prefix}:pauses` and `{prefix}:workers` are hashes under a tag of their own.
//!
//! # Who moves what
//!
//! A live job is in `jobs` and in exactly one place: a `w` list, `sched`, a `run` set, `parked`, or `behind`. *add* puts it
//! into a list, `sched` or `behind`; *step* takes ids from lists into a new `run` set, and out of `run` sets to wherever
//! they end; *sweep* (and a little of it every *step*) moves what is due from `sched` to the lists, and what a dead worker
//! held from its `run` set to `sched`. A list that becomes non-empty puts its tenant on the ring; a claim takes tenants
//! from the front of the ring and puts those that have more at its end.
//!
//! **Limit keys.** Whoever takes jobs of a key off a list asks first how many it allows. When it allows no more, the
//! tenant leaves the ring for `closed`, where nobody looks at it, and `shut` says when the key opens. It opens in the
//! *step* or *sweep* that finds its time come, with any end of a run of the key, and with a new limit: as many tenants
//! as may start a job go back to their rings, in the order in which they came. A tenant that gets its first job while
//! others wait for the key stands behind them. `use` changes where `run` changes, in the same script, so what it counts is
//! what is under leases. Each lane opens for itself: one that nobody claims from must not hold up the others.
//! A lane of suspects that finds a key full is left the next room (`asks`), or a crashed job could wait for ever while the
//! first lane is always faster.
//!
//! **Lines.** A job with an order key joins its line when it may start for the first time, and is in a list only as its
//! head. Whatever ends the head takes it off the line and puts the next into its list; a head that died and holds its
//! line stays there until the letter is retried or removed.
//!
//! **Buckets** of dead letters are named by their errors without what differs from case to case, which no script can find. So
//! a letter is `loose` at first, and put into its bucket by the next *sweep*, or before that by whoever looks by bucket.
//!
//! An ending must find its id in the `run` set of the claim it names. Claim numbers are never issued twice, so an ending
//! that comes too late, or a second time, finds nothing and changes nothing. A lease that ended still counts until a
//! sweep takes its jobs back. A cancelled job that would have run again (put off, released, parked, or taken back from a
//! dead worker) becomes a dead letter instead.
//!
//! A key stays known through `seen`, looked up for [`KNOWN_DAYS`](crate::backend::KNOWN_DAYS) days. A dead letter alone,
//! older than that, does not keep a new job with its key away; it just cannot be retried while that one lives.
//!
//! # What a crash leaves
//!
//! A script runs whole or not at all, also in the append-only file. An answer that got lost leaves: after an add, the
//! job, and a sender who repeats it and hears *duplicate*; after a claim, jobs that come back with their lease's end, as
//! after the crash of a worker; after an ending, the ending, and a worker that hears *not held* when it repeats it. With
//! `appendfsync everysec` a power failure may also lose about a second of answered calls (see
//! [`check`](crate::backend::Backend::check)).
//!
//! A token that a process took right before it died is lost; work is then found by those who look now and then, and by
//! the next token. Redis that is full refuses adds before their first line and lets everything else go on.

mod check;
mod letters;
mod limits;
mod link;
mod script;
mod shown;
mod stored;
mod wake;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::sync::Notify;

use self::link::{Link, misunderstood};
use self::script::{ANNOUNCE, CANCEL, COUNT, COUNTS, DEAD_DELETE, DEAD_RETRY, ENDED, PAUSE, PURGE, REWRITE, UNPARK};
use self::wake::Wake;
use crate::backend::{
    Added, BATCH_MAX, Backend, Cancelled, ClaimRequest, Claims, Counter, Counts, DeadFilter, DeadGroup, Finding, Kept,
    ListRequest, Mark, NewDead, NewJob, Page, Purged, QueueError, RetryDead, Settle, StillReady, Sweep, Worker,
    bounded,
};
use crate::clock::{DAY_MS, Millis, day};
use crate::flow::{Key, Limit, LimitState, Missed};
use crate::job::{JobId, Queue};
use crate::pauses::{Pause, Scope};

/// Jobs kept in Redis.
pub struct RedisQueue {
    link: Arc<Link>,
    /// The hash tag of the installation.
    installation: String,
    /// The hash tags of the queues, and who listens to their tokens.
    queues: [(String, OnceLock<Wake>); Queue::ALL.len()],
}

impl RedisQueue {
    /// A queue behind `redis://…`, `rediss://…`, `redis+sentinel://…/master` or `redis+cluster://host,host`, whose keys
    /// begin with `{prefix`. Connects with the first call, so Redis may be away.
    ///
    /// # Errors
    /// When the URL is not one.
    pub fn connect(url: &str, prefix: &str) -> Result<Self, QueueError> {
        Ok(Self {
            link: Arc::new(Link::new(url)?),
            installation: format!("{{{prefix}}}"),
            queues: Queue::ALL.map(|queue| (format!("{{{prefix}:{queue}}}"), OnceLock::new())),
        })
    }

    /// With another limit to its calls than [`CALL_LIMIT`](crate::backend::CALL_LIMIT).
    #[must_use]
    pub fn with_call_limit(mut self, limit: Duration) -> Self {
        Arc::get_mut(&mut self.link).expect("nobody listens yet").call_limit = limit;
        self
    }

    fn tag(&self, queue: Queue) -> &str {
        &self.queues[queue as usize].0
    }

    /// Tells who listens that this process takes the work.
    fn claims(&self, queue: Queue) {
        if let Some(wake) = self.queues[queue as usize].1.get() {
            wake.claims();
        }
    }

    /// Calls a script that asks for nothing but ids and bytes and answers yes or no, in the first queue that says yes.
    async fn in_any_queue(&self, script: &script::Script, arguments: &[&[u8]]) -> Result<bool, QueueError> {
        for queue in Queue::ALL {
            let mut command = script.on(self.tag(queue));
            command.arg(arguments);
            if self.link.run(script, &command).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The counters that a queue keeps itself, of letters that are gone.
const GONE: [&str; 2] = ["purged", "deleted"];

#[async_trait]
impl Backend for RedisQueue {
    fn call_limit(&self) -> Duration {
        self.link.call_limit
    }

    async fn add(&self, jobs: &[NewJob], now: Millis) -> Result<Vec<Added>, QueueError> {
        bounded(jobs.len())?;
        let mut answers = vec![Added::Duplicate; jobs.len()];
        for queue in Queue::ALL {
            self.add_to(queue, jobs, &mut answers, now).await?;
        }
        Ok(answers)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, QueueError> {
        Ok(self.step_in(request.queue, &[], Some(request), request.now).await?.1)
    }

    // `finished` is not needed: a claim's set says itself when it is empty.
    async fn settle(&self, queue: Queue, settles: &[Settle], _: &[i64], now: Millis) -> Result<Vec<bool>, QueueError> {
        Ok(self.step_in(queue, settles, None, now).await?.0)
    }

    async fn step(
        &self,
        settles: &[Settle],
        _: &[i64],
        request: &ClaimRequest,
    ) -> Result<(Vec<bool>, Claims), QueueError> {
        self.step_in(request.queue, settles, Some(request), request.now).await
    }

    async fn renew(&self, queue: Queue, claims: &[i64], until: Millis) -> Result<Vec<i64>, QueueError> {
        self.renew_in(queue, claims, until).await
    }

    async fn sweep(&self, queue: Queue, now: Millis, dice: f64) -> Result<Sweep, QueueError> {
        self.sweep_in(queue, now, dice).await
    }

    fn wakes(&self, queue: Queue) -> Arc<Notify> {
        let (tag, wake) = &self.queues[queue as usize];
        Arc::clone(&wake.get_or_init(|| Wake::start(Arc::clone(&self.link), tag)).notify)
    }

    async fn unpark(&self, queue: Queue, gates: &[String], _: Millis) -> Result<u64, QueueError> {
        let mut unparked = 0;
        for gate in gates {
            loop {
                let mut command = UNPARK.on(self.tag(queue));
                let moved: u64 = self.link.run(&UNPARK, command.arg(gate)).await?;
                unparked += moved;
                if moved < BATCH_MAX as u64 {
                    break;
                }
            }
        }
        Ok(unparked)
    }

    async fn set_limit(&self, queue: Queue, key: &Key, limit: Option<Limit>, now: Millis) -> Result<(), QueueError> {
        self.set_limit_in(queue, key, limit, now).await
    }

    async fn reserve_again(&self, queue: Queue, key: &Key, missed: Missed) -> Result<Millis, QueueError> {
        self.reserve_again_in(queue, key, missed).await
    }

    async fn limits(&self, queue: Queue, now: Millis) -> Result<Vec<LimitState>, QueueError> {
        self.limits_in(queue, now).await
    }

    async fn gates(&self, queue: Queue) -> Result<Vec<(String, u64)>, QueueError> {
        self.gates_in(queue).await
    }

    async fn pause(&self, pause: &Pause) -> Result<(), QueueError> {
        if let Scope::Queue(queue) = pause.scope {
            let mut command = PAUSE.on(self.tag(queue));
            return self.link.run(&PAUSE, command.arg(pause.details())).await;
        }
        let mut command = redis::cmd("HSETNX");
        command
            .arg(self.pauses_key())
            .arg(pause.scope.gate())
            .arg(pause.details());
        self.link.query::<()>(&command).await
    }

    async fn resume(&self, scope: &Scope) -> Result<(), QueueError> {
        if let Scope::Queue(queue) = scope {
            let mut command = PAUSE.on(self.tag(*queue));
            return self.link.run(&PAUSE, command.arg("")).await;
        }
        let mut command = redis::cmd("HDEL");
        command.arg(self.pauses_key()).arg(scope.gate());
        self.link.query::<()>(&command).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, QueueError> {
        let mut pauses = Vec::new();
        for queue in Queue::ALL {
            let mut command = redis::cmd("GET");
            command.arg(format!("{}:paused", self.tag(queue)));
            let details: Option<String> = self.link.query(&command).await?;
            pauses.extend(details.and_then(|details| Pause::read(&Scope::Queue(queue).gate(), &details)));
        }
        let mut command = redis::cmd("HGETALL");
        command.arg(self.pauses_key());
        let others: Vec<(String, String)> = self.link.query(&command).await?;
        pauses.extend(others.iter().filter_map(|(gate, details)| Pause::read(gate, details)));
        pauses.sort_unstable_by(|one, other| one.scope.cmp(&other.scope));
        Ok(pauses)
    }

    async fn counts(&self, queue: Queue) -> Result<Counts, QueueError> {
        let (ready, scheduled, running, parked, behind, dead, paused) =
            self.link.run(&COUNTS, &COUNTS.on(self.tag(queue))).await?;
        Ok(Counts {
            ready,
            scheduled,
            running,
            parked,
            behind,
            dead,
            paused,
        })
    }

    async fn still_ready(&self, queue: Queue, marks: &[Mark], dice: f64) -> Result<StillReady, QueueError> {
        self.still_ready_in(queue, marks, dice).await
    }

    async fn find(&self, id: JobId) -> Result<Option<Kept>, QueueError> {
        for queue in Queue::ALL {
            if let Some(kept) = self.find_in(queue, id).await? {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    async fn ended(&self, id: JobId) -> Result<bool, QueueError> {
        self.in_any_queue(&ENDED, &[id.0.as_bytes()]).await
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page, QueueError> {
        self.list_jobs(request).await
    }

    async fn cancel(&self, id: JobId, now: Millis) -> Result<Cancelled, QueueError> {
        for queue in Queue::ALL {
            let mut command = CANCEL.on(self.tag(queue));
            let became: String = self
                .link
                .run(&CANCEL, command.arg(id.0.as_bytes()).arg(now).arg(day(now)))
                .await?;
            match became.as_str() {
                "removed" => return Ok(Cancelled::Removed),
                "signalled" => return Ok(Cancelled::Signalled),
                _ => {}
            }
        }
        Ok(Cancelled::Unknown)
    }

    async fn cancelled(&self, queue: Queue, running: &[JobId]) -> Result<Vec<JobId>, QueueError> {
        let mut cancelled = Vec::new();
        for running in running.chunks(BATCH_MAX) {
            let mut command = redis::cmd("SMISMEMBER");
            command.arg(format!("{}:cancelled", self.tag(queue)));
            for id in running {
                command.arg(id.0.as_bytes());
            }
            let marks: Vec<bool> = self.link.query(&command).await?;
            cancelled.extend(
                running
                    .iter()
                    .zip(marks)
                    .filter(|(_, marked)| *marked)
                    .map(|(id, _)| *id),
            );
        }
        Ok(cancelled)
    }

    async fn list_dead(&self, filter: &DeadFilter, cursor: Option<&str>, limit: usize) -> Result<Page, QueueError> {
        self.list_letters(filter, cursor, limit).await
    }

    async fn dead_groups(&self, filter: &DeadFilter) -> Result<Vec<DeadGroup>, QueueError> {
        self.group_letters(filter).await
    }

    async fn import_dead(&self, letters: &[NewDead], now: Millis) -> Result<Vec<bool>, QueueError> {
        bounded(letters.len())?;
        self.import_letters(letters, now).await
    }

    /// One script each, one behind the other on the wire: what others do comes in between.
    async fn retry_all_dead(&self, letters: &[RetryDead<'_>], _: Millis) -> Result<Vec<bool>, QueueError> {
        bounded(letters.len())?;
        let retry = async |letter: &RetryDead<'_>| {
            let arguments: [&[u8]; 2] = [letter.id.0.as_bytes(), letter.body.unwrap_or_default()];
            self.in_any_queue(&DEAD_RETRY, &arguments).await
        };
        try_join_all(letters.iter().map(retry)).await
    }

    async fn rewrite(&self, id: JobId, old: &[u8], new: &[u8]) -> Result<bool, QueueError> {
        self.in_any_queue(&REWRITE, &[id.0.as_bytes(), old, new]).await
    }

    async fn delete_dead(&self, id: JobId) -> Result<bool, QueueError> {
        self.in_any_queue(&DEAD_DELETE, &[id.0.as_bytes()]).await
    }

    async fn count(&self, counters: &[(Counter, u64)]) -> Result<(), QueueError> {
        for counters in counters.chunks(BATCH_MAX) {
            let mut command = COUNT.on(&self.installation);
            for (counter, amount) in counters {
                command
                    .arg(format!("{}|{}|{}", counter.queue, counter.kind, counter.name))
                    .arg(*amount);
            }
            self.link.run::<()>(&COUNT, &command).await?;
        }
        Ok(())
    }

    async fn counters(&self) -> Result<Vec<(Counter, u64)>, QueueError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(format!("{}:counters", self.installation));
        let counters: HashMap<String, u64> = self.link.query(&command).await?;
        let counters = counters
            .into_iter()
            .map(|(field, amount)| Some((read_counter(&field)?, amount)));
        let mut counters: Vec<_> = counters.collect::<Option<_>>().ok_or_else(misunderstood)?;
        for (queue, name) in Queue::ALL.into_iter().flat_map(|queue| GONE.map(|name| (queue, name))) {
            let mut command = redis::cmd("HGETALL");
            command.arg(format!("{}:{name}", self.tag(queue)));
            let gone: HashMap<String, u64> = self.link.query(&command).await?;
            counters.extend(gone.into_iter().map(|(kind, amount)| {
                let name = name.to_owned();
                (Counter { queue, kind, name }, amount)
            }));
        }
        Ok(counters)
    }

    async fn announce(&self, worker: &Worker, until: Millis) -> Result<(), QueueError> {
        let announced = serde_json::to_string(&(until, worker)).map_err(|_| misunderstood())?;
        let mut command = redis::cmd("HSET");
        command
            .arg(self.workers_key())
            .arg(worker.session.as_bytes())
            .arg(announced);
        self.link.query::<()>(&command).await?;
        for queue in Queue::ALL {
            let mut command = ANNOUNCE.on(self.tag(queue));
            command.arg(worker.session.as_bytes()).arg(until);
            self.link.run::<()>(&ANNOUNCE, &command).await?;
        }
        Ok(())
    }

    async fn workers(&self, now: Millis) -> Result<Vec<Worker>, QueueError> {
        let mut command = redis::cmd("HGETALL");
        let announced: HashMap<Vec<u8>, String> = self.link.query(command.arg(self.workers_key())).await?;
        let (mut workers, mut gone) = (Vec::new(), Vec::new());
        for (session, text) in announced {
            let (until, worker): (Millis, Worker) = serde_json::from_str(&text).map_err(|_| misunderstood())?;
            if until > now {
                workers.push(worker);
            } else if until + DAY_MS < now {
                gone.push(session);
            }
        }
        for gone in gone.chunks(BATCH_MAX) {
            let mut command = redis::cmd("HDEL");
            self.link.query::<()>(command.arg(self.workers_key()).arg(gone)).await?;
        }
        workers.sort_by_key(|worker| (worker.started_at, worker.session));
        Ok(workers)
    }

    async fn purge(&self, queue: Queue, now: Millis, dead_before: Millis) -> Result<Purged, QueueError> {
        let mut command = PURGE.on(self.tag(queue));
        let (keys, dead) = self.link.run(&PURGE, command.arg(day(now)).arg(dead_before)).await?;
        Ok(Purged { keys, dead })
    }

    async fn reconnect(&self) {
        self.link.drop_connection().await;
    }

    async fn ping(&self) -> Result<(), QueueError> {
        self.link.query(&redis::cmd("PING")).await
    }

    async fn check(&self) -> Result<Vec<Finding>, QueueError> {
        self.check_server().await
    }
}

impl RedisQueue {
    fn pauses_key(&self) -> String {
        format!("{}:pauses", self.installation)
    }

    fn workers_key(&self) -> String {
        format!("{}:workers", self.installation)
    }
}

/// Reads the name of a field of `counters`.
fn read_counter(field: &str) -> Option<Counter> {
    let (queue, rest) = field.split_once('|')?;
    let (kind, name) = rest.rsplit_once('|')?;
    Some(Counter {
        queue: Queue::named(queue)?,
        kind: kind.to_owned(),
        name: name.to_owned(),
    })
}
