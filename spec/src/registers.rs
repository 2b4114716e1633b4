//! Whether what clients saw of a register, which moves on only from the version that one expects, can be put in one order that
//! agrees with real time: linearizability, as stateright's tester decides it.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// One operation of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation(usize);

#[derive(Clone, Copy, Debug)]
enum Event {
    Invoked(Operation, u64),
    Returned(Operation, bool),
}

/// What clients asked of one register and were answered, in the order of real time.
#[derive(Clone, Debug)]
pub struct History {
    first: u64,
    count: usize,
    events: Vec<Event>,
}

impl History {
    /// Of a register that begins at a version.
    pub fn new(first: u64) -> Self {
        History { first, count: 0, events: Vec::new() }
    }

    /// Somebody wants the register to move on from the version `expects`.
    pub fn invoked(&mut self, expects: u64) -> Operation {
        let operation = Operation(self.count);
        self.count += 1;
        self.events.push(Event::Invoked(operation, expects));
        operation
    }

    /// It moved, or did not because it was at another version. An operation without an answer may have been done at any time
    /// since, or never.
    pub fn returned(&mut self, operation: Operation, moved: bool) {
        self.events.push(Event::Returned(operation, moved));
    }

    /// The operation was not done, and never will be.
    pub fn withdrawn(&mut self, operation: Operation) {
        self.events.retain(|event| match event {
            Event::Invoked(other, _) | Event::Returned(other, _) => *other != operation,
        });
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Invoked(..))).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether one order explains all answers. Takes time exponential in the number of operations at the same time.
    pub fn is_linearizable(&self) -> bool {
        // Each operation is a client of its own: one that got no answer asks no more.
        let mut tester = LinearizabilityTester::new(Register(self.first));
        for event in &self.events {
            let step = match event {
                Event::Invoked(operation, expects) => tester.on_invoke(*operation, *expects),
                Event::Returned(operation, moved) => tester.on_return(*operation, *moved),
            };
            if step.is_err() {
                return false;
            }
        }
        tester.is_consistent()
    }
}

/// A version that moves on by one from the version that is expected.
#[derive(Clone, Debug)]
struct Register(u64);

impl SequentialSpec for Register {
    type Op = u64;
    type Ret = bool;

    fn invoke(&mut self, expects: &u64) -> bool {
        let moves = self.0 == *expects;
        self.0 += u64::from(moves);
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_that_expect_the_same_moves() {
        let mut history = History::new(1);
        let (one, other) = (history.invoked(1), history.invoked(1));
        history.returned(other, true);
        history.returned(one, false);
        assert!(history.is_linearizable());
        let late = history.invoked(1);
        history.returned(late, true);
        assert!(!history.is_linearizable(), "two moved on from version 1");
    }

    #[test]
    fn real_time_counts() {
        let mut history = History::new(1);
        let early = history.invoked(2);
        history.returned(early, true);
        let first = history.invoked(1);
        history.returned(first, true);
        assert!(!history.is_linearizable(), "2 was expected and found before 1 was left");
    }

    #[test]
    fn what_got_no_answer_may_have_been_done() {
        let mut history = History::new(1);
        let lost = history.invoked(1);
        let next = history.invoked(2);
        history.returned(next, true);
        assert!(history.is_linearizable());
        history.withdrawn(lost);
        assert_eq!(history.len(), 1);
        assert!(!history.is_linearizable());
    }
}
