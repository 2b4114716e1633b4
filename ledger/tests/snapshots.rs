//! States in pieces: what comes out is what went in, and no piece but the right one is taken.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use hpaxos_ledger::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A view, its rules, and its last slot.
struct World {
    state: MemoryState,
    rules: LogRules,
    slot: u64,
}

impl World {
    fn new() -> Self {
        let genesis = genesis("");
        let rules = rules(&genesis);
        let mut state = MemoryState::default();
        state.apply(initial(&genesis, &rules));
        World { state, rules, slot: 0 }
    }

    fn run(&mut self, bundles: Vec<Bundle>) -> Results {
        let block = Block { bundles };
        let hash = value(NETWORK, &block.to_bytes());
        let (delta, results) = execute(&self.state, &self.rules, self.slot, &block, hash);
        self.state.apply(delta);
        self.slot += 1;
        results
    }

    /// An object of each number is made, changed or, every third time, deleted.
    fn touch(&mut self, numbers: &[u16]) -> Vec<BundleId> {
        let bundles: Vec<Bundle> = numbers
            .iter()
            .enumerate()
            .map(|(index, number)| {
                let object = format!("{LOG}:{number}");
                let there = View::latest(&self.state).unwrap().object("red", &object);
                let operation = match there {
                    None => Operation::Create {
                        key: object,
                        value: vec![*number as u8; usize::from(*number % 40)],
                        owner: key(0),
                    },
                    Some(there) if there.version % 3 == 0 => {
                        Operation::Delete { key: object, if_version: None }
                    }
                    Some(there) => Operation::Update {
                        key: object,
                        value: vec![there.version as u8; 30],
                        if_version: None,
                    },
                };
                let salt = self.slot << 16 | index as u64;
                unsigned(
                    salt,
                    self.slot + 9,
                    &[0],
                    vec![part("red", vec![operation, pay(0, 1, 1)])],
                )
            })
            .collect();
        let ids = bundles.iter().map(|bundle| bundle.id(NETWORK)).collect();
        self.run(bundles);
        ids
    }

    /// What is offered after the last slot; nobody has signed it.
    fn offer(&self) -> Offer {
        let slot = self.slot - 1;
        let last = Summary::read(&self.state, self.slot).unwrap();
        let certificate = Certificate {
            epoch: EPOCH,
            log: LOG.into(),
            slot,
            learner: "red".into(),
            history: last.history,
            results_root: last.results_root,
            state_root: last.state_root,
            signatures: Vec::new(),
        };
        Offer::new(&self.state, slot, vec![certificate]).unwrap()
    }

    fn pieces(&self, most: usize) -> BTreeMap<Prefix, Piece> {
        let mut restoring = Restoring::new(self.offer());
        let mut pieces = BTreeMap::new();
        while let Some(prefix) = restoring.wanted() {
            let piece = Piece::of(&View::latest(&self.state).unwrap(), &prefix, most).unwrap();
            let piece = Piece::from_bytes(&piece.to_bytes()).unwrap();
            restoring.take(&prefix, piece.clone()).unwrap();
            pieces.insert(prefix, piece);
        }
        assert!(restoring.is_complete());
        pieces
    }
}

/// A view that begins with these pieces.
fn restored(world: &World, pieces: &BTreeMap<Prefix, Piece>) -> World {
    let mut restoring = Restoring::new(world.offer());
    let mut state = MemoryState::default();
    while let Some(prefix) = restoring.wanted() {
        assert!(restoring.done() < 1.0);
        let rows = state.rows().len();
        let delta = restoring.take(&prefix, pieces[&prefix].clone()).unwrap();
        let more = delta.len();
        state.apply(delta);
        assert_eq!(state.rows().len(), rows + more, "no piece writes what another has written");
    }
    assert!((restoring.done() - 1.0).abs() < 1e-9, "{}", restoring.done());
    state.apply(restoring.finish());
    World { state, rules: world.rules.clone(), slot: world.slot }
}

fn touched() -> impl Strategy<Value = Vec<Vec<u16>>> {
    prop::collection::vec(prop::collection::vec(0..300u16, 0..60), 1..6)
}

proptest! {
    #![proptest_config(random(48))]

    /// Whoever begins with a snapshot goes on as the others do.
    #[test]
    fn a_restored_state_is_the_same_and_goes_on_the_same(
        touched in touched(), later in touched(), most in 1..4_000usize, prunes in any::<bool>(),
    ) {
        let mut world = World::new();
        let ids: Vec<BundleId> = touched.iter().flat_map(|numbers| world.touch(numbers)).collect();
        if prunes {
            while let delta @ Delta { .. } = prune(&world.state, world.slot, 50) && !delta.is_empty() {
                world.state.apply(delta);
            }
        }
        let mut other = restored(&world, &world.pieces(most));
        prop_assert_eq!(height(&other.state), Some(world.slot));
        prop_assert_eq!(begins(&other.state), world.slot);
        let roots = |world: &World| {
            let view = View::latest(&world.state).unwrap();
            (view.summary().state_root, view.summary().history)
        };
        prop_assert_eq!(roots(&other), roots(&world));
        let (one, two) = (View::latest(&world.state).unwrap(), View::latest(&other.state).unwrap());
        for client in 0..4 {
            prop_assert_eq!(two.balances("red", key(client), 9), one.balances("red", key(client), 9));
        }
        for id in &ids {
            prop_assert_eq!(used(&other.state, id).is_some(), used(&world.state, id).is_some());
        }
        // It can be handed on, in other pieces, once something was executed on it.
        prop_assert_eq!(other.touch(&[7]), world.touch(&[7]));
        let third = restored(&other, &other.pieces(most * 3));
        prop_assert_eq!(roots(&third), roots(&world));
        let mut third = third;
        for numbers in &later {
            let (a, b, c) = (world.touch(numbers), other.touch(numbers), third.touch(numbers));
            prop_assert_eq!(&a, &b);
            prop_assert_eq!(&a, &c);
            prop_assert_eq!(roots(&other), roots(&world));
            prop_assert_eq!(roots(&third), roots(&world));
        }
    }

    /// A piece that is not the right one is named, and changes nothing.
    #[test]
    fn a_wrong_piece_is_refused_and_named(
        numbers in prop::collection::vec(any::<u16>(), 20..200), most in 1..2_000usize,
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), damage in 0..8u8,
    ) {
        let mut world = World::new();
        world.touch(&numbers);
        let pieces = world.pieces(most);
        let prefixes: Vec<&Prefix> = pieces.keys().collect();
        let wrong = prefixes[which.index(prefixes.len())];
        let mut piece = pieces[wrong].clone();
        match (&mut piece, damage) {
            (Piece::Leaves(leaves), 0) => drop(leaves.remove(at.index(leaves.len()))),
            (Piece::Leaves(leaves), 1) => leaves.push(leaves[at.index(leaves.len())].clone()),
            (Piece::Leaves(leaves), 2) if leaves.len() > 1 => {
                let at = at.index(leaves.len() - 1);
                leaves.swap(at, at + 1);
            }
            (Piece::Leaves(leaves), 3) => {
                let at = at.index(leaves.len());
                leaves[at].1.push(0);
            }
            (Piece::Leaves(leaves), 4) => {
                let at = at.index(leaves.len());
                leaves[at].0[0] ^= 1;
            }
            (Piece::Leaves(leaves), _) => leaves.clear(),
            (Piece::Inner(below), 0) => **below = [None; 16],
            (Piece::Inner(below), 1) => below.swap(at.index(15), 15),
            (Piece::Inner(below), _) => {
                let there: Vec<usize> = (0..16).filter(|one| below[*one].is_some()).collect();
                let at = there[at.index(there.len())];
                below[at] = match below[at].unwrap() {
                    Below::Leaf(place, _) if damage == 2 => Some(Below::Inner(place)),
                    Below::Inner(hash) if damage == 2 => Some(Below::Leaf(hash, hash)),
                    _ if damage == 3 => None,
                    Below::Leaf(place, mut value) => {
                        value[0] ^= 1;
                        Some(Below::Leaf(place, value))
                    }
                    Below::Inner(mut hash) => {
                        hash[0] ^= 1;
                        Some(Below::Inner(hash))
                    }
                };
            }
        }
        prop_assume!(piece != pieces[wrong]);
        let mut restoring = Restoring::new(world.offer());
        while let Some(prefix) = restoring.wanted() {
            if prefix == *wrong {
                let before = (restoring.done(), restoring.leaves());
                let flaw = restoring.take(&prefix, piece.clone()).unwrap_err();
                prop_assert!(flaw.to_string().contains(&prefix.to_string()), "{}", flaw);
                prop_assert_eq!((restoring.done(), restoring.leaves()), before);
                // In the place of another nobody wants it either.
                for (other, piece) in pieces.iter().filter(|(_, piece)| **piece != pieces[wrong]) {
                    prop_assert!(restoring.take(wrong, piece.clone()).is_err(), "{other} for {wrong}");
                }
                restoring.missed(prefix.clone());
                prop_assert_eq!(&restoring.wanted().unwrap(), wrong);
            }
            restoring.take(&prefix, pieces[&prefix].clone()).unwrap();
            prop_assert_eq!(
                restoring.take(&prefix, pieces[&prefix].clone()),
                Err(PieceFlaw::Unwanted(prefix))
            );
        }
        prop_assert!(restoring.is_complete());
    }

    /// A node's hash does not always tell where in it a leaf is; the piece has to.
    #[test]
    fn no_two_children_of_a_node_can_change_places(
        numbers in prop::collection::vec(any::<u16>(), 5..60), most in 1..500usize,
    ) {
        let mut world = World::new();
        world.touch(&numbers);
        let pieces = world.pieces(most);
        let mut restoring = Restoring::new(world.offer());
        while let Some(prefix) = restoring.wanted() {
            if let Piece::Inner(below) = &pieces[&prefix] {
                for (one, two) in (0..16).flat_map(|one| (0..one).map(move |two| (one, two))) {
                    let mut swapped = below.clone();
                    swapped.swap(one, two);
                    if swapped != *below {
                        let taken = restoring.take(&prefix, Piece::Inner(swapped));
                        prop_assert!(taken.is_err(), "{one} and {two} below {prefix}");
                    }
                }
            }
            restoring.take(&prefix, pieces[&prefix].clone()).unwrap();
        }
    }

    #[test]
    fn bytes_that_are_no_piece_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(piece) = Piece::from_bytes(&bytes) {
            let world = World::new();
            let offer = {
                let mut world = world;
                world.run(Vec::new());
                world.offer()
            };
            prop_assert!(Restoring::new(offer).take(&Prefix::ROOT, piece).is_err());
        }
    }
}

/// A length that lies about what follows.
#[test]
fn hostile_lengths_do_not_allocate() {
    let longest = u32::MAX.to_le_bytes();
    for bytes in [
        [&[0][..], &longest].concat(),
        [&[0, 1, 0, 0, 0][..], &longest].concat(),
        [&[0, 1, 0, 0, 0][..], &(2u32 << 20).to_le_bytes()].concat(),
    ] {
        assert!(Piece::from_bytes(&bytes).is_none());
    }
    assert!(Offer::from_bytes(&longest).is_none());
    assert!(borsh::from_slice::<Prefix>(&longest).is_err());
    let long = [&65u32.to_le_bytes()[..], &[0; 65]].concat();
    assert!(borsh::from_slice::<Prefix>(&long).is_err());
}

#[test]
fn an_empty_state_and_a_state_of_one_leaf_are_restored() {
    for owners in [0, 1u8] {
        let mut text = "version = 1\nnetwork = \"test\"\n".to_owned();
        for owner in 0..owners {
            let owner = hex::encode(key(owner));
            text += &format!(
                "[[chains.red.balances]]\nlog = \"{LOG}\"\nasset = \"gold\"\nowner = \"{owner}\"\namount = \"5\"\n"
            );
        }
        let genesis = Genesis::read(&text, &graph()).unwrap();
        let rules = rules(&genesis);
        let mut state = MemoryState::default();
        state.apply(initial(&genesis, &rules));
        let mut world = World { state, rules, slot: 0 };
        world.run(Vec::new());
        let mut other = restored(&world, &world.pieces(1));
        assert_eq!(other.touch(&[1, 2]), world.touch(&[1, 2]));
        let root = |world: &World| View::latest(&world.state).unwrap().summary().state_root;
        assert_eq!(root(&other), root(&world));
    }
}

/// Ids that were used up before the snapshot are known, for as long as they have to be.
#[test]
fn what_was_executed_before_a_snapshot_is_not_executed_again() {
    let mut world = World::new();
    let bundle = unsigned(1, limits::WINDOW_SLOTS, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    world.run(vec![bundle.clone()]);
    let mut other = restored(&world, &world.pieces(1_000));
    let id = bundle.id(NETWORK);
    assert_eq!(used(&other.state, &id), Some(0));
    assert_eq!(position(&other.state, &id), None);
    for world in [&mut world, &mut other] {
        let results = world.run(vec![bundle.clone()]).results;
        assert_eq!(results[0].outcome, Outcome::Duplicate);
    }
    while other.slot <= limits::WINDOW_SLOTS {
        other.run(Vec::new());
    }
    assert_eq!(used(&other.state, &id), None, "it is out of the window");
}

/// The past is let go of, but for what is named.
#[test]
fn histories_are_forgotten_from_the_beginning() {
    let mut world = World::new();
    for _ in 0..10 {
        world.touch(&[1, 2, 3]);
    }
    assert!(forget(&world.state, 5, |_| false).is_empty(), "the states are still there");
    while let delta @ Delta { .. } = prune(&world.state, 6, 50)
        && !delta.is_empty()
    {
        world.state.apply(delta);
    }
    let delta = forget(&world.state, 6, |height| height == 2);
    world.state.apply(delta);
    assert_eq!(begins(&world.state), 6);
    let there: Vec<u64> =
        (0..=10).filter(|it| Summary::read(&world.state, *it).is_some()).collect();
    assert_eq!(there, [2, 6, 7, 8, 9, 10]);
    assert!(path(&world.state, 3, 8).is_none() && path(&world.state, 6, 8).is_some());
    let height = check_height(&world.state).unwrap().unwrap();
    let mut before = (5, check_summary(&world.state, &world.rules, None, height).unwrap());
    for slot in 6..10 {
        let after =
            check_summary(&world.state, &world.rules, Some((slot, &before.1)), height).unwrap();
        before = (slot, after);
    }
    world.touch(&[4]);
}
