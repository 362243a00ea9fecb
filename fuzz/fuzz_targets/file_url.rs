//! Addresses that others name and relais goes to: files of mails, webhooks of tenants. Input: the text.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jobs::hooks::may_be_told;
use jobs::sending::usable_file_url;
use libfuzzer_sys::fuzz_target;
use url::Host;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let usable = usable_file_url(text);
    assert_eq!(usable.is_some(), may_be_told(text), "two ways to the same differ");
    let Some(url) = usable else { return };
    assert_eq!(url.scheme(), "https");
    assert!(
        url.username().is_empty() && url.password().is_none(),
        "somebody's name is sent along"
    );
    match url.host() {
        None => panic!("nowhere"),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            assert!(
                name.contains('.') && !name.ends_with(".localhost"),
                "a name of this machine or network: {name}"
            );
            assert!(
                name.parse::<IpAddr>().is_err(),
                "an address that is taken for a name: {name}"
            );
        }
        Some(Host::Ipv4(address)) => assert!(!is_inner_v4(address), "{address} is not public"),
        Some(Host::Ipv6(address)) => assert!(!is_inner_v6(address), "{address} is not public"),
    }
    assert_eq!(
        usable_file_url(url.as_str()),
        Some(url),
        "another when it is read again"
    );
});

/// By the standard library's words, which are not those of the code.
fn is_inner_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_to_be_measured = first == 198 && (18..20).contains(&second);
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_unspecified()
        || matches!(first, 0 | 240..)
        || is_shared
        || is_to_be_measured
}

fn is_inner_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let behind = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_inner_v4(Ipv4Addr::new(a, b, c, d))
    };
    let leads_inwards = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => behind(high, low),
        _ => first == 0x2002 && behind(second, third),
    };
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.to_ipv4().is_some_and(is_inner_v4)
        || leads_inwards
}
