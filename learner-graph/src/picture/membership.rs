//! Who validates where: a row for each learner, a column for each acceptor.

use super::canvas::{Anchor, Canvas, FAINT, LINE, Label, SHADE, number, paint, tooltip};
use super::facts::{Acceptor, Facts, Seat};
use super::panel::{heading, note};
use super::shape::{Point, Rect, text_width};
use super::words::count;
use svg::node::element::{Line, Path, Rectangle};

/// Names stand under all columns as long as they are so wide at least.
const NAMED_COLUMN: f64 = 11.0;
const NAME: f64 = 10.0;
/// So many columns can be as wide.
const NAMED_MAX: usize = 128;
/// Where columns have no room for names.
const NARROW_COLUMN: f64 = 3.0;
/// The matrix is so wide, if there is enough to fill it.
const WIDTH: f64 = 960.0;
const WIDEST_COLUMN: f64 = 46.0;
/// A share is written into cells so wide.
const SHARE_COLUMN: f64 = 34.0;
const LABEL_GAP: f64 = 14.0;
/// Above the cells, for what is said of several columns.
const GROUP_TEXT: f64 = 11.0;
const GROUPS: f64 = 36.0;
/// Has room for a second line of words.
const ROW: f64 = 40.0;
/// More rows than these are low.
const ROWS_MAX: usize = 12;
const LOW_ROW: f64 = 20.0;
/// What a written share takes of a cell.
const SHARE_ROOM: f64 = 12.0;

/// The measures of one matrix.
struct Matrix<'a> {
    facts: &'a Facts,
    column: f64,
    row: f64,
    /// Where the cells begin.
    cells: Point,
    /// The share that fills a cell.
    full: f64,
}

/// Draws the matrix at `at`.
pub(super) fn draw(canvas: &mut Canvas, facts: &Facts, at: Point) {
    let full = shares(facts).fold(0.0, f64::max);
    let at = heading(canvas, "Who validates where", at);
    let caption = if full > 0.0 {
        format!(
            "A column for each validator. The bars are its shares of the chains' stakes; the highest is {} %.",
            number(full * 100.0)
        )
    } else {
        "A column for each validator, filled where it validates the chain.".to_owned()
    };
    let at = note(canvas, &caption, FAINT, at);
    let many = facts.acceptors.len();
    let column = if many <= NAMED_MAX {
        (WIDTH / many.max(1) as f64).clamp(NAMED_COLUMN, WIDEST_COLUMN).floor()
    } else {
        (WIDTH / many as f64).max(NARROW_COLUMN)
    };
    let labels = facts
        .learners
        .iter()
        .map(|learner| text_width(&learner.name, 13.0).max(text_width(&learner.quorum, 10.0)));
    let groups = facts.learners.len() > 1;
    let cells = Point {
        x: at.x + labels.fold(0.0, f64::max) + LABEL_GAP,
        y: at.y + if groups { GROUPS } else { 14.0 },
    };
    let row = if facts.learners.len() <= ROWS_MAX { ROW } else { LOW_ROW };
    let matrix = Matrix { facts, column, row, cells, full };
    if groups {
        matrix.draw_groups(canvas);
    }
    matrix.draw_columns(canvas);
    for learner in 0..facts.learners.len() {
        matrix.draw_row(canvas, learner, at.x);
    }
    matrix.draw_names(canvas);
}

/// Neighbouring columns that are named together.
struct GroupOfColumns {
    columns: std::ops::Range<usize>,
    /// From the most telling to the shortest.
    labels: Vec<String>,
    /// Whether the first label names some of the learners.
    names_some: bool,
}

impl Matrix<'_> {
    /// Whether the shares stand above the bars, too.
    fn writes_shares(&self) -> bool {
        self.column >= SHARE_COLUMN && self.row == ROW
    }

    fn left(&self, column: usize) -> f64 {
        self.cells.x + column as f64 * self.column
    }

    fn bottom(&self) -> f64 {
        self.cells.y + self.facts.learners.len() as f64 * self.row
    }

    fn area(&self, columns: &std::ops::Range<usize>) -> Rect {
        let width = columns.len() as f64 * self.column;
        Rect {
            x: self.left(columns.start),
            y: self.cells.y,
            width,
            height: self.bottom() - self.cells.y,
        }
    }

    /// Which acceptors are members of the same learners, as lines above.
    fn draw_groups(&self, canvas: &mut Canvas) {
        for group in &self.groups() {
            let area = self.area(&group.columns);
            let (y, from, to) = (area.y - 7.0, area.x + 1.0, area.right() - 1.0);
            let full = format!("{}: {}", group.labels[0], count(group.columns.len(), "validator"));
            let line = Line::new().set("stroke", LINE).set("stroke-width", 2);
            canvas.line(line.add(tooltip(full)), Point { x: from, y }, Point { x: to, y });
            if let Some(text) = group.labels.iter().find(|label| self.fits(label, group)) {
                let label = Label::new(text, GROUP_TEXT).colored(FAINT).anchored(Anchor::Middle);
                canvas.label(&label, Point { x: area.middle().x, y: y - 7.0 });
            }
        }
    }

    /// By the learners that they are members of; by how many these are, where that cannot be written.
    fn groups(&self) -> Vec<GroupOfColumns> {
        let of_learners = |columns| self.group_of_learners(columns);
        let by_learners: Vec<GroupOfColumns> =
            self.runs(|acceptor| acceptor.membership()).into_iter().map(of_learners).collect();
        if by_learners.iter().all(|group| !group.names_some || self.fits(&group.labels[0], group)) {
            return by_learners;
        }
        let by_count = self.runs(|acceptor| acceptor.membership().len());
        by_count.into_iter().map(|columns| self.group_of_count(columns)).collect()
    }

    /// Whether `label` can stand above the columns of `group`.
    fn fits(&self, label: &str, group: &GroupOfColumns) -> bool {
        text_width(label, GROUP_TEXT) <= self.area(&group.columns).width - 4.0
    }

    fn runs<K: PartialEq>(&self, key: impl Fn(&Acceptor) -> K) -> Vec<std::ops::Range<usize>> {
        let mut start = 0;
        let runs = self.facts.acceptors.chunk_by(|a, b| key(a) == key(b)).map(|run| {
            let columns = start..start + run.len();
            start = columns.end;
            columns
        });
        runs.collect()
    }

    fn group_of_learners(&self, columns: std::ops::Range<usize>) -> GroupOfColumns {
        let members = self.facts.acceptors[columns.start].membership();
        let names: Vec<String> =
            members.iter().map(|learner| self.facts.learners[*learner].name.clone()).collect();
        let mut group = self.group_of_count(columns);
        group.names_some = !names.is_empty() && names.len() < self.facts.learners.len();
        if group.names_some {
            let only = if names.len() == 1 { "only " } else { "" };
            group.labels.insert(0, format!("{only}in {}", names.join(", ")));
        }
        group
    }

    fn group_of_count(&self, columns: std::ops::Range<usize>) -> GroupOfColumns {
        let members = self.facts.acceptors[columns.start].membership().len();
        let mut labels = match members {
            0 => vec!["in no chain".to_owned()],
            2 if self.facts.learners.len() == 2 => vec!["in both chains".to_owned()],
            _ if members == self.facts.learners.len() => vec![format!("in all {members} chains")],
            _ => vec![format!("in {}", count(members, "chain"))],
        };
        if members == self.facts.learners.len() {
            labels.push("in all".to_owned());
        } else if members > 0 {
            labels.push(format!("in {members}"));
        }
        GroupOfColumns { columns, labels, names_some: false }
    }

    /// What the pointer finds between the cells: the validator with all it is.
    fn draw_columns(&self, canvas: &mut Canvas) {
        for (index, acceptor) in self.facts.acceptors.iter().enumerate() {
            let seats =
                acceptor.membership().into_iter().map(|learner| self.seat(acceptor, learner));
            let seats: Vec<String> = seats.collect();
            let tip = if seats.is_empty() {
                format!("{} validates no chain", acceptor.name)
            } else {
                format!("{}: {}", acceptor.name, seats.join(", "))
            };
            let area = self.area(&(index..index + 1));
            let shade = Rectangle::new().set("class", "acceptor").set("fill", SHADE);
            let inset = if self.column >= NAMED_COLUMN { 1.0 } else { 0.0 };
            let area = Rect { x: area.x + inset, width: area.width - 2.0 * inset, ..area };
            canvas.rectangle(shade.add(tooltip(tip)), &area);
        }
    }

    /// As in "red 3.4 %".
    fn seat(&self, acceptor: &Acceptor, learner: usize) -> String {
        let name = &self.facts.learners[learner].name;
        match acceptor.seats[learner] {
            Seat::Share(share) => format!("{name} {} %", percent(share)),
            Seat::Vote | Seat::None => name.clone(),
        }
    }

    fn draw_row(&self, canvas: &mut Canvas, learner: usize, left: f64) {
        let facts = &self.facts.learners[learner];
        let top = self.cells.y + learner as f64 * self.row;
        let end = Point { x: self.cells.x - LABEL_GAP / 2.0, y: top + 15.0 };
        debug_assert!(left < end.x, "labels stand between the margin and the cells");
        canvas.label(&Label::new(&facts.name, 13.0).bold().anchored(Anchor::End), end);
        if self.row == ROW {
            let quorum = Label::new(&facts.quorum, 10.0).colored(FAINT).anchored(Anchor::End);
            canvas.label(&quorum, Point { y: end.y + 13.0, ..end });
        }
        let mut bars = Vec::new();
        for (index, acceptor) in self.facts.acceptors.iter().enumerate() {
            let (opacity, bar) = match acceptor.seats[learner] {
                Seat::None => continue,
                Seat::Vote => (0.9, None),
                Seat::Share(share) => (0.25, Some(share / self.full)),
            };
            let cell = self.cell(index, top);
            let node = Rectangle::new()
                .set("class", "seat")
                .set("fill", paint(facts.ink))
                .set("fill-opacity", number(opacity));
            let tip = format!("{} validates {}", acceptor.name, self.seat(acceptor, learner));
            canvas.rectangle(node.add(tooltip(tip)), &cell);
            if let Some(part) = bar {
                let room = if self.writes_shares() { SHARE_ROOM } else { 0.0 };
                let height = (part * (cell.height - room)).max(1.0);
                bars.push(Rect { y: cell.bottom() - height, height, ..cell });
            }
        }
        let path = Path::new().set("fill", paint(facts.ink)).set("pointer-events", "none");
        canvas.rectangles(path, &bars);
        if self.writes_shares() {
            self.draw_shares(canvas, learner, top);
        }
    }

    fn cell(&self, column: usize, top: f64) -> Rect {
        let inset = if self.column >= NAMED_COLUMN { 1.0 } else { 0.0 };
        Rect {
            x: self.left(column) + inset,
            y: top + 2.0,
            width: self.column - 2.0 * inset,
            height: self.row - 4.0,
        }
    }

    fn draw_shares(&self, canvas: &mut Canvas, learner: usize, top: f64) {
        for (index, acceptor) in self.facts.acceptors.iter().enumerate() {
            if let Seat::Share(share) = acceptor.seats[learner] {
                let text = format!("{} %", percent(share));
                let label = Label::new(text, 9.0).anchored(Anchor::Middle);
                let cell = self.cell(index, top);
                canvas.label(&label, Point { x: cell.middle().x, y: cell.y + 10.0 });
            }
        }
    }

    /// Under the columns: all names, or every so many.
    fn draw_names(&self, canvas: &mut Canvas) {
        let names = self.facts.acceptors.iter().map(|acceptor| text_width(&acceptor.name, NAME));
        let upright = names.fold(0.0, f64::max) <= self.column - 4.0;
        let every = (NAMED_COLUMN / self.column).ceil() as usize;
        for (index, acceptor) in self.facts.acceptors.iter().enumerate().step_by(every) {
            let x = self.left(index) + self.column / 2.0;
            let name = Label::new(&acceptor.name, NAME);
            if upright {
                canvas.label(&name.anchored(Anchor::Middle), Point { x, y: self.bottom() + 13.0 });
            } else {
                let at = Point { x: x + 3.5, y: self.bottom() + 5.0 };
                canvas.label(&name.turned().anchored(Anchor::End), at);
            }
        }
    }
}

fn shares(facts: &Facts) -> impl Iterator<Item = f64> {
    facts.acceptors.iter().flat_map(|acceptor| &acceptor.seats).filter_map(|seat| match seat {
        Seat::Share(share) => Some(*share),
        _ => None,
    })
}

/// With one decimal; what is there, but less, is no nothing.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.1 { "< 0.1".to_owned() } else { number(percent) }
}
