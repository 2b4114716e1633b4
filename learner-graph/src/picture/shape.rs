//! Points, rectangles and how wide a text is.

/// A point; y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

impl Point {
    /// The point at `part` of the way to `other`, from 0 to 1.
    pub(super) fn towards(self, other: Point, part: f64) -> Point {
        Point { x: self.x + (other.x - self.x) * part, y: self.y + (other.y - self.y) * part }
    }
}

/// Width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub width: f64,
    pub height: f64,
}

/// A rectangle by its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    /// The rectangle of this size around `middle`.
    pub(super) fn around(middle: Point, size: Size) -> Rect {
        let (x, y) = (middle.x - size.width / 2.0, middle.y - size.height / 2.0);
        Rect { x, y, width: size.width, height: size.height }
    }

    pub(super) fn middle(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }

    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Larger by `margin` on each side.
    pub(super) fn grown(&self, margin: f64) -> Rect {
        Rect {
            x: self.x - margin,
            y: self.y - margin,
            width: self.width + 2.0 * margin,
            height: self.height + 2.0 * margin,
        }
    }

    pub(super) fn moved(&self, by: Point) -> Rect {
        Rect { x: self.x + by.x, y: self.y + by.y, ..*self }
    }

    /// The least rectangle that holds both.
    pub(super) fn hull(&self, other: &Rect) -> Rect {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let width = self.right().max(other.right()) - x;
        let height = self.bottom().max(other.bottom()) - y;
        Rect { x, y, width, height }
    }

    pub(super) fn overlaps(&self, other: &Rect) -> bool {
        let apart = self.right() <= other.x || other.right() <= self.x;
        !apart && self.y < other.bottom() && other.y < self.bottom()
    }

    /// Whether the straight line from `a` to `b` comes into it.
    pub(super) fn is_crossed(&self, a: Point, b: Point) -> bool {
        // Liang and Barsky: cut the line by each side, and see whether something is left.
        let (mut from, mut to) = (0.0f64, 1.0f64);
        let sides = [
            (a.x - b.x, a.x - self.x),
            (b.x - a.x, self.right() - a.x),
            (a.y - b.y, a.y - self.y),
            (b.y - a.y, self.bottom() - a.y),
        ];
        for (step, room) in sides {
            if step == 0.0 {
                if room < 0.0 {
                    return false;
                }
            } else if step < 0.0 {
                from = from.max(room / step);
            } else {
                to = to.min(room / step);
            }
        }
        from <= to
    }
}

/// How wide `text` is at the most, in any viewer's sans-serif at `size` pixels. The widths are those of DejaVu Sans
/// Bold, the widest of the usual fonts.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(char_width).sum::<f64>() * size
}

fn char_width(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | '|' | '\'' | ' ' | '.' | ',' | ':' | ';' | '-' | '!' => 0.40,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '/' => 0.50,
        'm' | 'M' | 'W' | '%' | '@' => 1.10,
        'w' | 'A'..='Z' | '<' | '>' | '=' | '+' | '–' => 0.86,
        character if character.is_ascii() => 0.72,
        _ => 1.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_crosses_what_it_goes_through() {
        let rect = Rect { x: 10.0, y: 10.0, width: 10.0, height: 10.0 };
        let crossed = |a: (f64, f64), b: (f64, f64)| {
            rect.is_crossed(Point { x: a.0, y: a.1 }, Point { x: b.0, y: b.1 })
        };
        assert!(crossed((0.0, 0.0), (30.0, 30.0)));
        assert!(crossed((12.0, 0.0), (12.0, 30.0)));
        assert!(crossed((12.0, 12.0), (13.0, 13.0)));
        assert!(!crossed((0.0, 0.0), (9.0, 9.0)));
        assert!(!crossed((0.0, 15.0), (15.0, 30.0)));
        assert!(!crossed((5.0, 0.0), (5.0, 30.0)));
    }
}
