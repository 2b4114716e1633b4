//! The HTTP API: JSON over loopback by default, described at `/v1/openapi.json`.
//!
//! Nothing here waits for consensus except who asked to wait, and of those there is a bounded number. A public API stands
//! behind a reverse proxy.

pub mod answers;
mod bundles;
mod chains;
mod error;
mod guard;
mod logs;
mod page;
mod patient;
mod places;
mod serve;
mod watching;

pub use serve::{Limits, serve};

use crate::node::Node;
use crate::store::given_up;
use axum::Router;
use axum::routing::get;
use error::Failure;
use guard::Guard;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::OpenApi;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub node: Arc<Node>,
    /// Requests that wait and streams of events.
    pub waiting: Arc<Semaphore>,
    /// A body has to be there within this.
    pub body_timeout: Duration,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hpaxos",
        description = "Atomic bundles over several chains, each with its own trust model. Amounts are decimal strings, bytes \
            base64, keys and hashes lower-case hex."
    ),
    paths(
        bundles::submit,
        bundles::bundle,
        logs::logs,
        logs::slot,
        chains::object,
        chains::balances,
        logs::graph,
        logs::evidence,
        watching::events,
        watching::health,
        watching::ready
    )
)]
struct Document;

/// The OpenAPI document.
pub fn document() -> String {
    Document::openapi().to_pretty_json().expect("the document is plain data")
}

/// Reads from the store, on a thread that may wait for the disk.
async fn read<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let read = tokio::task::spawn_blocking(work).await;
    read.map_err(|error| match error.try_into_panic() {
        Ok(payload) => Failure::not_ready(given_up(payload).to_string()),
        Err(_) => Failure::not_ready("the node stops"),
    })
}

fn router(shared: Shared, guard: Arc<Guard>) -> Router {
    let api = Router::new()
        .route("/v1/bundles", axum::routing::post(bundles::submit))
        .route("/v1/bundles/{id}", get(bundles::bundle))
        .route("/v1/logs", get(logs::logs))
        .route("/v1/logs/{log}/slots/{slot}", get(logs::slot))
        .route("/v1/chains/{chain}/objects/{*key}", get(chains::object))
        .route("/v1/chains/{chain}/balances/{owner}", get(chains::balances))
        .route("/v1/graph", get(logs::graph))
        .route("/v1/evidence", get(logs::evidence))
        .route("/v1/events", get(watching::events))
        .route("/v1/health", get(watching::health))
        .route("/v1/ready", get(watching::ready))
        .route("/v1/openapi.json", get(openapi))
        .route("/", get(page::page))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared);
    api.layer(axum::middleware::from_fn_with_state(guard, guard::check))
}

async fn openapi() -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], document())
}

async fn nothing_here(uri: axum::http::Uri) -> Failure {
    Failure::not_found(format!(
        "there is nothing at {}; /v1/openapi.json says what there is",
        uri.path()
    ))
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> Failure {
    Failure::method(format!(
        "{} does not take {method}; /v1/openapi.json says what it takes",
        uri.path()
    ))
}
