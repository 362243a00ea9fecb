//! An installation that sends: the providers are played on this machine, and the tenant has accounts at them.

use std::io::Write as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use simulator::{
    Account, Effect, GreenApiAccount, Ledger, ResendAccount, Script, SendGridAccount, Settings, Simulator, SmtpAccount,
    Telling, TwilioAccount,
};

use testkit::process::free_port;

use crate::app::{Answer, Combination, Setup, TestApp, answer};

/// Longer than anything here takes, on the slowest machine.
const LIMIT: Duration = Duration::from_secs(120);
pub(crate) const ANA: &str = "+12025550143";
pub(crate) const OURS: &str = "+15005550006";
const SID: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "an-invented-token-0001";
const SMTP_USER: &str = "desk";
const SMTP_PASSWORD: &str = "an-invented-password";
const SENDGRID_KEY: &str = "SG.an-invented-key";
const RESEND_KEY: &str = "re_an_invented_key";
pub(crate) const GREEN_INSTANCE: u64 = 7_103_000_001;
const GREEN_TOKEN: &str = "an-invented-green-token";
const RESEND_SECRET: &str = "whsec_YW4taW52ZW50ZWQtd2ViaG9vay1zZWNyZXQ=";
const GREEN_WEBHOOK_TOKEN: &str = "an-invented-webhook-token";
/// What the accounts are opened with, and what they sign with or show.
pub(crate) const SECRETS: [&str; 7] = [
    TOKEN,
    SMTP_PASSWORD,
    SENDGRID_KEY,
    RESEND_KEY,
    GREEN_TOKEN,
    RESEND_SECRET,
    GREEN_WEBHOOK_TOKEN,
];

/// A running installation and the world outside it.
pub(crate) struct Sending {
    pub(crate) app: TestApp,
    pub(crate) simulator: Simulator,
    twilio_endpoint: Option<String>,
}

impl Sending {
    /// An installation with one worker, whose tenant has no account yet.
    pub(crate) async fn on(combination: Combination) -> Self {
        Self::with(combination, |setup| setup).await
    }

    /// The same, set up further.
    pub(crate) async fn with(combination: Combination, further: impl FnOnce(Setup) -> Setup) -> Self {
        Self::furnished(combination, None, further).await
    }

    /// The same; files of mails lie at this URL, whatever server is named.
    pub(crate) async fn with_files(combination: Combination, files: &str) -> Self {
        Self::furnished(combination, Some(files), |setup| setup).await
    }

    async fn furnished(combination: Combination, files: Option<&str>, further: impl FnOnce(Setup) -> Setup) -> Self {
        let accounts = vec![
            Account::Twilio(TwilioAccount::new(SID, TOKEN)),
            Account::Smtp(SmtpAccount::new(SMTP_USER, SMTP_PASSWORD)),
            Account::SendGrid(SendGridAccount::new("sendgrid", SENDGRID_KEY)),
            Account::Resend(ResendAccount::new("resend", RESEND_KEY)),
            Account::GreenApi(GreenApiAccount::new(GREEN_INSTANCE, GREEN_TOKEN, OURS)),
        ];
        let simulator = Simulator::start(Settings {
            accounts,
            script: Script::delivered(),
            telling: Telling {
                pace: 0.0,
                ..Telling::default()
            },
            ..Settings::default()
        })
        .await
        .unwrap();
        let base = simulator.url();
        let stand_ins = json!({
            "twilio": format!("{base}/twilio"), "sendgrid": format!("{base}/sendgrid"),
            "resend": format!("{base}/resend"), "green_api": format!("{base}/green-api"), "files": files,
        });
        let setup = TestApp::on(combination).with("RELAIS_STAND_INS", stand_ins.to_string());
        let app = further(setup).start().await;
        app.relais(&[
            "tenant",
            "set",
            &app.tenant,
            "--from-sms",
            OURS,
            "--from-whatsapp",
            OURS,
            "--from-email",
            "Desk <desk@example.com>",
        ]);
        Self {
            app,
            simulator,
            twilio_endpoint: None,
        }
    }

    /// Stores credentials and answers their id.
    pub(crate) fn credential(&self, provider: &str, label: &str, secret: &Value) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(secret.to_string().as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let made = self.app.relais(&[
            "credential",
            "add",
            "--tenant",
            &self.app.tenant,
            "--provider",
            provider,
            "--label",
            label,
            "--file",
            path,
        ]);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Credentials that the provider takes.
    pub(crate) fn good(&self, provider: &str) -> String {
        self.good_named(provider, provider)
    }

    /// The same under a label, where there are several of a provider.
    pub(crate) fn good_named(&self, provider: &str, label: &str) -> String {
        let smtp = self.simulator.smtp_address();
        let secret = match provider {
            "twilio" => json!({ "account_sid": SID, "auth_token": TOKEN }),
            "smtp" => json!({
                "host": smtp.ip().to_string(), "port": smtp.port(), "security": "none",
                "username": SMTP_USER, "password": SMTP_PASSWORD,
            }),
            "sendgrid" => json!({ "api_key": SENDGRID_KEY }),
            "resend" => json!({ "api_key": RESEND_KEY }),
            "green_api" => json!({ "id_instance": GREEN_INSTANCE, "api_token_instance": GREEN_TOKEN }),
            other => panic!("no account at {other}"),
        };
        self.credential(provider, label, &secret)
    }

    /// Credentials that Twilio refuses.
    pub(crate) fn wrong_twilio(&self) -> String {
        let secret = json!({ "account_sid": SID, "auth_token": "not-the-token" });
        self.credential("twilio", "wrong", &secret)
    }

    pub(crate) fn route(&self, channel: &str, to: &[&str]) {
        let to = to.join(",");
        self.app.relais(&[
            "route",
            "set",
            "--tenant",
            &self.app.tenant,
            "--channel",
            channel,
            "--to",
            &to,
        ]);
    }

    /// An account at Twilio that text messages go by.
    pub(crate) async fn by_twilio(combination: Combination) -> Self {
        let sending = Self::on(combination).await;
        let twilio = sending.good("twilio");
        sending.route("sms", &[&twilio]);
        sending
    }

    /// The same, and Twilio reaches us: with what becomes of messages, and with what telephones write.
    pub(crate) async fn reached(combination: Combination) -> Self {
        Self::reached_with(combination, None, |setup| setup).await
    }

    async fn reached_with(combination: Combination, files: Option<&str>, further: impl FnOnce(Setup) -> Setup) -> Self {
        let port = free_port().to_string();
        let public_url = format!("http://127.0.0.1:{port}");
        let further = |setup: Setup| further(setup.with("PORT", port).with("PUBLIC_URL", public_url));
        let mut sending = Self::furnished(combination, files, further).await;
        let create = |secret| {
            let tenant = &sending.app.tenant;
            let of_twilio = ["endpoint", "create", "--tenant", tenant, "--provider", "twilio"];
            sending.app.relais(&[&of_twilio[..], &["--secret", secret]].concat())
        };
        // The oldest is another account's, by which nothing of this one's is taken.
        create("another-accounts-token");
        let endpoint = create(TOKEN);
        let id = endpoint["id"].as_str().unwrap().to_owned();
        let mut account = TwilioAccount::new(SID, TOKEN);
        account.sms_url = Some(format!("{}/webhooks/twilio/{id}", sending.app.public_url()));
        sending.simulator.put_account(Account::Twilio(account)).unwrap();
        sending.twilio_endpoint = Some(id);
        let twilio = sending.good("twilio");
        sending.route("sms", &[&twilio]);
        sending
    }

    /// The same, and everybody else who can tell reaches us too: with what becomes of messages, and Green-API with what
    /// telephones write. Its processes log all that they have to say.
    pub(crate) async fn heard(combination: Combination) -> Self {
        Self::heard_with_files(combination, None).await
    }

    /// The same; files of mails lie at this URL, whatever server is named.
    pub(crate) async fn heard_with_files(combination: Combination, files: Option<&str>) -> Self {
        let sending = Self::reached_with(combination, files, |setup| setup.with("RUST_LOG", "debug")).await;
        let hears = |provider: &str, secret: &str| {
            let of_provider = [
                "endpoint",
                "create",
                "--tenant",
                &sending.app.tenant,
                "--provider",
                provider,
            ];
            let made = sending.app.relais(&[&of_provider[..], &["--secret", secret]].concat());
            let id = made["id"].as_str().unwrap();
            Some(format!("{}/webhooks/{provider}/{id}", sending.app.public_url()))
        };
        let mut smtp = SmtpAccount::new(SMTP_USER, SMTP_PASSWORD);
        smtp.events_url = Some(format!("{}{}", sending.app.public_url(), sending.app.webhook()));
        smtp.events_secret = sending.app.secret.as_str().into();
        let mut sendgrid = SendGridAccount::new("sendgrid", SENDGRID_KEY);
        sendgrid.events_url = hears("sendgrid", &sendgrid.key.public_key());
        let mut resend = ResendAccount::new("resend", RESEND_KEY);
        resend.webhook_url = hears("resend", RESEND_SECRET);
        resend.webhook_secret = RESEND_SECRET.into();
        let mut green_api = GreenApiAccount::new(GREEN_INSTANCE, GREEN_TOKEN, OURS);
        green_api.webhook_url = hears("green_api", GREEN_WEBHOOK_TOKEN);
        green_api.webhook_token = GREEN_WEBHOOK_TOKEN.into();
        for account in [
            Account::Smtp(smtp),
            Account::SendGrid(sendgrid),
            Account::Resend(resend),
            Account::GreenApi(green_api),
        ] {
            sending.simulator.put_account(account).unwrap();
        }
        sending
    }

    /// Waits until everything was told outside, and all jobs have ended.
    pub(crate) async fn settle(&self) {
        self.simulator.settled(LIMIT).await.unwrap();
        self.app.wait_until_idle().await;
    }

    /// The endpoint that Twilio posts to, where it [reaches](Self::reached) us.
    pub(crate) fn twilio_endpoint(&self) -> &str {
        self.twilio_endpoint.as_deref().unwrap()
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let request = self.app.ask_with(Method::POST, path).bearer_auth(&self.app.api_key);
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        answer(request.json(body)).await
    }

    /// Sends a message; it must be accepted. Answers its id.
    pub(crate) async fn send(&self, key: Option<&str>, body: &Value) -> String {
        let accepted = self.post("/v1/messages", key, body).await;
        assert_eq!(accepted.status.as_u16(), 202, "{accepted:?}");
        accepted.body["id"].as_str().unwrap().to_owned()
    }

    /// What the API says of a message.
    pub(crate) async fn message(&self, id: &str) -> Value {
        self.app.ask(&format!("/v1/messages/{id}")).await
    }

    /// The kinds of a message's events.
    pub(crate) async fn events(&self, id: &str) -> Vec<String> {
        let events = self.app.ask(&format!("/v1/messages/{id}/events")).await;
        let items = events["items"].as_array().unwrap();
        items
            .iter()
            .map(|event| event["event"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) async fn wait_for_status(&self, id: &str, statuses: &[&str]) {
        let is_there = async || statuses.contains(&self.message(id).await["status"].as_str().unwrap());
        self.app
            .wait_until(&format!("{id} is one of {statuses:?}"), is_there)
            .await;
    }

    /// Waits until the first message was accepted outside.
    pub(crate) async fn wait_for_first(&self) -> Ledger {
        let first = self
            .simulator
            .wait_for(LIMIT, |ledger| ledger.effects().len() > 0)
            .await;
        first.unwrap()
    }

    /// Waits until so many messages were accepted outside, and all jobs have ended.
    pub(crate) async fn wait_for_effects(&self, count: usize) -> Ledger {
        self.simulator
            .wait_for(LIMIT, |ledger| ledger.effects().len() >= count)
            .await
            .unwrap();
        self.app.wait_until_idle().await;
        self.simulator.ledger()
    }
}

/// A text message to Ana.
pub(crate) fn sms(text: &str) -> Value {
    json!({ "channel": "sms", "to": ANA, "content": { "text": text } })
}

/// The one message that was accepted outside.
pub(crate) fn only(ledger: &Ledger) -> Effect {
    let effects: Vec<_> = ledger.effects().collect();
    assert_eq!(effects.len(), 1, "{effects:?}");
    effects[0].clone()
}
