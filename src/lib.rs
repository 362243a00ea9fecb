//! How the program is run and reached.
//!
//! | to find | look in |
//! |---|---|
//! | what it can be asked to do | [`cli`] |
//! | its settings | [`config`] |
//! | webhooks in | [`intake`] |
//! | the API of tenants | [`api`] |
//! | what operators are told | [`alerts`] |
//! | health, readiness, figures | [`ops`] |
//! | its processes | [`web`], [`worker`], [`clock`], [`dev`] |

pub mod alerts;
pub mod api;
pub mod cli;
mod client_address;
pub mod clock;
pub mod config;
pub mod connect;
pub mod correlation;
pub mod dev;
pub mod intake;
pub mod ops;
mod path;
pub mod problem;
pub mod signals;
pub mod telemetry;
mod time;
pub mod web;
pub mod worker;
