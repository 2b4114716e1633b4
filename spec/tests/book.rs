//! The book in `spec/book/` shows what the sources say: every include names a file and an anchor that are there, every anchor
//! of the sources is shown, and every guard of the engine has its section. mdBook itself only logs what is missing.

use hpaxos_consensus::{Engine, Instance};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose sources may have anchors.
const CRATES: [&str; 6] = ["learner-graph", "consensus", "ledger", "spec", "node", "testnet"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// All files below a folder that end so.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|one| one == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The name after `ANCHOR:` or `ANCHOR_END:` in a comment line.
fn mark<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.trim_start().strip_prefix("// ")?.strip_prefix(mark).map(str::trim)
}

/// What stands between the marks of each anchor of a source.
fn anchors(path: &Path, text: &str, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut open: BTreeMap<&str, String> = BTreeMap::new();
    let mut done: BTreeMap<String, String> = BTreeMap::new();
    let mut problem = |name: &str, what: &str| {
        problems.push(format!("{}: anchor `{name}` {what}", path.display()));
    };
    for line in text.lines() {
        if let Some(name) = mark(line, "ANCHOR: ") {
            if open.insert(name, String::new()).is_some() || done.contains_key(name) {
                problem(name, "begins twice");
            }
        } else if let Some(name) = mark(line, "ANCHOR_END: ") {
            match open.remove(name) {
                Some(text) if text.trim().is_empty() => problem(name, "is empty"),
                Some(text) => {
                    done.insert(name.to_owned(), text);
                }
                None => problem(name, "ends without a beginning"),
            }
        } else {
            open.values_mut().for_each(|text| {
                text.push_str(line);
                text.push('\n');
            });
        }
    }
    open.keys().for_each(|name| problem(name, "does not end"));
    done
}

/// The sources, each with its anchors.
type Sources = BTreeMap<PathBuf, BTreeMap<String, String>>;

fn sources(problems: &mut Vec<String>) -> Sources {
    let folders = CRATES.map(|name| root().join(name).join("src"));
    let paths = folders.iter().flat_map(|folder| files(folder, "rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source is a text file");
        let found = anchors(&path, &text, problems);
        (path, found)
    };
    paths.map(read).collect()
}

struct Page {
    name: String,
    text: String,
}

/// The pages in the order of the summary.
fn pages(problems: &mut Vec<String>) -> Vec<Page> {
    let folder = root().join("spec/book/src");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).expect("a summary");
    let names: Vec<String> = links(&summary).into_iter().map(str::to_owned).collect();
    for path in files(&folder, "md") {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        if name != "SUMMARY.md" && !names.contains(&name) {
            problems.push(format!("{name} is not in the summary"));
        }
    }
    let mut pages = Vec::new();
    for name in names {
        match fs::read_to_string(folder.join(&name)) {
            Ok(text) => pages.push(Page { name, text }),
            Err(error) => problems.push(format!("SUMMARY.md: {name}: {error}")),
        }
    }
    pages
}

/// What the text between `open` and the next `close` is, wherever that occurs.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<&'a str> {
    let parts = text.split(open).skip(1);
    parts.filter_map(|part| part.split_once(close).map(|(inside, _)| inside)).collect()
}

/// The targets of links.
fn links(text: &str) -> Vec<&str> {
    between(text, "](", ')')
}

/// `{{#include path:anchor}}`: path and anchor.
fn includes(text: &str) -> Vec<(&str, Option<&str>)> {
    let inside = between(text, "{{#", '}').into_iter();
    let inside = inside.filter_map(|one| one.strip_prefix("include "));
    inside.map(|one| one.split_once(':').map_or((one, None), |(p, a)| (p, Some(a)))).collect()
}

/// What an include shows.
fn shown(page: &str, path: &str, anchor: Option<&str>, sources: &Sources) -> Result<Shown, String> {
    let complaint = |what: &str| format!("{page}: {{{{#include {path}}}}}: {what}");
    let full = root().join("spec/book/src").join(path);
    let full = full.canonicalize().map_err(|error| complaint(&error.to_string()))?;
    let Some(anchor) = anchor else {
        let text = fs::read_to_string(&full).map_err(|error| complaint(&error.to_string()))?;
        return Ok(Shown { text, anchor: None });
    };
    let found = sources.get(&full).and_then(|anchors| anchors.get(anchor));
    let text = found.ok_or_else(|| complaint(&format!("no anchor `{anchor}`")))?.clone();
    Ok(Shown { text, anchor: Some((full, anchor.to_owned())) })
}

struct Shown {
    text: String,
    anchor: Option<(PathBuf, String)>,
}

/// The sections of a page: heading without its marks, and text.
fn sections(text: &str) -> Vec<(&str, String)> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        match line.strip_prefix('#').filter(|_| !is_code && !line.starts_with("#!")) {
            Some(heading) => sections.push((heading.trim_start_matches('#').trim(), String::new())),
            None => {
                if let Some((_, text)) = sections.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    sections
}

/// The id that mdBook gives a heading.
fn id(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|one| one.is_alphanumeric() || "-_ ".contains(*one));
    kept.map(|one| if one == ' ' { '-' } else { one }).collect()
}

fn judge(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn includes_name_what_is_there_and_anchors_are_shown() {
    let mut problems = Vec::new();
    let (sources, pages) = (sources(&mut problems), pages(&mut problems));
    let mut used = BTreeSet::new();
    for page in &pages {
        for (path, anchor) in includes(&page.text) {
            match shown(&page.name, path, anchor, &sources) {
                Ok(Shown { anchor, .. }) => used.extend(anchor),
                Err(problem) => problems.push(problem),
            }
        }
    }
    for (path, anchors) in &sources {
        for name in anchors.keys() {
            if !used.contains(&(path.clone(), name.clone())) {
                problems.push(format!("{}: no page shows anchor `{name}`", path.display()));
            }
        }
    }
    assert!(used.len() > 100, "the book shows the code: {}", used.len());
    judge(&problems);
}

/// `## may_vote`, with the guard's code in it; on each page in the order of the table.
#[test]
fn every_guard_has_its_section() {
    let mut problems = Vec::new();
    let (sources, pages) = (sources(&mut problems), pages(&mut problems));
    let mut missing: Vec<&str> = Instance::GUARDS.iter().map(|guard| guard.name).collect();
    for page in &pages {
        let mut before = 0;
        for (heading, text) in sections(&page.text) {
            let name = heading.trim_matches('`');
            let Some(place) = Instance::GUARDS.iter().position(|guard| guard.name == name) else {
                if name.starts_with("may_") {
                    problems.push(format!("{}: `{name}` is no guard", page.name));
                }
                continue;
            };
            if place < before {
                problems.push(format!("{}: `{name}` is out of order", page.name));
            }
            before = place;
            let code = includes(&text).into_iter().filter_map(|(path, anchor)| {
                shown(&page.name, path, anchor, &sources).ok().map(|shown| shown.text)
            });
            let question = format!("fn {name}(");
            if !code.into_iter().any(|code| code.contains(&question)) {
                problems.push(format!("{}: section `{name}` does not show it", page.name));
            }
            if !missing.contains(&name) {
                problems.push(format!("{}: `{name}` has a section elsewhere too", page.name));
            }
            missing.retain(|one| *one != name);
        }
    }
    problems.extend(missing.iter().map(|name| format!("no section `{name}` for that guard")));
    judge(&problems);
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    let pages = pages(&mut problems);
    let ids: BTreeMap<&str, BTreeSet<String>> = pages
        .iter()
        .map(|page| {
            let ids = sections(&page.text).into_iter().map(|(heading, _)| id(heading));
            (page.name.as_str(), ids.collect())
        })
        .collect();
    for page in &pages {
        for link in links(&page.text).into_iter().filter(|link| !link.contains("://")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { page.name.as_str() } else { file };
            let is_there = match ids.get(file) {
                Some(ids) => fragment.is_empty() || ids.contains(fragment),
                None => root().join("spec/book/src").join(file).is_file(),
            };
            if !is_there {
                problems.push(format!("{}: ({link}) leads nowhere", page.name));
            }
        }
    }
    judge(&problems);
}
