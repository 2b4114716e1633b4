//! A local network of several chains: real validator processes on loopback, load, faults and a verdict.
//!
//! Nothing is here yet.

#![warn(missing_docs)]
