//! A whole installation for a test: databases of its own, a tenant with an endpoint and a key made on the command line,
//! `relais web` and any number of `relais worker`, each a process of its own, and questions asked over HTTP.
//!
//! What another process does is seen by asking again and again ([`TestApp::wait_until`]); nothing waits a fixed time and
//! hopes. A test that leaves a job behind without saying so ([`TestApp::leaves`]) fails at its end.

mod event;
mod kept;
mod opened;
mod place;
mod process;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use queue::{Backend, Client, Clock};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use seal::Keyring;
use serde_json::Value;
use store::{ConnectOptions, Db, Store};
use testkit::process::{Program, Signal};

pub(crate) use event::{Event, PROVIDER, Signed};
pub(crate) use kept::Found;
#[cfg(feature = "services")]
pub(crate) use place::Part;
use place::Place;
pub(crate) use place::{Combination, on_every_combination};
use process::Environment;

/// How long something may take before the test fails. Never reached when all is well, however slow the machine.
const WAIT_LIMIT: Duration = Duration::from_secs(120);
/// What senders reach the installation as: through a proxy, so not by the address that it listens on.
const PUBLIC_URL: &str = "https://hooks.example.com";
/// How long a call to the queue may take. A disk shared with others stands still for seconds now and then; relais then
/// answers 503 as it should, and a test that is not about a queue that is away cannot tell it from a fault.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How many requests are under way at once when many are posted.
const AT_ONCE: usize = 50;

/// How an installation is set up, before it is started.
pub(crate) struct Setup {
    combination: Combination,
    workers: usize,
    settings: Vec<(&'static str, String)>,
    #[cfg(feature = "services")]
    part: Option<Part>,
}

/// A running installation.
pub(crate) struct TestApp {
    web: Program,
    workers: Vec<Program>,
    http: reqwest::Client,
    base: String,
    /// The tenant's id.
    pub(crate) tenant: String,
    /// What the tenant asks with.
    pub(crate) api_key: String,
    /// The endpoint's id.
    pub(crate) endpoint: String,
    /// What events are signed with.
    pub(crate) secret: String,
    /// What `web` and `worker` are told.
    serving: Environment,
    /// What commands are told; never behind the wire.
    commanding: Environment,
    leaves: Cell<&'static [&'static str]>,
    #[cfg(feature = "services")]
    wire: Option<testkit::Proxy>,
    place: Place,
}

/// A process beside the first `web`.
pub(crate) struct OtherWeb {
    _program: Program,
    base: String,
}

/// What a request was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// How many jobs of all queues together are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Jobs {
    pub(crate) ready: u64,
    pub(crate) scheduled: u64,
    pub(crate) running: u64,
    pub(crate) parked: u64,
    pub(crate) dead: u64,
}

impl Setup {
    /// How many workers start with it; one unless said otherwise.
    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// With one setting more for `web` and `worker`.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// `web` and `worker` reach this part through a wire that can be cut.
    #[cfg(feature = "services")]
    pub(crate) fn behind_a_wire(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    /// Migrates, makes the tenant, and starts the processes.
    pub(crate) async fn start(self) -> TestApp {
        let place = Place::fresh(self.combination).await;
        let keys = ("RELAIS_KEYS", Keyring::generate("k1"));
        let patience = ("QUEUE_TIMEOUT", format!("{}s", PATIENCE.as_secs()));
        let commanding = Environment::new(place.settings()).with([keys, patience]);
        let serving = commanding
            .with([
                ("HOST", "127.0.0.1".to_owned()),
                ("PORT", "0".to_owned()),
                ("PUBLIC_URL", PUBLIC_URL.to_owned()),
            ])
            .with(self.settings);
        #[cfg(feature = "services")]
        let (wire, serving) = match self.part {
            Some(part) => {
                let (wire, setting) = place.behind_a_wire(part).await;
                (
                    Some(wire),
                    serving.with([setting, ("QUEUE_TIMEOUT", "1400ms".to_owned())]),
                )
            }
            None => (None, serving),
        };
        commanding.json(&["migrate"]);
        let tenant = commanding.json(&["tenant", "create", "Acme"]);
        let id = text(&tenant["id"]);
        let endpoint = commanding.json(&["endpoint", "create", "--tenant", &id, "--provider", "email"]);
        let key = commanding.json(&["key", "create", "--tenant", &id]);
        let web = serving.start("web");
        let base = address(&web.wait_for("Listening.").await);
        let mut app = TestApp {
            web,
            workers: Vec::new(),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(WAIT_LIMIT)
                .build()
                .unwrap(),
            base,
            tenant: id,
            api_key: text(&key["api_key"]),
            endpoint: text(&endpoint["id"]),
            secret: text(&endpoint["secret"]),
            serving,
            commanding,
            leaves: Cell::new(&[]),
            #[cfg(feature = "services")]
            wire,
            place,
        };
        for _ in 0..self.workers {
            app.start_worker().await;
        }
        app
    }
}

impl TestApp {
    /// An installation on these databases, to be set up and started.
    pub(crate) fn on(combination: Combination) -> Setup {
        Setup {
            combination,
            workers: 1,
            settings: Vec::new(),
            #[cfg(feature = "services")]
            part: None,
        }
    }

    /// Starts another worker and returns its place among [`worker`](Self::worker)s.
    pub(crate) async fn start_worker(&mut self) -> usize {
        let worker = self.serving.start("worker");
        worker.wait_for("Working.").await;
        self.workers.push(worker);
        self.workers.len() - 1
    }

    /// Starts a clock.
    pub(crate) fn start_clock(&self) -> Program {
        self.serving.start("clock")
    }

    /// Starts another `web` beside the first one; it ends when its program is dropped.
    pub(crate) async fn start_web(&self) -> OtherWeb {
        let program = self.serving.start("web");
        let base = address(&program.wait_for("Listening.").await);
        OtherWeb {
            _program: program,
            base,
        }
    }

    /// A request to another `web`, not sent yet.
    pub(crate) fn ask_other(&self, web: &OtherWeb, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", web.base))
    }

    /// The keys that everything is sealed under.
    pub(crate) fn keys(&self) -> String {
        self.commanding.get("RELAIS_KEYS").to_owned()
    }

    /// From now on commands know these keys.
    pub(crate) fn tell_commands(&mut self, keys: &str) {
        self.commanding = self.commanding.with([("RELAIS_KEYS", keys.to_owned())]);
    }

    /// Ends `web` and all workers, and starts `web` again, everything with these keys.
    pub(crate) async fn restart_under(&mut self, keys: &str) {
        self.tell_commands(keys);
        self.serving = self.serving.with([("RELAIS_KEYS", keys.to_owned())]);
        for program in std::iter::once(&self.web).chain(&self.workers) {
            program.signal(Signal::Terminate);
            program.finished().await;
        }
        self.workers.clear();
        self.web = self.serving.start("web");
        self.base = address(&self.web.wait_for("Listening.").await);
    }

    pub(crate) fn web(&self) -> &Program {
        &self.web
    }

    pub(crate) fn worker(&self, place: usize) -> &Program {
        &self.workers[place]
    }

    /// Where `web` listens, without the scheme.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// The wire in front of the part that [`Setup::behind_a_wire`] named.
    #[cfg(feature = "services")]
    pub(crate) fn wire(&self) -> &testkit::Proxy {
        self.wire.as_ref().unwrap()
    }

    /// The path of the SQLite file that the store is in, if it is in one.
    pub(crate) fn sqlite_path(&self) -> Option<&str> {
        self.place.sqlite_path()
    }

    /// A client of the installation's queue, within the test.
    pub(crate) fn client(&self) -> Client {
        let keyring = Keyring::parse(self.commanding.get("RELAIS_KEYS")).unwrap();
        Client::new(self.queue(), keyring, Clock::System)
    }

    /// The installation's store, within the test.
    pub(crate) async fn store(&self) -> Store {
        let keyring = Keyring::parse(self.commanding.get("RELAIS_KEYS")).unwrap();
        let url = self.commanding.get("DATABASE_URL");
        let db = Db::connect(url, &ConnectOptions::default()).await.unwrap();
        Store::new(db, keyring)
    }

    pub(crate) fn queue(&self) -> Arc<dyn Backend> {
        self.place.queue()
    }

    /// What `relais …` prints with `--json`; it must succeed.
    pub(crate) fn relais(&self, arguments: &[&str]) -> Value {
        self.commanding.json(arguments)
    }

    /// As [`relais`](Self::relais), while the test goes on.
    pub(crate) async fn relais_meanwhile(&self, arguments: &[&'static str]) -> Value {
        let (commanding, arguments) = (self.commanding.clone(), arguments.to_vec());
        let command = tokio::task::spawn_blocking(move || commanding.json(&arguments));
        command.await.unwrap()
    }

    /// What a command that ends well says in words.
    pub(crate) fn relais_words(&self, arguments: &[&str]) -> String {
        let output = self.commanding.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// How a command ends that is to be refused, and what it says on standard error.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.commanding.run(arguments);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    /// What senders reach it as.
    pub(crate) fn public_url(&self) -> &str {
        self.serving.get("PUBLIC_URL")
    }

    /// The path that events are posted to.
    pub(crate) fn webhook(&self) -> String {
        format!("/webhooks/email/{}", self.endpoint)
    }

    /// A request that carries a signed body to the endpoint, not sent yet.
    pub(crate) fn request(&self, signed: &Signed) -> RequestBuilder {
        self.request_to(&self.webhook(), signed)
    }

    /// As [`request`](Self::request), to any path.
    pub(crate) fn request_to(&self, path: &str, signed: &Signed) -> RequestBuilder {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json");
        let request = request
            .header("X-Timestamp", &signed.timestamp)
            .header("X-Signature", &signed.signature);
        request.body(signed.body.clone())
    }

    pub(crate) async fn post(&self, signed: &Signed) -> Answer {
        answer(self.request(signed)).await
    }

    /// Signs and posts an event.
    pub(crate) async fn post_event(&self, event: &Event) -> Answer {
        self.post(&event.sign(&self.secret)).await
    }

    /// Posts many at once; every one must be accepted.
    pub(crate) async fn post_all(&self, events: impl IntoIterator<Item = Event>) -> Vec<Answer> {
        let posts = events
            .into_iter()
            .map(|event| async move { self.post_event(&event).await });
        let answers: Vec<_> = futures_util::stream::iter(posts)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for answer in &answers {
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        }
        answers
    }

    /// Asks without a key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// A bare request, not sent yet.
    pub(crate) fn ask_with(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Asks with any key.
    pub(crate) async fn get_as(&self, api_key: &str, path: &str) -> Answer {
        answer(self.http.get(format!("{}{path}", self.base)).bearer_auth(api_key)).await
    }

    /// Asks with the tenant's key; it must be answered with 200.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let answer = self.get_as(&self.api_key, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        answer.body
    }

    /// The score of a person, once there is one.
    pub(crate) async fn lead_score(&self, person: &str) -> Option<i64> {
        let leads = self.ask("/v1/leads/hot?min_score=0&limit=500").await;
        let lead = leads["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|lead| lead["person_id"] == person)?;
        lead["score"].as_i64()
    }

    /// The message that the provider calls this, once there is one.
    pub(crate) async fn message(&self, external_id: &str) -> Option<Value> {
        let found = self
            .ask(&format!("/v1/messages?provider={PROVIDER}&external_id={external_id}"))
            .await;
        found["items"].as_array().unwrap().first().cloned()
    }

    /// What `relais queues` says.
    pub(crate) fn queues(&self) -> Jobs {
        let printed = self.relais(&["queues"]);
        let items = printed["items"].as_array().unwrap();
        let sum = |state: &str| items.iter().map(|item| item[state].as_u64().unwrap()).sum();
        Jobs {
            ready: sum("ready"),
            scheduled: sum("scheduled"),
            running: sum("running"),
            parked: sum("parked"),
            dead: sum("dead"),
        }
    }

    /// How often something happened to jobs, by `web`'s `/metrics`: `added`, `done`, `dead`, `stale` …
    pub(crate) async fn counted(&self, event: &str) -> u64 {
        let text = self.get("/metrics").await.body;
        let text = text.as_str().unwrap();
        let wanted = format!("event=\"{event}\"");
        let lines = text
            .lines()
            .filter(|line| line.starts_with("relais_jobs_total{") && line.contains(&wanted));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Asks again and again until it is so.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + WAIT_LIMIT;
        while !condition().await {
            if Instant::now() > deadline {
                panic!("never came true: {what}\n{:?}\n{}", self.queues(), self.last_lines());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until nothing is ready, running or scheduled any more.
    pub(crate) async fn wait_until_idle(&self) {
        self.wait_until("all jobs have ended", async || self.queues().is_idle())
            .await;
    }

    /// This test ends with jobs in these states, on purpose.
    pub(crate) fn leaves(&self, states: &'static [&'static str]) {
        self.leaves.set(states);
    }

    fn last_lines(&self) -> String {
        let programs = std::iter::once(&self.web).chain(&self.workers);
        let last = |program: &Program| {
            let output = program.output();
            let lines: Vec<_> = output.lines().rev().take(15).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        programs.map(last).collect::<Vec<_>>().join("\n--\n")
    }

    /// Which states have jobs although nobody said so.
    fn left(&self) -> Vec<(&'static str, u64)> {
        let jobs = self.queues();
        let states = [
            ("ready", jobs.ready),
            ("scheduled", jobs.scheduled),
            ("running", jobs.running),
            ("parked", jobs.parked),
            ("dead", jobs.dead),
        ];
        states
            .into_iter()
            .filter(|(state, count)| *count > 0 && !self.leaves.get().contains(state))
            .collect()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // A job is settled a moment after its effect could be seen.
        let deadline = Instant::now() + WAIT_LIMIT;
        let passing = |left: &[(&str, u64)]| left.iter().all(|(state, _)| !["dead", "parked"].contains(state));
        let mut left = self.left();
        while !left.is_empty() && passing(&left) && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
            left = self.left();
        }
        assert!(
            left.is_empty(),
            "the test leaves jobs behind: {left:?}\n{}",
            self.last_lines()
        );
    }
}

impl Jobs {
    /// Nothing will happen any more by itself.
    pub(crate) fn is_idle(self) -> bool {
        self.ready + self.scheduled + self.running == 0
    }
}

/// Sends a request. A body that is not JSON comes as a text.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.text().await.unwrap();
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    Answer { status, headers, body }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The address in the line in which `web` says that it listens.
fn address(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    format!("http://{}", text(&line["address"]))
}

/// The shortest lease that every job's time-out allows.
pub(crate) fn shortest_lease() -> String {
    let registry = jobs::registry();
    let fits = |seconds: &u64| registry.too_slow_for(Duration::from_secs(*seconds)).is_empty();
    format!("{}s", (1..).find(fits).unwrap())
}
