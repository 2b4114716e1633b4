//! What all parts of an SVG picture are drawn with. It keeps track of how far they reach, so that nothing is cut off.

use super::palette::Ink;
use super::shape::{Point, Rect, Size, text_width};
use svg::node::Node;
use svg::node::element::{Definitions, Group, Line, Path, Pattern, Rectangle, Text, Title};

/// Of what is to be read first.
pub(super) const DARK: &str = "#1a1a1a";
/// Of what is to be read second: dark enough to be read in print.
pub(super) const FAINT: &str = "#595959";
/// Of lines and borders.
pub(super) const LINE: &str = "#7a7a7a";
/// Of rows and columns behind cells.
pub(super) const SHADE: &str = "#f3f3f3";
/// Of what is not valid; words say so too.
pub(super) const BAD: &str = "#b00020";

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text to draw.
pub(super) struct Label {
    pub text: String,
    pub color: &'static str,
    /// In pixels.
    pub size: f64,
    pub bold: bool,
    pub anchor: Anchor,
    /// Reads upwards.
    pub turned: bool,
}

impl Label {
    pub(super) fn new(text: impl Into<String>, size: f64) -> Label {
        let (text, color, anchor) = (text.into(), DARK, Anchor::Start);
        Label { text, color, size, bold: false, anchor, turned: false }
    }

    pub(super) fn colored(self, color: &'static str) -> Label {
        Label { color, ..self }
    }

    pub(super) fn bold(self) -> Label {
        Label { bold: true, ..self }
    }

    pub(super) fn anchored(self, anchor: Anchor) -> Label {
        Label { anchor, ..self }
    }

    pub(super) fn turned(self) -> Label {
        Label { turned: true, ..self }
    }

    /// How far it reaches in the direction in which it is read.
    pub(super) fn width(&self) -> f64 {
        text_width(&self.text, self.size)
    }

    /// What it covers, if its base line goes through `at`.
    fn covers(&self, at: Point) -> Rect {
        let width = self.width();
        let before = match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let (above, height) = (self.size * 0.8, self.size);
        if self.turned {
            Rect { x: at.x - above, y: at.y + before - width, width: height, height: width }
        } else {
            Rect { x: at.x - before, y: at.y - above, width, height }
        }
    }
}

/// A picture in the making.
pub(super) struct Canvas {
    root: Group,
    extent: Rect,
    labels: Vec<Rect>,
}

impl Canvas {
    pub(super) fn new() -> Canvas {
        let extent = Rect { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
        Canvas { root: Group::new(), extent, labels: Vec::new() }
    }

    /// Everything drawn, and how far it reaches to the right and down.
    pub(super) fn finish(self) -> (Group, Size) {
        debug_assert!(
            self.extent.x >= 0.0 && self.extent.y >= 0.0,
            "nothing is left of or above the origin"
        );
        (self.root, Size { width: self.extent.right(), height: self.extent.bottom() })
    }

    /// How far down it reaches so far.
    pub(super) fn bottom(&self) -> f64 {
        self.extent.bottom()
    }

    /// What each text covers, at the most.
    #[cfg(test)]
    pub(super) fn labels(&self) -> &[Rect] {
        &self.labels
    }

    /// Draws a node that covers `area`.
    pub(super) fn draw(&mut self, node: impl Into<Box<dyn Node>>, area: &Rect) {
        self.root.append(node);
        self.extent = self.extent.hull(area);
    }

    pub(super) fn rectangle(&mut self, node: Rectangle, area: &Rect) {
        let node = node.set("x", number(area.x)).set("y", number(area.y));
        let node = node.set("width", number(area.width)).set("height", number(area.height));
        self.draw(node, area);
    }

    pub(super) fn line(&mut self, node: Line, from: Point, to: Point) {
        let node = node.set("x1", number(from.x)).set("y1", number(from.y));
        let node = node.set("x2", number(to.x)).set("y2", number(to.y));
        let corner = Rect { x: from.x, y: from.y, width: 0.0, height: 0.0 };
        self.draw(node, &corner.hull(&Rect { x: to.x, y: to.y, ..corner }));
    }

    /// Draws many rectangles as one.
    pub(super) fn rectangles(&mut self, path: Path, areas: &[Rect]) {
        let Some(first) = areas.first() else { return };
        let outline = |area: &Rect| {
            let (x, y) = (number(area.x), number(area.y));
            let (width, height) = (number(area.width), number(area.height));
            format!("M{x} {y}h{width}v{height}h-{width}z")
        };
        let outlines: Vec<String> = areas.iter().map(outline).collect();
        let all = areas.iter().fold(*first, |all, area| all.hull(area));
        self.draw(path.set("d", outlines.join("")), &all);
    }

    pub(super) fn label(&mut self, label: &Label, at: Point) {
        let mut node = text_node(label).set("x", number(at.x)).set("y", number(at.y));
        if label.turned {
            node = node.set("transform", format!("rotate(-90 {} {})", number(at.x), number(at.y)));
        }
        let covers = label.covers(at);
        self.labels.push(covers);
        self.draw(node, &covers);
    }
}

fn text_node(label: &Label) -> Text {
    let mut node = Text::new(clean(&label.text));
    node = node.set("fill", label.color).set("font-size", number(label.size));
    if label.bold {
        node = node.set("font-weight", "bold");
    }
    match label.anchor {
        Anchor::Start => node,
        Anchor::Middle => node.set("text-anchor", "middle"),
        Anchor::End => node.set("text-anchor", "end"),
    }
}

/// What a viewer shows where the pointer rests.
pub(super) fn tooltip(text: impl AsRef<str>) -> Title {
    Title::new(clean(text.as_ref()))
}

/// XML has no way to write control characters.
fn clean(text: &str) -> String {
    text.replace(|character: char| character.is_control(), "\u{fffd}")
}

/// With one decimal, so that every machine writes the same.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    if text == "-0.0" { "0.0".to_owned() } else { text }
}

/// The paint of `ink`, as a value of `fill`.
pub(super) fn paint(ink: Ink) -> String {
    match ink.pattern {
        0 => ink.hue.to_owned(),
        _ => format!("url(#{})", pattern_name(ink)),
    }
}

fn pattern_name(ink: Ink) -> String {
    format!("pattern-{}-{}", ink.pattern, &ink.hue[1..])
}

/// The patterns of `inks`.
pub(super) fn patterns(inks: impl Iterator<Item = Ink>) -> Definitions {
    let mut patterned: Vec<Ink> = inks.filter(|ink| ink.pattern != 0).collect();
    patterned.sort_by_key(|ink| (ink.hue, ink.pattern));
    patterned.dedup();
    patterned.into_iter().fold(Definitions::new(), |all, ink| all.add(pattern(ink)))
}

/// Stripes up, stripes across, or checks.
fn pattern(ink: Ink) -> Pattern {
    let back = Rectangle::new().set("width", 6).set("height", 6).set("fill", ink.hue);
    let white = |d: &str| Path::new().set("d", d).set("stroke", "#ffffff").set("stroke-width", 2);
    let strokes = match ink.pattern {
        1 => white("M-1 1L1 -1M0 6L6 0M5 7L7 5"),
        2 => white("M0 3H6"),
        _ => white("M0 3H6M3 0V6"),
    };
    Pattern::new()
        .set("id", pattern_name(ink))
        .set("width", 6)
        .set("height", 6)
        .set("patternUnits", "userSpaceOnUse")
        .add(back)
        .add(strokes)
}
