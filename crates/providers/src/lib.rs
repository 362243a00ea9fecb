#![doc = include_str!("../README.md")]

pub mod email;
mod verified;

pub use verified::Verified;
