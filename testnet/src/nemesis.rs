//! The nemesis: strikes a running network, one blow after another, and mends each before the next.
//!
//! A node that lost its memory, or had been a traitor, is mended once it signs again, and one that was away once it has caught
//! up. Two that may not sign in the same slots would be more than the graph allows: nobody could ever decide these. So nobody
//! becomes a traitor, and no other store is damaged, while somebody may yet find out that its own is.
//!
//! What it does follows from its seed; when it does so, and what the network is doing then, does not.

use crate::figures::{furthest, keeps_up};
use crate::fleet::{Fleet, State};
use anyhow::{Context, Result};
use hpaxos_learner_graph::AcceptorSet;
use hpaxos_node::api::answers::Logs;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use tokio::process::Command;

/// What a full disk lets a process write, in bytes of one file.
const FULL_BYTES: u64 = 16 << 10;

/// What a traitor does, in turn.
const BETRAYALS: [&str; 3] = ["equivocate", "withhold", "spam"];

/// A blow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blow {
    /// A node is killed, as by a power cut.
    Kill(String),
    /// A node is stopped in its tracks, and all its timers end when it goes on.
    Pause(String),
    /// Some nodes are cut off from the others.
    CutOff(Vec<String>),
    /// A node's disk is full.
    Fill(String),
    /// A node is killed, and a file of its store damaged.
    Damage(String),
    /// A node's clock jumps by so many seconds.
    Jump(String, i64),
    /// The traitor's turn. It is always the same node: it never comes back to be trusted.
    Betray(String, &'static str),
}

impl std::fmt::Display for Blow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Blow::Kill(node) => write!(f, "{node} is killed"),
            Blow::Pause(node) => write!(f, "{node} is paused"),
            Blow::CutOff(nodes) => write!(f, "{} cut off", nodes.join(", ")),
            Blow::Fill(node) => write!(f, "the disk of {node} is full"),
            Blow::Damage(node) => write!(f, "the store of {node} is damaged"),
            Blow::Jump(node, seconds) => write!(f, "the clock of {node} jumps by {seconds:+} s"),
            Blow::Betray(node, behaviour) => write!(f, "{node} is a traitor: {behaviour}"),
        }
    }
}

/// Strikes.
pub struct Nemesis {
    rng: StdRng,
    validators: Vec<String>,
    has_clocks: bool,
    traitor: String,
    betrayals: usize,
    /// Blows still to come before all were struck once more.
    plan: Vec<usize>,
    struck: Option<Blow>,
    /// Whose store is damaged, or may be: it may find out at any time.
    damaged: Vec<String>,
    /// A blow that waits until nobody may be damaged.
    postponed: Option<Blow>,
}

impl Nemesis {
    /// One for a network's validators.
    pub fn new(seed: u64, fleet: &Fleet) -> Self {
        let names = fleet.nodes.iter().map(|node| &node.name);
        let validators = names.filter(|name| fleet.prepared.graph.acceptor(name).is_some());
        let validators: Vec<String> = validators.cloned().collect();
        let mut rng = StdRng::seed_from_u64(seed);
        let traitor = validators.choose(&mut rng).cloned().unwrap_or_default();
        Nemesis {
            rng,
            validators,
            has_clocks: fleet.has_clocks(),
            traitor,
            betrayals: 0,
            plan: Vec::new(),
            struck: None,
            damaged: Vec::new(),
            postponed: None,
        }
    }

    /// The blow that is not mended yet.
    pub fn struck(&self) -> Option<&Blow> {
        self.struck.as_ref()
    }

    /// Whether a node that ended by itself had reason to.
    pub fn is_to_blame(&self, node: &str) -> bool {
        matches!(&self.struck, Some(Blow::Fill(victim)) if victim == node)
            || self.damaged.iter().any(|one| one == node)
    }

    /// Acceptors that are away, Byzantine, may not sign, or still catch up and so cannot vote where the others do, as far as the
    /// nodes said when they were last asked.
    pub fn away(&self, fleet: &Fleet, seen: &BTreeMap<String, Logs>) -> AcceptorSet {
        let cut = match &self.struck {
            Some(Blow::CutOff(nodes)) => &nodes[..],
            _ => &[],
        };
        let furthest = furthest(seen);
        let votes = |name: &str| {
            let logs = seen.get(name).map(|logs| logs.logs.iter());
            logs.is_some_and(|mut logs| {
                logs.all(|(name, log)| log.silent.is_none() && keeps_up(log, &furthest[name]))
            })
        };
        let away = fleet.nodes.iter().filter(|node| {
            let is_up = matches!(node.state, State::Up(_)) && !cut.contains(&node.name);
            !is_up || !votes(&node.name)
        });
        away.filter_map(|node| fleet.prepared.graph.acceptor(&node.name)).collect()
    }

    /// All kinds of blows come equally often, in any order.
    fn draw(&mut self) -> Blow {
        if self.plan.is_empty() {
            self.plan = (0..6 + usize::from(self.has_clocks)).collect();
            self.plan.shuffle(&mut self.rng);
        }
        let honest = self.validators.iter().filter(|name| **name != self.traitor);
        let honest: Vec<String> = honest.cloned().collect();
        let victim = honest.choose(&mut self.rng).unwrap_or(&self.traitor).clone();
        match self.plan.pop() {
            Some(0) => Blow::Kill(victim),
            Some(1) => Blow::Pause(victim),
            Some(2) => {
                let count = self.rng.random_range(1..=self.validators.len().div_ceil(2));
                let mut cut = self.validators.clone();
                cut.shuffle(&mut self.rng);
                cut.truncate(count);
                cut.sort_unstable();
                Blow::CutOff(cut)
            }
            Some(3) => Blow::Fill(victim),
            Some(4) => Blow::Damage(victim),
            Some(6) => {
                // From a second to two weeks, forwards or backwards.
                let length = 2_f64.powf(self.rng.random_range(0.0..20.0)) as i64;
                Blow::Jump(victim, if self.rng.random_bool(0.5) { length } else { -length })
            }
            _ => {
                let behaviour = BETRAYALS[self.betrayals % BETRAYALS.len()];
                self.betrayals += 1;
                Blow::Betray(self.traitor.clone(), behaviour)
            }
        }
    }

    /// Strikes, and says what was done.
    ///
    /// # Errors
    /// If it cannot be done.
    pub async fn strike(&mut self, fleet: &mut Fleet) -> Result<String> {
        let blow = self.postponed.take().unwrap_or_else(|| self.draw());
        if matches!(blow, Blow::Betray(..) | Blow::Damage(_))
            && let Some(node) = self.damaged.first().cloned()
        {
            self.postponed = Some(blow);
            fleet.kill(&node).await?;
            self.reset(&node, fleet).await?;
            return Ok(format!("{node} may be damaged, and is up with a new store"));
        }
        let mut said = blow.to_string();
        match &blow {
            Blow::Kill(node) => fleet.kill(node).await?,
            Blow::Pause(node) => fleet.pause(node)?,
            Blow::CutOff(nodes) => {
                let others = self.validators.iter().filter(|name| !nodes.contains(name));
                fleet.partition(&[nodes.clone(), others.cloned().collect()])?;
            }
            Blow::Fill(node) => fleet.limit_files(node, FULL_BYTES)?,
            Blow::Jump(node, seconds) => fleet.set_clock(node, *seconds)?,
            Blow::Damage(node) => {
                fleet.kill(node).await?;
                let folder = fleet.prepared.folder.home_path(node).join("store");
                self.damaged.push(node.clone());
                said = format!("{said}: {}", self.damage(&folder)?);
            }
            Blow::Betray(node, behaviour) => fleet.betray(node, behaviour).await?,
        }
        self.struck = Some(blow);
        Ok(said)
    }

    /// Cuts off the end of a file of a store, or overwrites a part of it.
    fn damage(&mut self, folder: &Path) -> Result<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let length = entry.metadata()?.len();
            // What it keeps for people to read, and its locks, are not its memory.
            if length > 0 && !name.starts_with("LOG") && !name.starts_with("OPTIONS") {
                files.push((name, length));
            }
        }
        files.sort_unstable();
        let (name, length) = files.choose(&mut self.rng).context("the store has no files")?;
        let file = File::options().read(true).write(true).open(folder.join(name))?;
        let at = self.rng.random_range(0..*length);
        if self.rng.random_bool(0.5) {
            file.set_len(at)?;
            return Ok(format!("{name} ends after {at} of {length} bytes"));
        }
        let mut noise = vec![0; usize::try_from((length - at).min(64))?];
        self.rng.fill(&mut noise[..]);
        file.write_all_at(&noise, at)?;
        Ok(format!("{name} has noise at {at} of {length} bytes"))
    }

    /// Mends the last blow, and says what was done.
    ///
    /// # Errors
    /// If a node does not come back.
    pub async fn mend(&mut self, fleet: &mut Fleet) -> Result<Option<String>> {
        let Some(blow) = self.struck.take() else { return Ok(None) };
        let said = match &blow {
            Blow::CutOff(_) => {
                fleet.partition(&[])?;
                "the partition is over".to_owned()
            }
            Blow::Damage(node) => {
                let came_back = fleet.restart(node).await;
                match came_back {
                    Ok(()) => format!("{node} is up, and saw no damage yet"),
                    Err(_) => self.renew(node, fleet).await?,
                }
            }
            Blow::Kill(node)
            | Blow::Pause(node)
            | Blow::Fill(node)
            | Blow::Jump(node, _)
            | Blow::Betray(node, _) => {
                if let Blow::Jump(..) = blow {
                    fleet.set_clock(node, 0)?;
                }
                match fleet.restart(node).await {
                    Ok(()) => format!("{node} is up"),
                    // It may have been damaged before, without noticing.
                    Err(_) if self.damaged.contains(node) => self.renew(node, fleet).await?,
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(Some(said))
    }

    /// Brings back nodes that found out that their store is damaged, and says what was done.
    ///
    /// # Errors
    /// If one does not come back.
    pub async fn bring_back(&mut self, fleet: &mut Fleet) -> Result<Vec<String>> {
        let failed = fleet.nodes.iter().filter(|node| matches!(node.state, State::Failed(_)));
        let failed: Vec<String> = failed.map(|node| node.name.clone()).collect();
        let mut said = Vec::new();
        for node in failed {
            if self.damaged.contains(&node) {
                said.push(self.renew(&node, fleet).await?);
            }
        }
        Ok(said)
    }

    /// What a person does whose node says that its store is damaged.
    async fn renew(&mut self, node: &str, fleet: &mut Fleet) -> Result<String> {
        self.reset(node, fleet).await?;
        Ok(format!("{node} noticed the damage, and is up with a new store"))
    }

    /// Gives a node that is down a new store, and starts it.
    async fn reset(&mut self, node: &str, fleet: &mut Fleet) -> Result<()> {
        let home = fleet.prepared.folder.home_path(node);
        let mut command = Command::new(fleet.hpaxos());
        command.args(["store", "reset", "--home"]).arg(&home);
        let output = command.output().await.context("cannot start `hpaxos store reset`")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::bail!("`hpaxos store reset` of {node}: {said}");
        }
        self.damaged.retain(|one| one != node);
        fleet.restart(node).await
    }
}
