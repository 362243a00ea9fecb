//! Idempotency keys: whoever asks at once with one key, one request has it.

use std::sync::Arc;

use domain::{Fingerprint, MessageId};
use store::StoreError;
use tokio::task::JoinSet;

use crate::fresh::{Fresh, now, second};

/// What `wish` asks for with this key.
fn request(fresh: &Fresh, key: &str, wish: u8) -> (MessageId, Fingerprint) {
    (MessageId::of_request(fresh.tenant, key), Fingerprint([wish; 32]))
}

impl Fresh {
    async fn claim(&self, requests: &[(MessageId, Fingerprint)]) -> Vec<bool> {
        self.store.claim_requests(self.tenant, requests, now()).await.unwrap()
    }
}

async fn a_key_is_the_first_requests_however_often_that_claims_it(fresh: Fresh) {
    let [first, other, new] = [("a", 1), ("a", 2), ("b", 2)].map(|(key, wish)| request(&fresh, key, wish));
    assert_eq!(fresh.claim(&[]).await, [false; 0]);
    assert_eq!(fresh.claim(&[first]).await, [true]);
    assert_eq!(fresh.claim(&[other, new, first]).await, [false, true, true]);
    assert_eq!(fresh.claim(&[new]).await, [true]);
    let elsewhere = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    let claimed = fresh.store.claim_requests(elsewhere, &[other], now()).await.unwrap();
    assert_eq!(claimed, [true], "another tenant's key is another");
    let nobody = domain::TenantId(uuid::Uuid::from_u128(404));
    let refused = fresh.store.claim_requests(nobody, &[new], now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Missing), "{refused:?}");
}

async fn of_two_in_one_batch_with_one_key_the_first_has_it(fresh: Fresh) {
    let claims = [("a", 1), ("b", 1), ("a", 2), ("a", 1)].map(|(key, wish)| request(&fresh, key, wish));
    assert_eq!(fresh.claim(&claims).await, [true, true, false, true]);
}

/// Also when each claims many at once, in any order: nobody waits in a circle.
async fn of_different_requests_at_once_one_has_the_key(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    for round in 0..10 {
        let mut tasks = JoinSet::new();
        for wish in 0..8 {
            let fresh = Arc::clone(&fresh);
            tasks.spawn(async move {
                let mut keys: Vec<usize> = (0..20).collect();
                keys.rotate_left(usize::from(wish) * 2);
                let claims: Vec<_> = keys
                    .iter()
                    .map(|key| request(&fresh, &format!("{round}/{key}"), wish))
                    .collect();
                let held = fresh.claim(&claims).await;
                let held: Vec<_> = keys.into_iter().zip(held).filter(|(_, held)| *held).collect();
                held
            });
        }
        let mut held: Vec<_> = tasks
            .join_all()
            .await
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .collect();
        held.sort_unstable();
        assert_eq!(held, (0..20).collect::<Vec<_>>(), "round {round}");
    }
}

async fn who_claimed_long_ago_is_forgotten_step_by_step(fresh: Fresh) {
    for (key, at) in [("a", 0), ("b", 1), ("c", 100)] {
        let claim = [request(&fresh, key, 1)];
        fresh
            .store
            .claim_requests(fresh.tenant, &claim, second(at))
            .await
            .unwrap();
    }
    for gone in [1, 1, 0] {
        assert_eq!(fresh.store.forget_requests(second(50), 1).await.unwrap(), gone);
    }
    assert_eq!(fresh.claim(&[request(&fresh, "c", 2)]).await, [false]);
    assert_eq!(fresh.claim(&[request(&fresh, "a", 2)]).await, [true]);
}

both!(
    a_key_is_the_first_requests_however_often_that_claims_it,
    of_two_in_one_batch_with_one_key_the_first_has_it,
    of_different_requests_at_once_one_has_the_key,
    who_claimed_long_ago_is_forgotten_step_by_step,
);
