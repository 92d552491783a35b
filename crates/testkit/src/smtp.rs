//! A mail server that does what a test tells it to: it speaks the real wire protocol, and is slow, forgetful, rude or
//! dead at any step. It counts what it took, so that a test can compare that with what the sender believes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A step of a conversation at which the server can be told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Somebody has connected.
    Connect,
    /// EHLO.
    Hello,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA, before the server says that it is ready.
    Data,
    /// The server has said that it is ready, and the letter begins to come.
    Body,
    /// The letter has come, final dot included.
    End,
}

/// What is known at a step.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The step.
    pub step: Step,
    /// The letter's recipient in lower case, from RCPT on; empty before.
    pub recipient: String,
    /// How often this step was come to for this recipient, this time included.
    pub times: usize,
    /// How many letters this connection has brought.
    pub letters: usize,
}

/// What the server does.
#[derive(Debug, Clone)]
pub enum Act {
    /// What a good server does.
    Go,
    /// The same, later.
    Wait(Duration),
    /// Answers with this line instead; at [`Step::Body`] at once, while the letter comes, and not again at its end. A
    /// letter that was refused so, or with its end, is not counted.
    Say(&'static str),
    /// Closes the connection without an answer.
    Hang,
    /// Says nothing for ever.
    Stall,
    /// Counts the letter and closes the connection without an answer. At [`Step::End`] only: before, there is no letter,
    /// and a test that asks for it panics when the server is dropped.
    TakeAndHang,
}

/// A letter the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// Head and body, as they came.
    pub source: String,
}

type Script = dyn Fn(&Scene) -> Act + Send + Sync;

#[derive(Default)]
struct Memory {
    taken: Vec<Taken>,
    connections: usize,
    times: HashMap<(Step, String), usize>,
    /// What the script asked for that cannot be done.
    impossible: Option<String>,
}

/// The server; it ends when dropped, and then says whether its script asked for what cannot be done.
pub struct SmtpServer {
    address: SocketAddr,
    memory: Arc<Mutex<Memory>>,
    accepting: JoinHandle<()>,
}

impl std::fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl SmtpServer {
    /// A server on a free port that takes everything.
    pub async fn good() -> Self {
        Self::scripted(|_| Act::Go).await
    }

    /// A server on a free port that does what the script says.
    pub async fn scripted(script: impl Fn(&Scene) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let memory: Arc<Mutex<Memory>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let accepting = tokio::spawn({
            let memory = memory.clone();
            async move {
                // Dropped with this task, so that conversations end with the server.
                let mut conversations = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    locked(&memory).connections += 1;
                    let talk = Talk {
                        stream: BufReader::new(stream),
                        memory: memory.clone(),
                        script: script.clone(),
                        recipient: String::new(),
                        letters: 0,
                    };
                    conversations.spawn(talk.run());
                    while conversations.try_join_next().is_some() {}
                }
            }
        });
        Self { address, memory, accepting }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Vec<Taken> {
        locked(&self.memory).taken.clone()
    }

    /// How many letters it has taken so far.
    pub fn count(&self) -> usize {
        locked(&self.memory).taken.len()
    }

    /// How often somebody has connected.
    pub fn connections(&self) -> usize {
        locked(&self.memory).connections
    }

    /// How often a step was come to for a recipient.
    pub fn times(&self, step: Step, recipient: &str) -> usize {
        locked(&self.memory).times.get(&(step, recipient.to_lowercase())).copied().unwrap_or(0)
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.accepting.abort();
        let impossible = locked(&self.memory).impossible.take();
        // A second panic would hide the first.
        if let Some(impossible) = impossible.filter(|_| !std::thread::panicking()) {
            panic!("{impossible}");
        }
    }
}

fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One conversation.
struct Talk {
    stream: BufReader<TcpStream>,
    memory: Arc<Mutex<Memory>>,
    script: Arc<Script>,
    recipient: String,
    letters: usize,
}

impl Talk {
    /// However it ends is of no interest: what counts is what was taken.
    async fn run(mut self) {
        let _ = self.converse().await;
    }

    async fn converse(&mut self) -> io::Result<()> {
        self.answer(Step::Connect, "220 mail.test ESMTP\r\n").await?;
        let mut from = String::new();
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => {
                    self.answer(Step::Hello, "250-mail.test\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n").await?;
                }
                "MAIL" => {
                    from = address(&line);
                    self.answer(Step::Mail, "250 2.1.0 ok\r\n").await?;
                }
                "RCPT" => {
                    self.recipient = address(&line).to_lowercase();
                    self.answer(Step::Recipient, "250 2.1.5 ok\r\n").await?;
                }
                "DATA" => {
                    if self.answer(Step::Data, "354 go ahead\r\n").await? {
                        self.letter(&from).await?;
                    }
                    self.recipient.clear();
                }
                "RSET" => {
                    self.recipient.clear();
                    self.say("250 2.0.0 ok\r\n").await?;
                }
                "NOOP" => self.say("250 2.0.0 ok\r\n").await?,
                "QUIT" => {
                    self.say("221 2.0.0 bye\r\n").await?;
                    return Ok(());
                }
                _ => self.say("502 5.5.2 not understood\r\n").await?,
            }
        }
    }

    async fn letter(&mut self, from: &str) -> io::Result<()> {
        let early = self.act(Step::Body).await?;
        if let Some(line) = early {
            self.reply(line).await?;
        }
        let Some(source) = self.source().await? else { return Ok(()) };
        let taken = Taken { from: from.to_owned(), to: self.recipient.clone(), source };
        if let Some(line) = early {
            self.take_if_yes(line, taken);
            return Ok(());
        }
        match self.scene(Step::End) {
            Act::Say(line) => {
                self.take_if_yes(line, taken);
                self.reply(line).await
            }
            Act::Hang => Err(io::ErrorKind::ConnectionAborted.into()),
            Act::TakeAndHang => {
                self.take(taken);
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Act::Stall => std::future::pending().await,
            act @ (Act::Go | Act::Wait(_)) => {
                if let Act::Wait(time) = act {
                    tokio::time::sleep(time).await;
                }
                self.take(taken);
                self.reply("250 2.0.0 taken").await
            }
        }
    }

    fn take(&mut self, letter: Taken) {
        locked(&self.memory).taken.push(letter);
        self.letters += 1;
    }

    /// A server that says yes in other words has taken it all the same.
    fn take_if_yes(&mut self, line: &str, letter: Taken) {
        if line.starts_with('2') {
            self.take(letter);
        }
    }

    /// A letter, up to the dot that stands alone between two CRLF: nothing else ends it (RFC 5321, 4.1.1.4). None where
    /// the other side has hung up before.
    async fn source(&mut self) -> io::Result<Option<String>> {
        let mut source = Vec::new();
        loop {
            let line = self.bytes().await?;
            if line.is_empty() {
                return Ok(None);
            }
            let begins = source.is_empty() || source.ends_with(b"\r\n");
            if begins && line == b".\r\n" {
                return Ok(Some(String::from_utf8_lossy(&source).into_owned()));
            }
            source.extend_from_slice(if begins { line.strip_prefix(b".").unwrap_or(&line) } else { &line });
        }
    }

    /// Answers a step, as the script says or with the usual line; true where it was the usual one.
    async fn answer(&mut self, step: Step, usual: &str) -> io::Result<bool> {
        let instead = self.act(step).await?;
        if let Some(line) = instead {
            self.reply(line).await?;
        } else {
            self.say(usual).await?;
        }
        Ok(instead.is_none())
    }

    /// Does what the script says of a step; gives the line to say instead of the usual one.
    async fn act(&mut self, step: Step) -> io::Result<Option<&'static str>> {
        match self.scene(step) {
            Act::Go => Ok(None),
            Act::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            Act::Say(line) => Ok(Some(line)),
            Act::Hang => Err(io::ErrorKind::ConnectionAborted.into()),
            Act::Stall => std::future::pending().await,
            Act::TakeAndHang => {
                let impossible = format!("a letter cannot be taken at {step:?}: it comes with Step::End");
                locked(&self.memory).impossible = Some(impossible);
                Err(io::ErrorKind::InvalidInput.into())
            }
        }
    }

    fn scene(&self, step: Step) -> Act {
        let mut memory = locked(&self.memory);
        let times = memory.times.entry((step, self.recipient.clone())).or_default();
        *times += 1;
        let scene = Scene { step, recipient: self.recipient.clone(), times: *times, letters: self.letters };
        drop(memory);
        (self.script)(&scene)
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    async fn reply(&mut self, line: &str) -> io::Result<()> {
        self.say(&format!("{line}\r\n")).await
    }

    /// A command without its end; none where the other side has hung up.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let line = self.bytes().await?;
        let text = || String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        Ok((!line.is_empty()).then(text))
    }

    /// A line with its end, or a part of one that is very long; empty where the other side has hung up.
    async fn bytes(&mut self) -> io::Result<Vec<u8>> {
        const LONGEST: u64 = 100_000;
        let mut line = Vec::new();
        (&mut self.stream).take(LONGEST).read_until(b'\n', &mut line).await?;
        Ok(line)
    }
}

/// What stands between angle brackets.
fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says everything at once and gives all that was answered until one side has hung up.
    async fn talk(server: &SmtpServer, said: &str) -> String {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        String::from_utf8(answers).unwrap()
    }

    /// Codes of the answers.
    fn codes(answers: &str) -> Vec<&str> {
        answers.lines().filter(|line| line.as_bytes().get(3) != Some(&b'-')).map(|line| &line[..3]).collect()
    }

    fn letter(source: &str) -> String {
        format!("EHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<B@x.test>\r\nDATA\r\n{source}\r\n.\r\nQUIT\r\n")
    }

    #[tokio::test]
    async fn a_letter_ends_with_a_dot_between_two_crlf_and_with_nothing_else() {
        let server = SmtpServer::good().await;
        let source = "one\n.\ntwo\n.\r\nthree\r\n.\nfour\r\n..five";
        assert_eq!(codes(&talk(&server, &letter(source)).await), ["220", "250", "250", "250", "354", "250", "221"]);
        let taken = server.taken();
        assert_eq!((taken.len(), taken[0].to.as_str()), (1, "b@x.test"));
        assert_eq!(taken[0].source, "one\n.\ntwo\n.\r\nthree\r\n\nfour\r\n.five\r\n");
    }

    #[tokio::test]
    async fn an_answer_while_the_letter_comes_is_given_once_and_decides() {
        for (line, count) in [("452 4.3.1 no room", 0), ("250 2.0.0 enough", 1)] {
            let server =
                SmtpServer::scripted(move |scene| if scene.step == Step::Body { Act::Say(line) } else { Act::Go })
                    .await;
            let answers = talk(&server, &letter("hello")).await;
            assert_eq!(codes(&answers), ["220", "250", "250", "250", "354", &line[..3], "221"]);
            assert_eq!((server.count(), server.times(Step::End, "b@x.test")), (count, 0));
        }
    }

    #[tokio::test]
    async fn a_script_that_has_a_letter_taken_before_it_has_come_is_told_so() {
        let server =
            SmtpServer::scripted(|scene| if scene.step == Step::Recipient { Act::TakeAndHang } else { Act::Go }).await;
        assert_eq!(codes(&talk(&server, &letter("hello")).await), ["220", "250", "250"]);
        let dropping = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
        let message = *dropping.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("Recipient"), "{message}");
    }
}
