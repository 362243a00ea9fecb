//! The store against a plain model of it: whatever is recorded, both know the same.

use std::collections::{HashMap, HashSet};

use domain::{EmailEvent, Progress, scoring};
use store::Recorded;

use crate::fresh::{Fresh, event, of_person, second};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

async fn four_hundred_random_events_end_as_in_the_model(fresh: Fresh) {
    let mut dice = Dice(7);
    let mut known = HashSet::new();
    let mut messages: HashMap<String, Progress> = HashMap::new();
    let mut scores: HashMap<String, i64> = HashMap::new();
    for _ in 0..400 {
        let message = dice.roll(12);
        let (message, person) = (format!("m{message}"), format!("p{}", message % 4));
        let kind = EmailEvent::ALL[dice.roll(EmailEvent::ALL.len())];
        // Few enough identities for some to come twice.
        let mut record = of_person(
            event(&message, kind, &format!("{message} {kind} {}", dice.roll(8))),
            &person,
        );
        record.occurred_at = second(dice.roll(1000) as i64 - 500);

        let recorded = fresh.record(&record).await;
        if !known.insert(record.identity.clone()) {
            assert!(matches!(recorded, Recorded::Duplicate { .. }), "{recorded:?}");
            continue;
        }
        let progress = messages.entry(message).or_default();
        let score = scores.entry(person).or_default();
        *score = scoring::apply(*score, scoring::Weights::default().points(&progress.counters, kind));
        *progress = progress.after(kind, record.occurred_at);
        assert!(
            matches!(recorded, Recorded::Applied(applied) if applied.score == *score),
            "{recorded:?}"
        );
    }
    for (message, progress) in messages {
        assert_eq!(fresh.message(&message).await.progress, progress, "{message}");
    }
    scores.retain(|_, score| *score > 0);
    let leads = fresh
        .leads()
        .await
        .into_iter()
        .map(|(person, _, score)| (person.unwrap(), score));
    assert_eq!(leads.collect::<HashMap<_, _>>(), scores);
}

both!(four_hundred_random_events_end_as_in_the_model);
