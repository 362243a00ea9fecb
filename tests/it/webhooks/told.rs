//! What providers tell of messages and replies arrives where it belongs.

use domain::{Intent, Suppression, TenantId};
use serde_json::json;

use super::raw::Raw;
use super::sign;
use crate::app::{Combination, TestApp, on_every_combination};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An endpoint of Twilio, and requests to it.
struct Twilio {
    target: String,
    url: String,
}

impl Twilio {
    fn at(app: &TestApp) -> Self {
        let create = [
            "endpoint",
            "create",
            "--tenant",
            &app.tenant,
            "--provider",
            "twilio",
            "--secret",
            TOKEN,
        ];
        let target = format!("/webhooks/twilio/{}", app.relais(&create)["id"].as_str().unwrap());
        let url = format!("{}{target}", app.public_url());
        Self { target, url }
    }

    fn signed(&self, form: &str) -> Raw {
        sign::twilio(&self.target, &self.url, TOKEN, form)
    }

    async fn post(&self, app: &TestApp, form: &str) {
        let reply = self.signed(form).send(app.address()).await;
        assert!(reply.status.is_success(), "{reply:?}");
    }
}

on_every_combination!(a_status_moves_its_message_forward_and_never_back);

async fn a_status_moves_its_message_forward_and_never_back(combination: Combination) {
    let app = TestApp::on(combination).start().await;
    let twilio = Twilio::at(&app);
    for status in ["delivered", "queued", "sent", "delivered"] {
        let form = format!("MessageSid=SM1&MessageStatus={status}&From=%2B15005550006&To=%2B12025550143");
        twilio.post(&app, &form).await;
    }
    app.wait_until_idle().await;
    let found = app.ask("/v1/messages?provider=twilio&external_id=SM1").await;
    let message = &found["items"][0];
    assert_eq!(
        (&message["status"], &message["channel"]),
        (&json!("delivered"), &json!("sms"))
    );
    let path = format!("/v1/messages/{}/events", message["id"].as_str().unwrap());
    let events = app.ask(&path).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 3, "{events}");
}

#[tokio::test]
async fn a_reply_is_recorded_once_with_what_it_means_and_a_stop_stops() {
    let app = TestApp::on(Combination::Sqlite).start().await;
    let twilio = Twilio::at(&app);
    let reply = |id: u8, from: &str, text: &str| {
        format!("MessageSid=SM{id}&From=%2B{from}&To=%2B15005550006&Body={text}&NumMedia=0&SmsStatus=received")
    };
    for form in [
        reply(1, "12025550143", "Oui%2C+parfait"),
        reply(1, "12025550143", "Oui%2C+parfait"),
        reply(2, "12025550199", "STOP"),
    ] {
        twilio.post(&app, &form).await;
    }
    app.wait_until_idle().await;

    let store = app.store().await;
    let tenant = TenantId(app.tenant.parse().unwrap());
    let replies = store.inbound_messages(tenant, None, None, 10).await.unwrap().items;
    let mut intents: Vec<_> = replies.iter().map(|reply| reply.intent.as_str()).collect();
    intents.sort_unstable();
    assert_eq!(intents, [Intent::Stop.as_str(), Intent::Yes.as_str()]);
    let suppressed = store
        .suppressions(tenant, &store::SuppressionFilter::default(), None, 10)
        .await
        .unwrap();
    let why: Vec<_> = suppressed.items.iter().map(|suppressed| suppressed.reason).collect();
    assert_eq!(why, [Suppression::Stop]);
}
