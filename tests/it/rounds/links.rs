//! The ways between the parts of a house, each of which can be disturbed: cut, shut, silenced, slowed, broken in the middle
//! of a message.
//!
//! A way is a listener that leads on to where the other part really listens; to several, where there are several.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a way does with what comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Passes it on.
    Fair,
    /// Lets nobody in, and has thrown out who was.
    Shut,
    /// Swallows nothing and passes nothing on: everybody waits. Who comes is let in to wait.
    Silent,
    /// Passes it on, each part of it so much later.
    Slow(Duration),
    /// Passes on what comes from the part that called; what the other answers waits.
    Mute,
    /// Passes on so many bytes of an answer that is longer, and breaks off then.
    Brittle(usize),
}

/// What holds now on a way. Who was let in under an earlier count is thrown out.
#[derive(Debug, Clone, Copy)]
struct State {
    weather: Weather,
    cuts: u64,
}

/// All ways of a house. Cheap to clone; they end with the last clone.
#[derive(Clone, Default)]
pub(crate) struct Links(Arc<Inner>);

#[derive(Default)]
struct Inner {
    states: Mutex<BTreeMap<String, watch::Sender<State>>>,
    listening: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Links {
    /// Lays a way to ports on this machine and gives the port at which it begins.
    pub(crate) async fn to_ports(&self, name: String, ports: Vec<u16>) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("the loopback interface has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = self.add(name);
        let turn = AtomicUsize::new(0);
        locked(&self.0.listening).spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((caller, _)) = listener.accept().await {
                while talks.try_join_next().is_some() {}
                let first = turn.fetch_add(1, Ordering::Relaxed);
                let order: Vec<u16> = (0..ports.len()).map(|n| ports[(first + n) % ports.len()]).collect();
                talks.spawn(talk(caller, state.clone(), async move || {
                    for port in &order {
                        if let Ok(stream) = TcpStream::connect(("127.0.0.1", *port)).await {
                            let _ = stream.set_nodelay(true);
                            return Some(stream);
                        }
                    }
                    None
                }));
            }
        });
        port
    }

    /// Lays a way to a Unix socket; `here` is where it begins.
    pub(crate) fn to_socket(&self, name: String, here: &Path, there: PathBuf) {
        let listener = UnixListener::bind(here).expect("a socket can be made in a folder of ours");
        let state = self.add(name);
        locked(&self.0.listening).spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((caller, _)) = listener.accept().await {
                while talks.try_join_next().is_some() {}
                let there = there.clone();
                talks.spawn(talk(caller, state.clone(), async move || UnixStream::connect(&there).await.ok()));
            }
        });
    }

    fn add(&self, name: String) -> watch::Receiver<State> {
        let (sender, receiver) = watch::channel(State { weather: Weather::Fair, cuts: 0 });
        assert!(locked(&self.0.states).insert(name, sender).is_none(), "a way has a name of its own");
        receiver
    }

    /// The names of all ways, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        locked(&self.0.states).keys().cloned().collect()
    }

    /// Throws everybody out; who comes again is let in.
    pub(crate) fn cut(&self, name: &str) {
        self.change(name, |state| state.cuts += 1);
    }

    /// Changes the weather on a way.
    pub(crate) fn set(&self, name: &str, weather: Weather) {
        self.change(name, |state| {
            state.weather = weather;
            state.cuts += u64::from(weather == Weather::Shut);
        });
    }

    /// Fair weather everywhere.
    pub(crate) fn clear(&self) {
        for state in locked(&self.0.states).values() {
            state.send_modify(|state| state.weather = Weather::Fair);
        }
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut State)) {
        let states = locked(&self.0.states);
        states.get(name).unwrap_or_else(|| panic!("there is no way {name}")).send_modify(change);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection, until either side or the weather ends it.
async fn talk<C, T>(caller: C, mut state: watch::Receiver<State>, connect: impl AsyncFnOnce() -> Option<T>)
where
    C: AsyncRead + AsyncWrite,
    T: AsyncRead + AsyncWrite,
{
    let admitted = state.borrow_and_update().cuts;
    if state.borrow().weather == Weather::Shut {
        return;
    }
    let thrown_out = {
        let mut state = state.clone();
        async move {
            let _ = state.wait_for(|state| state.cuts != admitted).await;
        }
    };
    let speaking = async move {
        settled(&mut state, |weather| weather != Weather::Silent).await;
        let Some(other) = connect().await else { return };
        let (asked, asking) = tokio::io::split(caller);
        let (answers, answering) = tokio::io::split(other);
        let back = state.clone();
        // However one direction ends, the other may have more to say.
        tokio::join!(
            pass(asked, answering, state, |weather| weather != Weather::Silent, |_| None),
            pass(
                answers,
                asking,
                back,
                |weather| !matches!(weather, Weather::Silent | Weather::Mute),
                |weather| if let Weather::Brittle(bytes) = weather { Some(bytes) } else { None },
            )
        );
    };
    tokio::select! {
        () = thrown_out => {}
        () = speaking => {}
    }
}

/// Passes on what comes from one side to the other, as far as the weather lets it.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    flows: impl Fn(Weather) -> bool,
    breaks: impl Fn(Weather) -> Option<usize>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if count == 0 {
            break;
        }
        settled(&mut state, &flows).await;
        let weather = state.borrow().weather;
        if let Weather::Slow(late) = weather {
            tokio::time::sleep(late).await;
        }
        let whole = breaks(weather).is_none_or(|most| count <= most);
        let count = breaks(weather).map_or(count, |most| count.min(most));
        if to.write_all(&bytes[..count]).await.is_err() || !whole {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Waits for a weather.
async fn settled(state: &mut watch::Receiver<State>, wanted: impl Fn(Weather) -> bool) {
    let _ = state.wait_for(|state| wanted(state.weather)).await;
}
