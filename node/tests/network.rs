//! The network over loopback: real sockets, ephemeral ports, no sleeps.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it shows")]

#[path = "network/cost.rs"]
mod cost;
#[path = "network/raw.rs"]
mod raw;
#[path = "network/wire.rs"]
mod wire;
#[path = "network/world.rs"]
mod world;

use futures::StreamExt;
use hpaxos_consensus::{NetworkId, Peer};
use hpaxos_node::network::{
    AskError, Bytes, Direction, Multiaddr, Network, NetworkError, PendingLimits, Protocol,
    QUEUE_BYTES_MAX, REQUEST_BYTES_MAX, Refusal,
};
use libp2p::swarm::SwarmEvent;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::interval;
use world::{
    BIG_QUESTION, Node, Plan, QUIC, Sequence, TCP, Told, connected, id, key, log, network_id,
    numbered, patiently, peer,
};

/// Every node sends `frames` frames to each other one; all arrive, in order.
async fn all_frames_arrive_in_order(count: usize, listen: &str, frames: usize) {
    let mut nodes = connected(count, listen).await;
    for number in 0..frames {
        for node in &nodes {
            let others: Vec<_> =
                (0..count).filter(|&n| n != node.number).map(world::acceptor).collect();
            node.network.broadcast(&others, &numbered(number));
        }
    }
    for node in &mut nodes {
        let mut sequence = Sequence::default();
        for _ in 0..frames * (count - 1) {
            sequence.take(node.told().await);
        }
    }
    // What a node sent is counted before it is written, so that all of it is once everybody has heard everything.
    for node in &nodes {
        let traffic = node.network.traffic();
        for direction in Direction::ALL {
            let messages = traffic.messages(Protocol::Consensus, direction);
            assert_eq!(messages as usize, frames * (count - 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_frames_each_way_over_quic() {
    all_frames_arrive_in_order(2, QUIC, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_frames_each_way_over_tcp() {
    all_frames_arrive_in_order(2, TCP, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_hear_each_other() {
    all_frames_arrive_in_order(4, QUIC, 2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_frame_arrives() {
    for listen in [QUIC, TCP] {
        let mut nodes = connected(2, listen).await;
        let frame = vec![5; hpaxos_node::network::FRAME_BYTES_MAX];
        nodes[0].send(1, frame.clone());
        nodes[1].await_frame(0, &frame).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_dial_each_other_at_once_end_up_with_one_link() {
    for listen in ["udp", "tcp"] {
        let [first, second] = free_addresses(listen);
        let plan = |number, on: &Multiaddr, other: &Multiaddr| {
            Plan::new(number, 2, &on.to_string()).knows_at(1 - number, other.clone())
        };
        let (mut one, mut two) =
            tokio::join!(plan(0, &first, &second).start(), plan(1, &second, &first).start());
        one.await_connected(1).await;
        two.await_connected(0).await;
        // A link may be replaced while they settle: a frame may be lost, but not the last link.
        let mut again = interval(Duration::from_millis(20));
        let exchange = async {
            let (mut there, mut back) = (false, false);
            while !(there && back) {
                again.tick().await;
                one.send(1, "there");
                two.send(0, "back");
                there |= two.told_already() == Some(Told::Frame(peer(0), "there".into()));
                back |= one.told_already() == Some(Told::Frame(peer(1), "back".into()));
            }
        };
        patiently("frames both ways", exchange).await;
        one.stop().await;
        two.stop().await;
    }
}

/// Addresses that nobody uses at the moment, no two the same.
fn free_addresses<const COUNT: usize>(transport: &str) -> [Multiaddr; COUNT] {
    let any = "127.0.0.1:0";
    // All are held until the last was found: else one in a hundred times two of sixteen would be the same.
    let held = std::array::from_fn(|_| match transport {
        "udp" => (None, Some(std::net::UdpSocket::bind(any).unwrap())),
        _ => (Some(std::net::TcpListener::bind(any).unwrap()), None),
    });
    held.each_ref().map(|(tcp, udp)| {
        let (address, suffix) = match (tcp, udp) {
            (Some(tcp), _) => (tcp.local_addr(), ""),
            (_, udp) => (udp.as_ref().unwrap().local_addr(), "/quic-v1"),
        };
        let port = address.unwrap().port();
        format!("/ip4/127.0.0.1/{transport}/{port}{suffix}").parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_one_nodes() {
    for transport in ["udp", "tcp"] {
        let [address] = free_addresses(transport);
        let _one = Plan::new(0, 2, &address.to_string()).start().await;
        let Err(refused) = Plan::new(1, 2, &address.to_string()).try_start().await else {
            panic!("two listen on {address}");
        };
        assert!(refused.to_string().contains("in use"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_network_is_refused_by_name() {
    for listen in [QUIC, TCP] {
        let mut one = Plan::new(0, 2, listen).start().await;
        let mut plan = Plan::new(1, 2, listen).knows(&one);
        plan.config.network = NetworkId([8; 32]);
        let mut two = plan.start().await;
        let (ours, theirs) = (network_id(), NetworkId([8; 32]));
        one.await_status("a refusal", |status| {
            status.refused == Some(Refusal::Network { ours, theirs })
        })
        .await;
        two.await_status("a refusal", |status| {
            status.refused == Some(Refusal::Network { ours: theirs, theirs: ours })
        })
        .await;
        assert_eq!((one.told_already(), two.told_already()), (None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused() {
    for listen in [QUIC, TCP] {
        let mut node = Plan::new(0, 2, listen).start().await;
        let mut stranger = raw::swarm(&key(9));
        raw::await_refusal(&mut stranger, &node.address).await;
        assert_eq!(node.told_already(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_restarts_is_connected_anew() {
    for listen in [QUIC, TCP] {
        let mut one = Plan::new(0, 2, listen).start().await;
        for life in 0..3usize {
            let mut two = Plan::new(1, 2, listen).knows(&one).start().await;
            two.await_connected(0).await;
            for number in 0..100 {
                two.send(0, numbered(life * 100 + number));
            }
            assert_eq!(one.told().await, Told::Connected(peer(1)));
            for number in 0..100 {
                let expected = numbered(life * 100 + number);
                assert_eq!(one.told().await, Told::Frame(peer(1), expected));
            }
            two.stop().await;
            assert_eq!(one.told().await, Told::Disconnected(peer(1)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_is_dialled_again() {
    let two = Plan::new(1, 2, QUIC).start().await;
    let address = two.address.clone();
    let mut one = Plan::new(0, 2, QUIC).knows(&two).start().await;
    one.await_connected(1).await;
    two.stop().await;
    one.await_disconnected(1).await;
    let mut two = Plan::restart(|| Plan::new(1, 2, &address.to_string())).await;
    one.await_connected(1).await;
    two.await_connected(0).await;
    one.send(1, "again");
    two.await_frame(0, b"again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_address_is_tried_when_the_first_is_dead() {
    let mut one = Plan::new(0, 2, TCP).start().await;
    let [dead] = free_addresses("tcp");
    let mut two = Plan::new(1, 2, TCP).knows_at(0, dead).knows(&one).start().await;
    two.await_connected(0).await;
    one.await_connected(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_four_gibibytes_costs_only_its_own_link() {
    let mut one = Plan::new(3, 5, QUIC).start().await;
    let mut other = Plan::new(2, 5, QUIC).knows(&one).start().await;
    one.await_connected(2).await;
    other.await_connected(3).await;
    let mut traitor = raw::Link::open(&key(4), &one.address).await;
    one.await_connected(4).await;
    traitor.write(&[0xff; 4]).await;
    one.await_disconnected(4).await;
    other.send(3, "still here");
    assert_eq!(one.told().await, Told::Frame(peer(2), "still here".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_frame_is_refused_loses_its_link() {
    let mut nodes = connected(2, TCP).await;
    nodes[1].send(0, "nonsense");
    nodes[0].await_disconnected(1).await;
    nodes[0].await_connected(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_intake_of_one_peer_holds_up_nobody_else() {
    let mut nodes = connected(3, QUIC).await;
    nodes[0].block([1]);
    nodes[1].send(0, "waits");
    for number in 0..1_000 {
        nodes[2].send(0, numbered(number));
    }
    let mut sequence = Sequence::default();
    for _ in 0..1_000 {
        sequence.take(nodes[0].told().await);
    }
    nodes[0].block([]);
    assert_eq!(nodes[0].told().await, Told::Frame(peer(1), "waits".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_resets_the_link_and_nothing_is_lost_within_one() {
    for listen in [QUIC, TCP] {
        let mut nodes = connected(2, listen).await;
        let mut two = nodes.pop().unwrap();
        let mut one = nodes.pop().unwrap();
        two.block([0]);
        let frame = Bytes::from(vec![0; 64 << 10]);
        let flood = async {
            while one.told_already() != Some(Told::Disconnected(peer(1))) {
                for _ in 0..QUEUE_BYTES_MAX / frame.len() / 8 {
                    one.send(1, frame.clone());
                }
                tokio::task::yield_now().await;
            }
        };
        patiently("a reset", flood).await;
        one.await_connected(1).await;
        two.block([]);
        one.send(1, "anew");
        two.await_disconnected(0).await;
        assert_eq!(two.told().await, Told::Connected(peer(0)));
        assert_eq!(two.told().await, Told::Frame(peer(0), "anew".into()));
    }
}

/// Publishes numbered bundles until `enough` says so: gossip knows who listens only after a while.
async fn gossip_until(from: &Network, prefix: &str, enough: impl Future<Output = ()>) {
    let publish = async {
        let mut again = interval(Duration::from_millis(50));
        for number in 0.. {
            again.tick().await;
            from.gossip(&log(), format!("bad {prefix} {number}").into_bytes());
            from.gossip(&log(), format!("good {prefix} {number}").into_bytes());
        }
    };
    tokio::select! {
        () = publish => {}
        () = patiently("bundles", enough) => {}
    }
}

async fn await_bundle(node: &mut Node, from: usize) {
    loop {
        if let Told::Bundle(peer, log, bundle) = node.told().await {
            assert_eq!((peer, log), (world::peer(from), world::log()));
            assert!(!bundle.starts_with(b"bad") || from == 0, "{bundle:?} was passed on");
            if bundle.starts_with(b"good") {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_reaches_all_and_a_bad_one_is_not_passed_on() {
    // In a row: what the last one hears has been passed on by the middle one.
    let mut middle = Plan::new(1, 3, QUIC).start().await;
    let first = Plan::new(0, 3, QUIC).knows(&middle).start().await;
    let mut last = Plan::new(2, 3, QUIC).knows(&middle).start().await;
    let enough = async {
        await_bundle(&mut middle, 0).await;
        for _ in 0..20 {
            await_bundle(&mut last, 1).await;
        }
    };
    gossip_until(&first.network, "row", enough).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_bundle_is_passed_on() {
    let mut nodes = connected(2, QUIC).await;
    let mut two = nodes.pop().unwrap();
    let from = nodes[0].network.clone();
    let enough = async { await_bundle(&mut two, 0).await };
    gossip_until(&from, "small", enough).await;
    let mut bundle = b"good and large".to_vec();
    bundle.resize(hpaxos_node::network::BUNDLE_BYTES_MAX, 1);
    from.gossip(&log(), bundle.clone());
    two.await_told(&Told::Bundle(peer(0), log(), bundle.into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered() {
    for listen in [QUIC, TCP] {
        let mut nodes = connected(2, listen).await;
        let network = nodes[0].network.clone();
        nodes[0].await_status("a link", |status| status.link.is_some()).await;
        let ask = |question: &'static [u8]| network.ask(peer(1), Bytes::from_static(question));
        let answer = patiently("an answer", ask(BIG_QUESTION)).await.unwrap();
        assert_eq!(answer, vec![9; 1 << 20]);
        let answers =
            patiently("answers", futures::future::join_all((0..8).map(|_| ask(BIG_QUESTION))));
        assert!(answers.await.iter().all(Result::is_ok));
        let none = patiently("no answer", ask(b"something small")).await;
        assert!(matches!(none, Err(AskError::NoAnswer)), "{none:?}");
        let too_long = network.ask(peer(1), vec![0; REQUEST_BYTES_MAX + 1].into()).await;
        assert!(matches!(too_long, Err(AskError::TooLong(_))), "{too_long:?}");
        let nobody = network.ask(Peer::Follower(3), Bytes::new()).await;
        assert!(matches!(nobody, Err(AskError::NotConnected)), "{nobody:?}");
        nodes.pop().unwrap().stop().await;
        nodes[0].await_disconnected(1).await;
        nodes[0].await_status("no link", |status| status.link.is_none()).await;
        let gone = patiently("an error", ask(BIG_QUESTION)).await;
        assert!(matches!(gone, Err(AskError::NotConnected)), "{gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_come_in_up_to_the_limit() {
    let mut plan = Plan::new(0, 1, QUIC);
    plan.config.followers_allowed = vec![id(5), id(6)];
    plan.config.followers_max = 1;
    let mut node = plan.start().await;
    let follower = |number| Plan::new(number, 1, QUIC).knows(&node);
    let mut first = follower(5).start().await;
    let second = follower(6);
    first.await_connected(0).await;
    node.await_told(&Told::Connected(Peer::Follower(0))).await;
    first.send(0, "from a follower");
    node.await_told(&Told::Frame(Peer::Follower(0), "from a follower".into())).await;
    raw::await_refusal(&mut raw::swarm(&key(6)), &node.address).await;
    raw::await_refusal(&mut raw::swarm(&key(7)), &node.address).await;
    first.stop().await;
    node.await_told(&Told::Disconnected(Peer::Follower(0))).await;
    let mut second = second.start().await;
    second.await_connected(0).await;
    node.await_told(&Told::Connected(Peer::Follower(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_sends_what_waits_and_frees_the_address() {
    for listen in [QUIC, TCP] {
        let mut nodes = connected(2, listen).await;
        let mut two = nodes.pop().unwrap();
        let one = nodes.pop().unwrap();
        let address = one.address.clone();
        for number in 0..5_000 {
            one.send(1, numbered(number));
        }
        let handle = one.network.clone();
        one.stop().await;
        let mut sequence = Sequence::default();
        for _ in 0..5_000 {
            sequence.take(two.told().await);
        }
        assert_eq!(two.told().await, Told::Disconnected(peer(0)));
        let late = handle.ask(peer(1), Bytes::new()).await;
        assert!(matches!(late, Err(AskError::Stopped)), "{late:?}");
        Plan::restart(|| Plan::new(0, 2, &address.to_string())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_set_up_is_named() {
    let start = |plan: Plan| async { Network::start(plan.config, raw::nobody()).await.err() };
    let elsewhere = start(Plan::new(1, 2, "/ip4/203.0.113.1/tcp/7000")).await.unwrap();
    assert!(elsewhere.to_string().contains("/ip4/203.0.113.1/tcp/7000"), "{elsewhere}");
    let mut plan = Plan::new(0, 2, TCP);
    plan.config.validators[0].key = key(0).verifying_key().to_bytes();
    let same = start(plan).await.unwrap();
    assert!(matches!(&same, NetworkError::SameKey(name, _) if name == "v1"), "{same}");
    let mut plan = Plan::new(0, 2, TCP);
    plan.config.validators[0].key = [2; 32];
    let strange = start(plan).await.unwrap();
    assert!(matches!(&strange, NetworkError::Key(name) if name == "v1"), "{strange}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_who_is_there_and_how_far() {
    let nodes = connected(2, QUIC).await;
    nodes[0].await_status("a link", |status| status.link.is_some()).await;
    let round_trip = async {
        let mut again = interval(Duration::from_millis(20));
        while nodes[0].network.peers().borrow()[0].link.as_ref().unwrap().round_trip.is_none() {
            again.tick().await;
        }
    };
    patiently("a ping", round_trip).await;
    let status = nodes[0].network.peers().borrow()[0].clone();
    assert_eq!((status.peer, &*status.name, status.id), (peer(1), "v1", id(1)));
    assert!(status.link.unwrap().agent.starts_with("hpaxos/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_strangers_keeps_nobody_out() {
    let mut node = Plan::new(0, 2, TCP).start().await;
    let mut strangers: Vec<_> = (20..40).map(|number| raw::swarm(&key(number))).collect();
    for stranger in &mut strangers {
        stranger.dial(node.address.clone()).unwrap();
    }
    let flood = tokio::spawn(async move {
        let mut events = futures::stream::select_all(strangers);
        while let Some(event) = events.next().await {
            assert!(!matches!(event, SwarmEvent::Behaviour(_)), "{event:?}");
        }
    });
    let mut friend = Plan::new(1, 2, TCP).knows(&node).start().await;
    friend.await_connected(0).await;
    assert_eq!(node.told().await, Told::Connected(peer(1)));
    flood.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_missed_and_found_again() {
    for listen in [QUIC, TCP] {
        let mut one = Plan::new(0, 2, listen).start().await;
        let wire = wire::Wire::to(&one.address).await;
        let mut two = Plan::new(1, 2, listen).knows_at(0, wire.address.clone()).start().await;
        one.await_connected(1).await;
        two.await_connected(0).await;
        wire.cut();
        let cut = Instant::now();
        for _ in 0..100 {
            one.send(1, vec![0; 64 << 10]);
        }
        one.await_disconnected(1).await;
        two.await_disconnected(0).await;
        println!("{listen}: missed after {:?}", cut.elapsed());
        assert!(cut.elapsed() < Duration::from_secs(20), "{:?}", cut.elapsed());
        wire.mend();
        one.await_connected(1).await;
        two.await_connected(0).await;
        one.send(1, "found");
        two.await_frame(0, b"found").await;
    }
}

/// A connection from `from` on which nothing is said.
async fn silent(from: &str, to: &Node) -> TcpStream {
    let port = to.address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let connecting = socket.connect(([127, 0, 0, 1], port.unwrap()).into());
    patiently("a socket", connecting).await.unwrap()
}

async fn await_end(mut socket: TcpStream) {
    let mut bytes = Vec::new();
    let _ = patiently("the end", socket.read_to_end(&mut bytes)).await;
}

/// Whether the other side has not hung up. It may have said something.
fn is_open(socket: &TcpStream) -> bool {
    let mut bytes = [0; 256];
    loop {
        match socket.try_read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_never_speak_keep_out_only_their_own_address() {
    let mut plan = Plan::new(0, 2, TCP);
    plan.config.pending.time_max = Duration::from_secs(3_600);
    let mut node = plan.start().await;
    let mut granted = Vec::new();
    for _ in 0..8 {
        granted.push(silent("127.0.0.2", &node).await);
    }
    // One more is hung up on at once.
    await_end(silent("127.0.0.2", &node).await).await;
    assert!(granted.iter().all(is_open));
    let mut friend = Plan::new(1, 2, TCP).knows(&node).start().await;
    friend.await_connected(0).await;
    node.await_connected(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_may_be_silent_at_once_and_only_so_long() {
    let mut plan = Plan::new(0, 2, TCP);
    plan.config.pending =
        PendingLimits { max: 3, per_address_max: 2, time_max: Duration::from_millis(700) };
    let mut node = plan.start().await;
    let friend = Plan::new(1, 2, TCP).knows(&node);
    let begun = Instant::now();
    let origins = ["127.0.0.1", "127.0.0.1", "127.0.0.2"];
    let granted = futures::future::join_all(origins.map(|from| silent(from, &node))).await;
    let refused = silent("127.0.0.3", &node).await;
    await_end(refused).await;
    let mut friend = friend.start().await;
    for socket in granted {
        await_end(socket).await;
    }
    let elapsed = begun.elapsed();
    println!("hung up on after {elapsed:?}");
    assert!((Duration::from_millis(700)..Duration::from_secs(5)).contains(&elapsed), "{elapsed:?}");
    friend.await_connected(0).await;
    node.await_connected(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_on_one_address_all_meet() {
    let addresses: [_; 16] = free_addresses("tcp");
    let start = |number: usize| {
        let plan = Plan::new(number, 16, &addresses[number].to_string());
        let others = (0..16).filter(|&other| other != number);
        let mut plan =
            others.fold(plan, |plan, other| plan.knows_at(other, addresses[other].clone()));
        plan.config.pending.per_address_max = 2;
        plan.start()
    };
    let nodes = futures::future::join_all((0..16).map(start)).await;
    for node in &nodes {
        let mut peers = node.network.peers();
        let all = peers.wait_for(|peers| peers.iter().all(|peer| peer.link.is_some()));
        patiently("everybody", all).await.unwrap();
    }
}
