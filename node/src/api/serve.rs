//! Listening: bounded connections, in all and of each address; headers, bodies and reading within a time; bodies of a size.

use super::guard::Guard;
use super::patient::Patient;
use super::places::Places;
use super::{Shared, router};
use crate::node::Node;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::debug;

/// How much the API lets through.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Host headers besides loopback.
    pub hosts: Vec<String>,
    /// A request's headers have to be there within this.
    pub header_timeout: Duration,
    /// A request's body has to be there within this; and whoever reads nothing of an answer for so long is hung up on.
    pub body_timeout: Duration,
    /// Of a body.
    pub body_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// Of one address.
    pub connections_per_address_max: usize,
    /// Requests that wait, and streams of events.
    pub waiting_max: usize,
    /// Of one address.
    pub requests_per_second: u32,
    /// Of one address, at once.
    pub requests_burst: u32,
}

/// Serves the API until `stop`.
pub async fn serve(
    listener: TcpListener,
    node: Arc<Node>,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let hosts = limits.hosts.clone();
    let guard = Guard::new(hosts, limits.requests_per_second, limits.requests_burst);
    let waiting = Arc::new(Semaphore::new(limits.waiting_max));
    let shared = Shared { node, waiting, body_timeout: limits.body_timeout };
    let app = router(shared, Arc::new(guard)).layer(DefaultBodyLimit::max(limits.body_bytes_max));
    accept(listener, app, &limits, stop).await
}

/// Gives connections that are open so long to end when the node stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// After a failed accept, as without free file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

async fn accept(
    listener: TcpListener,
    app: Router,
    limits: &Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let places = Arc::new(Places::new(limits.connections_per_address_max));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // Who finds no room waits in the system's own queue.
            let room = connections.clone().acquire_owned().await;
            (room, listener.accept().await)
        };
        let (room, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, from)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(place) = places.take(from.ip()) else {
            debug!(%from, "hung up on: its address has too many connections");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, limits.body_timeout);
        let service = TowerToHyperService::new(app.clone().layer(Extension(ConnectInfo(from))));
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _holds = (room, place);
            // What is wrong with a connection is its client's business.
            let _ = connection.await;
        });
    }
    let _ = tokio::time::timeout(LAST_WORDS, graceful.shutdown()).await;
}
