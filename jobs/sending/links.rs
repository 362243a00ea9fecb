//! Mails with links that let somebody in. The link is made when the mail is sent, so that it lies in no payload; who holds
//! the database and not the keys cannot make one.

use chrono::{DateTime, Utc};
use domain::{
    Channel, EmailAddress, Fingerprint, InvitationId, Language, MessageClass, MessageId, OutgoingRecord, PersonalText,
    Recipient, SignInLinkId, TenantId, Token, TokenKey, TokenKind,
};
use providers::Provider;
use seal::Keyring;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};
use url::Url;
use uuid::Uuid;

use super::content::EmailBody;
use super::{Content, Hop, Sending};

/// What keys of tokens are derived for.
const PURPOSE: &str = "relais tokens";

/// What a link is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What it does.
    pub does: LinkKind,
    /// The row that it stands for.
    pub id: Uuid,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

/// What a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Lets a member in.
    SignIn,
    /// Makes somebody a member and lets them in.
    Invitation,
}

impl Link {
    /// That of a member.
    #[must_use]
    pub const fn sign_in(id: SignInLinkId, expires_at: DateTime<Utc>) -> Self {
        Self {
            does: LinkKind::SignIn,
            id: id.0,
            expires_at,
        }
    }

    /// That of an invitation.
    #[must_use]
    pub const fn invitation(id: InvitationId, expires_at: DateTime<Utc>) -> Self {
        Self {
            does: LinkKind::Invitation,
            id: id.0,
            expires_at,
        }
    }

    fn token(self, tenant: TenantId) -> Token {
        Token {
            kind: match self.does {
                LinkKind::SignIn => TokenKind::SignIn,
                LinkKind::Invitation => TokenKind::Invitation,
            },
            tenant,
            id: self.id,
            generation: 0,
            expires_at: self.expires_at,
        }
    }
}

/// The keys that tokens may have been signed with; the first one signs.
#[must_use]
pub fn token_keys(keyring: &Keyring) -> Vec<TokenKey> {
    let keys = keyring.ids().filter_map(|id| keyring.derived(id, PURPOSE));
    keys.map(TokenKey::new).collect()
}

/// Where a link leads: a page of ours. What stands behind the `#` is sent to no server and is in no log.
pub(super) fn address(keyring: &Keyring, public_url: &Url, tenant: TenantId, link: Link) -> Option<PersonalText> {
    let keys = token_keys(keyring);
    let token = link.token(tenant).sign(keys.first()?);
    let base = public_url.as_str().trim_end_matches('/');
    Some(PersonalText::new(format!("{base}/sign-in#{}", token.expose())))
}

/// A mail with a link to somebody, by the tenant's own route for mail. `None`: it has none.
///
/// # Errors
/// Those of the store.
pub async fn letter(
    store: &Store,
    tenant: TenantId,
    link: Link,
    to: &EmailAddress,
    language: Option<Language>,
) -> Result<Option<Sending>, StoreError> {
    let settings = store.settings(tenant).await?;
    let route = store.route(tenant, Channel::Email).await?;
    let hops: Vec<Hop> = route
        .iter()
        .filter_map(|credential| {
            let provider =
                Provider::sending(&credential.provider).filter(|provider| provider.carries(Channel::Email))?;
            Some(Hop {
                provider,
                credential: credential.id,
            })
        })
        .collect();
    if hops.is_empty() {
        return Ok(None);
    }
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(link.id.as_bytes());
    let message = OutgoingRecord {
        id: MessageId::of_ours(tenant, &format!("link/{}", link.id)),
        fingerprint: Fingerprint(fingerprint),
        channel: Channel::Email,
        recipient: Recipient::Address(to.clone()),
        class: MessageClass::Code,
        language: Some(language.unwrap_or(settings.language)),
        template: None,
        tags: Vec::new(),
        scheduled_at: None,
        person_id: None,
        organisation_id: None,
        subject: None,
        content: None,
        to_member: true,
    };
    Ok(Some(Sending {
        message,
        from: settings.senders.email,
        content: Content::Link { link },
        hops,
        hop: 0,
        confirms: false,
    }))
}

/// What the mail says; without the address, as much of it as can be said.
pub(super) fn email(does: LinkKind, address: Option<&PersonalText>, language: Language) -> EmailBody {
    let (subject, words) = match (does, language) {
        (LinkKind::SignIn, Language::English) => (
            "Sign in",
            "Open this link within 15 minutes to sign in. It works once. If you did not ask for it, there is nothing to do.",
        ),
        (LinkKind::SignIn, Language::French) => (
            "Connexion",
            "Ouvrez ce lien dans les 15 minutes pour vous connecter. Il ne fonctionne qu'une fois. Si vous n'avez rien \
             demandé, vous n'avez rien à faire.",
        ),
        (LinkKind::Invitation, Language::English) => (
            "You are invited",
            "Open this link within 7 days to join. It works once.",
        ),
        (LinkKind::Invitation, Language::French) => (
            "Vous êtes invité",
            "Ouvrez ce lien dans les 7 jours pour participer. Il ne fonctionne qu'une fois.",
        ),
    };
    let text = address.map_or_else(String::new, |address| format!("{words}\n\n{}\n", address.expose()));
    EmailBody {
        text: Some(PersonalText::new(text)),
        ..EmailBody::new(subject)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_link_is_read_as_what_it_was_made_of_also_after_a_new_key_came() {
        let (old, new) = (Keyring::generate("a"), Keyring::generate("b"));
        let tenant = TenantId(Uuid::from_u128(1));
        let expires_at = DateTime::from_timestamp_millis(1_767_225_600_000).unwrap();
        let link = Link::invitation(InvitationId(Uuid::from_u128(2)), expires_at);
        let public_url = Url::parse("https://relais.example.com").unwrap();
        let address = address(&Keyring::parse(&old).unwrap(), &public_url, tenant, link).unwrap();
        let token = address
            .expose()
            .strip_prefix("https://relais.example.com/sign-in#")
            .unwrap();
        let rotated = Keyring::parse(&format!("{new},{old}")).unwrap();
        assert_eq!(Token::read(token, &token_keys(&rotated)), Some(link.token(tenant)));
        assert_eq!(Token::read(token, &token_keys(&Keyring::parse(&new).unwrap())), None);
    }

    #[test]
    fn every_mail_has_its_link_in_its_text_and_not_in_its_subject() {
        let address = PersonalText::new("https://relais.example.com/sign-in#rl_1");
        for does in [LinkKind::SignIn, LinkKind::Invitation] {
            for &language in Language::ALL {
                let mail = email(does, Some(&address), language);
                assert!(
                    mail.text.unwrap().expose().contains(address.expose()),
                    "{does:?} {language}"
                );
                assert!(!mail.subject.expose().contains("sign-in#"));
            }
        }
    }
}
