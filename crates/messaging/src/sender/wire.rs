//! The wire between us and a mail server: commands out, replies in (RFC 5321). What a server may say is bounded, and what
//! goes wrong has a kind, so that nobody has to read it out of words.
//!
//! Replies are read more generously than the standard has them written, for what a server answers to a letter decides
//! whether it is sent: lines may end without a carriage return, a code may stand alone, and texts may be in any encoding.

use std::fmt::{self, Display};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::tls::Tls;

/// The longest line of a reply, its end included. The standard allows 512 bytes.
const LONGEST_LINE: u64 = 4_096;
/// The longest reply, all lines together.
const LONGEST_REPLY: usize = 65_536;

/// An answer of a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200 to 599.
    pub(super) code: u16,
    /// The texts of its lines.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Whether it says yes.
    pub(super) fn is_completion(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether it asks for more.
    pub(super) fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// Whether it says no for good.
    pub(super) fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Whether it says no for good to the encoding of what was said: X.6.x of the enhanced codes, addresses beyond ASCII
    /// among them (RFC 6531).
    pub(super) fn is_about_encoding(&self) -> bool {
        self.lines.first().is_some_and(|line| line.starts_with("5.6."))
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" "))
    }
}

/// What goes wrong on the wire.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server says no: 4xx for now, 5xx for good.
    Negative(Reply),
    /// What it says is no answer: what that is.
    Unreadable(String),
    /// It says something that nobody has asked for.
    OutOfTurn,
    /// There is no connection, or no longer.
    Broken(io::Error),
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(reply) => reply.fmt(f),
            Self::Unreadable(what) => f.write_str(what),
            Self::OutOfTurn => f.write_str("the mail server speaks out of turn"),
            Self::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the mail server hung up")
            }
            Self::Broken(error) => error.fmt(f),
        }
    }
}

/// What an SMTP conversation can be held over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open wire.
pub(super) struct Wire(BufReader<Box<dyn Stream>>);

impl Wire {
    /// Opens a wire to a server.
    pub(super) async fn connect(host: &str, port: u16) -> Result<Self, Fault> {
        let stream = TcpStream::connect((host, port)).await.map_err(Fault::Broken)?;
        // Commands are short and each waits for its answer.
        stream.set_nodelay(true).map_err(Fault::Broken)?;
        Ok(Self::over(stream))
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    /// The same wire, protected from here on. What the server said before is of no worth afterwards: somebody on the way may
    /// have put it there, to be taken for answers of the protected server.
    pub(super) async fn protect(mut self, tls: &Tls) -> Result<Self, Fault> {
        self.require_silence().await?;
        let stream = tls.handshake(self.0.into_inner()).await.map_err(Fault::Broken)?;
        Ok(Self::over(stream))
    }

    /// Says a command, its end included, and gives the answer; a negative one is a fault.
    pub(super) async fn command(&mut self, command: impl Display + Send) -> Result<Reply, Fault> {
        // Otherwise an answer too many would be taken for the one to this command, and every later one for the wrong one.
        self.require_silence().await?;
        self.write(command.to_string().as_bytes()).await.map_err(Fault::Broken)?;
        self.reply().await
    }

    /// Hands over a letter, final dot included, and gives the answer; a negative one is a fault. Not a byte has gone out
    /// where the server speaks out of turn.
    pub(super) async fn letter(&mut self, source: &[u8]) -> Result<Reply, Fault> {
        // Otherwise an answer that was there before the letter would be taken for the answer to it. Whether the connection is
        // broken shows in writing.
        if let Err(Fault::OutOfTurn) = self.require_silence().await {
            return Err(Fault::OutOfTurn);
        }
        let written = self.write(&stuffed(source)).await;
        match (written, self.reply().await) {
            (Ok(()), answer) => answer,
            // Some refuse a letter while it comes, and hang up.
            (Err(_), Err(Fault::Negative(reply))) => Err(Fault::Negative(reply)),
            (Err(error), _) => Err(Fault::Broken(error)),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    /// Fails where the server has said something by now, or has hung up.
    async fn require_silence(&mut self) -> Result<(), Fault> {
        let heard =
            poll_fn(|context| Poll::Ready(Pin::new(&mut self.0).poll_fill_buf(context).map_ok(<[u8]>::is_empty)));
        match heard.await {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(true)) => Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(false)) => Err(Fault::OutOfTurn),
            Poll::Ready(Err(error)) => Err(Fault::Broken(error)),
        }
    }

    /// The next answer; a negative one is a fault.
    pub(super) async fn reply(&mut self) -> Result<Reply, Fault> {
        let mut reply: Option<Reply> = None;
        let mut size = 0;
        loop {
            let line = self.line().await?;
            size += line.len();
            if size > LONGEST_REPLY {
                return Err(Fault::Unreadable(format!("an answer of more than {LONGEST_REPLY} bytes")));
            }
            let Line { code, text, is_last } = Line::parse(&line)?;
            let reply = reply.get_or_insert(Reply { code, lines: Vec::new() });
            if reply.code != code {
                return Err(Fault::Unreadable(format!("an answer that says both {} and {code}", reply.code)));
            }
            reply.lines.push(text);
            if is_last {
                let reply = reply.clone();
                return if reply.code < 400 { Ok(reply) } else { Err(Fault::Negative(reply)) };
            }
        }
    }

    /// A line with its end.
    async fn line(&mut self) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        (&mut self.0).take(LONGEST_LINE).read_until(b'\n', &mut line).await.map_err(Fault::Broken)?;
        if line.ends_with(b"\n") {
            Ok(line)
        } else if line.len() as u64 == LONGEST_LINE {
            Err(Fault::Unreadable(format!("a line of more than {LONGEST_LINE} bytes")))
        } else {
            Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

/// A line of a reply.
struct Line {
    code: u16,
    text: String,
    /// Whether no other follows.
    is_last: bool,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, Fault> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        let unreadable = || {
            let words = clientele_kernel::error::shorten(text);
            Fault::Unreadable(format!("`{words}` is no answer of a mail server"))
        };
        let (code, rest) = text.split_at_checked(3).ok_or_else(unreadable)?;
        let code: u16 = code.parse().map_err(|_| unreadable())?;
        let is_last = match rest.bytes().next() {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(unreadable()),
        };
        if !(200..600).contains(&code) {
            return Err(unreadable());
        }
        Ok(Self { code, text: rest.get(1..).unwrap_or_default().to_owned(), is_last })
    }
}

/// A letter as it goes over the wire: every line ends with CRLF, whatever it ended with, none that the letter holds is
/// taken for its end, and the dot that is follows. Servers differ in what they take for the end of a line, and a letter that
/// held another kind could hide a second letter from some of them.
fn stuffed(letter: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(letter.len() + letter.len() / 32 + 8);
    let mut begins = true;
    let mut bytes = letter.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' || byte == b'\n' {
            if byte == b'\r' {
                bytes.next_if_eq(&b'\n');
            }
            wire.extend_from_slice(b"\r\n");
            begins = true;
            continue;
        }
        if begins && byte == b'.' {
            wire.push(b'.');
        }
        wire.push(byte);
        begins = false;
    }
    if !begins {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// A wire to a server that says this and hangs up.
    async fn said(bytes: &[u8]) -> Wire {
        let (ours, mut theirs) = duplex(100_000);
        theirs.write_all(bytes).await.unwrap();
        Wire::over(ours)
    }

    /// A wire whose other end the test holds.
    fn held() -> (Wire, DuplexStream) {
        let (ours, theirs) = duplex(1_000);
        (Wire::over(ours), theirs)
    }

    #[tokio::test]
    async fn answers_are_understood_in_all_the_shapes_servers_give_them() {
        for (bytes, code, text) in [
            (&b"250 2.0.0 taken\r\n"[..], 250, "2.0.0 taken"),
            (b"250-one\r\n250-\r\n250 two\r\n", 250, "one  two"),
            (b"250\r\n", 250, ""),
            (b"250 \r\n", 250, ""),
            (b"250 no carriage return\n", 250, "no carriage return"),
            (b"250 accept\xe9\r\n", 250, "accept\u{fffd}"),
            (b"299 unheard of\r\n", 299, "unheard of"),
            (b"354 go ahead\r\n", 354, "go ahead"),
        ] {
            let reply = said(bytes).await.reply().await.unwrap();
            assert_eq!((reply.code, reply.lines.join(" ").as_str()), (code, text));
        }
    }

    #[tokio::test]
    async fn a_no_is_told_apart_by_its_first_digit_whatever_the_others_are() {
        for (bytes, permanent) in [(&b"450 later\r\n"[..], false), (b"499\r\n", false), (b"571 no\r\n", true)] {
            match said(bytes).await.reply().await.unwrap_err() {
                Fault::Negative(reply) => assert_eq!(reply.is_permanent(), permanent),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_unreadable_and_what_breaks_off_is_broken() {
        for bytes in [
            &b"hello there\r\n"[..],
            b"\r\n",
            b"25\r\n",
            b"2500 x\r\n",
            b"150 wait\r\n",
            b"600 x\r\n",
            b"+50 x\r\n",
            b"250_x\r\n",
            b"250-x\r\n550 y\r\n",
            b"\xff\xfe\xfd\xfc\r\n",
            "250é\r\n".as_bytes(),
        ] {
            let fault = said(bytes).await.reply().await.unwrap_err();
            assert!(matches!(fault, Fault::Unreadable(_)), "{:?}: {fault:?}", String::from_utf8_lossy(bytes));
        }
        for bytes in [&b""[..], b"250 taken", b"250-taken\r\n", b"250-taken\r\n250"] {
            let fault = said(bytes).await.reply().await.unwrap_err();
            assert!(matches!(fault, Fault::Broken(_)), "{:?}: {fault:?}", String::from_utf8_lossy(bytes));
            assert_eq!(fault.to_string(), "the mail server hung up");
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_cut_off_soon() {
        for endless in ["2", "250-x\r\n"] {
            let (mut wire, mut server) = held();
            let speaking = tokio::spawn(async move {
                let mut said = 0;
                while server.write_all(endless.as_bytes()).await.is_ok() {
                    said += endless.len();
                }
                said
            });
            let fault = wire.reply().await.unwrap_err();
            assert!(matches!(fault, Fault::Unreadable(_)), "{fault:?}");
            drop(wire);
            // What was read, and what the two buffers hold.
            assert!(speaking.await.unwrap() <= LONGEST_REPLY + 10_000);
        }
    }

    #[tokio::test]
    async fn an_answer_too_many_is_not_taken_for_the_next_one() {
        let mut wire = said(b"250 hello\r\n250 and the letter is taken\r\n").await;
        assert_eq!(wire.reply().await.unwrap().code, 250);
        assert!(matches!(wire.command("MAIL FROM:<a@example.com>\r\n").await.unwrap_err(), Fault::OutOfTurn));
    }

    #[tokio::test]
    async fn an_answer_that_was_there_before_the_letter_is_none_to_it_and_not_a_byte_goes_out() {
        // With the answer before, and after it.
        for (first, second) in [("354 go ahead\r\n250 taken\r\n", ""), ("354 go ahead\r\n", "250 taken\r\n")] {
            let (mut wire, mut server) = held();
            server.write_all(first.as_bytes()).await.unwrap();
            assert_eq!(wire.reply().await.unwrap().code, 354);
            server.write_all(second.as_bytes()).await.unwrap();
            assert!(matches!(wire.letter(b"hello").await.unwrap_err(), Fault::OutOfTurn));
            drop(wire);
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"");
        }
    }

    #[tokio::test]
    async fn what_was_said_before_the_wire_was_protected_is_not_heard_as_said_within() {
        let mut wire = said(b"220 go ahead\r\n250-mail.test\r\n250 AUTH PLAIN\r\n").await;
        assert_eq!(wire.reply().await.unwrap().code, 220);
        let tls = Tls::try_new("localhost", None).unwrap();
        assert!(matches!(wire.protect(&tls).await.err().unwrap(), Fault::OutOfTurn));
    }

    #[tokio::test]
    async fn a_server_that_refuses_a_letter_while_it_comes_and_hangs_up_has_refused_it() {
        let (mut wire, mut server) = held();
        let refusing = tokio::spawn(async move {
            let mut begin = [0; 10];
            server.read_exact(&mut begin).await.unwrap();
            server.write_all(b"552 5.3.4 too big\r\n").await.unwrap();
        });
        let fault = wire.letter("x".repeat(100_000).as_bytes()).await.unwrap_err();
        refusing.await.unwrap();
        assert_eq!(fault.to_string(), "552 5.3.4 too big");
    }

    proptest! {
        #[test]
        fn any_line_is_a_part_of_an_answer_with_a_code_there_is_or_none(
            line in prop_oneof!["[0-9+-]{0,4}[ -]?.{0,20}\r?\n?".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..30)],
        ) {
            match Line::parse(&line) {
                Ok(Line { code, text, .. }) => {
                    prop_assert!((200..600).contains(&code) && line.starts_with(code.to_string().as_bytes()));
                    prop_assert!(!text.ends_with(['\r', '\n']));
                }
                Err(fault) => prop_assert!(matches!(fault, Fault::Unreadable(_))),
            }
        }

        #[test]
        fn a_letter_has_one_end_and_comes_out_as_it_went_in(letter in "[.ab\r\n]{0,40}") {
            let wire = String::from_utf8(stuffed(letter.as_bytes())).unwrap();
            let lines: Vec<&str> = wire.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            let (end, lines) = lines.split_last().unwrap();
            prop_assert_eq!(*end, ".");
            prop_assert!(lines.iter().all(|line| *line != "." && !line.contains(['\r', '\n'])));
            let arrived: Vec<&str> = lines.iter().map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            let written = letter.replace("\r\n", "\n").replace('\r', "\n");
            let written: Vec<&str> = written.strip_suffix('\n').unwrap_or(&written).split('\n').collect();
            prop_assert!(arrived == written || letter.is_empty());
        }
    }
}
