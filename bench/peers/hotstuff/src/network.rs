//! What the crate leaves to its user to send: plain TCP, a connection from each replica to each other.

use crate::store::Store;
use anyhow::{Context, Result};
use borsh::BorshDeserialize;
use cluster::{REPLICAS, Replica};
use hotstuff_rs::networking::messages::Message;
use hotstuff_rs::networking::network::Network;
use hotstuff_rs::types::crypto_primitives::VerifyingKey;
use hotstuff_rs::types::update_sets::ValidatorSetUpdates;
use hotstuff_rs::types::validator_set::ValidatorSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The crate asks for messages in a loop: so long it waits for one in vain, instead of asking again at once.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// Until the others listen.
const CONNECT_MAX: Duration = Duration::from_secs(20);

type Received = (VerifyingKey, Message);

#[derive(Clone)]
pub struct Tcp {
    index: usize,
    keys: [VerifyingKey; REPLICAS],
    /// None is this replica.
    others: Arc<[Option<Mutex<TcpStream>>; REPLICAS]>,
    inbox: Arc<Mutex<Receiver<Received>>>,
    to_self: Sender<Received>,
    store: Store,
}

impl Tcp {
    /// Connected to all when it returns. What `store` was told is synced before anything is sent.
    pub fn connect(
        replica: &Replica,
        keys: [VerifyingKey; REPLICAS],
        store: Store,
    ) -> Result<Self> {
        let (to_self, inbox) = mpsc::channel();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, replica.ports[replica.index]))?;
        let received = to_self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let received = received.clone();
                std::thread::spawn(move || read(stream, keys, &received));
            }
        });

        let mut others = [const { None }; REPLICAS];
        for (index, other) in others.iter_mut().enumerate() {
            if index != replica.index {
                let mut stream = dial(replica.ports[index])?;
                stream.write_all(&[u8::try_from(replica.index)?])?;
                *other = Some(Mutex::new(stream));
            }
        }
        Ok(Tcp {
            index: replica.index,
            keys,
            others: Arc::new(others),
            inbox: Arc::new(Mutex::new(inbox)),
            to_self,
            store,
        })
    }

    fn write(&self, index: usize, frame: &[u8]) {
        let Some(stream) = &self.others[index] else { return };
        let mut stream = stream.lock().expect("nobody panics while holding it");
        stream.write_all(frame).expect("the others run as long as this one");
    }
}

fn dial(port: u16) -> Result<TcpStream> {
    let started = Instant::now();
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if started.elapsed() > CONNECT_MAX => {
                return Err(error).context(format!("127.0.0.1:{port}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Reads messages until the connection ends.
fn read(mut stream: TcpStream, keys: [VerifyingKey; REPLICAS], received: &Sender<Received>) {
    let mut from = [0];
    if stream.read_exact(&mut from).is_err() {
        return;
    }
    let Some(from) = keys.get(usize::from(from[0])) else { return };
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        if stream.read_exact(&mut bytes).is_err() {
            return;
        }
        let Ok(message) = Message::try_from_slice(&bytes) else { return };
        if received.send((*from, message)).is_err() {
            return;
        }
    }
}

/// A length, and as many bytes.
fn frame(message: &Message) -> Vec<u8> {
    let bytes = borsh::to_vec(message).expect("writing to memory does not fail");
    let length = u32::try_from(bytes.len()).expect("messages are small");
    [&length.to_le_bytes(), bytes.as_slice()].concat()
}

impl Network for Tcp {
    fn init_validator_set(&mut self, _: ValidatorSet) {}

    fn update_validator_set(&mut self, _: ValidatorSetUpdates) {}

    fn broadcast(&mut self, message: Message) {
        self.store.sync().expect("the disk takes it");
        let frame = frame(&message);
        for index in 0..REPLICAS {
            self.write(index, &frame);
        }
        let _ = self.to_self.send((self.keys[self.index], message));
    }

    fn send(&mut self, peer: VerifyingKey, message: Message) {
        self.store.sync().expect("the disk takes it");
        match self.keys.iter().position(|key| *key == peer) {
            Some(index) if index == self.index => {
                let _ = self.to_self.send((peer, message));
            }
            Some(index) => self.write(index, &frame(&message)),
            None => {}
        }
    }

    fn recv(&mut self) -> Option<Received> {
        let inbox = self.inbox.lock().expect("nobody panics while holding it");
        inbox.recv_timeout(WAIT_MAX).ok()
    }
}
