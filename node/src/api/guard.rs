//! Who may ask, and how often.

use super::error::Failure;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Addresses that are remembered; beyond, the oldest are forgotten, and start with a full bucket.
const ADDRESSES_MAX: usize = 4_096;

/// Lets through who names this node, and not too often.
pub(crate) struct Guard {
    hosts: Vec<String>,
    per_second: f64,
    burst: f64,
    buckets: Mutex<BTreeMap<IpAddr, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Guard {
    pub fn new(hosts: Vec<String>, per_second: u32, burst: u32) -> Self {
        let (per_second, burst) = (f64::from(per_second), f64::from(burst));
        Guard { hosts, per_second, burst, buckets: Mutex::default() }
    }

    /// Whether an address may ask once more.
    fn admits(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.filled);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                buckets.remove(&oldest);
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { tokens: self.burst, filled: now });
        let more = (now - bucket.filled).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + more).min(self.burst);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Whether the Host header is this machine's, or listed: a page of somebody else's must not reach this API by way of
    /// a browser here.
    fn is_mine(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || bare == "localhost" || self.hosts.iter().any(|one| one == name || one == host)
    }
}

/// Refuses strangers and floods.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| guard.is_mine(host)) {
        let message = format!(
            "the Host header should be loopback, or listed in `api.hosts`; it is {}",
            host.map_or("missing".into(), |host| format!("`{}`", host.escape_debug()))
        );
        return Failure::forbidden(message).into_response();
    }
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if from.is_some_and(|ConnectInfo(from)| !guard.admits(from.ip())) {
        return Failure::busy("too many requests from this address").into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_hosts() {
        let guard = Guard::new(vec!["node.example".into()], 1, 1);
        for mine in [
            "localhost",
            "localhost:80",
            "127.0.0.1:8645",
            "[::1]:8645",
            "node.example",
            "node.example:443",
        ] {
            assert!(guard.is_mine(mine), "{mine}");
        }
        for foreign in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "8.8.8.8"]
        {
            assert!(!guard.is_mine(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_bucket_runs_out_for_one_address_only() {
        let guard = Guard::new(Vec::new(), 1, 3);
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        assert!((0..3).all(|_| guard.admits(one)));
        assert!(!guard.admits(one) && guard.admits(other));
    }
}
