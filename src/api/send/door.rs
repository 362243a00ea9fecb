//! From what a request says to a job that can be run: everything is checked here, where somebody reads the answer.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Channel, Language, MessageClass, MessageId, OutgoingRecord, PersonalText, Recipient, TemplateVersion, TenantId,
    is_control,
};
use jobs::sending::{AttachmentUrl, Content, EmailBody, FILES_MAX, Hop, Sending, usable_file_url};
use providers::outgoing::ATTACHMENTS_BYTES_MAX;
use store::{Credential, Settings, Store, Template};

use super::request::{AttachmentRequest, ContentRequest, MessageRequest, TemplateRequest};
use crate::api::render::{Form, TEXT_BYTES_MAX, render, text_of};
use crate::problem::{Code, Problem};

/// How far ahead a message may be asked for.
const SCHEDULED_DAYS_MAX: i64 = 366;
/// How long a text message may be: what Twilio takes, about ten parts.
const TEXT_CHARS_MAX: usize = 1600;
/// How long a message by WhatsApp may be.
const WHATSAPP_CHARS_MAX: usize = 4096;
const TAGS_MAX: usize = 20;
const TAG_CHARS_MAX: usize = 64;
/// How long a caller's own id may be.
const ID_BYTES_MAX: usize = 200;
const PROVIDERS_MAX: usize = 5;

/// What is known of the tenant while its messages come in; read once for a whole batch.
pub(in crate::api) struct Door<'a> {
    store: &'a Store,
    tenant: TenantId,
    settings: Settings,
    routes: HashMap<Channel, Arc<[Credential]>>,
    credentials: Option<Arc<[Credential]>>,
    templates: HashMap<(String, Language, Option<u32>), Arc<Template>>,
}

/// A message that may come in.
pub(in crate::api) struct Admitted {
    pub(in crate::api) sending: Sending,
    pub(in crate::api) scheduled_at: Option<DateTime<Utc>>,
}

pub(in crate::api) fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unreadable, detail)
}

impl<'a> Door<'a> {
    pub(in crate::api) async fn open(store: &'a Store, tenant: TenantId) -> Result<Self, Problem> {
        Ok(Self {
            store,
            tenant,
            settings: store.settings(tenant).await?,
            routes: HashMap::new(),
            credentials: None,
            templates: HashMap::new(),
        })
    }

    /// Checks a message and renders it.
    pub(in crate::api) async fn admit(
        &mut self,
        id: MessageId,
        request: &MessageRequest,
        now: DateTime<Utc>,
    ) -> Result<Admitted, Problem> {
        let (channel, class) = (request.channel, request.class.unwrap_or(MessageClass::Transactional));
        let recipient = Recipient::parse(channel, &request.to)
            .map_err(|error| refused(format!("`to` cannot be used: {error}.")))?;
        let scheduled_at = scheduled(request.scheduled_at.map(DateTime::from), now)?;
        only_for_mail(request)?;
        tags(&request.tags)?;
        ids(request)?;
        let hops = self.hops(channel, request.providers.as_deref()).await?;
        let language = request.language.unwrap_or(self.settings.language);
        let (content, template) = self.content(request, language).await?;
        let subject = match &content {
            Content::Email(body) => Some(body.subject.clone()),
            _ => None,
        };
        let message = OutgoingRecord {
            id,
            fingerprint: request.fingerprint(),
            channel,
            recipient,
            class,
            language: Some(language),
            template,
            tags: request.tags.clone(),
            scheduled_at,
            person_id: request.person_id.clone(),
            organisation_id: request.organisation_id.clone(),
            subject,
            content: None,
            to_member: false,
        };
        let from = self.sender(channel, request.from.as_deref());
        let sending = self.checked(Sending {
            message,
            from,
            content,
            hops,
            hop: 0,
            confirms: false,
        })?;
        Ok(Admitted { sending, scheduled_at })
    }

    /// What every provider on its way could be given.
    pub(in crate::api) fn checked(&self, sending: Sending) -> Result<Sending, Problem> {
        sending.check().map_err(|error| refused(format!("{error}.")))?;
        Ok(sending)
    }

    pub(in crate::api) fn language(&self) -> Language {
        self.settings.language
    }

    /// Who a message comes from: whoever is named, else the tenant's own.
    pub(in crate::api) fn sender(&self, channel: Channel, named: Option<&str>) -> Option<PersonalText> {
        let own = self.settings.senders.of(channel);
        named.map(PersonalText::new).or_else(|| own.clone())
    }

    /// The accounts a message goes by, in order.
    pub(in crate::api) async fn hops(
        &mut self,
        channel: Channel,
        providers: Option<&[String]>,
    ) -> Result<Vec<Hop>, Problem> {
        let hops = match providers {
            None => Hop::of_route(&self.route(channel).await?, channel),
            Some(named) => self.named(channel, named).await?,
        };
        if hops.is_empty() {
            let detail = format!("There is no account to send by: `relais route set --channel {channel}` names them.");
            return Err(Problem::new(Code::RouteMissing, detail));
        }
        Ok(hops)
    }

    async fn route(&mut self, channel: Channel) -> Result<Arc<[Credential]>, Problem> {
        if let Some(route) = self.routes.get(&channel) {
            return Ok(Arc::clone(route));
        }
        let route: Arc<[Credential]> = self.store.route(self.tenant, channel).await?.into();
        self.routes.insert(channel, Arc::clone(&route));
        Ok(route)
    }

    /// The tenant's accounts at the named providers; those of the route before others.
    async fn named(&mut self, channel: Channel, named: &[String]) -> Result<Vec<Hop>, Problem> {
        if named.is_empty() || named.len() > PROVIDERS_MAX {
            return Err(refused(format!(
                "`providers` must name 1 to {PROVIDERS_MAX} providers."
            )));
        }
        let route = self.route(channel).await?;
        if self.credentials.is_none() {
            self.credentials = Some(self.store.credentials(self.tenant).await?.into());
        }
        let known: Vec<Credential> = route
            .iter()
            .chain(self.credentials.iter().flat_map(|all| all.iter()))
            .cloned()
            .collect();
        let mut chosen: Vec<Hop> = Vec::new();
        for (index, name) in named.iter().enumerate() {
            let known = Hop::of_route(&known, channel);
            let of_provider = known.iter().filter(|hop| hop.provider.as_str() == name);
            let new: Vec<_> = of_provider.filter(|hop| !chosen.contains(hop)).copied().collect();
            let Some(first) = new.first() else {
                let detail =
                    format!("`providers[{index}]` is none that this tenant has an account at for this channel.");
                return Err(refused(detail));
            };
            chosen.push(*first);
        }
        Ok(chosen)
    }

    async fn content(
        &mut self,
        request: &MessageRequest,
        language: Language,
    ) -> Result<(Content, Option<TemplateVersion>), Problem> {
        match (&request.template, &request.content) {
            (Some(asked), None) => {
                let template = self.template(asked, language).await?;
                let version = TemplateVersion {
                    name: template.name.clone(),
                    version: template.version,
                };
                if let (Some(id), Channel::Whatsapp) = (&template.texts.provider_content_id, request.channel) {
                    return Ok((kept_by_the_provider(id, request)?, Some(version)));
                }
                let texts = ContentRequest {
                    subject: template.texts.subject.clone(),
                    text: template.texts.text.clone(),
                    html: template.texts.html.clone(),
                };
                Ok((self.rendered(request, &texts)?, Some(version)))
            }
            (None, Some(texts)) => Ok((self.rendered(request, texts)?, None)),
            _ => Err(refused("Exactly one of `template` and `content` must be given.")),
        }
    }

    async fn template(&mut self, asked: &TemplateRequest, language: Language) -> Result<Arc<Template>, Problem> {
        let key = (asked.name.clone(), language, asked.version);
        if let Some(known) = self.templates.get(&key) {
            return Ok(Arc::clone(known));
        }
        let found = self
            .store
            .template(self.tenant, &asked.name, language, asked.version)
            .await?;
        let unknown = || {
            refused(format!(
                "`template` names none that there is in the language `{language}`."
            ))
        };
        let template = Arc::new(found.ok_or_else(unknown)?);
        self.templates.insert(key, Arc::clone(&template));
        Ok(template)
    }

    fn rendered(&self, request: &MessageRequest, texts: &ContentRequest) -> Result<Content, Problem> {
        if request.channel == Channel::Email {
            return self.mail(request, texts).map(|body| Content::Email(Box::new(body)));
        }
        let text = texts.text.as_deref().ok_or_else(|| refused("`text` is missing."))?;
        let text = render("text", text, Form::Text, &request.variables)?;
        let most = match request.channel {
            Channel::Whatsapp => WHATSAPP_CHARS_MAX,
            Channel::Sms | Channel::Email => TEXT_CHARS_MAX,
        };
        let length = text.chars().count();
        if text.trim().is_empty() || length > most {
            return Err(refused(format!(
                "`text` must have 1 to {most} characters once it is rendered."
            )));
        }
        Ok(Content::Text { text: text.into() })
    }

    fn mail(&self, request: &MessageRequest, texts: &ContentRequest) -> Result<EmailBody, Problem> {
        let subject = texts
            .subject
            .as_deref()
            .ok_or_else(|| refused("`subject` is missing."))?;
        let subject = render("subject", subject, Form::Text, &request.variables)?;
        if subject.trim().is_empty() {
            return Err(refused("`subject` is empty once it is rendered."));
        }
        let html = texts.html.as_deref();
        let html = html
            .map(|html| render("html", html, Form::Html, &request.variables))
            .transpose()?;
        let text = texts.text.as_deref();
        let text = text
            .map(|text| render("text", text, Form::Text, &request.variables))
            .transpose()?;
        let text = text.or_else(|| html.as_deref().map(text_of));
        if text.is_none() {
            return Err(refused("`text` or `html` is missing."));
        }
        Ok(EmailBody {
            text: text.map(Into::into),
            html: html.map(Into::into),
            reply_to: request.reply_to.as_deref().map(PersonalText::new),
            unsubscribe_url: request.unsubscribe_url.as_deref().map(PersonalText::new),
            attachments: attachments(&request.attachments)?,
            tracking: request.tracking.unwrap_or(self.settings.tracking),
            ..EmailBody::new(subject)
        })
    }
}

/// A template that the provider keeps takes variables that are plain values.
fn kept_by_the_provider(content_id: &str, request: &MessageRequest) -> Result<Content, Problem> {
    let plain = |(name, value): (&String, &serde_json::Value)| {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(truth) => truth.to_string(),
            _ => return Err(refused(format!("`variables.{name}` must be a text or a number."))),
        };
        Ok((name.clone(), PersonalText::new(text)))
    };
    Ok(Content::Template {
        content_id: content_id.to_owned(),
        variables: request.variables.iter().map(plain).collect::<Result<_, _>>()?,
    })
}

fn scheduled(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Problem> {
    let latest = now + TimeDelta::days(SCHEDULED_DAYS_MAX);
    match at {
        Some(at) if at > latest => Err(refused(format!(
            "`scheduled_at` may be at most {SCHEDULED_DAYS_MAX} days ahead."
        ))),
        at => Ok(at.filter(|at| *at > now)),
    }
}

fn only_for_mail(request: &MessageRequest) -> Result<(), Problem> {
    if request.channel == Channel::Email {
        return Ok(());
    }
    let given = [
        ("reply_to", request.reply_to.is_some()),
        ("unsubscribe_url", request.unsubscribe_url.is_some()),
        ("attachments", !request.attachments.is_empty()),
        ("tracking", request.tracking.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(refused(format!("`{field}` is for mail alone."))),
        None => Ok(()),
    }
}

fn tags(tags: &[String]) -> Result<(), Problem> {
    let is_tag = |tag: &String| !tag.is_empty() && tag.chars().count() <= TAG_CHARS_MAX && !tag.chars().any(is_control);
    if tags.len() > TAGS_MAX || !tags.iter().all(is_tag) {
        return Err(refused(format!(
            "`tags` must be at most {TAGS_MAX} words of 1 to {TAG_CHARS_MAX} characters, none of them a control character."
        )));
    }
    Ok(())
}

fn ids(request: &MessageRequest) -> Result<(), Problem> {
    if request.person_id.is_some() && request.organisation_id.is_some() {
        return Err(refused("Only one of `person_id` and `organisation_id` may be given."));
    }
    for (field, id) in [
        ("person_id", &request.person_id),
        ("organisation_id", &request.organisation_id),
    ] {
        let is_usable = |id: &String| !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(is_control);
        if !id.as_ref().is_none_or(is_usable) {
            let expected = format!("`{field}` must have 1 to {ID_BYTES_MAX} bytes and no control characters.");
            return Err(refused(expected));
        }
    }
    Ok(())
}

fn attachments(files: &[AttachmentRequest]) -> Result<Vec<AttachmentUrl>, Problem> {
    if files.len() > FILES_MAX {
        return Err(refused(format!("`attachments` may be at most {FILES_MAX}.")));
    }
    let declared: u64 = files
        .iter()
        .filter_map(|file| file.size_bytes)
        .fold(0, u64::saturating_add);
    if declared > ATTACHMENTS_BYTES_MAX as u64 {
        return Err(refused(format!(
            "`attachments` may be at most {ATTACHMENTS_BYTES_MAX} bytes together."
        )));
    }
    let file = |(index, file): (usize, &AttachmentRequest)| {
        let unusable = || {
            refused(format!(
                "`attachments[{index}].url` must be https, and of the public internet."
            ))
        };
        let url = usable_file_url(&file.url).ok_or_else(unusable)?;
        let last = || url.path_segments()?.next_back().map(str::to_owned);
        Ok(AttachmentUrl {
            name: file.name.clone().or_else(last).unwrap_or_default().into(),
            media_type: file.media_type.clone(),
            size_bytes: file.size_bytes,
            url: PersonalText::new(url),
        })
    };
    files.iter().enumerate().map(file).collect()
}

/// A text of a template, or of a message.
pub(in crate::api) fn length(field: &str, text: Option<&String>) -> Result<(), Problem> {
    match text {
        Some(text) if text.len() > TEXT_BYTES_MAX => {
            Err(refused(format!("`{field}` has more than {TEXT_BYTES_MAX} bytes.")))
        }
        _ => Ok(()),
    }
}
