//! How memory that was freed goes back to the system.
//!
//! RocksDB's write buffers are made of pieces of some megabyte. GNU's C library keeps such pieces when they are freed, in a heap of
//! each thread that ever asked for one, unless it is told at the start of a process, by its environment, to give them back. So a
//! node starts its program once more, in the same process. Other C libraries have other habits, and are left alone.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod gnu {
    use std::env;
    use std::ffi::OsString;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    /// Pieces as large as this many bytes come from the system one by one, and go back to it.
    const VARIABLE: &str = "MALLOC_MMAP_THRESHOLD_";
    const BYTES: &str = "262144";

    pub fn give_back() {
        if let Some(mut again) = again(env::var_os(VARIABLE)) {
            // This comes back only where it is not possible: then the node takes more memory than it needs.
            let _ = again.exec();
        }
    }

    /// The program once more, as it was started; none if somebody, or itself, has said what to do with memory.
    fn again(said: Option<OsString>) -> Option<Command> {
        if said.is_some() {
            return None;
        }
        let mut arguments = env::args_os();
        let mut again = Command::new(env::current_exe().ok()?);
        again.arg0(arguments.next()?).args(arguments).env(VARIABLE, BYTES);
        Some(again)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn starts_as_before_and_once() {
            let again = again(None).unwrap();
            assert_eq!(again.get_program(), env::current_exe().unwrap());
            assert!(again.get_args().eq(env::args_os().skip(1)));
            let said = again.get_envs().find(|(name, _)| *name == VARIABLE);
            assert!(super::again(said.unwrap().1.map(OsString::from)).is_none());
        }
    }
}

/// Sees to it for this process; before anything else, since it may begin again.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    gnu::give_back();
}
