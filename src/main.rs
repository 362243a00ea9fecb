//! relais
fn main() {}
