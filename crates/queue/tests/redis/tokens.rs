//! What ends or changes so that others may start leaves the token that wakes a worker.

use queue::backend::{Outcome, Reason};
use queue::redis::RedisQueue;
use queue::{AfterDeath, Backend as _, Queue};
use testkit::redis::{TempRedis, fresh};

use crate::{NOW, at_once, claim, fill, limited, open, ordered, run, set_limit, settle};

/// Whether something left the token since this was asked last.
fn was_woken(redis: &TempRedis) -> bool {
    let token = format!("{{{}:default}}:wake", redis.prefix());
    run(redis.url(), redis::cmd("DEL").arg(token)) == redis::Value::Int(1)
}

fn dead() -> Outcome {
    Outcome::Dead {
        reason: Reason::Refused,
        error: None,
    }
}

/// A queue with one job of a key running that has room for one, and two of other tenants waiting for it.
async fn one_of_three_runs(redis: &TempRedis) -> (RedisQueue, Vec<queue::backend::Claimed>) {
    let queue = open(redis);
    set_limit(&queue, "one", at_once(1), NOW).await;
    fill(&queue, &[1, 2, 3].map(|tenant| limited(tenant, 0, "one"))).await;
    let running = claim(&queue, 5).await;
    assert_eq!(running.len(), 1);
    was_woken(redis);
    (queue, running)
}

#[tokio::test]
async fn an_end_that_makes_room_wakes() {
    let redis = fresh();
    let (queue, mut running) = one_of_three_runs(&redis).await;
    for others in [2, 1, 0] {
        settle(&queue, &running, Outcome::Done).await;
        assert_eq!(was_woken(&redis), others > 0, "{others} wait");
        running = claim(&queue, 5).await;
        was_woken(&redis);
    }
}

#[tokio::test]
async fn a_new_limit_wakes_if_it_lets_somebody_start() {
    let redis = fresh();
    let (queue, _) = one_of_three_runs(&redis).await;
    set_limit(&queue, "one", at_once(0), NOW).await;
    assert!(!was_woken(&redis));
    set_limit(&queue, "one", at_once(2), NOW).await;
    assert!(was_woken(&redis));
    set_limit(&queue, "one", None, NOW).await;
    assert!(was_woken(&redis));
}

#[tokio::test]
async fn a_sweep_that_finds_a_cooled_key_open_wakes() {
    let redis = fresh();
    let (queue, running) = one_of_three_runs(&redis).await;
    let cool = Outcome::Later {
        run_at: NOW + 1000,
        error: None,
        cool: true,
    };
    settle(&queue, &running, cool).await;
    queue.cancel(running[0].id, NOW).await.unwrap();
    was_woken(&redis);
    queue.sweep(Queue::Default, NOW + 999, 0.5).await.unwrap();
    assert!(!was_woken(&redis));
    queue.sweep(Queue::Default, NOW + 1000, 0.5).await.unwrap();
    assert!(was_woken(&redis));
}

#[tokio::test]
async fn whatever_lets_the_next_of_a_line_follow_wakes() {
    let redis = fresh();
    let queue = open(&redis);
    let line: Vec<_> = (0..6).map(|number| ordered(number, "line", AfterDeath::Hold)).collect();
    fill(&queue, &line).await;
    was_woken(&redis);

    settle(&queue, &claim(&queue, 5).await, Outcome::Done).await;
    assert!(was_woken(&redis), "an end");
    queue.cancel(line[1].id, NOW).await.unwrap();
    assert!(was_woken(&redis), "a cancellation");
    settle(&queue, &claim(&queue, 5).await, dead()).await;
    assert!(!was_woken(&redis), "the line holds");
    queue.delete_dead(line[2].id).await.unwrap();
    assert!(was_woken(&redis), "a letter that is removed");
    settle(&queue, &claim(&queue, 5).await, dead()).await;
    queue.purge(Queue::Default, NOW, NOW + 1).await.unwrap();
    assert!(was_woken(&redis), "a letter that is purged");
    settle(&queue, &claim(&queue, 5).await, Outcome::Done).await;
    was_woken(&redis);
    settle(&queue, &claim(&queue, 5).await, Outcome::Done).await;
    assert!(!was_woken(&redis), "nobody follows");
}
