// The one stream of this browser: the tab that holds the lock opens it and shares what comes over a BroadcastChannel.
import { useSyncExternalStore } from 'react';
import { spacePrefix } from '../api/client';
import { queryClient } from '../api/queries';
import { initialStream, reduceStream, type Change, type StreamInput, type StreamState } from './reducer';

const TOPICS = 'alerts,executions,approvals,cases,rules,workflows,connectors,counts';
const POLL_MS = 10_000;
const THROTTLE_MS = 400;

let state: StreamState = initialStream(Date.now());
const listeners = new Set<() => void>();
const changeListeners = new Set<(c: Change) => void>();
let started = false;
let stop: () => void = () => {};
let lastPoll = 0;

export function useStream(): StreamState {
  return useSyncExternalStore((f) => (listeners.add(f), () => void listeners.delete(f)), () => state);
}
export function streamState(): StreamState {
  return state;
}
/** Hears every change; the screen decides what it does with it. */
export function onChange(f: (c: Change) => void): () => void {
  changeListeners.add(f);
  return () => void changeListeners.delete(f);
}
export function setPaused(paused: boolean): void {
  feed({ type: 'pause', paused });
}

const due = new Map<string, { timer: number | null; again: boolean }>();
/** Fetches the visible queries of a topic again: at once, then at most every 400 ms. */
export function refresh(topic: string): void {
  const d = due.get(topic) ?? { timer: null, again: false };
  due.set(topic, d);
  if (d.timer !== null) {
    d.again = true;
    return;
  }
  // The queue decides itself when it takes new rows in.
  void queryClient.invalidateQueries({ predicate: (x) => x.queryKey[0] === topic && x.queryKey[1] !== 'queue' });
  d.timer = window.setTimeout(() => {
    d.timer = null;
    if (d.again) {
      d.again = false;
      refresh(topic);
    }
  }, THROTTLE_MS);
}

function feed(m: StreamInput): void {
  const r = reduceStream(state, m);
  const changed = r.state !== state;
  state = r.state;
  if (m.type === 'change') {
    if (m.change.topic === 'counts') queryClient.setQueryData(['counts'], state.counts);
    else if (!state.paused) {
      refresh(m.change.topic);
      for (const f of changeListeners) f(m.change);
    }
  }
  if (r.refetch && !state.paused) void queryClient.invalidateQueries({ predicate: (x) => x.queryKey[0] !== 'me' });
  if (m.type === 'tick' && state.stale && m.at - lastPoll > POLL_MS) {
    lastPoll = m.at;
    void queryClient.invalidateQueries({ predicate: (x) => x.queryKey[0] !== 'me' });
  }
  if (changed) for (const f of listeners) f();
}

export function startStream(): void {
  if (started) return;
  started = true;
  state = initialStream(Date.now());
  const channel = 'BroadcastChannel' in window ? new BroadcastChannel('watchfire-stream') : null;
  const share = (m: StreamInput): void => {
    feed(m);
    channel?.postMessage(m);
  };
  if (channel) channel.onmessage = (e: MessageEvent<StreamInput>) => feed(e.data);

  let source: EventSource | null = null;
  let retry: number | null = null;
  let wait = 1000;
  let closed = false;
  const open = (): void => {
    if (closed) return;
    const since = state.seq > 0 ? `&since=${state.seq}` : '';
    source = new EventSource(`${spacePrefix}/api/watchfire/stream?topics=${TOPICS}${since}`);
    source.onopen = () => {
      wait = 1000;
      share({ type: 'open', at: Date.now() });
    };
    source.addEventListener('beat', (e) => {
      const d = JSON.parse(e.data as string) as { seq: number; events_per_second?: number | null; event_to_alert_p99_ms?: number | null };
      share({ type: 'beat', at: Date.now(), seq: d.seq, events_per_second: d.events_per_second ?? null, event_to_alert_p99_ms: d.event_to_alert_p99_ms ?? null });
    });
    source.addEventListener('change', (e) => share({ type: 'change', at: Date.now(), change: JSON.parse(e.data as string) as Change }));
    source.addEventListener('gap', (e) => share({ type: 'gap', at: Date.now(), seq: (JSON.parse(e.data as string) as { seq: number }).seq }));
    source.onerror = () => {
      source?.close();
      share({ type: 'closed', at: Date.now(), retryAt: Date.now() + wait });
      retry = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, 8000);
    };
  };
  let release: () => void = () => {};
  if (channel && navigator.locks) {
    void navigator.locks.request('watchfire-stream', () => {
      if (closed) return Promise.resolve();
      open();
      return new Promise<void>((done) => (release = done));
    }).catch(() => open());
  } else open();
  const tick = window.setInterval(() => feed({ type: 'tick', at: Date.now() }), 1000);
  stop = () => {
    closed = true;
    started = false;
    source?.close();
    release();
    if (retry !== null) clearTimeout(retry);
    clearInterval(tick);
    channel?.close();
  };
}

export function stopStream(): void {
  stop();
}
