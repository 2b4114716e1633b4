//! The replies that this node knows, so that it can send and take others in their short form.
//!
//! What a short reply references may come a little later, from somebody else: then its peer waits, and nobody else. That ends,
//! because what is referenced was signed before, and each peer's frames come in the order in which they were sent. If it does
//! not come at all, the message is asked for.

use crate::store::LogIndex;
use hpaxos_consensus::message::{
    KnownReplies, Message, Opened, Packet, Refs, ShortReply, Verified,
};
use hpaxos_consensus::{NetworkId, Peer, Replica, Trust};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a short reply waits for what it references. It comes by way of another peer, which is slower now and then, but
/// hardly by more than this; and whoever sends replies to some nodes only delays the others by no more.
const PATIENCE: Duration = Duration::from_millis(20);

/// The replies that a node knows.
pub struct Replies {
    network: NetworkId,
    logs: Vec<Log>,
    /// Whom it is worth to wait for: who has a link, and spoke since it was last waited for in vain.
    lively: Mutex<AcceptorSet>,
}

struct Log {
    known: Mutex<KnownReplies>,
    /// Who waits for a reply of each acceptor.
    waiting: Vec<Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replies {
    /// None yet, of logs in their order.
    pub fn new(network: NetworkId, logs: &[Arc<Trust>]) -> Self {
        let logs = logs.iter().map(|trust| {
            let waiting = (0..trust.log().everyone().len()).map(|_| Notify::new());
            Log { known: Mutex::default(), waiting: waiting.collect() }
        });
        Replies { network, logs: logs.collect(), lively: Mutex::new(AcceptorSet::EMPTY) }
    }

    /// Takes note of a message whose signature is right, if it is a reply.
    pub fn note(&self, log: LogIndex, message: &Verified<Message>) {
        let log = self.log(log);
        lock(&log.known).note(message);
        log.waiting[message.signer().index()].notify_waiters();
    }

    /// Takes note of what is in memory from before.
    pub fn recall(&self, log: LogIndex, replica: &Replica) {
        let instances = replica.open_slots().filter_map(|slot| replica.instance(slot));
        for (_, node) in instances.flat_map(|instance| instance.dag().nodes()) {
            self.note(log, &node.message);
        }
    }

    /// The short form of an own reply, if it has one.
    pub fn shorten(&self, log: LogIndex, message: &Arc<Verified<Message>>) -> Option<ShortReply> {
        ShortReply::of(message, &lock(&self.log(log).known))
    }

    /// A packet of a peer, with a reply that came in its short form made whole. If that cannot be done, its sender might as well
    /// have said that it has the reply: then it is asked for.
    pub async fn whole(&self, log: LogIndex, from: Peer, opened: Opened) -> Packet {
        match opened {
            Opened::Whole(packet) => packet,
            Opened::Short(short) => match self.expand(log, from, &short).await {
                Some(message) => Packet::Message(message, Refs::default()),
                None => short.tips(),
            },
        }
    }

    /// The message that a peer sent in its short form; it waits a little for what is missing. None if that does not come, or
    /// if the message references replies that this node does not know, of somebody who forked.
    async fn expand(
        &self,
        log: LogIndex,
        from: Peer,
        short: &ShortReply,
    ) -> Option<Arc<Verified<Message>>> {
        let log = self.log(log);
        let until = Instant::now() + PATIENCE;
        loop {
            let (missing, told) = {
                let known = lock(&log.known);
                match short.expand(&known) {
                    Ok(message) => {
                        drop(known);
                        return short.confirm(message, &self.network);
                    }
                    // Begins to listen before anybody else can take note of anything.
                    Err(missing) => (missing, log.next_of(missing)?.notified()),
                }
            };
            if !self.is_worth_waiting(from, missing) {
                return None;
            }
            if timeout_at(until, told).await.is_err() {
                let mut lively = lock(&self.lively);
                *lively = lively.difference(&missing);
                return None;
            }
        }
    }

    /// What a peer itself has signed before would have come before.
    fn is_worth_waiting(&self, from: Peer, missing: AcceptorSet) -> bool {
        let is_own = |acceptor: AcceptorId| from == Peer::Acceptor(acceptor);
        missing.is_subset(&lock(&self.lively)) && !missing.iter().any(is_own)
    }

    /// A peer has a link, or said something.
    pub fn hear(&self, peer: Peer) {
        if let Peer::Acceptor(acceptor) = peer {
            lock(&self.lively).insert(acceptor);
        }
    }

    /// A peer's link is lost.
    pub fn lose(&self, peer: Peer) {
        if let Peer::Acceptor(acceptor) = peer {
            lock(&self.lively).remove(acceptor);
        }
    }

    fn log(&self, log: LogIndex) -> &Log {
        &self.logs[usize::from(log.0)]
    }
}

impl Log {
    /// Where replies of one of these are told of. None if somebody is no acceptor: then they never come.
    fn next_of(&self, missing: AcceptorSet) -> Option<&Notify> {
        missing.iter().map(|acceptor| self.waiting.get(acceptor.index())).next().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use hpaxos_consensus::message::{
        Acceptor, Body, NoSigner, Packet, Refs, Reply, ReplyKind, Verified,
    };
    use hpaxos_consensus::{
        Config, Effects, Epoch, Event, LogName, MessageId, Place, Slot, Target,
    };
    use hpaxos_learner_graph::file;

    const NETWORK: NetworkId = NetworkId([7; 32]);
    const LOG: LogIndex = LogIndex(0);

    fn trust() -> Arc<Trust> {
        let graph = file::read(include_str!("../../fuzz/graph.toml")).unwrap();
        Arc::new(Trust::new(graph.logs().swap_remove(0)).unwrap())
    }

    type Held = Arc<Verified<Message>>;

    fn reply(signer: usize, prev: Option<MessageId>, refs: &[MessageId]) -> Held {
        let place = Place { epoch: Epoch(0), log: LogName("l00".into()), slot: Slot(0) };
        let signer = AcceptorId::new(signer);
        let (acceptor, refs) = (Acceptor(signer), Refs::new(refs.iter().copied()));
        let kind = if prev.is_some() { ReplyKind::TwoA } else { ReplyKind::OneB };
        let body = Body::Reply(Reply { kind, acceptor, prev, refs });
        Arc::new(Verified::trusted(Message { place, body }, signer, [0; 64], &NETWORK))
    }

    fn peer(acceptor: usize) -> Peer {
        Peer::Acceptor(AcceptorId::new(acceptor))
    }

    /// Votes of acceptors 1 to 3, and a 2a of acceptor 1 above them, as it sends it.
    fn scene() -> (Vec<Held>, Held, ShortReply) {
        let votes: Vec<_> =
            (1..4).map(|signer| reply(signer, None, &[MessageId([1; 32])])).collect();
        let ids: Vec<MessageId> = votes.iter().map(|vote| vote.id()).collect();
        let accept = reply(1, Some(ids[0]), &ids);
        let sender = Replies::new(NETWORK, &[trust()]);
        votes.iter().for_each(|vote| sender.note(LOG, vote));
        let short = sender.shorten(LOG, &accept).expect("it is shorter");
        (votes, accept, short)
    }

    /// A node with links to the acceptors 1 to 3.
    fn replies() -> Replies {
        let replies = Replies::new(NETWORK, &[trust()]);
        (1..4).for_each(|acceptor| replies.hear(peer(acceptor)));
        replies
    }

    #[tokio::test]
    async fn what_comes_late_is_waited_for() {
        let ((votes, accept, short), replies) = (scene(), replies());
        replies.note(LOG, &votes[0]);
        let mut expanded = Box::pin(replies.expand(LOG, peer(1), &short));
        assert!((&mut expanded).now_or_never().is_none());
        replies.note(LOG, &votes[2]);
        assert!((&mut expanded).now_or_never().is_none(), "one is still missing");
        replies.note(LOG, &votes[1]);
        assert_eq!((&mut expanded).now_or_never(), Some(Some(accept)));
    }

    #[tokio::test]
    async fn what_does_not_come_is_waited_for_once() {
        let ((votes, _, short), replies) = (scene(), replies());
        votes[..2].iter().for_each(|vote| replies.note(LOG, vote));
        assert_eq!(replies.expand(LOG, peer(1), &short).await, None);
        // The acceptor that is silent delays nobody a second time.
        assert_eq!(replies.expand(LOG, peer(1), &short).now_or_never(), Some(None));
        replies.hear(peer(3));
        assert!(replies.expand(LOG, peer(1), &short).now_or_never().is_none());
        replies.lose(peer(3));
        assert_eq!(replies.expand(LOG, peer(1), &short).now_or_never(), Some(None));
    }

    #[tokio::test]
    async fn what_cannot_come_is_not_waited_for() {
        let ((votes, _, short), replies) = (scene(), replies());
        let expand = || replies.expand(LOG, peer(1), &short).now_or_never();
        votes[1..].iter().for_each(|vote| replies.note(LOG, vote));
        assert_eq!(expand(), Some(None), "the peer sent its own reply before, or not at all");
        // Somebody else's fork: here the other side of it is known.
        replies.note(LOG, &reply(1, None, &[MessageId([2; 32])]));
        assert_eq!(expand(), Some(None));
    }

    /// Then the engine asks its sender for it, by its id.
    #[test]
    fn who_cannot_expand_a_reply_asks_for_it() {
        let (_, accept, short) = scene();
        let config = Config::new(NETWORK, trust(), Some(AcceptorId::new(0)), Arc::new(NoSigner));
        let (mut replica, mut out) = (Replica::new(config), Effects::default());
        replica.handle(Event::Packet { from: peer(1), packet: short.tips() }, &mut out);
        replica.settle(&mut out);
        let asks = |(to, packet): &(Target, Packet)| match packet {
            Packet::Ask { want, .. } => *to == Target::One(peer(1)) && **want == [accept.id()],
            _ => false,
        };
        assert!(out.send.iter().any(asks), "{:?}", out.send);
    }
}
