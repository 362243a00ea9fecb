//! A database with a tenant, its accounts, and the providers that they are with.

use chrono::{DateTime, Utc};
use domain::{
    Author, Channel, Fingerprint, MessageClass, MessageId, OutgoingRecord, PersonalText, Recipient, TenantId,
};
use jobs::sending::{Content, EmailBody, Hop, Sending};
use providers::{BaseUrl, Credentials, Provider, StandIns};
use seal::Keyring;
use serde_json::json;
use simulator::{Account, ResendAccount, Script, SendGridAccount, Settings, Simulator, TwilioAccount};
use store::{ConnectOptions, Db, NewCredential, Store};

const SID: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "an-invented-token-0001";
const SENDGRID_KEY: &str = "SG.an-invented-key";
const RESEND_KEY: &str = "re_an_invented_key";

/// Everything that outlives a process.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) keyring: String,
    pub(crate) tenant: TenantId,
    pub(crate) simulator: Simulator,
    store: Store,
    _database: Box<dyn Send + Sync>,
}

/// The telephone of the message with this number.
pub(crate) fn number(message: u32) -> String {
    format!("+1202555{:04}", 100 + message)
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let database = testkit::sqlite::fresh();
        Self::over(database.url().to_owned(), Box::new(database)).await
    }

    #[cfg(feature = "services")]
    pub(crate) async fn postgres() -> Self {
        let database = testkit::postgres::fresh().await;
        Self::over(database.url().to_owned(), Box::new(database)).await
    }

    pub(crate) async fn over(url: String, database: Box<dyn Send + Sync>) -> Self {
        let keyring = Keyring::generate("test");
        let db = Db::connect(&url, &ConnectOptions::default()).await.unwrap();
        store::migrate(&db).await.unwrap();
        let store = Store::new(db, Keyring::parse(&keyring).unwrap());
        let tenant = store.create_tenant("Demo", Utc::now()).await.unwrap().id;
        let simulator = Simulator::start(Settings {
            accounts: vec![
                Account::Twilio(TwilioAccount::new(SID, TOKEN)),
                Account::SendGrid(SendGridAccount::new("sendgrid", SENDGRID_KEY)),
                Account::Resend(ResendAccount::new("resend", RESEND_KEY)),
            ],
            script: Script::silent(),
            ..Settings::default()
        })
        .await
        .unwrap();
        Self {
            url,
            keyring,
            tenant,
            simulator,
            store,
            _database: database,
        }
    }

    /// Another account at a provider.
    pub(crate) async fn account(&self, provider: Provider) -> Hop {
        let clear = match provider {
            Provider::Twilio => json!({ "account_sid": SID, "auth_token": TOKEN }),
            Provider::SendGrid => json!({ "api_key": SENDGRID_KEY }),
            Provider::Resend => json!({ "api_key": RESEND_KEY }),
            other => panic!("no account at {other:?}"),
        }
        .to_string();
        let secret = clear.as_str().into();
        let preview = Credentials::parse(provider, clear.as_bytes()).unwrap().preview();
        let label = uuid::Uuid::now_v7().to_string();
        let new = NewCredential {
            provider: provider.as_str(),
            label: &label,
            clear: &secret,
            preview: &preview,
        };
        let author = Author::system();
        let made = self.store.create_credential(self.tenant, &new, &author, Utc::now());
        Hop {
            provider,
            credential: made.await.unwrap().id,
        }
    }

    /// How often its recipient got the message.
    pub(crate) fn got(&self, sending: &Sending) -> usize {
        let to = sending.message.recipient.expose();
        self.simulator.look(|ledger| ledger.effects_to(to).count())
    }

    /// When its recipient got the message.
    pub(crate) fn left_at(&self, sending: &Sending) -> DateTime<Utc> {
        let to = sending.message.recipient.expose();
        self.simulator
            .look(|ledger| ledger.effects_to(to).next().unwrap().accepted_at)
    }

    /// A message by the first of `hops`: a mail or a text, whichever that carries.
    pub(crate) fn message(&self, message: u32, class: MessageClass, hops: &[Hop]) -> Sending {
        let text = PersonalText::new("Hello.");
        let by_mail = hops[0].provider != Provider::Twilio;
        let (channel, to, from, content) = if by_mail {
            let body = EmailBody {
                text: Some(text),
                ..EmailBody::new("Hello")
            };
            let to = format!("ana{message}@example.com");
            (Channel::Email, to, "desk@example.com", Content::Email(Box::new(body)))
        } else {
            (Channel::Sms, number(message), "+15005550006", Content::Text { text })
        };
        Sending {
            message: OutgoingRecord {
                id: MessageId::of_request(self.tenant, &message.to_string()),
                fingerprint: Fingerprint([7; 32]),
                channel,
                recipient: Recipient::try_from(to).unwrap(),
                class,
                language: None,
                template: None,
                tags: Vec::new(),
                scheduled_at: None,
                person_id: None,
                organisation_id: None,
                subject: None,
                content: None,
                to_member: false,
            },
            from: Some(PersonalText::new(from)),
            content,
            hops: hops.to_vec(),
            hop: 0,
            confirms: false,
        }
    }

    pub(crate) fn stand_ins(&self) -> StandIns {
        let at = |path: &str| BaseUrl::parse(&format!("{}/{path}", self.simulator.url())).ok();
        StandIns {
            sendgrid: at("sendgrid"),
            resend: at("resend"),
            twilio: at("twilio"),
            ..StandIns::default()
        }
    }
}
