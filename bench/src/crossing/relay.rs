//! Each chain decides by itself, and a relayer carries what was gained to the log that the chains share.
//!
//! It is not atomic: one chain may decide its part, and the other never. The relayer believes no node: it waits for the
//! certificates, and the log that takes things in checks them once more.

use super::Market;
use super::market::{CHAINS, Trade, release, shared_log};
use anyhow::{Context, Result};
use hpaxos_ledger::{Operation, Part, Receipt};

/// The place of the release in its part.
const RELEASE: u32 = 1;

/// Trades over so many chains.
pub fn trade(market: &Market, trade: &Trade<'_>, chains: usize) -> Result<()> {
    let log = shared_log(chains);
    let receipts: Vec<Receipt> = market
        .each(chains, |chain| {
            let (_, gains) = trade.sides(chain);
            let operations = vec![trade.pays(chain), release(gains, &log)];
            let part = Part { chain: CHAINS[chain].into(), operations };
            let bundle = market.bundle(CHAINS[chain], vec![part], &[trade.one, trade.other]);
            market.certify(trade.client, &bundle)
        })
        .into_iter()
        .collect::<Result<_>>()?;
    let claims: Vec<Operation> = receipts
        .iter()
        .zip(CHAINS)
        .map(|(receipt, chain)| {
            Operation::claim_of(market.network, &market.graph, receipt, (chain, RELEASE))
        })
        .collect::<Result<_, _>>()
        .context("a claim of what was released")?;
    let claim = market.shared_bundle(chains, &[], |chain| vec![claims[chain].clone()]);
    market.commit(trade.client, &claim).map(drop)
}
