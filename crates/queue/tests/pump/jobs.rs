//! The jobs of this suite, and what they tell the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue::{Attempt, Backoff, Job, JobError, JobId, Policy, Queue};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::keyed::Witness;
use crate::rated::Ran;

/// How often a [`Task`] may fail.
pub(crate) const ATTEMPTS: u16 = 3;

/// What runs share with the test.
pub(crate) struct Stage {
    /// Which job runs now, and as which attempt.
    pub(crate) began: mpsc::UnboundedSender<(JobId, Attempt)>,
    /// A run that waits goes on when the test gives a permit.
    pub(crate) curtain: Semaphore,
    /// How many runs came to their own end.
    pub(crate) ended: AtomicUsize,
    /// How many runs were stopped where they waited.
    pub(crate) stopped: AtomicUsize,
    /// What was seen of the jobs that share a key.
    pub(crate) witness: Mutex<Witness>,
    /// How the jobs ran whose key has a rate.
    pub(crate) rated: Mutex<Vec<Ran>>,
}

/// How a [`Task`] behaves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Ends well.
    Done,
    /// Fails in every attempt.
    Fail,
    /// Fails until this attempt.
    FailBefore(u16),
    /// Asks to be run again a little later, until the stage has seen it this often.
    PutOff { times: usize, as_asked: bool },
    /// Says that waiting will not help.
    GiveUp,
    /// Panics until this attempt.
    PanicBefore(u16),
    /// Waits for the test, then ends well.
    Wait,
    /// Never ends.
    Hang,
}

pub(crate) const POLICY: Policy = Policy {
    queue: Queue::Default,
    attempts: ATTEMPTS,
    backoff: Backoff {
        first: Duration::from_millis(4),
        cap: Duration::from_millis(8),
    },
    timeout: Duration::from_secs(20),
    expires: None,
};

/// The job of this suite.
#[derive(Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) key: String,
    pub(crate) act: Act,
}

impl Job for Task {
    type Ctx = Stage;
    const KIND: &'static str = "task";
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        self.key.clone()
    }

    async fn run(self, stage: &Stage, attempt: &Attempt) -> Result<(), JobError> {
        perform(self.act, stage, attempt).await
    }
}

/// Counts a run that is torn down before its end.
struct Stopped<'a>(Option<&'a AtomicUsize>);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Some(stopped) = self.0 {
            stopped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn perform(act: Act, stage: &Stage, attempt: &Attempt) -> Result<(), JobError> {
    // The test may have seen enough.
    drop(stage.began.send((attempt.job, attempt.clone())));
    let mut stopped = Stopped(Some(&stage.stopped));
    let answer = match act {
        Act::Done => Ok(()),
        Act::Fail => Err(JobError::Retry(format!("attempt {} failed", attempt.number).into())),
        Act::FailBefore(number) if attempt.number < number => Err(JobError::Retry("not yet".into())),
        Act::PutOff { times, as_asked } if stage.ended.load(Ordering::SeqCst) < times => {
            let wait = Duration::from_millis(2);
            Err(if as_asked {
                JobError::RetryAfter(wait)
            } else {
                JobError::Snooze(wait)
            })
        }
        Act::GiveUp => Err(JobError::Dead("no such contact".into())),
        Act::PanicBefore(number) if attempt.number < number => {
            stopped.0 = None;
            panic!("the handler panics on purpose");
        }
        Act::Wait => stage
            .curtain
            .acquire()
            .await
            .map(|permit| permit.forget())
            .map_err(JobError::from),
        Act::Hang => std::future::pending().await,
        Act::FailBefore(_) | Act::PutOff { .. } | Act::PanicBefore(_) => Ok(()),
    };
    stopped.0 = None;
    stage.ended.fetch_add(1, Ordering::SeqCst);
    answer
}

/// A job with a time-out that strikes soon.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slow;

impl Job for Slow {
    type Ctx = Stage;
    const KIND: &'static str = "slow";
    const POLICY: Policy = Policy {
        timeout: Duration::from_millis(15),
        attempts: 2,
        ..POLICY
    };

    fn unique(&self) -> String {
        String::new()
    }

    async fn run(self, stage: &Stage, attempt: &Attempt) -> Result<(), JobError> {
        perform(Act::Hang, stage, attempt).await
    }
}

/// A job that is not worth starting late.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fresh;

impl Job for Fresh {
    type Ctx = Stage;
    const KIND: &'static str = "fresh";
    const POLICY: Policy = Policy {
        expires: Some(Duration::from_millis(1)),
        ..POLICY
    };

    fn unique(&self) -> String {
        String::new()
    }

    async fn run(self, stage: &Stage, attempt: &Attempt) -> Result<(), JobError> {
        perform(Act::Done, stage, attempt).await
    }
}

/// Another form of [`Task`] under the same name, as a faulty release may write it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Mangled {
    pub(crate) phone: String,
}

impl Job for Mangled {
    type Ctx = Stage;
    const KIND: &'static str = Task::KIND;
    const POLICY: Policy = POLICY;

    fn unique(&self) -> String {
        self.phone.clone()
    }

    async fn run(self, _: &Stage, _: &Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

/// Whose the jobs here are.
pub(crate) const TENANT: Uuid = Uuid::from_u128(0x7e4a);

/// A stage, and the ear of the test.
pub(crate) fn stage() -> (Arc<Stage>, mpsc::UnboundedReceiver<(JobId, Attempt)>) {
    let (began, heard) = mpsc::unbounded_channel();
    let counts = AtomicUsize::default;
    (
        Arc::new(Stage {
            began,
            curtain: Semaphore::new(0),
            ended: counts(),
            stopped: counts(),
            witness: Mutex::default(),
            rated: Mutex::default(),
        }),
        heard,
    )
}
