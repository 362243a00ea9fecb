//! Callers: they post events and ask for messages, and do not give up before they are promised what they ask for.
//!
//! A caller that gets no promise (503, a lost answer, nobody there) asks again with the same key, as a provider would. One
//! that got it may ask again all the same: duplicates are a part of the load, and so are events that come out of order.

mod course;
mod requests;
mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use queue::{Client, Clock, Origin, QueueError, Receipt};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response, StatusCode};
use seal::Keyring;
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::book::{Book, Event, Promise, Way, What, now};
use crate::ground::Ground;
use crate::site::Reach;
use crate::versions::Foreign;
use course::Course;
pub(crate) use course::mark_in;

/// Who reports the events.
pub(crate) const PROVIDER: &str = "chaos";

/// Longer than the installation takes to say 503.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// So many callers are at it at once at most. While all of them wait, nothing new is asked for.
const CALLERS_MAX: u32 = 600;

/// How long a caller waits before it asks again.
const AGAIN_FIRST: Duration = Duration::from_millis(300);
const AGAIN_MAX: Duration = Duration::from_secs(8);

/// With what share of promises callers ask again, and how long after at most.
const DUPLICATES: f64 = 0.2;
const DUPLICATE_WITHIN: Duration = Duration::from_secs(6);

/// Events of one message come in in any order.
const OVERTAKES_WITHIN: Duration = Duration::from_secs(3);

/// How much is asked for in a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) events: f64,
    pub(crate) sends: f64,
}

/// All callers.
#[derive(Clone)]
pub(crate) struct Load {
    reach: Reach,
    http: reqwest::Client,
    queue: Client,
    book: Arc<Book>,
    callers: Arc<Semaphore>,
    gave_up: Arc<AtomicBool>,
}

impl Load {
    /// Callers of this installation, who write down what they are promised.
    ///
    /// # Errors
    /// When the queue cannot be opened.
    pub(crate) fn new(reach: Reach, ground: &Ground, book: Arc<Book>) -> anyhow::Result<Self> {
        let keyring = Keyring::parse(&reach.keys).context("the keys that were made")?;
        Ok(Self {
            queue: Client::new(ground.queue(false)?, keyring, Clock::System),
            http: reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?,
            reach,
            book,
            callers: Arc::new(Semaphore::new(CALLERS_MAX as usize)),
            gave_up: Arc::default(),
        })
    }

    /// Asks for so much each second, for ever.
    pub(crate) async fn run(&self, seed: u64, rates: Rates) {
        let course = Course::new(seed);
        tokio::join!(
            self.keep_asking(rates.events, || What::Event(course.event())),
            self.keep_asking(rates.sends, || What::Send(course.send())),
        );
    }

    /// Waits until every caller was promised what it asked for, or until the time is over.
    pub(crate) async fn finish(&self, within: Duration) {
        let all = tokio::time::timeout(within, self.callers.acquire_many(CALLERS_MAX)).await;
        if all.is_err() {
            self.gave_up.store(true, Ordering::Relaxed);
        }
    }

    async fn keep_asking(&self, per_second: f64, what: impl Fn() -> What) {
        if per_second <= 0.0 {
            return std::future::pending().await;
        }
        let mut beat = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            // It is never closed.
            let Ok(caller) = Arc::clone(&self.callers).acquire_owned().await else {
                return;
            };
            let (load, what) = (self.clone(), what());
            tokio::spawn(async move {
                load.call(what).await;
                drop(caller);
            });
        }
    }

    /// One caller, from wishing to the last duplicate.
    async fn call(&self, what: What) {
        let wish = self.book.wish(what.clone());
        if matches!(what, What::Event(_)) {
            tokio::time::sleep(at_most(OVERTAKES_WITHIN)).await;
        }
        self.insist(wish, &what).await;
        while rand::random_bool(DUPLICATES) && !self.gave_up.load(Ordering::Relaxed) {
            tokio::time::sleep(at_most(DUPLICATE_WITHIN)).await;
            self.insist(wish, &what).await;
        }
    }

    async fn insist(&self, wish: usize, what: &What) {
        let mut again = AGAIN_FIRST;
        while !self.gave_up.load(Ordering::Relaxed) {
            match self.ask(what).await {
                Answer::Promised(promise) => return self.book.promised(wish, promise),
                Answer::Refused(status) => return self.book.refused(wish, status),
                Answer::NotNow => {}
            }
            tokio::time::sleep(at_most(again)).await;
            again = (again * 2).min(AGAIN_MAX);
        }
    }

    async fn ask(&self, what: &What) -> Answer {
        match what {
            What::Event(event) => match event.way {
                Way::Named | Way::Unnamed => self.post("webhook", self.webhook(event)).await,
                Way::OldForm | Way::NewForm | Way::NewKind => self.add(event).await,
            },
            What::Send(send) => self.post("message", self.message(send)).await,
            What::Inbound(inbound) => self.post("text", self.inbound(*inbound)).await,
        }
    }

    async fn post(&self, what: &str, request: RequestBuilder) -> Answer {
        let asked_at = now();
        let heard = async {
            let response = request.send().await?;
            let status = response.status();
            let named = promise_in_headers(response.headers());
            let body = read(response).await?;
            Ok::<_, reqwest::Error>((status, promise(&body).or(named)))
        };
        let (status, promise) = match heard.await {
            Ok(heard) => heard,
            Err(error) => {
                let how = if error.is_timeout() {
                    "no answer in time"
                } else {
                    "no answer"
                };
                self.book.answered(format!("{what}: {how}"));
                return Answer::NotNow;
            }
        };
        self.book.answered(format!("{what}: {}", status.as_u16()));
        match status {
            // Twilio is answered with 200 and a document of its own.
            StatusCode::ACCEPTED | StatusCode::OK => {
                self.book
                    .yes(asked_at, promise.is_some_and(|promise| !promise.duplicate));
                promise.map_or(Answer::Refused(status.as_u16()), Answer::Promised)
            }
            StatusCode::TOO_MANY_REQUESTS => Answer::NotNow,
            _ if status.is_server_error() => Answer::NotNow,
            _ => Answer::Refused(status.as_u16()),
        }
    }

    /// Adds a job as a process of another version would.
    async fn add(&self, event: &Event) -> Answer {
        let origin = Origin {
            tenant: self.reach.tenant,
            correlation: Uuid::new_v4(),
        };
        let foreign = Foreign::new(&self.reach.endpoint, event);
        let added: Result<Receipt, QueueError> = if event.way == Way::NewKind {
            match foreign.anew() {
                Ok(anew) => self.queue.add(&anew, origin).await,
                Err(_) => return Answer::Refused(422),
            }
        } else {
            self.queue.add(&foreign, origin).await
        };
        match added {
            Ok(receipt) => Answer::Promised(Promise {
                job: receipt.job.0,
                duplicate: receipt.duplicate,
                id: None,
            }),
            Err(_) => Answer::NotNow,
        }
    }
}

/// Some time, at most so much.
fn at_most(span: Duration) -> Duration {
    span.mul_f64(rand::random_range(0.0..1.0))
}

/// What came of asking once.
enum Answer {
    Promised(Promise),
    Refused(u16),
    NotNow,
}

async fn read(response: Response) -> Result<Value, reqwest::Error> {
    let bytes = response.bytes().await?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Where an answer's body is not ours.
fn promise_in_headers(headers: &HeaderMap) -> Option<Promise> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Some(Promise {
        job: text("x-relais-job")?.parse().ok()?,
        duplicate: text("x-relais-duplicate")?.parse().ok()?,
        id: None,
    })
}

fn promise(body: &Value) -> Option<Promise> {
    let id = |field: &str| body[field].as_str()?.parse::<Uuid>().ok();
    Some(Promise {
        job: id("job")?,
        duplicate: body["duplicate"].as_bool()?,
        id: id("id"),
    })
}
