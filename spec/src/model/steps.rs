//! Which steps may come next, in the faithful and in the reduced mode.

use super::knowledge::knowledge;
use super::local::{Happening, Local, LocalId};
use super::setup::Mode;
use super::universe::Msg;
use super::{Engines, State, Step};
use std::collections::{BTreeSet, VecDeque};

impl Engines {
    /// What may come to an acceptor next: everything whose references it holds, and what misses only what was hidden by those
    /// that it knows to have forked.
    fn deliverable(&self, state: &State, place: usize, local: &Local) -> Vec<Msg> {
        let mut found: Vec<Msg> = self.proposals[usize::from(state.pattern)].to_vec();
        found.retain(|msg| !local.holds(*msg));
        for (other, id) in state.honest.iter().enumerate() {
            if other == place {
                continue;
            }
            let next = self.locals.get(*id).chain.iter().find(|msg| !local.holds(**msg));
            found.extend(next.filter(|msg| self.may_come(local, **msg)));
        }
        let lies = state.lies.iter().copied().filter(|msg| {
            let known = local.has_caught(self.universe.said(*msg).signer);
            !local.holds(*msg) && !known && self.may_come(local, *msg)
        });
        found.extend(lies);
        found
    }

    fn may_come(&self, local: &Local, msg: Msg) -> bool {
        let said = self.universe.said(msg);
        if said.refs.iter().all(|below| local.holds(*below)) {
            return true;
        }
        let mut missing = said.below.iter().filter(|below| !local.holds(**below) && **below != msg);
        missing.all(|below| local.has_caught(self.universe.said(*below).signer))
    }

    pub(super) fn faithful_steps(&self, state: &State, place: usize, steps: &mut Vec<Step>) {
        let id = state.honest[place];
        let local = self.locals.get(id);
        let deliveries = self.deliverable(state, place, local).into_iter();
        for event in deliveries.map(Happening::Deliver).chain([Happening::Answer]) {
            if let Some(to) = self.locals.after(id, event) {
                steps.push(Step::Honest { place, events: vec![event], from: id, to, lost: 0 });
            }
        }
        let mut fall = |event: Happening, most: u8, so_far: u8| {
            let to = self.locals.after(id, event).filter(|to| so_far < most && *to != id);
            steps.extend(to.map(|to| Step::Honest {
                place,
                events: vec![event],
                from: id,
                to,
                lost: 0,
            }));
        };
        fall(Happening::Restart, self.setup.crashes, state.crashes);
        fall(Happening::Forget, self.setup.amnesias, state.amnesias);
    }

    /// Takes in whatever there may be, silently, as far as it makes a difference, and from each state reached so goes on to a
    /// message.
    pub(super) fn reduced_steps(&self, state: &State, place: usize, steps: &mut Vec<Step>) {
        let from = state.honest[place];
        let proposals = &self.proposals[usize::from(state.pattern)];
        let said = self.locals.get(from).chain.len();
        let answered = self.locals.get(from).answered(&self.universe);
        let mut met = BTreeSet::from([self.knowledge(from)]);
        let mut reached = BTreeSet::new();
        let mut open = VecDeque::from([(from, Vec::new())]);
        // The fewest messages first, so that a state is reached with what it needs and no more.
        while let Some((id, path)) = open.pop_front() {
            let local = self.locals.get(id);
            for msg in self.within_reach(state, place, local) {
                let event = Happening::Deliver(msg);
                let Some(after) = self.locals.after(id, event) else { continue };
                let next = self.locals.get(after);
                // A proposal below it was answered: that step ends there.
                let goes_on = next.chain.len() == said && next.flaw.is_none();
                // What came of it, not what was to come: what lies below it may show that its signer is not to be heard.
                if goes_on && met.insert(self.knowledge(after)) {
                    open.push_back((after, extended(&path, event)));
                }
            }
            let news = |msg: &&Msg| Some(self.universe.ballot(**msg).round) > answered;
            let votes = proposals.iter().filter(news).map(|msg| Happening::Deliver(*msg));
            for event in votes.chain([Happening::Answer]) {
                let Some(after) = self.locals.after(id, event) else { continue };
                let local = self.locals.get(after);
                if local.chain.len() == said && local.flaw.is_none()
                    || self.leaves_fresh(state, local)
                {
                    continue;
                }
                let mut path = extended(&path, event);
                // What was taken in beside the message's past is forgotten, as by a crash.
                let mut to = after;
                if local.flaw.is_none() {
                    path.push(Happening::Restart);
                    to = self.locals.after(after, Happening::Restart).unwrap_or(after);
                }
                if reached.insert(self.locals.get(to).class) {
                    steps.push(Step::Honest { place, events: path, from, to, lost: 0 });
                }
            }
        }
    }

    /// Whether an acceptor's last message leaves out what was signed only because somebody takes it in now.
    fn leaves_fresh(&self, state: &State, local: &Local) -> bool {
        let settled = state.lies.len() - usize::from(state.fresh);
        let past: &[Msg] = local.last().map_or(&[], |last| &self.universe.said(last).below);
        state.lies[settled..].iter().any(|lie| past.binary_search(lie).is_err())
    }

    fn knowledge(&self, id: LocalId) -> u64 {
        knowledge(&self.universe, &self.setup.byzantine, self.locals.get(id))
    }

    /// What others have said and an acceptor does not hold; with what lies below it, it can come at once.
    fn within_reach(&self, state: &State, place: usize, local: &Local) -> Vec<Msg> {
        let others = state.honest.iter().enumerate().filter(|(other, _)| *other != place);
        let said = others.flat_map(|(_, id)| self.locals.get(*id).chain.iter().copied());
        let known = |lie: &Msg| local.has_caught(self.universe.said(*lie).signer);
        let lies = state.lies.iter().copied().filter(|lie| !known(lie));
        let mut found: Vec<Msg> = said.chain(lies).filter(|msg| !local.holds(*msg)).collect();
        found.sort_by_key(|msg| self.universe.said(*msg).below.len());
        found
    }

    pub(super) fn lies_to_tell(&self, state: &State) -> Vec<Msg> {
        if state.lies.len() >= self.setup.lies {
            return Vec::new();
        }
        let honest = self.honest(state).flat_map(|local| local.chain.iter().copied());
        let said: Vec<Msg> = honest.chain(state.lies.iter().copied()).collect();
        let proposals = &self.proposals[usize::from(state.pattern)];
        let mut found = self.forgery.all(&self.universe, &self.setup.byzantine, proposals, &said);
        if self.setup.mode != Mode::Faithful {
            let mut met = BTreeSet::new();
            found.retain(|msg| met.insert(self.universe.said(*msg).classes[0].last));
        }
        found
    }
}

fn extended(path: &[Happening], event: Happening) -> Vec<Happening> {
    path.iter().copied().chain([event]).collect()
}
