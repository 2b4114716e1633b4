//! The end of a run: the storm is over, everything is mended, and by a stated time everything has to be decided, and known.

use super::network::DELAY_MAX;
use super::node::Node;
use super::{Actor, World, faults, safe};
use crate::properties::Property;
use hpaxos_consensus::Slot;
use hpaxos_learner_graph::{AcceptorSet, LearnerId};
use std::time::Duration;

/// A turn does not take longer, however many there were: more are never needed.
const TURN_MAX: Duration = Duration::from_secs(100_000);

/// How long the last words of Byzantine acceptors take at most to be heard, and what they cite to be fetched.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long evidence takes at most, in a quiet network, to reach every safe node.
const EVIDENCE_SPREADS: Duration = Duration::from_secs(10);

/// Turns that are counted: by then they are as long as they get.
const TURNS_MAX: u64 = 40;

/// Things that happen in a run at most.
const STEPS_MAX: u64 = 3_000_000;
/// The same where no learner is live: then Byzantine acceptors can drive the safe ones from round to round for ever.
const STEPS_MAX_DEAD: u64 = 60_000;

impl World {
    /// The storm is over: everything is mended, and it is worked out what must be decided until when.
    pub(super) fn end_storm(&mut self) {
        self.heal();
        self.around.quiet = true;
        self.around.network.calm();
        self.quiet_since = self.around.queue.now();
        let mut down = self.around.scenario.traitors();
        for (acceptor, actor) in &mut self.nodes {
            let Actor::Safe(node) = actor else { continue };
            node.resume(&mut self.around);
            node.start(&mut self.around);
            if node.has_lost() {
                down.insert(*acceptor);
            }
        }
        let log = self.around.setting.trust.log();
        self.live = log.learners().iter().filter(|one| log.is_live(*one, &down)).collect();
        for node in safe(&self.nodes) {
            for slot in (0..self.around.scenario.slots).map(Slot) {
                for learner in &self.live {
                    if node.decided(slot, *learner).is_none() {
                        self.around.missing.insert((node.me(), *learner, slot));
                    }
                }
            }
        }
        self.deadline = Some(self.quiet_since + self.time_allowed(&down));
    }

    /// The stated time: for each window of slots, as many turns of all learners as there are acceptors that may be Byzantine
    /// or caught, twice, and three more; from the highest round that any safe node is in.
    fn time_allowed(&self, down: &AcceptorSet) -> Duration {
        let setting = &self.around.setting;
        let slots = self.around.scenario.slots;
        let rounds = safe(&self.nodes).filter_map(|node| {
            (0..slots).filter_map(|slot| node.round(Slot(slot))).max().map(|round| round.0)
        });
        let learners = setting.trust.learners().len() as u64;
        let first = (rounds.max().unwrap_or(0) / learners).min(TURNS_MAX);
        let turns = 2 * down.len() as u64 + 3;
        let mut turn = Duration::from_millis(550) * learners as u32;
        let mut total = Duration::ZERO;
        for index in 0..first + turns {
            if index >= first {
                total += turn;
            }
            turn = (turn * 3 / 2).min(TURN_MAX);
        }
        let windows = 1 + slots / 8;
        total * windows as u32
            + (DELAY_MAX * 20 + self.around.scenario.open_every * 2) * (slots as u32 + 20)
    }

    /// Ends a run in which everything is decided, or nothing more has to be.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(deadline) = self.deadline else {
            return self.steps > if self.is_hopeless { STEPS_MAX_DEAD } else { STEPS_MAX };
        };
        let now = self.around.queue.now();
        if self.live.is_empty() {
            return now > self.quiet_since + Duration::from_secs(5) || self.steps > STEPS_MAX_DEAD;
        }
        if self.around.missing.is_empty() {
            let (took, allowed) = (now - self.quiet_since, deadline - self.quiet_since);
            if self.settled.is_none() {
                self.hear_last_words();
            }
            let (took, _) = *self.settled.get_or_insert((took, allowed));
            return self.has_evidence_spread(took);
        }
        if now <= deadline && self.steps <= STEPS_MAX {
            return false;
        }
        self.check_liveness();
        true
    }

    /// All is decided. What Byzantine acceptors show now, nobody has anything to cite it in.
    fn hear_last_words(&mut self) {
        for actor in self.nodes.values_mut() {
            if let Actor::Byzantine(traitor) = actor {
                traitor.last_words(&mut self.around);
            }
        }
    }

    /// Whether every safe node that has the slot in its window has evidence against each acceptor whose fork some safe node could
    /// prove when all was decided and the Byzantine ones had had their last words. It need not be the same: of many proposals of
    /// one round a node takes two.
    fn has_evidence_spread(&mut self, took: Duration) -> bool {
        let since = self.quiet_since + took + LAST_WORDS;
        if self.around.queue.now() < since && !self.around.scenario.traitors().is_empty() {
            return false;
        }
        let nodes = &self.nodes;
        let forks = self.forks.get_or_insert_with(|| safe(nodes).flat_map(Node::forks).collect());
        let properties = &self.around.properties;
        let unknown = forks.iter().find_map(|(slot, forker)| {
            let unaware = safe(nodes).find(|node| {
                node.knows_fork(*slot, *forker) == Some(false)
                    && !properties.has_proof(node.me(), *slot, *forker)
            })?;
            Some((*slot, *forker, unaware.describe(*slot)))
        });
        let Some((slot, forker, unaware)) = unknown else { return true };
        let late = self.around.queue.now() > since + EVIDENCE_SPREADS;
        self.around.properties.check(Property::Evidence, !late, || {
            format!("no evidence against {forker:?}, who forked in {slot:?}, has reached {unaware}")
        });
        late
    }

    /// What is missing must be exempt.
    fn check_liveness(&mut self) {
        let uncovered = &self.around.setting.uncovered;
        let properties = &self.around.properties;
        let exempt = |learner: LearnerId, slot: Slot| {
            properties.is_exposed(slot) && uncovered.iter().any(|triple| triple[0] == learner)
        };
        let missing = self.around.missing.iter();
        let late: Vec<_> =
            missing.filter(|(_, learner, slot)| !exempt(*learner, *slot)).copied().collect();
        let Some((_, _, slot)) = late.first() else { return };
        let nodes: Vec<String> = safe(&self.nodes).map(|node| node.describe(*slot)).collect();
        let now = self.around.queue.now();
        let detail = format!(
            "{:?} after the storm, {} decisions are missing, the first {:?}; {}",
            now - self.quiet_since,
            late.len(),
            late[0],
            nodes.join("; ")
        );
        self.around.properties.check(Property::Liveness, false, || detail);
    }

    pub(super) fn at_the_end(&mut self) {
        for node in safe(&self.nodes) {
            node.check_evidence(&mut self.around);
        }
        self.check_rounds();
    }

    /// Where the Byzantine acceptors do not block some learner, at least one round in each turn of all learners takes a safe
    /// acceptor's timer, half of it if the proposer is known to be away.
    fn check_rounds(&mut self) {
        let trust = self.around.setting.trust.clone();
        let mut down = self.around.scenario.traitors();
        down = down.intersection(trust.acceptors());
        let free = trust.learners().iter().any(|learner| !trust.is_blocking(learner, &down));
        if !free || self.around.scenario.faults.has(faults::Fault::Clock) {
            return;
        }
        let now = self.around.queue.now();
        let (mut turns, mut turn) = (0, Duration::from_millis(250));
        let mut least = turn;
        while least <= now {
            turns += 1;
            turn = turn * 3 / 2;
            least += turn;
        }
        let highest = (turns + 1) * trust.learners().len() as u64;
        for node in safe(&self.nodes) {
            let slots = (0..self.around.scenario.slots).map(Slot);
            let round = slots.filter_map(|slot| node.round(slot)).max().unwrap_or_default();
            self.around.properties.check(Property::Rounds, round.0 <= highest, || {
                format!(
                    "{:?} is in round {round} after {now:?}; no more than {highest} can have ended",
                    node.me()
                )
            });
        }
    }
}
