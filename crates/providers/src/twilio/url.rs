//! The ways in which Twilio may have written our URL when it signed.
//!
//! Nothing is parsed and printed again, because that would change the text that was signed.

/// A URL taken apart, without its fragment and without user and password, which are never signed.
struct Parts<'a> {
    /// With `://`.
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    path_and_query: &'a str,
}

/// Every spelling of `url` that Twilio is known to sign: without a port and with one, given or usual. Text messages keep
/// a port, calls over https drop it, and Twilio's own libraries try both.
pub(super) fn spellings(url: &str) -> Vec<String> {
    let url = url.split('#').next().unwrap_or_default();
    let Some(parts) = split(url) else {
        return vec![url.to_owned()];
    };
    let usual = match parts.scheme {
        "https://" | "wss://" => "443",
        _ => "80",
    };
    let Parts {
        scheme,
        host,
        path_and_query,
        ..
    } = parts;
    let port = parts.port.unwrap_or(usual);
    let mut spellings = Vec::new();
    for path_and_query in quotes(path_and_query) {
        spellings.push(format!("{scheme}{host}{path_and_query}"));
        spellings.push(format!("{scheme}{host}:{port}{path_and_query}"));
    }
    spellings
}

/// The query of a parameter, as it stands there.
pub(super) fn query(url: &str) -> &str {
    let url = url.split('#').next().unwrap_or_default();
    url.split_once('?').map_or("", |(_, query)| query)
}

/// As it is; and if there is an apostrophe in the query, with all of them escaped and with none, because Twilio is not
/// of one mind about it.
fn quotes(path_and_query: &str) -> Vec<String> {
    let mut forms = vec![path_and_query.to_owned()];
    if let Some((path, query)) = path_and_query.split_once('?') {
        for query in [query.replace('\'', "%27"), query.replace("%27", "'")] {
            let form = format!("{path}?{query}");
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_at(url.find("://")? + "://".len());
    let (authority, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (address, None),
    };
    Some(Parts {
        scheme,
        host,
        port,
        path_and_query,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &[&str]) {
        assert_eq!(spellings(url), expected, "{url}");
    }

    #[test]
    fn a_url_is_tried_with_and_without_its_port() {
        check(
            "https://a.test/x?y=1",
            &["https://a.test/x?y=1", "https://a.test:443/x?y=1"],
        );
        check("http://a.test/x", &["http://a.test/x", "http://a.test:80/x"]);
        check("https://a.test:8443/x", &["https://a.test/x", "https://a.test:8443/x"]);
        check("https://a.test?y=1", &["https://a.test?y=1", "https://a.test:443?y=1"]);
        check("https://[::1]:8443/x", &["https://[::1]/x", "https://[::1]:8443/x"]);
        check("https://[::1]/x", &["https://[::1]/x", "https://[::1]:443/x"]);
    }

    #[test]
    fn user_and_fragment_are_never_signed() {
        check(
            "https://u:p@a.test/x#rc=5&rp=5xx",
            &["https://a.test/x", "https://a.test:443/x"],
        );
        check(
            "https://a.test/x?mail=a@b.test",
            &["https://a.test/x?mail=a@b.test", "https://a.test:443/x?mail=a@b.test"],
        );
    }

    #[test]
    fn nothing_else_is_changed() {
        check(
            "https://A.test//x/?a=%2f+%20&b",
            &["https://A.test//x/?a=%2f+%20&b", "https://A.test:443//x/?a=%2f+%20&b"],
        );
        check("no url", &["no url"]);
    }

    #[test]
    fn apostrophes_in_the_query_are_tried_both_ways() {
        check(
            "http://a.test/'?q='%27",
            &[
                "http://a.test/'?q='%27",
                "http://a.test:80/'?q='%27",
                "http://a.test/'?q=%27%27",
                "http://a.test:80/'?q=%27%27",
                "http://a.test/'?q=''",
                "http://a.test:80/'?q=''",
            ],
        );
    }

    #[test]
    fn the_query_ends_where_the_fragment_begins() {
        assert_eq!(query("https://a.test/x?a=1?b#c?d"), "a=1?b");
        assert_eq!(query("https://a.test/x#a?b=1"), "");
    }
}
