//! Bundles that are passed on together: what gossip does for a message, three or more times at each hop, costs as much as what
//! a bundle needs itself.
//!
//! Where bundles are few each goes at once. What comes less than [`GATHERED_FOR`] after others were published waits until then.

use super::gossip::BUNDLE_BYTES_MAX;
use borsh::BorshDeserialize;
use hpaxos_consensus::LogName;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long bundles are gathered: a moment beside what a decision takes under such load.
const GATHERED_FOR: Duration = Duration::from_millis(10);

/// Bundles that are passed on together at most: what checking their signatures takes is some milliseconds.
const TOGETHER_MAX: usize = 64;

/// Bundles that wait to be passed on, of each log.
#[derive(Default)]
pub(super) struct Gathering {
    waiting: BTreeMap<LogName, Waiting>,
    published: Option<Instant>,
}

#[derive(Default)]
struct Waiting {
    bundles: Vec<Vec<u8>>,
    bytes: usize,
}

/// Bundles as they travel together.
pub(super) type Message = Vec<u8>;

impl Gathering {
    /// Adds a bundle. What is to be published before, since there is no room for both.
    pub fn add(&mut self, log: &LogName, bundle: Vec<u8>) -> Option<Message> {
        let waiting = self.waiting.entry(log.clone()).or_default();
        let is_full = waiting.bundles.len() == TOGETHER_MAX
            || waiting.bytes + bundle.len() > BUNDLE_BYTES_MAX;
        let full = is_full.then(|| std::mem::take(waiting).message());
        waiting.bytes += bundle.len();
        waiting.bundles.push(bundle);
        full
    }

    /// When what waits is to be published; none if nothing does.
    pub fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        let due = self.published.map_or(now, |last| last + GATHERED_FOR);
        (!self.waiting.is_empty()).then_some(due)
    }

    /// All that waits, of each log.
    pub fn take(&mut self) -> impl Iterator<Item = (LogName, Message)> + use<> {
        self.published = Some(Instant::now());
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|(log, waiting)| (log, waiting.message()))
    }
}

impl Waiting {
    fn message(self) -> Message {
        borsh::to_vec(&self.bundles).expect("writing to memory does not fail")
    }
}

/// The bundles in a message; none if it has none, or too many.
pub(super) fn read(mut message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let count = u32::deserialize(&mut message).ok()? as usize;
    if !(1..=TOGETHER_MAX).contains(&count) {
        return None;
    }
    let bundles: Option<Vec<Vec<u8>>> =
        (0..count).map(|_| BorshDeserialize::deserialize(&mut message).ok()).collect();
    bundles.filter(|_| message.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> LogName {
        LogName(name.into())
    }

    #[test]
    fn the_first_goes_at_once_and_what_comes_soon_after_goes_together() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.due(), None);
        let published = |gathering: &mut Gathering| -> Vec<_> {
            gathering.take().map(|(log, message)| (log, read(&message).unwrap())).collect()
        };
        gathering.add(&log("red"), vec![1]);
        assert!(gathering.due().unwrap() <= Instant::now());
        let before = Instant::now();
        assert_eq!(published(&mut gathering), [(log("red"), vec![vec![1]])]);
        gathering.add(&log("red"), vec![2]);
        gathering.add(&log("blue"), vec![3]);
        gathering.add(&log("red"), vec![4]);
        let due = gathering.due().unwrap();
        assert!(before + GATHERED_FOR <= due && due <= Instant::now() + GATHERED_FOR);
        let both = [(log("blue"), vec![vec![3]]), (log("red"), vec![vec![2], vec![4]])];
        assert_eq!(published(&mut gathering), both);
        assert_eq!(gathering.due(), None);
    }

    #[test]
    fn no_message_is_longer_than_the_largest_bundle_and_its_frame() {
        let mut gathering = Gathering::default();
        let largest = vec![7; BUNDLE_BYTES_MAX];
        assert!(gathering.add(&log("red"), vec![1]).is_none());
        let first = gathering.add(&log("red"), largest.clone()).unwrap();
        assert_eq!(read(&first).unwrap(), [vec![1]]);
        let second = gathering.add(&log("red"), vec![2]).unwrap();
        assert_eq!(read(&second).unwrap(), [largest]);
        for _ in 1..TOGETHER_MAX {
            assert!(gathering.add(&log("red"), vec![2]).is_none());
        }
        assert_eq!(
            read(&gathering.add(&log("red"), vec![3]).unwrap()).unwrap().len(),
            TOGETHER_MAX
        );
    }

    #[test]
    fn what_is_no_message_is_not_read() {
        let good = borsh::to_vec(&vec![vec![1u8], vec![2, 3]]).unwrap();
        assert_eq!(read(&good).unwrap().len(), 2);
        let empty = borsh::to_vec(&Vec::<Vec<u8>>::new()).unwrap();
        let many = borsh::to_vec(&vec![vec![1u8]; TOGETHER_MAX + 1]).unwrap();
        let longer = [&good[..], &[0]].concat();
        let cut = &good[..good.len() - 1];
        for bad in [&empty[..], &many, &longer, cut, &[255; 8], &[]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
