//! What waits to be sent to one peer.

use super::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many bytes may wait for one peer: some seconds of consensus at full load, or a long answer to its greeting.
pub const QUEUE_BYTES_MAX: usize = 8 << 20;

/// How many frames may wait for one peer, however small: bounds what their bookkeeping costs.
pub const QUEUE_FRAMES_MAX: usize = 32 << 10;

/// A queue for one peer. It takes frames only while a link is up; one frame too many and the link is to be reset.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// Something is there, or the queue is to end.
    changed: Notify,
    /// Too much was there.
    overflowed: Notify,
}

#[derive(Default)]
struct Queue {
    state: State,
    frames: VecDeque<Bytes>,
    bytes: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// No link: what is sent is lost, as the peer will learn when it is greeted.
    #[default]
    Closed,
    /// A link is up.
    Open,
    /// A link is up, and is to be closed once everything is sent.
    Ending,
    /// A link is up, and is to be reset.
    Overflowed,
}

impl Outbox {
    /// Starts anew, for a new link.
    pub fn open(&self) {
        *self.lock() = Queue { state: State::Open, ..Queue::default() };
    }

    /// Takes no more and forgets what waits: the link is gone.
    pub fn close(&self) {
        *self.lock() = Queue::default();
    }

    /// Takes no more; what waits is still sent.
    pub fn end(&self) {
        let mut queue = self.lock();
        if queue.state == State::Open {
            queue.state = State::Ending;
            self.changed.notify_one();
        }
    }

    /// Queues a frame. Without a link it is dropped; if it does not fit, it and all that waits are, with the link.
    pub fn push(&self, frame: Bytes) {
        let mut queue = self.lock();
        if queue.state != State::Open {
            return;
        }
        if queue.frames.len() == QUEUE_FRAMES_MAX || queue.bytes + frame.len() > QUEUE_BYTES_MAX {
            *queue = Queue { state: State::Overflowed, ..Queue::default() };
            self.overflowed.notify_one();
            return;
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        if queue.frames.len() == 1 {
            self.changed.notify_one();
        }
    }

    /// Waits for frames and moves some of them to `batch`, about `bytes_max` bytes or one frame. False: no more come.
    pub async fn take(&self, batch: &mut Vec<Bytes>, bytes_max: usize) -> bool {
        loop {
            if let Some(more) = self.try_take(batch, bytes_max) {
                return more;
            }
            self.changed.notified().await;
        }
    }

    /// Returns when the queue has overflowed.
    pub async fn overflowed(&self) {
        while self.lock().state != State::Overflowed {
            self.overflowed.notified().await;
        }
    }

    fn try_take(&self, batch: &mut Vec<Bytes>, bytes_max: usize) -> Option<bool> {
        let mut queue = self.lock();
        let mut taken = 0;
        while let Some(frame) = queue.frames.front() {
            if taken > 0 && taken + frame.len() > bytes_max {
                break;
            }
            taken += frame.len().max(1);
            queue.bytes -= frame.len();
            batch.extend(queue.frames.pop_front());
        }
        match (batch.is_empty(), queue.state) {
            (false, _) => {
                // The next push notifies only if the queue is empty; what is left must be seen without it.
                if !queue.frames.is_empty() {
                    self.changed.notify_one();
                }
                Some(true)
            }
            (true, State::Open) => None,
            (true, State::Overflowed) => None,
            (true, State::Ending | State::Closed) => Some(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn take(outbox: &Outbox, bytes_max: usize) -> Option<(bool, Vec<Bytes>)> {
        let mut batch = Vec::new();
        let more = outbox.take(&mut batch, bytes_max).now_or_never()?;
        Some((more, batch))
    }

    #[test]
    fn without_a_link_nothing_waits() {
        let outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"lost"));
        outbox.open();
        assert_eq!(take(&outbox, 100), None);
    }

    #[test]
    fn frames_come_in_batches_and_in_order() {
        let outbox = Outbox::default();
        outbox.open();
        for frame in [&b"one"[..], b"two", b"three"] {
            outbox.push(Bytes::from_static(frame));
        }
        assert_eq!(take(&outbox, 6).unwrap().1, ["one", "two"]);
        assert_eq!(take(&outbox, 1).unwrap().1, ["three"]);
        assert_eq!(take(&outbox, 1), None);
    }

    #[test]
    fn one_frame_too_many_resets() {
        let outbox = Outbox::default();
        outbox.open();
        for _ in 0..QUEUE_FRAMES_MAX {
            outbox.push(Bytes::new());
        }
        assert!(outbox.overflowed().now_or_never().is_none());
        outbox.push(Bytes::new());
        assert!(outbox.overflowed().now_or_never().is_some());
        assert_eq!(take(&outbox, 1), None, "nothing is sent on a link that is reset");
        outbox.open();
        assert!(outbox.overflowed().now_or_never().is_none());
    }

    #[test]
    fn what_waits_is_sent_before_the_end() {
        let outbox = Outbox::default();
        outbox.open();
        outbox.push(Bytes::from_static(b"last"));
        outbox.end();
        outbox.push(Bytes::from_static(b"late"));
        assert_eq!(take(&outbox, 100).unwrap(), (true, vec![Bytes::from_static(b"last")]));
        assert_eq!(take(&outbox, 100).unwrap(), (false, vec![]));
    }
}
