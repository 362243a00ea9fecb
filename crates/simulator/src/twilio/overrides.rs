//! What the part of a URL behind `#` says about how it is called. Source: Twilio's documentation, "Webhooks: Connection
//! Overrides".

use std::time::Duration;

use crate::callback::{Again, Manner};

const READ_MS: u64 = 15_000;
const TOTAL_MS: u64 = 15_000;
const RETRIES: usize = 1;
const RETRIES_MAX: usize = 5;
/// Twilio does not say how long it waits between two attempts; they all lie within 15 seconds.
const WAITS_MS: [u64; RETRIES_MAX] = [250, 500, 1_000, 2_000, 4_000];

/// The URL that is called and signed: without the fragment.
pub(super) fn address(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

/// How it is called. Without a word about it: once more, and only if no connection came about.
pub(super) fn manner(url: &str) -> Manner {
    let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
    let value = |name: &str| {
        let mut pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
    };
    let number = |name, usual: u64, max: u64| value(name).and_then(|text| text.parse().ok()).unwrap_or(usual).min(max);
    let retries = value("rc").and_then(|text| text.parse().ok()).unwrap_or(RETRIES);
    let wanted = value("rp").unwrap_or("ct");
    let has = |word| wanted.split(',').any(|other| other == word || other == "all");
    Manner {
        waits: WAITS_MS
            .iter()
            .take(retries)
            .map(|wait| Duration::from_millis(*wait))
            .collect(),
        again: Again {
            client_errors: has("4xx"),
            server_errors: has("5xx"),
            unreachable: has("ct"),
            timed_out: has("rt"),
        },
        only_200: false,
        answer_within: Duration::from_millis(number("rt", READ_MS, READ_MS)),
        all_within: Some(Duration::from_millis(number("tt", TOTAL_MS, TOTAL_MS))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_about_it_only_a_failed_connection_is_tried_again_and_once() {
        let manner = manner("https://a.test/x?y=1");
        let only_unreachable = Again {
            client_errors: false,
            server_errors: false,
            unreachable: true,
            timed_out: false,
        };
        assert_eq!((manner.waits.len(), manner.again), (1, only_unreachable));
    }

    #[test]
    fn the_fragment_says_what_is_tried_again_and_is_no_part_of_the_address() {
        let url = "https://a.test/x?y=1#rc=9&rp=5xx,rt&tt=9000&rt=100";
        let manner = manner(url);
        assert_eq!(address(url), "https://a.test/x?y=1");
        assert_eq!(manner.waits.len(), RETRIES_MAX);
        assert!(manner.again.server_errors && manner.again.timed_out);
        assert!(!manner.again.client_errors && !manner.again.unreachable);
        assert_eq!(manner.all_within, Some(Duration::from_secs(9)));
        assert_eq!(manner.answer_within, Duration::from_millis(100));
    }
}
