//! A job that answers what it is told, so that the real rule turns the answer into an outcome.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue::backend::{Claimed, Outcome};
use queue::envelope::{Envelope, seal_payload};
use queue::{Attempt, Backoff, Clock, Job, JobError, JobId, Pauses, Policy, Queue, Registry, Runner, StartsAt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How often a [`Scripted`] job may fail.
pub(crate) const ATTEMPTS: u16 = 3;

/// What a run shall answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Ok,
    Retry,
    RetryAfter,
    Snooze,
    Dead,
    /// The worker does not know the kind.
    UnknownKind,
    /// The worker leaves.
    Leave,
}

#[derive(Serialize, Deserialize)]
struct Scripted {
    key: String,
}

#[derive(Default)]
struct Script(Mutex<Option<Answer>>);

impl Job for Scripted {
    type Ctx = Script;
    const KIND: &'static str = "scripted";
    const POLICY: Policy = Policy {
        queue: Queue::Default,
        attempts: ATTEMPTS,
        backoff: Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(8),
        },
        timeout: Duration::from_secs(10),
        expires: None,
    };

    fn unique(&self) -> String {
        self.key.clone()
    }

    async fn run(self, script: &Script, _: &Attempt) -> Result<(), JobError> {
        let answer = *script.0.lock().unwrap();
        match answer {
            Some(Answer::Retry) => Err(JobError::Retry("it was not to be".into())),
            Some(Answer::RetryAfter) => Err(JobError::RetryAfter(Duration::from_secs(90))),
            Some(Answer::Snooze) => Err(JobError::Snooze(Duration::from_secs(5))),
            Some(Answer::Dead) => Err(JobError::Dead("it never will be".into())),
            _ => Ok(()),
        }
    }
}

/// Makes the envelopes of such jobs, and runs them.
pub(crate) struct Theatre {
    runner: Runner<Script>,
    /// Knows no kind at all.
    ignorant: Runner<Script>,
    script: Arc<Script>,
}

impl Theatre {
    pub(crate) fn new(clock: &Clock) -> Self {
        let keyring = seal::Keyring::parse(&seal::Keyring::generate("k")).unwrap();
        let script = Arc::new(Script::default());
        let runner = |registry| Runner {
            registry,
            ctx: Arc::clone(&script),
            keyring: keyring.clone(),
            clock: clock.clone(),
            pauses: Pauses::default(),
        };
        Self {
            runner: runner(Registry::default().with::<Scripted>()),
            ignorant: runner(Registry::default()),
            script: Arc::clone(&script),
        }
    }

    pub(crate) fn id(tenant: Uuid, key: &str) -> JobId {
        JobId::derive(Scripted::KIND, tenant, key)
    }

    pub(crate) fn body(&self, id: JobId, key: &str) -> Vec<u8> {
        let payload = serde_json::to_vec(&Scripted { key: key.to_owned() }).unwrap();
        let sealed = seal_payload(id, Scripted::KIND, &payload, &self.runner.keyring);
        let (created_at, kind) = (self.runner.clock.now(), Scripted::KIND);
        Envelope {
            created_at,
            expires_at: None,
            correlation: Uuid::nil(),
            kind,
            sealed: &sealed,
        }
        .encode()
    }

    pub(crate) async fn run(&self, claimed: &Claimed, answer: Answer) -> Outcome {
        *self.script.0.lock().unwrap() = Some(answer);
        match answer {
            Answer::UnknownKind => self.ignorant.run(claimed, &StartsAt::default()).await.outcome,
            Answer::Leave => Outcome::Release,
            _ => self.runner.run(claimed, &StartsAt::default()).await.outcome,
        }
    }

    /// Whether a worker that knows the kind opens it.
    pub(crate) fn opens(&self, gate: &str) -> bool {
        self.runner.opens(gate)
    }
}
