//! Who forked: `caught`, without walking the past.
//!
// ANCHOR: theory
//! A signer's replies form a chain along `prev`; once two share a `prev`, a tree. Two replies of one signer below x have
//! equal `prev` somewhere at or below them iff neither is on the other's chain. So `caught(x)` is what the references
//! have caught, and each signer whose highest replies below two references are on different branches. Only signers that
//! forked somewhere in the DAG can be meant; for these, and no others, the highest reply below each message is kept.
// ANCHOR_END: theory

use super::{Ix, Node};
use crate::rules::{Draft, Mutant, Rules};
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Chains {
    forked: AcceptorSet,
    forks: BTreeMap<AcceptorId, (Ix, Ix)>,
    last: Vec<Option<Ix>>,
    /// Of each signer the first reply without `prev`.
    roots: Vec<Option<Ix>>,
    links: Vec<Link>,
    /// Of a signer that forked: for each message the signer's highest reply below it. Means nothing where
    /// the signer is caught.
    highest: BTreeMap<AcceptorId, Vec<Option<Ix>>>,
}

/// A reply's place in its chain.
#[derive(Clone, Copy, Debug)]
struct Link {
    height: u32,
    /// Some reply far down the chain: jumps make the way down logarithmic (a skew-binary list).
    jump: Ix,
    /// The first reply whose `prev` this is.
    next: Option<Ix>,
}

impl Chains {
    pub fn new(acceptors: usize) -> Self {
        Chains {
            forked: AcceptorSet::EMPTY,
            forks: BTreeMap::new(),
            last: vec![None; acceptors],
            roots: vec![None; acceptors],
            links: Vec::new(),
            highest: BTreeMap::new(),
        }
    }

    pub fn forked(&self) -> &AcceptorSet {
        &self.forked
    }

    pub fn fork(&self, acceptor: AcceptorId) -> Option<(Ix, Ix)> {
        self.forks.get(&acceptor).copied()
    }

    pub fn last(&self, acceptor: AcceptorId) -> Option<Ix> {
        self.last[acceptor.index()]
    }

    // ANCHOR: caught
    /// `caught(x)` for a draft x (TLA+ `Caught`).
    pub fn caught(&self, nodes: &[Node], draft: &Draft, rules: Rules) -> AcceptorSet {
        let refs = draft.refs.iter().map(|ix| &nodes[ix.index()]);
        let mut caught = refs.fold(AcceptorSet::EMPTY, |all, node| all.union(&node.facts.caught));
        if rules.breaks(Mutant::NobodyCaught) {
            return AcceptorSet::EMPTY;
        }
        if rules.breaks(Mutant::CaughtFromReferencesOnly) {
            return caught;
        }
        for (signer, highest) in &self.highest {
            if !caught.contains(*signer) && !self.is_one_chain(nodes, draft, *signer, highest) {
                caught.insert(*signer);
            }
        }
        let signer = draft.signer;
        if !self.extends(draft) && !self.highest.contains_key(&signer) && !caught.contains(signer) {
            let highest = self.highest_of(nodes, signer);
            if !self.is_one_chain(nodes, draft, signer, &highest) {
                caught.insert(signer);
            }
        }
        caught
    }
    // ANCHOR_END: caught

    // ANCHOR: is_one_chain
    /// Whether all replies of `signer` at and below the draft are one chain.
    fn is_one_chain(
        &self,
        nodes: &[Node],
        draft: &Draft,
        signer: AcceptorId,
        highest: &[Option<Ix>],
    ) -> bool {
        let mut top = None;
        for found in draft.refs.iter().filter_map(|ix| highest[ix.index()]) {
            match top {
                Some(other) if self.is_on_chain(nodes, found, other) => {}
                Some(other) if !self.is_on_chain(nodes, other, found) => return false,
                _ => top = Some(found),
            }
        }
        signer != draft.signer || top == draft.prev
    }
    // ANCHOR_END: is_one_chain

    /// Whether the draft follows the only last reply of its signer: then it forks nothing.
    fn extends(&self, draft: &Draft) -> bool {
        !self.forked.contains(draft.signer) && draft.prev == self.last(draft.signer)
    }

    /// Whether `low` is `high`, or on its chain. Both are of one signer.
    fn is_on_chain(&self, nodes: &[Node], low: Ix, high: Ix) -> bool {
        let height = self.links[low.index()].height;
        let mut at = high;
        while self.links[at.index()].height > height {
            let jump = self.links[at.index()].jump;
            at = if self.links[jump.index()].height >= height {
                jump
            } else {
                nodes[at.index()].prev.expect("a reply above another has a previous one")
            };
        }
        at == low
    }

    /// `signer`'s highest reply at or below each message.
    fn highest_of(&self, nodes: &[Node], signer: AcceptorId) -> Vec<Option<Ix>> {
        let mut highest = Vec::with_capacity(nodes.len());
        for index in 0..nodes.len() {
            highest.push(self.highest_below(nodes, &highest, signer, Ix::new(index)));
        }
        highest
    }

    fn highest_below(
        &self,
        nodes: &[Node],
        highest: &[Option<Ix>],
        signer: AcceptorId,
        ix: Ix,
    ) -> Option<Ix> {
        let node = &nodes[ix.index()];
        if node.signer() == signer && node.message.reply().is_some() {
            return Some(ix);
        }
        let below = node.refs.iter().filter_map(|below| highest[below.index()]);
        below.max_by_key(|below| self.links[below.index()].height)
    }

    /// Takes note of the last node.
    pub fn add(&mut self, nodes: &[Node], ix: Ix) {
        let node = &nodes[ix.index()];
        self.links.push(self.link(node, ix));
        if node.message.reply().is_some() {
            let signer = node.signer();
            let first = match node.prev {
                Some(prev) => &mut self.links[prev.index()].next,
                None => &mut self.roots[signer.index()],
            };
            match *first {
                None => *first = Some(ix),
                Some(first) => {
                    if !self.forked.contains(signer) {
                        self.forked.insert(signer);
                        self.forks.insert(signer, (first, ix));
                        // Without the new node, which the loop below adds for everyone.
                        let highest = self.highest_of(&nodes[..ix.index()], signer);
                        self.highest.insert(signer, highest);
                    }
                }
            }
            self.last[signer.index()] = Some(ix);
        }
        let mut columns = std::mem::take(&mut self.highest);
        for (signer, highest) in &mut columns {
            let below = self.highest_below(nodes, highest, *signer, ix);
            highest.push(below);
        }
        self.highest = columns;
    }

    fn link(&self, node: &Node, ix: Ix) -> Link {
        let Some(prev) = node.prev else { return Link { height: 0, jump: ix, next: None } };
        let below = self.links[prev.index()];
        let far = self.links[below.jump.index()];
        let even = below.height - far.height == far.height - self.links[far.jump.index()].height;
        let jump = if even { far.jump } else { prev };
        Link { height: below.height + 1, jump, next: None }
    }
}
