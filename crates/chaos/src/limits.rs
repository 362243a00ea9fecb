//! The run that limits an account: to so many calls at once while workers are killed, then to so many a second. What is to
//! be sent has been heaped up before.
//!
//! A call takes a hundredth of a lease at most, so that what a killed worker had under way has long ended when its leases
//! do: more calls at once than allowed would be the queue's doing.

use std::ops::Range;
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use simulator::{Fault, Misbehaviour};
use tokio::time::{Instant, sleep};

use crate::fleet::Role;
use crate::load::Load;
use crate::site::Site;

/// So many calls at once.
const AT_ONCE: usize = 8;

/// How long each call takes then, in milliseconds.
const CALL_MS: u64 = 100;

/// Until what a killed worker had under way is over for the provider too.
const OVER: Duration = Duration::from_millis(3 * CALL_MS);

/// One worker is killed for so many messages.
const MESSAGES_PER_KILL: u32 = 2_000;

/// Calls a second, one rate after the other, and for how many seconds each.
const RATES: [(u32, u32); 3] = [(30, 20), (50, 20), (20, 20)];

/// More than what is measured.
const BACKLOG: u32 = 200;

/// How often somebody looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Longer than is allowed, so that it is seen by how much.
const FULL_AGAIN_MAX: Duration = Duration::from_secs(60);

/// Without a call for so long, nothing comes any more.
const STANDSTILL: Duration = Duration::from_secs(90);

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) cap: Cap,
    pub(crate) rates: Vec<Span>,
}

/// Of calls at once.
#[derive(Clone, Debug)]
pub(crate) struct Cap {
    /// How many are allowed.
    pub(crate) at_once: usize,
    /// The most that there were.
    pub(crate) high_water: usize,
    /// After each kill during which the backlog lasted: how long it took until as many as allowed were under way again.
    pub(crate) full_again: Vec<Option<Duration>>,
}

/// Of a rate, while it was set.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) per_second: u32,
    /// When calls began, counted from when the rate was asked for.
    pub(crate) starts: Vec<Duration>,
    pub(crate) lasts: Duration,
    /// Whether something was still waiting at its end.
    pub(crate) has_backlog: bool,
}

/// Does all of it with so many messages for the first part.
pub(crate) async fn course(site: &Site, load: &Load, seed: u64, messages: u32) -> anyhow::Result<Seen> {
    let cap = at_once(site, load, seed, messages).await?;
    let rates = rates(site, load, messages).await?;
    Ok(Seen { cap, rates })
}

async fn at_once(site: &Site, load: &Load, seed: u64, messages: u32) -> anyhow::Result<Cap> {
    let fault = Fault::from(Misbehaviour::Slow { ms: CALL_MS });
    site.simulator.set_fault(fault)?;
    heap_up(site, load, 0..messages).await?;
    site.limit(&["--concurrency", &AT_ONCE.to_string()]).await?;
    eprintln!("chaos: {messages} messages by an account that {AT_ONCE} may use at once");
    let mut full_again = Vec::new();
    let mut dice = StdRng::seed_from_u64(seed);
    let kills = (messages / MESSAGES_PER_KILL).max(1);
    for kill in 1..=kills {
        called(site, u64::from(messages) * u64::from(kill) / u64::from(kills + 1)).await?;
        full_again.extend(kill_one(site, &mut dice, u64::from(messages)).await);
    }
    called(site, messages.into()).await?;
    site.simulator.clear_faults();
    Ok(Cap {
        at_once: AT_ONCE,
        high_water: site.load(simulator::Load::high_water).unwrap_or_default(),
        full_again,
    })
}

/// Kills a worker and starts another. Answers how long it took until the account was in full use again; nothing if the
/// backlog ended before.
async fn kill_one(site: &Site, dice: &mut StdRng, messages: u64) -> Option<Option<Duration>> {
    let places = site.fleet.places(Role::Worker);
    let place = places[dice.random_range(0..places.len())];
    let away = Duration::from_millis(dice.random_range(500..2_000));
    let at = Instant::now();
    site.fleet.kill(place);
    let full = async {
        sleep(OVER).await;
        while site.load(simulator::Load::in_flight) != Some(AT_ONCE) {
            if at.elapsed() > FULL_AGAIN_MAX || calls(site) + AT_ONCE as u64 >= messages {
                return None;
            }
            sleep(LOOK_EVERY).await;
        }
        Some(at.elapsed())
    };
    let start_again = async {
        sleep(away).await;
        site.fleet.put(place, None);
    };
    let (full, ()) = tokio::join!(full, start_again);
    let has_backlog = calls(site) + (AT_ONCE as u64) < messages;
    eprintln!("chaos: a worker was killed; {AT_ONCE} at once again after {full:?}");
    (full.is_some() || has_backlog).then_some(full)
}

/// Asks for messages of which none leaves before it is let.
async fn heap_up(site: &Site, load: &Load, numbers: Range<u32>) -> anyhow::Result<()> {
    site.limit(&["--concurrency", "0"]).await?;
    eprintln!("chaos: heaping up {} messages", numbers.len());
    load.heap_up(numbers).await;
    Ok(())
}

async fn rates(site: &Site, load: &Load, messages: u32) -> anyhow::Result<Vec<Span>> {
    let most = RATES
        .iter()
        .map(|(per_second, seconds)| per_second * seconds)
        .sum::<u32>()
        + BACKLOG;
    heap_up(site, load, messages..messages + most).await?;
    let all = calls(site) + u64::from(most);
    let mut spans = Vec::new();
    for (per_second, seconds) in RATES {
        let begin = site.simulator.elapsed();
        site.limit(&["--rate", &format!("{per_second}/s")]).await?;
        eprintln!("chaos: {per_second} a second");
        sleep(Duration::from_secs(seconds.into())).await;
        let lasts = site.simulator.elapsed() - begin;
        let starts = site.load(|load| {
            let after = load.starts().filter_map(|at| at.checked_sub(begin));
            after.filter(|at| *at < lasts).collect()
        });
        spans.push(Span {
            per_second,
            starts: starts.unwrap_or_default(),
            lasts,
            has_backlog: calls(site) < all,
        });
    }
    // What is left need not take its time.
    site.limit(&[]).await?;
    Ok(spans)
}

/// How often the account was called.
fn calls(site: &Site) -> u64 {
    site.load(simulator::Load::calls).unwrap_or_default()
}

/// Waits until the account was called so often.
async fn called(site: &Site, times: u64) -> anyhow::Result<()> {
    let mut last = (calls(site), Instant::now());
    while last.0 < times {
        ensure!(last.1.elapsed() < STANDSTILL, "only {} of {times} calls came", last.0);
        sleep(LOOK_EVERY).await;
        let now = calls(site);
        if now > last.0 {
            last = (now, Instant::now());
        }
    }
    Ok(())
}
