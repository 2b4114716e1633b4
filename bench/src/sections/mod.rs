//! The sections of the report, one file each.

pub mod floor;
