//! What the fuzzers have found worth keeping, on the stable toolchain.

use hpaxos_learner_graph::file::{read, read_bytes, write};
use std::path::Path;

#[test]
fn learner_graph() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/learner_graph");
    let mut read_some = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the corpus is committed") {
        let path = entry.expect("a folder can be listed").path();
        let bytes = std::fs::read(&path).expect("a file can be read");
        match read_bytes(&bytes) {
            Err(error) => {
                assert!(error.span.end <= bytes.len(), "{}: {error}", path.display());
                read_some.1 += 1;
            }
            Ok(graph) => {
                let again =
                    read(&write(graph.declarations())).expect("what is written can be read");
                assert_eq!(again.declarations(), graph.declarations(), "{}", path.display());
                read_some.0 += 1;
            }
        }
    }
    assert!(read_some.0 >= 4 && read_some.1 >= 2, "{read_some:?}");
}
