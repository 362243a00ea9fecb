//! The world outside of `relais dev`: the providers are played on this machine, and the demo tenant has accounts at them.
//!
//! The accounts' secrets are kept with the demo's other credentials; the ports of the players change from start to start,
//! so what names them is written anew at each.

use anyhow::Context as _;
use chrono::Utc;
use domain::{Author, Channel, CredentialId, EndpointId, PersonalText, TenantId};
use providers::{BaseUrl, Credentials, Provider, StandIns};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simulator::{Account, Script, Simulator, SmtpAccount, TwilioAccount};
use std::time::Duration;
use store::{NewCredential, Store, StoreError};

use super::Demo;
use crate::config::Settings;

/// The number that the demo writes from: one of Twilio's own for trying out.
const NUMBER: &str = "+15005550006";
const FROM: &str = "Demo <demo@relais.example>";
const SMTP_USER: &str = "demo";
/// Between two things that happen to a message, so that one can watch.
const PACE: Duration = Duration::from_millis(700);

/// What the demo tenant is known by at the providers.
#[derive(Serialize, Deserialize)]
pub(super) struct Accounts {
    twilio_sid: String,
    twilio_token: String,
    twilio_endpoint: EndpointId,
    smtp_password: String,
}

impl Accounts {
    pub(super) async fn make(store: &Store, tenant: TenantId) -> anyhow::Result<Self> {
        let twilio_token = hex::encode(rand::random::<[u8; 16]>());
        let secret = SecretString::from(twilio_token.as_str());
        let endpoint = store
            .create_endpoint(tenant, Provider::Twilio.as_str(), secret, Utc::now())
            .await?;
        Ok(Self {
            twilio_sid: format!("AC{}", hex::encode(rand::random::<[u8; 16]>())),
            twilio_token,
            twilio_endpoint: endpoint.id,
            smtp_password: hex::encode(rand::random::<[u8; 16]>()),
        })
    }
}

/// Starts the players, with callbacks to this process.
pub(super) async fn start(settings: &Settings, demo: &Demo, accounts: &Accounts) -> anyhow::Result<Simulator> {
    let base = settings.public_url.as_str().trim_end_matches('/');
    let mut twilio = TwilioAccount::new(&accounts.twilio_sid, &accounts.twilio_token);
    let inbound = format!("{base}/webhooks/twilio/{}", accounts.twilio_endpoint);
    twilio.sms_url = Some(inbound.clone());
    twilio.whatsapp_url = Some(inbound);
    let mut smtp = SmtpAccount::new(SMTP_USER, &accounts.smtp_password);
    smtp.events_url = Some(format!("{base}/webhooks/email/{}", demo.endpoint));
    smtp.events_secret = SecretString::from(demo.secret.as_str());
    let simulator = Simulator::start(simulator::Settings {
        // Ids outlive a start in the database, so no two starts may give out the same.
        seed: rand::random(),
        accounts: vec![Account::Twilio(twilio), Account::Smtp(smtp)],
        script: course().paced(PACE),
        ..simulator::Settings::default()
    });
    simulator.await.context("the providers cannot be played")
}

/// What becomes of a message here: it arrives, and is read by telephone, opened by mail.
fn course() -> Script {
    use simulator::Status::{Delivered, Opened, Queued, Read, Sent};
    Script::of([Queued, Sent, Delivered, Read, Opened])
}

/// Where the players are, for the jobs.
pub(super) fn stand_ins(simulator: &Simulator) -> anyhow::Result<StandIns> {
    let at = |path: &str| BaseUrl::parse(&format!("{}/{path}", simulator.url())).map(Some);
    Ok(StandIns {
        twilio: at("twilio")?,
        sendgrid: at("sendgrid")?,
        resend: at("resend")?,
        green_api: at("green-api")?,
        files: None,
        hooks: at("hook")?,
    })
}

/// Gives the demo tenant accounts, routes and senders, where it has none of its own.
pub(super) async fn furnish(
    store: &Store,
    tenant: TenantId,
    accounts: &Accounts,
    simulator: &Simulator,
) -> anyhow::Result<()> {
    let server = simulator.smtp_address();
    let smtp = json!({
        "host": server.ip().to_string(), "port": server.port(), "security": "none",
        "username": SMTP_USER, "password": accounts.smtp_password,
    });
    let twilio = json!({ "account_sid": accounts.twilio_sid, "auth_token": accounts.twilio_token });
    let smtp = credential(store, tenant, Provider::Smtp, &smtp).await?;
    let twilio = credential(store, tenant, Provider::Twilio, &twilio).await?;
    let of = |channel: Channel| match channel {
        Channel::Email => (smtp, FROM),
        Channel::Sms | Channel::Whatsapp => (twilio, NUMBER),
    };
    for &channel in Channel::ALL {
        if store.route(tenant, channel).await?.is_empty() {
            store.set_route(tenant, channel, &[of(channel).0]).await?;
        }
    }
    let known = store.settings(tenant).await?.senders;
    if Channel::ALL.iter().any(|&channel| known.of(channel).is_none()) {
        let complete = |mut settings: store::Settings| {
            for &channel in Channel::ALL {
                let sender = settings.senders.of_mut(channel);
                sender.get_or_insert_with(|| PersonalText::new(of(channel).1));
            }
            Ok::<_, StoreError>(settings)
        };
        store
            .change_settings(tenant, complete, &Author::system(), Utc::now())
            .await?;
    }
    Ok(())
}

/// The demo's credential for a provider, brought up to date.
async fn credential(
    store: &Store,
    tenant: TenantId,
    provider: Provider,
    secret: &Value,
) -> anyhow::Result<CredentialId> {
    let (now, label) = (Utc::now(), format!("demo {}", provider.as_str()));
    let clear = SecretString::from(secret.to_string());
    let preview = Credentials::parse(provider, clear.expose_secret().as_bytes())?.preview();
    let known = store.credentials(tenant).await?;
    if let Some(known) = known.into_iter().find(|known| known.label == label) {
        store
            .rotate_credential(tenant, known.id, &clear, &preview, &Author::system(), now)
            .await?;
        store
            .retire_previous_credential(tenant, known.id, &Author::system(), now)
            .await?;
        return Ok(known.id);
    }
    let made = store
        .create_credential(
            tenant,
            &NewCredential {
                provider: provider.as_str(),
                label: &label,
                clear: &clear,
                preview: &preview,
            },
            &Author::system(),
            now,
        )
        .await?;
    Ok(made.id)
}

/// Shell lines that send one message by each channel, and show what became of the last one.
pub(super) fn lines(base: &str, api_key: &str, simulator: &Simulator) -> String {
    let send = |body: &str| {
        format!(
            "M=$(curl -sS '{base}/v1/messages' -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \
             -d '{body}'); echo \"$M\""
        )
    };
    let mut text = format!(
        "\nSend something. What arrives, and a box to answer from, is on {url}/\nWebhooks to a system of yours \
         (`relais scoring set --webhook`) do not go there but here: {url}/_sim/ledger, `received`.\n",
        url = simulator.url()
    );
    for (what, body) in [
        (
            "A mail.",
            r#"{"channel":"email","to":"ana@example.com","content":{"subject":"Hello {{ name }}","html":"<p>Hello {{ name }}, <a href=\"https://example.com\">look</a></p>"},"variables":{"name":"Ana"},"person_id":"ana"}"#,
        ),
        (
            "A text message.",
            r#"{"channel":"sms","to":"+12025550143","content":{"text":"Hello Ana, shall we meet?"},"person_id":"ana"}"#,
        ),
        (
            "A message by WhatsApp.",
            r#"{"channel":"whatsapp","to":"+12025550143","content":{"text":"Hello Ana"},"person_id":"ana"}"#,
        ),
    ] {
        text.push_str(&format!("\n# {what}\n{}\n", send(body)));
    }
    text.push_str(&format!(
        "\n# What became of the last one, step by step; paste it again after a second.\n\
         curl -sS \"{base}/v1/messages/$(echo \"$M\" | sed 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/')/events\" \
         -H 'Authorization: Bearer {api_key}' -w '\\n'\n"
    ));
    text.push_str(&format!(
        "\n# Answer \"Oui, parfait\" on that page: the answer is work with Ana, and its intent is yes.\n\
         curl -sS '{base}/v1/interactions' -H 'Authorization: Bearer {api_key}' -w '\\n'\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn webhooks_to_a_tenants_system_stay_on_this_machine() {
        let simulator = Simulator::start(simulator::Settings::default()).await.unwrap();
        let hooks = jobs::hooks::Hooks::new(stand_ins(&simulator).unwrap().hooks).unwrap();
        let hook = store::HotLeadHook {
            url: "https://crm.example.com/leads/new?token=hush".into(),
            secret: "whsec_YW4taW52ZW50ZWQtc2VjcmV0LW9mLXJlbGFpcw==".into(),
        };
        hooks
            .post(&hook, "1", &json!({ "score": 8 }), Utc::now())
            .await
            .unwrap();
        let received: Vec<_> = simulator.look(|ledger| ledger.received().map(|one| one.hook.clone()).collect());
        assert_eq!(received, ["crm.example.com/leads/new"]);
    }
}
