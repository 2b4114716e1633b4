//! What happens, and whether all is well.

use super::Shared;
use super::answers::{ErrorAnswer, Health};
use super::error::Failure;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// What happens, as server-sent events, whose JSON has an `event`: decided, executed, certified, root-mismatch, diverged, caught,
/// up, down; `missed`, and how many, if the listener was too slow.
#[utoipa::path(get, path = "/v1/events",
    responses((status = 200, description = "text/event-stream"), (status = 429, body = ErrorAnswer)))]
pub(crate) async fn events(
    State(shared): State<Shared>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let permit = shared.waiting.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Failure::busy("too many listen already"))?;
    let events = BroadcastStream::new(shared.node.events.listen()).map(move |event| {
        let _holds = &permit;
        let event = match event {
            Ok(event) => Event::default().json_data(event).unwrap_or_default(),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                Event::default().event("missed").data(missed.to_string())
            }
        };
        Ok(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Whether the node is alive.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok".into() })
}

/// Whether a quorum is connected.
#[utoipa::path(get, path = "/v1/ready", responses((status = 200, body = Health), (status = 503, body = ErrorAnswer)))]
pub(crate) async fn ready(State(shared): State<Shared>) -> Result<Json<Health>, Failure> {
    if shared.node.is_ready() {
        Ok(Json(Health { status: "ok".into() }))
    } else {
        Err(Failure::not_ready("no quorum of validators is connected yet"))
    }
}
