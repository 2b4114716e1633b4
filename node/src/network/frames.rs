//! Frames on a stream: a length of four bytes, big-endian, then as many bytes.

use super::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use thiserror::Error;

/// The longest frame of consensus: the longest packet fits many times over, so that whoever announces more
/// is at fault.
pub const FRAME_BYTES_MAX: usize = 1_280 << 10;

/// How long a length is.
pub(super) const PREFIX_BYTES: usize = 4;

/// How much is read at once: a few dozen small frames.
const CHUNK_BYTES: usize = 16 << 10;

/// What a buffer that grew for a long frame is cut back to.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

/// Why there is no next frame.
#[derive(Debug, Error)]
pub(super) enum FrameError {
    /// The peer announces more than it may send.
    #[error("it announces a frame of {length} bytes, at most {most} are allowed")]
    TooLong {
        /// What it announces.
        length: usize,
        /// What it may.
        most: usize,
    },
    /// The stream ended within a frame.
    #[error("its stream ended within a frame")]
    Torn,
    /// The stream failed.
    #[error("its stream failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads frames from a stream. Memory grows with what has arrived, never with what is announced.
pub(super) struct FrameReader<R> {
    stream: R,
    chunk: Box<[u8]>,
    /// Bytes that arrived; those before `taken` have been handed out.
    buffer: Vec<u8>,
    taken: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> Self {
        let chunk = vec![0; CHUNK_BYTES].into();
        FrameReader { stream, chunk, buffer: Vec::new(), taken: 0 }
    }

    /// The next frame, of at most `most` bytes; none when the stream has ended between frames.
    pub async fn next(&mut self, most: usize) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = self.buffered(most)? {
                return Ok(Some(frame));
            }
            let read = self.stream.read(&mut self.chunk).await?;
            if read == 0 {
                let between = self.taken == self.buffer.len();
                return if between { Ok(None) } else { Err(FrameError::Torn) };
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            self.buffer.extend_from_slice(&self.chunk[..read]);
        }
    }

    /// The next frame, if all of it has arrived. A copy, so that a small frame that is kept keeps nothing else.
    fn buffered(&mut self, most: usize) -> Result<Option<Bytes>, FrameError> {
        let arrived = &self.buffer[self.taken..];
        let Some((prefix, rest)) = arrived.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > most {
            return Err(FrameError::TooLong { length, most });
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Bytes::copy_from_slice(frame);
        self.taken += PREFIX_BYTES + length;
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
            self.taken = 0;
        }
        Ok(Some(frame))
    }
}

/// Appends `frame`, as it travels, to `buffer`.
pub(super) fn push_frame(buffer: &mut Vec<u8>, frame: &[u8]) {
    let length = u32::try_from(frame.len()).expect("a frame is shorter than FRAME_BYTES_MAX");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(frame);
}

/// Writes one frame and flushes.
pub(super) async fn write_frame<W>(to: &mut W, frame: &[u8]) -> Result<(), FrameError>
where
    W: AsyncWrite + Unpin,
{
    let mut buffer = Vec::with_capacity(PREFIX_BYTES + frame.len());
    push_frame(&mut buffer, frame);
    to.write_all(&buffer).await?;
    to.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frames: Vec<Vec<u8>> =
            [0, 1, 200, CHUNK_BYTES, 300_000, 3].map(|length| vec![length as u8; length]).to_vec();
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| push_frame(&mut bytes, frame));
        let mut reader = FrameReader::new(Cursor::new(bytes));
        for frame in &frames {
            assert_eq!(block_on(reader.next(FRAME_BYTES_MAX)).unwrap().unwrap(), frame);
        }
        assert!(block_on(reader.next(FRAME_BYTES_MAX)).unwrap().is_none());
        assert!(reader.buffer.capacity() <= BUFFER_BYTES_KEPT);
    }

    #[test]
    fn a_length_of_four_gibibytes_is_refused_before_anything_is_allocated() {
        let mut reader = FrameReader::new(Cursor::new(vec![0xff; 100]));
        let error = block_on(reader.next(FRAME_BYTES_MAX)).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { length: 0xffff_ffff, .. }), "{error}");
        assert!(reader.buffer.capacity() < 1_024);
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_torn() {
        let mut reader = FrameReader::new(Cursor::new(vec![0, 0, 0, 9, 1]));
        assert!(matches!(block_on(reader.next(FRAME_BYTES_MAX)), Err(FrameError::Torn)));
    }
}
