//! What a type does not say about a setting.

use super::Config;
use crate::logging;
use hpaxos_learner_graph::file::is_name;

/// A key, and what is wrong with its value.
pub(super) type Wrong = (&'static str, String);

/// Bounds of numbers, with their key.
type Bounds = (&'static str, u64, u64, u64);

const HOUR_MS: u64 = 3_600_000;
const MIB: u64 = 1 << 20;
const ANY: u64 = u64::MAX;

/// The first value that makes no sense.
pub(super) fn check(config: &Config) -> Result<(), Wrong> {
    for (key, value, least, most) in bounds(config) {
        if value < least {
            return Err((key, format!("is {value}; it should be at least {least}")));
        }
        if value > most {
            return Err((key, format!("is {value}; it should be at most {most}")));
        }
    }
    names(config)?;
    listening(config)?;
    relations(config)?;
    retention(config)?;
    logging::filter(&config.log.level)
        .map(drop)
        .map_err(|error| ("log.level", format!("is wrong: {error}")))
}

fn bounds(config: &Config) -> Vec<Bounds> {
    let Config { p2p, api, consensus, mempool, .. } = config;
    vec![
        ("p2p.pending_max", p2p.pending_max.into(), 1, ANY),
        ("p2p.pending_per_address_max", p2p.pending_per_address_max.into(), 1, ANY),
        ("p2p.handshake_timeout_ms", p2p.handshake_timeout_ms, 1, HOUR_MS),
        ("api.header_timeout_ms", api.header_timeout_ms, 1, HOUR_MS),
        ("api.body_timeout_ms", api.body_timeout_ms, 1, HOUR_MS),
        ("api.body_bytes_max", api.body_bytes_max as u64, 1024, 64 * MIB),
        ("api.connections_max", api.connections_max as u64, 1, ANY),
        ("api.connections_per_address_max", api.connections_per_address_max as u64, 1, ANY),
        ("api.waiting_max", api.waiting_max as u64, 0, api.connections_max as u64),
        ("api.requests_per_second", api.requests_per_second.into(), 1, ANY),
        ("api.requests_burst", api.requests_burst.into(), 1, ANY),
        ("consensus.first_timer_ms", consensus.first_timer_ms, 1, HOUR_MS),
        ("consensus.slot_ms_min", consensus.slot_ms_min, 0, HOUR_MS),
        ("consensus.idle_slot_ms", consensus.idle_slot_ms, consensus.slot_ms_min, HOUR_MS),
        ("consensus.depth", consensus.depth, 1, 1024),
        ("consensus.parked_bytes_max", consensus.parked_bytes_max, MIB, ANY),
        ("mempool.bundles_max", mempool.bundles_max as u64, 1, ANY),
        ("mempool.bytes_max", mempool.bytes_max as u64, MIB, ANY),
        ("mempool.per_source_max", mempool.per_source_max as u64, 1, mempool.bundles_max as u64),
    ]
}

fn names(config: &Config) -> Result<(), Wrong> {
    if !is_name(&config.name) {
        let shown = config.name.escape_debug();
        let rule = "1 to 32 of the characters a-z 0-9 . _ -, beginning with a letter or digit";
        return Err(("name", format!("is `{shown}`; it should be {rule}")));
    }
    let is_host = |host: &&String| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        !host.is_empty() && host.bytes().all(inner)
    };
    if let Some(host) = config.api.hosts.iter().find(|host| !is_host(host)) {
        let shown = host.escape_debug();
        let message = format!(
            "has `{shown}`, which is no host name; one looks like \"api.example.org\", without scheme and port"
        );
        return Err(("api.hosts", message));
    }
    Ok(())
}

fn listening(config: &Config) -> Result<(), Wrong> {
    let (api, metrics) = (config.api.listen.0, config.metrics.listen.0);
    if config.p2p.listen.is_empty() {
        return Err(("p2p.listen", "is empty; a node listens somewhere".into()));
    }
    if !api.ip().is_loopback() && config.api.hosts.is_empty() {
        let message = format!(
            "is {api}, which is not loopback; then `api.hosts` should name what requests are addressed to"
        );
        return Err(("api.listen", message));
    }
    if api == metrics && api.port() != 0 {
        let message =
            format!("is {metrics}, where the API listens; it should have a port of its own");
        return Err(("metrics.listen", message));
    }
    Ok(())
}

/// The slots that a node keeps at least, if it does not keep all: more than are open at a time.
const KEEP_SLOTS_MIN: u64 = 64;

fn retention(config: &Config) -> Result<(), Wrong> {
    let keep = config.store.keep_slots;
    let least = KEEP_SLOTS_MIN.max(config.consensus.depth.saturating_mul(4));
    if keep > 0 && keep < least {
        let message = format!("is {keep}; it should be at least {least}, or 0 to keep everything");
        return Err(("store.keep_slots", message));
    }
    Ok(())
}

fn relations(config: &Config) -> Result<(), Wrong> {
    let followers = &config.p2p.followers;
    if followers.max > 0 && followers.allow.is_empty() {
        let max = followers.max;
        let message = format!(
            "is {max}, but nobody may connect; `p2p.followers.allow` should list their public keys"
        );
        return Err(("p2p.followers.max", message));
    }
    Ok(())
}
