//! The first frame of a link, each way: who speaks, and of which network.

use super::frames::{FrameError, FrameReader, write_frame};
use super::status::Refusal;
use borsh::{BorshDeserialize, BorshSerialize};
use futures::{AsyncRead, AsyncWrite};
use hpaxos_consensus::NetworkId;
use thiserror::Error;

/// The version of what follows a hello.
pub(super) const VERSION: u32 = 2;

/// The longest hello: two numbers and two short names.
pub(super) const HELLO_BYTES_MAX: usize = 1_024;

/// The longest name or agent that is kept of a peer's.
const TEXT_BYTES_MAX: usize = 64;

/// What a peer says first. The version comes first in every version.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Hello {
    version: u32,
    network: NetworkId,
    /// What the peer calls itself; the graph's name for its key is what counts.
    pub name: String,
    /// The software it runs.
    pub agent: String,
}

/// Why no link came of it.
#[derive(Debug, Error)]
pub(super) enum HelloError {
    /// The peer is told apart by name.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The stream failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer hung up first.
    #[error("it hung up before its hello")]
    Silent,
    /// Not a hello.
    #[error("not a hello: {0}")]
    Malformed(std::io::Error),
}

impl Hello {
    /// This node's.
    pub fn new(network: NetworkId, name: &str) -> Self {
        let agent = concat!("hpaxos/", env!("CARGO_PKG_VERSION")).to_owned();
        Hello { version: VERSION, network, name: short(name), agent }
    }

    /// Says hello, and hears the peer's.
    pub async fn exchange<R, W>(
        &self,
        from: &mut FrameReader<R>,
        to: &mut W,
    ) -> Result<Hello, HelloError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        write_frame(to, &borsh::to_vec(self).expect("writing to memory does not fail")).await?;
        let frame = from.next(HELLO_BYTES_MAX).await?.ok_or(HelloError::Silent)?;
        self.judge(&frame)
    }

    fn judge(&self, frame: &[u8]) -> Result<Hello, HelloError> {
        let theirs = u32::deserialize(&mut &*frame).map_err(HelloError::Malformed)?;
        if theirs != self.version {
            return Err(Refusal::Version { ours: self.version, theirs }.into());
        }
        let hello: Hello = borsh::from_slice(frame).map_err(HelloError::Malformed)?;
        if hello.network != self.network {
            return Err(Refusal::Network { ours: self.network, theirs: hello.network }.into());
        }
        Ok(Hello { name: short(&hello.name), agent: short(&hello.agent), ..hello })
    }
}

/// What is kept of a peer's hello to a node of this network, if it is one: its name and its agent.
pub fn read_hello(network: NetworkId, frame: &[u8]) -> Option<[String; 2]> {
    let hello = Hello::new(network, "").judge(frame).ok()?;
    Some([hello.name, hello.agent])
}

/// What is fit for a line of the log.
fn short(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    let mut short = String::new();
    for c in printable {
        if short.len() + c.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        short.push(c);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_is_named_even_if_the_rest_is_strange() {
        let ours = Hello::new(NetworkId([1; 32]), "v1");
        let mut frame = 7u32.to_le_bytes().to_vec();
        frame.extend(b"whatever comes");
        let error = ours.judge(&frame).unwrap_err();
        assert!(error.to_string().contains("version 7"), "{error}");
    }

    #[test]
    fn another_network_is_named_with_both_ids() {
        let ours = Hello::new(NetworkId([1; 32]), "v1");
        let theirs = Hello::new(NetworkId([2; 32]), "v2");
        let error = ours.judge(&borsh::to_vec(&theirs).unwrap()).unwrap_err().to_string();
        assert!(error.contains(&"01".repeat(32)) && error.contains(&"02".repeat(32)), "{error}");
    }

    #[test]
    fn a_peers_text_is_cut_and_has_no_control_characters() {
        assert_eq!(short("v\u{1b}[31m1\n"), "v[31m1");
        assert_eq!(short(&"é".repeat(100)).len(), TEXT_BYTES_MAX);
    }
}
