//! What Byzantine acceptors sign: whatever the transcript says.
//!
//! ```text
//! forge s 1b [prev=LABEL] [refs=LABEL,..] -> NODES
//! forge s 1a round=N value=NAME [hint=LABEL,..] -> NODES
//! forge s announcement round=N [refs=LABEL,..] -> NODES
//! ```
//! `prev` is not put among the references unless it is said to be one of them.

use super::labels::value;
use super::network::Flight;
use super::words::Words;
use super::{NETWORK, Stage};
use hpaxos_consensus::message::{
    Acceptor, Announcement, Body, Message, Packet, Refs, Reply, ReplyKind, Signed, Verified,
};
use hpaxos_consensus::{MessageId, Round};
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The `key=value` words of a command.
struct Options<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Options<'a> {
    fn new(words: Vec<&'a str>) -> Result<Self, String> {
        let pair = |word: &'a str| word.split_once('=').ok_or_else(|| format!("what is {word}?"));
        Ok(Options(words.into_iter().map(pair).collect::<Result<_, _>>()?))
    }

    fn take(&mut self, key: &str) -> Result<&'a str, String> {
        self.0.remove(key).ok_or_else(|| format!("{key}= is missing"))
    }

    fn ids(&mut self, key: &str, stage: &Stage) -> Result<Refs, String> {
        let labels = self.0.remove(key).into_iter().flat_map(|labels| labels.split(','));
        let id = |label| stage.labels.message(label).map(|message| message.id());
        Ok(Refs::new(labels.map(id).collect::<Result<Vec<MessageId>, _>>()?))
    }

    fn round(&mut self) -> Result<Round, String> {
        let round = self.take("round")?;
        round.parse().map(Round).map_err(|_| format!("{round} is not a round"))
    }
}

impl Stage {
    pub(super) fn forge(&mut self, words: &mut Words) -> Result<(), String> {
        let mut list = words.list()?.into_iter();
        let (name, kind) = (list.next().ok_or("who?")?, list.next().ok_or("what?")?);
        let signer = self.labels.acceptor(name)?;
        if !self.byzantine.contains(&signer) {
            return Err(format!("{name} is not Byzantine"));
        }
        let mut options = Options::new(list.collect())?;
        let packet = match kind {
            "announcement" => self.forge_announcement(signer, &mut options)?,
            "1a" => self.forge_proposal(signer, &mut options)?,
            kind => self.forge_reply(signer, kind, &mut options)?,
        };
        if let Some((key, _)) = options.0.first_key_value() {
            return Err(format!("what is {key}?"));
        }
        words.expect("->")?;
        for to in self.nodes(words)? {
            if self.nodes.get(&to).is_some_and(|node| node.replica.is_some()) {
                let packet = packet.clone();
                self.network.send(Flight { from: signer, to, packet, turn: 0 });
            }
        }
        Ok(())
    }

    fn forge_announcement(
        &mut self,
        signer: AcceptorId,
        options: &mut Options,
    ) -> Result<Packet, String> {
        let (round, maximal) = (options.round()?, options.ids("refs", self)?);
        let acceptor = Acceptor(signer);
        let announcement = Announcement { place: self.place(), acceptor, round, maximal };
        Ok(Packet::Announcement(sign(announcement, signer)))
    }

    fn forge_proposal(
        &mut self,
        signer: AcceptorId,
        options: &mut Options,
    ) -> Result<Packet, String> {
        let (round, hint) = (options.round()?, options.ids("hint", self)?);
        if self.config.trust.schedule().proposer(self.slot, round) != signer {
            return Err(format!("round {round} is somebody else's"));
        }
        let value = value(options.take("value")?);
        let body = Body::Proposal { round, value };
        let message = self.sign(body, signer);
        Ok(Packet::Message(message, hint))
    }

    fn forge_reply(
        &mut self,
        signer: AcceptorId,
        kind: &str,
        options: &mut Options,
    ) -> Result<Packet, String> {
        let kind = match kind {
            "1b" => ReplyKind::OneB,
            "2a" => ReplyKind::TwoA,
            "2b" => ReplyKind::TwoB,
            other => return Err(format!("nobody signs a {other}")),
        };
        let prev = options.ids("prev", self)?.first().copied();
        let refs = options.ids("refs", self)?;
        let acceptor = Acceptor(signer);
        let message = self.sign(Body::Reply(Reply { kind, acceptor, prev, refs }), signer);
        Ok(Packet::Message(message, Refs::default()))
    }

    fn sign(&mut self, body: Body, signer: AcceptorId) -> Arc<Verified<Message>> {
        let message = sign(Message { place: self.place(), body }, signer);
        let known = self.labels.holds(&message.id());
        let flaw = self.labels.note(&message).err();
        let name = self.labels.name(signer);
        let told = match flaw {
            _ if known => format!("{name} signs {} again", self.labels.label(&message.id())),
            None => format!("{name} {}", self.labels.describe(&message)),
            Some(flaw) => {
                let (label, refs) =
                    (self.labels.label(&message.id()), self.labels.list(message.refs()));
                format!("{name} signs {label}; above {refs}; ill-formed: {flaw}")
            }
        };
        self.print(told);
        message
    }
}

fn sign<T: Signed>(content: T, signer: AcceptorId) -> Arc<Verified<T>> {
    Arc::new(Verified::trusted(content, signer, [0; 64], &NETWORK))
}
