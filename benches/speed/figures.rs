//! Small sums over measurements.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What half, all but a twentieth and all but a hundredth of the measurements stayed below, in microseconds.
/// Who measures only some of them leaves the others out.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Spread {
    pub(crate) p50_us: u64,
    pub(crate) p95_us: u64,
    pub(crate) p99_us: u64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |hundredths: usize| {
            let place = (times.len() * hundredths / 100).min(times.len().saturating_sub(1));
            times
                .get(place)
                .map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
        };
        Self {
            p50_us: at(50),
            p95_us: at(95),
            p99_us: at(99),
        }
    }
}

/// The middle one; of an even number the lower of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

/// So many in that time, by the second.
pub(crate) fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-9)
}

/// The processor time that a process has used so far, in microseconds; 0 where there is no `/proc`.
pub(crate) fn cpu_us(process: u32) -> u64 {
    const TICK_US: u64 = 10_000;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The fields are counted from the end of the program's name, which stands in brackets.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = |place| {
        fields
            .split(' ')
            .nth(place)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (ticks(11) + ticks(12)) * TICK_US
}

/// The most memory that this process ever had, in KiB; 0 where there is no `/proc`.
pub(crate) fn memory_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
