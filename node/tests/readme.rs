//! The README's sessions, run as they stand there.

use std::path::Path;
use std::process::Command;

/// A command of a session, and what it is said to print; empty if that is left out.
fn sessions(readme: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().expect("split gives at least one part");
        for line in block.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, said))) => *said += &format!("{line}\n"),
                (None, None) => panic!("a session begins with a command: {line}"),
            }
        }
    }
    commands
}

#[test]
fn sessions_say_what_they_are_said_to() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut run = 0;
    for (command, said) in sessions(&readme) {
        let Some(arguments) = command.strip_prefix("hpaxos ") else { continue };
        let svg = folder.path().join("graph.svg");
        let arguments = arguments.split(' ').map(|argument| match argument {
            "graph.svg" => svg.to_str().expect("UTF-8"),
            other => other,
        });
        let output = Command::new(env!("CARGO_BIN_EXE_hpaxos"))
            .args(arguments)
            .current_dir(&root)
            .output()
            .expect("the program runs");
        assert!(output.stderr.is_empty(), "{command}");
        let printed = String::from_utf8(output.stdout).expect("text");
        assert!(said.is_empty() || printed.trim_end() == said.trim_end(), "{command}\n{printed}");
        run += 1;
    }
    assert!(run >= 5, "the README shows what there is");
}
