//! A validator node.
