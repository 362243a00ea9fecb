//! The form of what Redis keeps of a job, and reading it back.

use std::borrow::Cow;

use redis::FromRedisValue;
use uuid::Uuid;

use super::link::misunderstood;
use crate::backend::{Failure, Kept, QueueError, Reason, State};
use crate::clock::Millis;
use crate::flow::{AfterDeath, Key, Keys, Order};
use crate::job::{JobId, Queue};

/// What stands in front of a job's envelope; `read_head` of `prelude.lua` reads the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) tenant: Uuid,
    pub(super) attempts: u16,
    pub(super) crashes: u8,
    pub(super) keys: Cow<'a, Keys>,
}

impl Head<'_> {
    /// Makes `value` the stored form.
    pub(super) fn write(&self, body: &[u8], value: &mut Vec<u8>) {
        value.clear();
        value.extend_from_slice(self.tenant.as_bytes());
        value.extend_from_slice(&self.attempts.to_be_bytes());
        value.push(self.crashes);
        write_key(self.keys.limit.as_ref(), value);
        write_key(self.keys.order.as_ref().map(|order| &order.key), value);
        if let Some(order) = &self.keys.order {
            value.push(u8::from(order.after_death == AfterDeath::Hold));
        }
        value.extend_from_slice(body);
    }
}

impl Head<'static> {
    /// Reads the head and leaves what follows it.
    pub(super) fn take(value: &mut Vec<u8>) -> Option<Self> {
        let (tenant, rest) = value.split_first_chunk::<16>()?;
        let (attempts, rest) = rest.split_first_chunk::<2>()?;
        let (crashes, rest) = rest.split_first()?;
        let (limit, rest) = read_key(rest)?;
        let (order_key, mut rest) = read_key(rest)?;
        let mut order = None;
        if let Some(key) = order_key {
            let (holds, body) = rest.split_first()?;
            let after_death = if *holds == 0 {
                AfterDeath::GoOn
            } else {
                AfterDeath::Hold
            };
            order = Some(Order { key, after_death });
            rest = body;
        }
        let head = Self {
            tenant: Uuid::from_bytes(*tenant),
            attempts: u16::from_be_bytes(*attempts),
            crashes: *crashes,
            keys: Cow::Owned(Keys { limit, order }),
        };
        let bytes = value.len() - rest.len();
        value.drain(..bytes);
        Some(head)
    }
}

/// Behind its length; none has length 0.
fn write_key(key: Option<&Key>, value: &mut Vec<u8>) {
    let name = key.map_or("", Key::as_str);
    value.push(u8::try_from(name.len()).expect("a key has at most KEY_BYTES_MAX bytes"));
    value.extend_from_slice(name.as_bytes());
}

fn read_key(value: &[u8]) -> Option<(Option<Key>, &[u8])> {
    let (bytes, rest) = value.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*bytes))?;
    Some((Key::new(text(name)?), rest))
}

/// Where a job waits that never started: lane 0, its tenant, its limit key; `place_of` of `prelude.lua`.
pub(super) fn first_place(tenant: Uuid, limit: Option<&Key>) -> Vec<u8> {
    let name = limit.map_or("", Key::as_str);
    [b"0", tenant.as_bytes().as_slice(), name.as_bytes()].concat()
}

/// What names a line in the scripts: its tenant and its order key.
pub(super) fn line(tenant: Uuid, key: &Key) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), key.as_str().as_bytes()].concat()
}

/// A job or letter as the scripts that show them answer it: id, value, the state's name and three details of it.
pub(super) type Row = (Vec<u8>, Vec<u8>, String, Vec<u8>, Vec<u8>, Vec<u8>);

/// Reads what a script showed.
pub(super) fn read_row(queue: Queue, (id, value, state, first, second, third): Row) -> Result<Kept, QueueError> {
    read(queue, &id, value, &state, [&first, &second, &third]).ok_or_else(misunderstood)
}

fn read(queue: Queue, id: &[u8], mut body: Vec<u8>, state: &str, details: [&[u8]; 3]) -> Option<Kept> {
    let id = JobId(Uuid::from_slice(id).ok()?);
    let head = Head::take(&mut body)?;
    let [first, second, third] = details;
    let state = match state {
        "ready" => State::Ready,
        "scheduled" => State::Scheduled { run_at: time(first)? },
        "parked" => State::Parked {
            gate: text(first)?.to_owned(),
        },
        "running" => State::Running {
            claim: time(first)?,
            session: Uuid::from_slice(second).ok()?,
            until: time(third)?,
        },
        "behind" => State::Behind {
            head: JobId(Uuid::from_slice(first).ok()?),
        },
        "dead" => State::Dead {
            reason: take_reason(&mut body)?,
            died_at: time(first)?,
        },
        _ => return None,
    };
    let Head {
        tenant,
        attempts,
        crashes,
        keys,
    } = head;
    Some(Kept {
        id,
        queue,
        tenant,
        attempts,
        crashes,
        state,
        keys: keys.into_owned(),
        body,
        errors: Vec::new(),
    })
}

/// A dead letter has its reason between head and body, behind its length.
pub(super) fn take_reason(value: &mut Vec<u8>) -> Option<Reason> {
    let end = 1 + usize::from(*value.first()?);
    let reason = Reason::named(text(value.get(1..end)?)?)?;
    value.drain(..end);
    Some(reason)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A number as Redis shows scores; beyond 2^53 with an exponent.
pub(super) fn time(bytes: &[u8]) -> Option<Millis> {
    let text = text(bytes)?;
    #[allow(clippy::cast_possible_truncation)]
    text.parse()
        .ok()
        .or_else(|| text.parse::<f64>().ok().map(|number| number as Millis))
}

/// Reads the failures of a job.
pub(super) fn read_failures(json: &str) -> Result<Vec<Failure>, QueueError> {
    serde_json::from_str(json).map_err(|_| misunderstood())
}

/// Reads a part of an answer.
pub(super) fn part<T: FromRedisValue>(value: redis::Value) -> Result<T, QueueError> {
    redis::from_redis_value(value).map_err(|_| misunderstood())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Option<Key>> {
        prop_oneof![Just(None), "[a-z:{}é]{1,40}".prop_map(|name| Key::new(&name))]
    }

    fn keys() -> impl Strategy<Value = Keys> {
        (key(), key(), any::<bool>()).prop_map(|(limit, order, holds)| {
            let after_death = if holds { AfterDeath::Hold } else { AfterDeath::GoOn };
            let order = order.map(|key| Order { key, after_death });
            Keys { limit, order }
        })
    }

    proptest! {
        #[test]
        fn a_head_reads_back_and_leaves_the_body(
            tenant: u128, attempts: u16, crashes: u8, keys in keys(), body: Vec<u8>
        ) {
            let head = Head { tenant: Uuid::from_u128(tenant), attempts, crashes, keys: Cow::Owned(keys) };
            let mut value = Vec::new();
            head.write(&body, &mut value);
            prop_assert_eq!(Head::take(&mut value), Some(head));
            prop_assert_eq!(value, body);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(
            value: Vec<u8>, state in "ready|scheduled|running|behind|dead|x"
        ) {
            let _ = read(Queue::Default, &[0; 16], value, &state, [b"1", &[0; 16], b"1e18"]);
        }
    }
}
