//! The part of a picture that is about one log: its learners, and what each two of them promise each other.

use super::canvas::{Anchor, BAD, Canvas, DARK, FAINT, LINE, Label};
use super::card::{Card, Pill, draw_cards};
use super::facts::{Facts, LogFacts, Pair, Validity};
use super::ring::{Tag, ring};
use super::shape::{Point, Rect};
use super::table;
use super::words::{Promise, instance};
use svg::node::element::Line;

/// More learners than these are a table: lines between more cannot be followed.
const RING_MAX: usize = 6;

/// More learners than these leave no room for a second line of words on lines.
const EXAMPLES_MAX: usize = 4;

/// Letters of an example.
const EXAMPLE: usize = 24;

const NOT_VALID: &str =
    "What is marked \"not valid\" is promised, but cannot be kept: see `hpaxos graph check`.";

/// Draws `log` at `at`.
pub(super) fn draw(canvas: &mut Canvas, facts: &Facts, log: &LogFacts, at: Point, width: f64) {
    let mut at = heading(canvas, &log.title, at);
    if let Some(caption) = caption(log) {
        at = note(canvas, &caption, FAINT, at);
    }
    if log.valid == Some(false) {
        at = note(canvas, NOT_VALID, BAD, at);
    }
    let at = Point { y: at.y + 10.0, ..at };
    if log.pairs.is_empty() && log.members.len() <= RING_MAX {
        let cards: Vec<Card> = cards(facts, log);
        draw_cards(canvas, &cards, at, width);
    } else if log.members.len() <= RING_MAX {
        draw_ring(canvas, facts, log, at);
    } else {
        table::draw(canvas, facts, log, at);
    }
}

/// Draws logs of one learner each, side by side.
pub(super) fn draw_alone(
    canvas: &mut Canvas,
    facts: &Facts,
    logs: &[&LogFacts],
    at: Point,
    width: f64,
) {
    let title = if logs.len() == 1 { "A chain on its own" } else { "Chains on their own" };
    let mut at = heading(canvas, title, at);
    if logs.iter().any(|log| log.valid == Some(false)) {
        at = note(canvas, NOT_VALID, BAD, at);
    }
    let cards: Vec<Card> = logs.iter().flat_map(|log| cards(facts, log)).collect();
    draw_cards(canvas, &cards, Point { y: at.y + 10.0, ..at }, width);
}

/// Draws a heading; where to go on.
pub(super) fn heading(canvas: &mut Canvas, text: &str, at: Point) -> Point {
    canvas.label(&Label::new(text, 17.0).bold(), Point { y: at.y + 16.0, ..at });
    Point { y: at.y + 22.0, ..at }
}

/// Draws a line of small print; where to go on.
pub(super) fn note(canvas: &mut Canvas, text: &str, color: &'static str, at: Point) -> Point {
    canvas.label(&Label::new(text, 12.0).colored(color), Point { y: at.y + 14.0, ..at });
    Point { y: at.y + 18.0, ..at }
}

/// What a promise of two is called in tooltips.
pub(super) fn pair_tip(facts: &Facts, log: &LogFacts, pair: &Pair) -> String {
    let names = format!("{} and {}", facts.name(log, pair.ends.0), facts.name(log, pair.ends.1));
    let mut tip = Promise::Agree.sentence(&names, &pair.disagree);
    if !pair.declared {
        tip.push_str("\nThe file does not state this promise: it follows from others.");
    }
    if let Validity::Invalid(why) = &pair.validity {
        tip.push('\n');
        tip.push_str(why);
    }
    tip
}

fn cards(facts: &Facts, log: &LogFacts) -> Vec<Card> {
    (0..log.members.len()).map(|member| Card::of(facts, log, member)).collect()
}

fn caption(log: &LogFacts) -> Option<String> {
    let count = log.members.len();
    if count < 2 {
        return None;
    }
    if log.pairs.is_empty() {
        return Some("These chains promise each other nothing.".to_owned());
    }
    let complete = log.pairs.len() == count * (count - 1) / 2;
    let implied = log.pairs.iter().any(|pair| !pair.declared);
    let mut caption = if count > RING_MAX {
        "Two chains contradict each other only if as many validators lie as the cell where they meet says: the darker, the fewer."
    } else {
        "Two chains joined by a line contradict each other only if as many validators lie as its label says."
    }
    .to_owned();
    if !complete {
        let without =
            if count > RING_MAX { " Empty: no promise." } else { " No line: no promise." };
        caption.push_str(without);
    }
    if implied {
        caption.push_str(" Dashed: follows from other promises.");
    }
    Some(caption)
}

fn draw_ring(canvas: &mut Canvas, facts: &Facts, log: &LogFacts, at: Point) {
    let cards = cards(facts, log);
    let pills: Vec<Pill> = log.pairs.iter().map(|pair| pill(facts, log, pair)).collect();
    let sizes: Vec<_> = cards.iter().map(|card| card.size).collect();
    let tags: Vec<Tag> = log
        .pairs
        .iter()
        .zip(&pills)
        .map(|(pair, pill)| Tag { ends: pair.ends, size: pill.size() })
        .collect();
    let ring = ring(&sizes, &tags);
    let boxes: Vec<Rect> = ring.boxes.iter().map(|rect| rect.moved(at)).collect();
    for pair in &log.pairs {
        let invalid = matches!(pair.validity, Validity::Invalid(_));
        let mut line = Line::new()
            .set("stroke", if invalid { BAD } else { LINE })
            .set("stroke-width", if invalid { 3 } else { 2 });
        if !pair.declared {
            line = line.set("stroke-dasharray", "7 5");
        }
        canvas.line(line, boxes[pair.ends.0].middle(), boxes[pair.ends.1].middle());
    }
    for (card, area) in cards.iter().zip(&boxes) {
        card.draw(canvas, area);
    }
    for (pill, area) in pills.iter().zip(&ring.labels) {
        pill.draw(canvas, &area.moved(at));
    }
}

fn pill(facts: &Facts, log: &LogFacts, pair: &Pair) -> Pill {
    let middle =
        |text: String, size, color| Label::new(text, size).colored(color).anchored(Anchor::Middle);
    let tip = pair_tip(facts, log, pair);
    if matches!(pair.validity, Validity::Invalid(_)) {
        let mut lines = vec![middle("not valid".to_owned(), 13.0, BAD).bold()];
        if log.members.len() <= EXAMPLES_MAX {
            lines.push(middle(Promise::Agree.promised(&pair.disagree), 10.5, FAINT));
        }
        return Pill { lines, tip, border: BAD };
    }
    let mut lines = vec![middle(Promise::Agree.broken_if(&pair.disagree), 13.0, DARK)];
    if log.members.len() <= EXAMPLES_MAX
        && let Some(example) = instance(&pair.disagree, EXAMPLE)
    {
        lines.push(middle(format!("e.g. {example}"), 10.5, FAINT));
    }
    Pill { lines, tip, border: LINE }
}
