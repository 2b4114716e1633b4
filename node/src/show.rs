//! What a person sees: colours where the terminal has them, aligned tables, errors at their place, progress.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use hpaxos_learner_graph::search::Progress;
use hpaxos_node::files::ErrorInFile;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::time::{Duration, Instant};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const WARN: Style = AnsiColor::Yellow.on_default();
pub const TITLE: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();

/// `text` in `style`; the stream takes the style out where there are no colours.
pub fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes a line to standard output. A reader that went away, as `head` does, is no error.
pub fn line(text: impl fmt::Display) {
    use std::io::Write;
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// The same; false once nobody reads any more.
pub fn is_read(text: impl fmt::Display) -> bool {
    use std::io::Write;
    let mut out = anstream::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Writes `answer` as JSON.
pub fn json(answer: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(answer)?);
    Ok(())
}

/// A table without lines, indented.
pub struct Columns(Table);

impl Columns {
    pub fn new(titles: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if titles.iter().any(|title| !title.is_empty()) {
            table.set_header(titles.iter().map(|title| styled(FAINT, title)));
        }
        Columns(table)
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells);
    }

    pub fn print(&self) {
        self.0.lines().for_each(|row| line(format_args!("  {}", row.trim_end())));
    }
}

/// Lines of more than so many bytes are not shown: they tell nobody anything.
const SHOWN_LINE_BYTES: usize = 400;

/// Writes `error` to standard error.
pub fn error(error: &anyhow::Error) {
    use std::io::Write;
    let mut stream = anstream::stderr();
    let Some(in_file) = error.chain().find_map(|cause| cause.downcast_ref::<ErrorInFile>()) else {
        let _ = writeln!(stream, "{}: {error:#}", styled(BAD, "error"));
        return;
    };
    let _ = writeln!(stream, "{}: {in_file}", styled(BAD, "error"));
    let at = in_file.error.line - 1;
    if in_file.text.lines().nth(at).is_some_and(|line| line.len() <= SHOWN_LINE_BYTES) {
        let snippet =
            Snippet::source(in_file.text.as_str()).path(in_file.path.as_str()).annotation(
                AnnotationKind::Primary.span(first_line(&in_file.text, in_file.error.span.clone())),
            );
        let report = &[Level::ERROR.no_name().primary_title("").element(snippet)];
        let shown = Renderer::styled().render(report);
        // Its title is the line above.
        shown.lines().skip(1).for_each(|line| drop(writeln!(stream, "{line}")));
    }
}

/// The part of a span that is on its first line.
fn first_line(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let end = text[span.clone()].find('\n').map_or(span.end, |newline| span.start + newline);
    span.start..end
}

/// Shows how far an analysis is, once it has taken a second, on a terminal.
pub struct Bar {
    started: Instant,
    bar: ProgressBar,
}

impl Bar {
    pub fn new() -> Self {
        let style = ProgressStyle::with_template(
            "{spinner} {msg} [{bar:24}] {pos}/{len}, {elapsed}, {prefix} steps",
        );
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style.expect("the template is right").progress_chars("=> "));
        Bar { started: Instant::now(), bar }
    }
}

impl Progress for Bar {
    fn progress(&mut self, what: &str, done: usize, total: usize, steps: u64) {
        if self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_prefix(steps.to_string());
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.tick();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
