//! Doing something with many dead letters at once: [`ActOnDeadLetters`](crate::ActOnDeadLetters) does it, step by step.
//!
//! An action is a row in the store ([`store::BulkAction`]) and one job at a time that works on it. The row says which
//! letters, how far it is and who asked; the job names the action and the *step*, a number that the row has too. A job whose
//! number is not the row's has been followed by another.
//!
//! ```text
//! one step:  look at letters that were retried ─▶ take up letters ─▶ act on them ─▶ note what became of them
//!            ─▶ step + 1 ─▶ add the next step's job, to start when the rate allows it
//! ```
//! While nothing can be done but wait, the same step snoozes.
//!
//! **Which letters.** Those that match and died before the action was asked for: what dies again is not matched again. The
//! queue's list of them only gets shorter and its cursor is a place in it, so none is skipped.
//!
//! **When a worker dies** anywhere in a step, another one runs the step again:
//! - *before the letters are written down as intended*: nothing has happened; they are listed again.
//! - *between that and the note of what became of them*: some were acted on and some not. Each intended letter is looked up,
//!   and acted on only if it is still dead since before the action. One that is not was acted on, or somebody else
//!   got ahead; either way nothing is left to do. The row of a letter is counted once, because counting changes it.
//! - *between that and the end of the step*: nothing is intended, so the step goes on with the next letters.
//! - *between the end of the step and the next one's job*: this job finds a step that is not its own, and adds the next one's
//!   job, which is a duplicate if there is one.
//!
//! When whoever asks dies between writing the row and adding the first job, the action stands still, and so it does when a
//! step's job is dead itself (the store was away for most of an hour): `relais bulk show` says so, and resuming adds a job.
//!
//! A worker that slept through the end of its lease in the middle of a batch looks letters up again before it acts on them.
//!
//! **What is new does not suffer.** Letters are acted on at a rate, in small batches, and never so many that more than
//! [`READY_MAX`](domain::bulk::READY_MAX) of them are ready or running. Tenants take turns in the queue as ever.

mod asked;
mod letters;
mod selection;

pub use asked::{Asked, BulkError, Preview, begin, job_of, preview, resume};
pub use letters::renewed;
pub(crate) use letters::{Listed, act, look};
pub use selection::Selection;
