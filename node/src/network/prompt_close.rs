//! A connection that takes only so long to close.
//!
//! Over TCP a farewell waits behind all that was written before it. If the peer is gone or does not read, that can
//! take the system's patience, a quarter of an hour, during which the connection counts as one and nobody redials.

use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a farewell may take.
const FAREWELL_TIME_MAX: Duration = Duration::from_millis(500);

/// A muxer that is dropped, and its connection with it, if it does not close in time.
pub(super) struct PromptClose<M> {
    muxer: M,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<M> PromptClose<M> {
    /// `muxer`, otherwise unchanged.
    pub fn new(muxer: M) -> Self {
        PromptClose { muxer, patience: None }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut M>
    where
        M: Unpin,
    {
        Pin::new(&mut self.get_mut().muxer)
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for PromptClose<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        self.inner().poll_inbound(context)
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        self.inner().poll_outbound(context)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(result) = self.as_mut().inner().poll_close(context) {
            return Poll::Ready(result);
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(FAREWELL_TIME_MAX)));
        patience.as_mut().poll(context).map(Ok)
    }

    fn poll(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        self.inner().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::Cursor;
    use libp2p::core::muxing::StreamMuxerExt;
    use std::convert::Infallible;

    /// A connection whose peer does not read.
    struct Stuck;

    impl StreamMuxer for Stuck {
        type Substream = Cursor<Vec<u8>>;
        type Error = Infallible;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }

        fn poll(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<StreamMuxerEvent, Infallible>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_connection_whose_peer_does_not_read_closes_all_the_same() {
        PromptClose::new(Stuck).close().await.unwrap();
    }
}
