import { LiveStream, type StreamMessage } from './stream';
import { deliver, type LiveState, setLiveState, wantedTopics, watchWishes } from './wishes';

/** What the tabs of one browser tell each other. */
type Note =
  | { kind: 'want'; tab: string; topics: string[] }
  | { kind: 'who' }
  | { kind: 'message'; message: StreamMessage }
  | { kind: 'place'; id: string }
  | { kind: 'state'; state: LiveState }
  | { kind: 'signed-in' };

type Options = { userId: string; onSignedOut: () => void };
type Live = { stop: () => void; resume: () => void };

/**
 * Starts the live stream of this tab: one connection for all tabs of the browser. The tab that holds the lock leads: it
 * has the connection, asks for what all tabs want, and passes on what comes. When it closes, the lock and with it the lead
 * go to another tab, which goes on from the last id that all have heard. Where a browser has no locks (a page over plain
 * HTTP), each tab has a connection of its own while it is in sight.
 */
export function startLive(options: Options): Live {
  const { locks } = navigator;
  return locks && 'BroadcastChannel' in globalThis ? startShared(options, locks) : startAlone(options);
}

function startShared({ userId, onSignedOut }: Options, locks: LockManager): Live {
  const tab = crypto.getRandomValues(new Uint32Array(2)).join('-');
  const name = `clientele.live.${userId}`;
  const lockOf = (id: string) => `${name}.tab.${id}`;
  const channel = new BroadcastChannel(name);
  const ended = new AbortController();
  const others = new Map<string, string[]>();
  let stream: LiveStream | undefined;
  let state: LiveState = 'off';
  let lastId: string | undefined;

  const tell = (note: Note) => {
    if (!ended.signal.aborted) channel.postMessage(note);
  };
  const want = () => {
    const topics = wantedTopics();
    if (stream) stream.setTopics([...new Set([...topics, ...[...others.values()].reverse().flat()])]);
    else tell({ kind: 'want', tab, topics });
  };
  const heard = (message: StreamMessage) => {
    if (message.id) lastId = message.id;
    deliver(message.change);
  };
  const setState = (next: LiveState) => {
    state = next;
    setLiveState(next);
  };
  /** Forgets tabs that are gone: each holds a lock as long as it lives, however it ends. */
  const prune = async () => {
    const { held = [] } = await locks.query();
    const alive = new Set(held.map((lock) => lock.name));
    for (const id of others.keys()) if (!alive.has(lockOf(id))) others.delete(id);
  };

  channel.onmessage = ({ data }: MessageEvent<Note>) => {
    if (data.kind === 'message' && !stream) heard(data.message);
    else if (data.kind === 'place' && !stream) lastId = data.id;
    else if (data.kind === 'state' && !stream) setState(data.state);
    else if (data.kind === 'who' && !stream) want();
    else if (data.kind === 'signed-in') stream?.resume();
    else if (data.kind === 'want' && stream) {
      // The latest comes last, and of too many topics the last are kept.
      others.delete(data.tab);
      others.set(data.tab, data.topics);
      tell({ kind: 'state', state });
      void prune().then(want);
    }
  };

  const lead = () => {
    stream = new LiveStream({
      lastId,
      onSignedOut,
      onPlace: (id) => tell({ kind: 'place', id }),
      onState: (next) => {
        setState(next);
        tell({ kind: 'state', state: next });
      },
      onMessage: (message) => {
        heard(message);
        tell({ kind: 'message', message });
      },
    });
    tell({ kind: 'who' });
    want();
  };

  const until = (signal: AbortSignal) => new Promise<void>((done) => signal.addEventListener('abort', () => done()));
  const gone = () => undefined;
  locks.request(lockOf(tab), () => until(ended.signal)).catch(gone);
  locks
    .request(`${name}.lead`, { signal: ended.signal }, () => {
      lead();
      return until(ended.signal);
    })
    .catch(gone);
  const unwatch = watchWishes(soon(want));
  want();

  return {
    stop: () => {
      unwatch();
      stream?.stop();
      ended.abort();
      channel.close();
      setLiveState('off');
    },
    resume: () => {
      stream?.resume();
      tell({ kind: 'signed-in' });
    },
  };
}

function startAlone({ onSignedOut }: Options): Live {
  let stream: LiveStream | undefined;
  let lastId: string | undefined;
  const want = () => stream?.setTopics(wantedTopics());
  const follow = () => {
    // A browser opens few connections to one address over HTTP/1.1: tabs that nobody sees must not use them up.
    if (document.visibilityState === 'hidden') {
      stream?.stop();
      stream = undefined;
      return;
    }
    stream ??= new LiveStream({
      lastId,
      onSignedOut,
      onPlace: (id) => {
        lastId = id;
      },
      onState: setLiveState,
      onMessage: ({ id, change }) => {
        lastId = id ?? lastId;
        deliver(change);
      },
    });
    want();
  };
  document.addEventListener('visibilitychange', follow);
  const unwatch = watchWishes(soon(want));
  follow();
  return {
    stop: () => {
      unwatch();
      document.removeEventListener('visibilitychange', follow);
      stream?.stop();
      setLiveState('off');
    },
    resume: () => stream?.resume(),
  };
}

/** Runs once after all that happens at the same time: a page that changes withdraws and makes many wishes at once. */
function soon(run: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      run();
    });
  };
}
