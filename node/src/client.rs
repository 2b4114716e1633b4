//! Asks a node over its API: for the commands, and for programs that drive a network.

use crate::api::answers::{Balances, ErrorAnswer, ErrorBody, Graph, Logs, Object, Slot, Submitted};
use hpaxos_ledger::{Bundle, BundleId, Receipt};
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use thiserror::Error;
use ureq::http::Response;
use ureq::{Agent, Body};

/// How long each step of a request may take: to connect, to send it, to be answered when nobody was asked to wait, to read.
/// A limit for all of them together would cost a thread for each request, in which ureq looks up the host's name.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that are kept for the next requests: as many as somebody may wait over at a time.
const IDLE_MAX: usize = 256;

/// How long each is kept: nodes hang up on clients that say nothing for five seconds.
const IDLE_AGE_MAX: Duration = Duration::from_secs(4);

/// The longest answer: a block of a MiB as JSON, with room.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Asks one node; clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    agent: Agent,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The node cannot be reached, or says nothing.
    #[error("no answer from {url}: {why}; does the node run there?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// What answers is no node.
    #[error("{url} answers what no node says: {why}")]
    NoNode {
        /// Where.
        url: String,
        /// What.
        why: String,
    },
    /// The node refuses.
    #[error("{0}")]
    Refused(Refused),
}

/// A node's refusal.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The status of HTTP.
    pub status: u16,
    /// What is wrong, and what would be right.
    pub body: ErrorBody,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body.at {
            Some(place) => write!(f, "{place}: {} ({})", self.body.message, self.body.code),
            None => write!(f, "{} ({})", self.body.message, self.body.code),
        }
    }
}

impl Client {
    /// Asks the node whose API is at `address`: `127.0.0.1:8645`, or a URL where a reverse proxy stands before it.
    pub fn new(address: &str) -> Self {
        let address = address.trim_end_matches('/');
        let url =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(IDLE_MAX)
            .max_idle_connections_per_host(IDLE_MAX)
            .max_idle_age(IDLE_AGE_MAX)
            .timeout_connect(Some(PATIENCE))
            .timeout_send_request(Some(PATIENCE))
            .timeout_send_body(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(PATIENCE))
            .build();
        Client { url, agent: config.into() }
    }

    /// Where the node is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Submits a bundle.
    ///
    /// # Errors
    /// If it is refused, or nobody answers.
    pub fn submit(&self, bundle: &Bundle) -> Result<Submitted, ClientError> {
        let request = self.agent.post(format!("{}/v1/bundles", self.url));
        self.read(request.send_json(bundle))
    }

    /// The receipt of a bundle; waits so long for an outcome on all chains. None if the node does not know it.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn receipt(&self, id: &BundleId, wait: Duration) -> Result<Option<Receipt>, ClientError> {
        self.ask_receipt(id, wait, "")
    }

    /// The node's logs.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn logs(&self) -> Result<Logs, ClientError> {
        self.get("/v1/logs", Duration::ZERO)
    }

    /// The receipt of a bundle with the certificates of all its chains, after at most so long; without some of them if they
    /// are not there by then. None if the node does not know it.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn certified_receipt(
        &self,
        id: &BundleId,
        wait: Duration,
    ) -> Result<Option<Receipt>, ClientError> {
        self.ask_receipt(id, wait, "&certified=true")
    }

    fn ask_receipt(
        &self,
        id: &BundleId,
        wait: Duration,
        more: &str,
    ) -> Result<Option<Receipt>, ClientError> {
        let path = format!("/v1/bundles/{id}?wait={}ms{more}", wait.as_millis());
        match self.get(&path, wait) {
            Ok(receipt) => Ok(Some(receipt)),
            Err(ClientError::Refused(refused)) if refused.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The learner graph, and how those in it are.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn graph(&self) -> Result<Graph, ClientError> {
        self.get("/v1/graph", Duration::ZERO)
    }

    /// A slot of a log.
    ///
    /// # Errors
    /// If it is not decided there, or nobody answers.
    pub fn slot(&self, log: &str, slot: u64) -> Result<Slot, ClientError> {
        self.get(&format!("/v1/logs/{}/slots/{slot}", escaped(log)), Duration::ZERO)
    }

    /// An object of a chain.
    ///
    /// # Errors
    /// If there is none, or nobody answers.
    pub fn object(&self, chain: &str, key: &str) -> Result<Object, ClientError> {
        let path = format!("/v1/chains/{}/objects/{}", escaped(chain), escaped(key));
        self.get(&path, Duration::ZERO)
    }

    /// What an owner has in a chain.
    ///
    /// # Errors
    /// If the node does not know the chain, or nobody answers.
    pub fn balances(&self, chain: &str, owner: &[u8; 32]) -> Result<Balances, ClientError> {
        let path = format!("/v1/chains/{}/balances/{}", escaped(chain), hex::encode(owner));
        self.get(&path, Duration::ZERO)
    }

    /// Whether the node can take part in some log.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn is_ready(&self) -> Result<bool, ClientError> {
        match self.get::<serde_json::Value>("/v1/ready", Duration::ZERO) {
            Ok(_) => Ok(true),
            Err(ClientError::Refused(refused)) if refused.status == 503 => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What stands at `path`, after waiting for at most `wait` where the path asks the node to.
    ///
    /// # Errors
    /// If it is refused, or nobody answers.
    pub fn get<T: DeserializeOwned>(&self, path: &str, wait: Duration) -> Result<T, ClientError> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let request = request.config().timeout_recv_response(Some(PATIENCE + wait)).build();
        self.read(request.call())
    }

    fn read<T: DeserializeOwned>(
        &self,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let unreachable = |error: ureq::Error| ClientError::Unreachable {
            url: self.url.clone(),
            why: error.to_string(),
        };
        let mut response = response.map_err(unreachable)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let bytes = body.read_to_vec().map_err(unreachable)?;
        let no_node = |why: String| ClientError::NoNode { url: self.url.clone(), why };
        let status = response.status();
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| no_node(error.to_string()));
        }
        match serde_json::from_slice::<ErrorAnswer>(&bytes) {
            Ok(answer) => {
                Err(ClientError::Refused(Refused { status: status.as_u16(), body: answer.error }))
            }
            Err(_) => Err(no_node(status.to_string())),
        }
    }
}

/// A text as part of a path.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+:/@".contains(&byte);
    let letter = |byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn keys_stay_readable_and_do_no_harm() {
        assert_eq!(escaped("red+blue:seat/12A"), "red+blue:seat/12A");
        assert_eq!(escaped("a b?c#d%e\u{e9}"), "a%20b%3Fc%23d%25e%C3%A9");
    }
}
