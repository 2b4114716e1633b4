//! The sections of the report, one file each.

pub mod bundles;
pub mod floor;
pub mod node;
