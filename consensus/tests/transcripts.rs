//! Transcripts: dialogues of replicas that a person can read, in `transcripts/`.
//!
//! Each shows one thing; its comments say which, and what to look at. They are compared with what happens now, letter by
//! letter. After a change that is meant, `UPDATE_TRANSCRIPTS=1 cargo test -p hpaxos-consensus --test transcripts` writes
//! them again; then read the difference. Commands and names are explained in `stage/`.

#![allow(clippy::disallowed_methods, reason = "transcripts are files")]

mod stage;

use hpaxos_consensus::{Engine, Instance};
use hpaxos_learner_graph::file;
use stage::{Stage, script};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const UPDATE: &str = "UPDATE_TRANSCRIPTS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn transcripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the folder of transcripts");
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect();
    paths.sort();
    paths
}

/// Plays a transcript: as it would be written now, and the guards that let an action pass.
fn play(path: &Path, text: &str, errors: &mut String) -> (String, u64) {
    let mut stage: Option<Stage> = None;
    let played = script::write(&script::read(text), |number, command| {
        let output = match (&mut stage, command.strip_prefix("graph ")) {
            (None, Some(words)) => set(words).map(|(set, output)| {
                stage = Some(set);
                output
            }),
            (Some(stage), None) => stage.perform(command),
            _ => Err("a transcript begins with one `graph FILE`".to_owned()),
        };
        output.unwrap_or_else(|error| {
            errors.push_str(&format!("{}:{number}: {command}: {error}\n", path.display()));
            vec![format!("error: {error}")]
        })
    });
    (played, stage.map_or(0, |stage| stage.fired))
}

fn set(words: &str) -> Result<(Stage, Vec<String>), String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let path = folder().join("graphs").join(words.first().ok_or("which graph?")?);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Stage::set(file::read(&text).map_err(|error| error.to_string())?, &words[1..])
}

#[test]
fn transcripts_are_as_recorded() {
    let (mut errors, mut differences) = (String::new(), String::new());
    let mut fired: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in transcripts() {
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let recorded = fs::read_to_string(&path).expect("a transcript is a text file");
        let (played, guards) = play(&path, &recorded, &mut errors);
        for (index, guard) in Instance::GUARDS.iter().enumerate() {
            let transcripts = fired.entry(guard.name).or_default();
            if guards >> index & 1 == 1 {
                transcripts.push(name.clone());
            }
        }
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&path, &played).expect("a transcript can be written");
        } else if played != recorded {
            let difference = script::difference(&recorded, &played);
            differences.push_str(&format!("{}\n{difference}\n", path.display()));
        }
    }
    for (guard, transcripts) in &fired {
        println!("{guard:18} {}", transcripts.join(" "));
    }
    assert!(errors.is_empty(), "commands that cannot be performed:\n{errors}");
    assert!(
        differences.is_empty(),
        "recorded (-) and played (+) differ:\n\n{differences}If that is meant:\n\
         {UPDATE}=1 cargo test -p hpaxos-consensus --test transcripts"
    );
    let silent: Vec<&&str> =
        fired.iter().filter(|(_, list)| list.is_empty()).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "in no transcript these guards let an action pass: {silent:?}");
}

#[test]
fn differences_are_shown_with_their_surroundings() {
    let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let new = "1\n2\n3\n4\n5\nsix\n7\n8\n9\n";
    assert_eq!(script::difference(old, old), "");
    assert_eq!(script::difference(old, new), "  3\n  4\n  5\n- 6\n+ six\n  7\n  8\n  9\n");
}
