//! The sections of the report, one file each.

pub mod bundles;
pub mod crossing;
pub mod floor;
pub mod growth;
pub mod node;
pub mod wan;
