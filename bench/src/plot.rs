//! Plots: series of points, drawn as SVG.

use anyhow::{Context, Result, bail};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::{
    ChartBuilder, Circle, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries, PathElement,
    RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::style::Color;
use std::ops::Range;

const SIZE: (u32, u32) = (760, 420);
const FONT: &str = "sans-serif";

/// Told apart by colour-blind people, too (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// A plot of the report.
pub struct Plot {
    /// The file's, without `.svg`.
    pub name: String,
    /// Above it.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// What is drawn; at most as many as there are colours.
    pub series: Vec<Series>,
}

/// An axis.
pub struct Axis {
    /// What it is, and its unit.
    pub label: String,
    /// How far two values are apart.
    pub scale: Scale,
}

/// How far two values of an axis are apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// By their difference; from 0.
    Linear,
    /// By their quotient; without what is not positive.
    Logarithmic,
}

/// Points that belong together, joined by lines.
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Each x and y, sorted by x.
    pub points: Vec<(f64, f64)>,
}

impl Axis {
    /// An axis from 0.
    pub fn linear(label: &str) -> Self {
        Axis { label: label.to_owned(), scale: Scale::Linear }
    }

    /// An axis of powers.
    pub fn logarithmic(label: &str) -> Self {
        Axis { label: label.to_owned(), scale: Scale::Logarithmic }
    }

    fn shows(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// Where it begins and ends so that all values are inside.
    fn range(&self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), it| {
            (least.min(it), most.max(it))
        });
        match self.scale {
            Scale::Linear => least.min(0.0)..if most > 0.0 { most * 1.08 } else { 1.0 },
            Scale::Logarithmic => least / 1.3..most * 1.3,
        }
    }
}

impl Plot {
    /// The file.
    ///
    /// # Errors
    /// If there is nothing to draw, or it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let shown = |(x, y): &(f64, f64)| self.x.shows(*x) && self.y.shows(*y);
        let points = || self.series.iter().flat_map(|series| &series.points).filter(|it| shown(it));
        if points().next().is_none() {
            bail!("the plot {} has no points", self.name);
        }
        assert!(self.series.len() <= COLOURS.len(), "each series has a colour of its own");
        let x = self.x.range(points().map(|(x, _)| *x));
        let y = self.y.range(points().map(|(_, y)| *y));
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            match (self.x.scale, self.y.scale) {
                (Scale::Linear, Scale::Linear) => self.draw(&area, x, y),
                (Scale::Linear, Scale::Logarithmic) => self.draw(&area, x, y.log_scale()),
                (Scale::Logarithmic, Scale::Linear) => self.draw(&area, x.log_scale(), y),
                (Scale::Logarithmic, Scale::Logarithmic) => {
                    self.draw(&area, x.log_scale(), y.log_scale())
                }
            }
            .with_context(|| format!("cannot draw the plot {}", self.name))?;
        }
        Ok(text)
    }

    fn draw<X, Y>(&self, area: &DrawingArea<SVGBackend<'_>, Shift>, x: X, y: Y) -> Result<()>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_label_formatter(&|value| crate::section::figure(*value))
            .y_label_formatter(&|value| crate::section::figure(*value))
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .light_line_style(WHITE)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS) {
            let shown = series.points.iter().filter(|(x, y)| self.x.shows(*x) && self.y.shows(*y));
            let points: Vec<_> = shown.copied().collect();
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
                .label(&series.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            chart.draw_series(points.into_iter().map(|at| Circle::new(at, 3, colour.filled())))?;
        }
        if self.series.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .label_font((FONT, 13))
                .background_style(WHITE.mix(0.85))
                .border_style(RGBColor(160, 160, 160))
                .draw()?;
        }
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(x: Axis, y: Axis, points: &[(f64, f64)]) -> Plot {
        let series = ["one", "other"]
            .map(|name| Series { name: name.to_owned(), points: points.to_vec() })
            .into();
        Plot { name: "p".into(), title: "Title".into(), x, y, series }
    }

    #[test]
    fn every_pair_of_scales_is_drawn() {
        let points = [(1.0, 2.0), (10.0, 300.0), (100.0, 0.0)];
        for x in [Axis::linear, Axis::logarithmic] {
            for y in [Axis::linear, Axis::logarithmic] {
                let svg = plot(x("x in s"), y("y in ms"), &points).svg().unwrap();
                for text in ["<svg", "Title", "x in s", "y in ms", "other", "</svg>"] {
                    assert!(svg.contains(text), "{text}\n{svg}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_no_plot() {
        let nothing = plot(Axis::linear("x"), Axis::logarithmic("y"), &[(1.0, 0.0)]);
        assert!(nothing.svg().is_err());
    }
}
