//! The box of one learner: its name, who decides, and what breaks it.

use super::canvas::{BAD, Canvas, FAINT, Label, paint, tooltip};
use super::facts::{Facts, LogFacts, Validity};
use super::shape::{Point, Rect, Size};
use super::words::{Promise, instance};
use svg::node::element::Rectangle;

/// A box, before it has its place.
pub(super) struct Card {
    lines: Vec<(f64, Label)>,
    tip: String,
    stripe: String,
    border: &'static str,
    pub size: Size,
}

const STRIPE: f64 = 10.0;
const PADDING: f64 = 12.0;
const WIDTH_MIN: f64 = 150.0;
/// Letters of an example.
const EXAMPLE: usize = 28;

impl Card {
    /// The box of a member of `log`.
    pub(super) fn of(facts: &Facts, log: &LogFacts, member: usize) -> Card {
        let facts_of = &log.members[member];
        let learner = &facts.learners[facts_of.learner];
        let mut lines = vec![
            (24.0, Label::new(&learner.name, 16.0).bold()),
            (20.0, Label::new(format!("decides with {}", learner.quorum), 11.0).colored(FAINT)),
        ];
        let mut tip = vec![format!("{} decides with {}", learner.name, learner.rule)];
        for (promise, breaking) in
            [(Promise::Goes, &facts_of.halts), (Promise::Holds, &facts_of.forks)]
        {
            lines.push((21.0, Label::new(promise.broken_if(breaking), 13.0)));
            if let Some(example) = instance(breaking, EXAMPLE) {
                lines.push((15.0, Label::new(format!("e.g. {example}"), 10.5).colored(FAINT)));
            }
            tip.push(promise.sentence(&learner.name, breaking));
        }
        if let Validity::Invalid(why) = &facts_of.validity {
            lines.push((
                20.0,
                Label::new("not valid: it may fork anyway", 12.0).bold().colored(BAD),
            ));
            tip.push(why.clone());
        }
        let width = lines.iter().map(|(_, label)| label.width()).fold(0.0, f64::max);
        let height: f64 = lines.iter().map(|(height, _)| height).sum();
        let invalid = matches!(facts_of.validity, Validity::Invalid(_));
        Card {
            lines,
            tip: tip.join("\n"),
            stripe: paint(learner.ink),
            border: if invalid { BAD } else { learner.ink.hue },
            size: Size {
                width: (width + STRIPE + 2.0 * PADDING).max(WIDTH_MIN),
                height: height + 2.0 * PADDING - 4.0,
            },
        }
    }

    /// Draws it at `area`.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: &Rect) {
        let outline = Rectangle::new()
            .set("class", "learner")
            .set("rx", 6)
            .set("fill", "#ffffff")
            .set("stroke", self.border)
            .set("stroke-width", 2);
        canvas.rectangle(outline.add(tooltip(&self.tip)), area);
        let stripe = Rect { width: STRIPE, ..*area };
        canvas.rectangle(Rectangle::new().set("rx", 4).set("fill", self.stripe.as_str()), &stripe);
        let mut at = Point { x: area.x + STRIPE + PADDING, y: area.y + PADDING - 6.0 };
        for (height, label) in &self.lines {
            at.y += height;
            canvas.label(label, Point { y: at.y - 3.0, ..at });
        }
    }
}

/// A small box with words in it, as on a line between two learners.
pub(super) struct Pill {
    pub lines: Vec<Label>,
    pub tip: String,
    pub border: &'static str,
}

const LINE_HEIGHT: f64 = 15.0;

impl Pill {
    pub(super) fn size(&self) -> Size {
        let width = self.lines.iter().map(Label::width).fold(0.0, f64::max);
        Size { width: width + 18.0, height: self.lines.len() as f64 * LINE_HEIGHT + 9.0 }
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, area: &Rect) {
        let outline = Rectangle::new()
            .set("class", "edge")
            .set("rx", 11)
            .set("fill", "#ffffff")
            .set("stroke", self.border)
            .set("stroke-width", 1.2);
        canvas.rectangle(outline.add(tooltip(&self.tip)), area);
        for (index, label) in self.lines.iter().enumerate() {
            let y = area.y + 15.0 + index as f64 * LINE_HEIGHT;
            canvas.label(label, Point { x: area.middle().x, y });
        }
    }
}

/// Boxes side by side, as many to a row as fit.
pub(super) fn draw_cards(canvas: &mut Canvas, cards: &[Card], at: Point, width: f64) {
    const GAP: f64 = 16.0;
    let (mut x, mut y, mut lowest) = (at.x, at.y, 0.0f64);
    for card in cards {
        if x > at.x && x + card.size.width > at.x + width {
            (x, y, lowest) = (at.x, y + lowest + GAP, 0.0);
        }
        card.draw(canvas, &Rect { x, y, width: card.size.width, height: card.size.height });
        x += card.size.width + GAP;
        lowest = lowest.max(card.size.height);
    }
}
