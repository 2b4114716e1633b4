//! Questions and answers, each on a stream of its own.
//!
//! A question is its length and its bytes; an answer is a byte that says whether there is one, then the same. The
//! protocol's name carries the network's id: a peer of another network finds nobody to ask.

use super::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use hpaxos_consensus::NetworkId;
use libp2p::StreamProtocol;
use libp2p::request_response::{Behaviour, Codec, Config, OutboundFailure, ProtocolSupport};
use std::io;
use std::time::Duration;
use thiserror::Error;

/// The longest question.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// The longest answer: a block, or a piece of a snapshot.
pub const ANSWER_BYTES_MAX: usize = 2 << 20;

/// How long a question may take, answer and all.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// How many questions may wait for one peer's answers, and how many of its own may wait here: with the longest
/// answers, 32 MiB each way.
pub(super) const QUESTIONS_PER_PEER_MAX: usize = 16;

/// The part of the swarm that asks and answers.
pub(super) type Exchange = Behaviour<Letters>;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// There is no link to the peer.
    #[error("not connected")]
    NotConnected,
    /// The peer still has to answer earlier questions.
    #[error("{QUESTIONS_PER_PEER_MAX} earlier questions wait for an answer")]
    Busy,
    /// The question is too long.
    #[error("a question of {0} bytes; at most {REQUEST_BYTES_MAX}")]
    TooLong(usize),
    /// The peer has none.
    #[error("the peer has no answer")]
    NoAnswer,
    /// The peer took too long.
    #[error("no answer within {} s", ANSWER_TIME_MAX.as_secs())]
    Timeout,
    /// The connection was lost, or the peer broke the protocol.
    #[error("no answer: {0}")]
    Lost(String),
    /// This node is stopping.
    #[error("the network has stopped")]
    Stopped,
}

impl From<OutboundFailure> for AskError {
    fn from(failure: OutboundFailure) -> Self {
        match failure {
            OutboundFailure::Timeout => AskError::Timeout,
            OutboundFailure::DialFailure => AskError::NotConnected,
            other => AskError::Lost(other.to_string()),
        }
    }
}

/// Asks and answers on `network`.
pub(super) fn exchange(network: &NetworkId) -> Exchange {
    let name = format!("/hpaxos/exchange/1/{network}");
    let name = StreamProtocol::try_from_owned(name).expect("it starts with a slash");
    let config = Config::default()
        .with_request_timeout(ANSWER_TIME_MAX)
        .with_max_concurrent_streams(2 * QUESTIONS_PER_PEER_MAX);
    Behaviour::with_codec(Letters, [(name, ProtocolSupport::Full)], config)
}

/// How questions and answers are written.
#[derive(Clone, Copy)]
pub(super) struct Letters;

impl Codec for Letters {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Option<Bytes>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, from: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(from, REQUEST_BYTES_MAX).await
    }

    async fn read_response<T>(
        &mut self,
        _: &StreamProtocol,
        from: &mut T,
    ) -> io::Result<Option<Bytes>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut present = [0];
        from.read_exact(&mut present).await?;
        match present {
            [0] => Ok(None),
            [1] => Ok(Some(read(from, ANSWER_BYTES_MAX).await?)),
            _ => Err(io::Error::other("neither an answer nor none")),
        }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        to: &mut T,
        request: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(to, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        to: &mut T,
        answer: Option<Bytes>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match answer {
            None => to.write_all(&[0]).await,
            Some(answer) => {
                to.write_all(&[1]).await?;
                write(to, &answer).await
            }
        }
    }
}

/// Reads a length and as many bytes; memory grows with what arrives.
async fn read<T>(from: &mut T, most: usize) -> io::Result<Bytes>
where
    T: AsyncRead + Unpin + Send,
{
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).await?;
    let length = u32::from_be_bytes(prefix);
    if length as usize > most {
        return Err(io::Error::other(format!("{length} bytes; at most {most}")));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes).await?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}

async fn write<T>(to: &mut T, bytes: &[u8]) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(bytes).await
}
