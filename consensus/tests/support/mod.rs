//! What tests and benchmarks of the engine share: small trust models, a network without losses, and a forge in which
//! anybody's messages are made.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod forge;
pub mod points;
pub mod run;
pub mod trust;
