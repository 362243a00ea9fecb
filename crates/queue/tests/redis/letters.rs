//! Dead letters in their buckets, also of a Redis that had letters before it had buckets.

use queue::backend::{DeadFilter, Failure, NewDead, Outcome, Reason};
use queue::redis::RedisQueue;
use queue::{Backend as _, Queue};
use testkit::redis::fresh;

use crate::{NOW, claim, fill, job, jobs, open, run, settle};

fn filter(tenant: u128) -> DeadFilter {
    DeadFilter {
        tenant: Some(uuid::Uuid::from_u128(tenant)),
        ..DeadFilter::default()
    }
}

fn letters(tenant: u128, count: usize) -> Vec<NewDead> {
    let letter = |key| NewDead {
        job: job(tenant, key),
        reason: Reason::Refused,
        died_at: NOW,
        attempts: 1,
        errors: vec![Failure {
            attempt: 1,
            at: NOW,
            error: "no 17".into(),
            excerpt: None,
        }],
    };
    (0..count).map(letter).collect()
}

async fn counts(queue: &RedisQueue) -> Vec<u64> {
    let groups = queue.dead_groups(&DeadFilter::default()).await.unwrap();
    groups.iter().map(|group| group.count).collect()
}

/// Letters come, are found and go.
pub(crate) async fn live_among_buckets(queue: &RedisQueue) {
    let letters = letters(77, 3);
    assert_eq!(queue.import_dead(&letters, NOW).await.unwrap(), [true; 3]);
    assert_eq!(queue.list_dead(&filter(77), None, 10).await.unwrap().items.len(), 3);
    assert_eq!(counts(queue).await, [3, 1]);
    for letter in &letters {
        assert!(queue.delete_dead(letter.job.id).await.unwrap());
    }
    assert_eq!(counts(queue).await, [1]);
}

#[tokio::test]
async fn letters_from_before_there_were_buckets_are_found() {
    let redis = fresh();
    let queue = open(&redis);
    for batch in letters(1, 2500).chunks(1000) {
        queue.import_dead(batch, NOW).await.unwrap();
    }
    let tag = format!("{{{}:default}}", redis.prefix());
    let forget = || {
        let keys: Vec<Vec<u8>> =
            redis::from_redis_value(run(redis.url(), redis::cmd("KEYS").arg(format!("{tag}:dead:b:*")))).unwrap();
        let mut command = redis::cmd("DEL");
        command.arg(keys);
        for name in ["dead:in", "dead:buckets", "dead:loose"] {
            command.arg(format!("{tag}:{name}"));
        }
        run(redis.url(), &mut command);
    };
    forget();
    assert_eq!(counts(&queue).await, [2500]);
    forget();
    assert_eq!(queue.list_dead(&filter(1), None, 10).await.unwrap().items.len(), 10);
    assert_eq!(queue.list_dead(&filter(2), None, 10).await.unwrap().items.len(), 0);
    forget();
    queue.sweep(Queue::Default, NOW, 0.5).await.unwrap();
    assert_eq!(counts(&queue).await, [2500]);
}

#[tokio::test]
async fn a_letter_that_lived_again_is_not_put_where_it_belonged_before() {
    let redis = fresh();
    let queue = open(&redis);
    fill(&queue, &jobs(1, 1)).await;
    for error in ["the first", "the second"] {
        let claimed = claim(&queue, 1).await;
        let dead = Outcome::Dead {
            reason: Reason::Refused,
            error: Some(error.into()),
        };
        settle(&queue, &claimed, dead).await;
        let groups = queue.dead_groups(&DeadFilter::default()).await.unwrap();
        assert_eq!(
            groups.iter().map(|group| group.error.as_str()).collect::<Vec<_>>(),
            [error]
        );
        queue.retry_dead(claimed[0].id, None, NOW).await.unwrap();
        assert_eq!(counts(&queue).await, [0; 0]);
    }
}

/// A thousand deaths at one time: their ids alone tell where a page ends.
#[tokio::test]
async fn letters_of_one_time_are_paged_by_id() {
    let redis = fresh();
    let queue = open(&redis);
    let mut expected: Vec<_> = [letters(1, 300), letters(2, 300)].concat();
    queue.import_dead(&expected, NOW).await.unwrap();
    expected.sort_by_key(|letter| std::cmp::Reverse(letter.job.id));
    for filter in [DeadFilter::default(), filter(2)] {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = queue.list_dead(&filter, cursor.as_deref(), 7).await.unwrap();
            found.extend(page.items.iter().map(|kept| kept.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let wanted = expected
            .iter()
            .filter(|letter| filter.tenant.is_none_or(|tenant| tenant == letter.job.tenant));
        assert_eq!(found, wanted.map(|letter| letter.job.id).collect::<Vec<_>>());
    }
}
