//! Two-phase commit between the chains' own logs, with a client as its coordinator.
//!
//! 1. *Prepare*: on each chain, who pays locks it: it is paid to the keeper. The coordinator waits until each chain has certified
//!    that, and checks it.
//! 2. The coordinator writes its decision down, synced: after a crash it must not decide otherwise.
//! 3. *Commit*, or *abort*: on each chain the keeper pays it on, or back.
//!
//! It flatters two-phase commit: the keeper is a key that all chains trust. Between chains that trust no third party, each would
//! check the others' certificates itself, in the second phase, and locks would need a time at which they end.

use super::Market;
use super::market::{CHAINS, Trade, pay};
use anyhow::{Result, bail, ensure};
use ed25519_dalek::SigningKey;
use hpaxos_ledger::{Bundle, Part};
use std::io::Write as _;
use std::sync::PoisonError;

/// What the coordinator decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Commit,
    Abort,
}

/// Trades over so many chains.
pub fn trade(market: &Market, trade: &Trade<'_>, chains: usize) -> Result<()> {
    let prepared = market.each(chains, |chain| {
        let (pays, _) = trade.sides(chain);
        market.certify(trade.client, &payment(market, chain, pays, &market.keeper))
    });
    let decision = decide(&prepared);
    write_down(market, decision)?;
    let ended = market.each(chains, |chain| {
        let (pays, gains) = trade.sides(chain);
        match decision {
            Decision::Commit => {
                let bundle = payment(market, chain, &market.keeper, gains);
                market.commit(trade.client, &bundle).map(drop)
            }
            Decision::Abort if prepared[chain].is_ok() => {
                let bundle = payment(market, chain, &market.keeper, pays);
                market.commit(trade.client, &bundle).map(drop)
            }
            Decision::Abort => Ok(()),
        }
    });
    ended.into_iter().collect::<Result<()>>()?;
    ensure!(
        decision == Decision::Commit,
        "aborted: {:?}",
        prepared.into_iter().find_map(Result::err)
    );
    Ok(())
}

/// All, or nothing.
fn decide<T>(prepared: &[Result<T>]) -> Decision {
    if prepared.iter().all(Result::is_ok) { Decision::Commit } else { Decision::Abort }
}

fn payment(market: &Market, chain: usize, from: &SigningKey, to: &SigningKey) -> Bundle {
    let part = Part { chain: CHAINS[chain].into(), operations: vec![pay(from, to)] };
    market.bundle(CHAINS[chain], vec![part], &[from])
}

fn write_down(market: &Market, decision: Decision) -> Result<()> {
    let mut journal = market.journal.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(journal, "{decision:?}")?;
    match journal.sync_data() {
        Ok(()) => Ok(()),
        Err(error) => bail!("the decision is not on the disk: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_cannot_keeps_all_from_it() {
        assert_eq!(decide(&[Ok(()), Ok(())]), Decision::Commit);
        assert_eq!(decide(&[Ok(()), Err(anyhow::anyhow!("no gold"))]), Decision::Abort);
    }
}
