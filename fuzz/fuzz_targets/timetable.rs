//! Cron expressions on the wall clocks of the world. Input: lines with the expression, the time zone, and the seconds.

#![no_main]

use chrono_tz::Tz;
use jobs::schedule::Timetable;
use libfuzzer_sys::fuzz_target;
use relais_fuzz::lines;

const DAY: i64 = 24 * 60 * 60;
/// From 1970 to 2100: where a clock may stand.
const TIMES: i64 = 130 * 365 * DAY;

fuzz_target!(|data: &[u8]| {
    let Some([cron, zone, at]) = lines::<3>(data) else {
        return;
    };
    let number = at
        .bytes()
        .fold(0_i64, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
    let at = at.trim().parse().unwrap_or(number).rem_euclid(TIMES);
    // Names of zones are hard to guess.
    let zones = chrono_tz::TZ_VARIANTS;
    let zone = zone.trim().parse().unwrap_or_else(|_| zones[zone.len() % zones.len()]);
    check(cron, zone, at);
});

fn check(cron: &str, zone: Tz, at: i64) {
    let Ok(timetable) = Timetable::read(cron, zone) else {
        return;
    };
    let Some(next) = timetable.next_after(at) else { return };
    assert!(next > at, "a tick of the past");
    // A zone that was once off by seconds has its minutes there, too.
    let ticks: Vec<i64> = timetable.between(at, at + 2 * DAY).collect();
    assert!(ticks.len() as i64 <= 2 * 24 * 60, "more than one tick a minute");
    assert!(
        ticks.iter().all(|tick| at < *tick && *tick <= at + 2 * DAY),
        "a tick that was not asked for"
    );
    assert!(ticks.is_sorted_by(|one, other| one < other), "ticks in no order");
    if let Some(first) = ticks.first() {
        assert_eq!(*first, next, "two ways to the next tick differ");
    }
    // Whoever looks in between sees the same ticks.
    let half = at + DAY;
    let in_two = timetable.between(at, half).chain(timetable.between(half, at + 2 * DAY));
    assert!(in_two.eq(ticks), "looked at in two parts, other ticks");
}
