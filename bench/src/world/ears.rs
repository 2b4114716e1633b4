//! What a node hears of its peers. A reply that came in its short form waits for what it references, and with it whatever its
//! peer sent after it, as in the product ([`hpaxos_node::replies`]).

use super::Letter;
use hpaxos_consensus::message::{KnownReplies, Message, Packet, Refs, ShortReply, Verified};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long a short reply waits: as in the product.
pub const PATIENCE: Duration = Duration::from_millis(20);

/// A reply on its way in its short form, with what it has to be expanded to.
pub struct Short {
    /// As it travels.
    pub reply: ShortReply,
    /// The message: one for all who understand it, who would hold thousands.
    pub message: Arc<Verified<Message>>,
}

/// A node's links, as it hears them.
pub struct Ears {
    known: KnownReplies,
    /// Whom it is worth to wait for.
    lively: AcceptorSet,
    links: Vec<Link>,
    waits: u64,
}

#[derive(Default)]
struct Link {
    queue: VecDeque<Letter>,
    waiting: Option<Waiting>,
}

/// The wait of the first of a queue.
struct Waiting {
    /// For whose replies.
    missing: AcceptorSet,
    number: u64,
}

/// What comes of something that was heard.
#[derive(Default)]
pub struct Heard {
    /// What the node gets to see, and of whom.
    pub letters: Vec<(usize, Letter)>,
    /// Links that wait from now on, and the numbers of the waits.
    pub waits: Vec<(usize, u64)>,
}

impl Ears {
    /// Those of one of so many nodes.
    pub fn new(nodes: usize) -> Self {
        Ears {
            known: KnownReplies::default(),
            lively: AcceptorSet::first(nodes),
            links: (0..nodes).map(|_| Link::default()).collect(),
            waits: 0,
        }
    }

    /// The replies that the node knows.
    pub fn known(&self) -> &KnownReplies {
        &self.known
    }

    /// The short form of a reply that the node itself sends.
    pub fn shorten(&mut self, message: &Arc<Verified<Message>>) -> Option<Arc<Short>> {
        self.known.note(message);
        let reply = ShortReply::of(message, &self.known)?;
        Some(Arc::new(Short { reply, message: message.clone() }))
    }

    /// Something comes over a link.
    pub fn hear(&mut self, from: usize, letter: Letter) -> Heard {
        self.lively.insert(AcceptorId::new(from));
        self.links[from].queue.push_back(letter);
        let mut heard = Heard::default();
        if self.links[from].waiting.is_none() {
            self.listen(from, &mut heard);
        }
        heard
    }

    /// A wait has lasted long enough. In vain, unless it is over.
    pub fn give_up(&mut self, from: usize, wait: u64) -> Heard {
        let mut heard = Heard::default();
        if let Some(waiting) = self.links[from].waiting.take_if(|waiting| waiting.number == wait) {
            self.lively = self.lively.difference(&waiting.missing);
            self.listen(from, &mut heard);
        }
        heard
    }

    /// Takes what a link has, as far as it need not wait; and what other links have, if they waited for that.
    fn listen(&mut self, from: usize, heard: &mut Heard) {
        let mut ready = vec![(from, None)];
        while let Some((from, mut wait)) = ready.pop() {
            while let Some(letter) = self.links[from].queue.pop_front() {
                let letter = match letter {
                    Letter::Short(short) => match self.expand(from, &short) {
                        Ok(packet) => Letter::Packet(packet),
                        Err(missing) => {
                            let number = wait.unwrap_or_else(|| {
                                self.waits += 1;
                                heard.waits.push((from, self.waits));
                                self.waits
                            });
                            let link = &mut self.links[from];
                            link.waiting = Some(Waiting { missing, number });
                            link.queue.push_front(Letter::Short(short));
                            break;
                        }
                    },
                    other => other,
                };
                wait = None;
                if let Letter::Packet(Packet::Message(message, _)) = &letter {
                    self.known.note(message);
                    let signer = message.signer();
                    for (index, link) in self.links.iter_mut().enumerate() {
                        let over = link.waiting.take_if(|one| one.missing.contains(signer));
                        ready.extend(over.map(|waiting| (index, Some(waiting.number))));
                    }
                }
                heard.letters.push((from, letter));
            }
        }
    }

    /// What the node gets to see of a short reply.
    ///
    /// # Errors
    /// Whose replies have to come first.
    fn expand(&self, from: usize, short: &Short) -> Result<Packet, AcceptorSet> {
        match short.reply.expand(&self.known) {
            Ok(message) if message == **short.message => {
                Ok(Packet::Message(short.message.clone(), Refs::default()))
            }
            Err(missing)
                if missing.is_subset(&self.lively) && !missing.contains(AcceptorId::new(from)) =>
            {
                Err(missing)
            }
            _ => Ok(short.reply.tips()),
        }
    }
}
