import { describe, expect, it } from 'vitest';
import { initialStream, reduceStream, STALE_AFTER_MS, type Change, type StreamInput, type StreamState } from './reducer';

const change = (seq: number, topic = 'alerts'): StreamInput => ({ type: 'change', at: 100 + seq, change: { seq, topic, id: 'a1', changed: { kind: 'updated' } } satisfies Change });
const play = (inputs: StreamInput[], from: StreamState = initialStream(0)): { state: StreamState; refetches: number } => {
  let state = from, refetches = 0;
  for (const i of inputs) {
    const r = reduceStream(state, i);
    state = r.state;
    if (r.refetch) refetches++;
  }
  return { state, refetches };
};

describe('stream', () => {
  it('keeps the highest number and does not go back', () => {
    expect(play([change(5), change(3), change(9)]).state.seq).toBe(9);
    expect(play([change(9), change(3)]).state.seq).toBe(9);
  });
  it('takes its first number from a beat, later ones only from changes that it was given', () => {
    const beat = (seq: number): StreamInput => ({ type: 'beat', at: 1, seq, events_per_second: null, event_to_alert_p99_ms: null });
    expect(play([beat(7)]).state.seq).toBe(7);
    expect(play([change(8), beat(40)]).state.seq).toBe(8);
  });
  it('is stale after five seconds of silence, and says so once', () => {
    const a = play([{ type: 'beat', at: 1000, seq: 1, events_per_second: 10, event_to_alert_p99_ms: 9 }, { type: 'tick', at: 1000 + STALE_AFTER_MS }]);
    expect(a.state.stale).toBe(false);
    const b = play([{ type: 'tick', at: 1001 + STALE_AFTER_MS }], a.state);
    expect(b.state.stale).toBe(true);
    expect(reduceStream(b.state, { type: 'tick', at: 99_999 }).state).toBe(b.state);
  });
  it('fetches again when it comes back from silence', () => {
    const stale = play([{ type: 'tick', at: 10_000 }]).state;
    const back = play([{ type: 'beat', at: 11_000, seq: 4, events_per_second: null, event_to_alert_p99_ms: null }], stale);
    expect(back).toMatchObject({ refetches: 1, state: { stale: false, seq: 4, lastAt: 11_000 } });
  });
  it('fetches again after a gap, once', () => {
    const r = play([change(2), { type: 'gap', at: 300, seq: 90 }, change(91)]);
    expect(r).toMatchObject({ refetches: 1, state: { seq: 91, gaps: 1 } });
  });
  it('does not take a step over other topics for a gap', () => {
    expect(play([change(2), change(40)]).refetches).toBe(0);
  });
  it('takes counts as they come', () => {
    const r = play([{ type: 'change', at: 5, change: { seq: 7, topic: 'counts', id: '-', changed: { alerts: 3, cases: 1, approvals: 2, connectors_failing: 0 } } }]);
    expect(r.state.counts).toEqual({ alerts: 3, cases: 1, approvals: 2, connectors_failing: 0 });
  });
  it('fetches when a pause ends, not when it starts', () => {
    expect(play([{ type: 'pause', paused: true }]).refetches).toBe(0);
    expect(play([{ type: 'pause', paused: true }, { type: 'pause', paused: false }])).toMatchObject({ refetches: 1, state: { paused: false } });
  });
  it('remembers when it tries again', () => {
    expect(play([{ type: 'open', at: 1 }, { type: 'closed', at: 2, retryAt: 1002 }]).state).toMatchObject({ open: false, retryAt: 1002 });
  });
});
