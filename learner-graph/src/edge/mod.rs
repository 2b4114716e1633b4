//! The two kinds of edge that are derived from the learners' quorums.

mod largest;
mod overlap;

pub use largest::{INTERSECTIONS_MAX, NoLargest, largest};
pub use overlap::{NoOverlap, Shares, overlap};
