//! Messages whose callbacks were lost come to their end all the same.

use chrono::{TimeDelta, Utc};
use jobs::ReconcileMessages;
use queue::Origin;
use simulator::{Fault, Misbehaviour, Script, Selector};
use uuid::Uuid;

use crate::app::{Combination, on_every_combination};
use crate::outside::{Sending, TOKEN, sms};
use crate::webhooks::sign;

impl Sending {
    /// A message of which nobody hears, sent.
    async fn send_unheard(&self) -> String {
        let unheard = Script {
            drops: 1.0,
            ..Script::delivered()
        };
        self.simulator.set_script(Selector::all(), unheard).unwrap();
        let id = self.send(None, &sms("Hello")).await;
        self.wait_for_effects(1).await;
        self.simulator
            .settled(std::time::Duration::from_secs(60))
            .await
            .unwrap();
        assert_eq!(self.message(&id).await["status"], "accepted");
        id
    }

    /// An hour has gone by in which nobody heard of any message, and the clock ticks.
    async fn tick_an_hour_later(&self, tick: i64) {
        let now = Utc::now();
        let store = self.app.store().await;
        let hour = TimeDelta::hours(1);
        store.open_messages(now + hour, 100, now - hour).await.unwrap();
        let origin = Origin {
            tenant: Uuid::nil(),
            correlation: Uuid::new_v4(),
        };
        let job = ReconcileMessages { tick };
        self.app.client().add(&job, origin).await.unwrap();
        self.app.wait_until_idle().await;
    }
}

on_every_combination!(a_message_whose_callbacks_are_lost_ends_delivered_and_counts_once);

async fn a_message_whose_callbacks_are_lost_ends_delivered_and_counts_once(combination: Combination) {
    let sending = Sending::reached(combination).await;
    let id = sending.send_unheard().await;
    sending.tick_an_hour_later(1).await;
    assert_eq!(sending.message(&id).await["status"], "delivered");
    let events = async || {
        // Twilio's clock knows no parts of a second, so that the order may be another.
        let mut events = sending.events(&id).await;
        events.sort_unstable();
        events
    };
    assert_eq!(events().await, ["accepted", "delivered", "queued"]);

    // The callback comes after all.
    let message = sending.message(&id).await;
    let form = format!(
        "MessageSid={}&MessageStatus=delivered&From=%2B15005550006&To=%2B12025550143",
        message["external_id"].as_str().unwrap()
    );
    let target = format!("/webhooks/twilio/{}", sending.twilio_endpoint());
    let url = format!("{}{target}", sending.app.public_url());
    let late = sign::twilio(&target, &url, TOKEN, &form);
    assert!(late.send(sending.app.address()).await.status.is_success());
    sending.app.wait_until_idle().await;
    assert_eq!(events().await, ["accepted", "delivered", "queued"]);
    let stats = sending.app.ask("/v1/stats/delivery").await;
    assert_eq!(stats["items"][0]["counts"]["delivered"], 1, "{stats}");
}

#[tokio::test]
async fn a_provider_that_does_not_say_is_asked_again_and_nothing_is_left_behind() {
    let sending = Sending::reached(Combination::Sqlite).await;
    let id = sending.send_unheard().await;
    let away = Misbehaviour::ServerError {
        status: 503,
        executed: false,
    };
    let busy = Misbehaviour::TooManyRequests { retry_after_seconds: 1 };
    for fault in [away, busy] {
        sending
            .simulator
            .set_fault(Fault::from(fault).times(1).of_lookups())
            .unwrap();
    }
    sending.tick_an_hour_later(1).await;
    assert_eq!(sending.message(&id).await["status"], "accepted");
    let counted = async || sending.app.counted("unanswered").await;
    sending
        .app
        .wait_until("it is counted", async || counted().await == 1)
        .await;
    sending.tick_an_hour_later(2).await;
    assert_eq!(sending.message(&id).await["status"], "delivered");
    assert_eq!(counted().await, 1, "who asks to be asked later has answered");
}

#[tokio::test]
async fn who_was_heard_of_lately_is_not_asked_about() {
    let sending = Sending::reached(Combination::Sqlite).await;
    let id = sending.send_unheard().await;
    let origin = Origin {
        tenant: Uuid::nil(),
        correlation: Uuid::new_v4(),
    };
    let job = ReconcileMessages { tick: 1 };
    sending.app.client().add(&job, origin).await.unwrap();
    sending.app.wait_until_idle().await;
    assert_eq!(sending.message(&id).await["status"], "accepted");
}
