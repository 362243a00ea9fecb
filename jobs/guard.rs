//! Addresses that others name and relais goes to: files of mails, webhooks of tenants.
//!
//! https alone, no address of this machine, of a private network or of a link, neither written out nor as what a name
//! resolves to. The name is resolved once, by the guard, and the connection goes to what it found: a name that changes in
//! between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The URL of a text, if it may be reached as far as can be told without resolving its name.
#[must_use]
pub fn usable(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(may_be_reached)
}

/// Whether a URL may be reached as far as can be told without resolving its name.
pub(crate) fn may_be_reached(url: &Url) -> bool {
    let is_public = match url.host() {
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        None => false,
    };
    url.scheme() == "https" && is_public && url.username().is_empty() && url.password().is_none()
}

/// Whether a name may be one of the public internet: one of several labels, not `localhost` or below it (RFC 6761, 6.3), with
/// the root's dot or without.
fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit_once('.').map(|(_, last)| last);
    last.is_some_and(|last| !last.is_empty() && !last.eq_ignore_ascii_case("localhost"))
}

/// Resolves names to public addresses alone.
pub(crate) struct Guard;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet (IANA's registries of special-purpose addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113);
    !is_special
}

/// Only global unicast, less what is set aside within it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global_unicast = (0x2000..0x4000).contains(&first);
    let is_documentation = first == 0x2001 && second == 0x0db8 || first == 0x3fff;
    let is_protocol = first == 0x2001 && second < 0x0200;
    is_global_unicast && !is_documentation && !is_protocol
}

/// The IPv4 address that an IPv6 address leads to: mapped, translated (64:ff9b::/96), 6to4 (2002::/16).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_public_addresses_are_connected_to() {
        let check = |text: &str, expected| assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        for public in [
            "93.184.216.34",
            "8.8.8.8",
            "100.63.255.255",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ] {
            check(public, true);
        }
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            check(inner, false);
        }
    }

    #[test]
    fn only_https_to_a_public_looking_host_is_taken() {
        let check = |text: &str, expected| assert_eq!(usable(text).is_some(), expected, "{text}");
        check("https://files.example.com/a.pdf", true);
        check("https://files.example.com./a.pdf", true);
        for refused in [
            "http://files.example.com/a.pdf",
            "https://localhost/a",
            "https://localhost./a",
            "https://LocalHost./a",
            "https://foo.localhost/a",
            "https://foo.localhost./a",
            "https://intranet/a",
            "https://intranet./a",
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://[::1]/a",
            "https://user:secret@files.example.com/a",
            "file:///etc/passwd",
            "ftp://files.example.com/a",
            "",
        ] {
            check(refused, false);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_resolved() {
        let name: Name = "localhost".parse().unwrap();
        assert!(Guard.resolve(name).await.is_err());
    }
}
