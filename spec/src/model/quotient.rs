//! Which states are one: those that no guard can tell apart, whatever the others do.
//!
//! In the faithful mode all states differ that are not equal. Else a state is told from others by what each acceptor said last,
//! what others may still learn from what it said before, and what Byzantine acceptors signed; see [`Classes`] for what there is to
//! learn of a message.
//!
//! [`Classes`]: super::universe::Classes

use super::knowledge::teaches;
use super::local::Local;
use super::setup::Mode;
use super::universe::{Msg, hash_of};
use super::{Engines, State};
use hpaxos_consensus::Ballot;
use hpaxos_consensus::message::Kind;

/// What matters of messages in a state.
struct Prospect {
    /// No honest acceptor is in a ballot below.
    lowest: Option<Ballot>,
    /// Whether Byzantine acceptors sign nothing more.
    spent: bool,
    /// Messages from which nobody learns anything any more.
    told: Vec<Msg>,
}

impl Engines {
    /// What distinguishes a state, for each way in which acceptors may be exchanged the same: the least of what it is then.
    pub(super) fn key(&self, state: &State) -> u64 {
        let (old, new) = state.lies.split_at(state.lies.len() - usize::from(state.fresh));
        let frame = (state.pattern, state.crashes, state.amnesias);
        if self.setup.mode == Mode::Faithful {
            let honest = state.honest.iter().map(|id| self.locals.get(*id).identity);
            let id = |msg: &Msg| hash_of(&self.universe.said(*msg).message.id());
            return hash_of(&(frame, honest.collect::<Vec<_>>(), sum(state.lies.iter().map(id))));
        }
        let prospect = self.prospect(state);
        let key = |index: usize| {
            let honest = sum(self.honest(state).map(|local| self.share(local, index, &prospect)));
            let lie = |msg: &Msg| {
                let said = self.universe.said(*msg);
                let told = prospect.told.contains(msg);
                if told { said.sayings[index] } else { said.classes[index].last }
            };
            hash_of(&(frame, honest, (sum(old.iter().map(lie)), sum(new.iter().map(lie)))))
        };
        (0..self.universe.permutations().len()).map(key).min().unwrap_or_default()
    }

    fn prospect(&self, state: &State) -> Prospect {
        let lasts: Option<Vec<Msg>> = self.honest(state).map(Local::last).collect();
        let spent = state.lies.len() >= self.setup.lies;
        let lowest = lasts.iter().flatten().map(|last| self.universe.ballot(*last)).min();
        let said = self.honest(state).flat_map(|local| local.chain.iter()).chain(&*state.lies);
        let told = |lasts: &Vec<Msg>| {
            let byzantine = &self.setup.byzantine;
            let teaches = |msg: &&Msg| {
                lasts.iter().any(|last| teaches(&self.universe, byzantine, *last, **msg))
            };
            said.filter(|msg| !teaches(msg)).copied().collect()
        };
        let told = lasts.as_ref().filter(|_| spent).map(told).unwrap_or_default();
        Prospect { lowest, spent, told }
    }

    /// What an acceptor adds to what distinguishes a state: what it said last, and what others may still learn from what it said
    /// before.
    fn share(&self, local: &Local, index: usize, prospect: &Prospect) -> u64 {
        let owner = self.universe.permutations()[index][local.owner.index()];
        let flaw = local.flaw.as_ref().map(|flaw| flaw.0);
        let Some((last, before)) = local.chain.split_last() else { return hash_of(&(owner, flaw)) };
        let class = |msg: &Msg| {
            let said = self.universe.said(*msg);
            let classes = said.classes[index];
            // Before, a lie may rest on it, and count what it counts.
            let old = prospect.spent && Some(said.facts.ballot) < prospect.lowest;
            match said.kind {
                _ if prospect.told.contains(msg) => said.sayings[index],
                Kind::OneB if old => classes.old_vote,
                _ if old => classes.old,
                _ => classes.earlier,
            }
        };
        let mut earlier: Vec<u64> = before.iter().map(class).collect();
        earlier.sort_unstable();
        earlier.dedup();
        hash_of(&(owner, flaw, earlier, self.universe.said(*last).classes[index].last))
    }
}

/// The same in any order.
fn sum(keys: impl Iterator<Item = u64>) -> u64 {
    keys.fold(0, u64::wrapping_add)
}
