//! One key, one message: whatever is asked for with it, by whichever channel, however many at a time.

use chrono::Utc;
use domain::{Fingerprint, MessageId, TenantId};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::app::{Answer, Combination, on_every_combination};
use crate::outside::{ANA, Sending, only, sms};

/// How often requests race each other.
const ROUNDS: usize = 12;

impl Sending {
    /// An installation that sends by every channel.
    async fn by_all_channels(combination: Combination) -> Self {
        let sending = Self::by_twilio(combination).await;
        let twilio = sending.good_named("twilio", "whatsapp");
        sending.route("whatsapp", &[&twilio]);
        sending.route("email", &[&sending.good("resend")]);
        sending
    }
}

/// Different messages, by jobs of different kinds and in different queues.
fn wishes() -> Vec<Value> {
    let mut marketing = sms("Spring has come");
    marketing["class"] = json!("marketing");
    let mail = json!({ "channel": "email", "to": "ana@example.com", "content": { "subject": "a", "text": "b" } });
    let whatsapp = json!({ "channel": "whatsapp", "to": ANA, "content": { "text": "Hello" } });
    vec![sms("Hello"), whatsapp, mail, marketing]
}

impl Sending {
    /// Asks again, as every caller is told to, while the store or the queue does not answer.
    pub(crate) async fn ask_until_told(&self, key: &str, body: &Value) -> Answer {
        loop {
            let answer = self.post("/v1/messages", Some(key), body).await;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }
}

/// The one that was accepted; all others must have been told that the key is another's.
fn the_accepted(answers: &[Answer]) -> usize {
    let is_accepted = |place: &usize| answers[*place].status == StatusCode::ACCEPTED;
    let accepted: Vec<_> = (0..answers.len()).filter(is_accepted).collect();
    let [one] = accepted[..] else {
        panic!("{} were accepted: {answers:?}", accepted.len())
    };
    for (place, answer) in answers.iter().enumerate() {
        if place != one {
            assert_eq!(answer.body["code"], "idempotency_key_reused", "{answer:?}");
        }
    }
    one
}

on_every_combination!(
    one_key_sent_by_several_channels_at_once_is_one_message,
    a_key_that_was_claimed_before_a_crash_is_its_requests,
);

async fn one_key_sent_by_several_channels_at_once_is_one_message(combination: Combination) {
    let sending = Sending::by_all_channels(combination).await;
    let wishes = wishes();
    for round in 0..ROUNDS {
        let key = format!("order-{round}");
        let mut order: Vec<_> = (0..wishes.len()).collect();
        order.rotate_left(round % wishes.len());
        let posts = order.iter().map(|wish| sending.ask_until_told(&key, &wishes[*wish]));
        let answers = join_all(posts).await;
        let place = the_accepted(&answers);
        let again = sending.ask_until_told(&key, &wishes[order[place]]).await;
        assert_eq!(
            (&again.body["duplicate"], &again.body["id"]),
            (&json!(true), &answers[place].body["id"])
        );
    }
    let ledger = sending.wait_for_effects(ROUNDS).await;
    assert_eq!(ledger.effects().len(), ROUNDS);
    assert_eq!(sending.app.queues().dead, 0);
}

/// A process that died after it had claimed the key and before it had added the job.
async fn a_key_that_was_claimed_before_a_crash_is_its_requests(combination: Combination) {
    let sending = Sending::by_all_channels(combination).await;
    let tenant = TenantId(sending.app.tenant.parse().unwrap());
    // As the request is written when nothing is left out that it says.
    let wish = format!(r#"{{"channel":"sms","to":"{ANA}","content":{{"text":"Hello"}}}}"#);
    let claim = (
        MessageId::of_request(tenant, "order-7"),
        Fingerprint(Sha256::digest(wish).into()),
    );
    let store = sending.app.store().await;
    assert_eq!(
        store.claim_requests(tenant, &[claim], Utc::now()).await.unwrap(),
        [true]
    );
    for other in &wishes()[1..] {
        let refused = sending.post("/v1/messages", Some("order-7"), other).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        assert_eq!(refused.body["code"], "idempotency_key_reused", "{refused:?}");
    }
    let again = sending.post("/v1/messages", Some("order-7"), &sms("Hello")).await;
    assert_eq!(
        (again.status, &again.body["duplicate"]),
        (StatusCode::ACCEPTED, &json!(false)),
        "{again:?}"
    );
    assert_eq!(only(&sending.wait_for_effects(1).await).text.expose(), "Hello");
}

#[tokio::test]
async fn the_key_of_a_batch_and_a_places_number_make_no_key_of_a_message_by_itself() {
    let sending = Sending::by_twilio(Combination::Sqlite).await;
    let batch = sending
        .post(
            "/v1/messages",
            Some("order"),
            &json!({ "messages": [sms("one"), sms("two")] }),
        )
        .await;
    let single = sending.post("/v1/messages", Some("order/1"), &sms("two")).await;
    assert_eq!(single.body["duplicate"], false, "{single:?}");
    let items = batch.body["items"].as_array().unwrap();
    assert!(
        items.iter().all(|item| item["id"] != single.body["id"]),
        "{batch:?} {single:?}"
    );
    sending.wait_for_effects(3).await;
}
