//! Where Prometheus reads them.

use super::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use tokio::net::TcpListener;

/// Serves `GET /metrics` until the task is dropped.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, metrics: Metrics) -> io::Result<()> {
    let router = Router::new().route("/metrics", get(page)).with_state(metrics);
    axum::serve(listener, router).await
}

async fn page(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
