//! Lines where the keys could be taken for each other: by time, by id.

use queue::backend::{Cancelled, NewJob, Outcome, Reason, State};
use queue::clock::DAY_MS;
use queue::{AfterDeath, Backend as _, Keys, Queue};
use testkit::redis::fresh;

use crate::{NOW, claim, fill, open, ordered, request, settle, settle_at};

#[tokio::test]
async fn jobs_for_the_same_later_time_join_their_line_in_the_order_of_being_added() {
    let redis = fresh();
    let queue = open(&redis);
    let jobs: Vec<_> = (0..30)
        .map(|number| NewJob {
            run_at: NOW + 1000,
            ..ordered(number, "line", AfterDeath::GoOn)
        })
        .collect();
    for jobs in jobs.chunks(3) {
        fill(&queue, jobs).await;
    }
    queue.sweep(Queue::Default, NOW + 1000, 0.5).await.unwrap();
    for job in &jobs {
        let claimed = claim(&queue, 5).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [job.id]);
        settle(&queue, &claimed, Outcome::Done).await;
    }
}

/// A key is forgotten after some days, a dead letter is not: a new job may bear the id of an old letter.
#[tokio::test]
async fn a_line_that_waits_for_an_old_letter_is_not_led_by_a_new_job_of_its_id() {
    let redis = fresh();
    let queue = open(&redis);
    let [old, next] = [0, 1].map(|number| ordered(number, "line", AfterDeath::Hold));
    fill(&queue, &[old.clone(), next.clone()]).await;
    let dead = Outcome::Dead {
        reason: Reason::Refused,
        error: None,
    };
    settle(&queue, &claim(&queue, 5).await, dead.clone()).await;
    let later = NOW + 20 * DAY_MS;

    queue.add(std::slice::from_ref(&old), later).await.unwrap();
    assert_eq!(
        queue.find(old.id).await.unwrap().unwrap().state,
        State::Behind { head: old.id }
    );
    assert_eq!(queue.cancel(old.id, later).await.unwrap(), Cancelled::Removed);
    assert_eq!(
        queue.find(next.id).await.unwrap().unwrap().state,
        State::Behind { head: old.id }
    );

    // In no line it starts, and its death overwrites the letter, for which nobody can wait any more.
    let namesake = NewJob {
        keys: Keys::default(),
        ..old
    };
    let later = later + 20 * DAY_MS;
    queue.add(&[namesake], later).await.unwrap();
    let claimed = queue.claim(&request(0, 5, later)).await.unwrap().jobs;
    assert_eq!(claimed.len(), 1);
    settle_at(&queue, &claimed, dead, later).await;
    let claimed = queue.claim(&request(0, 5, later)).await.unwrap().jobs;
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [next.id]);
}
