//! What holds of any bytes that somebody sends to a node, or that are in its home. The fuzz targets and the replay of their
//! corpora share it.

use hpaxos_consensus::NetworkId;
use hpaxos_ledger::{BundleId, Offer, Piece};
use hpaxos_node::config::Config;
use hpaxos_node::guard::{Guard, Mark};
use hpaxos_node::keys::KeyFile;
use hpaxos_node::network::read_hello;
use hpaxos_node::store::StoreId;
use hpaxos_node::waiting;
use hpaxos_node::wire::{Frame, Question, Slots};

const NETWORK: NetworkId = NetworkId([7; 32]);
const STORE: StoreId = StoreId([5; 16]);

/// A frame, a question or an answer of a peer: what it is has no other encoding, and a hello is fit for a line of the log. How
/// many things it is.
pub fn wire(bytes: &[u8]) -> usize {
    let mut read = 0;
    if let Ok(frame) = Frame::read(bytes) {
        let again = match frame {
            // Whether it is one, the engine says.
            Frame::Packet(packet) => [&[0], packet].concat(),
            Frame::Block { log, slot, bytes } => Frame::block(&log, slot, bytes).to_vec(),
            Frame::Attestation(attestation, signature) => {
                Frame::attestation(&attestation, &signature).to_vec()
            }
            Frame::Certificate(certificate) => Frame::certificate(&certificate).to_vec(),
        };
        assert_eq!(again, bytes, "a frame has one encoding");
        read += 1;
    }
    if let Ok(question) = Question::decode(bytes) {
        assert_eq!(question.encode(), bytes, "a question has one encoding");
        read += 1;
    }
    if let Ok(slots) = Slots::decode(bytes) {
        assert_eq!(slots.encode(), bytes, "slots have one encoding");
        read += 1;
    }
    if let Some(piece) = Piece::from_bytes(bytes) {
        assert_eq!(piece.to_bytes(), bytes, "a piece of a snapshot has one encoding");
        read += 1;
    }
    if let Some(offer) = Offer::from_bytes(bytes) {
        assert_eq!(offer.to_bytes(), bytes, "an offer has one encoding");
        read += 1;
    }
    if let Some(texts) = read_hello(NETWORK, bytes) {
        let fit = |text: &String| text.len() <= 64 && !text.chars().any(char::is_control);
        assert!(texts.iter().all(fit), "{texts:?}");
        read += 1;
    }
    read
}

/// A file of a node's home, or a word of a request: it says the same when it is written again. How many things it is.
pub fn files(bytes: &[u8]) -> usize {
    let mut read = 0;
    if let Ok(guard) = Guard::decode(bytes) {
        assert_eq!(Guard::decode(guard.encode().as_bytes()), Ok(guard));
        read += 1;
    }
    if let Some(changes) = Mark::decode(bytes, STORE) {
        assert_eq!([&STORE.0[..], &changes.to_be_bytes()].concat(), bytes);
        read += 1;
    }
    if let Ok(key) = KeyFile::decode(bytes) {
        let again = serde_json::to_vec(&key).expect("a key file has a text");
        let again = KeyFile::decode(&again).expect("it was read before");
        assert_eq!(again.public_key(), key.public_key());
        // What is encrypted takes long to unlock, on purpose.
        if !key.is_encrypted() {
            key.unlock(None).expect("it needs no passphrase");
        }
        read += 1;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return read };
    read += usize::from(Config::of_text(text).is_ok());
    read += usize::from(waiting::read(text).is_ok());
    if let Ok(id) = text.parse::<BundleId>() {
        assert_eq!(id.to_string(), text, "an id has one text");
        read += 1;
    }
    read
}
