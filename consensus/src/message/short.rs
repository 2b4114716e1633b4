//! A reply in its short form: it names what it references by places in chains of replies, not by ids.
//!
//! Ids, signatures and what is stored know nothing of it. Who receives one puts the ids back that it knows for those places.
//! If the message that comes of it has the id that was signed, it is that message. If it has another, somebody forked; if a
//! place is empty, something has not come yet. Neither is the sender's fault, and the message is asked for by its id.

use super::known::{DEPTH_MAX, KnownReplies};
use super::{Acceptor, Answer, Body, Message, Packet, Refs, Reply, ReplyKind, Verified};
use crate::ids::{MessageId, NetworkId, Place};
use borsh::{BorshDeserialize, BorshSerialize};
use hpaxos_learner_graph::{ACCEPTORS_MAX, AcceptorId, AcceptorSet};
use std::io::{Error, Read, Result, Write};
use std::sync::Arc;

// ANCHOR: short
/// A reply in its short form, whose signature over its id has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortReply {
    pub(super) content: Content,
    pub(super) id: MessageId,
    pub(super) signature: [u8; 64],
}

/// What stands in a short reply in place of a message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Content {
    pub place: Place,
    pub kind: ReplyKind,
    pub acceptor: Acceptor,
    pub references: References,
}

/// What a reply references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct References {
    /// How many replies its signer made before it in this slot; `prev` is the last of them.
    depth: u8,
    /// Replies beside `prev`, by their depth: whose.
    groups: Vec<(u8, AcceptorSet)>,
    /// What has no such place: a 1a, and replies of who forked.
    others: Refs,
}
// ANCHOR_END: short

impl ShortReply {
    // ANCHOR: shorten
    /// The short form of a reply to somebody who knows the same. None if it has none, or one that is no shorter.
    pub fn of(message: &Arc<Verified<Message>>, known: &KnownReplies) -> Option<Self> {
        let reply = message.reply()?;
        let (slot, signer) = (message.place.slot, reply.acceptor.0);
        let depth = match reply.prev {
            None => 0,
            Some(prev) => 1 + known.chain(slot, signer).iter().position(|one| *one == prev)?,
        };
        let mut others: Vec<MessageId> = reply.refs.to_vec();
        if let Some(prev) = reply.prev {
            others.remove(others.binary_search(&prev).ok()?);
        }
        let mut groups = [AcceptorSet::EMPTY; DEPTH_MAX];
        let mut named = vec![false; others.len()];
        for (signer, chain) in known.chains(slot) {
            for (depth, id) in chain.iter().enumerate() {
                if let Ok(index) = others.binary_search(id) {
                    groups[depth].insert(signer);
                    named[index] = true;
                }
            }
        }
        let others = others.into_iter().zip(named).filter(|(_, named)| !named).map(|(id, _)| id);
        let others = Refs::new(others);
        let groups = (0u8..).zip(groups).filter(|(_, signers)| !signers.is_empty()).collect();
        let references = References { depth: u8::try_from(depth).ok()?, groups, others };
        let (place, kind, acceptor) = (message.place.clone(), reply.kind, reply.acceptor);
        let content = Content { place, kind, acceptor, references };
        let short = ShortReply { content, id: message.id(), signature: *message.signature() };
        let whole = Packet::Message(message.clone(), Refs::default());
        (short.encode().len() < whole.encode().len()).then_some(short)
    }
    // ANCHOR_END: shorten

    // ANCHOR: expand
    /// Puts ids back in.
    ///
    /// # Errors
    /// Whose replies are not known yet.
    pub fn expand(&self, known: &KnownReplies) -> std::result::Result<Message, AcceptorSet> {
        let Content { place, kind, acceptor, references } = &self.content;
        let mut missing = AcceptorSet::EMPTY;
        let mut find = |signer: AcceptorId, depth: u8| {
            let found = known.chain(place.slot, signer).get(usize::from(depth)).copied();
            if found.is_none() {
                missing.insert(signer);
            }
            found
        };
        let prev = references.depth.checked_sub(1).and_then(|depth| find(acceptor.0, depth));
        let mut refs: Vec<MessageId> = references.others.iter().copied().chain(prev).collect();
        for (depth, signers) in &references.groups {
            refs.extend(signers.iter().filter_map(|signer| find(signer, *depth)));
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let reply = Reply { kind: *kind, acceptor: *acceptor, prev, refs: Refs::new(refs) };
        Ok(Message { place: place.clone(), body: Body::Reply(reply) })
    }

    /// What it was expanded to, if that is what was signed.
    pub fn confirm(&self, message: Message, network: &NetworkId) -> Option<Arc<Verified<Message>>> {
        let message = Verified::trusted(message, self.signer(), self.signature, network);
        (message.id() == self.id).then(|| Arc::new(message))
    }
    // ANCHOR_END: expand

    /// What its sender might have said instead, for who cannot expand it: that it holds the message.
    pub fn tips(&self) -> Packet {
        let (place, tips) = (self.place().clone(), Refs::new([self.id]));
        Packet::Tips { place, tips, answer: Answer::Given }
    }

    /// Where it belongs.
    pub fn place(&self) -> &Place {
        &self.content.place
    }

    /// Who signed it.
    pub fn signer(&self) -> AcceptorId {
        self.content.acceptor.0
    }

    /// The id of the message.
    pub fn id(&self) -> MessageId {
        self.id
    }
}

impl BorshSerialize for References {
    fn serialize<W: Write>(&self, to: &mut W) -> Result<()> {
        [self.depth, self.groups.len() as u8].serialize(to)?;
        for (depth, signers) in &self.groups {
            let mut bits = Vec::new();
            for signer in signers.iter().map(AcceptorId::index) {
                bits.resize(signer / 8 + 1, 0);
                bits[signer / 8] |= 1 << (signer % 8);
            }
            [*depth, bits.len() as u8].serialize(to)?;
            to.write_all(&bits)?;
        }
        self.others.serialize(to)
    }
}

impl BorshDeserialize for References {
    fn deserialize_reader<R: Read>(from: &mut R) -> Result<Self> {
        let [depth, count] = <[u8; 2]>::deserialize_reader(from)?;
        if usize::from(depth) > DEPTH_MAX {
            return Err(Error::other(format!("replies before a short one: {depth}")));
        }
        let mut groups: Vec<(u8, AcceptorSet)> = Vec::new();
        for _ in 0..count {
            let depth = u8::deserialize_reader(from)?;
            if usize::from(depth) >= DEPTH_MAX || groups.last().is_some_and(|last| last.0 >= depth)
            {
                return Err(Error::other("depths of references ascend, to less than 32"));
            }
            groups.push((depth, read_signers(from)?));
        }
        let others = Refs::deserialize_reader(from)?;
        let count = groups.iter().map(|(_, signers)| signers.len()).sum::<usize>();
        let count = count + others.len() + usize::from(depth > 0);
        if count > Refs::COUNT_MAX {
            return Err(Error::other(format!("{count} references; at most {}", Refs::COUNT_MAX)));
        }
        Ok(References { depth, groups, others })
    }
}

/// Some acceptors, a bit for each: not none, and no zeros in the end.
fn read_signers<R: Read>(from: &mut R) -> Result<AcceptorSet> {
    let mut bytes = [0; ACCEPTORS_MAX / 8];
    let length = usize::from(u8::deserialize_reader(from)?);
    let bytes = bytes.get_mut(..length).ok_or_else(|| Error::other("no network has so many"))?;
    from.read_exact(bytes)?;
    if bytes.last().is_none_or(|last| *last == 0) {
        return Err(Error::other("references by nobody's bits"));
    }
    let bits = (0..length * 8).filter(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1);
    Ok(bits.map(AcceptorId::new).collect())
}
