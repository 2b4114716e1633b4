//! The model in lock step: what is said in one phase arrives in the next, or never.
//!
//! In the phases of a ballot the acceptors vote, accept and, with four sends, commit, one after the other but for what they hear:
//! all hear what was said in the phase before. Up to a number of messages are lost, each on its way to one acceptor; what
//! Byzantine acceptors sign between phases reaches whom they like. What somebody needs to understand a message comes with it, as
//! ever. That is few enough states for a look at every graph in each test run, and enough for most mistakes of a design.

use super::local::{Happening, Local, LocalId};
use super::universe::Msg;
use super::{Engines, State, Step};
use hpaxos_consensus::Sends;
use std::collections::BTreeMap;

/// Where a state is in lock step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    phase: u8,
    /// Whose turn it is.
    place: u8,
    /// Messages lost so far.
    lost: u8,
    /// How long the chains of honest acceptors were when the phase before began, and when this one did.
    since: Box<[u8]>,
    until: Box<[u8]>,
    /// Byzantine messages that had their chance to arrive.
    heard: u8,
}

impl Clock {
    /// At the beginning, with so many honest acceptors.
    pub fn new(honest: usize) -> Self {
        let none: Box<[u8]> = vec![0; honest].into();
        Clock { phase: 0, place: 0, lost: 0, since: none.clone(), until: none, heard: 0 }
    }

    /// Whether a phase begins.
    pub fn is_between(&self) -> bool {
        self.place == 0
    }

    /// After a turn in which so many messages were lost.
    pub fn next(&self, lost: u8, lengths: impl Iterator<Item = usize>, lies: usize) -> Self {
        let mut next = self.clone();
        next.lost += lost;
        next.place += 1;
        if usize::from(next.place) == self.until.len() {
            next.place = 0;
            next.phase += 1;
            next.since = std::mem::take(&mut next.until);
            next.until = lengths.map(|length| length as u8).collect();
            next.heard = lies as u8;
        }
        next
    }
}

impl Engines {
    /// What whoever's turn it is may hear and say.
    pub(super) fn steps_of_rounds(&self, state: &State, clock: &Clock, steps: &mut Vec<Step>) {
        let setup = self.setup();
        let phases = if setup.trust.sends() == Sends::Three { 2 } else { 3 };
        let (round, phase) = (u64::from(clock.phase / phases), clock.phase % phases);
        // After the last phase what was said in it is heard once more.
        if round > setup.rounds() || round == setup.rounds() && phase > 0 {
            return;
        }
        let place = usize::from(clock.place);
        let from = state.honest[place];
        let mut arriving = self.said_before(state, clock);
        arriving.sort_by_key(|msg| self.universe().said(*msg).below.len());
        if phase == 0 {
            let of_round = |msg: &&Msg| self.universe().ballot(**msg).round.0 == round;
            arriving.extend(self.proposals(state).iter().filter(of_round));
        }
        let lies = &state.lies[usize::from(clock.heard)..];
        let most = usize::from(setup.losses.saturating_sub(clock.lost));
        let mut reached: BTreeMap<(LocalId, u8), Vec<Happening>> = BTreeMap::new();
        for lost in subsets(arriving.len(), most) {
            for missed in subsets(lies.len(), lies.len()) {
                let heard = arriving.iter().enumerate().filter(|(at, _)| lost >> at & 1 == 0);
                let told = lies.iter().enumerate().filter(|(at, _)| missed >> at & 1 == 0);
                // What a proposer waits for comes before its proposal.
                let (proposals, replies): (Vec<Msg>, Vec<Msg>) =
                    heard.map(|(_, msg)| *msg).partition(|msg| self.proposals(state).contains(msg));
                let all = replies.into_iter().chain(told.map(|(_, lie)| *lie)).chain(proposals);
                let (to, events) = self.hears(from, all);
                reached.entry((to, lost.count_ones() as u8)).or_insert(events);
            }
        }
        let step = |((to, lost), events)| Step::Honest { place, events, from, to, lost };
        steps.extend(reached.into_iter().map(step));
    }

    /// What others said in the phase before.
    fn said_before(&self, state: &State, clock: &Clock) -> Vec<Msg> {
        let others = self.honest(state).enumerate();
        let others = others.filter(|(other, _)| *other != usize::from(clock.place));
        let said = others.flat_map(|(other, local): (usize, &Local)| {
            let (since, until) = (clock.since[other], clock.until[other]);
            local.chain[usize::from(since)..usize::from(until)].iter().copied()
        });
        said.collect()
    }

    /// Lets an acceptor hear messages, and answer.
    fn hears(
        &self,
        from: LocalId,
        messages: impl Iterator<Item = Msg>,
    ) -> (LocalId, Vec<Happening>) {
        let (mut at, mut events) = (from, Vec::new());
        let mut happen = |at: &mut LocalId, event: Happening| {
            if let Some(after) = self.locals().after(*at, event) {
                *at = after;
                events.push(event);
            }
        };
        for msg in messages {
            let local = self.locals().get(at);
            let hidden = local.has_caught(self.universe().said(msg).signer);
            if !local.holds(msg) && !hidden {
                happen(&mut at, Happening::Deliver(msg));
            }
        }
        happen(&mut at, Happening::Answer);
        (at, events)
    }
}

/// All sets of at most `most` of `count` things, as bits; the empty one first.
fn subsets(count: usize, most: usize) -> Vec<u64> {
    let mut all = vec![0u64];
    let mut last = all.clone();
    for _ in 0..most.min(count) {
        let longer = |set: &u64| {
            let from = 64 - set.leading_zeros() as usize;
            let set = *set;
            (from..count).map(move |one| set | 1 << one)
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(&last);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_all_there_once() {
        assert_eq!(subsets(3, 3).len(), 8);
        assert_eq!(subsets(6, 2).len(), 1 + 6 + 15);
        let mut all = subsets(6, 3);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1 + 6 + 15 + 20);
    }
}
