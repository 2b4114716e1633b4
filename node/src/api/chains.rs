//! Objects and balances of chains.

use super::Shared;
use super::answers::{Balance, Balances, ErrorAnswer, Object};
use super::error::Failure;
use super::read;
use crate::keys::PublicKey;
use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hpaxos_ledger::StateKey;

/// Assets of one owner in one log that are shown.
const ASSETS_MAX: usize = 1_000;

/// An object, with a proof.
#[utoipa::path(get, path = "/v1/chains/{chain}/objects/{key}",
    params(("chain" = String, Path), ("key" = String, Path, description = "In full, like red+blue:seat/12A")),
    responses((status = 200, body = Object), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn object(
    State(shared): State<Shared>,
    Path((chain, key)): Path<(String, String)>,
) -> Result<Json<Object>, Failure> {
    let node = shared.node.clone();
    let object = read(move || {
        let mut known = false;
        for (index, log) in node.views.logs() {
            let Some(learner) = log.chains.get(&chain) else { continue };
            known = true;
            let found = node.views.with_view(index, *learner, |view| {
                let object = view.object(&chain, &key)?;
                let proof =
                    view.prove(&StateKey::Object { chain: chain.clone(), key: key.clone() });
                Some(Object {
                    chain: chain.clone(),
                    key: key.clone(),
                    value: BASE64_STANDARD.encode(&object.value),
                    owner: hex::encode(object.owner),
                    version: object.version,
                    home: log.name.clone(),
                    height: view.height(),
                    state_root: view.summary().state_root.to_string(),
                    proof: BASE64_STANDARD.encode(proof.to_bytes()).into(),
                })
            });
            if let Some(object) = found.flatten() {
                return Ok(object);
            }
        }
        Err(Failure::not_found(match known {
            true => {
                format!("chain `{chain}` has no object `{key}` in the logs that this node runs")
            }
            false => format!("this node runs no log of chain `{chain}`; /v1/logs lists its logs"),
        }))
    });
    object.await?.map(Json)
}

/// The balances of an owner, in all logs of the chain that this node runs.
#[utoipa::path(get, path = "/v1/chains/{chain}/balances/{owner}",
    params(("chain" = String, Path), ("owner" = String, Path, description = "The key, 64 hex digits")),
    responses((status = 200, body = Balances), (status = 404, body = ErrorAnswer)))]
pub(crate) async fn balances(
    State(shared): State<Shared>,
    Path((chain, owner)): Path<(String, String)>,
) -> Result<Json<Balances>, Failure> {
    let PublicKey(key) = owner
        .parse()
        .map_err(|_| Failure::malformed("an owner's key should be 64 lower-case hex digits"))?;
    let node = shared.node.clone();
    let balances =
        read(move || {
            let (mut known, mut balances) = (false, Vec::new());
            for (index, log) in node.views.logs() {
                let Some(learner) = log.chains.get(&chain) else { continue };
                known = true;
                let found = node
                    .views
                    .with_view(index, *learner, |view| view.balances(&chain, key, ASSETS_MAX));
                balances.extend(found.unwrap_or_default().into_iter().map(|(asset, amount)| {
                    Balance { log: log.name.clone(), asset, amount: amount.to_string() }
                }));
            }
            if !known {
                let message =
                    format!("this node runs no log of chain `{chain}`; /v1/logs lists its logs");
                return Err(Failure::not_found(message));
            }
            Ok(Balances { chain, owner, balances })
        });
    balances.await?.map(Json)
}
