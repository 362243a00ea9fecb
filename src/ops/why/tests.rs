use super::*;
use queue::{Keys, Limit, Order, Rate};
use uuid::Uuid;

const NOW: Millis = 1_000_000;

fn worker(queue: &str) -> Worker {
    Worker {
        session: Uuid::from_u128(1),
        name: "box:1".into(),
        queues: vec![(queue.into(), 8)],
        kinds: Vec::new(),
        started_at: 0,
    }
}

fn key(name: &str) -> Key {
    Key::new(name).expect("a name")
}

/// A job under a limit and of a line, that has failed twice, in a queue that is served.
fn facts(state: State) -> Facts {
    let order = Order {
        key: key("talk"),
        after_death: queue::AfterDeath::GoOn,
    };
    let kept = Kept {
        id: JobId(Uuid::nil()),
        queue: Queue::Default,
        tenant: Uuid::nil(),
        attempts: 2,
        crashes: 0,
        state,
        keys: Keys {
            limit: Some(key("account")),
            order: Some(order),
        },
        body: Vec::new(),
        errors: vec![Failure {
            attempt: 2,
            at: 1,
            error: "the database is away".into(),
            excerpt: None,
        }],
    };
    Facts {
        kept: Some(kept),
        ended: false,
        counts: Counts {
            ready: 7,
            ..Counts::default()
        },
        limits: Vec::new(),
        pauses: Vec::new(),
        workers: vec![worker("default")],
        held: held::Held::default(),
        now: NOW,
    }
}

fn paused(facts: Facts, scope: Scope) -> Facts {
    let by = "ann".to_owned();
    let at = NOW - 1;
    Facts {
        pauses: vec![Pause { scope, by, at }],
        counts: Counts {
            paused: true,
            ..facts.counts
        },
        ..facts
    }
}

fn unserved(facts: Facts) -> Facts {
    let workers = vec![worker("bulk")];
    Facts { workers, ..facts }
}

/// The same job, of a kind that can be read.
fn of_kind(mut facts: Facts, kind: &str) -> Facts {
    let envelope = Envelope {
        created_at: 1,
        expires_at: None,
        correlation: Uuid::nil(),
        kind,
        sealed: b"sealed",
    };
    if let Some(kept) = &mut facts.kept {
        kept.body = envelope.encode();
    }
    facts
}

/// The workers of the queue know this kind.
fn known(facts: Facts, kind: &str) -> Facts {
    let kinds = vec![kind.to_owned()];
    let workers = vec![Worker {
        kinds,
        ..worker("default")
    }];
    Facts { workers, ..facts }
}

fn pause(scope: Scope, by: &str, at: Millis) -> Pause {
    let by = by.to_owned();
    Pause { scope, by, at }
}

fn check(facts: &Facts, expected: &str) -> String {
    let why = explain(facts);
    assert_eq!(why.name(), expected, "{:?}: {}", facts.kept, why.words());
    assert_eq!(why.to_json("x")["reason"], expected);
    why.words()
}

#[test]
fn every_state_has_its_one_reason() {
    let running = |until| State::Running {
        claim: 1,
        session: Uuid::from_u128(1),
        until,
    };
    let scheduled = |run_at| State::Scheduled { run_at };
    let parked = |gate: &str| State::Parked { gate: gate.to_owned() };
    let dead = State::Dead {
        reason: Reason::Poison,
        died_at: 1,
    };
    check(&facts(State::Ready), "waiting");
    check(&facts(scheduled(NOW + 1)), "scheduled");
    check(&facts(scheduled(NOW)), "waiting");
    check(&facts(running(NOW + 1)), "running");
    check(&facts(running(NOW)), "lease_ended");
    let words = check(&facts(parked("kind:send_otp")), "parked");
    assert!(words.contains("knows the kind `send_otp`"), "{words}");
    let words = check(&facts(parked("key:k2")), "parked");
    assert!(words.contains("sealed under the key `k2`"), "{words}");
    check(&facts(parked("elsewhere")), "parked");
    check(&facts(dead), "dead");
    check(&unserved(facts(State::Ready)), "no_worker");
    check(&unserved(facts(scheduled(NOW))), "no_worker");
    check(&unserved(facts(running(NOW))), "no_worker");
    let nothing = |ended| Facts {
        kept: None,
        ended,
        ..facts(State::Ready)
    };
    check(&nothing(true), "ended");
    check(&nothing(false), "unknown");
}

#[test]
fn a_pause_says_who_since_when_and_how_it_ends() {
    let queue = paused(unserved(facts(State::Ready)), Scope::Queue(Queue::Default));
    let words = check(&queue, "paused");
    assert_eq!(
        words,
        "The queue default is paused by ann since 1970-01-01T00:16:39.999Z; `relais queues resume default` lets it flow."
    );
    let scope = Scope::Tenant(Uuid::from_u128(7));
    let parked = || facts(State::Parked { gate: scope.gate() });
    let words = check(&paused(parked(), scope.clone()), "paused");
    assert!(
        words.contains(&format!("`relais resume tenant {}`", Uuid::from_u128(7))),
        "{words}"
    );
    let words = check(&parked(), "paused");
    assert!(words.contains("flows again in a moment"), "{words}");
    check(&unserved(parked()), "no_worker");
}

#[test]
fn a_ready_job_that_a_worker_would_only_set_aside_says_why_before_one_meets_it() {
    let ready = || known(of_kind(facts(State::Ready), "send_sms"), "send_sms");
    check(&ready(), "waiting");
    let since = "by ann since 1970-01-01T00:16:39.999Z";
    for scope in [Scope::Kind("send_sms".into()), Scope::Tenant(Uuid::nil())] {
        let pauses = vec![pause(scope.clone(), "ann", NOW - 1)];
        let words = check(&Facts { pauses, ..ready() }, "paused");
        assert!(words.contains(since), "{scope:?}: {words}");
    }
    for scope in [Scope::Kind("send_otp".into()), Scope::Tenant(Uuid::from_u128(7))] {
        let pauses = vec![pause(scope, "ann", NOW - 1)];
        check(&Facts { pauses, ..ready() }, "waiting");
    }
    let words = check(&known(ready(), "send_otp"), "parked");
    assert!(words.contains("knows the kind `send_sms`"), "{words}");
}

#[test]
fn whoever_could_claim_and_is_paused_is_named_with_who_paused_it() {
    let worker = |session, slots| Worker {
        session: Uuid::from_u128(session),
        queues: vec![("default".into(), slots)],
        ..worker("default")
    };
    let with = |slots: [usize; 2], pauses: &[Pause]| Facts {
        workers: vec![worker(1, slots[0]), worker(2, slots[1])],
        pauses: pauses.to_vec(),
        ..facts(State::Ready)
    };
    let by = |session, who, at| pause(Scope::Worker(Uuid::from_u128(session)), who, at);
    let (ann, bob) = (by(1, "ann", NOW - 1), by(2, "bob", NOW - 2));
    check(&with([8, 8], std::slice::from_ref(&ann)), "waiting");
    let both = with([8, 8], &[ann.clone(), bob.clone()]);
    let words = check(&both, "paused");
    let session = Uuid::from_u128(2);
    assert_eq!(
        words,
        format!(
            "Nobody claims from the queue default: worker {session} is paused by bob since 1970-01-01T00:16:39.998Z; \
             `relais resume worker {session}` lets it claim. It is one of 2 that are."
        )
    );
    let json = explain(&both).to_json("x");
    assert_eq!(
        (&json["worker"], &json["by"], &json["workers_paused"]),
        (&session.to_string().into(), &"bob".into(), &2.into())
    );
    // Of a worker whose store is away nobody says that somebody should start one.
    let storeless = with([0, 0], &[]);
    let words = check(&storeless, "no_worker");
    assert!(
        words.contains("the store does not answer its living workers (2)"),
        "{words}"
    );
    assert_eq!(explain(&storeless).to_json("x")["workers_storeless"], 2);
    check(&with([0, 0], &[bob]), "paused");
    check(&with([8, 0], &[ann]), "paused");
    check(&with([0, 8], &[]), "waiting");
}

#[test]
fn what_was_set_aside_and_is_free_says_what_comes_next() {
    let parked = || {
        facts(State::Parked {
            gate: "kind:send_sms".into(),
        })
    };
    check(&parked(), "parked");
    let words = check(&known(parked(), "send_sms"), "parked");
    assert!(words.contains("is open by now"), "{words}");
    let queue = Scope::Queue(Queue::Default);
    check(&paused(known(parked(), "send_sms"), queue), "paused");
    check(&unserved(parked()), "parked");
}

#[test]
fn a_ready_job_names_the_slots_only_if_all_of_them_are_surely_taken() {
    let with = |ready, running, pauses: Vec<Pause>, further: Option<Worker>| Facts {
        counts: Counts {
            ready,
            running,
            ..Counts::default()
        },
        workers: std::iter::once(worker("default")).chain(further).collect(),
        pauses,
        ..facts(State::Ready)
    };
    let says = |facts: &Facts, expected: &str| assert_eq!(check(facts, "waiting"), expected);
    says(&with(1, 7, Vec::new(), None), "It is ready and starts in a moment.");
    let full = "It starts when a slot is free: 8 of 8 of its queue's workers are busy.";
    says(&with(1, 8, Vec::new(), None), full);
    let many = " 5 jobs of its queue are ready, and tenants take turns.";
    says(&with(5, 9, Vec::new(), None), &format!("{full}{many}"));
    let turn = format!("It waits its turn for one of 8 slots of its queue's workers.{many}");
    says(&with(5, 3, Vec::new(), None), &turn);
    // What a paused worker began still runs there.
    let session = Uuid::from_u128(2);
    let further = Worker {
        session,
        ..worker("default")
    };
    let pauses = vec![pause(Scope::Worker(session), "ann", 1)];
    says(&with(5, 9, pauses, Some(further)), &turn);
    let json = explain(&with(5, 3, Vec::new(), None)).to_json("x");
    assert_eq!(
        (&json["ready"], &json["running"], &json["slots"]),
        (&5.into(), &3.into(), &8.into())
    );
}

#[test]
fn who_stands_behind_another_names_it() {
    let head = JobId(Uuid::from_u128(9));
    let words = check(&facts(State::Behind { head }), "behind");
    assert!(
        words.starts_with(&format!("Job {head} of its line `talk` goes first")),
        "{words}"
    );
}

#[test]
fn a_closed_limit_names_the_number_that_blocks() {
    let limited = |limit, running, rate_opens_at, cooled_until| {
        let state = LimitState {
            key: key("account"),
            limit,
            running,
            rate_opens_at,
            cooled_until,
        };
        let limits = vec![state];
        Facts {
            limits,
            ..facts(State::Ready)
        }
    };
    let few = Limit {
        rate: None,
        concurrency: Some(3),
    };
    let slow = Limit {
        rate: Rate::new(5, std::time::Duration::from_secs(60)),
        concurrency: None,
    };
    let words = check(&limited(few, 3, None, None), "concurrency_limit");
    assert!(
        words.starts_with("3 of 3 jobs of the limit key `account` run"),
        "{words}"
    );
    check(&limited(few, 2, None, None), "waiting");
    let words = check(&limited(slow, 0, Some(NOW + 5), None), "rate_limit");
    assert!(
        words.contains("allows 5 starts in 60 s and opens again at 1970-01-01T00:16:40.005Z"),
        "{words}"
    );
    check(&limited(slow, 0, None, None), "waiting");
    let words = check(&limited(Limit::default(), 0, None, Some(NOW + 5)), "cooled");
    assert!(words.contains("asked for nothing more until"), "{words}");
}

#[test]
fn a_job_that_killed_a_worker_says_so() {
    let mut suspect = facts(State::Ready);
    if let Some(kept) = &mut suspect.kept {
        kept.crashes = 1;
    }
    let words = check(&suspect, "suspect");
    assert!(words.contains("died under it 1 time,"), "{words}");
    assert!(words.contains("at most 8 such at once"), "{words}");
}

#[test]
fn a_retry_names_its_time_its_attempts_and_the_last_error() {
    let words = check(&facts(State::Scheduled { run_at: NOW + 5 }), "scheduled");
    assert_eq!(
        words,
        "It is due at 1970-01-01T00:16:40.005Z, after 2 failed attempts. Attempt 2 said: the database is away."
    );
}

#[test]
fn what_will_still_be_in_its_way_when_it_looks_again_is_what_a_message_waits_for() {
    let circuit = store::Circuit {
        tenant: domain::TenantId(Uuid::nil()),
        credential: domain::CredentialId(Uuid::nil()),
        provider: "twilio".into(),
        label: "main".into(),
        state: domain::CircuitState::Open,
        failures: 5,
        until: chrono::DateTime::from_timestamp_millis(NOW + 10_000),
        changed_at: chrono::DateTime::UNIX_EPOCH,
    };
    let name = |run_at, quiet_until, circuit: Option<&store::Circuit>| {
        let facts = Facts {
            held: held::Held {
                quiet_until,
                circuit: circuit.cloned(),
            },
            ..facts(State::Scheduled { run_at })
        };
        explain(&facts).name()
    };
    assert_eq!(name(NOW + 10_000, None, None), "scheduled");
    assert_eq!(name(NOW + 5_000, Some(NOW + 90_000), None), "quiet_hours");
    assert_eq!(name(NOW + 90_000, Some(NOW + 90_000), Some(&circuit)), "quiet_hours");
    assert_eq!(name(NOW + 10_100, None, Some(&circuit)), "circuit_open");
    assert_eq!(name(NOW + 5_000, None, Some(&circuit)), "circuit_open");
    assert_eq!(
        name(NOW + 60_000, Some(NOW + 30_000), Some(&circuit)),
        "scheduled",
        "both are over by then"
    );
}
