//! Another body for a job that is kept.

use queue::AfterDeath;
use queue::backend::{Kept, Outcome};

use crate::support::fixture::Fixture;

fn all_but_the_body(kept: Kept) -> String {
    format!(
        "{:?}",
        Kept {
            body: Vec::new(),
            ..kept
        }
    )
}

pub(crate) async fn a_rewrite_changes_the_body_of_any_job_and_nothing_else(fixture: &Fixture) {
    let parked = fixture.running("parked").await;
    fixture
        .settle(
            &parked,
            Outcome::Park {
                gate: "gate".to_owned(),
            },
        )
        .await;
    let dead = fixture.dead("dead").await;
    fixture.running("running").await;
    fixture
        .add(&[
            fixture.ordered("line", AfterDeath::GoOn, "head"),
            fixture.ordered("line", AfterDeath::GoOn, "behind"),
            fixture.limited("account", "limited"),
            fixture.job_at(fixture.now() + 10, "scheduled"),
        ])
        .await;
    let alive = ["running", "line head", "line behind", "account limited", "scheduled"].map(|key| fixture.job(key).id);
    for id in [parked.id, dead].into_iter().chain(alive) {
        let before = fixture.kept(id).await;
        let body = fixture.rewritten(id, "another one, of another length").await;
        let after = fixture.kept(id).await;
        assert_eq!(after.body, body);
        assert_eq!(all_but_the_body(after), all_but_the_body(before));
    }
}

pub(crate) async fn a_run_under_way_keeps_its_body_and_the_next_one_has_the_new(fixture: &Fixture) {
    let running = fixture.running("a").await;
    let body = fixture.rewritten(running.id, "another").await;
    let now = fixture.now();
    assert!(
        fixture
            .settle(
                &running,
                Outcome::Later {
                    run_at: now,
                    error: None,
                    cool: false,
                }
            )
            .await
    );
    assert_eq!(fixture.claim_one().await.body, body);
}

pub(crate) async fn a_rewrite_of_what_is_not_there_changes_nothing(fixture: &Fixture) {
    let dead = fixture.dead("dead").await;
    let done = fixture.running("done").await;
    fixture.settle(&done, Outcome::Done).await;
    fixture.add_one(&fixture.job("waiting")).await;
    let other = fixture.body("other");
    for id in [fixture.job("waiting").id, dead] {
        let before = fixture.kept(id).await;
        assert!(!fixture.queue.rewrite(id, &other, &fixture.body("third")).await.unwrap());
        assert_eq!(fixture.kept(id).await.body, before.body);
    }
    for (id, body) in [(fixture.job("nobody").id, &other), (done.id, &done.body)] {
        assert!(!fixture.queue.rewrite(id, body, &other).await.unwrap());
    }
}
