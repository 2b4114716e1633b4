//! The learner graph as a TOML file: [`read`] with errors that point at the place, [`write`](write()) back.

mod conditions;
mod error;
mod names;
mod read;
mod values;
mod write;

pub use error::FileError;
pub use names::is_name;
pub use read::{FILE_BYTES_MAX, read, read_bytes};
pub use write::write;
