//! Callers who want many things at once, or one after the other.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Load;
use super::course::by_resend;
use crate::book::{Inbound, What};

/// So many callers ask for a heap of messages together.
const HEAP_CALLERS: usize = 64;

/// How many texts a conversation has.
pub(crate) const TEXTS_EACH: u32 = 10;

impl Load {
    /// Asks for the messages of these numbers, by one account, as fast as they are promised.
    pub(crate) async fn heap_up(&self, numbers: std::ops::Range<u32>) {
        let next = AtomicU32::new(numbers.start);
        let caller = async || loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return;
            }
            let what = What::Send(by_resend(number));
            self.insist(self.book.wish(what.clone()), &what).await;
        };
        join_all((0..HEAP_CALLERS).map(|_| caller())).await;
    }

    /// So many people write their texts, each one after the other, beginning at some time within this span.
    pub(crate) async fn converse(&self, seed: u64, conversations: u32, within: Duration) {
        let mut dice = StdRng::seed_from_u64(seed);
        let begins: Vec<_> = (0..conversations)
            .map(|_| within.mul_f64(dice.random_range(0.0..1.0)))
            .collect();
        let talks = (0..conversations).zip(begins).map(async |(conversation, begin)| {
            tokio::time::sleep(begin).await;
            for number in 0..TEXTS_EACH {
                let what = What::Inbound(Inbound { conversation, number });
                self.insist(self.book.wish(what.clone()), &what).await;
            }
        });
        join_all(talks).await;
    }
}
