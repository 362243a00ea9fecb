//! Claims go round the tenants that have work ready.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::support::fixture::{Fixture, OTHER_TENANT, TENANT};

pub(crate) async fn one_late_job_does_not_wait_behind_ten_thousand(fixture: &Fixture) {
    for jobs in fixture.jobs(10_000, "backlog").chunks(1000) {
        fixture.add(jobs).await;
    }
    // A worker in full flow, which has learnt to take large bites.
    for _ in 0..5 {
        fixture.claim(200).await;
    }
    fixture.add_one(&fixture.job_of(OTHER_TENANT, "late")).await;
    let mut next = fixture.claim(200).await;
    next.extend(fixture.claim(200).await);
    assert!(
        next.iter().any(|job| job.tenant == OTHER_TENANT),
        "not among the next two claims"
    );
}

pub(crate) async fn a_lone_tenant_gets_everything(fixture: &Fixture) {
    for jobs in fixture.jobs(4000, "a").chunks(1000) {
        fixture.add(jobs).await;
    }
    // A backend may first have to learn that the tenant is alone.
    for _ in 0..10 {
        fixture.queue.claim(&fixture.request(0, 250)).await.unwrap();
    }
    while fixture.counts().await.ready >= 250 {
        let claims = fixture.queue.claim(&fixture.request(0, 250)).await.unwrap();
        assert_eq!(claims.jobs.len(), 250);
    }
    fixture.claim(250).await;
    assert_eq!(fixture.counts().await.ready, 0);
}

pub(crate) async fn tenants_with_unequal_backlogs_are_served_alike(fixture: &Fixture) {
    let tenants: Vec<_> = (1..=5).map(Uuid::from_u128).collect();
    for (place, tenant) in tenants.iter().enumerate() {
        let jobs: Vec<_> = (0..200 * (place + 1))
            .map(|number| fixture.job_of(*tenant, &number.to_string()))
            .collect();
        fixture.add(&jobs).await;
    }
    let mut served: BTreeMap<Uuid, usize> = BTreeMap::new();
    for _ in 0..20 {
        for job in fixture.claim(25).await {
            *served.entry(job.tenant).or_default() += 1;
        }
    }
    // 500 jobs, 100 for each tenant if it were exact; a turn may be a handful of jobs long.
    assert_eq!(served.len(), 5, "{served:?}");
    assert!(served.values().all(|jobs| (60..=160).contains(jobs)), "{served:?}");
}

pub(crate) async fn claims_of_one_job_go_round_too(fixture: &Fixture) {
    let tenants: Vec<_> = (1..=4).map(Uuid::from_u128).collect();
    for tenant in &tenants {
        let jobs: Vec<_> = (0..20)
            .map(|number| fixture.job_of(*tenant, &number.to_string()))
            .collect();
        fixture.add(&jobs).await;
    }
    let mut served: BTreeMap<Uuid, usize> = BTreeMap::new();
    for _ in 0..40 {
        let job = fixture.claim(1).await.remove(0);
        *served.entry(job.tenant).or_default() += 1;
    }
    assert!(
        tenants
            .iter()
            .all(|tenant| served.get(tenant).is_some_and(|jobs| *jobs >= 4)),
        "{served:?}"
    );
}

pub(crate) async fn a_thousand_tenants_are_all_served(fixture: &Fixture) {
    let jobs: Vec<_> = (0..1000)
        .map(|number| fixture.job_of(Uuid::from_u128(number), "only"))
        .collect();
    fixture.add(&jobs).await;
    let mut served = BTreeSet::new();
    for _ in 0..100 {
        served.extend(fixture.claim(100).await.iter().map(|job| job.tenant));
        if served.len() == 1000 {
            return;
        }
    }
    panic!("{} of 1000 tenants were served", served.len());
}

pub(crate) async fn a_crash_lane_goes_round_its_tenants(fixture: &Fixture) {
    for tenant in [TENANT, OTHER_TENANT] {
        let jobs: Vec<_> = (0..50)
            .map(|number| fixture.job_of(tenant, &number.to_string()))
            .collect();
        fixture.add(&jobs).await;
    }
    assert_eq!(fixture.claim(100).await.len(), 100);
    fixture.crash().await;
    let mut tenants = BTreeSet::new();
    for _ in 0..4 {
        tenants.extend(fixture.claim_from(1, 8).await.iter().map(|job| job.tenant));
    }
    assert_eq!(tenants.len(), 2);
}
