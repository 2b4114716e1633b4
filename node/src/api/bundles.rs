//! Bundles: taken, and what became of them.

use super::Shared;
use super::answers::{ErrorAnswer, Submitted as Answer};
use super::error::Failure;
use super::read;
use crate::events::Event;
use crate::mempool::Source;
use crate::node::{Node, Submitted, Waiting};
use crate::views::Forgotten;
use crate::waiting;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use hpaxos_ledger::{Bundle, BundleId, ChainReceipt, Receipt, Refusal, Status};
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast};

/// The longest that a request may wait.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Submits a bundle.
#[utoipa::path(post, path = "/v1/bundles",
    request_body(content = String, content_type = "application/json", description = "The bundle, completely signed"),
    responses(
        (status = 202, description = "Taken, and passed on", body = Answer),
        (status = 400, description = "malformed, bad_signature, expired, too_far, limits", body = ErrorAnswer),
        (status = 408, description = "malformed: the body took too long", body = ErrorAnswer),
        (status = 409, description = "wrong_home: an object lives in another log", body = ErrorAnswer),
        (status = 413, description = "too_large", body = ErrorAnswer),
        (status = 429, description = "busy: Retry-After says when", body = ErrorAnswer),
        (status = 503, description = "not_ready: no quorum is connected", body = ErrorAnswer)))]
pub(crate) async fn submit(
    State(shared): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<(StatusCode, Json<Answer>), Failure> {
    let json = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = json.is_some_and(|value| value.split(';').next() == Some("application/json"));
    if !json {
        return Err(Failure::content_type());
    }
    let body = tokio::time::timeout(shared.body_timeout, Bytes::from_request(request, &()));
    let body = body.await.map_err(|_| Failure::too_slow("the body took too long"))?;
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::too_large("a bundle has at most 128 KiB; its JSON at most 256 KiB")
        }
        _ => Failure::malformed(error.body_text()),
    })?;
    if !shared.node.is_ready() {
        return Err(Failure::not_ready("no quorum of validators is connected yet"));
    }
    let node = shared.node.clone();
    // Checking signatures takes longer than a task should hold a thread.
    let taken = read(move || -> Result<Submitted, Refusal> {
        let bundle = Bundle::from_json(&body)?;
        Ok(node.submit(bundle, Source::Client(from.ip())))
    });
    match taken.await?.map_err(Failure::from)? {
        Submitted::Taken { id, duplicate } => {
            Ok((StatusCode::ACCEPTED, Json(Answer { id: id.to_string(), duplicate })))
        }
        Submitted::Refused(refusal) => Err(refusal.into()),
        Submitted::Busy => Err(Failure::busy("too many bundles wait; this one was not taken")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    wait: Option<String>,
    #[serde(default)]
    certified: bool,
}

/// The receipt of a bundle, chain by chain.
///
/// `chains` has for each chain its `status` (`pending`, `committed`, `aborted`, `expired`, `duplicate`), where it was executed,
/// and proofs; `abort` says which operation failed; `released`, left out if there is nothing, what went to other logs, with
/// `chain`, `operation`, `to_log` and `thing`, an `object` or a `balance`; `certificate`, null if there is none, who attests it.
#[utoipa::path(get, path = "/v1/bundles/{id}",
    params(("id" = String, Path, description = "64 hex digits"),
        ("wait" = Option<String>, Query, description = "How long to wait for an outcome on all chains, like 10s or 500ms; at most 60s"),
        ("certified" = Option<bool>, Query, description = "Whether to wait for the certificates of all chains, too")),
    responses(
        (status = 200, description = "The receipt", body = serde_json::Value),
        (status = 400, description = "malformed", body = ErrorAnswer),
        (status = 404, description = "Nobody here knows it", body = ErrorAnswer),
        (status = 429, description = "busy: too many wait", body = ErrorAnswer)))]
pub(crate) async fn bundle(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(Wait { wait, certified }): Query<Wait>,
) -> Result<Json<Receipt>, Failure> {
    let id: BundleId = id
        .parse()
        .map_err(|_| Failure::malformed("a bundle's id should be 64 lower-case hex digits"))?;
    let wait = wait.map(|wait| waiting::read(&wait)).transpose();
    let wait =
        wait.map_err(|right| Failure::malformed(format!("`wait` {right}")))?.unwrap_or_default();
    let deadline = tokio::time::Instant::now() + wait.min(WAIT_MAX);
    let mut permit = None;
    let mut waited = None;
    loop {
        // What happens after the receipt is read may be news.
        let mut events = shared.node.events.listen();
        let (node, known) = (shared.node.clone(), waited.clone());
        let has_time = tokio::time::Instant::now() < deadline;
        let found = read(move || match node.waiting(&id).filter(|_| has_time) {
            Some(waiting) => Found::Waiting(waiting),
            None => Found::Receipt(node.receipt(&id, known)),
        });
        let receipt = match found.await? {
            Found::Waiting(Waiting { log, bundle, ends }) => {
                take_place(&shared, &mut permit)?;
                waited = Some((log, bundle));
                let _ = tokio::time::timeout_at(deadline, ends).await;
                continue;
            }
            Found::Receipt(receipt) => {
                receipt.map_err(|why| Failure::not_found(why.to_string()))?
            }
        };
        let done = |chain: &ChainReceipt| match chain.status {
            Status::Pending => false,
            // What was in no block is certified by nobody.
            _ => !certified || chain.certificate.is_some() || chain.slot.is_none(),
        };
        let done = receipt.as_ref().is_some_and(|receipt| receipt.chains.values().all(done));
        if done || tokio::time::Instant::now() >= deadline {
            let node = shared.node.clone();
            return match receipt {
                Some(receipt) => Ok(Json(receipt)),
                None => Err(Failure::not_found(read(move || unknown(&node)).await?)),
            };
        }
        take_place(&shared, &mut permit)?;
        let log = receipt.map(|receipt| receipt.log);
        let _ = tokio::time::timeout_at(deadline, news(&mut events, log)).await;
    }
}

/// What is found of a bundle.
enum Found {
    /// It waits, so that its receipt would say no more.
    Waiting(Waiting),
    /// What there is to say.
    Receipt(Result<Option<Receipt>, Forgotten>),
}

/// Takes one of the places for requests that wait, once.
fn take_place(shared: &Shared, permit: &mut Option<OwnedSemaphorePermit>) -> Result<(), Failure> {
    if permit.is_none() {
        let one = shared.waiting.clone().try_acquire_owned();
        let full = || Failure::busy("too many requests wait already; ask without ?wait");
        *permit = Some(one.map_err(|_| full())?);
    }
    Ok(())
}

/// That nobody here knows a bundle, and what the reason may be.
fn unknown(node: &Node) -> String {
    let mut why = "nobody here knows a bundle of this id; was it submitted?".to_owned();
    for (log, of_log) in node.views.logs() {
        match node.views.begins(log) {
            0 => {}
            slot => {
                why += &format!(
                    " What was executed in {} before slot {slot} is not known here.",
                    of_log.name
                )
            }
        }
    }
    why
}

/// Waits until a receipt may say something else: a view executed a slot of the bundle's log, if it is known, or was certified.
async fn news(events: &mut broadcast::Receiver<Event>, log: Option<String>) {
    loop {
        match events.recv().await {
            Ok(Event::Executed { log: of, .. } | Event::Certified { log: of, .. })
                if log.as_ref().is_none_or(|log| *log == of) =>
            {
                return;
            }
            Ok(_) => {}
            // What was missed may have been it.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Events;
    use futures::FutureExt;

    fn executed(log: &str) -> Event {
        Event::Executed { log: log.into(), slot: 1, learner: "red".into() }
    }

    #[test]
    fn only_what_may_change_a_receipt_is_news() {
        let events = Events::default();
        let mut heard = events.listen();
        let mut is_news =
            |log: Option<&str>| news(&mut heard, log.map(str::to_owned)).now_or_never().is_some();
        events.send(executed("blue"));
        events.send(Event::Up { peer: "bob".into() });
        assert!(!is_news(Some("red")), "that is another log");
        events.send(executed("red"));
        assert!(is_news(Some("red")));
        assert!(!is_news(Some("red")), "nothing happened since");
        events.send(Event::Up { peer: "bob".into() });
        events.send(executed("blue"));
        assert!(is_news(None), "a bundle that nobody knew may be in any log");
    }

    #[test]
    fn who_lags_looks_again() {
        let events = Events::default();
        let mut heard = events.listen();
        for _ in 0..2_000 {
            events.send(executed("blue"));
        }
        let mut is_news = || news(&mut heard, Some("red".into())).now_or_never().is_some();
        assert!(is_news());
        assert!(!is_news(), "what is left is of another log");
    }
}
