//! A validator that the graph names, and that is on another network.

use crate::world::World;
use hpaxos_node::client::Client;
use serde_json::Value;
use std::fs;
use std::process::Child;

/// Another node, for as long as this lives.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn both_say_that_they_refuse_each_other_and_why() {
    let mut world = World::new();
    let made = world.run(&["init", "--home", "other", "--name", "other", "--json"]).json();
    let graph = world.read("home/learner-graph.toml");
    let key = made["public-key"].as_str().unwrap();
    let graph = format!(
        "{graph}[acceptors.other]\npublic-key = \"{key}\"\n[learners.green]\nquorum = \"other\"\n"
    );
    world.write("home/learner-graph.toml", &graph);
    world.start();

    // It knows where the first one is, and begins with something else.
    let addresses: Value = serde_json::from_str(&world.read("addresses.json")).unwrap();
    let solo = format!("[acceptors.solo]\naddresses = {}", addresses["p2p"]);
    world.write("other/learner-graph.toml", &graph.replace("[acceptors.solo]", &solo));
    let genesis = world.read("home/genesis.toml").replace("\"25\"", "\"26\"");
    world.write("other/genesis.toml", &genesis);
    world.write(
        "other/config.toml",
        "name = \"other\"\n[api]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n",
    );
    let arguments = ["run", "--home", "other", "--addresses", "others.json"];
    let _other = Other(world.spawn(&arguments));
    let others = world.until("the other one listens", |world| {
        let text = fs::read_to_string(world.path("others.json")).ok()?;
        let addresses: Value = serde_json::from_str(&text).ok()?;
        Some(addresses["api"].as_str()?.to_owned())
    });

    let apis = [(world.api.clone(), "other"), (others, "solo")];
    let ids = apis.each_ref().map(|(api, _)| Client::new(api).logs().unwrap().network);
    assert_ne!(ids[0], ids[1]);
    for (place, (api, peer)) in apis.iter().enumerate() {
        let (own, theirs) = (&ids[place], &ids[1 - place]);
        let why = world
            .until("it is refused", |_| Client::new(api).graph().ok()?.refused.get(*peer).cloned());
        let expected =
            format!("it is on network {theirs}, this node is on {own}: graph or genesis differ");
        assert_eq!(why, expected);
        let status = world.run(&["status", "--api", api]);
        assert!(status.out.contains(&format!("refused {peer}: {why}")), "{status:?}");
        let status = world.run(&["status", "--json", "--api", api]).json();
        assert_eq!(status["refused"][*peer], why.as_str());
    }
}
