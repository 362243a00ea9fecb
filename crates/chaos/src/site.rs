//! Sets an installation up: a tenant, an endpoint, accounts at the played providers, and the processes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use seal::Keyring;
use secrecy::SecretString;
use serde_json::{Value, json};
use simulator::{Account, Limits, ResendAccount, Script, SendGridAccount, Settings, Simulator, TwilioAccount};
use testkit::process::free_port;

use crate::fleet::{Fleet, Launch};
use crate::ground::Ground;
use crate::plan::Backend;

pub(crate) const SID: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "an-invented-token-0001";
const SENDGRID_KEY: &str = "SG.an-invented-key";
const RESEND_KEY: &str = "re_an_invented_key";
/// What the played Resend calls its account.
const RESEND_ACCOUNT: &str = "resend";
pub(crate) const OURS: &str = "+15005550006";

/// How long `web` may take to listen.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// More than any run sends.
const MESSAGES_MAX: usize = 1_000_000;

/// A running installation.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) fleet: Fleet,
    pub(crate) ground: Ground,
    pub(crate) simulator: Simulator,
    pub(crate) reach: Reach,
    relais: Relais,
}

/// What a caller has to know.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) base: String,
    pub(crate) tenant: uuid::Uuid,
    pub(crate) endpoint: String,
    pub(crate) secret: String,
    /// Where people's texts are posted to.
    pub(crate) replies: String,
    /// What they are signed with.
    pub(crate) token: SecretString,
    /// What jobs count under that send by Resend.
    pub(crate) account: String,
    pub(crate) api_key: String,
    pub(crate) keys: String,
}

/// What the run was told about the installation.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) backend: Backend,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) relais: PathBuf,
    pub(crate) logs: PathBuf,
}

impl Site {
    /// Starts everything.
    ///
    /// # Errors
    /// When something does not start or a command is refused.
    pub(crate) async fn start(wanted: &Wanted) -> anyhow::Result<Self> {
        let ground = Ground::start(wanted.backend, wanted.workers).await?;
        let simulator = Simulator::start(Settings {
            seed: wanted.seed,
            accounts: vec![
                Account::Twilio(TwilioAccount::new(SID, TOKEN)),
                Account::SendGrid(SendGridAccount::new("sendgrid", SENDGRID_KEY)),
                Account::Resend(ResendAccount::new(RESEND_ACCOUNT, RESEND_KEY)),
            ],
            script: Script::silent(),
            limits: Limits {
                messages: MESSAGES_MAX,
                starts: MESSAGES_MAX,
                ..Limits::default()
            },
            ..Settings::default()
        })
        .await?;
        let keys = Keyring::generate("k1");
        let mut direct = ground.settings(true);
        direct.push(("RELAIS_KEYS", keys.clone()));
        let relais = Relais {
            program: wanted.relais.clone(),
            settings: direct,
        };
        let reach = furnish(&relais, &keys)?;
        let mut settings = ground.settings(false);
        settings.extend(serving(&reach, &simulator));
        let launch = Launch {
            relais: wanted.relais.clone(),
            settings,
            logs: wanted.logs.clone(),
        };
        let fleet = Fleet::start(launch, wanted.workers);
        up(&reach.base).await?;
        Ok(Self {
            fleet,
            ground,
            simulator,
            reach,
            relais,
        })
    }

    /// What the account allows from now on: the arguments of `relais limits set` or, if there are none, `remove`.
    ///
    /// # Errors
    /// When the command is refused.
    pub(crate) async fn limit(&self, allowed: &[&str]) -> anyhow::Result<()> {
        let what = if allowed.is_empty() { "remove" } else { "set" };
        let command = ["limits", what, &self.reach.account, "--queue", "default"];
        // It answers soon; what else this program does goes on beside it.
        tokio::task::block_in_place(|| self.relais.run(&[&command[..], allowed].concat()))?;
        Ok(())
    }

    /// How hard the account is used.
    pub(crate) fn load<T>(&self, look: impl FnOnce(&simulator::Load) -> T) -> Option<T> {
        let load = |ledger: &simulator::Ledger| ledger.load(simulator::Provider::Resend, RESEND_ACCOUNT).map(look);
        self.simulator.look(load)
    }
}

fn serving(reach: &Reach, simulator: &Simulator) -> Vec<(&'static str, String)> {
    let base = simulator.url();
    let stand_ins = json!({
        "twilio": format!("{base}/twilio"), "sendgrid": format!("{base}/sendgrid"), "resend": format!("{base}/resend"),
    });
    let port = reach.base.rsplit(':').next().unwrap_or_default();
    vec![
        ("RELAIS_KEYS", reach.keys.clone()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PUBLIC_URL", reach.base.clone()),
        ("PORT", port.to_owned()),
        ("RELAIS_QUEUES", "urgent=4,default=16,bulk=4".to_owned()),
        ("RELAIS_STAND_INS", stand_ins.to_string()),
        (
            "RUST_LOG",
            std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()),
        ),
    ]
}

/// The program's commands, by which everything is made.
#[derive(Debug)]
struct Relais {
    program: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Relais {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let settings = self.settings.iter().map(|(name, value)| (*name, value));
        let mut command = Command::new(&self.program);
        let output = command
            .args(arguments)
            .arg("--json")
            .env_clear()
            .envs(settings)
            .output();
        let output = output.with_context(|| format!("{} cannot be started", self.program.display()))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "relais {arguments:?}: {errors}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn credential(&self, tenant: &str, provider: &str, secret: &Value) -> anyhow::Result<String> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(secret.to_string().as_bytes())?;
        let path = file.path().to_string_lossy().into_owned();
        let add = ["credential", "add", "--tenant", tenant, "--provider", provider];
        let made = self.run(&[&add[..], &["--label", provider, "--file", &path]].concat())?;
        text(&made, "id")
    }

    fn route(&self, tenant: &str, channel: &str, to: &[String]) -> anyhow::Result<()> {
        let to = to.join(",");
        self.run(&["route", "set", "--tenant", tenant, "--channel", channel, "--to", &to])?;
        Ok(())
    }
}

fn furnish(relais: &Relais, keys: &str) -> anyhow::Result<Reach> {
    relais.run(&["migrate"])?;
    let tenant = relais.run(&["tenant", "create", "Acme"])?;
    let id = text(&tenant, "id")?;
    let endpoint = relais.run(&["endpoint", "create", "--tenant", &id, "--provider", "email"])?;
    let to_twilio = [
        "endpoint",
        "create",
        "--tenant",
        &id,
        "--provider",
        "twilio",
        "--secret",
        TOKEN,
    ];
    let replies = relais.run(&to_twilio)?;
    let twilio = relais.credential(&id, "twilio", &json!({ "account_sid": SID, "auth_token": TOKEN }))?;
    let resend = relais.credential(&id, "resend", &json!({ "api_key": RESEND_KEY }))?;
    let sendgrid = relais.credential(&id, "sendgrid", &json!({ "api_key": SENDGRID_KEY }))?;
    relais.route(&id, "sms", &[twilio])?;
    let account = format!("resend:{resend}");
    relais.route(&id, "email", &[resend, sendgrid])?;
    let senders = ["--from-sms", OURS, "--from-email", "Desk <desk@example.com>"];
    relais.run(&[&["tenant", "set", &id][..], &senders].concat())?;
    Ok(Reach {
        base: format!("http://127.0.0.1:{}", free_port()),
        tenant: id.parse()?,
        endpoint: text(&endpoint, "id")?,
        secret: text(&endpoint, "secret")?,
        replies: text(&replies, "id")?,
        token: TOKEN.into(),
        account,
        api_key: text(&tenant, "api_key")?,
        keys: keys.to_owned(),
    })
}

async fn up(base: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + UP_WITHIN;
    let http = reqwest::Client::builder().no_proxy().build()?;
    while http.get(format!("{base}/health")).send().await.is_err() {
        ensure!(Instant::now() < deadline, "`relais web` does not listen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let text = answer[field].as_str();
    Ok(text.with_context(|| format!("no `{field}` in {answer}"))?.to_owned())
}
