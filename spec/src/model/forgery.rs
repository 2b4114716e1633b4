//! What Byzantine acceptors may sign: everything that is well-formed.
//!
//! Past and `prev` are free. References that lie below another reference, `prev` apart, change nothing and are left out.

use super::universe::{Forged, Msg, Universe};
use hpaxos_consensus::Sends;
use hpaxos_consensus::message::ReplyKind;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet};
use std::collections::{BTreeMap, HashMap};
use std::sync::RwLock;

/// Remembers which drafts are well-formed.
#[derive(Default)]
pub struct Forgery {
    known: RwLock<HashMap<Forged, Option<Msg>>>,
}

impl Forgery {
    /// All well-formed messages of `byzantine` acceptors above what was said, without those that were said.
    pub fn all(
        &self,
        universe: &Universe,
        byzantine: &AcceptorSet,
        proposals: &[Msg],
        said: &[Msg],
    ) -> Vec<Msg> {
        let mut of: BTreeMap<AcceptorId, Vec<Msg>> = BTreeMap::new();
        for msg in said {
            of.entry(universe.said(*msg).signer).or_default().push(*msg);
        }
        let mut cuts = vec![Vec::new()];
        for (signer, messages) in &of {
            let most = if byzantine.contains(*signer) { 2 } else { 1 };
            cuts = extended(universe, &cuts, messages, most);
        }
        let mut found = Vec::new();
        for signer in byzantine.iter() {
            let own = of.get(&signer).into_iter().flatten().copied().map(Some);
            for prev in std::iter::once(None).chain(own) {
                for cut in &cuts {
                    self.above(universe, signer, prev, cut, proposals, &mut found);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|msg| !said.contains(msg));
        found
    }

    fn above(
        &self,
        universe: &Universe,
        signer: AcceptorId,
        prev: Option<Msg>,
        cut: &[Msg],
        proposals: &[Msg],
        found: &mut Vec<Msg>,
    ) {
        let below = |low: Msg, high: Msg| universe.said(high).below.binary_search(&low).is_ok();
        // `prev` is a reference anyhow, and what lies below it says nothing more.
        if cut.iter().any(|one| prev.is_some_and(|prev| below(*one, prev))) {
            return;
        }
        let mut refs: Vec<Msg> = cut.iter().copied().chain(prev).collect();
        refs.sort_unstable();
        refs.dedup();
        for proposal in proposals {
            let mut refs = refs.clone();
            refs.push(*proposal);
            refs.sort_unstable();
            found.extend(self.try_one(universe, ReplyKind::OneB, signer, prev, refs));
        }
        if refs.is_empty() {
            return;
        }
        found.extend(self.try_one(universe, ReplyKind::TwoA, signer, prev, refs.clone()));
        if universe.trust().sends() == Sends::Four {
            found.extend(self.try_one(universe, ReplyKind::TwoB, signer, prev, refs));
        }
    }

    fn try_one(
        &self,
        universe: &Universe,
        kind: ReplyKind,
        signer: AcceptorId,
        prev: Option<Msg>,
        refs: Vec<Msg>,
    ) -> Option<Msg> {
        let forged = Forged { kind, signer, prev, refs: refs.into() };
        if let Some(known) = self.known.read().expect("no thread panics with the lock").get(&forged)
        {
            return *known;
        }
        let made = universe.forge(&forged);
        self.known.write().expect("as above").insert(forged, made);
        made
    }
}

/// The cuts, each with none, one, or up to `most` of a signer's messages, of which none lies below another or below what
/// the cut has, nor above.
fn extended(
    universe: &Universe,
    cuts: &[Vec<Msg>],
    messages: &[Msg],
    most: usize,
) -> Vec<Vec<Msg>> {
    let apart = |one: Msg, other: Msg| {
        universe.said(one).below.binary_search(&other).is_err()
            && universe.said(other).below.binary_search(&one).is_err()
    };
    let mut all = Vec::new();
    for cut in cuts {
        let mut longer = vec![cut.clone()];
        let mut open = vec![(cut.clone(), 0, 0)];
        while let Some((cut, from, count)) = open.pop() {
            for (index, msg) in messages.iter().enumerate().skip(from) {
                if cut.iter().all(|one| apart(*one, *msg)) {
                    let mut next = cut.clone();
                    next.push(*msg);
                    longer.push(next.clone());
                    if count + 1 < most {
                        open.push((next, index + 1, count + 1));
                    }
                }
            }
        }
        all.append(&mut longer);
    }
    all
}
