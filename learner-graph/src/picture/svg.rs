//! The whole picture as SVG.

use super::canvas::{Canvas, DARK, FAINT, Label, number, patterns};
use super::facts::{Facts, LogFacts};
use super::shape::{Point, Size};
use super::words::count;
use super::{membership, panel};
use svg::Document;
use svg::node::element::{Rectangle, Title};

const MARGIN: f64 = 28.0;
/// Between one part and the next.
const GAP: f64 = 34.0;
/// What is narrower stands in the middle of this.
const WIDTH: f64 = 1080.0;

/// Draws `facts`.
pub(super) fn svg(facts: &Facts) -> String {
    let canvas = draw(facts);
    let (content, Size { width, height }) = canvas.finish();
    let (width, height) = ((width + MARGIN).ceil(), (height + MARGIN).ceil());
    let paper = Rectangle::new()
        .set("width", number(width))
        .set("height", number(height))
        .set("fill", "#ffffff");
    let mut document = Document::new()
        .set("viewBox", format!("0 0 {} {}", number(width), number(height)))
        .set("width", number(width))
        .set("height", number(height))
        .set("font-family", "sans-serif")
        .set("fill", DARK)
        .add(Title::new(title(facts)));
    let patterns = patterns(facts.learners.iter().map(|learner| learner.ink));
    if !patterns.get_children().is_empty() {
        document = document.add(patterns);
    }
    let mut text = document.add(paper).add(content).to_string();
    text.push('\n');
    text
}

/// As in "3 chains, 12 validators".
fn title(facts: &Facts) -> String {
    let learners = count(facts.learners.len(), "chain");
    format!("{learners}, {}", count(facts.acceptors.len(), "validator"))
}

/// One part below the other.
pub(super) fn draw(facts: &Facts) -> Canvas {
    let mut canvas = Canvas::new();
    let mut at = Point { x: MARGIN, y: MARGIN };
    canvas.label(&Label::new(title(facts), 22.0).bold(), Point { y: at.y + 18.0, ..at });
    at.y += 24.0;
    let words = "Lie: do anything at all, such as telling each a different story (Byzantine). Crash: stop answering.";
    at = panel::note(&mut canvas, words, FAINT, at);
    at.y += GAP - 10.0;
    let (alone, together): (Vec<&LogFacts>, Vec<&LogFacts>) =
        facts.logs.iter().partition(|log| log.alone);
    for log in together {
        panel::draw(&mut canvas, facts, log, at, WIDTH);
        at.y = canvas.bottom() + GAP;
    }
    if !alone.is_empty() {
        panel::draw_alone(&mut canvas, facts, &alone, at, WIDTH);
        at.y = canvas.bottom() + GAP;
    }
    membership::draw(&mut canvas, facts, at);
    canvas
}
