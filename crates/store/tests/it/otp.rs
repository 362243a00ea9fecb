//! One-time codes: used once, tried five times, sent within limits, whoever does it at once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::otp::limits::PER_NUMBER;
use domain::otp::{CodeKey, TRIES_MAX, Verdict};
use domain::{ChallengeId, Channel, Code, Language, TenantId};
use store::{ChallengeBegun, NewChallenge, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fresh::{Fresh, now, second};
use crate::scene::{ADDRESS, NUMBER, recipient};

const CALLER: Uuid = Uuid::from_u128(5);

fn key(name: &str) -> Option<CodeKey> {
    (name == "k1").then(|| CodeKey::new([3; 32]))
}

fn right(id: ChallengeId) -> Code {
    Code::derive(&key("k1").unwrap(), id)
}

fn wrong(id: ChallengeId) -> Code {
    let codes = ["000000", "111111"].map(|text| Code::read(text).unwrap());
    codes.into_iter().find(|code| *code != right(id)).unwrap()
}

fn challenge(tenant: TenantId, request: &str, to: &str) -> NewChallenge {
    NewChallenge {
        id: ChallengeId::of_request(tenant, request),
        recipient: recipient(to),
        channel: if to.contains('@') { Channel::Email } else { Channel::Sms },
        language: Language::French,
        code_key_id: "k1".into(),
        caller: CALLER,
    }
}

impl Fresh {
    async fn ask(&self, new: &NewChallenge, now: DateTime<Utc>) -> ChallengeBegun {
        self.store.begin_challenge(self.tenant, new, now).await.unwrap()
    }

    async fn made(&self) -> ChallengeId {
        let new = challenge(self.tenant, "r", NUMBER);
        assert!(matches!(self.ask(&new, now()).await, ChallengeBegun::New(_)));
        new.id
    }

    async fn verify(&self, id: ChallengeId, code: &Code, seconds: i64) -> Verdict {
        let verdict = self.store.verify_challenge(self.tenant, id, code, key, second(seconds));
        verdict.await.unwrap().unwrap()
    }
}

async fn a_code_is_right_once_and_while_it_is_good(fresh: Fresh) {
    let id = fresh.made().await;
    let stored = fresh.store.challenge(fresh.tenant, id).await.unwrap().unwrap();
    assert_eq!((stored.recipient, stored.channel), (recipient(NUMBER), Channel::Sms));
    assert_eq!((stored.created_at, stored.expires_at), (now(), second(300)));
    assert_eq!((stored.tries_left, stored.used_at), (TRIES_MAX, None));
    assert_eq!(fresh.verify(id, &wrong(id), 1).await, Verdict::Wrong { tries_left: 4 });
    assert_eq!(fresh.verify(id, &right(id), 300).await, Verdict::Expired);
    assert_eq!(fresh.verify(id, &right(id), 299).await, Verdict::Right);
    assert_eq!(fresh.verify(id, &right(id), 299).await, Verdict::Used);
    let stored = fresh.store.challenge(fresh.tenant, id).await.unwrap().unwrap();
    assert_eq!((stored.tries_left, stored.used_at), (4, Some(second(299))));
}

async fn of_right_tries_at_once_one_is_right(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    for round in 0..10 {
        let new = challenge(fresh.tenant, &round.to_string(), &format!("a{round}@example.com"));
        fresh.ask(&new, now()).await;
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let fresh = Arc::clone(&fresh);
            tasks.spawn(async move { fresh.verify(new.id, &right(new.id), 1).await });
        }
        let verdicts = tasks.join_all().await;
        let is_right = verdicts.iter().filter(|verdict| **verdict == Verdict::Right);
        let used = verdicts.iter().filter(|verdict| **verdict == Verdict::Used);
        assert_eq!((is_right.count(), used.count()), (1, 7), "{verdicts:?}");
    }
}

async fn of_wrong_tries_at_once_every_one_counts_and_the_fifth_locks(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let id = fresh.made().await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move { fresh.verify(id, &wrong(id), 1).await });
    }
    let verdicts = tasks.join_all().await;
    let mut left: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Wrong { tries_left } => Some(*tries_left),
            _ => None,
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(
        verdicts.iter().filter(|verdict| **verdict == Verdict::Locked).count(),
        15
    );
    assert_eq!(fresh.verify(id, &right(id), 2).await, Verdict::Locked);
}

async fn asking_again_by_the_same_request_makes_no_second_challenge(fresh: Fresh) {
    let new = challenge(fresh.tenant, "r", NUMBER);
    let ChallengeBegun::New(first) = fresh.ask(&new, now()).await else {
        panic!()
    };
    for _ in 0..10 {
        assert_eq!(fresh.ask(&new, second(60)).await, ChallengeBegun::Known(first.clone()));
    }
    let other = NewChallenge {
        recipient: recipient("+33612345679"),
        ..new
    };
    let refused = fresh.store.begin_challenge(fresh.tenant, &other, now()).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

async fn a_recipient_gets_so_many_codes_and_no_more_however_many_ask_at_once(fresh: Fresh) {
    let fresh = Arc::new(fresh);
    let mut tasks = JoinSet::new();
    for n in 0..12 {
        let fresh = Arc::clone(&fresh);
        tasks.spawn(async move {
            // Whoever asks, by whichever channel.
            let new = NewChallenge {
                caller: Uuid::from_u128(n % 3),
                channel: if n % 2 == 0 { Channel::Sms } else { Channel::Whatsapp },
                ..challenge(fresh.tenant, &n.to_string(), NUMBER)
            };
            fresh.ask(&new, now()).await
        });
    }
    let begun = tasks.join_all().await;
    let made = begun.iter().filter(|begun| matches!(begun, ChallengeBegun::New(_)));
    assert_eq!(made.count(), PER_NUMBER.most);
    for refused in begun {
        if let ChallengeBegun::Refused(refusal) = refused {
            assert_eq!(refusal.again_at, now() + PER_NUMBER.window);
        }
    }
    let elsewhere = fresh.ask(&challenge(fresh.tenant, "x", ADDRESS), now()).await;
    assert!(matches!(elsewhere, ChallengeBegun::New(_)));
    let later = fresh
        .ask(&challenge(fresh.tenant, "y", NUMBER), now() + PER_NUMBER.window)
        .await;
    assert!(matches!(later, ChallengeBegun::New(_)));
}

async fn a_caller_is_limited_across_recipients(fresh: Fresh) {
    // As if so many had been asked for.
    let statement = "INSERT INTO otp_challenges
             (tenant_id, id, channel, language, recipient, recipient_hash, code_key_id, caller, created_at, expires_at,
              tries_left)
         SELECT tenant_id, $1, channel, language, recipient, recipient_hash, code_key_id, caller, $2, expires_at, tries_left
         FROM otp_challenges LIMIT 1";
    fresh.made().await;
    for n in 1..domain::otp::limits::PER_CALLER.most {
        let (id, at) = (Uuid::from_u128(n as u128), second(-1800).timestamp_millis());
        match fresh.store.db() {
            store::Db::Postgres(pool) => {
                sqlx::query(statement)
                    .bind(id)
                    .bind(at)
                    .execute(pool)
                    .await
                    .map(|_| ())
                    .unwrap();
            }
            store::Db::Sqlite { writer, .. } => {
                sqlx::query(statement)
                    .bind(id)
                    .bind(at)
                    .execute(writer)
                    .await
                    .map(|_| ())
                    .unwrap();
            }
        }
    }
    let refused = fresh
        .ask(&challenge(fresh.tenant, "one more", ADDRESS), second(1))
        .await;
    let ChallengeBegun::Refused(refusal) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.again_at, second(1800));
    let another = NewChallenge {
        caller: Uuid::from_u128(6),
        ..challenge(fresh.tenant, "another", ADDRESS)
    };
    assert!(matches!(fresh.ask(&another, second(1)).await, ChallengeBegun::New(_)));
}

async fn a_challenge_is_its_tenants_and_needs_its_key(fresh: Fresh) {
    let id = fresh.made().await;
    let other = fresh.store.create_tenant("Other", now()).await.unwrap().id;
    assert_eq!(fresh.store.challenge(other, id).await.unwrap(), None);
    let verdict = fresh.store.verify_challenge(other, id, &right(id), key, now()).await;
    assert_eq!(verdict.unwrap(), None);
    let keyless = fresh
        .store
        .verify_challenge(fresh.tenant, id, &right(id), |_| None, now())
        .await;
    assert!(matches!(&keyless, Err(StoreError::Corrupt(_))), "{keyless:?}");
    assert_eq!(fresh.verify(id, &right(id), 1).await, Verdict::Right);
}

async fn challenges_that_are_over_are_forgotten(fresh: Fresh) {
    for n in 0..5 {
        let new = challenge(fresh.tenant, &n.to_string(), &format!("a{n}@example.com"));
        fresh.ask(&new, second(n * 1000)).await;
    }
    // They expire at 300, 1300, 2300 …
    assert_eq!(fresh.store.purge_challenges(second(2000), 1).await.unwrap(), 1);
    assert_eq!(fresh.store.purge_challenges(second(2000), 100).await.unwrap(), 1);
    assert_eq!(fresh.store.purge_challenges(second(2000), 100).await.unwrap(), 0);
    assert_eq!(fresh.count("SELECT COUNT(*) FROM otp_challenges").await, 3);
}

both!(
    a_code_is_right_once_and_while_it_is_good,
    of_right_tries_at_once_one_is_right,
    of_wrong_tries_at_once_every_one_counts_and_the_fifth_locks,
    asking_again_by_the_same_request_makes_no_second_challenge,
    a_recipient_gets_so_many_codes_and_no_more_however_many_ask_at_once,
    a_caller_is_limited_across_recipients,
    a_challenge_is_its_tenants_and_needs_its_key,
    challenges_that_are_over_are_forgotten,
);
