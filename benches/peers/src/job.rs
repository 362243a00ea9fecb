//! The job that all of them run.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a payload is filled up to, as JSON.
const PAYLOAD_BYTES: usize = 300;

/// Work that is nothing: what is left is the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nothing {
    /// Tells the jobs of two processes apart.
    pub run: Uuid,
    /// From 0.
    pub number: usize,
    filler: String,
}

impl Nothing {
    /// 300 bytes of it.
    #[must_use]
    pub fn new(run: Uuid, number: usize) -> Self {
        // 68 bytes are the names, the quotes and the run.
        let filler = "x".repeat(PAYLOAD_BYTES - 68 - number.to_string().len());
        Self { run, number, filler }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_300_bytes() {
        for number in [0, 7, 99_999] {
            let payload = serde_json::to_vec(&Nothing::new(Uuid::new_v4(), number));
            assert_eq!(payload.map(|bytes| bytes.len()).ok(), Some(PAYLOAD_BYTES));
        }
    }
}
