//! The machine, the compiler and the commit: what every figure depends on.

use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What figures depend on, as far as the system tells.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads that run at a time.
    pub cores: usize,
    /// In GB.
    pub memory_gb: f64,
    /// The operating system's kernel.
    pub kernel: String,
    /// Of the folder with the networks "on disk".
    pub file_system: String,
    /// The compiler.
    pub rustc: String,
    /// The sources, with `+` where files were changed since.
    pub commit: String,
}

impl Machine {
    /// This one; networks on disk are below `folder`.
    pub fn look(folder: &Path) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let memory_kib: f64 = after(&meminfo, "MemTotal")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0.0);
        Machine {
            processor: after(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: (memory_kib * 1024.0 / 1e8).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(folder, &read("/proc/mounts")),
            rustc: said("rustc", &["--version"]).unwrap_or("unknown".into()),
            commit: commit().unwrap_or("unknown".into()),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What follows the first `key` and a colon.
fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim_start().strip_prefix(':')?.trim())
}

/// The kind of the file system with the longest mount point above the folder.
fn file_system(folder: &Path, mounts: &str) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    // The last of several on one point is the one that is seen.
    above.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).to_owned()
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn commit() -> Option<String> {
    let commit = said("git", &["rev-parse", "--short=10", "HEAD"])?;
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { commit + "+" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_counts() {
        let mounts =
            "overlay / overlay rw 0 0\ntmpfs /dev tmpfs rw 0 0\nshm /dev/shm tmpfs2 rw 0 0\n";
        assert_eq!(file_system(Path::new("/dev/shm"), mounts), "tmpfs2");
        assert_eq!(file_system(Path::new("/"), mounts), "overlay");
        assert_eq!(after("a : b\nmodel name\t: x y\n", "model name"), Some("x y"));
    }
}
