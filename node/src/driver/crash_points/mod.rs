//! A slot of several rounds, and a node that crashes at every point of it, with its real store.
//!
//! Nothing in the product is made to fail. A store has one write for each turn, so every way of crashing is a state of its
//! files around one of these, which are copied there: as it was before, as it is after, as it was synced last, and with the log
//! of the database cut off or zeroed somewhere between. From each the node is started again, among others that go on from
//! where they were; it crashes a second time, and is started once more. What it ever let out must be on the disk each time,
//! and all of it must end as if nothing had happened.

mod disk;
mod world;

use crate::guard::Mark;
use disk::{Point, Subject, Write, copy, points};
use hpaxos_consensus::message::Kind;
use hpaxos_consensus::{Effects, Round};
use std::fs;
use std::path::{Path, PathBuf};
use world::{DECIDING, Fate, NODES, World, round};

/// Whether all points are tried, of all nodes.
const ALL: &str = "HPAXOS_CRASH_POINTS";

/// A write of the subject, and what was around it.
struct Moment {
    world: World,
    round: Round,
    /// What it was about to send and to tell.
    effects: Effects,
    write: Write,
}

fn visible(effects: &Effects) -> Effects {
    let (send, decided) = (effects.send.clone(), effects.decided.clone());
    Effects { send, decided, ..Effects::default() }
}

/// Where the files of one node are.
struct Files<'a> {
    folder: &'a Path,
    guard: PathBuf,
}

impl Files<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn mark(&self) -> Vec<u8> {
        fs::read(Mark::path(&self.guard)).unwrap()
    }
}

/// The writes of a node that does not crash.
fn moments(node: usize, files: &Files<'_>) -> Vec<Moment> {
    let store = files.path("store");
    let mut subject = Subject::start(node, &store, &files.guard);
    let mut world = World::new(node);
    let mut moments: Vec<Moment> = Vec::new();
    let began = files.path("began");
    copy(&store, &began);
    let (mut mark, mut syncs) = (files.mark(), subject.store.syncs());
    let (mut before, mut synced) = (began.clone(), began);
    world.run(&mut subject, |world, subject, free| {
        let after = files.path(&format!("after-{}", moments.len()));
        copy(&store, &after);
        if subject.store.syncs() > syncs {
            syncs = subject.store.syncs();
            synced = after.clone();
        }
        let before = std::mem::replace(&mut before, after.clone());
        let marks = [std::mem::replace(&mut mark, files.mark()), files.mark()];
        let write = Write { marks, before, after, synced: synced.clone() };
        let (round, effects) = (round(&subject.driver.replica), visible(free));
        moments.push(Moment { world: world.clone(), round, effects, write });
        Fate::Lives
    });
    let what = format!("node {node} without a crash");
    world.check(&what);
    subject.justifies(&world, &what);
    assert!(world.rounds.iter().all(|round| *round >= DECIDING), "{:?}", world.rounds);
    let votes = world.said.values().filter(|message| message.kind() == Kind::OneB).count();
    assert!(votes > 2 && moments.len() > 5, "{votes} votes, {} writes", moments.len());
    let let_go = |moment: &Moment| moment.write.synced != moment.write.after;
    assert!(moments.last().is_some_and(let_go), "that a slot is done with is not synced");
    let tells = |moment: &&Moment| !moment.effects.decided.is_empty();
    assert!(!moments.iter().filter(tells).any(let_go), "what is told of decisions is");
    moments
}

/// Starts the node again after a crash, and lets it live until it has written so often, or to the end. Whether that was it.
fn live(
    world: &mut World,
    files: &Files<'_>,
    (folder, copied): (&str, &str),
    writes: usize,
    what: &str,
) -> bool {
    let folder = files.path(folder);
    world.crash();
    let mut subject = Subject::start(world.subject, &folder, &files.guard);
    // The executor reads what was decided: all that was shown is there, and perhaps more.
    let stored = subject.justifies(world, what);
    let stored = stored.into_iter().map(|(learner, value)| ((world.subject, learner), value));
    world.decided.extend(stored);
    let mut left = writes;
    let lives = world.run(&mut subject, |_, _, _| {
        left -= 1;
        if left > 0 {
            return Fate::Lives;
        }
        copy(&folder, &files.path(copied));
        Fate::Crashes(500)
    });
    if lives {
        world.check(what);
        subject.justifies(world, what);
    }
    drop(subject);
    fs::remove_dir_all(&folder).unwrap();
    lives
}

/// Lets a node crash at all points of a slot. How many there are.
fn crash_everywhere(node: usize, one_in: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { folder: folder.path(), guard: folder.path().join("guard") };
    let mut crashes = 0;
    for (number, moment) in moments(node, &files).iter().enumerate() {
        for (place, point) in points(number).into_iter().enumerate() {
            if (number + place) % one_in != 0 {
                continue;
            }
            let what = format!("node {node} crashes at write {number}, {point:?}");
            let mut world = moment.world.clone();
            if let Point::PowerCut(part) = point {
                world.release((node, moment.round), visible(&moment.effects), part);
            }
            moment.write.leave(point, &files.path("second"), &files.guard);
            crashes += 1;
            if !live(&mut world, &files, ("second", "third"), 1 + (number + place) % 5, &what) {
                crashes += 1;
                let what = format!("{what}, and once more");
                live(&mut world, &files, ("third", ""), usize::MAX, &what);
            }
        }
    }
    crashes
}

#[test]
fn whoever_crashes_at_any_point_contradicts_and_forgets_nothing() {
    let one_in = if std::env::var_os(ALL).is_some() { 1 } else { 4 };
    // They mostly wait for the disk.
    let crashes: usize = std::thread::scope(|scope| {
        let nodes = [0; NODES].iter().enumerate();
        let nodes: Vec<_> =
            nodes.map(|(node, _)| scope.spawn(move || crash_everywhere(node, one_in))).collect();
        nodes.into_iter().map(|node| node.join().unwrap()).sum()
    });
    println!("{crashes} crashes");
    assert!(crashes > 150);
}
