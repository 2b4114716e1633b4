//! An attack on a network, and who watches meanwhile.

use crate::fleet::Fleet;
use crate::load::Target;
use crate::nemesis::Nemesis;
use crate::registers::Registers;
use crate::show::Screen;
use crate::watchdog::Watchdog;
use anyhow::Result;
use hpaxos_node::api::answers::Logs;
use hpaxos_spec::verdict::Judged;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A nemesis that strikes, a watchdog, and clients whose histories are compared afterwards.
pub struct Attack {
    nemesis: Nemesis,
    watchdog: Watchdog,
    registers: Registers,
}

impl Attack {
    /// Begins; what the nemesis does follows from `seed`.
    pub fn start(seed: u64, fleet: &Fleet, target: Arc<Target>) -> Self {
        Attack {
            nemesis: Nemesis::new(seed, fleet),
            watchdog: Watchdog::start(),
            registers: Registers::start(target, u64::from(std::process::id())),
        }
    }

    /// Takes a look: so many bundles are settled.
    pub fn look(&mut self, fleet: &Fleet, seen: &BTreeMap<String, Logs>, settled: u64) {
        let away = self.nemesis.away(fleet, seen);
        self.watchdog.look(fleet, settled, &away, self.nemesis.struck().is_some());
    }

    /// Whether a node that ended by itself had reason to.
    pub fn is_to_blame(&self, node: &str) -> bool {
        self.nemesis.is_to_blame(node)
    }

    /// Mends what is broken, or breaks something.
    ///
    /// # Errors
    /// If it cannot be done.
    pub async fn go_on(
        &mut self,
        fleet: &mut Fleet,
        seen: &BTreeMap<String, Logs>,
        screen: &mut Screen,
    ) -> Result<()> {
        if self.nemesis.struck().is_some() {
            return self.mend(fleet, screen).await;
        }
        let back = self.nemesis.bring_back(fleet).await?;
        let all_well = back.is_empty() && self.nemesis.away(fleet, seen).is_empty();
        for said in back {
            screen.say(said);
        }
        if all_well {
            screen.say(self.nemesis.strike(fleet).await?);
        }
        Ok(())
    }

    /// Mends what is broken.
    ///
    /// # Errors
    /// If a node does not come back.
    pub async fn mend(&mut self, fleet: &mut Fleet, screen: &mut Screen) -> Result<()> {
        if let Some(said) = self.nemesis.mend(fleet).await? {
            screen.say(said);
        }
        for said in self.nemesis.bring_back(fleet).await? {
            screen.say(said);
        }
        Ok(())
    }

    /// What was seen. Waits for the last answers of the clients.
    pub fn finish(self) -> Vec<Judged> {
        let mut judged = Vec::from(self.watchdog.judged());
        judged.push(self.registers.finish());
        judged
    }
}
