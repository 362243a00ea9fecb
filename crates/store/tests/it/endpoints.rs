//! Endpoints and their secrets.

use domain::EndpointId;
use secrecy::ExposeSecret as _;
use store::Endpoint;
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};

fn secrets(endpoint: &Endpoint) -> Vec<&str> {
    endpoint.secrets.iter().map(|secret| secret.expose_secret()).collect()
}

async fn an_endpoint_is_found_with_its_secret(fresh: Fresh) {
    let found = fresh.store.endpoint(fresh.endpoint).await.unwrap().unwrap();
    assert_eq!(
        (found.tenant, found.provider.as_str(), found.created_at),
        (fresh.tenant, "email", now())
    );
    assert_eq!(secrets(&found), ["secret"]);
    assert!(!format!("{found:?}").contains("secret\""), "{found:?}");
    assert!(
        fresh
            .store
            .endpoint(EndpointId(Uuid::from_u128(404)))
            .await
            .unwrap()
            .is_none()
    );
}

async fn all_endpoints_are_listed_and_a_tenants_own(fresh: Fresh) {
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let second = fresh
        .store
        .create_endpoint(other, "email", "s".into(), second(1))
        .await
        .unwrap()
        .id;
    let ids = |endpoints: Vec<Endpoint>| endpoints.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>();
    assert_eq!(ids(fresh.store.endpoints().await.unwrap()), [fresh.endpoint, second]);
    assert_eq!(ids(fresh.store.endpoints_of(other).await.unwrap()), [second]);
}

async fn while_a_secret_is_changed_both_are_good(fresh: Fresh) {
    let check = async |expected: &[&str]| {
        assert_eq!(
            secrets(&fresh.store.endpoint(fresh.endpoint).await.unwrap().unwrap()),
            expected
        );
    };
    assert!(
        fresh
            .store
            .rotate_endpoint_secret(fresh.tenant, fresh.endpoint, &"new".into())
            .await
            .unwrap()
    );
    check(&["new", "secret"]).await;
    assert!(
        fresh
            .store
            .retire_previous_secret(fresh.tenant, fresh.endpoint)
            .await
            .unwrap()
    );
    check(&["new"]).await;
    assert!(
        !fresh
            .store
            .retire_previous_secret(fresh.tenant, fresh.endpoint)
            .await
            .unwrap()
    );

    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert!(
        !fresh
            .store
            .rotate_endpoint_secret(other, fresh.endpoint, &"stolen".into())
            .await
            .unwrap()
    );
    check(&["new"]).await;
}

both!(
    an_endpoint_is_found_with_its_secret,
    all_endpoints_are_listed_and_a_tenants_own,
    while_a_secret_is_changed_both_are_good,
);
