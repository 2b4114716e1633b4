//! Traitors: Byzantine validators, made of the product's own network, its engine, and somebody's key.
//!
//! The product has no traitor's code, and its node would not do: it falls silent as soon as it hears of something that its
//! key signed and it did not. A traitor has puppets instead: replicas of the engine without a store, who hear everything
//! but what the traitor itself has signed, and of whom it decides to whom they speak.

mod ears;
mod puppet;
mod spam;

use anyhow::{Context, Result};
use clap::ValueEnum;
use ears::{Blocks, Ears, Heard};
use hpaxos_consensus::NetworkId;
use hpaxos_consensus::message::Keys;
use hpaxos_learner_graph::{AcceptorId, AcceptorSet, LearnerGraph};
use hpaxos_node::files::write_whole;
use hpaxos_node::home::Home;
use hpaxos_node::keys::PublicKey;
use hpaxos_node::network::Network;
use hpaxos_node::node::{logs_of, network_config};
use hpaxos_node::replies::Replies;
use hpaxos_node::store::{LogIndex, Store};
use puppet::Puppet;
use rand::Rng;
use serde_json::json;
use spam::Spam;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What a traitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Behaviour {
    /// Tells half of the others one thing, and the other half another.
    Equivocate,
    /// Speaks to some only, to others from time to time, and seldom hands out what it is asked for.
    Withhold,
    /// Takes part, and floods the others with nonsense that it signs.
    Spam,
}

impl Behaviour {
    /// As it is called.
    pub fn word(self) -> &'static str {
        match self {
            Behaviour::Equivocate => "equivocate",
            Behaviour::Withhold => "withhold",
            Behaviour::Spam => "spam",
        }
    }
}

/// How often a traitor thinks of something.
const WHIM_EVERY: Duration = Duration::from_millis(50);

/// What comes in and waits for the traitor.
const HEARD_MAX: usize = 1_024;

/// Runs a traitor with the home of the node whose key it has, until it is told to stop. Where it listens goes to `addresses`.
///
/// # Errors
/// If the home cannot be used, or is in use.
pub async fn run(home: &Path, behaviour: Behaviour, addresses: &Path) -> Result<()> {
    let home = Home::open(home)?;
    let config = home.config()?;
    let _lock = home.lock()?;
    let key = home.key()?.unlock(None)?;
    let network = home.network(&config)?;
    let owner = PublicKey::of(&key);
    let me = home.me(&config, &network.graph, owner)?;
    let me = me.context("a follower signs nothing: there is nothing to betray")?;

    let trusts = logs_of(&network.graph, Some(me), &config)?;
    let names: Vec<String> = trusts.iter().map(|trust| trust.log().name().to_owned()).collect();
    // Nothing of what it does from now on is stored: it has nothing to fear from contradicting itself.
    let owner = key.verifying_key().to_bytes();
    let store = Arc::new(Store::open(&home.store_path(), network.id, &owner)?);
    let faces = if behaviour == Behaviour::Equivocate { 2 } else { 1 };
    let (heard_sender, mut heard) = mpsc::channel(HEARD_MAX);
    let blocks = Blocks::default();
    let ears = Ears {
        keys: Keys::new(network.id, &network.graph, names.iter().map(String::as_str))?,
        me,
        network: network.id,
        graph: network.graph.clone(),
        names,
        heard: heard_sender,
        blocks: blocks.clone(),
        is_generous: behaviour != Behaviour::Withhold,
        replies: Replies::new(network.id, &trusts),
    };
    let of_network = network_config(&config, &network, Some(me), &key);
    let (handle, listening) = Network::start(of_network, Arc::new(ears)).await?;
    let mut traitor = Traitor {
        me,
        behaviour,
        id: network.id,
        graph: network.graph,
        network: handle,
        key,
        puppets: Vec::new(),
        blocks,
    };
    for face in 0..faces {
        for (index, trust) in trusts.iter().enumerate() {
            let log = (LogIndex(index as u16), trust.clone());
            let puppet = Puppet::recover(&traitor, face, log, &store, &config)?;
            traitor.puppets.push(puppet);
        }
    }
    let listening: Vec<String> = listening.iter().map(ToString::to_string).collect();
    write_whole(addresses, &json!({ "p2p": listening }).to_string())?;

    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut next_whim = Instant::now() + WHIM_EVERY;
    loop {
        let due = traitor.puppets.iter().filter_map(Puppet::next_timer).min();
        let due = due.unwrap_or(next_whim).min(next_whim);
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(heard) = heard.recv() => traitor.hear(&heard),
            () = sleep_until(due) => {
                traitor.let_timers_end();
                if Instant::now() >= next_whim {
                    traitor.whim();
                    next_whim = Instant::now() + WHIM_EVERY;
                }
            }
        }
    }
    traitor.network.stop().await;
    Ok(())
}

/// A Byzantine validator.
struct Traitor {
    me: AcceptorId,
    behaviour: Behaviour,
    id: NetworkId,
    graph: LearnerGraph,
    network: Network,
    key: ed25519_dalek::SigningKey,
    /// For each face one of each log.
    puppets: Vec<Puppet>,
    blocks: Blocks,
}

impl Traitor {
    /// To whom a face speaks.
    fn friends(&self, face: usize, acceptors: &AcceptorSet) -> AcceptorSet {
        let others = acceptors.iter().filter(|one| *one != self.me);
        match self.behaviour {
            Behaviour::Equivocate => {
                let mut others: Vec<AcceptorId> = others.collect();
                let half = others.len().div_ceil(2);
                let other_half = others.split_off(half);
                [others, other_half][face].iter().copied().collect()
            }
            Behaviour::Withhold => others.filter(|_| rand::rng().random_bool(0.6)).collect(),
            Behaviour::Spam => others.collect(),
        }
    }

    fn hear(&mut self, heard: &Heard) {
        self.puppets.iter_mut().for_each(|puppet| puppet.hear(heard));
    }

    fn let_timers_end(&mut self) {
        self.puppets.iter_mut().for_each(Puppet::let_timers_end);
    }

    fn whim(&mut self) {
        if self.behaviour == Behaviour::Withhold && rand::rng().random_bool(0.05) {
            for index in 0..self.puppets.len() {
                let friends = self.friends(0, self.puppets[index].trust().acceptors());
                self.puppets[index].set_friends(friends);
            }
        }
        self.puppets.iter_mut().for_each(Puppet::open_if_it_may);
        if self.behaviour == Behaviour::Spam {
            let (id, me, key) = (self.id, self.me, &self.key);
            let spam = Spam { me, id, key, network: &self.network, graph: &self.graph };
            self.puppets.iter().for_each(|puppet| spam.burst(puppet));
        }
    }
}
