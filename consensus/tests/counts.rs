//! What one slot costs when nothing fails and what arrives in a period is answered as one batch.

mod support;

use hpaxos_consensus::message::Kind;
use hpaxos_consensus::{Sends, Trust};
use hpaxos_learner_graph::Safe;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::run::{Arrival, Run, VALUE, one_slot};
use support::trust::{declarations, differing, equal, level, trust, two_thirds};

const SIZES: [usize; 3] = [4, 7, 10];

/// Runs a slot, and checks that everybody decides, and that whatever is sent is a message.
fn slot(trust: &Arc<Trust>, arrival: Arrival) -> Run {
    let run = one_slot(trust, arrival);
    let (nodes, learners) = (run.replicas.len(), trust.learners().len());
    assert_eq!(run.decided, nodes * learners, "every learner decides at every node, once");
    for replica in &run.replicas {
        let instance = replica.instance(support::run::SLOT).expect("the slot is open");
        trust.learners().iter().for_each(|learner| {
            assert_eq!(instance.decided(learner), Some(VALUE));
        });
    }
    assert_eq!(run.others, 0, "nobody has to ask, or to announce a round");
    run
}

/// Learners whose quorums differ, in the acceptors that they count too.
fn differing_members(acceptors: usize) -> Arc<Trust> {
    let quorums = [
        (two_thirds(acceptors), acceptors),
        (two_thirds(acceptors) + 1, acceptors),
        (two_thirds(acceptors - 1), acceptors - 1),
    ];
    trust(declarations(acceptors, &quorums, || Safe::Largest))
}

#[test]
fn three_sends_take_one_and_two_n_messages() {
    for n in SIZES {
        for learners in [1, 2, 5] {
            let differing = level(n, learners.min(2));
            assert_eq!(differing.class_count(), learners.min(2));
            for trust in [equal(n, learners), differing] {
                assert_eq!(trust.sends(), Sends::Three);
                let run = slot(&trust, Arrival::Batched);
                let expected = [(Kind::OneA, 1), (Kind::OneB, n), (Kind::TwoA, n)];
                assert_eq!(run.sent, BTreeMap::from(expected), "{n} acceptors");
            }
        }
    }
}

#[test]
fn four_sends_take_one_and_three_n_messages_also_for_differing_quorums() {
    for n in SIZES {
        for trust in [differing(n, 2), differing_members(n)] {
            assert_eq!(trust.sends(), Sends::Four);
            assert_eq!(trust.class_count(), trust.learners().len());
            let run = slot(&trust, Arrival::Batched);
            let kinds = [(Kind::OneA, 1), (Kind::OneB, n), (Kind::TwoA, n), (Kind::TwoB, n)];
            assert_eq!(run.sent, BTreeMap::from(kinds), "{n} acceptors");
        }
    }
}

/// Each own message is stored with what below it was not yet.
#[test]
fn each_acceptor_stores_as_often_as_it_sends() {
    for n in SIZES {
        for (trust, replies) in [(equal(n, 2), 2), (differing(n, 2), 3)] {
            let run = slot(&trust, Arrival::Batched);
            // The proposer of round 0 is the first member of the first learner.
            let mut expected = vec![replies; n];
            expected[0] += 1;
            assert_eq!(run.message_records, expected, "{n} acceptors");
        }
    }
}

/// One for each of its replies, and one for the decision; the proposer's own 1b shares the sync of its 1a.
#[test]
fn each_acceptor_syncs_once_a_period() {
    for n in SIZES {
        for (trust, syncs) in [(equal(n, 2), 3), (differing(n, 2), 4)] {
            let run = slot(&trust, Arrival::Batched);
            assert_eq!(run.syncs, vec![syncs; n], "{n} acceptors");
        }
    }
}

/// Open, block and 1a, 1b, 2a, (2b,) and the last wave, which nobody answers.
#[test]
fn decisions_take_three_or_four_message_delays() {
    for n in SIZES {
        let opening = 1;
        assert_eq!(slot(&equal(n, 2), Arrival::Batched).periods, opening + 1 + 3);
        assert_eq!(slot(&differing(n, 2), Arrival::Batched).periods, opening + 1 + 4);
    }
}

#[test]
fn message_by_message_there_are_no_more_than_one_for_each_learner() {
    for n in SIZES {
        for learners in [1, 2, 3] {
            let three = slot(&equal(n, learners), Arrival::OneByOne);
            assert!(three.messages() <= 1 + n * (1 + learners), "{:?}", three.sent);
        }
        let four = slot(&differing_members(n), Arrival::OneByOne);
        assert!(four.messages() <= 1 + n * (1 + 2 * 3), "{:?}", four.sent);
    }
}
