use hpaxos_consensus::message::*;
use hpaxos_consensus::*;
use hpaxos_learner_graph::*;
use std::sync::Arc;

fn graph(n: usize, q: usize, learners: &[&str]) -> LearnerGraph {
    let mut t = String::from("version = 1\n");
    for i in 0..n {
        t += &format!("[acceptors.v{i:03}]\n");
    }
    let names: Vec<String> = (0..n).map(|i| format!("\"v{i:03}\"")).collect();
    for l in learners {
        t +=
            &format!("[learners.{l}]\nquorum = {{ at-least = {q}, of = [{}] }}\n", names.join(","));
    }
    if learners.len() > 1 {
        t += &format!(
            "[[edges]]\nbetween = [\"{}\", \"{}\"]\nsafe = {{ at-least = {}, of = [{}] }}\n",
            learners[0],
            learners[1],
            n - q + 1,
            names.join(",")
        );
    }
    file::read(&t).unwrap_or_else(|e| panic!("{e}\n{t}"))
}

fn run(n: usize, q: usize, learners: &[&str]) {
    let g = graph(n, q, learners);
    let log = g.logs().into_iter().next().unwrap();
    let trust = Arc::new(Trust::new(log).unwrap());
    println!("sends {:?} classes {}", trust.sends(), trust.class_count());
    let net = NetworkId([7; 32]);
    let mut nodes: Vec<Replica> = (0..n)
        .map(|i| {
            Replica::new(Config::new(
                net,
                trust.clone(),
                Some(AcceptorId::new(i)),
                Arc::new(NoSigner),
            ))
        })
        .collect();
    let mut queues: Vec<Vec<Event>> = vec![vec![Event::Open]; n];
    let mut sent = 0;
    let mut decided = 0;
    let mut records = 0;
    let mut waves = 0;
    while queues.iter().any(|q| !q.is_empty()) {
        waves += 1;
        let batch: Vec<Vec<Event>> = std::mem::replace(&mut queues, vec![vec![]; n]);
        for (i, events) in batch.into_iter().enumerate() {
            let mut out = Effects::default();
            for e in events {
                nodes[i].handle(e, &mut out);
            }
            nodes[i].settle(&mut out);
            records += out.store.len();
            decided += out.decided.len();
            assert!(out.faults.is_empty(), "{:?}", out.faults);
            for r in &out.requests {
                if let Request::Block { slot, round } = r {
                    queues[i].push(Event::Block {
                        slot: *slot,
                        round: *round,
                        value: ValueHash([9; 32]),
                    });
                }
            }
            for (target, p) in &out.send {
                if let Packet::Message(m, _) = p {
                    sent += 1;
                    if m.kind() == Kind::OneA {
                        for j in 0..n {
                            queues[j].push(Event::Value {
                                slot: Slot(0),
                                value: ValueHash([9; 32]),
                                judgement: Judgement::Valid,
                            });
                        }
                    }
                } else {
                    println!("{p:?}");
                }
                for j in 0..n {
                    if j != i
                        && (*target == Target::All
                            || *target == Target::One(Peer::Acceptor(AcceptorId::new(j))))
                    {
                        queues[j].push(Event::Packet {
                            from: Peer::Acceptor(AcceptorId::new(i)),
                            packet: p.clone(),
                        });
                    }
                }
            }
        }
    }
    println!("n {n} sent {sent} decided {decided} records {records} waves {waves}");
}

#[test]
fn smoke() {
    run(4, 3, &["a"]);
    run(4, 3, &["a", "b"]);
    run(7, 5, &["a", "b"]);
    let t = std::time::Instant::now();
    run(100, 67, &["a"]);
    println!("{:?} per replica", t.elapsed() / 100);
}
