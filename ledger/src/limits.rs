//! Constants of the protocol: every node must agree on them, so none can be configured.

/// The most bytes of a block.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// The most bundles of a block.
pub const BLOCK_BUNDLES_MAX: usize = 4_096;
/// The most bytes of a bundle, signatures included.
pub const BUNDLE_BYTES_MAX: usize = 128 << 10;
/// The most operations of a bundle, over all its parts.
pub const BUNDLE_OPERATIONS_MAX: usize = 64;
/// The most signers of a bundle.
pub const BUNDLE_SIGNERS_MAX: usize = 16;
/// The most bytes of an object's key, or of an asset's name.
pub const KEY_BYTES_MAX: usize = 256;
/// The most bytes of an object's value.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// For how many slots used ids are remembered, and how far ahead a bundle may be valid.
pub const WINDOW_SLOTS: u64 = 65_536;
/// The last slot that a log can get to: so that reckoning with slots never overflows.
pub const SLOT_MAX: u64 = u64::MAX >> 1;
/// The largest number in a bundle: programs outside read numbers as doubles.
pub const NUMBER_MAX: u64 = 1 << 53;
