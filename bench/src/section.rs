//! A section of the report: what was measured, in words, tables, plots and ratios.

use crate::plot::Plot;
use crate::ratio::Ratio;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Display;

/// A part of the report.
pub struct Section {
    /// As `--section` names it.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is measured, and what that includes and leaves out, in Markdown.
    pub text: String,
    /// For people.
    pub tables: Vec<Table>,
    /// For people; named uniquely in the whole report.
    pub plots: Vec<Plot>,
    /// What `check` compares, by a name that says what is divided by what.
    pub ratios: BTreeMap<String, Ratio>,
    /// For programs: everything that was measured.
    pub figures: Value,
}

/// A table of the report.
pub struct Table {
    /// A sentence above it; may be empty.
    pub caption: String,
    /// The first row.
    pub titles: Vec<String>,
    /// The others, each as long as the first.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// One without rows.
    pub fn new<const N: usize>(caption: &str, titles: [&str; N]) -> Self {
        let titles = titles.map(str::to_owned).to_vec();
        Table { caption: caption.to_owned(), titles, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [&dyn Display; N]) {
        assert_eq!(N, self.titles.len(), "each row has a cell below each title");
        self.rows.push(cells.map(ToString::to_string).to_vec());
    }

    /// In Markdown: the first column to the left, figures to the right.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = ["---"].into_iter().chain(self.titles.iter().skip(1).map(|_| "---:"));
        let mut text = match self.caption.as_str() {
            "" => String::new(),
            caption => format!("{caption}\n\n"),
        };
        text += &line(&self.titles);
        text += &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }
}

/// A figure as people read it: three digits, and whole thousands apart; an en dash where nothing was measured.
pub fn figure(value: impl Into<Option<f64>>) -> String {
    let Some(value) = value.into().filter(|value| value.is_finite()) else {
        return "–".to_owned();
    };
    let digits = match value.abs() {
        0.0 => 0,
        small if small < 1_000.0 => (2 - small.log10().floor() as i32).max(0) as usize,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_markdown() {
        let mut table = Table::new("Of nothing.", ["what", "ms"]);
        table.row([&"a sync", &figure(0.1429)]);
        let wanted = "Of nothing.\n\n| what | ms |\n|---|---:|\n| a sync | 0.143 |\n";
        assert_eq!(table.markdown(), wanted);
    }

    #[test]
    fn figures_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.001234, "0.00123"),
            (1.0, "1"),
            (12.345, "12.3"),
            (329.4, "329"),
            (56_000.4, "56,000"),
            (1_234_567.0, "1,234,567"),
            (-123_456.0, "-123,456"),
        ];
        for (value, wanted) in cases {
            assert_eq!(figure(value), wanted);
        }
        assert_eq!(figure(None), "–");
        assert_eq!(figure(f64::NAN), "–");
    }
}
