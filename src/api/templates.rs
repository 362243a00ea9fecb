//! `/v1/templates…`: what messages are written with.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::Language;
use serde::{Deserialize, Serialize};
use store::TemplateTexts;
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::body::Body;
use super::cursor::{List, Parameters, next};
use super::render::{self, Form, Variables};
use super::send::{length, refused};
use crate::path::Path;
use crate::problem::{Code, Problem};

const NAME_BYTES_MAX: usize = 100;

/// The next version of a template.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTemplate {
    /// 1 to 100 letters, digits, `-`, `_` or `.`.
    name: String,
    /// `en` or `fr`.
    #[schema(value_type = String)]
    language: Language,
    /// A mail's subject.
    #[serde(default)]
    subject: Option<String>,
    /// Plain text.
    #[serde(default)]
    text: Option<String>,
    /// A mail's page. Values are escaped in it.
    #[serde(default)]
    html: Option<String>,
    /// What the provider calls a template that it keeps itself: Twilio's ContentSid, for WhatsApp.
    #[serde(default)]
    provider_content_id: Option<String>,
}

/// One version of a template.
#[derive(Serialize, ToSchema)]
pub(super) struct Template {
    name: String,
    language: String,
    version: u32,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    provider_content_id: Option<String>,
    created_at: DateTime<Utc>,
}

/// Templates, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Templates {
    items: Vec<Template>,
    next_cursor: Option<String>,
}

/// What a template is to be shown with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Preview {
    /// `en` or `fr`; the tenant's language if not given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
    /// Which version; the latest if not given.
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    #[schema(value_type = Object)]
    variables: Variables,
}

/// A template with its variables.
#[derive(Serialize, ToSchema)]
pub(super) struct Previewed {
    version: u32,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

/// Writes the next version of a template. One that says what the latest says is that one.
#[utoipa::path(post, path = "/v1/templates", tag = "templates", security(("api_key" = [])), request_body = NewTemplate,
    responses((status = 201, body = Template), (status = 422)))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(new): Body<NewTemplate>,
) -> Result<(StatusCode, Json<Template>), Problem> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if new.name.is_empty() || new.name.len() > NAME_BYTES_MAX || !new.name.bytes().all(word) {
        return Err(refused("`name` must be 1 to 100 letters, digits, `-`, `_` or `.`."));
    }
    for (field, text) in [("subject", &new.subject), ("text", &new.text), ("html", &new.html)] {
        length(field, text.as_ref())?;
        text.as_deref().map(|text| render::check(field, text)).transpose()?;
    }
    let texts = TemplateTexts {
        subject: new.subject,
        text: new.text,
        html: new.html,
        provider_content_id: new.provider_content_id,
    };
    if texts.text.is_none() && texts.html.is_none() && texts.provider_content_id.is_none() {
        return Err(refused(
            "One of `text`, `html` and `provider_content_id` must be given.",
        ));
    }
    let template = api
        .store
        .create_template(caller.tenant, &new.name, new.language, &texts, Utc::now())
        .await?;
    Ok((StatusCode::CREATED, Json(template.into())))
}

/// The latest version of each template.
#[utoipa::path(get, path = "/v1/templates", tag = "templates", security(("api_key" = [])), params(List),
    responses((status = 200, body = Templates)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Templates>, Problem> {
    page(&api, caller, None, asked).await.map(Json)
}

/// All versions of one template.
#[utoipa::path(get, path = "/v1/templates/{name}", tag = "templates", security(("api_key" = [])),
    params(("name" = String, Path,), List), responses((status = 200, body = Templates), (status = 404)))]
pub(super) async fn versions(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Parameters(asked): Parameters<List>,
) -> Result<Json<Templates>, Problem> {
    let is_first = asked.is_first();
    let page = page(&api, caller, Some(&name), asked).await?;
    if page.items.is_empty() && is_first {
        return Err(unknown());
    }
    Ok(Json(page))
}

async fn page(api: &Api, caller: Caller, name: Option<&str>, asked: List) -> Result<Templates, Problem> {
    let list = name.map_or("templates".into(), |name| format!("template-{name}"));
    let (after, limit) = asked.read(&list)?;
    let page = api.store.templates(caller.tenant, name, after, limit).await?;
    Ok(Templates {
        items: page.items.into_iter().map(Template::from).collect(),
        next_cursor: next(&list, page.next),
    })
}

/// Shows what a template makes of variables. Nothing is sent.
#[utoipa::path(post, path = "/v1/templates/{name}/preview", tag = "templates", security(("api_key" = [])),
    params(("name" = String, Path,)), request_body = Preview,
    responses((status = 200, body = Previewed), (status = 404), (status = 422, description = "Names what is missing")))]
pub(super) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Body(asked): Body<Preview>,
) -> Result<Json<Previewed>, Problem> {
    let language = match asked.language {
        Some(language) => language,
        None => api.store.settings(caller.tenant).await?.language,
    };
    let found = api
        .store
        .template(caller.tenant, &name, language, asked.version)
        .await?;
    let template = found.ok_or_else(unknown)?;
    let shown = |field, text: Option<String>, form| {
        text.map(|text| render::render(field, &text, form, &asked.variables))
            .transpose()
    };
    let html = shown("html", template.texts.html, Form::Html)?;
    let text = shown("text", template.texts.text, Form::Text)?;
    Ok(Json(Previewed {
        version: template.version,
        subject: shown("subject", template.texts.subject, Form::Text)?,
        text: text.or_else(|| html.as_deref().map(render::text_of)),
        html,
    }))
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no such template in this language.")
}

impl From<store::Template> for Template {
    fn from(template: store::Template) -> Self {
        Self {
            name: template.name,
            language: template.language.as_str().to_owned(),
            version: template.version,
            subject: template.texts.subject,
            text: template.texts.text,
            html: template.texts.html,
            provider_content_id: template.texts.provider_content_id,
            created_at: template.created_at,
        }
    }
}
