//! What a node is made of, measured by itself: signatures, hashes, syncs, and messages over loopback.

use crate::ratio::median;
use anyhow::{Context, Result};
use ed25519_dalek::{Signer, SigningKey};
use hpaxos_consensus::{Signatures, VerifyingKey};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// About as long as a message of the protocol.
pub const MESSAGE_BYTES: usize = 300;

/// Signatures that are checked together.
pub const TOGETHER: usize = 32;

/// What each costs, in microseconds; of the CPU where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Primitives {
    /// One signature.
    pub sign: f64,
    /// Checking one as the node does, by itself.
    pub check: f64,
    /// Checking one of [`TOGETHER`] of as many signers, together.
    pub check_together: f64,
    /// SHA-256 of a message.
    pub hash: f64,
    /// One `write` and one `read` of a message over loopback.
    pub calls: f64,
    /// There and back over loopback, by the clock: the median.
    pub round_trip: f64,
    /// Appending a message to a file and `fdatasync`, by the clock: the median.
    pub sync: f64,
    /// What one in a hundred takes longer than.
    pub sync_p99: f64,
    /// What the system charges the process for it.
    pub sync_cpu: f64,
}

impl Primitives {
    /// Measures; `effort` times a twentieth of a second or so. Files are in `folder`.
    ///
    /// # Errors
    /// If there is no loopback, or the file cannot be written.
    pub fn measure(folder: &Path, effort: usize) -> Result<Self> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let message = [3; MESSAGE_BYTES];
        let signature = key.sign(&message).to_bytes();
        let public = VerifyingKey::new(key.verifying_key().as_bytes()).expect("it is a key");
        let signed = signed();
        let (sync, sync_p99, sync_cpu) = syncs(folder, 20 * effort)?;
        Ok(Primitives {
            sign: cpu(effort, 100, || key.sign(black_box(&message))),
            check: cpu(effort, 100, || {
                assert!(public.has_signed(black_box(&message), &signature));
            }),
            check_together: cpu(effort, 3, || {
                let mut together = Signatures::default();
                for (key, signature) in black_box(&signed) {
                    together.add(key, &message, signature);
                }
                assert_eq!(together.first_wrong(), None);
            }) / TOGETHER as f64,
            hash: cpu(effort, 1_000, || Sha256::digest(black_box(&message))),
            calls: calls(effort)?,
            round_trip: round_trip(200 * effort)?,
            sync,
            sync_p99,
            sync_cpu,
        })
    }
}

/// Public keys, each with its signature of the message.
fn signed() -> Vec<([u8; 32], [u8; 64])> {
    let keys = (0..TOGETHER).map(|place| SigningKey::from_bytes(&[place as u8 + 1; 32]));
    let signed = |key: SigningKey| {
        (key.verifying_key().to_bytes(), key.sign(&[3; MESSAGE_BYTES]).to_bytes())
    };
    keys.map(signed).collect()
}

/// CPU time that this thread has used.
pub fn used() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a thread does not run backwards")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// CPU time of one `step`: the median of `effort` times `count` of them.
fn cpu<T>(effort: usize, count: u32, mut step: impl FnMut() -> T) -> f64 {
    let times = (0..effort.max(1)).map(|_| {
        let before = used();
        for _ in 0..count {
            black_box(step());
        }
        micros((used() - before) / count)
    });
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    median(&times).expect("there is at least one")
}

/// Two ends of a connection over loopback.
fn ends() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("there is no loopback")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    one.set_nodelay(true)?;
    other.set_nodelay(true)?;
    Ok((one, other))
}

fn calls(effort: usize) -> Result<f64> {
    let (mut one, mut other) = ends()?;
    let mut buffer = [0; MESSAGE_BYTES];
    let mut result = Ok(());
    let time = cpu(effort, 200, || {
        let passed = one.write_all(&buffer).and_then(|()| other.read_exact(&mut buffer));
        result = std::mem::replace(&mut result, Ok(())).and(passed);
    });
    result?;
    Ok(time)
}

fn round_trip(count: usize) -> Result<f64> {
    let (mut one, mut other) = ends()?;
    let echo = thread::spawn(move || {
        let mut buffer = [0; MESSAGE_BYTES];
        // Until the other end is closed.
        while other.read_exact(&mut buffer).and_then(|()| other.write_all(&buffer)).is_ok() {}
    });
    let mut buffer = [0; MESSAGE_BYTES];
    let mut times = Vec::new();
    for _ in 0..count {
        let before = Instant::now();
        one.write_all(&buffer)?;
        one.read_exact(&mut buffer)?;
        times.push(micros(before.elapsed()));
    }
    drop(one);
    echo.join().expect("the echo does not panic");
    times.sort_by(f64::total_cmp);
    median(&times).context("nothing was sent")
}

fn syncs(folder: &Path, count: usize) -> Result<(f64, f64, f64)> {
    let path = folder.join("syncs");
    let mut file =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let (mut times, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (cpu, before) = (used(), Instant::now());
        file.write_all(&[3; MESSAGE_BYTES])?;
        file.sync_data()?;
        times.push(micros(before.elapsed()));
        cpus.push(micros(used() - cpu));
    }
    times.sort_by(f64::total_cmp);
    cpus.sort_by(f64::total_cmp);
    let p99 = times[(times.len() * 99).div_ceil(100) - 1];
    let (wall, cpu) = (median(&times), median(&cpus));
    Ok((wall.context("nothing was written")?, p99, cpu.context("nothing was written")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_takes_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let Primitives {
            sign, check, check_together, hash, calls, round_trip, sync, sync_p99, ..
        } = Primitives::measure(folder.path(), 1).unwrap();
        assert!(sign > 0.0 && hash > 0.0 && calls > 0.0 && round_trip > 0.0 && sync > 0.0);
        assert!(check > sign && check > check_together && sync_p99 >= sync);
    }
}
