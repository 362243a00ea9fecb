//! What the suites of this crate share. Each suite is a program of its own and uses its part of it.
#![allow(dead_code)]

pub(crate) mod fixture;
pub(crate) mod memory;
pub(crate) mod model;
