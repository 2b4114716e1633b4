//! The README's sessions with this program, run as they stand there.

use std::path::Path;
use std::process::Command;

#[test]
fn sessions_can_be_had() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let folder = std::env::temp_dir().join(format!("hpaxos-readme-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let trace = folder.join("run.jsonl");
    let mut run = 0;
    for command in readme.lines().filter_map(|line| line.strip_prefix("$ hpaxos-spec ")) {
        let arguments = command.split(' ').map(|argument| match argument {
            "run.jsonl" => trace.to_str().expect("UTF-8"),
            other => other,
        });
        let output = Command::new(env!("CARGO_BIN_EXE_hpaxos-spec"))
            .args(arguments)
            .current_dir(&root)
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        run += 1;
    }
    std::fs::remove_dir_all(&folder).expect("the temporary folder");
    assert!(run >= 3, "the README shows what there is");
}
