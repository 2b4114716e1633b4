//! Execution against a naive twin: random blocks, on a map that is copied for every bundle.
#![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

mod common;

use common::*;
use hpaxos_ledger::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const ASSETS: [&str; 2] = ["gold", "silver"];
const CHAINS: [&str; 2] = ["blue", "red"];

type ObjectName = (String, String);
type BalanceName = (String, [u8; 32], String);

/// What there is, as plainly as can be said.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    objects: BTreeMap<ObjectName, ObjectState>,
    balances: BTreeMap<BalanceName, u128>,
    used: BTreeMap<BundleId, u64>,
    gone: BTreeMap<ObjectName, String>,
    in_flight: Vec<Released>,
    deposit: Option<Deposit>,
}

impl Model {
    fn new(genesis: &Genesis) -> Self {
        let mut model = Model { deposit: genesis.create_deposit.clone(), ..Model::default() };
        for (chain, start) in &genesis.chains {
            for it in &start.balances {
                let name = (chain.clone(), it.owner, it.asset.clone());
                model.balances.insert(name, it.amount);
            }
            for it in &start.objects {
                let (value, owner) = (it.value.clone(), it.owner);
                let object = ObjectState { value, owner, version: 1, deposit: 0 };
                model.objects.insert((chain.clone(), it.key.clone()), object);
            }
        }
        model
    }

    fn block(&mut self, slot: u64, bundles: &[Bundle]) -> Vec<Outcome> {
        bundles.iter().map(|bundle| self.bundle(slot, bundle)).collect()
    }

    fn bundle(&mut self, slot: u64, bundle: &Bundle) -> Outcome {
        let id = bundle.id(NETWORK);
        if self.used.contains_key(&id) {
            return Outcome::Duplicate;
        }
        if bundle.body.valid_until < slot {
            return Outcome::Expired;
        }
        self.used.insert(id, slot);
        let mut copy = self.clone();
        copy.in_flight.clear();
        for part in &bundle.body.parts {
            for (number, operation) in part.operations.iter().enumerate() {
                let (chain, number) = (part.chain.clone(), number as u32);
                match copy.operation(&part.chain, &bundle.body.signers, operation) {
                    Ok(None) => {}
                    Ok(Some((to_log, thing))) => {
                        copy.in_flight.push(Released { chain, operation: number, to_log, thing });
                    }
                    Err(reason) => {
                        return Outcome::Aborted(Abort { chain, operation: number, reason });
                    }
                }
            }
        }
        let released = copy.in_flight.clone();
        copy.in_flight = [self.in_flight.as_slice(), &released].concat();
        *self = copy;
        if released.is_empty() { Outcome::Committed } else { Outcome::Released(released) }
    }

    fn operation(
        &mut self,
        chain: &str,
        signers: &[[u8; 32]],
        operation: &Operation,
    ) -> Result<Option<(String, Thing)>, Reason> {
        let name = |key: &str| (chain.to_owned(), key.to_owned());
        match operation.clone() {
            Operation::Create { key, value, owner } => {
                if self.objects.contains_key(&name(&key)) || self.gone.contains_key(&name(&key)) {
                    return Err(Reason::Exists);
                }
                let mut held = 0;
                if let Some(deposit) = self.deposit.clone() {
                    held = deposit.amount;
                    self.add(chain, owner, &deposit.asset, 0, held)?;
                }
                let object = ObjectState { value, owner, version: 1, deposit: held };
                self.objects.insert(name(&key), object);
            }
            Operation::Update { key, value, if_version } => {
                let object = self.mine(name(&key), signers, if_version)?;
                (object.value, object.version) = (value, object.version + 1);
            }
            Operation::Transfer { key, to, if_version } => {
                let object = self.mine(name(&key), signers, if_version)?;
                (object.owner, object.version) = (to, object.version + 1);
            }
            Operation::Delete { key, if_version } => {
                let object = self.mine(name(&key), signers, if_version)?.clone();
                if let Some(deposit) = self.deposit.clone() {
                    self.add(chain, object.owner, &deposit.asset, object.deposit, 0)?;
                }
                self.objects.remove(&name(&key));
            }
            Operation::Require(Condition::Object { key, version, owner, absent }) => {
                let object = self.objects.get(&name(&key));
                let is = object.is_some();
                let right = absent.is_none_or(|absent| absent != is)
                    && version.is_none_or(|it| object.is_some_and(|object| object.version == it))
                    && owner.is_none_or(|it| object.is_some_and(|object| object.owner == it));
                return if right { Ok(None) } else { Err(Reason::Condition) };
            }
            Operation::Require(Condition::Balance { balance }) => {
                let has = self.has(chain, balance.owner, &balance.asset);
                return if has >= balance.at_least { Ok(None) } else { Err(Reason::Condition) };
            }
            Operation::Pay { asset, from, to, amount } => {
                if !signers.contains(&from) {
                    return Err(Reason::NotOwner);
                }
                self.add(chain, from, &asset, 0, amount)?;
                self.add(chain, to, &asset, amount, 0)?;
            }
            Operation::Release(Release::Object { key, to_log }) => {
                let ObjectState { value, owner, version, deposit } =
                    self.mine(name(&key), signers, None)?.clone();
                if to_log != chain {
                    return Err(Reason::BadLog);
                }
                self.objects.remove(&name(&key));
                self.gone.insert(name(&key), to_log.clone());
                return Ok(Some((to_log, Thing::Object { key, value, owner, version, deposit })));
            }
            Operation::Release(Release::Balance { asset, from: owner, amount, to_log }) => {
                if !signers.contains(&owner) {
                    return Err(Reason::NotOwner);
                }
                self.add(chain, owner, &asset, 0, amount)?;
                if to_log != chain {
                    return Err(Reason::BadLog);
                }
                return Ok(Some((to_log, Thing::Balance { asset, owner, amount })));
            }
            Operation::Claim { .. } => return Err(Reason::BadProof),
        }
        Ok(None)
    }

    fn mine(
        &mut self,
        name: ObjectName,
        signers: &[[u8; 32]],
        if_version: Option<u64>,
    ) -> Result<&mut ObjectState, Reason> {
        let object = self.objects.get_mut(&name).ok_or(Reason::Absent)?;
        if !signers.contains(&object.owner) {
            return Err(Reason::NotOwner);
        }
        match if_version {
            Some(version) if version != object.version => Err(Reason::Version),
            _ => Ok(object),
        }
    }

    fn has(&self, chain: &str, owner: [u8; 32], asset: &str) -> u128 {
        *self.balances.get(&(chain.to_owned(), owner, asset.to_owned())).unwrap_or(&0)
    }

    fn add(
        &mut self,
        chain: &str,
        owner: [u8; 32],
        asset: &str,
        plus: u128,
        minus: u128,
    ) -> Result<(), Reason> {
        let had = self.has(chain, owner, asset);
        let has = had.checked_sub(minus).ok_or(Reason::Balance)?;
        let has = has.checked_add(plus).ok_or(Reason::Overflow)?;
        self.balances.insert((chain.to_owned(), owner, asset.to_owned()), has);
        Ok(())
    }

    /// The leaves that the tree of the state should have: place and hash of the value.
    fn leaves(&self) -> BTreeMap<[u8; 32], [u8; 32]> {
        let mut leaves = BTreeMap::new();
        let mut put = |key: StateKey, value: Vec<u8>| {
            let place: [u8; 32] = Sha256::digest(key.to_bytes()).into();
            leaves.insert(place, Sha256::digest(value).into());
        };
        for ((chain, key), object) in &self.objects {
            let key = StateKey::Object { chain: chain.clone(), key: key.clone() };
            put(key, borsh::to_vec(object).unwrap());
        }
        for ((chain, owner, asset), amount) in &self.balances {
            let asset = asset.clone();
            let key = StateKey::Balance { chain: chain.clone(), owner: *owner, asset };
            if *amount > 0 {
                put(key, borsh::to_vec(amount).unwrap());
            }
        }
        for ((chain, key), to_log) in &self.gone {
            let key = StateKey::Gone { chain: chain.clone(), key: key.clone() };
            put(key, borsh::to_vec(to_log).unwrap());
        }
        let slots: BTreeSet<u64> = self.used.values().copied().collect();
        for slot in slots {
            let ids = self.used.iter().filter(|(_, used)| **used == slot).map(|(id, _)| *id);
            let ids: Vec<BundleId> = ids.collect();
            put(StateKey::UsedIds { slot }, borsh::to_vec(&ids).unwrap());
        }
        leaves
    }
}

/// The root of a sparse Merkle tree in which a subtree of one leaf is that leaf.
fn root(leaves: &BTreeMap<[u8; 32], [u8; 32]>, depth: usize) -> [u8; 32] {
    if leaves.is_empty() {
        return *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";
    }
    let mut hasher = Sha256::new();
    if leaves.len() == 1 {
        hasher.update(b"JMT::LeafNode");
        leaves.iter().for_each(|(place, value)| hasher.update([&place[..], value].concat()));
    } else {
        let bit = |place: &[u8; 32]| place[depth / 8] >> (7 - depth % 8) & 1;
        let side = |side| {
            let half = leaves.iter().filter(|(place, _)| bit(place) == side);
            root(&half.map(|(place, value)| (*place, *value)).collect(), depth + 1)
        };
        hasher.update(b"JMT::IntrnalNode");
        hasher.update([side(0), side(1)].concat());
    }
    hasher.finalize().into()
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("first"), 2 => Just("a"), 1 => Just("b"), 1 => Just("ab")]
        .prop_map(|key| format!("{LOG}:{key}"))
}

fn clients() -> impl Strategy<Value = [u8; 32]> {
    (0..4u8).prop_map(key)
}

fn assets() -> impl Strategy<Value = String> {
    prop_oneof![5 => Just("gold"), 1 => Just("silver")].prop_map(str::to_owned)
}

fn versions() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![5 => Just(None), 1 => (1..4u64).prop_map(Some)]
}

/// Of which only the base log of the chain is right.
fn logs() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("red"), 4 => Just("blue"), 1 => Just(LOG), 1 => Just("green")]
        .prop_map(str::to_owned)
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let values = prop::collection::vec(any::<u8>(), 0..3);
    let amounts = prop_oneof![4 => 1..600u128, 1 => Just(1_000u128), 1 => Just(u128::MAX - 1)];
    let object = (keys(), versions(), prop::option::of(clients()), any::<Option<bool>>());
    prop_oneof![
        3 => (keys(), values.clone(), clients())
            .prop_map(|(key, value, owner)| Operation::Create { key, value, owner }),
        2 => (keys(), values, versions())
            .prop_map(|(key, value, if_version)| Operation::Update { key, value, if_version }),
        2 => (keys(), clients(), versions())
            .prop_map(|(key, to, if_version)| Operation::Transfer { key, to, if_version }),
        3 => (keys(), versions())
            .prop_map(|(key, if_version)| Operation::Delete { key, if_version }),
        1 => object.prop_map(|(key, version, owner, absent)| {
            Operation::Require(Condition::Object { key, version, owner, absent })
        }),
        1 => (assets(), clients(), 0..2_000u128).prop_map(|(asset, owner, at_least)| {
            let balance = AtLeast { asset, owner, at_least };
            Operation::Require(Condition::Balance { balance })
        }),
        2 => (keys(), logs())
            .prop_map(|(key, to_log)| Operation::Release(Release::Object { key, to_log })),
        2 => (assets(), clients(), 1..600u128, logs()).prop_map(|(asset, from, amount, to_log)| {
            Operation::Release(Release::Balance { asset, from, amount, to_log })
        }),
        1 => Just(Operation::Claim { release: Vec::new(), proof: Vec::new() }),
        6 => (assets(), clients(), clients(), amounts)
            .prop_map(|(asset, from, to, amount)| Operation::Pay { asset, from, to, amount }),
    ]
}

fn bundles() -> impl Strategy<Value = Bundle> {
    let operations = || prop::collection::vec(any_operation(), 1..3);
    let signers =
        prop_oneof![5 => Just(vec![0, 1, 2, 3]), 1 => Just(vec![0, 2]), 1 => Just(vec![1])];
    (prop::option::of(operations()), prop::option::of(operations()), signers, 0..3u64, 3..12u64)
        .prop_map(|(blue, red, signers, salt, valid_until)| {
            let on = |chain, operations: Option<_>| operations.map(|it| part(chain, it));
            let parts = on("blue", blue).into_iter().chain(on("red", red)).collect();
            unsigned(salt, valid_until, &signers, parts)
        })
}

/// Some bundles come again, in the same block and in later ones.
fn blocks() -> impl Strategy<Value = Vec<Vec<Bundle>>> {
    let pool = prop::collection::vec(bundles(), 1..16);
    let picks =
        prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..6), 1..9);
    (pool, picks).prop_map(|(pool, picks)| {
        let block = |picks: &Vec<prop::sample::Index>| {
            picks.iter().map(|pick| pick.get(&pool).clone()).collect()
        };
        picks.iter().map(block).collect()
    })
}

fn deposits() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(""),
        Just("create_deposit = { asset = \"gold\", amount = \"300\" }"),
        Just("create_deposit = { asset = \"silver\", amount = \"1\" }"),
    ]
}

/// Everything of an asset on a chain, what is held for objects or in flight included; wraps around, which does not hide a
/// loss.
fn total(model: &Model, chain: &str, asset: &str) -> u128 {
    let balances = model.balances.iter().filter(|(name, _)| name.0 == chain && name.2 == asset);
    let held = model.deposit.iter().filter(|deposit| deposit.asset == asset).flat_map(|_| {
        model.objects.iter().filter(|(name, _)| name.0 == chain).map(|(_, object)| object.deposit)
    });
    let of_deposit = model.deposit.as_ref().is_some_and(|deposit| deposit.asset == asset);
    let in_flight = model.in_flight.iter().filter(|it| it.chain == chain);
    let in_flight = in_flight.map(|it| match &it.thing {
        Thing::Object { deposit, .. } if of_deposit => *deposit,
        Thing::Balance { asset: of, amount, .. } if of == asset => *amount,
        _ => 0,
    });
    let balances = balances.map(|(_, amount)| *amount);
    balances.chain(held).chain(in_flight).fold(0, u128::wrapping_add)
}

/// What the view says, in the model's words.
fn observed(view: &View<'_, MemoryState>, model: &Model) -> Model {
    let mut seen = Model {
        objects: BTreeMap::new(),
        balances: BTreeMap::new(),
        gone: BTreeMap::new(),
        ..model.clone()
    };
    for chain in CHAINS {
        for name in ["first", "a", "b", "ab"] {
            let key = format!("{LOG}:{name}");
            if let Some(object) = view.object(chain, &key) {
                seen.objects.insert((chain.to_owned(), key.clone()), object);
            }
            if let Some(log) = view.gone_to(chain, &key) {
                seen.gone.insert((chain.to_owned(), key), log);
            }
        }
        for owner in (0..4).map(key) {
            let all = view.balances(chain, owner, 10);
            for asset in ASSETS {
                let amount = view.balance(chain, owner, asset);
                let listed = all.iter().find(|(name, _)| name == asset).map_or(0, |(_, it)| *it);
                assert_eq!(amount, listed, "a balance is listed as it is");
                if amount > 0 {
                    seen.balances.insert((chain.to_owned(), owner, asset.to_owned()), amount);
                }
            }
        }
    }
    seen
}

/// Objects and used ids are proved as they are, or that they are not there.
fn proves(view: &View<'_, MemoryState>, model: &Model) {
    let root = view.summary().state_root;
    for name in ["first", "a"] {
        let (chain, key) = ("red".to_owned(), format!("{LOG}:{name}"));
        let value = view.object(&chain, &key).map(|object| borsh::to_vec(&object).unwrap());
        let key = StateKey::Object { chain, key };
        assert!(view.prove(&key).verify(&root, &key, value.as_deref()));
    }
    let ids: Vec<_> =
        model.used.iter().filter(|(_, slot)| **slot == 0).map(|(id, _)| *id).collect();
    let value = (!ids.is_empty()).then(|| borsh::to_vec(&ids).unwrap());
    let key = StateKey::UsedIds { slot: 0 };
    assert!(view.prove(&key).verify(&root, &key, value.as_deref()));
}

proptest! {
    #![proptest_config(random(300))]

    #[test]
    fn executes_as_the_naive_twin_does(blocks in blocks(), deposit in deposits(), step in 1..4usize, rows in 1..40usize) {
        let mut world = World::new(deposit);
        let mut model = Model::new(&genesis(deposit));
        let mut heights = vec![model.clone()];
        for (slot, block) in blocks.iter().enumerate() {
            let before = model.clone();
            let expected = model.block(slot as u64, block);
            let (delta, results) = world.next(block);
            prop_assert_eq!(&world.next(block).0, &delta, "same view, same block, same bytes");
            world.state.apply(delta);
            let outcomes: Vec<_> = results.results.iter().map(|it| it.outcome.clone()).collect();
            prop_assert_eq!(&outcomes, &expected);
            // Conservation, and all or nothing.
            for (chain, asset) in [("red", "gold"), ("red", "silver"), ("blue", "gold"), ("blue", "silver")] {
                prop_assert_eq!(total(&model, chain, asset), total(&before, chain, asset));
            }
            if !outcomes.iter().any(Outcome::is_committed) {
                prop_assert_eq!((&model.objects, &model.balances), (&before.objects, &before.balances));
            }
            model.balances.retain(|_, amount| *amount > 0);
            heights.push(model.clone());
            prop_assert_eq!(observed(&world.view(), &model), model.clone());
            prop_assert_eq!(results.summary.state_root.0, root(&model.leaves(), 0));
        }
        // Old heights are as they were until they are pruned; at every step the others stay readable.
        let mut pruned = World { rules: world.rules.clone(), state: world.state.clone() };
        for below in (0..=world.slot()).step_by(step) {
            loop {
                let delta = prune(&pruned.state, below, rows);
                if delta.is_empty() { break }
                pruned.state.apply(delta);
                for (height, model) in heights.iter().enumerate() {
                    let view = View::at(&pruned.state, height as u64);
                    prop_assert_eq!(view.is_some(), height as u64 >= below);
                    if let Some(view) = view {
                        prop_assert_eq!(&observed(&view, model), model);
                        proves(&view, model);
                    }
                }
            }
        }
        // Once only the last height is left, its leaves are all there is.
        while let delta @ Delta { .. } = prune(&pruned.state, world.slot(), rows) && !delta.is_empty() {
            pruned.state.apply(delta);
        }
        let leaves = model.leaves().len();
        let count = |kind: u8, tail: &[u8]| {
            let rows = pruned.state.rows().iter();
            rows.filter(|(key, value)| key[0] == kind && value.starts_with(tail)).count()
        };
        prop_assert_eq!(count(b'v', &[1]), leaves);
        // An empty tree is a node of its own, and one that is left behind.
        prop_assert!(count(b'n', &[]) <= 2 * leaves + 2);
        let again = [bundle_of_gold()];
        prop_assert_eq!(world.next(&again), pruned.next(&again), "what is pruned makes no difference");
    }

    /// A crash loses what came after the last written height, and nothing else.
    #[test]
    fn executes_again_after_a_crash(blocks in blocks(), crash in any::<prop::sample::Index>()) {
        let mut straight = World::new("");
        let mut heights = vec![straight.state.clone()];
        for block in &blocks {
            straight.run(block);
            heights.push(straight.state.clone());
        }
        let at = crash.index(heights.len());
        let mut again = World { rules: straight.rules.clone(), state: heights[at].clone() };
        blocks[at..].iter().for_each(|block| drop(again.run(block)));
        prop_assert_eq!(&again.state, &straight.state);
    }
}

fn bundle_of_gold() -> Bundle {
    unsigned(99, 99, &[0, 1], vec![part("red", vec![pay(0, 1, 1), pay(1, 2, 1)])])
}
