//! What the crate asks of its application: blocks of one small value each, which becomes the state.

use crate::store::{DECIDED, Store};
use cluster::Progress;
use hotstuff_rs::app::{
    App, ProduceBlockRequest, ProduceBlockResponse, ValidateBlockRequest, ValidateBlockResponse,
};
use hotstuff_rs::types::crypto_primitives::{CryptoHasher, Digest};
use hotstuff_rs::types::data_types::{CryptoHash, Data, Datum};
use hotstuff_rs::types::update_sets::AppStateUpdates;

pub struct Application {
    pub index: usize,
    pub progress: Progress,
}

impl App<Store> for Application {
    fn produce_block(&mut self, request: ProduceBlockRequest<Store>) -> ProduceBlockResponse {
        let view = request.cur_view().int();
        self.progress.proposed(view);
        let value = cluster::value(self.index, view).to_vec();
        ProduceBlockResponse {
            data_hash: hash(&value),
            app_state_updates: Some(becomes(value.clone())),
            data: Data::new(vec![Datum::new(value)]),
            validator_set_updates: None,
        }
    }

    fn validate_block(&mut self, request: ValidateBlockRequest<Store>) -> ValidateBlockResponse {
        let block = request.proposed_block();
        match block.data.vec().as_slice() {
            [value] if hash(value.bytes()) == block.data_hash => ValidateBlockResponse::Valid {
                app_state_updates: Some(becomes(value.bytes().clone())),
                validator_set_updates: None,
            },
            _ => ValidateBlockResponse::Invalid,
        }
    }

    fn validate_block_for_sync(
        &mut self,
        request: ValidateBlockRequest<Store>,
    ) -> ValidateBlockResponse {
        self.validate_block(request)
    }
}

fn hash(value: &[u8]) -> CryptoHash {
    CryptoHash::new(CryptoHasher::digest(value).into())
}

fn becomes(value: Vec<u8>) -> AppStateUpdates {
    let mut updates = AppStateUpdates::new();
    updates.insert(DECIDED.to_vec(), value);
    updates
}
