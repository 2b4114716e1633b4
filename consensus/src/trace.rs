//! The trace: JSON lines.
