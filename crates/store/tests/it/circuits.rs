//! Circuits: who keeps failing is left alone, then tried by one.

use std::sync::Arc;

use domain::circuit::{FAILURES_MAX, OPEN_FIRST, PROBE};
use domain::{CircuitState, CredentialId};
use store::{Pass, Passage, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::credentials::store_one;
use crate::fresh::{Fresh, now, second};

impl Fresh {
    async fn passage(&self, credential: CredentialId, seconds: i64) -> Passage {
        self.store
            .circuit_passage(self.tenant, credential, second(seconds))
            .await
            .unwrap()
    }

    async fn pass(&self, credential: CredentialId, seconds: i64) -> Pass {
        match self.passage(credential, seconds).await {
            Passage::Granted(pass) => pass,
            refused => panic!("{refused:?}"),
        }
    }

    async fn fail(&self, credential: CredentialId, pass: Pass, seconds: i64) -> Option<i64> {
        let until = self
            .store
            .circuit_failed(self.tenant, credential, pass, second(seconds))
            .await
            .unwrap();
        until.map(|until| (until - now()).num_seconds())
    }

    async fn succeed(&self, credential: CredentialId, pass: Pass, seconds: i64) {
        self.store
            .circuit_succeeded(self.tenant, credential, pass, second(seconds))
            .await
            .unwrap();
    }

    /// Credentials whose circuit has just opened, until ten seconds from now.
    async fn failing(&self) -> CredentialId {
        let credential = store_one(self, "main").await;
        for _ in 1..FAILURES_MAX {
            assert_eq!(self.fail(credential, self.pass(credential, 0).await, 0).await, None);
        }
        let opened = self.fail(credential, self.pass(credential, 0).await, 0).await;
        assert_eq!(opened, Some(OPEN_FIRST.num_seconds()));
        credential
    }
}

async fn failures_in_a_row_open_and_a_success_between_them_does_not(fresh: Fresh) {
    let credential = store_one(&fresh, "main").await;
    for _ in 0..3 {
        for _ in 1..FAILURES_MAX {
            let pass = fresh.pass(credential, 0).await;
            assert_eq!((pass.is_probe, fresh.fail(credential, pass, 0).await), (false, None));
        }
        fresh.succeed(credential, fresh.pass(credential, 0).await, 0).await;
    }
    assert_eq!(fresh.store.circuits(None).await.unwrap(), []);
    for _ in 1..FAILURES_MAX {
        fresh.fail(credential, fresh.pass(credential, 0).await, 0).await;
    }
    assert_eq!(
        fresh.fail(credential, fresh.pass(credential, 0).await, 0).await,
        Some(10)
    );
    assert_eq!(
        fresh.passage(credential, 9).await,
        Passage::Refused { until: second(10) }
    );
}

async fn one_of_many_probes_and_its_success_closes(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let credential = fresh.failing().await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move { fresh.passage(credential, 10).await });
    }
    let passages = tasks.join_all().await;
    let probes: Vec<Pass> = passages
        .into_iter()
        .filter_map(|passage| match passage {
            Passage::Granted(pass) => Some(pass),
            Passage::Refused { .. } => None,
        })
        .collect();
    assert_eq!((probes.len(), probes[0].is_probe), (1, true));
    let shown = fresh.store.circuits(Some(fresh.tenant)).await.unwrap();
    assert_eq!(
        (shown[0].state, shown[0].label.as_str()),
        (CircuitState::HalfOpen, "main")
    );
    fresh.succeed(credential, probes[0], 11).await;
    assert!(!fresh.pass(credential, 11).await.is_probe);
    assert_eq!(fresh.store.circuits(None).await.unwrap(), []);
}

async fn a_probe_that_fails_opens_for_twice_as_long(fresh: Fresh) {
    let credential = fresh.failing().await;
    let probe = fresh.pass(credential, 10).await;
    assert_eq!(fresh.fail(credential, probe, 10).await, Some(10 + 20));
    let probe = fresh.pass(credential, 30).await;
    assert_eq!(fresh.fail(credential, probe, 30).await, Some(30 + 40));
    let shown = fresh.store.circuits(None).await.unwrap().remove(0);
    assert_eq!(
        (shown.tenant, shown.credential, shown.state),
        (fresh.tenant, credential, CircuitState::Open)
    );
    assert_eq!((shown.failures, shown.until), (FAILURES_MAX + 2, Some(second(70))));
    assert_eq!(shown.changed_at, second(30));
}

async fn a_probe_that_is_not_heard_of_is_given_to_another_and_then_says_nothing_more(fresh: Fresh) {
    let credential = fresh.failing().await;
    let lost = fresh.pass(credential, 10).await;
    for (asked, again) in [(11, 16), (67, 70)] {
        let until = second(again);
        assert_eq!(fresh.passage(credential, asked).await, Passage::Refused { until });
    }
    let next = fresh.pass(credential, 10 + PROBE.num_seconds()).await;
    assert!(next.is_probe);
    fresh.succeed(credential, lost, 71).await;
    assert!(matches!(fresh.passage(credential, 71).await, Passage::Refused { .. }));
    assert_eq!(fresh.fail(credential, lost, 72).await, None);
    fresh.succeed(credential, next, 73).await;
    assert!(matches!(fresh.passage(credential, 73).await, Passage::Granted(_)));
}

async fn calls_from_before_a_circuit_opened_neither_close_nor_prolong_it(fresh: Fresh) {
    let credential = store_one(&fresh, "main").await;
    let early = fresh.pass(credential, 0).await;
    for _ in 0..FAILURES_MAX {
        fresh.fail(credential, fresh.pass(credential, 0).await, 0).await;
    }
    fresh.succeed(credential, early, 1).await;
    assert_eq!(fresh.fail(credential, early, 5).await, None);
    assert_eq!(
        fresh.passage(credential, 5).await,
        Passage::Refused { until: second(10) }
    );
}

async fn circuits_are_their_tenants(fresh: Fresh) {
    let credential = fresh.failing().await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.circuits(Some(other)).await.unwrap(), []);
    let Passage::Granted(pass) = fresh.store.circuit_passage(other, credential, now()).await.unwrap() else {
        panic!("another tenant's circuit is not this one")
    };
    let refused = fresh.store.circuit_failed(other, credential, pass, now()).await;
    assert!(matches!(&refused, Err(StoreError::Missing)), "{refused:?}");
    let nobodys = CredentialId(Uuid::from_u128(404));
    let refused = fresh.store.circuit_failed(fresh.tenant, nobodys, pass, now()).await;
    assert!(matches!(&refused, Err(StoreError::Missing)), "{refused:?}");
}

both!(
    failures_in_a_row_open_and_a_success_between_them_does_not,
    one_of_many_probes_and_its_success_closes,
    a_probe_that_fails_opens_for_twice_as_long,
    a_probe_that_is_not_heard_of_is_given_to_another_and_then_says_nothing_more,
    calls_from_before_a_circuit_opened_neither_close_nor_prolong_it,
    circuits_are_their_tenants,
);
