//! A log of many learners: a line for each, and a cell for each two.

use super::canvas::{Anchor, BAD, Canvas, DARK, FAINT, LINE, Label, SHADE, paint, tooltip};
use super::facts::{Facts, LogFacts, Pair, Validity};
use super::panel::pair_tip;
use super::shape::{Point, Rect, text_width};
use super::words::{Promise, amount};
use crate::analysis::Breaking;
use svg::node::element::Rectangle;

const ROW: f64 = 28.0;
const TEXT: f64 = 12.0;
const GAP: f64 = 18.0;
/// More learners than these have no wide cells.
const WIDE_CELLS_MAX: usize = 12;
const SWATCH: f64 = 10.0;
const SWATCH_GAP: f64 = 8.0;
/// Cells are made so wide, if names then stand above them unturned.
const NAME_MAX: f64 = 76.0;

/// Draws the table at `at`.
pub(super) fn draw(canvas: &mut Canvas, facts: &Facts, log: &LogFacts, at: Point) {
    let headers = if log.pairs.is_empty() { 0.0 } else { header_height(facts, log) };
    let top = Point { x: at.x, y: at.y + headers };
    draw_bands(canvas, facts, log, top);
    let right = draw_columns(canvas, facts, log, top);
    if !log.pairs.is_empty() {
        draw_pairs(canvas, facts, log, Point { x: right + GAP, ..top });
    }
}

/// Shades every other row as far as it reaches, to lead the eye.
fn draw_bands(canvas: &mut Canvas, facts: &Facts, log: &LogFacts, top: Point) {
    let columns = columns(facts, log);
    let words: f64 = columns.iter().map(|column| width_of(column) + GAP).sum();
    for row in (0..log.members.len()).step_by(2) {
        let cells =
            if log.pairs.is_empty() { 0.0 } else { GAP + row as f64 * cell_width(facts, log) };
        let width = SWATCH + SWATCH_GAP + words + cells;
        let area = Rect { x: top.x, y: top.y + row as f64 * ROW, width, height: ROW };
        canvas.rectangle(Rectangle::new().set("fill", SHADE), &area);
    }
}

/// Draws a row of words for each learner; where the longest ends.
fn draw_columns(canvas: &mut Canvas, facts: &Facts, log: &LogFacts, top: Point) -> f64 {
    for (index, member) in log.members.iter().enumerate() {
        let learner = &facts.learners[member.learner];
        let tip = [
            format!("{} decides with {}", learner.name, learner.rule),
            Promise::Goes.sentence(&learner.name, &member.halts),
            Promise::Holds.sentence(&learner.name, &member.forks),
        ];
        let swatch = Rectangle::new().set("class", "learner").set("fill", paint(learner.ink));
        let y = top.y + index as f64 * ROW + 5.0;
        let area = Rect { x: top.x, y, width: SWATCH, height: ROW - 10.0 };
        canvas.rectangle(swatch.add(tooltip(tip.join("\n"))), &area);
    }
    let mut x = top.x + SWATCH + SWATCH_GAP;
    for column in columns(facts, log) {
        for (index, label) in column.iter().enumerate() {
            canvas.label(label, Point { x, y: top.y + index as f64 * ROW + 18.0 });
        }
        x += width_of(&column) + GAP;
    }
    x
}

/// Names, quorums and breaking points, a column each.
fn columns(facts: &Facts, log: &LogFacts) -> [Vec<Label>; 4] {
    let mut columns: [Vec<Label>; 4] = Default::default();
    for member in &log.members {
        let learner = &facts.learners[member.learner];
        columns[0].push(Label::new(&learner.name, TEXT + 1.0).bold());
        let quorum = format!("decides with {}", learner.quorum);
        columns[1].push(Label::new(quorum, TEXT).colored(FAINT));
        columns[2].push(Label::new(Promise::Goes.broken_if(&member.halts), TEXT));
        let forks = Label::new(Promise::Holds.broken_if(&member.forks), TEXT);
        columns[3].push(match member.validity {
            Validity::Unharmed => forks,
            Validity::Invalid(_) => Label::new("may fork: not valid", TEXT).bold().colored(BAD),
        });
    }
    columns
}

fn width_of(column: &[Label]) -> f64 {
    column.iter().map(Label::width).fold(0.0, f64::max)
}

/// A triangle of cells: the row of one learner, the column of the other.
fn draw_pairs(canvas: &mut Canvas, facts: &Facts, log: &LogFacts, top: Point) {
    let width = cell_width(facts, log);
    let most = log.pairs.iter().filter_map(|pair| most(&pair.disagree)).max().unwrap_or(1);
    for member in 0..log.members.len() {
        let learner = &facts.learners[log.members[member].learner];
        let x = top.x + member as f64 * width;
        let area = Rect {
            x: x + 1.0,
            y: top.y + member as f64 * ROW + 1.0,
            width: width - 2.0,
            height: ROW - 2.0,
        };
        let diagonal = Rectangle::new().set("fill", paint(learner.ink)).set("rx", 3);
        canvas.rectangle(diagonal.add(tooltip(&learner.name)), &area);
        let name = Label::new(&learner.name, TEXT);
        let at = if turned(facts, log) {
            Point { x: x + width / 2.0 + 4.0, y: top.y - 6.0 }
        } else {
            Point { x: x + width / 2.0, y: top.y - 6.0 }
        };
        let name = if turned(facts, log) { name.turned() } else { name.anchored(Anchor::Middle) };
        canvas.label(&name, at);
    }
    for pair in &log.pairs {
        let (column, row) = pair.ends;
        let at = Point { x: top.x + column as f64 * width, y: top.y + row as f64 * ROW };
        draw_cell(canvas, facts, log, pair, Rect { x: at.x, y: at.y, width, height: ROW }, most);
    }
}

fn draw_cell(
    canvas: &mut Canvas,
    facts: &Facts,
    log: &LogFacts,
    pair: &Pair,
    cell: Rect,
    greatest: usize,
) {
    let invalid = matches!(pair.validity, Validity::Invalid(_));
    let size = most(&pair.disagree).unwrap_or(greatest);
    let weakness = 1.0 - size as f64 / greatest.max(1) as f64;
    let mut node = Rectangle::new()
        .set("class", "edge")
        .set("rx", 3)
        .set("fill", if invalid { "#ffffff".to_owned() } else { shade(0.1 + 0.6 * weakness) })
        .set("stroke", if invalid { BAD } else { LINE })
        .set("stroke-width", if invalid { 2.0 } else { 0.8 });
    if !pair.declared {
        node = node.set("stroke-dasharray", "4 3");
    }
    canvas.rectangle(node.add(tooltip(pair_tip(facts, log, pair))), &cell.grown(-1.5));
    let label = Label::new(cell_text(pair), TEXT).colored(if invalid { BAD } else { DARK });
    let at = Point { x: cell.middle().x, y: cell.y + 18.0 };
    canvas.label(&label.anchored(Anchor::Middle), at);
}

/// Orange, thinned with white; 1 for all orange.
fn shade(part: f64) -> String {
    let mix = |channel: f64| (255.0 + (channel - 255.0) * part).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(230.0), mix(159.0), mix(0.0))
}

fn cell_text(pair: &Pair) -> String {
    match pair.validity {
        Validity::Unharmed => amount(&pair.disagree),
        Validity::Invalid(_) => "not valid".to_owned(),
    }
}

fn cell_width(facts: &Facts, log: &LogFacts) -> f64 {
    let widest =
        log.pairs.iter().map(|pair| text_width(&cell_text(pair), TEXT)).fold(0.0, f64::max);
    let names = (0..log.members.len()).map(|member| text_width(facts.name(log, member), TEXT));
    let name = names.fold(0.0, f64::max) + 6.0;
    let cell = (widest + 10.0).max(ROW);
    if name <= NAME_MAX && log.members.len() <= WIDE_CELLS_MAX { cell.max(name) } else { cell }
}

/// How high the names above the columns are.
fn header_height(facts: &Facts, log: &LogFacts) -> f64 {
    let names = (0..log.members.len()).map(|member| text_width(facts.name(log, member), TEXT));
    if turned(facts, log) { names.fold(0.0, f64::max) + 10.0 } else { TEXT + 10.0 }
}

/// Whether the names above the columns have to be turned.
fn turned(facts: &Facts, log: &LogFacts) -> bool {
    let mut names = (0..log.members.len()).map(|member| text_width(facts.name(log, member), TEXT));
    names.any(|width| width > cell_width(facts, log) - 4.0)
}

fn most(breaking: &Breaking) -> Option<usize> {
    match breaking {
        Breaking::Set { size, .. } => Some(*size),
        Breaking::Unsettled { at_most, .. } => Some(*at_most),
        Breaking::UnsettledStake { .. } | Breaking::Never => None,
    }
}
