//! One trade over several chains, in each of the ways in which the same validators can do it.
//!
//! ```text
//!   one chain    red:  bundle                                           one decision
//!   atomic       red+blue:  one bundle                                  one decision
//!   relay        red, blue:  bundle each, which releases ─▶ certificates ─▶ red+blue:  claim
//!   two-phase    red, blue:  prepare ─▶ certificates ─▶ decision on disk ─▶ red, blue:  commit
//! ```
//!
//! The last two are clients of the product as it is: no node knows of them.

mod load;
mod market;
mod relay;
mod two_phase;

pub use load::{Seen, run};
pub use market::{CHAINS, Market};

use anyhow::Result;
use hpaxos_ledger::{Operation, Part};
use market::Trade;

/// A way to trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// On one chain, in its own log.
    OneChain,
    /// One bundle over so many chains, in the log that they share.
    Atomic(usize),
    /// Each chain decides its part in its own log; what is gained is carried to the log that they share.
    Relay(usize),
    /// Two-phase commit, each chain in its own log.
    TwoPhase(usize),
}

impl Way {
    /// For people.
    pub fn name(self) -> String {
        match self {
            Way::OneChain => "one chain".into(),
            Way::Atomic(chains) => format!("atomic, {chains} chains"),
            Way::Relay(chains) => format!("relay, {chains} chains"),
            Way::TwoPhase(chains) => format!("two-phase, {chains} chains"),
        }
    }

    /// Bundles of a trade.
    pub fn bundles(self) -> usize {
        match self {
            Way::OneChain | Way::Atomic(_) => 1,
            Way::Relay(chains) => chains + 1,
            Way::TwoPhase(chains) => 2 * chains,
        }
    }

    /// Trades: done when everything is committed on all chains, as the client's node has executed it.
    fn trade(self, market: &Market, trade: &Trade<'_>) -> Result<()> {
        match self {
            Way::OneChain => {
                let operations = vec![trade.pays(0), trade.pays(1)];
                let parts = vec![Part { chain: CHAINS[0].into(), operations }];
                let bundle = market.bundle(CHAINS[0], parts, &[trade.one, trade.other]);
                market.commit(trade.client, &bundle).map(drop)
            }
            Way::Atomic(chains) => {
                let bundle = market.shared_bundle(chains, &[trade.one, trade.other], |chain| {
                    vec![trade.pays(chain)]
                });
                market.commit(trade.client, &bundle).map(drop)
            }
            Way::Relay(chains) => relay::trade(market, trade, chains),
            Way::TwoPhase(chains) => two_phase::trade(market, trade, chains),
        }
    }
}

impl Trade<'_> {
    /// What moves on a chain: one pays on the first and third, the other on the second.
    fn pays(&self, chain: usize) -> Operation {
        let (from, to) = self.sides(chain);
        market::pay(from, to)
    }
}
