//! Where a provider's API is.

use std::fmt;

use url::{Host, Url};

/// A base URL that cannot be used. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a base URL is https://HOST, or http:// on a loopback address, without user, query and fragment")]
pub struct UnusableBaseUrl;

/// Where a provider's API is: its own host, or a simulator that stands in for it.
///
/// Everything goes there encrypted, unless it stays on this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// # Errors
    /// [`UnusableBaseUrl`] when it is not https and not on a loopback address, or holds more than scheme, host, port and
    /// path.
    pub fn parse(text: &str) -> Result<Self, UnusableBaseUrl> {
        let url = Url::parse(text).map_err(|_| UnusableBaseUrl)?;
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => url.host().is_some_and(|host| is_loopback(&host)),
            _ => false,
        };
        let is_plain =
            url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        (is_safe && is_plain && url.has_host())
            .then_some(Self(url))
            .ok_or(UnusableBaseUrl)
    }

    /// One that stands in our own code.
    pub(crate) fn known(text: &'static str) -> Self {
        Self::parse(text).expect("the URL is one of ours")
    }

    /// The URL of what lies there under `path`. Each part is one part, whatever is in it.
    #[must_use]
    pub fn join<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Its host.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The same place with another path and query, as a provider wrote them in a link to the next page.
    pub(crate) fn follow(&self, link: &str) -> Option<Url> {
        let url = self.0.join(link).ok()?;
        (url.origin() == self.0.origin()).then_some(url)
    }
}

/// Whether a host is this machine.
pub(crate) fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Shows the host alone: a path may hold a token.
impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_this_machine_is_talked_to_in_clear() {
        let check = |text: &str, expected: bool| assert_eq!(BaseUrl::parse(text).is_ok(), expected, "{text}");
        for taken in [
            "https://api.twilio.com",
            "https://7103.api.green-api.com/",
            "http://localhost:8025",
            "http://127.0.0.1:1",
            "http://[::1]:8025/twilio",
        ] {
            check(taken, true);
        }
        for refused in [
            "http://api.twilio.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "https://user:password@api.twilio.com",
            "https://api.twilio.com?a=b",
            "https://api.twilio.com#a",
            "api.twilio.com",
            "",
        ] {
            check(refused, false);
        }
    }

    #[test]
    fn parts_of_a_path_stay_parts() {
        let check = |base: &str, path: &[&str], expected: &str| {
            let url = BaseUrl::parse(base).unwrap().join(path.iter().copied());
            assert_eq!(url.as_str(), expected);
        };
        check("https://a.test", &["v3", "mail"], "https://a.test/v3/mail");
        check("https://a.test/base/", &["x"], "https://a.test/base/x");
        check("https://a.test", &["a/../b?c#d"], "https://a.test/a%2F..%2Fb%3Fc%23d");
    }

    #[test]
    fn a_link_is_followed_to_the_same_host_only() {
        let base = BaseUrl::parse("https://a.test").unwrap();
        let check = |link: &str, expected: Option<&str>| {
            assert_eq!(base.follow(link).as_ref().map(Url::as_str), expected, "{link}");
        };
        check("/2010/M.json?Page=1", Some("https://a.test/2010/M.json?Page=1"));
        check("https://a.test/x", Some("https://a.test/x"));
        check("https://b.test/x", None);
        check("//b.test/x", None);
        check("http://a.test/x", None);
    }
}
