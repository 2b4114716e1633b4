//! `hpaxos bundle`, `query`, `status` and `store` as their users run them, against a validator that really runs: alone, since
//! a quorum is itself.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod bundles;
mod clients;
mod memory;
mod moving;
mod refused;
mod stopped;
mod stores;
mod world;
