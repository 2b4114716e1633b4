//! The floor: what a decision costs at least on this machine.

use crate::section::Section;
use crate::setting::Setting;
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeMap;

/// Measures.
pub fn run(_: &Setting) -> Result<Section> {
    Ok(Section {
        name: "floor",
        title: "The floor",
        text: String::new(),
        tables: Vec::new(),
        plots: Vec::new(),
        ratios: BTreeMap::new(),
        figures: json!({}),
    })
}
