//! The whole program, promise by promise: one file each, through HTTP and the command line.
#![allow(clippy::unwrap_used)]

mod cli;
mod documents;
mod settings;
