//! Promises of the simulator, through real sockets. What it tells is checked by the verifiers of `providers`: theirs is
//! the proof that signatures are right.

#![allow(clippy::unwrap_used)]

mod clients;
mod control;
mod faults;
mod green_api;
mod hook;
mod imap;
mod mail_support;
mod memory;
mod page;
mod resend;
mod sendgrid;
mod smtp;
mod support;
mod telling;
mod twilio;
mod twilio_numbers;
mod twilio_replies;
