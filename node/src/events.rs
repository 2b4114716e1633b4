//! What happens, for those who listen: the stream of the API, and requests that wait for a bundle.

use serde::Serialize;
use tokio::sync::broadcast;

/// Events that a listener may lag behind; beyond, it misses some and is told so.
const LAG_MAX: usize = 1_024;

/// Something happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A learner decided.
    Decided {
        /// The log.
        log: String,
        /// The slot.
        slot: u64,
        /// Who.
        learner: String,
        /// The hash of the block.
        block: String,
    },
    /// A learner's view executed a slot.
    Executed {
        /// The log.
        log: String,
        /// The slot.
        slot: u64,
        /// Whose.
        learner: String,
    },
    /// A quorum of a learner attests what it executed, up to a slot.
    Certified {
        /// The log.
        log: String,
        /// The slot.
        slot: u64,
        /// Whose.
        learner: String,
    },
    /// A quorum of a learner attests another outcome than this node's: its view of the learner stopped.
    #[serde(rename = "root-mismatch")]
    RootMismatch {
        /// The log.
        log: String,
        /// The slot.
        slot: u64,
        /// Whose.
        learner: String,
    },
    /// A learner decided another block than the others of its log, or its quorum attests so.
    Diverged {
        /// The log.
        log: String,
        /// The slot.
        slot: u64,
        /// Who.
        learner: String,
    },
    /// There is proof that an acceptor signed two conflicting messages.
    Caught {
        /// The log.
        log: String,
        /// The slot.
        slot: u64,
        /// Who.
        acceptor: String,
    },
    /// The link to a peer is up.
    Up {
        /// Whose.
        peer: String,
    },
    /// It is down.
    Down {
        /// Whose.
        peer: String,
    },
}

/// Tells listeners.
#[derive(Clone)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Events(broadcast::channel(LAG_MAX).0)
    }
}

impl Events {
    /// Tells of something; nobody has to listen.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
