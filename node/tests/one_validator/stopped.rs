//! A node of which a quorum says that it came to another state.

use crate::world::World;
use hpaxos_ledger::{Attestation, Certificate, EPOCH, Signed, StateRoot, network_id};
use hpaxos_node::api::answers::{Evidence, Logs, Stopped};
use hpaxos_node::files::{read_genesis, read_graph};
use hpaxos_node::keys::KeyFile;
use hpaxos_node::store::{LogIndex, Store, Turn};
use std::time::Duration;

/// The alternative is kept where certificates are, as if it had come from others just before the node stopped.
#[test]
fn a_node_that_came_to_another_state_than_a_quorum_says_so_everywhere() {
    let mut world = World::running();
    world.until("slots are certified", |world| {
        let slot = world.client().slot("red+blue", 2).ok()?;
        slot.learners["red"].certificate.as_ref().map(drop)
    });
    world.stop();

    let graph = read_graph(&world.path("home/learner-graph.toml")).unwrap();
    let genesis = read_genesis(&world.path("home/genesis.toml"), &graph).unwrap();
    let network = network_id(&graph, &genesis).unwrap();
    let key = KeyFile::read(&world.path("home/key.json")).unwrap().unlock(None).unwrap();
    let log = graph.every_log().iter().position(|log| log.name() == "red+blue").unwrap();
    let (log, red) = (LogIndex(log as u16), graph.learner("red").unwrap());
    let store = Store::open(&world.store(), network, &key.verifying_key().to_bytes()).unwrap();
    let truth = store.last_certificate(log, red).unwrap().unwrap();
    let lie = Attestation {
        epoch: EPOCH,
        log: truth.log.clone(),
        slot: truth.slot,
        learners: vec!["red".into()],
        history: truth.history,
        results_root: truth.results_root,
        state_root: StateRoot([9; 32]),
    };
    let learners = [red].into_iter().collect();
    let signature = lie.sign(network, &key);
    let acceptor = graph.acceptor("solo").unwrap();
    let lie = Certificate::new(&lie, "red", vec![Signed { acceptor, learners, signature }]);
    let mut turn = Turn::default();
    store.put_certificate(&mut turn, log, red, &lie).unwrap();
    turn.must_last();
    store.commit(turn).unwrap();
    drop(store);

    // It finds out when it starts, and does not forget it.
    for start in 0..2 {
        world.start();
        let before = world.client().logs().unwrap().logs["red+blue"].clone();
        let stopped = Stopped { slot: truth.slot, why: "root-mismatch".into() };
        assert_eq!(before.learners["red"].stopped, Some(stopped), "{start}");
        assert_eq!(before.learners["blue"].stopped, None, "{start}");
        let status = world.ask(&["status"]);
        status.expect(0, "stopped red+blue: the view of red goes no further");
        status.expect(0, "a quorum attests another outcome than this node's");
        let status: Logs = serde_json::from_value(world.ask(&["status", "--json"]).json()).unwrap();
        assert!(status.logs["red+blue"].learners["red"].stopped.is_some(), "{start}");
        let metrics = world.metrics();
        let mismatch = "hpaxos_root_mismatch{learner=\"red\",log=\"red+blue\"} 1";
        assert!(metrics.contains(mismatch), "{start}: {metrics}");
        assert!(world.read("node.log").contains("ERROR"), "{start}");

        let evidence: Vec<Evidence> = world.client().get("/v1/evidence", Duration::ZERO).unwrap();
        let [evidence] = &evidence[..] else { panic!("{evidence:?}") };
        let kept = evidence.certificates.as_ref().unwrap();
        let kept: Vec<_> = kept.iter().map(|one| hex::decode(one).unwrap()).collect();
        let kept = Certificate::from_bytes(&kept[0]).unwrap();
        kept.verify(network, &graph).unwrap();
        assert_eq!((evidence.kind.as_str(), &kept), ("root-mismatch", &lie), "{start}");
        let own = world.client().slot("red+blue", evidence.slot).unwrap();
        let own = own.learners["red"].executed.clone().unwrap();
        assert_ne!(own.state_root, kept.state_root.to_string(), "{start}");

        // Blue is none the worse for it.
        let height = before.learners["blue"].height;
        let after = world.until("blue goes on", |world| {
            let log = world.client().logs().ok()?.logs.remove("red+blue")?;
            (log.learners["blue"].height > height + 3).then_some(log)
        });
        assert_eq!(after.learners["red"].height, before.learners["red"].height, "{start}");
        world.stop();
    }
}
