//! Opens and clicks of mail that goes by a plain mail server: a picture and links that lead by us.
//!
//! A token says whose message it is and, for a click, where the link leads, under a MAC whose key follows from the
//! installation's. So a click leads nowhere but where the mail's author wrote, and nobody can count opens of messages
//! that they never got. The picture's token and a link's token are not each other's.
//!
//! `{key id}.{base64url of tenant, message, url}.{base64url of 16 bytes of HMAC-SHA256}`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{MessageId, TenantId};
use lol_html::{RewriteStrSettings, element, end_tag, rewrite_str};
use ring::hmac;
use seal::Keyring;
use url::Url;
use uuid::Uuid;

use crate::Ctx;

const PURPOSE: &str = "relais tracking links";
const MAC_BYTES: usize = 16;
const IDS_BYTES: usize = 32;
/// A longer link is left as it is: mail programs cut theirs.
const URL_BYTES_MAX: usize = 1500;
/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4096;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The picture.
    Open,
    /// A link.
    Click,
}

/// What a genuine token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Whose message.
    pub tenant: TenantId,
    /// Which.
    pub message: MessageId,
    /// Where the link leads; of a picture nowhere.
    pub url: Option<Url>,
}

/// The links of one message.
pub(super) struct Links<'a> {
    keyring: &'a Keyring,
    public_url: &'a Url,
    tenant: TenantId,
    message: MessageId,
}

impl<'a> Links<'a> {
    pub(super) fn new(ctx: &'a Ctx, tenant: TenantId, message: MessageId) -> Self {
        Self {
            keyring: ctx.queue.keyring(),
            public_url: ctx.outside.public_url(),
            tenant,
            message,
        }
    }

    /// The page with its links led by us, and a picture at its end. `None` if it cannot be read as HTML; then it goes as it
    /// is.
    pub(super) fn followed(&self, html: &str) -> Option<String> {
        let base = self.public_url.as_str().trim_end_matches('/');
        let picture = format!(
            r#"<img src="{base}/t/o/{}" width="1" height="1" alt="" style="display:none">"#,
            self.token(Purpose::Open, "")?
        );
        let in_body = picture.clone();
        let placed = std::rc::Rc::new(std::cell::Cell::new(false));
        let placing = std::rc::Rc::clone(&placed);
        let rewritten = rewrite_str(
            html,
            RewriteStrSettings {
                element_content_handlers: vec![
                    element!("a[href]", |link| {
                        let led = link.get_attribute("href").and_then(|href| self.led(base, &href));
                        if let Some(led) = led {
                            link.set_attribute("href", &led)?;
                        }
                        Ok(())
                    }),
                    element!("body", move |body| {
                        let (picture, placed) = (in_body.clone(), std::rc::Rc::clone(&placing));
                        if let Some(handlers) = body.end_tag_handlers() {
                            placed.set(true);
                            handlers.push(end_tag!(move |end| {
                                end.before(&picture, lol_html::html_content::ContentType::Html);
                                Ok(())
                            }));
                        }
                        Ok(())
                    }),
                ],
                ..RewriteStrSettings::new()
            },
        );
        let mut page = rewritten.ok()?;
        if !page.contains(&picture) {
            page.push_str(&picture);
        }
        Some(page)
    }

    /// The address that leads to a link by us; `None` for links that are left alone: anchors, `mailto:`, `tel:`.
    fn led(&self, base: &str, href: &str) -> Option<String> {
        // As the page has it: references stand for characters there, whichever way they are written.
        let plain = html_escape::decode_html_entities(href.trim());
        let is_web = Url::parse(&plain).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web || plain.len() > URL_BYTES_MAX {
            return None;
        }
        Some(format!("{base}/t/c/{}", self.token(Purpose::Click, &plain)?))
    }

    fn token(&self, purpose: Purpose, url: &str) -> Option<String> {
        token(self.keyring, purpose, self.tenant, self.message, url)
    }
}

fn token(keyring: &Keyring, purpose: Purpose, tenant: TenantId, message: MessageId, url: &str) -> Option<String> {
    let id = keyring.current();
    let said = [tenant.0.as_bytes().as_slice(), message.0.as_bytes(), url.as_bytes()].concat();
    let mac = mac(keyring, id, purpose, &said)?;
    Some(format!(
        "{id}.{}.{}",
        URL_SAFE_NO_PAD.encode(&said),
        URL_SAFE_NO_PAD.encode(&mac.as_ref()[..MAC_BYTES])
    ))
}

fn mac(keyring: &Keyring, id: &str, purpose: Purpose, said: &[u8]) -> Option<hmac::Tag> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &keyring.derived(id, PURPOSE)?);
    let mut context = hmac::Context::with_key(&key);
    context.update(match purpose {
        Purpose::Open => b"open\0",
        Purpose::Click => b"click\0",
    });
    context.update(said);
    Some(context.sign())
}

/// What a token says, if it is one of ours and for this purpose.
#[must_use]
pub fn read(keyring: &Keyring, purpose: Purpose, token: &str) -> Option<Followed> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let (id, said, given) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let said = URL_SAFE_NO_PAD.decode(said).ok()?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    let expected = mac(keyring, id, purpose, &said)?;
    if !same(&expected.as_ref()[..MAC_BYTES], &given) {
        return None;
    }
    let (ids, url) = said.split_at_checked(IDS_BYTES)?;
    let (tenant, message) = ids.split_at(IDS_BYTES / 2);
    let url = match purpose {
        Purpose::Open => None,
        Purpose::Click => Some(Url::parse(std::str::from_utf8(url).ok()?).ok()?),
    };
    Some(Followed {
        tenant: TenantId(Uuid::from_slice(tenant).ok()?),
        message: MessageId(Uuid::from_slice(message).ok()?),
        url,
    })
}

/// In constant time.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ring() -> Keyring {
        Keyring::parse(&Keyring::generate("k1")).unwrap()
    }

    fn followed(keyring: &Keyring, html: &str) -> String {
        let public_url = Url::parse("https://relais.example.com").unwrap();
        let links = Links {
            keyring,
            public_url: &public_url,
            tenant: TenantId(Uuid::from_u128(1)),
            message: MessageId(Uuid::from_u128(2)),
        };
        links.followed(html).unwrap()
    }

    fn tokens<'a>(page: &'a str, path: &str) -> Vec<&'a str> {
        let mut rest = page;
        let mut found = Vec::new();
        while let Some((_, after)) = rest.split_once(path) {
            let (token, after) = after.split_once('"').unwrap();
            found.push(token);
            rest = after;
        }
        found
    }

    #[test]
    fn every_link_to_the_web_leads_by_us_to_where_it_led() {
        let ring = ring();
        let page = followed(
            &ring,
            r##"<html><body><p class="a"><a href="https://example.com/?a=1&amp;b=2">x</a> <a href='http://example.org'>y</a>
               <a href="mailto:a@example.com">m</a><a href="#top">t</a></p></body></html>"##,
        );
        let links: Vec<_> = tokens(&page, "https://relais.example.com/t/c/")
            .into_iter()
            .map(|token| read(&ring, Purpose::Click, token).unwrap().url.unwrap().to_string())
            .collect();
        assert_eq!(links, ["https://example.com/?a=1&b=2", "http://example.org/"]);
        assert!(
            page.contains("mailto:a@example.com") && page.contains("\"#top\""),
            "{page}"
        );
        let pictures = tokens(&page, "https://relais.example.com/t/o/");
        assert_eq!(pictures.len(), 1, "{page}");
        let open = read(&ring, Purpose::Open, pictures[0]).unwrap();
        assert_eq!((open.message, open.url), (MessageId(Uuid::from_u128(2)), None));
        assert!(
            page.ends_with("</body></html>"),
            "the picture stands within the body: {page}"
        );
    }

    #[test]
    fn a_link_leads_to_where_it_led_however_its_characters_are_written() {
        let ring = ring();
        let page = followed(
            &ring,
            r##"<a href="https:&#x2f;&#x2f;example.com&#x2f;pay?x=1&amp;y=2">a</a><a href="https://e.example/?a=1&#38;b=2">b</a>"##,
        );
        let links: Vec<_> = tokens(&page, "https://relais.example.com/t/c/")
            .into_iter()
            .map(|token| read(&ring, Purpose::Click, token).unwrap().url.unwrap().to_string())
            .collect();
        assert_eq!(links, ["https://example.com/pay?x=1&y=2", "https://e.example/?a=1&b=2"]);
    }

    #[test]
    fn a_page_without_a_body_gets_its_picture_too() {
        assert_eq!(tokens(&followed(&ring(), "<p>Hello"), "/t/o/").len(), 1);
    }

    #[test]
    fn a_token_with_any_character_changed_is_none_and_none_is_good_for_the_other_purpose() {
        let ring = ring();
        let (tenant, message) = (TenantId(Uuid::from_u128(1)), MessageId(Uuid::from_u128(2)));
        let good = token(&ring, Purpose::Click, tenant, message, "https://example.com/").unwrap();
        assert!(read(&ring, Purpose::Click, &good).is_some());
        assert!(read(&ring, Purpose::Open, &good).is_none());
        for place in 0..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(read(&ring, Purpose::Click, &changed).is_none(), "{place}");
        }
        for wrong in ["", ".", "..", "k1..", "k1.AAAA.AAAA", &format!("{good}.x")] {
            assert!(read(&ring, Purpose::Click, wrong).is_none(), "{wrong}");
        }
    }
}
