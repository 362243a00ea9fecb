//! Dead letters in their buckets, also of a database that had letters before it had buckets, and by many at once.

use std::sync::Arc;

use queue::backend::{Claimed, DeadFilter, Reason};

use super::*;

/// Makes of a database what the migration finds: letters, and no buckets.
pub(super) const BEFORE: &str = "UPDATE queue_dead SET bucket = NULL; DELETE FROM queue_dead_buckets";

/// What letters and buckets may never be, each with the beginning of what is found.
pub(super) const FAULTS: [(&str, &str); 3] = [
    (
        "UPDATE queue_dead_buckets SET letters = letters + 1",
        "1 groups of dead",
    ),
    ("DELETE FROM queue_dead_buckets", "1 groups of dead"),
    ("UPDATE queue_dead SET bucket = bucket + 100", "2 groups of dead"),
];

async fn die(queue: &SqlQueue, claimed: &[Claimed]) {
    let dead = Outcome::Dead {
        reason: Reason::Refused,
        error: Some("no 17".into()),
    };
    let settles: Vec<_> = claimed.iter().map(|job| settle(job, dead.clone())).collect();
    let finished: Vec<_> = claimed.iter().map(|job| job.ticket.claim).take(1).collect();
    queue.settle(Queue::Default, &settles, &finished, NOW).await.unwrap();
}

/// Letters of one tenant.
pub(super) async fn bury(queue: &SqlQueue, count: usize) {
    let of_one = |number| NewJob {
        tenant: Uuid::nil(),
        ..job(number)
    };
    let batch: Vec<_> = (0..count).map(of_one).collect();
    for batch in batch.chunks(1000) {
        queue.add(batch, NOW).await.unwrap();
    }
    let mut dead = 0;
    while dead < count {
        let claims = queue.claim(&request(1000, NOW + LEASE_MS)).await.unwrap();
        die(queue, &claims.jobs).await;
        dead += claims.jobs.len();
    }
}

pub(super) async fn groups(queue: &SqlQueue) -> Vec<(String, u64)> {
    let groups = queue.dead_groups(&DeadFilter::default()).await.unwrap();
    groups.into_iter().map(|group| (group.error, group.count)).collect()
}

/// `forget` does [`BEFORE`].
pub(super) async fn letters_from_before_there_were_buckets_are_found(queue: &SqlQueue, forget: impl AsyncFn()) {
    bury(queue, 2500).await;
    assert_eq!(groups(queue).await, [("no <n>".to_owned(), 2500)]);
    forget().await;
    assert_eq!(queue.counts(Queue::Default).await.unwrap().dead, 2500);
    is_consistent(queue).await;
    let refused = DeadFilter {
        reason: Some(Reason::Refused),
        ..DeadFilter::default()
    };
    assert_eq!(queue.list_dead(&refused, None, 10).await.unwrap().items.len(), 10);
    assert_eq!(groups(queue).await, [("no <n>".to_owned(), 2500)]);
    is_consistent(queue).await;
    forget().await;
    let letter = queue
        .list_dead(&DeadFilter::default(), None, 1)
        .await
        .unwrap()
        .items
        .remove(0);
    assert!(queue.delete_dead(letter.id).await.unwrap());
    assert_eq!(queue.purge(Queue::Default, NOW, NOW + 1).await.unwrap().dead, 1000);
    queue.sweep(Queue::Default, NOW, 0.5).await.unwrap();
    is_consistent(queue).await;
    assert_eq!(groups(queue).await, [("no <n>".to_owned(), 1499)]);
}

/// Jobs die, letters are retried, removed, purged and looked at, all of the same few buckets at once.
pub(super) async fn buckets_count_right_whatever_happens_at_once(another: impl Fn() -> Arc<SqlQueue>, rounds: usize) {
    let queue = another();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let queue = another();
            tokio::spawn(async move {
                for round in 0..rounds {
                    let batch: Vec<_> = (0..20)
                        .map(|number| job((task * rounds + round) * 20 + number))
                        .collect();
                    queue.add(&batch, NOW).await.unwrap();
                    let claims = queue.claim(&request(20, NOW + LEASE_MS)).await.unwrap();
                    die(&queue, &claims.jobs).await;
                    let letters = queue.list_dead(&DeadFilter::default(), None, 6).await.unwrap().items;
                    for (place, letter) in letters.iter().enumerate() {
                        match (place + task) % 3 {
                            0 => drop(queue.delete_dead(letter.id).await.unwrap()),
                            1 => drop(queue.retry_dead(letter.id, None, NOW).await.unwrap()),
                            _ => drop(queue.dead_groups(&DeadFilter::default()).await.unwrap()),
                        }
                    }
                    queue.sweep(Queue::Default, NOW, 0.5).await.unwrap();
                    if round % 10 == 9 {
                        queue.purge(Queue::Default, NOW, NOW + 1).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    is_consistent(&queue).await;
    let counted: u64 = groups(&queue).await.iter().map(|(_, count)| count).sum();
    assert_eq!(counted, queue.counts(Queue::Default).await.unwrap().dead);
    is_consistent(&queue).await;
}
