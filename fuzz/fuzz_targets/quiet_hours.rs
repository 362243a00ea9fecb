//! Quiet hours. Input: lines with the beginning, the end, the time zone, and the seconds.

#![no_main]

use chrono::{DateTime, TimeDelta};
use domain::QuietHours;
use libfuzzer_sys::fuzz_target;
use relais_fuzz::lines;

const DAY: i64 = 24 * 60 * 60;
/// From 1970 to 2100: where a clock may stand.
const TIMES: i64 = 130 * 365 * DAY;

fuzz_target!(|data: &[u8]| {
    if let Ok(hours) = serde_json::from_slice::<QuietHours>(data) {
        let stored = serde_json::to_string(&hours).expect("quiet hours are JSON");
        assert_eq!(
            serde_json::from_str::<QuietHours>(&stored).expect("what was stored is read"),
            hours
        );
    }
    let Some([from, to, zone, at]) = lines::<4>(data) else {
        return;
    };
    let zones = chrono_tz::TZ_VARIANTS;
    let zone = if zone.contains('/') {
        zone
    } else {
        zones[zone.len() % zones.len()].name()
    };
    let Ok(hours) = QuietHours::parse(from, to, zone) else {
        return;
    };
    let number = at
        .bytes()
        .fold(0_i64, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
    let at = at.trim().parse().unwrap_or(number).rem_euclid(TIMES);
    let now = DateTime::from_timestamp(at, 0).expect("a time of our days");
    match hours.hold_until(now) {
        None => assert!(!hours.cover(now), "quiet, but it may go"),
        Some(end) => {
            assert!(hours.cover(now), "not quiet, but it may not go");
            assert!(end > now && !hours.cover(end), "held until another quiet instant");
            assert!(end - now <= TimeDelta::days(3), "held for days");
            assert!(
                hours.cover(end - TimeDelta::nanoseconds(1)),
                "held for longer than is quiet"
            );
        }
    }
});
