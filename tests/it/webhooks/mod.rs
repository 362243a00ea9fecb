//! The webhooks of the providers themselves, from their signature to what comes of them.

mod answers;
#[cfg(feature = "services")]
mod away;
mod batches;
mod endpoints;
mod kept;
pub(crate) mod raw;
mod recorded;
mod served;
pub(crate) mod sign;
mod told;
mod twilio_url;
