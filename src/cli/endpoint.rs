//! `relais endpoint`.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use clap::{Args, Subcommand, ValueEnum};
use domain::{EndpointId, TenantId};
use providers::twilio::CALLBACK_RETRIES;
use providers::vapi::HmacPlan;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::{Endpoint, Store};

use super::answer::{Answer, table};
use super::secret;
use super::tenant::unknown_tenant;
use crate::config::Settings;
use crate::connect;
use crate::intake::endpoints::address;
use crate::intake::poster::Poster;
use crate::intake::proof::{Proof, Terms, VapiWay};
use crate::time::rfc3339;

/// How many random bytes a secret of our making has.
const SECRET_BYTES: usize = 32;

/// What Twilio is given: the printed URL as a whole. Behind the `#` it reads what to do with a request that was not taken, and
/// neither sends nor signs it (Twilio's documentation, "Webhooks: Connection Overrides").
const FOR_TWILIO: &str = "
Enter the whole URL at Twilio, for messages that come in and for status callbacks.
The address that Twilio posts to and signs ends before the `#`. What stands behind it
is a setting that Twilio keeps to itself: try again five times, also after an answer of
5xx or none. Without it, Twilio tries again once, and only if nobody was reached.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create an address that a provider posts webhooks to. Its URL and secret are printed; the secret only now.
    ///
    /// SendGrid, Resend and Twilio choose their secrets: give theirs. For the others a secret is made, to be told to them.
    ///
    /// Example: relais endpoint create --tenant 0195… --provider twilio --secret -
    Create {
        /// Whose messages it is about.
        #[arg(long, value_name = "ID")]
        tenant: TenantId,
        /// Who posts: email, sendgrid, resend, standard (Standard Webhooks), twilio, green_api or vapi.
        #[arg(long, value_name = "NAME")]
        provider: String,
        #[command(flatten)]
        proof: ProofArguments,
    },
    /// Give an endpoint another secret. The one before stays good until `retire-previous`, so that nothing is refused
    /// while the sender changes over.
    ///
    /// Example: relais endpoint rotate 0195… --secret -
    Rotate {
        /// The endpoint.
        #[arg(value_name = "ID")]
        id: EndpointId,
        #[command(flatten)]
        proof: ProofArguments,
    },
    /// Refuse what is signed with the secret before the present one.
    RetirePrevious {
        /// The endpoint.
        #[arg(value_name = "ID")]
        id: EndpointId,
    },
    /// List endpoints, without their secrets.
    List {
        /// Only this tenant's.
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
    },
}

/// What requests have to prove.
#[derive(Args)]
pub(super) struct ProofArguments {
    /// What requests are signed with, in the provider's own form; `-` reads it from standard input.
    #[arg(long, value_name = "TEXT")]
    secret: Option<String>,
    /// Take only what concerns this account: Twilio's account SID, Green-API's instance.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// How old a request of SendGrid may be, in seconds, instead of 300.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..))]
    max_age: Option<i64>,
    /// How Vapi is set up to prove itself; any of the three by default.
    #[arg(long, value_name = "WAY", value_enum)]
    vapi_way: Option<Way>,
    /// The header that Vapi's Bearer token is in, instead of Authorization.
    #[arg(long, value_name = "NAME")]
    vapi_header: Option<String>,
    /// Vapi's HMAC credential as JSON, with Vapi's own field names: {"signaturePrefix":"sha256="}.
    #[arg(long, value_name = "JSON")]
    vapi_plan: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    Secret,
    Bearer,
    Hmac,
}

pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<Answer> {
    let store = connect::store(settings).await?;
    match command {
        Command::Create {
            tenant,
            provider,
            proof,
        } => create(&store, settings, tenant, &provider, proof).await,
        Command::Rotate { id, proof } => rotate(&store, settings, id, proof).await,
        Command::RetirePrevious { id } => retire_previous(&store, id).await,
        Command::List { tenant } => list(&store, settings, tenant).await,
    }
}

async fn create(
    store: &Store,
    settings: &Settings,
    tenant: TenantId,
    provider: &str,
    arguments: ProofArguments,
) -> anyhow::Result<Answer> {
    let Some(poster) = Poster::named(provider) else {
        let known: Vec<_> = Poster::ALL.iter().map(|poster| poster.name()).collect();
        let known = known.join(", ");
        bail!("`{provider}` is not a provider; known are: {known}");
    };
    let proof = proof(poster, arguments, Terms::default())?;
    let made = store
        .create_endpoint(tenant, poster.name(), proof.stored(poster), Utc::now())
        .await;
    let endpoint = made.map_err(|error| unknown_tenant(error, tenant))?;
    Ok(shown(settings, poster, &endpoint, &proof.secret))
}

async fn rotate(
    store: &Store,
    settings: &Settings,
    id: EndpointId,
    arguments: ProofArguments,
) -> anyhow::Result<Answer> {
    let endpoint = known(store, id).await?;
    let poster = Poster::named(&endpoint.provider)
        .with_context(|| format!("`{}` is not a provider that this version knows", endpoint.provider))?;
    let proof = proof(poster, arguments, terms_of(poster, &endpoint))?;
    let is_there = store
        .rotate_endpoint_secret(endpoint.tenant, id, &proof.stored(poster))
        .await?;
    ensure!(is_there, unknown(id));
    Ok(shown(settings, poster, &endpoint, &proof.secret))
}

async fn retire_previous(store: &Store, id: EndpointId) -> anyhow::Result<Answer> {
    let endpoint = known(store, id).await?;
    let retired = store.retire_previous_secret(endpoint.tenant, id).await?;
    let words = if retired {
        "The secret before the present one is refused now, within ten seconds everywhere."
    } else {
        "There was only one secret; nothing has changed."
    };
    Ok(Answer::new(json!({ "id": id, "retired": retired }), words))
}

async fn list(store: &Store, settings: &Settings, tenant: Option<TenantId>) -> anyhow::Result<Answer> {
    let endpoints = match tenant {
        Some(tenant) => store.endpoints_of(tenant).await?,
        None => store.endpoints().await?,
    };
    let mut items = Vec::new();
    let mut rows = Vec::new();
    for endpoint in endpoints {
        let url = Poster::named(&endpoint.provider).map(|poster| url(settings, poster, endpoint.id));
        items.push(json!({
            "id": endpoint.id, "tenant": endpoint.tenant, "provider": endpoint.provider, "url": url,
            "secrets": endpoint.secrets.len(), "created_at": rfc3339(endpoint.created_at.timestamp_millis()),
        }));
        rows.push([
            endpoint.id.to_string(),
            endpoint.tenant.to_string(),
            endpoint.provider,
            endpoint.secrets.len().to_string(),
            url.unwrap_or_default(),
        ]);
    }
    let words = table(["ID", "TENANT", "PROVIDER", "SECRETS", "URL"], &rows);
    Ok(Answer::new(json!({ "items": items, "next_cursor": null }), words))
}

async fn known(store: &Store, id: EndpointId) -> anyhow::Result<Endpoint> {
    store.endpoint(id).await?.with_context(|| unknown(id))
}

fn unknown(id: EndpointId) -> String {
    format!("there is no endpoint {id}; `relais endpoint list` shows all")
}

/// What the present secret of an endpoint is bound to, which the next one keeps unless it is told otherwise.
fn terms_of(poster: Poster, endpoint: &Endpoint) -> Terms {
    let present = endpoint.secrets.first().filter(|_| poster != Poster::Email);
    let present = present.and_then(|stored| Proof::read(stored).ok());
    present.map(|proof| proof.terms).unwrap_or_default()
}

fn shown(settings: &Settings, poster: Poster, endpoint: &Endpoint, secret: &SecretString) -> Answer {
    let url = url(settings, poster, endpoint.id);
    let secret = secret.expose_secret();
    let note = if poster == Poster::Twilio { FOR_TWILIO } else { "" };
    let words = format!(
        "Endpoint  {}\nURL       {url}\nSecret    {secret}   (shown only now){note}",
        endpoint.id
    );
    let json = json!({
        "id": endpoint.id, "url": url, "secret": secret, "tenant": endpoint.tenant, "provider": poster.name(),
    });
    Answer::new(json, words)
}

/// The proof that the arguments ask for, where they say nothing that of `before`. It is one that `poster` can use.
fn proof(poster: Poster, arguments: ProofArguments, before: Terms) -> anyhow::Result<Proof> {
    let terms = Terms {
        account: arguments.account.or(before.account),
        age_seconds_max: arguments.max_age.or(before.age_seconds_max),
        way: way(arguments.vapi_way, arguments.vapi_header, arguments.vapi_plan)?.or(before.way),
    };
    for (name, given, takers) in [
        (
            "--account",
            terms.account.is_some(),
            &[Poster::Twilio, Poster::GreenApi][..],
        ),
        ("--max-age", terms.age_seconds_max.is_some(), &[Poster::SendGrid]),
        ("--vapi-…", terms.way.is_some(), &[Poster::Vapi]),
    ] {
        let takers_names: Vec<_> = takers.iter().map(|poster| poster.name()).collect();
        ensure!(
            !given || takers.contains(&poster),
            "{name} is for {}, not for {}",
            takers_names.join(" and "),
            poster.name()
        );
    }
    let secret = match arguments.secret {
        Some(given) => secret::read(given)?,
        None => made(poster).with_context(|| {
            let (name, form) = (poster.name(), poster.secret_form());
            format!("--secret is missing: a secret of `{name}` is {form}")
        })?,
    };
    ensure!(!secret.is_empty(), "an empty secret would let anybody sign");
    let proof = Proof {
        terms,
        ..Proof::plain(secret)
    };
    proof.verifiers(poster).with_context(|| {
        let (name, form) = (poster.name(), poster.secret_form());
        format!("this cannot be used; a secret of `{name}` is {form}")
    })?;
    Ok(proof)
}

fn way(way: Option<Way>, header: Option<String>, plan: Option<String>) -> anyhow::Result<Option<VapiWay>> {
    ensure!(
        header.is_none() || way == Some(Way::Bearer),
        "--vapi-header goes with --vapi-way bearer"
    );
    ensure!(
        plan.is_none() || matches!(way, None | Some(Way::Hmac)),
        "--vapi-plan goes with --vapi-way hmac"
    );
    let plan: Option<HmacPlan> = plan
        .map(|text| serde_json::from_str(&text).context("--vapi-plan is not an HMAC credential of Vapi"))
        .transpose()?;
    Ok(match (way, plan) {
        (Some(Way::Secret), _) => Some(VapiWay::Secret),
        (Some(Way::Bearer), _) => Some(VapiWay::Bearer { header }),
        (Some(Way::Hmac), plan) => Some(VapiWay::Hmac(Box::new(plan.unwrap_or_default()))),
        (None, plan) => plan.map(|plan| VapiWay::Hmac(Box::new(plan))),
    })
}

/// A secret of our own making, for those who take one.
fn made(poster: Poster) -> Option<String> {
    let bytes = rand::random::<[u8; SECRET_BYTES]>();
    match poster {
        Poster::Email | Poster::GreenApi | Poster::Vapi => Some(hex::encode(bytes)),
        Poster::Standard => Some(format!("whsec_{}", STANDARD.encode(bytes))),
        Poster::SendGrid | Poster::Resend | Poster::Twilio => None,
    }
}

/// What the provider is to be given as the address.
fn url(settings: &Settings, poster: Poster, id: EndpointId) -> String {
    let address = address(&settings.public_url, poster, id);
    match poster {
        Poster::Twilio => format!("{address}#{CALLBACK_RETRIES}"),
        _ => address,
    }
}
