//! What is done to the nodes of a running network: killed, paused, cut off, betrayed; and brought back.

use super::{Fleet, State};
use crate::clocks;
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::collections::BTreeSet;

impl Fleet {
    /// Kills a node, as a power cut does.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn kill(&mut self, name: &str) -> Result<()> {
        let place = self.place(name)?;
        let word = self.nodes[place].state.word();
        let process = self.nodes[place].take();
        self.was_cut_short = true;
        process.with_context(|| format!("{name} is {word}"))?.kill().await;
        self.write_network()
    }

    /// Stops a node in its tracks.
    ///
    /// # Errors
    /// If it is not up.
    pub fn pause(&mut self, name: &str) -> Result<()> {
        let place = self.place(name)?;
        let node = &mut self.nodes[place];
        match std::mem::replace(&mut node.state, State::Down) {
            State::Up(process) => {
                let sent = process.signal(Signal::STOP);
                node.state = State::Paused(process);
                sent
            }
            other => {
                let word = other.word();
                node.state = other;
                bail!("{name} is {word}: only a node that is up can be paused")
            }
        }
    }

    /// From now on no file of a node may grow beyond so many bytes, as if its disk were full, until it is restarted.
    ///
    /// # Errors
    /// If it is not up, or the system does not allow it.
    pub fn limit_files(&mut self, name: &str, bytes: u64) -> Result<()> {
        let place = self.place(name)?;
        match &self.nodes[place].state {
            State::Up(process) => process.limit_files(bytes),
            other => bail!("{name} is {}: only a node that is up writes files", other.word()),
        }
    }

    /// Whether clocks of nodes can be made to jump.
    pub fn has_clocks(&self) -> bool {
        self.options.clocks.is_some()
    }

    /// Sets a node's clock so many seconds before or behind the system's.
    ///
    /// # Errors
    /// If there is no such node, or its clock cannot be set.
    pub fn set_clock(&self, name: &str, seconds: i64) -> Result<()> {
        self.place(name)?;
        if !self.has_clocks() {
            bail!("the nodes go by the system's clock");
        }
        clocks::set(&self.prepared.folder.clock_path(name), seconds)
    }

    /// Lets a paused node go on; stops any other, if it runs, and starts it.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self, name: &str) -> Result<()> {
        let place = self.place(name)?;
        let node = &mut self.nodes[place];
        if let State::Paused(_) = &node.state
            && let State::Paused(process) = std::mem::replace(&mut node.state, State::Down)
        {
            let sent = process.signal(Signal::CONT);
            node.state = State::Up(process);
            return sent;
        }
        if let Some(process) = node.take() {
            process.stop().await?;
        }
        self.launch(place, None).await
    }

    /// Makes a node a traitor with its own key.
    ///
    /// # Errors
    /// If it cannot be stopped or started.
    pub async fn betray(&mut self, name: &str, behaviour: &str) -> Result<()> {
        let place = self.place(name)?;
        if self.prepared.graph.acceptor(name).is_none() {
            bail!("{name} only follows: it signs nothing that others heed");
        }
        self.prepared.folder.add_traitor(name)?;
        let node = &mut self.nodes[place];
        node.is_byzantine = true;
        if let Some(process) = node.take() {
            process.stop().await?;
        }
        self.launch(place, Some(behaviour)).await
    }

    /// Cuts the network into groups; no groups heal it.
    ///
    /// # Errors
    /// If a node is not there or in two groups, or there are no links to cut.
    pub fn partition(&self, groups: &[Vec<String>]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for name in groups.iter().flatten() {
            self.place(name)?;
            if !seen.insert(name) {
                bail!("{name} is in two groups");
            }
        }
        let links = self.links.as_ref().context("with --direct there are no links to cut")?;
        links.partition(groups);
        Ok(())
    }
}
