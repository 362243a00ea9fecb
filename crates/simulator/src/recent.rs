//! Memory that does not grow: the newest of many.

use std::collections::{VecDeque, vec_deque};

use serde::{Serialize, Serializer};

/// At most so many things; a new one pushes the oldest out.
#[derive(Clone, Debug)]
pub(crate) struct Recent<T> {
    items: VecDeque<T>,
    max: usize,
}

impl<T> Recent<T> {
    /// Keeps `max`, and at least one.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            items: VecDeque::new(),
            max: max.max(1),
        }
    }

    /// Adds one. Returns what it pushed out.
    pub(crate) fn push(&mut self, item: T) -> Option<T> {
        let oldest = (self.items.len() >= self.max).then(|| self.items.pop_front());
        self.items.push_back(item);
        oldest.flatten()
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> vec_deque::Iter<'_, T> {
        self.items.iter()
    }

    /// Oldest first.
    pub(crate) fn iter_mut(&mut self) -> vec_deque::IterMut<'_, T> {
        self.items.iter_mut()
    }

    /// Takes away what does not fit.
    pub(crate) fn retain(&mut self, fits: impl FnMut(&T) -> bool) {
        self.items.retain(fits);
    }

    /// The one whose number it is, if numbers grow from one to the next.
    pub(crate) fn by_number(&self, number: u64, of: impl Fn(&T) -> u64) -> Option<&T> {
        let place = self.items.binary_search_by_key(&number, of).ok()?;
        self.items.get(place)
    }

    /// The same, to be changed.
    pub(crate) fn by_number_mut(&mut self, number: u64, of: impl Fn(&T) -> u64) -> Option<&mut T> {
        let place = self.items.binary_search_by_key(&number, of).ok()?;
        self.items.get_mut(place)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }
}

impl<T: Serialize> Serialize for Recent<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.items.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay() {
        let mut recent = Recent::new(2);
        assert_eq!([recent.push(1), recent.push(2), recent.push(3)], [None, None, Some(1)]);
        assert!(recent.iter().eq(&[2, 3]));
        assert_eq!(recent.by_number(3, |n| *n), Some(&3));
        assert_eq!(recent.by_number(1, |n| *n), None);
    }
}
