//! The API, and clients that are slow, many, or early: what they do to themselves, and not to others.

use crate::world::World;
use ed25519_dalek::SigningKey;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, sleep, timeout};

/// Where the clients are that the tests are about; the world's own is at 127.0.0.1.
const ELSEWHERE: &str = "127.0.0.2:0";

/// Longer than any limit that a test sets.
const PATIENCE: Duration = Duration::from_secs(60);

const HEALTH: &str = "GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn connect(to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(ELSEWHERE.parse().unwrap()).unwrap();
    socket.connect(to.parse().unwrap()).await.unwrap()
}

/// A node with these settings of the API.
fn world_with(settings: &str) -> World {
    let mut world = World::new();
    let config = world.read("home/config.toml");
    world.write("home/config.toml", &format!("{config}[api]\n{settings}\n"));
    world.start();
    world
}

/// What a client is answered that says this, and then a little more every now and then, until it is hung up on.
async fn drip(api: &str, beginning: &str, more: &str) -> String {
    let (mut from, mut to) = connect(api).await.into_split();
    to.write_all(beginning.as_bytes()).await.unwrap();
    let more = more.to_owned();
    let dripping = tokio::spawn(async move {
        let mut next = interval(Duration::from_millis(50));
        loop {
            next.tick().await;
            if to.write_all(more.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    // One that is hung up on in the middle of a word may be reset.
    let ended = timeout(PATIENCE, from.read_to_end(&mut answer)).await;
    dripping.abort();
    assert!(ended.is_ok(), "nobody hung up after {beginning:?}");
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_waited_for_for_ever() {
    let world = world_with("header_timeout_ms = 700\nbody_timeout_ms = 1100");
    let api = &world.api;
    let head = "POST /v1/bundles HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let (slow_head, body) = (format!("{head}X: "), format!("{head}Content-Length: 100000\r\n\r\n"));
    let began = Instant::now();
    let [silent, answered, slow_head, slow_body] = [
        drip(api, "", ""),
        drip(api, HEALTH, ""),
        drip(api, &slow_head, "x"),
        drip(api, &body, " "),
    ]
    .map(|one| Box::pin(async move { (one.await, began.elapsed()) }))
    .into_iter()
    .collect::<futures::future::JoinAll<_>>()
    .await
    .try_into()
    .unwrap();
    for (what, (answer, after), expected, least) in [
        ("says nothing", silent, "", 700),
        ("says nothing more", answered, "HTTP/1.1 200", 700),
        ("has a slow head", slow_head, "", 700),
        ("has a slow body", slow_body, "HTTP/1.1 408", 1100),
    ] {
        assert!(answer.starts_with(expected), "who {what}: {answer}");
        assert!(answer.is_empty() == expected.is_empty(), "who {what}: {answer}");
        assert!(after >= Duration::from_millis(least), "who {what}: {after:?}");
    }
}

/// Answers that nobody reads fill what the system holds for a connection, and then stay with the node.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_hung_up_on() {
    const CLIENTS: usize = 4;
    let settings = format!(
        "body_timeout_ms = 700\nrequests_burst = 1000000\nconnections_per_address_max = {CLIENTS}"
    );
    let world = world_with(&settings);
    let asked = "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000);
    let mut deaf = Vec::new();
    for _ in 0..CLIENTS {
        let (from, mut to) = connect(&world.api).await.into_split();
        let asked = asked.clone();
        deaf.push((from, tokio::spawn(async move { drop(to.write_all(asked.as_bytes()).await) })));
    }
    // There is room once one of them is gone.
    let room = async {
        loop {
            let mut socket = connect(&world.api).await;
            let _ = socket.write_all(HEALTH.as_bytes()).await;
            let mut answer = [0; 12];
            if socket.read_exact(&mut answer).await.is_ok() {
                return String::from_utf8(answer.to_vec()).unwrap();
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = timeout(PATIENCE, room).await.expect("who does not read keeps its place");
    assert_eq!(answer, "HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_is_told_to_wait_and_nobody_else_is() {
    let world = world_with("requests_per_second = 50\nrequests_burst = 50");
    let mut socket = connect(&world.api).await;
    let last = HEALTH.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let began = Instant::now();
    socket.write_all(HEALTH.repeat(999).as_bytes()).await.unwrap();
    socket.write_all(last.as_bytes()).await.unwrap();
    let mut answers = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut answers)).await.unwrap().unwrap();
    let may = 50 + 50 * (began.elapsed().as_secs() as usize + 1);
    let answers: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    let (taken, refused): (Vec<&str>, Vec<&str>) =
        answers.iter().partition(|answer| answer.starts_with("200 OK"));
    assert_eq!(answers.len(), 1_000);
    assert!((50..=may).contains(&taken.len()) && may < 1_000, "{} of {may}", taken.len());
    for answer in refused {
        assert!(answer.starts_with("429 Too Many Requests"), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.contains(r#"{"error":{"code":"busy","#), "{answer}");
    }
    world.client().logs().unwrap();
}

/// Each of a few hundred clients begins a request, and goes on with it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_drips_holds_neither_the_api_nor_consensus() {
    const CLIENTS: usize = 400;
    let mut world = world_with("header_timeout_ms = 600000\nbody_timeout_ms = 600000");
    let mut crowd = Vec::new();
    for number in 0..CLIENTS {
        let mut socket = connect(&world.api).await;
        let length = if number % 2 == 0 { "X: " } else { "Content-Length: 9999\r\n\r\n" };
        crowd.push(tokio::spawn(async move {
            let head = "POST /v1/bundles HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
            let _ = socket.write_all(format!("{head}{length}").as_bytes()).await;
            let mut next = interval(Duration::from_millis(200));
            loop {
                next.tick().await;
                if socket.write_all(b" ").await.is_err() {
                    return;
                }
            }
        }));
    }
    // Those beyond their address's share notice when they go on.
    while crowd.iter().filter(|one| !one.is_finished()).count() > 128 {
        sleep(Duration::from_millis(50)).await;
    }
    let height =
        |world: &World| world.client().logs().unwrap().logs["red+blue"].learners["red"].height;
    let before = height(&world);
    world.signed("bundle.json", &["red: delete red+blue:seat/12C"], &[], &["alice.json"]);
    world.submit("bundle.json").expect(0, "committed");
    world.until("slots are decided", |world| (height(world) > before + 10).then_some(()));
    assert_eq!(crowd.iter().filter(|one| !one.is_finished()).count(), 128, "they drip on");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_the_api_says_so() {
    let mut world = World::new();
    let graph = world.read("home/learner-graph.toml");
    let absent = hex::encode(SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes());
    let graph = graph.replace("\"solo\"\n", "{ at-least = 2, of = [\"absent\", \"solo\"] }\n");
    world.write(
        "home/learner-graph.toml",
        &graph.replacen(
            "[learners",
            &format!("[acceptors.absent]\npublic-key = \"{absent}\"\n[learners"),
            1,
        ),
    );
    world.listen();
    let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let post = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    for request in [format!("GET /v1/ready {head}\r\n"), format!("POST /v1/bundles {head}{post}")] {
        let mut socket = connect(&world.api).await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable"), "{answer}");
        assert!(answer.contains(r#"{"error":{"code":"not_ready","#), "{answer}");
    }
    world.ask(&["status"]).expect(1, "not ready: no quorum of validators is connected");
}
