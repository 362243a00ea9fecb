//! Chance that can be had again: everything follows from a seed.

use std::collections::{HashMap, VecDeque};

use ring::digest::{Context, SHA256};

/// Of so many subjects it is known how often they were rolled for. One that was forgotten is rolled for as if for the
/// first time.
const SUBJECTS_MAX: usize = 100_000;

/// Ids and rolls of dice.
///
/// A roll follows from the seed, from what it is about and from how often it was rolled about that before. It does not
/// follow from what else went on meanwhile, so a run with many requests at once treats each of them as the run before.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    ids: u64,
    rolled: HashMap<Hash, u32>,
    order: VecDeque<Hash>,
}

type Hash = [u8; 32];

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            ids: 0,
            rolled: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Bytes that no other id of this seed has.
    pub(crate) fn id(&mut self) -> Hash {
        self.ids += 1;
        self.hash(&[b"id", &self.ids.to_be_bytes()])
    }

    /// An id in hex.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut text = hex::encode(self.id());
        text.truncate(digits);
        text
    }

    /// An id in the form of a random UUID.
    pub(crate) fn uuid(&mut self) -> uuid::Uuid {
        let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.id();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The next roll about a subject.
    pub(crate) fn roll(&mut self, about: &[&[u8]]) -> Roll {
        let subject = self.hash(about);
        if !self.rolled.contains_key(&subject) {
            self.order.push_back(subject);
            if self.order.len() > SUBJECTS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.rolled.remove(&oldest);
            }
        }
        let times = self.rolled.entry(subject).or_default();
        *times += 1;
        Roll {
            subject,
            times: *times,
            drawn: 0,
        }
    }

    /// Rolls from the beginning again. Ids go on: nobody may meet one twice.
    pub(crate) fn reset(&mut self) {
        self.rolled.clear();
        self.order.clear();
    }

    fn hash(&self, parts: &[&[u8]]) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(&self.seed.to_be_bytes());
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        digest(context)
    }
}

/// The chances of one event, one after another.
#[derive(Debug)]
pub(crate) struct Roll {
    subject: Hash,
    times: u32,
    drawn: u32,
}

impl Roll {
    /// True in `rate` of all cases: never at 0, always at 1.
    pub(crate) fn chance(&mut self, rate: f64) -> bool {
        let mut context = Context::new(&SHA256);
        context.update(&self.subject);
        context.update(&self.times.to_be_bytes());
        context.update(&self.drawn.to_be_bytes());
        self.drawn += 1;
        let [a, b, c, d, ..] = digest(context);
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0) < rate
    }
}

fn digest(context: Context) -> Hash {
    let mut bytes = Hash::default();
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chances(dice: &mut Dice, about: &[u8]) -> Vec<bool> {
        (0..32).map(|_| dice.roll(&[about]).chance(0.5)).collect()
    }

    #[test]
    fn the_same_seed_rolls_the_same_whatever_goes_on_beside() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        let alone = chances(&mut one, b"ana");
        let mut beside = Vec::new();
        for _ in 0..32 {
            other.roll(&[b"bob"]);
            beside.push(other.roll(&[b"ana"]).chance(0.5));
        }
        assert_eq!(alone, beside);
        assert_ne!(alone, chances(&mut Dice::new(8), b"ana"));
    }

    #[test]
    fn a_rate_is_a_share_of_all_cases() {
        let mut dice = Dice::new(1);
        let share = (0..10_000).filter(|_| dice.roll(&[b"x"]).chance(0.2)).count();
        assert!((1_800..2_200).contains(&share), "{share}");
        assert!((0..1_000).all(|_| !dice.roll(&[b"x"]).chance(0.0) && dice.roll(&[b"x"]).chance(1.0)));
    }

    #[test]
    fn no_id_comes_twice_even_after_a_reset() {
        let mut dice = Dice::new(1);
        let first = dice.hex(32);
        dice.reset();
        assert_ne!(first, dice.hex(32));
        assert_eq!(Dice::new(1).uuid().get_version_num(), 4);
    }
}
