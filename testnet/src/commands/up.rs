//! `hpaxos-testnet up`

use super::InFolder;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use hpaxos_node::api::answers::Logs;
use hpaxos_node::control;
use hpaxos_spec::verdict::Judged;
use hpaxos_testnet::attack::Attack;
use hpaxos_testnet::clocks::Clocks;
use hpaxos_testnet::control::Request;
use hpaxos_testnet::counters::Counters;
use hpaxos_testnet::figures::{Figures, Meter};
use hpaxos_testnet::fleet::{Fleet, Options, State};
use hpaxos_testnet::folder::Folder;
use hpaxos_testnet::load::{Counts, Load, Target};
use hpaxos_testnet::show::{Screen, line, summary};
use hpaxos_testnet::story::{Story, Told};
use hpaxos_testnet::swap::{PAYLOAD_BYTES_MAX, SIGNATURES_MAX, Swap};
use hpaxos_testnet::topology::Topology;
use hpaxos_testnet::verdict::judge;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

pub const EXAMPLES: &str = "\
Examples:
  hpaxos-testnet up                                   until Ctrl-C
  hpaxos-testnet up --load 100/s --for 60s
  hpaxos-testnet up --topology topology.toml --trace
  hpaxos-testnet up --load 50 --for 30s --json > verdict.json
  hpaxos-testnet up --load 1000 --signatures 4 --payload 10000 --for 10s
  hpaxos-testnet up --load 50/s --for 30m --nemesis 7     under a fault every 5 s

In another terminal, while it runs:
  hpaxos-testnet status
  hpaxos-testnet kill v1
  hpaxos-testnet partition \"v1,v2 | v3,v4,v5,v6,v7,v8\"
  hpaxos-testnet byzantine v5 equivocate

A folder keeps its network: a second `up` goes on with it, and --fresh makes a new one.

Exit code: 0 every property held, 1 one did not, 2 the network could not be run.";

/// How often the nodes are asked how far they are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub struct Arguments {
    /// The topology (TOML); else eight validators, red and blue.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Bundles a second, as in 100 or 100/s; at most 256 are under way at a time.
    #[arg(long, value_name = "N/s", value_parser = rate, default_value = "0")]
    load: f64,
    /// Signatures of each bundle.
    #[arg(long, value_name = "N", requires = "load", default_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=SIGNATURES_MAX))]
    signatures: u64,
    /// Bytes that each bundle stores on a chain.
    #[arg(long, value_name = "BYTES", requires = "load", default_value = "0",
        value_parser = clap::value_parser!(u64).range(0..=PAYLOAD_BYTES_MAX))]
    payload: u64,
    /// Ends by itself after so long, as in 60s or 5m; else it runs until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Lets the nodes trace everything, for `hpaxos-spec replay`.
    #[arg(long)]
    trace: bool,
    /// Answers in JSON at the end; how it goes is told on standard error.
    #[arg(long)]
    json: bool,
    /// Removes the network that is in the folder, and makes a new one.
    #[arg(long)]
    fresh: bool,
    /// Skips the story.
    #[arg(long)]
    no_story: bool,
    /// Connects the nodes without forwarders: a little faster, and nothing can be partitioned.
    #[arg(long)]
    direct: bool,
    /// Strikes the network with faults drawn from this seed, and mends each before the next: kills, pauses, partitions, full
    /// disks, damaged stores, clocks that jump (where libfaketime is installed), and one node that is a traitor now and then.
    /// Needs --load.
    #[arg(long, value_name = "SEED", requires = "load", conflicts_with = "direct")]
    nemesis: Option<u64>,
    /// How often the nemesis strikes.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    strike_every: Duration,
    /// The program `hpaxos`; else the one beside this program.
    #[arg(long, value_name = "FILE")]
    hpaxos: Option<PathBuf>,
    #[command(flatten)]
    folder: InFolder,
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match number.parse::<f64>() {
        Ok(rate) if (0.0..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("it should be a number up to 100000, as in 100 or 100/s".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "it should be like 30s, 5m or 1h".to_owned();
    let (number, seconds) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((number, "s")) => (number, 1),
        Some((number, "m")) => (number, 60),
        Some((number, "h")) => (number, 3_600),
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// A request, and where its answer goes.
type Asked = (Request, oneshot::Sender<Result<String, String>>);

impl Arguments {
    /// Whether every property held.
    pub fn run(self) -> Result<bool> {
        let topology = match &self.topology {
            Some(path) => Topology::read(path)?,
            None => Topology::default_one(),
        };
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let hpaxos = match &self.hpaxos {
            Some(path) => path.clone(),
            None => own.with_file_name("hpaxos"),
        };
        if !hpaxos.is_file() {
            bail!(
                "there is no {}: `cargo build --workspace` builds it, and --hpaxos says where it is",
                hpaxos.display()
            );
        }
        let options = Options {
            hpaxos,
            testnet: own,
            trace: self.trace,
            direct: self.direct,
            full_disks: self.nemesis.is_some(),
            clocks: self.nemesis.and_then(|_| Clocks::find()),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.in_runtime(&topology, options))
    }

    async fn in_runtime(self, topology: &Topology, options: Options) -> Result<bool> {
        let folder = self.folder.open();
        let mut screen = Screen::new(self.json);
        let prepared = folder.clone().prepare(topology, self.fresh)?;
        if self.load > 0.0 && prepared.clients.is_empty() {
            bail!(
                "the topology brings a genesis of its own, so that nobody here has keys to make load with"
            );
        }
        let shown = folder.path().display();
        screen.say(match prepared.old {
            true => format!("Going on with the network in {shown}."),
            false => format!("Made a network in {shown}."),
        });
        let mut fleet = Fleet::new(prepared, topology, options).await?;
        let mut signals = Signals::new()?;
        let started = tokio::select! {
            started = fleet.start(|name| screen.say(format_args!("  {name} listens"))) => Some(started),
            () = signals.wait() => None,
        };
        let result = match started {
            Some(Ok(())) => self.with_fleet(&mut fleet, &folder, &mut screen, &mut signals).await,
            Some(Err(error)) => Err(error),
            None => Err(anyhow!("stopped before everybody was ready")),
        };
        let stopped = fleet.stop().await;
        let _ = std::fs::remove_file(folder.control_path());
        let (end, stopped) = (result?, stopped.err());
        let mut failed = end.failed.clone();
        failed.extend(stopped.map(|error| format!("{error:#}")));
        self.conclude(&fleet, end, &failed)
    }

    async fn with_fleet(
        &self,
        fleet: &mut Fleet,
        folder: &Folder,
        screen: &mut Screen,
        signals: &mut Signals,
    ) -> Result<End> {
        let (ask, mut asked) = mpsc::channel::<Asked>(1);
        let listener = control::listen(&folder.control_path())
            .with_context(|| format!("cannot listen at {}", folder.control_path().display()))?;
        // It answers as long as the process lives: also the request that ends it.
        tokio::spawn(control::serve(listener, move |request: Request| {
            let ask = ask.clone();
            async move {
                let gone = || "the network is going down".to_owned();
                let (answer, answered) = oneshot::channel();
                ask.send((request, answer)).await.map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        }));
        let mut end = End::default();
        let story = match self.no_story {
            true => None,
            false => story(fleet, folder),
        };
        if let Some(play) = story {
            let (tell, mut told) = mpsc::unbounded_channel();
            let mut play = tokio::task::spawn_blocking(move || play(tell));
            let played = loop {
                tokio::select! {
                    Some(text) = told.recv() => screen.say(text),
                    played = &mut play => break Some(played),
                    () = signals.wait() => break None,
                }
            };
            while let Ok(text) = told.try_recv() {
                screen.say(text);
            }
            match played {
                Some(played) => end.story = played?.context("the story went wrong")?,
                None => return Ok(end),
            }
        }
        if self.time.is_none() {
            screen.say("Running until Ctrl-C; `hpaxos-testnet --help` says what can be done to it meanwhile.");
        }
        self.watch(fleet, screen, signals, &mut asked, &mut end).await?;
        Ok(end)
    }

    /// Watches the network until its time is over.
    async fn watch(
        &self,
        fleet: &mut Fleet,
        screen: &mut Screen,
        signals: &mut Signals,
        asked: &mut mpsc::Receiver<Asked>,
        end: &mut End,
    ) -> Result<()> {
        let mut seen = look(fleet).await;
        let meter = Meter::start(fleet, &seen, counted(fleet).await);
        let target = Target::of(fleet).map(Arc::new);
        let load = match &target {
            Some(target) if self.load > 0.0 => {
                let swap = Swap { signatures: self.signatures, payload: self.payload };
                Some(Load::start(target.clone(), swap, self.load, std::process::id().into()))
            }
            _ => None,
        };
        let mut attack = match &target {
            Some(target) => self.nemesis.map(|seed| Attack::start(seed, fleet, target.clone())),
            None => None,
        };
        let over = self.time.map(|time| Instant::now() + time);
        let mut over = pin!(async move {
            match over {
                Some(over) => sleep_until(over).await,
                None => std::future::pending().await,
            }
        });
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Half of the time something is wrong.
        let mut strikes = interval((self.strike_every / 2).max(Duration::from_millis(1)));
        strikes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        strikes.reset();
        loop {
            tokio::select! {
                () = &mut over => break,
                () = signals.wait() => break,
                Some((request, answer)) = asked.recv() => {
                    let down = request == Request::Down;
                    let asks = request == Request::Ready;
                    let done = act(fleet, request).await;
                    match &done {
                        Ok(_) if asks => {}
                        Ok(what) => screen.say(what),
                        Err(error) => screen.say(format_args!("{error:#}")),
                    }
                    let _ = answer.send(done.map_err(|error| format!("{error:#}")));
                    if down {
                        break;
                    }
                }
                _ = looks.tick() => {
                    seen = look(fleet).await;
                    let counts = load.as_ref().map(Load::counts).unwrap_or_default();
                    screen.draw(fleet, &seen, &meter.read(fleet, &seen, &counts));
                    if let Some(attack) = &mut attack {
                        attack.look(fleet, &seen, counts.settled());
                    }
                }
                _ = strikes.tick(), if attack.is_some() => {
                    if let Some(attack) = &mut attack {
                        seen = look(fleet).await;
                        attack.go_on(fleet, &seen, screen).await?;
                    }
                }
            }
            for name in fleet.notice_ends() {
                if attack.as_ref().is_some_and(|attack| attack.is_to_blame(&name)) {
                    screen.say(format_args!("{name} ended, as it should"));
                    continue;
                }
                screen.say(format_args!("{name} ended by itself"));
                let node = fleet.nodes.iter().find(|node| node.name == name);
                if let Some(State::Failed(why)) = node.map(|node| &node.state) {
                    end.failed.push(format!("{name}: {why}"));
                }
            }
            if let Some(target) = &target {
                target.aim(fleet, &seen);
            }
        }
        if let Some(attack) = &mut attack {
            attack.mend(fleet, screen).await?;
            if let Some(target) = &target {
                target.aim(fleet, &look(fleet).await);
            }
        }
        // What is measured ends with the load, not with waiting for its last bundle.
        seen = look(fleet).await;
        let so_far = load.as_ref().map(Load::counts).unwrap_or_default();
        let mut figures = meter.read(fleet, &seen, &so_far);
        meter.count(&mut figures, &counted(fleet).await);
        end.whole = fleet.nodes.iter().all(|node| matches!(node.state, State::Up(_)));
        if let Some(load) = load {
            screen.say("Waiting for what is under way.");
            let given_up = Arc::new(AtomicBool::new(false));
            let finishing = {
                let given_up = given_up.clone();
                tokio::task::spawn_blocking(move || load.finish(&given_up))
            };
            let mut finishing = pin!(finishing);
            end.counts = tokio::select! {
                counts = &mut finishing => counts?,
                () = signals.wait() => {
                    screen.say("It is left open.");
                    given_up.store(true, Ordering::Relaxed);
                    finishing.await?
                }
            };
            let last = meter.read(fleet, &seen, &end.counts);
            (figures.bundles, figures.commit_ms) = (last.bundles, last.commit_ms);
        }
        end.figures = figures;
        if let Some(attack) = attack {
            end.judged = tokio::task::spawn_blocking(move || attack.finish()).await?;
        }
        Ok(())
    }

    fn conclude(&self, fleet: &Fleet, end: End, failed: &[String]) -> Result<bool> {
        let mut judged = judge(fleet, failed, end.whole, &end.counts)?;
        judged.extend(end.judged);
        let pass = judged.iter().all(|one| one.holds);
        if self.json {
            let answer = json!({
                "verdict": if pass { "pass" } else { "fail" },
                "properties": judged,
                "story": end.story,
                "figures": end.figures,
            });
            line(serde_json::to_string_pretty(&answer)?);
            return Ok(pass);
        }
        line(summary(&end.figures));
        if let Some(why) = &end.counts.last_refusal {
            line(format_args!("  the last refusal: {why}"));
        }
        for Judged { name, holds, detail } in &judged {
            let holds = if *holds { "holds" } else { "VIOLATED" };
            line(format_args!("  {name:<12} {holds:<9} {detail}"));
        }
        line(if pass { "Verdict: pass." } else { "Verdict: FAIL." });
        Ok(pass)
    }
}

/// What there is to tell at the end.
#[derive(Default)]
struct End {
    story: Vec<Told>,
    figures: Figures,
    counts: Counts,
    failed: Vec<String>,
    whole: bool,
    /// What was watched while it ran.
    judged: Vec<Judged>,
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Asks all nodes that are up how far they are.
async fn look(fleet: &Fleet) -> BTreeMap<String, Logs> {
    let asked = fleet
        .clients()
        .into_iter()
        .map(|(name, client)| (name, tokio::task::spawn_blocking(move || client.logs())));
    let asked: Vec<_> = asked.collect();
    let mut seen = BTreeMap::new();
    for (name, answer) in asked {
        if let Ok(Ok(Ok(logs))) = timeout(LOOK_EVERY, answer).await {
            seen.insert(name, logs);
        }
    }
    seen
}

/// Asks all nodes that are up what they counted.
async fn counted(fleet: &Fleet) -> Counters {
    let addresses = fleet.metrics();
    let asked = tokio::task::spawn_blocking(move || Counters::ask(&addresses));
    asked.await.expect("asking does not panic")
}

type Play = Box<dyn FnOnce(mpsc::UnboundedSender<String>) -> Result<Vec<Told>> + Send>;

/// The story, where there is a log of two chains and somebody to pay.
fn story(fleet: &Fleet, folder: &Folder) -> Option<Play> {
    let (log, chains) = fleet.shared_log()?;
    let keys = fleet.prepared.clients.clone();
    let (_, client) = fleet.runners(&log).into_iter().next()?;
    let [hotel, trains, ..] = &chains[..] else { return None };
    if keys.is_empty() {
        return None;
    }
    let (trains, hotel) = (trains.clone(), hotel.clone());
    let (network, folder) = (fleet.prepared.network, folder.clone());
    Some(Box::new(move |tell| {
        let tell = |text| drop(tell.send(text));
        let keys = &keys;
        let story =
            Story { network, folder: &folder, log, trains, hotel, keys, client, tell: &tell };
        story.play()
    }))
}

/// Does what the network is told, and says what was done.
async fn act(fleet: &mut Fleet, request: Request) -> Result<String> {
    Ok(match request {
        Request::Ready => "ready".to_owned(),
        Request::Kill(node) => {
            fleet.kill(&node).await?;
            format!("{node} is killed")
        }
        Request::Pause(node) => {
            fleet.pause(&node)?;
            format!("{node} is paused")
        }
        Request::Restart(node) => {
            fleet.restart(&node).await?;
            format!("{node} is up")
        }
        Request::Partition(groups) => {
            fleet.partition(&groups)?;
            match groups.len() {
                0 => "the partition is over".to_owned(),
                count => format!("the network is cut into {count} groups"),
            }
        }
        Request::Byzantine(node, behaviour) => {
            fleet.betray(&node, &behaviour).await?;
            format!("{node} is a traitor now: {behaviour}")
        }
        Request::Down => "stopping".to_owned(),
    })
}
