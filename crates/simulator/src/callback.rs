//! Tells our side what happened, as a provider would: signed, and again when it was not heard.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::CONTENT_TYPE;
use url::{Host, Url};

use crate::ledger::{Answer, Told, sha256};
use crate::provider::Provider;
use crate::world::World;

/// The most of an answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One thing to tell.
#[derive(Clone)]
pub(crate) struct Callback {
    pub(crate) provider: Provider,
    pub(crate) account: String,
    /// What it is about. None for a batch.
    pub(crate) external_id: Option<String>,
    /// The provider's word for what happened.
    pub(crate) kind: String,
    pub(crate) url: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) proof: Arc<dyn Prove>,
    pub(crate) manner: Manner,
    pub(crate) listener: Option<Arc<dyn Listen>>,
}

/// What makes a request believable. Made anew for every attempt, because some proofs hold the time.
pub(crate) trait Prove: Send + Sync {
    fn headers(&self, url: &str, body: &[u8], now: DateTime<Utc>) -> Vec<(&'static str, String)>;
}

/// Reads the answer to something that was told.
pub(crate) trait Listen: Send + Sync {
    /// Acts upon an answer, and returns what the provider's debugger would say about it.
    fn hear(&self, world: &Arc<World>, heard: &Heard) -> Option<&'static str>;
}

/// The answer of somebody who was told something.
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
}

/// When a provider tells again.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Before each repetition.
    pub(crate) waits: Vec<Duration>,
    pub(crate) again: Again,
    /// Whether it takes 200 only for an answer, not 202 or 204.
    pub(crate) only_200: bool,
    pub(crate) answer_within: Duration,
    /// For all attempts together.
    pub(crate) all_within: Option<Duration>,
}

/// After which answers a provider tells again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) client_errors: bool,
    pub(crate) server_errors: bool,
    pub(crate) unreachable: bool,
    pub(crate) timed_out: bool,
}

impl Again {
    pub(crate) const ALWAYS: Self = Self {
        client_errors: true,
        server_errors: true,
        unreachable: true,
        timed_out: true,
    };
}

impl Manner {
    /// As Svix does, and most who follow Standard Webhooks: eight attempts within 28 hours. Source: Svix's documentation,
    /// "Retries".
    pub(crate) fn svix() -> Self {
        const WAITS_SECONDS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
        Self {
            waits: WAITS_SECONDS.map(Duration::from_secs).to_vec(),
            again: Again::ALWAYS,
            only_200: false,
            answer_within: Duration::from_secs(15),
            all_within: None,
        }
    }

    fn is_taken(&self, answer: Answer) -> bool {
        match answer {
            Answer::Status(200) => true,
            Answer::Status(status) => !self.only_200 && (200..300).contains(&status),
            _ => false,
        }
    }

    /// How long to wait until the attempt after `attempt`. None if there is none.
    fn wait(&self, attempt: usize, answer: Answer, elapsed: Duration, world: &World) -> Option<Duration> {
        let again = match answer {
            Answer::Status(500..) => self.again.server_errors,
            Answer::Status(_) => self.again.client_errors,
            Answer::Unreachable => self.again.unreachable,
            Answer::TimedOut | Answer::Broken => self.again.timed_out,
            Answer::Withheld => false,
        };
        if self.is_taken(answer) || !again || attempt > world.telling.retries_max {
            return None;
        }
        let wait = world.paced(*self.waits.get(attempt - 1)?);
        let in_time = self.all_within.is_none_or(|all| elapsed + wait < all);
        in_time.then_some(wait)
    }
}

impl Callback {
    /// Tells it until it was heard or given up.
    pub(crate) async fn tell_to_the_end(self, world: &Arc<World>) {
        let mut telling = Telling::new(self);
        if let Some(wait) = telling.attempt(world).await {
            telling.go_on(world, wait).await;
        }
    }

    /// Tells it. When it has to be told again, that goes on beside, and this returns.
    pub(crate) async fn tell(self, world: &Arc<World>) {
        let mut telling = Telling::new(self);
        let Some(wait) = telling.attempt(world).await else {
            return;
        };
        let Some(pending) = world.pend() else {
            return;
        };
        let world = Arc::clone(world);
        world.clone().spawn_errand(async move {
            let _pending = pending;
            telling.go_on(&world, wait).await;
        });
    }
}

/// A callback between its attempts.
struct Telling {
    callback: Callback,
    attempts: u32,
    started: Instant,
}

impl Telling {
    fn new(callback: Callback) -> Self {
        Self {
            callback,
            attempts: 0,
            started: Instant::now(),
        }
    }

    async fn go_on(&mut self, world: &Arc<World>, wait: Duration) {
        let mut next = Some(wait);
        while let Some(wait) = next {
            tokio::time::sleep(wait).await;
            next = self.attempt(world).await;
        }
    }

    /// Makes one attempt and writes it down. Returns how long to wait until the next one.
    async fn attempt(&mut self, world: &Arc<World>) -> Option<Duration> {
        self.attempts += 1;
        let callback = &self.callback;
        let at = Utc::now();
        let (answer, heard) = post(world, callback, at).await;
        let elapsed = self.started.elapsed();
        let wait = callback.manner.wait(self.attempts as usize, answer, elapsed, world);
        let listener = callback.listener.as_ref();
        let complaint = listener
            .zip(heard)
            .and_then(|(listener, heard)| listener.hear(world, &heard));
        world.change(|state| {
            let number = state.ledger.next_number();
            state.ledger.tell(Told {
                number,
                provider: callback.provider,
                account: callback.account.clone(),
                external_id: callback.external_id.clone(),
                kind: callback.kind.clone(),
                url: callback.url.clone(),
                attempt: self.attempts,
                at,
                answer,
                again: wait.is_some(),
                complaint,
                body_sha256: sha256([&callback.body]),
            });
        });
        wait
    }
}

/// Whether a URL is on this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn post(world: &World, callback: &Callback, now: DateTime<Utc>) -> (Answer, Option<Heard>) {
    let url = Url::parse(&callback.url).ok();
    if url.is_none_or(|url| !world.telling.leaves_machine && !is_here(&url)) {
        return (Answer::Withheld, None);
    }
    // The simulator closes no semaphore; without a permit the post is made all the same.
    let _permit = world.posts.acquire().await;
    let within = callback.manner.answer_within.min(world.telling.answer_within);
    let mut request = world.client.post(&callback.url).timeout(within);
    request = request.header(CONTENT_TYPE, callback.content_type);
    for (name, value) in callback.proof.headers(&callback.url, &callback.body, now) {
        request = request.header(name, value);
    }
    match request.body(callback.body.clone()).send().await {
        Ok(response) => {
            let answer = Answer::Status(response.status().as_u16());
            (answer, hear(response).await)
        }
        Err(error) if error.is_timeout() => (Answer::TimedOut, None),
        Err(error) if error.is_connect() => (Answer::Unreachable, None),
        Err(_) => (Answer::Broken, None),
    }
}

async fn hear(mut response: reqwest::Response) -> Option<Heard> {
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| Some(value.to_str().ok()?.to_owned()));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        let left = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if chunk.len() >= left {
            break;
        }
    }
    Some(Heard {
        status,
        content_type,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Shows who tells what. URLs may hold tokens, bodies somebody's message.
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("provider", &self.provider)
            .field("kind", &self.kind)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
