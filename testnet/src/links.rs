//! The links between nodes: each node reaches each other one through a forwarder of its own on loopback, so that the network can
//! be cut without any node knowing of it.
//!
//! What is cut is silent rather than closed, as a real partition is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Two nodes, sorted.
type Pair = (String, String);

/// Forwarders between all nodes.
pub struct Links {
    addresses: BTreeMap<(String, String), SocketAddr>,
    targets: Arc<Mutex<BTreeMap<(String, String), SocketAddr>>>,
    cuts: watch::Sender<BTreeSet<Pair>>,
}

fn pair(one: &str, other: &str) -> Pair {
    if one < other { (one.into(), other.into()) } else { (other.into(), one.into()) }
}

impl Links {
    /// Listens on a port for each ordered pair of nodes.
    ///
    /// # Errors
    /// If the system gives no more ports.
    pub async fn open(nodes: &[String]) -> io::Result<Self> {
        let (cuts, _) = watch::channel(BTreeSet::new());
        let targets = Arc::new(Mutex::new(BTreeMap::new()));
        let mut addresses = BTreeMap::new();
        for from in nodes {
            for to in nodes.iter().filter(|to| *to != from) {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let name = (from.clone(), to.clone());
                addresses.insert(name.clone(), listener.local_addr()?);
                tokio::spawn(serve(listener, name, targets.clone(), cuts.subscribe()));
            }
        }
        Ok(Links { addresses, targets, cuts })
    }

    /// Where `from` reaches everybody.
    pub fn addresses_of(&self, from: &str) -> BTreeMap<String, SocketAddr> {
        let of = self.addresses.iter().filter(|((one, _), _)| one == from);
        of.map(|((_, to), address)| (to.clone(), *address)).collect()
    }

    /// Where `to` listens for `from`.
    pub fn set_target(&self, from: &str, to: &str, address: SocketAddr) {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.insert((from.into(), to.into()), address);
    }

    /// Lets nobody of one group reach anybody of another. Who is in none reaches everybody.
    pub fn partition(&self, groups: &[Vec<String>]) {
        let mut cuts = BTreeSet::new();
        for (index, group) in groups.iter().enumerate() {
            for other in groups[index + 1..].iter().flatten() {
                cuts.extend(group.iter().map(|one| pair(one, other)));
            }
        }
        self.cuts.send_replace(cuts);
    }
}

async fn serve(
    listener: TcpListener,
    (from, to): (String, String),
    targets: Arc<Mutex<BTreeMap<(String, String), SocketAddr>>>,
    cuts: watch::Receiver<BTreeSet<Pair>>,
) {
    let who = pair(&from, &to);
    let name = (from, to);
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let target = targets.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
        // Nobody is there yet: the one who dials will do so again.
        let Some(target) = target else { continue };
        tokio::spawn(forward(stream, target, who.clone(), cuts.clone()));
    }
}

/// Forwards a connection until either side ends it.
async fn forward(
    stream: TcpStream,
    target: SocketAddr,
    who: Pair,
    mut cuts: watch::Receiver<BTreeSet<Pair>>,
) {
    if cuts.wait_for(|cuts| !cuts.contains(&who)).await.is_err() {
        return;
    }
    let Ok(other) = TcpStream::connect(target).await else { return };
    let _ = (stream.set_nodelay(true), other.set_nodelay(true));
    let ((one_in, one_out), (other_in, other_out)) = (stream.into_split(), other.into_split());
    let there = copy(one_in, other_out, who.clone(), cuts.clone());
    let back = copy(other_in, one_out, who, cuts);
    tokio::select! {
        _ = there => {}
        _ = back => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    who: Pair,
    mut cuts: watch::Receiver<BTreeSet<Pair>>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        if cuts.wait_for(|cuts| !cuts.contains(&who)).await.is_err() {
            return Ok(());
        }
        to.write_all(&chunk[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_cut_link_is_silent_and_then_goes_on() {
        let names = ["p", "q", "r"].map(String::from);
        let links = Links::open(&names).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        links.set_target("p", "q", listener.local_addr().unwrap());
        let mut dialled = TcpStream::connect(links.addresses_of("p")["q"]).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut byte = [0];
        dialled.write_all(b"a").await.unwrap();
        accepted.read_exact(&mut byte).await.unwrap();
        links.partition(&[vec!["q".into()], vec!["p".into(), "r".into()]]);
        dialled.write_all(b"b").await.unwrap();
        let silence = timeout(Duration::from_millis(100), accepted.read_exact(&mut byte)).await;
        assert!(silence.is_err());
        links.partition(&[]);
        accepted.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"b");
        accepted.write_all(b"c").await.unwrap();
        dialled.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, *b"c");
    }
}
