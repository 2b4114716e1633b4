//! `hpaxos graph` as its users run it: answers, exit codes, and errors at their place.

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn hpaxos(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hpaxos"))
        .arg("graph")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that has seen enough closes its input; that is no failure of the test.
    let _ = child.stdin.take().expect("its input is a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn answer(arguments: &[&str], input: &str, code: i32) -> Value {
    let output = hpaxos(arguments, input);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../learner-graph/examples").join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

const ALICE_TO_ERIN: &str = "version = 1\n\
    [acceptors]\nalice = {}\nbob = {}\ncarol = {}\ndave = {}\nerin = {}\n\
    [learners.red]\nstake = { alice = 30, bob = 25, carol = 25, dave = 20 }\nquorum = \"> 2/3\"\n\
    [learners.blue]\nquorum = { at-least = 4, of = [\"alice\", \"bob\", \"carol\", \"dave\", \"erin\"] }\n\
    [learners.green]\nquorum = { at-least = 2, of = [\"alice\", \
        { at-least = 2, of = [\"bob\", \"carol\", \"dave\"] }, \"erin\"] }\n\
    [[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\"\n\
    [[edges]]\nbetween = [\"red\", \"red\"]\nsafe = { at-least = 3, of = [\"alice\", \"bob\", \"carol\", \"dave\"] }\n\
    [logs.\"red+blue\"]\nlearners = [\"red\", \"blue\"]\n";

#[test]
fn check_shows_a_counterexample_for_an_implied_edge() {
    let found = answer(&["check", "--json", &example("invalid.toml")], "", 1);
    assert_eq!(found["valid"], json!(false));
    let log = &found["logs"][0];
    assert_eq!(
        (&log["log"], &log["valid"], &log["sends"]),
        (&json!("all"), &json!(false), &json!(4))
    );
    let edges = log["edges"].as_array().expect("a list");
    let implied = edges.iter().find(|edge| edge["between"] == json!(["a", "c"]));
    assert_eq!(
        implied,
        Some(&json!({"between": ["a", "c"], "declared": false, "valid": false, "counterexample": {
            "safe": ["a1", "a2"],
            "quorums": [{"learner": "a", "acceptors": ["a2", "a3"]},
                        {"learner": "c", "acceptors": ["a1", "a3"]}]}}))
    );
    let declared = edges.iter().find(|edge| edge["between"] == json!(["a", "b"]));
    assert_eq!(
        declared,
        Some(
            &json!({"between": ["a", "b"], "declared": true, "valid": true, "counterexample": null})
        )
    );
}

#[test]
fn analyze_finds_smallest_sets() {
    let found = answer(&["analyze", "-", "--json"], ALICE_TO_ERIN, 0);
    let logs = found["logs"].as_array().expect("a list");
    let summary: Vec<Value> = logs
        .iter()
        .map(|log| {
            let learners = log["learners"].as_array().expect("a list").iter();
            let learners: Vec<Value> = learners
                .map(|l| json!([l["id"], l["halts_if"]["size"], l["forks_if"]["size"]]))
                .collect();
            let pairs = log["pairs"].as_array().expect("a list").iter();
            let pairs: Vec<Value> =
                pairs.map(|pair| json!([pair["between"], pair["disagree_if"]["size"]])).collect();
            json!([log["log"], log["sends"], learners, pairs])
        })
        .collect();
    assert_eq!(
        json!(summary),
        json!([
            ["green", 3, [["green", 2, 1]], []],
            ["red+blue", 4, [["blue", 2, 3], ["red", 2, 2]], [[["blue", "red"], 2]]],
        ])
    );
    let by_stake = answer(&["analyze", "-", "--json", "--by", "stake=red"], ALICE_TO_ERIN, 0);
    assert_eq!(by_stake["logs"][1]["learners"][1]["halts_if"]["stake"], json!("45"));
}

#[test]
fn entangled_says_what_is_left() {
    let file = example("two-chains.toml");
    let whole = answer(&["entangled", &file, "--json"], "", 0);
    let log = json!({"log": "red+blue", "entangled": [["blue", "blue"], ["blue", "red"], ["red", "red"]]});
    assert_eq!(whole, json!({"logs": [log], "live": ["blue", "red"]}));
    let halted = answer(&["entangled", &file, "--json", "--crashed", "v1,v2"], "", 1);
    assert_eq!(halted, json!({"logs": [log], "live": ["blue"]}));
    let broken = answer(&["entangled", &file, "--json", "--byzantine", "v3,v4"], "", 1);
    let log = json!({"log": "red+blue", "entangled": [["blue", "blue"], ["red", "red"]]});
    assert_eq!(broken, json!({"logs": [log], "live": []}));
}

#[test]
fn answers_for_people_say_the_same() {
    let check = hpaxos(&["check", &example("invalid.toml")], "");
    let text = String::from_utf8(check.stdout).expect("text");
    assert!(
        text.contains("a and c may disagree: these three sets have nobody in common."),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours into a pipe");
    let analyze = hpaxos(&["analyze", &example("two-chains.toml")], "");
    let text = String::from_utf8(analyze.stdout).expect("text");
    assert!(
        text.contains("blue and red disagree") && text.contains("With edges = \"level\""),
        "{text}"
    );
    let entangled = hpaxos(&["entangled", &example("two-chains.toml"), "--crashed", "v1,v2"], "");
    assert!(String::from_utf8(entangled.stdout).expect("text").contains("no: it halts"));
}

#[test]
fn every_example_is_what_it_says() {
    for (name, code) in
        [("two-chains", 0), ("federation", 0), ("three-stake-chains", 0), ("invalid", 1)]
    {
        let found = answer(&["check", "--json", &example(&format!("{name}.toml"))], "", code);
        assert_eq!(found["valid"], json!(code == 0), "{name}");
        let found = answer(&["analyze", "--json", &example(&format!("{name}.toml"))], "", 0);
        assert!(!found.to_string().contains("at_least"), "{name} is settled");
    }
}

/// Stakes that sum to 2^128 - 1, the most there can be.
#[test]
fn the_largest_stakes_are_exact() {
    let graph = |quorum: &str| {
        format!(
            "version = 1\nacceptors = {{ p = {{}}, q = {{}}, r = {{}} }}\n[learners.red]\n\
             stake = {{ p = \"170141183460469231731687303715884105728\", \
             q = \"170141183460469231731687303715884105727\", r = 0 }}\nquorum = \"{quorum}\"\n\
             [learners.blue]\nstake = {{ p = 2, q = 2, r = 1 }}\nquorum = \">= 2/5\"\n"
        )
    };
    let found = answer(&["analyze", "--json", "--by", "stake=red", "-"], &graph("> 2/3"), 0);
    let halts = &found["logs"][0]["learners"][0]["halts_if"];
    assert_eq!(halts["stake"], json!("340282366920938463463374607431768211455"), "{halts}");
    let said = complaint(&graph("> 1/1"));
    assert!(said.contains("nothing would do"), "{said}");
}

/// Quorums of less than half of many stakes: two of them have nobody in common.
#[test]
fn a_chain_that_forks_by_itself_is_invalid_at_any_size() {
    let names: Vec<String> = (0..100).map(|index| format!("v{index}")).collect();
    let acceptors: String = names.iter().map(|name| format!("{name} = {{}}\n")).collect();
    let stakes = names
        .iter()
        .zip(7u64..)
        .map(|(name, seed)| format!("{name} = {}\n", seed * seed % 101 + 1));
    let stakes: String = stakes.collect();
    let text = format!(
        "version = 1\n[acceptors]\n{acceptors}[learners.red]\nquorum = \"> 2/5\"\n[learners.red.stake]\n{stakes}"
    );
    let found = answer(&["check", "--json", "-"], &text, 1);
    let row = &found["logs"][0]["edges"][0];
    assert_eq!((&row["between"], &row["valid"]), (&json!(["red", "red"]), &json!(false)));
    let counterexample = &row["counterexample"];
    assert_eq!(counterexample["safe"].as_array().map(Vec::len), Some(100));
    let names =
        |index: usize| counterexample["quorums"][index]["acceptors"].as_array().expect("a list");
    assert!(names(0).iter().all(|name| !names(1).contains(name)));
}

#[test]
fn the_network_id_needs_keys_and_genesis() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let graph = folder.path().join("learner-graph.toml");
    let key = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";
    let text =
        |key: &str| format!("version = 1\n[acceptors.p]\n{key}\n[learners.red]\nquorum = \"p\"\n");
    let write = |path: &PathBuf, text: &str| std::fs::write(path, text).expect("it can be written");
    let check = || answer(&["check", "--json", graph.to_str().expect("UTF-8")], "", 0);

    write(&graph, &text(&format!("public-key = \"{key}\"")));
    assert_eq!(check().get("network"), None);
    write(&folder.path().join("genesis.toml"), "version = 1\nnetwork = \"laptop\"\n");
    let network = check()["network"].as_str().expect("an id").to_owned();
    assert_eq!(network.len(), 64);
    write(&graph, &text(&format!("public-key = \"{key}\" # a comment")));
    assert_eq!(check()["network"], json!(network));
    write(&graph, &text(""));
    assert_eq!(check().get("network"), None);

    write(&folder.path().join("genesis.toml"), "version = 1\nnetwork = \"laptop\"\nchain = 1\n");
    let output = hpaxos(&["check", graph.to_str().expect("UTF-8")], "");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("genesis.toml:3:1: unknown field `chain`"), "{stderr}");
}

#[test]
fn an_analysis_that_is_too_hard_says_what_it_did_decide() {
    let found = answer(&["check", "--json", "--effort", "0", "-"], ALICE_TO_ERIN, 2);
    assert_eq!(found["valid"], json!(null));
    assert_eq!(found["logs"][1]["edges"][0]["valid"], json!(null));
    let arguments = ["analyze", "--json", "--effort", "0", "--by", "stake=red", "-"];
    let found = answer(&arguments, ALICE_TO_ERIN, 2);
    let halts = &found["logs"][1]["learners"][1]["halts_if"];
    assert_eq!(halts, &json!({"at_least": "0", "at_most": "100"}));
    // Closed forms take no effort.
    assert_eq!(found["logs"][1]["learners"][0]["halts_if"]["stake"], json!("20"));
}

#[test]
fn render_draws_what_the_name_of_the_output_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let graph = example("two-chains.toml");
    let draw = |name: &str| {
        let path = folder.path().join(name);
        let path = path.to_str().expect("UTF-8").to_owned();
        let output = hpaxos(&["render", &graph, "-o", &path], "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), path)
    };
    let (code, stderr, path) = draw("graph.svg");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let svg = std::fs::read_to_string(path).expect("it was written");
    for word in ["<svg", "red", "blue", "disagree if 2 lie", "halts if 2 crash", "v8"] {
        assert!(svg.contains(word), "{word}");
    }
    let (code, _, path) = draw("graph.dot");
    assert_eq!(code, Some(0));
    assert!(std::fs::read_to_string(path).expect("it was written").starts_with("graph"));

    let (code, stderr, _) = draw("graph.png");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("neither in .svg nor in .dot"), "{stderr}");
    let (code, stderr, _) = draw("no/such/folder/graph.svg");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot write"), "{stderr}");

    let piped = hpaxos(&["render", &graph, "-o", "-", "--format", "svg"], "");
    assert_eq!(String::from_utf8_lossy(&piped.stdout), svg, "the same picture, byte for byte");
    let other = hpaxos(&["render", &graph, "-o", "-", "--format", "svg", "--log", "green"], "");
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("no log `green`; it has red+blue"));
}

/// Runs `check` on a bad file and returns what it says.
fn complaint(text: &str) -> String {
    let output = hpaxos(&["check", "-"], text);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
}

#[test]
fn bad_files_get_an_error_at_the_place() {
    let with = |rest: &str| format!("version = 1\n[acceptors]\np = {{}}\nq = {{}}\n{rest}");
    let red = |quorum: &str| with(&format!("[learners.red]\nquorum = {quorum}\n"));
    let staked =
        |stake: &str| with(&format!("[learners.red]\nquorum = \"> 2/3\"\nstake = {stake}\n"));
    let edge = |rest: &str| {
        with(&format!(
            "[learners.red]\nquorum = \"p\"\n[learners.blue]\nquorum = \"q\"\n[learners.lime]\n\
             quorum = {{ any-of = [\"p\", \"q\"] }}\n{rest}\n"
        ))
    };
    for (text, place, message) in [
        (String::new(), "1:1", "needs the key `version`"),
        ("version = 2\n".into(), "1:11", "`version` should be 1"),
        ("version = 1\nversion = 1\n".into(), "2:1", "duplicate key"),
        ("version = 1\n".into(), "1:1", "has no learner"),
        (with("[colours]\n"), "5:2", "unknown key `colours`"),
        (with("[learner.red]\n"), "5:2", "did you mean `learners`?"),
        (with("[learners.red]\n"), "5:11", "needs the key `quorum`"),
        (red("\"r\""), "6:10", "unknown acceptor `r`"),
        (red("[\"p\", \"red\"]"), "6:16", "that is a learner"),
        (red("[]"), "6:10", "`quorum` is empty"),
        (red("[\"p\", \"p\"]"), "6:16", "twice"),
        (red("{ at-least = 0, of = [\"p\"] }"), "6:23", "the empty set would do"),
        (red("{ at-least = 3, of = [\"p\", \"q\"] }"), "6:23", "nothing would do"),
        (red("{ at-least = -1, of = [\"p\"] }"), "6:23", "negative"),
        (red("{ at-least = nan, of = [\"p\"] }"), "6:23", "a number with a fraction"),
        (red("{ at-least = \"nan\", of = [\"p\"] }"), "6:23", "should be a whole number"),
        (red("{ at-least = 1 }"), "6:10", "exactly one of the keys"),
        (red("{ of = [\"p\"] }"), "6:10", "needs `at-least`"),
        (red("{ any-of = [\"p\"], at-least = 1 }"), "6:39", "goes with `of`"),
        (red("{ at-last = 1, of = [\"p\"] }"), "6:12", "did you mean `at-least`?"),
        (red("7"), "6:10", "should be a condition"),
        (red("\"> 2/3\""), "6:10", "needs the key `stake`"),
        (staked("{ p = 0, q = 0 }"), "7:9", "sums to 0"),
        (staked("{ p = 1.5 }"), "7:15", "a number with a fraction"),
        (staked("{ p = \"1e9\" }"), "7:15", "should be a whole number"),
        (staked("{ p = inf }"), "7:15", "a number with a fraction"),
        (staked("{ p = \"340282366920938463463374607431768211456\" }"), "7:15", "too large"),
        (staked("{ p = \"340282366920938463463374607431768211455\", q = 1 }"), "7:62", "2^128 - 1"),
        (staked("{ p = 1, x = 1 }"), "7:18", "unknown acceptor `x`"),
        (staked("{ p = 1 }").replace("> 2/3", "> 1/1"), "6:10", "nothing would do"),
        (staked("{ p = 1 }").replace("> 2/3", ">= 0/1"), "6:10", "the empty set would do"),
        (staked("{ p = 1 }").replace("> 2/3", "> 2/0"), "6:10", "a part of the total"),
        (staked("{ p = 1 }").replace("> 2/3", "66%"), "6:10", "a part of the total"),
        (with("[learners.Red]\nquorum = \"p\"\n"), "5:11", "`Red` is no name"),
        (with("[learners.all]\nquorum = \"p\"\n"), "5:11", "log of all learners"),
        (with("[learners.\"r\\u200bd\"]\nquorum = \"p\"\n"), "5:11", "`r\\u{200b}d` is no name"),
        (with("[learners.\"\"]\nquorum = \"p\"\n"), "5:11", "`` is no name"),
        (
            edge("[[edges]]\nbetween = [\"red\", \"bleu\"]\nsafe = \"largest\""),
            "12:19",
            "did you mean `blue`?",
        ),
        (edge("[[edges]]\nbetween = [\"red\"]\nsafe = \"largest\""), "12:11", "should name two"),
        (edge("[[edges]]\nbetween = [\"red\", \"blue\"]"), "11:1", "needs the key `safe`"),
        (
            edge("[[edges]]\nbetween = [\"red\", \"red\"]\nsafe = \"larger\""),
            "13:8",
            "should be \"overlap\"",
        ),
        (
            edge("[[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"overlap\""),
            "13:8",
            "0 % - 0 % - 0 % is not above 0",
        ),
        (
            edge("[[edges]]\nbetween = [\"red\", \"blue\"]\nsafe = \"largest\""),
            "13:8",
            "have nobody in common",
        ),
        (
            edge("[[edges]]\nbetween = [\"red\", \"lime\"]\nsafe = \"overlap\""),
            "13:8",
            "`lime` is not",
        ),
        (
            edge(
                "[[edges]]\nbetween = [\"red\", \"red\"]\nsafe = \"largest\"\n\
                 [[edges]]\nbetween = [\"red\", \"red\"]\nsafe = \"largest\"",
            ),
            "15:11",
            "stands above already",
        ),
        (edge("[logs.red]\nlearners = [\"red\"]"), "11:7", "`red` is reserved"),
        (edge("[logs.all]\nlearners = [\"red\"]"), "11:7", "`all` is reserved"),
        (edge("[logs.\"a b\"]\nlearners = [\"red\"]"), "11:7", "no name of a log"),
        (edge("[logs.x]\nlearners = []"), "12:12", "`learners` is empty"),
        (edge("[logs.x]\nlearners = [\"red\", \"red\"]"), "12:20", "twice"),
        (
            edge("[logs.x]\nlearners = [\"red\", \"blue\"]\nedges = \"flat\""),
            "13:9",
            "\"as-given\" or \"level\"",
        ),
        (
            edge("[logs.x]\nlearners = [\"red\", \"blue\"]\nedges = \"level\""),
            "11:7",
            "none leads from",
        ),
        ("version = 1\n[acceptors.p]\npublic-key = \"AB\"\n".into(), "3:14", "64 lower-case hex"),
        (
            format!("version = 1\n[acceptors.p]\npublic-key = \"{}\"\n", "00".repeat(32)),
            "3:14",
            "weak",
        ),
        (
            format!("version = 1\n[acceptors.p]\npublic-key = \"02{}\"\n", "00".repeat(31)),
            "3:14",
            "no point",
        ),
        (
            "version = 1\n[acceptors.p]\naddresses = [\"10.0.0.1\"]\n".into(),
            "3:14",
            "is no address",
        ),
        ("version = 1\n[acceptors.p]\ncolour = 1\n".into(), "3:1", "unknown key `colour`"),
        ("version = 1\n[acceptors]\np = 1\n".into(), "3:5", "should be a table"),
        ("version = 1\nlearners = 1\nacceptors = [\n".into(), "3:14", ""),
    ] {
        let said = complaint(&text);
        assert!(said.contains(&format!("-:{place}: ")), "{place} {message}\n{text}\n{said}");
        assert!(said.contains(message), "{place} {message}\n{text}\n{said}");
    }
}

#[test]
fn the_same_key_twice_is_refused() {
    let key = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";
    let said = complaint(&format!(
        "version = 1\n[acceptors.p]\npublic-key = \"{key}\"\n[acceptors.q]\npublic-key = \"{key}\"\n"
    ));
    assert!(said.contains("-:5:14: `public-key` is also that of `p`"), "{said}");
}

#[test]
fn files_beyond_every_bound_are_refused_soon() {
    let many = (0..10_000).map(|index| format!("v{index} = {{}}\n")).collect::<String>();
    let said = complaint(&format!("version = 1\n[acceptors]\n{many}"));
    assert!(said.contains("-:515:1: there are more than 512 acceptors"), "{said}");

    let learners = (0..65).map(|index| format!("[learners.l{index}]\nquorum = \"p\"\n"));
    let said = complaint(&format!("version = 1\n[acceptors.p]\n{}", learners.collect::<String>()));
    assert!(said.contains("there are more than 64 learners"), "{said}");

    for depth in [20, 1_000, 100_000] {
        let deep = "[".repeat(depth) + "\"p\"" + &"]".repeat(depth);
        let said =
            complaint(&format!("version = 1\n[acceptors.p]\n[learners.red]\nquorum = {deep}\n"));
        assert!(said.contains("-:4:"), "{depth}: {said}");
        assert!(said.len() < 2_000, "{depth}: {said}");
    }

    let said = complaint(&"# a hundred megabytes\n".repeat(100_000_000 / 22));
    assert!(said.contains("larger than 4 MiB"), "{said}");

    // A file without end.
    if Path::new("/dev/zero").exists() {
        let output = hpaxos(&["check", "/dev/zero"], "");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("larger than 4 MiB"));
    }

    let said = complaint("version = 1\n[acceptors.p]\n[learners.red]\nquorum = \"p\" \u{0}\n");
    assert!(said.contains("-:4:"), "{said}");
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("graph.toml");
    std::fs::write(&path, b"version = 1\n# tr\xe8s\n").expect("it can be written");
    let output = hpaxos(&["check", path.to_str().expect("UTF-8")], "");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("graph.toml:2:5: the file is no UTF-8 text"), "{stderr}");
}

#[test]
fn other_mistakes_say_what_would_be_right() {
    for (arguments, message) in [
        (vec!["check", "/nowhere/graph.toml"], "cannot open /nowhere/graph.toml"),
        (vec!["check", "/"], "cannot read /"),
        (vec!["check"], "Usage"),
        (vec!["analyze", "-", "--by", "stake=blue"], "the chains with a stake are red"),
        (vec!["analyze", "-", "--by", "size"], "it should be like stake=red"),
        (vec!["entangled", "-", "--byzantine", "mallory"], "no acceptor `mallory`"),
    ] {
        let output = hpaxos(&arguments, ALICE_TO_ERIN);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}

#[test]
fn help_has_examples() {
    for command in ["check", "analyze", "entangled", "render"] {
        let output = hpaxos(&[command, "--help"], "");
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Example"), "{command}");
    }
}
