//! Which messages somebody else's message needs. The rest of a signer's is bounded; what is needed never is, because a
//! bound there could silence honest acceptors.

use super::{Ix, Node};
use hpaxos_learner_graph::AcceptorId;

#[derive(Clone, Debug)]
pub(super) struct Needed {
    needed: Vec<bool>,
    unneeded: Vec<usize>,
}

impl Needed {
    pub fn new(acceptors: usize) -> Self {
        Needed { needed: Vec::new(), unneeded: vec![0; acceptors] }
    }

    pub fn unneeded(&self, acceptor: AcceptorId) -> usize {
        self.unneeded[acceptor.index()]
    }

    // ANCHOR: add
    /// Takes note of the last node. Each node is marked once, so this costs no more than the references there are.
    pub fn add(&mut self, nodes: &[Node], ix: Ix) {
        let node = &nodes[ix.index()];
        self.needed.push(false);
        self.unneeded[node.signer().index()] += 1;
        let foreign = |below: &&Ix| nodes[below.index()].signer() != node.signer();
        let mut open: Vec<Ix> = node.refs.iter().filter(foreign).copied().collect();
        while let Some(below) = open.pop() {
            if !std::mem::replace(&mut self.needed[below.index()], true) {
                self.unneeded[nodes[below.index()].signer().index()] -= 1;
                open.extend(nodes[below.index()].refs.iter().copied());
            }
        }
    }
    // ANCHOR_END: add
}
