//! A transcript as a file: comments, commands, and below each command what it printed.

use std::fmt::Write;

/// Equal lines shown before and after a difference.
const CONTEXT: usize = 3;

/// One line of a transcript that a person wrote.
pub enum Line {
    /// A comment or an empty line.
    Prose(String),
    /// A command, without its mark.
    Command(String),
}

/// What a person wrote: everything but the output.
pub fn read(text: &str) -> Vec<(usize, Line)> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(command) = line.strip_prefix("> ") {
            lines.push((number, Line::Command(command.trim().to_owned())));
        } else if line.starts_with('#') || line.trim().is_empty() {
            lines.push((number, Line::Prose(line.trim_end().to_owned())));
        }
    }
    lines
}

/// The file again, with what each command prints now.
pub fn write(
    lines: &[(usize, Line)],
    mut perform: impl FnMut(usize, &str) -> Vec<String>,
) -> String {
    let mut text = String::new();
    for (number, line) in lines {
        match line {
            Line::Prose(prose) => writeln!(text, "{prose}"),
            Line::Command(command) => {
                let output = perform(*number, command);
                let output = output.iter().map(|line| format!("{line}\n")).collect::<String>();
                write!(text, "> {command}\n{output}")
            }
        }
        .expect("writing to memory does not fail");
    }
    text
}

/// How `new` differs from `old`, line by line; empty if it does not.
pub fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let edits = edits(&old, &new);
    let mut text = String::new();
    let mut shown = None;
    for (index, (mark, line)) in edits.iter().enumerate() {
        let from = index.saturating_sub(CONTEXT);
        let near = edits.iter().take(index + CONTEXT + 1).skip(from).any(|(mark, _)| *mark != ' ');
        if near {
            if shown.is_some_and(|shown: usize| shown + 1 != index) {
                text.push_str("  ...\n");
            }
            shown = Some(index);
            text.push_str(&format!("{mark} {line}\n"));
        }
    }
    text
}

/// The lines of both: kept, removed or added.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            common[i][j] = if a == b {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut edits) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            edits.push(('-', old[i]));
            i += 1;
        } else {
            edits.push(('+', new[j]));
            j += 1;
        }
    }
    edits
}
