//! How long a provider asks to be left alone.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::time;

/// SendGrid: the instant at which the limit begins anew, in unix seconds.
const RESET_AT: &str = "x-ratelimit-reset";
/// Resend: the seconds until then.
const RESET_IN: &str = "ratelimit-reset";

/// The longest wait that is believed. What is longer is a mistake of somebody's clock, or of ours about the unit.
pub(crate) const WAIT_MAX: TimeDelta = TimeDelta::days(1);

/// The moment from which on the provider takes requests again, if `headers` name one. It lies between now and
/// [`WAIT_MAX`] from now.
pub(crate) fn asked(headers: &HeaderMap, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let until = (text(RETRY_AFTER.as_str()).and_then(|text| retry_after(text, now)))
        .or_else(|| text(RESET_AT).and_then(|text| time::from_digits(text.as_bytes())))
        .or_else(|| text(RESET_IN).and_then(|text| seconds_from(now, text)))?;
    Some(until.clamp(now, now + WAIT_MAX))
}

/// Seconds, or a date in any of the three forms that a recipient has to read (RFC 9110, 5.6.7 and 10.2.3).
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    const FORMER: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let former = |form| {
        NaiveDateTime::parse_from_str(text, form)
            .ok()
            .map(|date| date.and_utc())
    };
    let usual = || DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc());
    seconds_from(now, text)
        .or_else(usual)
        .or_else(|| FORMER.into_iter().find_map(former))
}

fn seconds_from(now: DateTime<Utc>, text: &str) -> Option<DateTime<Utc>> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return None;
    }
    // What has too many digits for a number is a long time, too.
    let seconds = text.parse::<u32>().map_or(WAIT_MAX.num_seconds(), i64::from);
    now.checked_add_signed(TimeDelta::seconds(seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-03-02T10:15:30Z").unwrap().to_utc()
    }

    fn check(headers: &[(&str, &str)], expected_seconds: Option<i64>) {
        let map = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        let until = asked(&map.collect(), now());
        let seconds = until.map(|until| (until - now()).num_seconds());
        assert_eq!(seconds, expected_seconds, "{headers:?}");
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        check(&[("Retry-After", "7")], Some(7));
        check(&[("retry-after", " 120 ")], Some(120));
        check(&[("Retry-After", "Mon, 02 Mar 2026 10:16:00 GMT")], Some(30));
        check(&[("Retry-After", "Monday, 02-Mar-26 10:16:00 GMT")], Some(30));
        check(&[("Retry-After", "Mon Mar  2 10:16:00 2026")], Some(30));
        check(&[("Retry-After", "Mon, 02 Mar 2026 10:00:00 GMT")], Some(0));
        for odd in ["", "soon", "-1", "1.5", "1e3", "2026"] {
            let expected = (odd == "2026").then_some(2026);
            check(&[("Retry-After", odd)], expected);
        }
    }

    #[test]
    fn a_reset_counts_when_there_is_no_retry_after() {
        check(&[("X-RateLimit-Reset", "1772446560")], Some(30));
        check(&[("ratelimit-reset", "1")], Some(1));
        check(&[("Retry-After", "5"), ("X-RateLimit-Reset", "1772446560")], Some(5));
        check(
            &[("Retry-After", "soon"), ("X-RateLimit-Reset", "1772446560")],
            Some(30),
        );
        check(&[("X-RateLimit-Reset", "0")], Some(0));
        check(&[], None);
    }

    #[test]
    fn an_absurd_wait_is_cut() {
        let most = Some(WAIT_MAX.num_seconds());
        check(&[("Retry-After", "99999999")], most);
        check(&[("Retry-After", "99999999999999999999999")], most);
        check(&[("X-RateLimit-Reset", "4102444800")], most);
        check(&[("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")], most);
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_without_a_panic(text in "[ -~]{0,40}") {
            let map: HeaderMap = [(RETRY_AFTER, HeaderValue::from_str(&text).unwrap())].into_iter().collect();
            if let Some(until) = asked(&map, now()) {
                prop_assert!(until >= now() && until <= now() + WAIT_MAX);
            }
        }
    }
}
