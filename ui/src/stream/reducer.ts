// What the page knows about its event stream: pure, so that a test can play it.
import type { Counts } from '../api/types';

export type Change = { seq: number; topic: string; id: string; changed: { kind?: 'created' | 'updated' | 'deleted' } & Record<string, unknown> };
export type StreamInput =
  | { type: 'open'; at: number }
  | { type: 'beat'; at: number; seq: number; events_per_second: number | null; event_to_alert_p99_ms: number | null }
  | { type: 'change'; at: number; change: Change }
  | { type: 'gap'; at: number; seq: number }
  | { type: 'closed'; at: number; retryAt: number | null }
  | { type: 'tick'; at: number }
  | { type: 'pause'; paused: boolean };

export type StreamState = {
  seq: number; lastAt: number; startedAt: number; open: boolean; stale: boolean; paused: boolean; retryAt: number | null;
  eventsPerSecond: number | null; p99: number | null; counts: Counts | null; gaps: number;
};

/** After this long without a message the page says that it is not live. */
export const STALE_AFTER_MS = 5_000;

export function initialStream(now: number): StreamState {
  return { seq: 0, lastAt: now, startedAt: now, open: false, stale: false, paused: false, retryAt: null, eventsPerSecond: null, p99: null, counts: null, gaps: 0 };
}

/** The next state, and whether everything on screen must be fetched again. */
export function reduceStream(s: StreamState, m: StreamInput): { state: StreamState; refetch: boolean } {
  switch (m.type) {
    case 'open':
      return { state: { ...s, open: true, retryAt: null }, refetch: s.stale };
    case 'beat': {
      // A beat does not move the number: messages with a lower one may still be held back by the server's limit per second.
      const state = { ...s, seq: s.seq === 0 ? m.seq : s.seq, lastAt: m.at, open: true, stale: false, retryAt: null, eventsPerSecond: m.events_per_second, p99: m.event_to_alert_p99_ms };
      return { state, refetch: s.stale };
    }
    case 'change': {
      const counts = m.change.topic === 'counts' ? ({ ...s.counts, ...m.change.changed } as Counts) : s.counts;
      return { state: { ...s, seq: Math.max(s.seq, m.change.seq), lastAt: m.at, open: true, stale: false, counts }, refetch: s.stale };
    }
    case 'gap':
      return { state: { ...s, seq: m.seq, lastAt: m.at, stale: false, gaps: s.gaps + 1 }, refetch: true };
    case 'closed':
      return { state: { ...s, open: false, retryAt: m.retryAt }, refetch: false };
    case 'tick':
      return { state: m.at - s.lastAt > STALE_AFTER_MS && !s.stale ? { ...s, stale: true } : s, refetch: false };
    case 'pause':
      return { state: { ...s, paused: m.paused }, refetch: s.paused && !m.paused };
  }
}
