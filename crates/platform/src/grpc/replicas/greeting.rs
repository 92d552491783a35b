//! Whether the other end of a connection speaks HTTP/2. Hyper takes calls as soon as it has sent its own half of the
//! preface; a server that hangs, or is none, would be given them and keep them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Length of a frame's head: three bytes of length, one of type, one of flags, four of the stream (RFC 9113, 4.1).
const HEAD: usize = 9;
const SETTINGS: u8 = 4;

/// A stream that tells once the first frame has come whole, if it is SETTINGS, as a server's must be (RFC 9113, 3.4).
pub(super) struct Greeted<T> {
    inner: T,
    /// None once it has been told, or will never be.
    waiting: Option<Waiting>,
}

struct Waiting {
    tell: oneshot::Sender<()>,
    head: Vec<u8>,
    /// How much of the frame's payload is to come; none as long as its head is not whole.
    payload: Option<usize>,
}

impl<T> Greeted<T> {
    /// The second half resolves when the first frame has come, and fails when it cannot come any more.
    pub(super) fn new(inner: T) -> (Self, oneshot::Receiver<()>) {
        let (tell, told) = oneshot::channel();
        let waiting = Waiting { tell, head: Vec::with_capacity(HEAD), payload: None };
        (Self { inner, waiting: Some(waiting) }, told)
    }
}

/// What is known after some more bytes.
enum Heard {
    Part(Waiting),
    Settings(oneshot::Sender<()>),
    Other,
}

impl Waiting {
    fn hear(mut self, mut bytes: &[u8]) -> Heard {
        if self.payload.is_none() {
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
            self.head.extend_from_slice(head);
            bytes = rest;
        }
        let to_come = match (self.payload, self.head.as_slice()) {
            (Some(to_come), _) => to_come,
            (None, &[high, middle, low, SETTINGS, _, _, _, _, _]) => {
                usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
            }
            (None, head) if head.len() < HEAD => return Heard::Part(self),
            _ => return Heard::Other,
        };
        if bytes.len() >= to_come {
            return Heard::Settings(self.tell);
        }
        self.payload = Some(to_come - bytes.len());
        Heard::Part(self)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Greeted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if let Some(waiting) = self.waiting.take() {
            match waiting.hear(&buf.filled()[before..]) {
                Heard::Part(waiting) => self.waiting = Some(waiting),
                // Nobody may wait any more: then nobody needs to know.
                Heard::Settings(tell) => drop(tell.send(())),
                Heard::Other => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Greeted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What is told after these bytes have come in pieces: that it speaks HTTP/2, that it does not, or nothing yet.
    fn told(pieces: &[&[u8]]) -> Option<bool> {
        let (tell, mut told) = oneshot::channel();
        let mut waiting = Some(Waiting { tell, head: Vec::new(), payload: None });
        for piece in pieces {
            waiting = match waiting.take()?.hear(piece) {
                Heard::Part(waiting) => Some(waiting),
                Heard::Settings(_) => return Some(true),
                Heard::Other => return Some(false),
            };
        }
        assert_eq!(told.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        None
    }

    proptest! {
        #[test]
        fn the_first_frame_is_told_of_however_it_is_cut(payload in 0_usize..300, cuts in prop::collection::vec(0_usize..320, 0..6)) {
            let length = u8::try_from(payload % 256).unwrap();
            let mut frame = vec![0, u8::try_from(payload / 256).unwrap(), length, SETTINGS, 0, 0, 0, 0, 0];
            frame.resize(HEAD + payload, 7);
            let mut places: Vec<usize> = cuts.into_iter().map(|cut| cut.min(frame.len())).collect();
            places.extend([0, frame.len()]);
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|ends| &frame[ends[0]..ends[1]]).collect();
            prop_assert_eq!(told(&pieces), Some(true));
            prop_assert_eq!(told(&[&frame[..frame.len() - 1]]), None);
        }
    }

    #[test]
    fn another_protocol_is_no_greeting() {
        assert_eq!(told(&[b"HTTP/1.1 400 Bad Request\r\n"]), Some(false));
        assert_eq!(told(&[b"HTTP"]), None);
    }

    #[tokio::test]
    async fn what_is_read_is_passed_on() {
        let (mut stream, greeted) = Greeted::new(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0, 1, 2][..]);
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 11);
        greeted.await.unwrap();
    }
}
