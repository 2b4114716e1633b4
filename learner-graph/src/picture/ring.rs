//! Where the boxes of a few learners stand, and the labels of the lines between them: a ring, as small as it can be.

use super::shape::{Point, Rect, Size};
use std::f64::consts::PI;

/// Boxes and labels in place, the upper left corner of it all at the origin.
pub(super) struct Ring {
    pub boxes: Vec<Rect>,
    pub labels: Vec<Rect>,
}

/// What is to be placed between two boxes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub ends: (usize, usize),
    pub size: Size,
}

/// Between boxes, and between a label and a box: so much of a line is seen at least.
const GAP: f64 = 24.0;

/// Between labels.
const LABEL_GAP: f64 = 7.0;

/// The ring grows by this factor until everything has its place, at most so often: to 70 times a box.
const GROWTH: f64 = 1.04;
const STEPS_MAX: usize = 110;

/// How finely the places on a line are tried.
const PLACES: usize = 50;

/// Places boxes of these sizes, and a label on each line between two of them. No two overlap; no line goes through the
/// box or (unless there is no other way) the label of others.
pub(super) fn ring(boxes: &[Size], tags: &[Tag]) -> Ring {
    let widest = boxes.iter().fold(0.0f64, |most, size| most.max(size.width));
    let highest = boxes.iter().fold(0.0f64, |most, size| most.max(size.height));
    for crossing in [Crossing::Forbidden, Crossing::Allowed] {
        let mut radius = Point { x: widest * 0.5, y: highest * 0.5 };
        for _ in 0..STEPS_MAX {
            let middles = (0..boxes.len()).map(|index| on_ring(index, boxes.len(), radius));
            let placed: Vec<Rect> =
                middles.zip(boxes).map(|(middle, size)| Rect::around(middle, *size)).collect();
            if let Some(labels) = labels(&placed, tags, crossing) {
                return at_origin(placed, labels);
            }
            radius = Point { x: radius.x * GROWTH, y: radius.y * GROWTH };
        }
    }
    unreachable!("on a ring of 70 boxes' width, labels have a place on lines that may cross them")
}

/// Whether a line may go through the label of another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Crossing {
    Forbidden,
    Allowed,
}

/// An even number stands with a side upwards, an odd number with a corner.
fn on_ring(index: usize, count: usize, radius: Point) -> Point {
    let start = if count.is_multiple_of(2) { -0.5 - 1.0 / count as f64 } else { -0.5 };
    let angle = PI * (start + 2.0 * index as f64 / count as f64);
    Point { x: radius.x * angle.cos(), y: radius.y * angle.sin() }
}

/// A place for each label, or none if some has no place.
fn labels(boxes: &[Rect], tags: &[Tag], crossing: Crossing) -> Option<Vec<Rect>> {
    let apart = |a: usize, b: usize| !boxes[a].grown(GAP).overlaps(&boxes[b]);
    if !(0..boxes.len()).all(|a| (0..a).all(|b| apart(a, b))) {
        return None;
    }
    let line = |tag: &Tag| (boxes[tag.ends.0].middle(), boxes[tag.ends.1].middle());
    let length = |tag: &Tag| {
        let (a, b) = line(tag);
        (a.x - b.x).hypot(a.y - b.y)
    };
    let meets_box = |tag: &Tag| {
        let (from, to) = line(tag);
        let crossed = |(index, area): (usize, &Rect)| {
            index != tag.ends.0 && index != tag.ends.1 && area.grown(4.0).is_crossed(from, to)
        };
        boxes.iter().enumerate().any(crossed)
    };
    if tags.iter().any(meets_box) {
        return None;
    }
    // Short lines have the least choice.
    let mut order: Vec<usize> = (0..tags.len()).collect();
    order.sort_by(|a, b| length(&tags[*a]).total_cmp(&length(&tags[*b])).then(a.cmp(b)));
    let mut placed: Vec<Option<Rect>> = vec![None; tags.len()];
    for index in order {
        let (from, to) = line(&tags[index]);
        let free = |rect: &Rect| {
            let room = rect.grown(GAP);
            let crossed = |(other, tag): (usize, &Tag)| {
                other != index && rect.grown(3.0).is_crossed(line(tag).0, line(tag).1)
            };
            boxes.iter().all(|other| !room.overlaps(other))
                && placed.iter().flatten().all(|other| !rect.grown(LABEL_GAP).overlaps(other))
                && (crossing == Crossing::Allowed || !tags.iter().enumerate().any(crossed))
        };
        let mut places =
            parts_of_a_line().map(|part| Rect::around(from.towards(to, part), tags[index].size));
        placed[index] = Some(places.find(free)?);
    }
    Some(placed.into_iter().flatten().collect())
}

/// From the middle of a line outwards.
fn parts_of_a_line() -> impl Iterator<Item = f64> {
    (0..PLACES).map(|place| {
        let away = place.div_ceil(2) as f64 / PLACES as f64;
        if place % 2 == 0 { 0.5 + away } else { 0.5 - away }
    })
}

fn at_origin(boxes: Vec<Rect>, labels: Vec<Rect>) -> Ring {
    let first = *boxes.first().expect("a ring has a box");
    let all = boxes.iter().chain(&labels).fold(first, |all, rect| all.hull(rect));
    let by = Point { x: -all.x, y: -all.y };
    let moved = |rects: Vec<Rect>| rects.iter().map(|rect| rect.moved(by)).collect();
    Ring { boxes: moved(boxes), labels: moved(labels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(count: usize, size: Size) -> Vec<Tag> {
        (0..count).flat_map(|a| (a + 1..count).map(move |b| Tag { ends: (a, b), size })).collect()
    }

    #[test]
    fn nothing_overlaps_in_complete_graphs() {
        for count in 1..=8 {
            for width in [120.0, 210.0, 400.0] {
                let size = Size { width, height: 90.0 };
                let tags = complete(count, Size { width: 130.0, height: 36.0 });
                let ring = ring(&vec![size; count], &tags);
                let all: Vec<&Rect> = ring.boxes.iter().chain(&ring.labels).collect();
                assert_eq!(all.len(), count + tags.len());
                for (index, rect) in all.iter().enumerate() {
                    let others = &all[..index];
                    assert!(others.iter().all(|other| !rect.overlaps(other)), "{count} of {width}");
                    assert!(rect.x > -0.01 && rect.y > -0.01, "the ring begins at the origin");
                }
            }
        }
    }

    #[test]
    fn a_ring_of_four_is_no_larger_than_a_page() {
        let size = Size { width: 200.0, height: 90.0 };
        let ring = ring(&[size; 4], &complete(4, Size { width: 130.0, height: 36.0 }));
        let all = ring.boxes[1..].iter().fold(ring.boxes[0], |all, area| all.hull(area));
        assert!(all.width < 1000.0 && all.height < 700.0, "{all:?}");
    }
}
