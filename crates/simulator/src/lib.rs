#![doc = include_str!("../README.md")]

mod account;
mod call;
mod callback;
mod control;
mod course;
mod dice;
mod fault;
mod ledger;
mod provider;
mod recent;
mod reply;
mod script;
mod secret;
mod selector;
mod settings;
mod simulator;
mod twilio;
mod unusable;
mod web;
mod wire;
mod world;

pub use account::{ACCOUNTS_MAX, Account};
pub use fault::{FAULTS_MAX, Fault, HOLD_MS_MAX, Misbehaviour};
pub use ledger::{Answer, Effect, Ledger, Load, Passed, Proof, Received, Replied, TEXT_BYTES_MAX, Told};
pub use provider::{Channel, Provider};
pub use reply::{Button, Reply, Unanswerable};
pub use script::{SCRIPTS_MAX, STEPS_MAX, Script, Status, Step};
pub use selector::{Pattern, Selector};
pub use settings::{Limits, Settings, Telling};
pub use simulator::{NotReached, Simulator, StartError};
pub use twilio::{TwilioAccount, TwilioApiKey};
pub use unusable::Unusable;
