//! A wire between two nodes that can be cut without either noticing: nothing passes, nothing is closed.

use hpaxos_node::network::Multiaddr;
use libp2p::multiaddr::Protocol;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

const ANY: &str = "127.0.0.1:0";

/// Forwards to one node, for one dialler.
pub struct Wire {
    /// Where to dial instead.
    pub address: Multiaddr,
    cut: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// A wire to the node that listens on `address`.
    pub async fn to(address: &Multiaddr) -> Wire {
        let (cut, seen) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (node, is_tcp) = socket_address(address);
        let address = if is_tcp {
            let listener = TcpListener::bind(ANY).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tasks.spawn(forward_tcp(listener, node, seen));
            format!("/ip4/127.0.0.1/tcp/{port}")
        } else {
            let socket = UdpSocket::bind(ANY).await.unwrap();
            let port = socket.local_addr().unwrap().port();
            tasks.spawn(forward_udp(socket, node, seen));
            format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
        };
        Wire { address: address.parse().unwrap(), cut, _tasks: tasks }
    }

    /// Nothing passes any more.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.cut.send_replace(false);
    }
}

fn socket_address(address: &Multiaddr) -> (SocketAddr, bool) {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        other => panic!("{other:?}"),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) => ((ip, port).into(), true),
        Some(Protocol::Udp(port)) => ((ip, port).into(), false),
        other => panic!("{other:?}"),
    }
}

async fn forward_tcp(listener: TcpListener, node: SocketAddr, cut: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(node).await.unwrap();
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        tasks.spawn(copy(near_read, far_write, cut.clone()));
        tasks.spawn(copy(far_read, near_write, cut.clone()));
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let _ = cut.wait_for(|cut| !cut).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn forward_udp(near: UdpSocket, node: SocketAddr, cut: watch::Receiver<bool>) {
    let far = UdpSocket::bind(ANY).await.unwrap();
    let (mut to_node, mut to_dialler) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut dialler = node;
    loop {
        tokio::select! {
            Ok((length, from)) = near.recv_from(&mut to_node) => {
                dialler = from;
                if !*cut.borrow() {
                    let _ = far.send_to(&to_node[..length], node).await;
                }
            }
            Ok(length) = far.recv(&mut to_dialler) => {
                if !*cut.borrow() {
                    let _ = near.send_to(&to_dialler[..length], dialler).await;
                }
            }
        }
    }
}
