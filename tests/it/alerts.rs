//! Operators are told what begins to go wrong and what is over: once each, whichever clock finds it and whichever dies.
//!
//! Clocks look and tell within the test, at moments that it chooses; what they look at, and who they tell, is real.

mod figures;

use chrono::{DateTime, TimeDelta, Utc};
use domain::alert::WINDOW;
use domain::{AlertChange, Author, CredentialId, TenantId, circuit};
use futures_util::future::join_all;
use queue::backend::{ClaimRequest, NewDead, NewJob, Reason, Worker};
use queue::{JobId, Keys, Queue};
use relais::alerts::look::Watcher;
use relais::alerts::tell::Teller;
use relais::config::{AlertSettings, Values};
use serde_json::{Value, json};
use simulator::{
    Account, Fault, HookAccount, Misbehaviour, Proof, Provider, Selector, Settings, Simulator, SmtpAccount,
};
use store::{NewCredential, Passage};
use testkit::process::Signal;
use uuid::Uuid;

use crate::app::{Combination, Event, Signed, TestApp, on_every_combination};

const SECRET: &str = "whsec_YW4taW52ZW50ZWQtd2ViaG9vay1zZWNyZXQ=";
const OPERATOR: &str = "ops@example.com";

on_every_combination!(
    work_that_nobody_serves_is_told_once_by_three_clocks_and_so_is_the_first_worker,
    what_a_clock_that_died_did_not_tell_another_tells_under_the_same_name,
    a_job_that_nobody_takes_is_told_when_it_has_waited_for_too_long,
    dead_letters_are_told_when_they_grow_and_not_for_being_there,
    an_endpoint_that_is_posted_bad_signatures_is_told_and_nothing_else_comes_of_it,
    an_account_that_is_left_alone_is_told_and_so_is_its_return,
);

/// An installation without a worker, and operators who can be told: by a webhook on this machine and by mail.
struct Watched {
    app: TestApp,
    simulator: Simulator,
    settings: AlertSettings,
    /// When the first look is.
    start: DateTime<Utc>,
}

/// What was posted: kind, rule, subject, and under which name.
type Posted = (String, String, String, String);

impl Watched {
    /// The first look was so many minutes ago: what is signed now must be of about now.
    async fn since(minutes: i64, combination: Combination) -> Self {
        Self::with_workers(0, minutes, combination).await
    }

    async fn with_workers(workers: usize, minutes: i64, combination: Combination) -> Self {
        let accounts = vec![
            Account::Hook(HookAccount::new("operators", SECRET)),
            Account::Smtp(SmtpAccount::new("relais", "an-invented-password")),
        ];
        let simulator = Simulator::start(Settings {
            accounts,
            ..Settings::default()
        })
        .await
        .unwrap();
        let given = [
            ("ALERT_WEBHOOK_URL", format!("{}/hook/operators", simulator.url())),
            ("ALERT_WEBHOOK_SECRET", SECRET.to_owned()),
            ("ALERT_EMAIL_TO", OPERATOR.to_owned()),
            ("ALERT_EMAIL_FROM", "relais@example.com".to_owned()),
            (
                "ALERT_SMTP_URL",
                format!("smtp://relais:an-invented-password@{}", simulator.smtp_address()),
            ),
        ];
        let value = |name: &str| {
            given
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.clone())
        };
        Self {
            app: TestApp::on(combination).workers(workers).start().await,
            settings: AlertSettings::read(&Values::given(value)).unwrap(),
            simulator,
            start: Utc::now() - TimeDelta::minutes(minutes),
        }
    }

    fn at(&self, second: i64) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(second)
    }

    async fn watcher(&self) -> Watcher {
        Watcher::new(self.app.store().await, self.app.client(), &self.settings)
    }

    async fn teller(&self) -> Teller {
        Teller::new(self.app.store().await, &self.settings).unwrap()
    }

    /// A clock looks at these seconds.
    async fn look(&self, seconds: impl IntoIterator<Item = i64>) {
        let clock = self.watcher().await;
        for second in seconds {
            clock.look(self.at(second)).await.unwrap();
        }
    }

    /// What is due at that second is told; so many notices were.
    async fn tell(&self, second: i64) -> usize {
        self.teller().await.tell(self.at(second)).await.unwrap()
    }

    /// What was posted and taken as genuine, oldest first.
    fn posted(&self) -> Vec<Posted> {
        self.simulator.look(|ledger| {
            let read = |received: &simulator::Received| {
                assert_eq!(received.proof, Proof::Genuine);
                let body: Value = serde_json::from_slice(&received.body).unwrap();
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let data = &body["data"];
                (
                    text(&body["type"]),
                    text(&data["rule"]),
                    text(&data["subject"]),
                    received.id.clone().unwrap(),
                )
            };
            ledger.received().map(read).collect()
        })
    }

    /// The subjects and texts of the mails that arrived, oldest first.
    fn mailed(&self) -> Vec<(String, String)> {
        self.simulator.look(|ledger| {
            let read = |mail: &simulator::Effect| {
                let subject = mail.subject.as_ref().map(|subject| subject.expose().to_owned());
                (subject.unwrap(), mail.text.expose().to_owned())
            };
            ledger.effects_to(OPERATOR).map(read).collect()
        })
    }

    /// (type, rule, subject) of all that was posted.
    fn told(&self) -> Vec<(String, String, String)> {
        self.posted()
            .into_iter()
            .map(|(kind, rule, subject, _)| (kind, rule, subject))
            .collect()
    }

    /// A worker that serves every queue announces itself, until long after this test.
    async fn announce(&self) {
        let card = Worker {
            session: Uuid::from_u128(7),
            name: "box:1".into(),
            queues: Queue::ALL.map(|queue| (queue.name().to_owned(), 8)).to_vec(),
            kinds: Vec::new(),
            started_at: self.start.timestamp_millis(),
        };
        let until = (self.start + TimeDelta::days(2)).timestamp_millis();
        self.app.queue().announce(&card, until).await.unwrap();
    }
}

fn fired(rule: &str, subject: &str) -> (String, String, String) {
    ("alert.fired".to_owned(), rule.to_owned(), subject.to_owned())
}

fn recovered(rule: &str, subject: &str) -> (String, String, String) {
    ("alert.recovered".to_owned(), rule.to_owned(), subject.to_owned())
}

async fn work_that_nobody_serves_is_told_once_by_three_clocks_and_so_is_the_first_worker(combination: Combination) {
    let watched = Watched::since(0, combination).await;
    let app = &watched.app;
    app.post_event(&Event::new("ana", "m-1", "opened")).await;
    let clocks = [
        watched.watcher().await,
        watched.watcher().await,
        watched.watcher().await,
    ];
    let tellers = [watched.teller().await, watched.teller().await, watched.teller().await];
    let pass = async |from: i64, until: i64| {
        for second in (from..=until).step_by(15) {
            for looked in join_all(clocks.iter().map(|clock| clock.look(watched.at(second)))).await {
                looked.unwrap();
            }
        }
    };
    pass(0, 45).await;
    assert_eq!(watched.tell(45).await, 0, "it may be a deployment");
    pass(60, 120).await;
    let now = watched.at(120);
    let told: usize = join_all(tellers.iter().map(|teller| teller.tell(now)))
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    assert_eq!(told + watched.tell(121).await, 2, "a webhook and a mail");
    assert_eq!(watched.told(), [fired("no_worker", "default")]);
    let shown = app.relais(&["alerts"]);
    let alert = &shown["items"][0];
    assert_eq!(
        (&alert["rule"], &alert["value"], &alert["untold"]),
        (&json!("no_worker"), &json!(1), &json!(0))
    );
    assert!(app.relais_words(&["alerts"]).contains("Start `relais worker`"));

    watched.announce().await;
    pass(135, 240).await;
    assert_eq!(watched.tell(240).await, 2);
    assert_eq!(
        watched.told(),
        [fired("no_worker", "default"), recovered("no_worker", "default")]
    );
    let mails = watched.mailed();
    assert_eq!(mails[0].0, "[relais] alert: no worker for the queue default");
    assert!(
        mails[0].1.contains("has jobs to run (1)") && mails[0].1.contains("relais worker"),
        "{}",
        mails[0].1
    );
    assert_eq!(mails[1].0, "[relais] recovered: no worker for the queue default");
    assert!(mails[1].1.contains("It lasted 3 min 15 s."), "{}", mails[1].1);
    assert_eq!(mails.len(), 2);
    let shown = app.relais(&["alerts"]);
    assert_eq!(
        (&shown["items"], &shown["recovered"][0]["rule"]),
        (&json!([]), &json!("no_worker"))
    );
    app.leaves(&["ready"]);
}

async fn what_a_clock_that_died_did_not_tell_another_tells_under_the_same_name(combination: Combination) {
    let watched = Watched::since(0, combination).await;
    let store = watched.app.store().await;
    watched.app.post_event(&Event::new("ana", "m-1", "opened")).await;
    watched.look([0, 60]).await;
    // One took both notices, and died.
    let lease = TimeDelta::seconds(60);
    let mut names = Vec::new();
    for destination in ["webhook", "email"] {
        let taken = store.take_alert_notice(destination, watched.at(61), watched.at(61) + lease);
        let notice = taken.await.unwrap().unwrap();
        assert_eq!((notice.change, notice.attempt), (AlertChange::Fired, 1));
        names.push(notice.alert.told_as(notice.change).to_string());
    }
    let teller = watched.teller().await;
    assert_eq!(teller.tell(watched.at(120)).await.unwrap(), 0, "they are taken");
    // The next one posts it, and does not hear that it was taken.
    let fault = Fault::from(Misbehaviour::LostAnswer)
        .times(1)
        .with(Selector::provider(Provider::Hook));
    watched.simulator.set_fault(fault).unwrap();
    assert_eq!(teller.tell(watched.at(121)).await.unwrap(), 1, "the mail");
    assert_eq!(teller.tell(watched.at(130)).await.unwrap(), 0, "not at once");
    assert_eq!(teller.tell(watched.at(181)).await.unwrap(), 1, "the webhook");
    let posted = watched.posted();
    assert_eq!(posted.len(), 2);
    assert_eq!(posted[0], posted[1], "the same, so that whoever is told knows it");
    assert_eq!(posted[0].3, names[0]);
    assert_eq!(watched.mailed().len(), 1);
    assert_eq!(store.alerts_firing().await.unwrap()[0].untold, 0);
    watched.app.leaves(&["ready"]);
}

async fn a_job_that_nobody_takes_is_told_when_it_has_waited_for_too_long(combination: Combination) {
    let watched = Watched::since(5, combination).await;
    let app = &watched.app;
    watched.announce().await;
    app.post_event(&Event::new("ana", "m-1", "opened")).await;
    watched.look((0..=315).step_by(15)).await;
    assert_eq!(
        app.store().await.alerts_firing().await.unwrap(),
        [],
        "five minutes, and half a one to be sure"
    );
    watched.look([330, 345]).await;
    let firing = app.relais(&["alerts"]);
    let alert = &firing["items"][0];
    assert_eq!(
        (&alert["rule"], &alert["subject"], &alert["value"]),
        (&json!("oldest_ready"), &json!("default"), &json!(345))
    );
    assert!(firing["items"].as_array().unwrap().len() == 1, "{firing}");

    let request = ClaimRequest {
        queue: Queue::Default,
        lane: 0,
        want: 1,
        session: Uuid::from_u128(7),
        until: (watched.start + TimeDelta::days(1)).timestamp_millis(),
        now: watched.start.timestamp_millis(),
    };
    assert_eq!(app.queue().claim(&request).await.unwrap().jobs.len(), 1);
    watched.look([360, 390]).await;
    assert_eq!(watched.tell(390).await, 4);
    assert_eq!(
        watched.told(),
        [fired("oldest_ready", "default"), recovered("oldest_ready", "default")]
    );
    app.leaves(&["running", "ready", "scheduled"]);
}

/// Dead letters come in from elsewhere: so many as fast as nothing else makes them.
async fn bury(app: &TestApp, names: std::ops::Range<u32>) {
    let letter = |name: u32| NewDead {
        job: NewJob {
            id: JobId::derive("test", Uuid::nil(), &name.to_string()),
            queue: Queue::Default,
            tenant: Uuid::nil(),
            run_at: 0,
            keys: Keys::default(),
            body: Vec::new(),
        },
        reason: Reason::Refused,
        died_at: Utc::now().timestamp_millis(),
        attempts: 1,
        errors: Vec::new(),
    };
    let letters: Vec<_> = names.map(letter).collect();
    app.queue()
        .import_dead(&letters, Utc::now().timestamp_millis())
        .await
        .unwrap();
}

async fn dead_letters_are_told_when_they_grow_and_not_for_being_there(combination: Combination) {
    let watched = Watched::since(15, combination).await;
    bury(&watched.app, 0..50).await;
    watched.look([0, 15, 30, 60, 300]).await;
    assert_eq!(watched.app.store().await.alerts_firing().await.unwrap(), []);
    bury(&watched.app, 50..60).await;
    watched.look([315, 345, 360]).await;
    let firing = watched.app.store().await.alerts_firing().await.unwrap();
    assert_eq!(
        (firing.len(), firing[0].rule.as_str(), firing[0].value),
        (1, "dead_letters_growing", 10)
    );
    // They stay, and grow no more.
    let later = 315 + WINDOW.num_seconds();
    watched.look((375..=later + 60).step_by(15)).await;
    assert_eq!(watched.tell(later + 60).await, 4);
    let rule = "dead_letters_growing";
    assert_eq!(watched.told(), [fired(rule, "default"), recovered(rule, "default")]);
    assert!(
        watched.mailed()[0]
            .1
            .contains("10 jobs of the queue default died within 10 minutes.")
    );
    watched.app.leaves(&["dead"]);
}

async fn an_endpoint_that_is_posted_bad_signatures_is_told_and_nothing_else_comes_of_it(combination: Combination) {
    let watched = Watched::since(0, combination).await;
    let app = &watched.app;
    let event = Event::new("ana", "m-1", "opened").sign(&app.secret);
    for _ in 0..20 {
        let forged = Signed::new("another secret", Utc::now().timestamp(), &*event.body);
        assert_eq!(app.post(&forged).await.status, 403);
    }
    // What was counted is written down now and then, and at the end.
    app.web().signal(Signal::Terminate);
    app.web().finished().await;
    let since = Utc::now() - WINDOW;
    let counted = app.store().await.signature_failures(since).await.unwrap();
    assert_eq!(counted, [(app.endpoint.parse().unwrap(), 20)]);
    watched.look([1, 31, 46]).await;
    let firing = app.store().await.alerts_firing().await.unwrap();
    assert_eq!(
        (firing.len(), firing[0].rule.as_str(), &firing[0].subject),
        (1, "signature_failures", &app.endpoint)
    );
    let later = WINDOW.num_seconds() + 60;
    watched.look([later, later + 30]).await;
    let shown = app.relais(&["alerts"]);
    assert_eq!(
        (&shown["items"], &shown["recovered"][0]["subject"]),
        (&json!([]), &json!(app.endpoint))
    );
    assert!(app.queues().is_idle());
}

/// An account of the tenant whose calls all fail.
async fn failing_account(app: &TestApp, now: DateTime<Utc>) -> CredentialId {
    let (store, tenant) = (app.store().await, app.tenant.parse::<TenantId>().unwrap());
    let (clear, author) = ("{}".into(), Author::system());
    let new = NewCredential {
        provider: "twilio",
        label: "main",
        clear: &clear,
        preview: "…",
    };
    let account = store.create_credential(tenant, &new, &author, now).await.unwrap().id;
    for _ in 0..circuit::FAILURES_MAX {
        let Passage::Granted(pass) = store.circuit_passage(tenant, account, now).await.unwrap() else {
            panic!("it is closed still")
        };
        store.circuit_failed(tenant, account, pass, now).await.unwrap();
    }
    account
}

async fn an_account_that_is_left_alone_is_told_and_so_is_its_return(combination: Combination) {
    let watched = Watched::since(0, combination).await;
    let app = &watched.app;
    let (store, tenant) = (app.store().await, app.tenant.parse::<TenantId>().unwrap());
    let account = failing_account(app, watched.start).await;
    watched.look([0, 15, 30, 45]).await;
    let Passage::Granted(probe) = store.circuit_passage(tenant, account, watched.at(46)).await.unwrap() else {
        panic!("its time is over")
    };
    watched.look([60, 90]).await;
    assert_eq!(
        store.alerts_firing().await.unwrap().len(),
        1,
        "one call tries it: that is not over"
    );
    store
        .circuit_succeeded(tenant, account, probe, watched.at(91))
        .await
        .unwrap();
    watched.look([105, 135]).await;
    assert_eq!(watched.tell(135).await, 4);
    let subject = account.to_string();
    let mut told = watched.told();
    told.sort();
    assert_eq!(
        told,
        [fired("circuit_open", &subject), recovered("circuit_open", &subject)]
    );
}
