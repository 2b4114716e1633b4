//! A key must not end up in a core dump.

use super::KeyError;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps of this process, and on Linux also that other processes of the user attach to it or read its
/// memory.
///
/// # Errors
/// If the operating system refuses.
pub fn no_core_dumps() -> Result<(), KeyError> {
    let refused = |error: rustix::io::Errno| KeyError::System {
        what: "to forbid core dumps",
        error: error.into(),
    };
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(refused)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(refused)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::no_core_dumps;
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn nothing_is_dumped_afterwards() {
        no_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
