//! What every process tells Prometheus of itself, by custom.

use super::kinds::{NAMED, registered};
use prometheus::{Counter, Gauge, Registry};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// From `/proc`, where there is one.
#[derive(Clone, Debug)]
pub(super) struct Process {
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    cpu_seconds: Counter,
    threads: Gauge,
    open_fds: Gauge,
}

/// Linux counts processor time in hundredths of a second in all that it tells a process, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    pub(super) fn new(to: &Registry) -> Self {
        let gauge = |name: &str, help: &str| registered(to, Gauge::new(name, help).expect(NAMED));
        let cpu = Counter::new("process_cpu_seconds_total", "Processor time, user and system.");
        let started = gauge("process_start_time_seconds", "When it started, since the epoch.");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(now.as_secs_f64());
        Process {
            resident_bytes: gauge("process_resident_memory_bytes", "Memory in use."),
            virtual_bytes: gauge("process_virtual_memory_bytes", "Address space in use."),
            cpu_seconds: registered(to, cpu.expect(NAMED)),
            threads: gauge("process_threads", "Threads."),
            open_fds: gauge("process_open_fds", "Open file descriptors."),
        }
    }

    pub(super) fn update(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |key: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        if let Some(kib) = number("VmRSS:") {
            self.resident_bytes.set(kib * 1024.0);
        }
        if let Some(kib) = number("VmSize:") {
            self.virtual_bytes.set(kib * 1024.0);
        }
        if let Some(threads) = number("Threads:") {
            self.threads.set(threads);
        }
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some(ticks) = cpu_ticks(&stat) {
            let more = ticks / TICKS_PER_SECOND - self.cpu_seconds.get();
            // Two who ask at a time may each have seen another time; it never goes back.
            self.cpu_seconds.inc_by(more.max(0.0));
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is being read.
            self.open_fds.set(open.count().saturating_sub(1) as f64);
        }
    }
}

/// User and system time of `/proc/self/stat`, after the program's name, which may contain anything.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_measured() {
        let text = crate::metrics::Metrics::new().text().unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name}\n{text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_open_fds") >= 3.0 && value("process_threads") >= 1.0);
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert_eq!(cpu_ticks("1 (a) b) S 1 1 1 0 -1 0 1 2 3 4 50 7 0 0"), Some(57.0));
    }
}
