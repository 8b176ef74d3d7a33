//! A connection on which the header blocks of the frames that are sent are replaced.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The client's first bytes (RFC 9113 section 3.4).
const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The largest frame that every receiver takes (RFC 9113 section 4.2).
const MAX_FRAME: usize = 16 * 1024;

/// A connection whose n-th HEADERS frame carries the n-th of the given blocks.
pub(super) struct Rewriting {
    inner: TcpStream,
    blocks: VecDeque<Vec<u8>>,
    /// What was written and is no whole frame yet.
    given: Vec<u8>,
    /// What is to be sent.
    out: VecDeque<u8>,
    has_preface: bool,
}

impl Rewriting {
    pub(super) fn new(inner: TcpStream, blocks: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            inner,
            blocks: blocks.into_iter().collect(),
            given: Vec::new(),
            out: VecDeque::new(),
            has_preface: false,
        }
    }

    fn take_frames(&mut self) {
        if !self.has_preface && self.given.len() >= PREFACE {
            self.out.extend(self.given.drain(..PREFACE));
            self.has_preface = true;
        }
        while self.has_preface
            && let Some(&[a, b, c, ..]) = self.given.first_chunk::<FRAME_HEAD>()
        {
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if self.given.len() < FRAME_HEAD + length {
                return;
            }
            let frame: Vec<_> = self.given.drain(..FRAME_HEAD + length).collect();
            match self.blocks.front() {
                Some(_) if frame[3] == HEADERS => self.push_headers(&frame),
                _ => self.out.extend(frame),
            }
        }
    }

    /// The block may be larger than a frame.
    fn push_headers(&mut self, frame: &[u8]) {
        let block = self.blocks.pop_front().unwrap_or_default();
        let stream = &frame[5..FRAME_HEAD];
        let mut pieces = block.chunks(MAX_FRAME).peekable();
        let (mut kind, mut flags) = (HEADERS, frame[4] & END_STREAM);
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= END_HEADERS;
            }
            let length = u32::try_from(piece.len()).unwrap_or(0).to_be_bytes();
            self.out.extend(&length[1..]);
            self.out.extend([kind, flags]);
            self.out.extend(stream);
            self.out.extend(piece);
            (kind, flags) = (CONTINUATION, 0);
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let (bytes, _) = self.out.as_slices();
            let sent = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
            self.out.drain(..sent);
        }
        Pin::new(&mut self.inner).poll_flush(context)
    }
}

impl AsyncRead for Rewriting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Rewriting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.given.extend_from_slice(bytes);
        self.take_frames();
        // What the socket does not take now goes with the next flush.
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
