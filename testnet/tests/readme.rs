//! The README's session with a testnet, run as it stands there, with the programs that were built for the tests.

use std::path::Path;
use std::process::Command;

#[test]
fn the_session_goes_as_it_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let programs = Path::new(env!("CARGO_BIN_EXE_hpaxos-testnet")).parent().expect("a folder");
    let output = Command::new("bash")
        .arg(root.join("scripts/readme-session.sh"))
        .arg(programs)
        .output()
        .expect("there is a bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}{wrong}");
    // A session without commands would succeed, too.
    assert!(told.contains("bundle submit") && told.contains("hpaxos-testnet down"), "{told}");
}
