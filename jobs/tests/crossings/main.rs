//! A worker may die at any crossing between our code, the store, the queue and a provider. Here it does, at each in turn: a
//! message is sent by a process of its own (a runtime, its connections), which is dropped with all of them after it has waited
//! so many times. Then another one runs the job again, as the queue would have it.
#![allow(clippy::unwrap_used)]

mod place;
mod process;

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::MessageClass::{self, Code, Transactional};
use jobs::sending::Hop;
use providers::Provider;
#[cfg(feature = "services")]
use simulator::Ledger;
use simulator::{Fault, Misbehaviour, Selector};
use tokio::time::Instant;

use crate::place::Place;
use crate::process::{Ended, Survivor};

/// Every message waits less often than this.
const WAITS_MAX: u32 = 200;
/// How often a run waits at a crossing is for the machine to say: a quick answer is no wait. So every death comes twice.
const DEATHS: u32 = 2;
/// Only reached when something is broken.
#[cfg(feature = "services")]
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What became of one message after a death and whatever followed.
struct Fate {
    /// Where the process died; `None`: it came to the end.
    died_after: Option<u32>,
    /// How the last run ended.
    ended: Ended,
    /// How often the recipient got it.
    got: usize,
}

/// Messages for each number of waits after which a process dies, until all of them live to the end.
async fn at_every_crossing(place: &Place, class: MessageClass, hops: &[Hop]) -> Vec<Fate> {
    let mut fates = Vec::new();
    let survivor = Survivor::start(place).await;
    for waits in 0..WAITS_MAX {
        for message in waits * DEATHS..(waits + 1) * DEATHS {
            let sending = place.message(message, class, hops);
            let survived = place.run_cut_short(&sending, waits).await;
            fates.push(Fate {
                died_after: (!survived).then_some(waits),
                ended: survivor.run_to_the_end(&sending).await,
                got: place.got(&sending),
            });
        }
        let last = &fates[fates.len() - DEATHS as usize..];
        if last.iter().all(|fate| fate.died_after.is_none()) {
            break;
        }
    }
    let dead = fates.iter().filter(|fate| fate.died_after.is_some()).count();
    assert!(dead > 10 && dead < fates.len(), "{dead} of {} died", fates.len());
    fates
}

/// Exactly one message, wherever the process died.
fn each_went_once(fates: &[Fate]) {
    for fate in fates {
        assert_eq!(
            (fate.got, fate.ended),
            (1, Ended::Done),
            "died after {:?} waits",
            fate.died_after
        );
    }
}

async fn a_provider_that_can_be_asked_is_asked(place: Place) {
    let twilio = place.account(Provider::Twilio).await;
    each_went_once(&at_every_crossing(&place, Transactional, &[twilio]).await);
}

async fn a_provider_that_knows_the_key_is_called_again(place: Place) {
    let resend = place.account(Provider::Resend).await;
    each_went_once(&at_every_crossing(&place, Transactional, &[resend]).await);
}

/// Neither is possible with SendGrid: the message went once, or a person has to decide and it went at most once.
async fn where_nobody_can_tell_a_person_decides(place: Place) {
    let sendgrid = place.account(Provider::SendGrid).await;
    let fates = at_every_crossing(&place, Transactional, &[sendgrid]).await;
    let asked = fates.iter().filter(|fate| fate.ended == Ended::Dead).count();
    assert!(asked > 0 && asked < fates.len(), "{asked} of {}", fates.len());
    for fate in &fates {
        let once = fate.got == 1;
        let unknown = fate.ended == Ended::Dead && fate.got <= 1;
        assert!(once || unknown, "{} after {:?} waits", fate.got, fate.died_after);
    }
}

/// A code is sent again: it says the same, and none would lock somebody out.
async fn where_nobody_can_tell_a_code_is_sent_again(place: Place) {
    let sendgrid = place.account(Provider::SendGrid).await;
    for fate in at_every_crossing(&place, Code, &[sendgrid]).await {
        assert_eq!(fate.ended, Ended::Done);
        assert!((1..=2).contains(&fate.got), "{} after {:?}", fate.got, fate.died_after);
    }
}

/// The first account refuses each message once, for a fault of the account. So the next one has it, by a job of its own.
async fn on_the_way_to_the_next_account_nothing_is_lost_or_doubled(place: Place) {
    let refuses = Misbehaviour::Refuse {
        status: 400,
        code: "21408".into(),
    };
    for message in 0..WAITS_MAX * DEATHS {
        let to_this_one = Selector::provider(simulator::Provider::Twilio).to(&place::number(message));
        let fault = Fault::from(refuses.clone()).with(to_this_one).times(1);
        place.simulator.set_fault(fault).unwrap();
    }
    let hops = [
        place.account(Provider::Twilio).await,
        place.account(Provider::Twilio).await,
    ];
    each_went_once(&at_every_crossing(&place, Transactional, &hops).await);
}

/// What goes before the call is done before.
async fn a_message_leaves_when_the_rate_of_its_account_says(place: Place) {
    const WAIT: Duration = Duration::from_secs(2);
    let twilio = place.account(Provider::Twilio).await;
    let sending = place.message(0, Transactional, &[twilio]);
    let (start, start_by_the_wall) = (Instant::now() + WAIT, Utc::now() + WAIT);
    let began_at = Survivor::start(&place).await.run_at(&sending, start).await;
    let left_at = place.left_at(&sending);
    // The two clocks tick apart.
    let tick = TimeDelta::milliseconds(5);
    assert!(
        began_at < start_by_the_wall && left_at + tick >= start_by_the_wall,
        "begun at {began_at}, left at {left_at}, may start at {start_by_the_wall}"
    );
}

/// By a provider that cannot say whether it has a message.
async fn who_misses_a_start_makes_no_call_and_leaves_no_doubt(place: Place) {
    const WAIT: Duration = Duration::from_secs(60);
    let sendgrid = place.account(Provider::SendGrid).await;
    let sending = place.message(0, Transactional, &[sendgrid]);
    let survivor = Survivor::start(&place).await;
    assert_eq!(survivor.run_too_late(&sending, WAIT).await, WAIT);
    assert_eq!(place.got(&sending), 0);
    assert_eq!(survivor.run_to_the_end(&sending).await, Ended::Done);
    assert_eq!(place.got(&sending), 1);
}

/// By a provider that cannot say whether it has a message: a person would have to decide.
#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_of_a_call_is_not_lost_although_the_store_is_away_then() {
    /// The provider answers so long after it has the message, and the store is back so long after that.
    const ANSWERS_AFTER: Duration = Duration::from_secs(1);
    const BACK_AFTER: Duration = Duration::from_secs(1);
    let database = testkit::postgres::fresh().await;
    let place = Place::over(database.url().to_owned(), Box::new(())).await;
    let sendgrid = place.account(Provider::SendGrid).await;
    let sending = place.message(0, Transactional, &[sendgrid]);
    let slow = Misbehaviour::Slow {
        ms: ANSWERS_AFTER.as_millis() as u64,
    };
    place.simulator.set_fault(Fault::from(slow)).unwrap();
    let survivor = Survivor::start(&place).await;
    let outage = async {
        let has_it = |ledger: &Ledger| ledger.effects().len() == 1;
        place.simulator.wait_for(TIME_LIMIT, has_it).await.unwrap();
        let back_at = Instant::now() + ANSWERS_AFTER + BACK_AFTER;
        database.away().await;
        assert!(Instant::now() < back_at - BACK_AFTER, "the answer was there first");
        tokio::time::sleep_until(back_at).await;
        database.back().await;
    };
    let (ended, ()) = tokio::join!(survivor.run_once(&sending), outage);
    ended.unwrap();
    assert_eq!(survivor.run_to_the_end(&sending).await, Ended::Done);
    assert_eq!(place.got(&sending), 1);
}

macro_rules! on {
    ($database:ident: $($promise:ident),+ $(,)?) => {
        mod $database {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise(super::Place::$database().await).await;
                }
            )+
        }
    };
}

on!(
    sqlite: a_provider_that_can_be_asked_is_asked,
    a_provider_that_knows_the_key_is_called_again,
    where_nobody_can_tell_a_person_decides,
    where_nobody_can_tell_a_code_is_sent_again,
    on_the_way_to_the_next_account_nothing_is_lost_or_doubled,
    a_message_leaves_when_the_rate_of_its_account_says,
    who_misses_a_start_makes_no_call_and_leaves_no_doubt,
);

// The crossings to providers are the same; those to the database are all in these two.
#[cfg(feature = "services")]
on!(
    postgres: a_provider_that_can_be_asked_is_asked,
    on_the_way_to_the_next_account_nothing_is_lost_or_doubled,
);
