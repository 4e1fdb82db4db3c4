import { describe, expect, it } from 'vitest';
import type { StepExecution } from '../api/types';
import { axis, changes, FOLD_PX, rowsOf, strokes, visibleRows } from './waterfall';

const T = Date.parse('2026-11-24T14:00:00.000Z');
const iso = (ms: number): string => new Date(T + ms).toISOString();
let n = 0;
function step(stepId: string, from: number, to: number | null, x: Partial<StepExecution> = {}): StepExecution {
  return { id: `s${n}`, stepId, stepType: 'http', workflowRunId: 'e', workflowId: 'w', status: to === null ? 'running' : 'completed', scopeStack: [], startedAt: iso(from), finishedAt: to === null ? null : iso(to), executionTimeMs: to === null ? null : to - from, topologicalIndex: n, globalExecutionIndex: n++, stepExecutionIndex: 0, error: null, ...x };
}
const wf = (x: Partial<NonNullable<StepExecution['watchfire']>>): NonNullable<StepExecution['watchfire']> => ({ effect: 'read', connector: null, attempts: [], waits: [], approval: null, request: null, secrets: [], key: null, delivery: null, ...x });

describe('axis', () => {
  it('is linear and monotonic without long quiet stretches', () => {
    const a = axis([T + 500], T, T + 1000, 200);
    expect(a.folds).toEqual([]);
    expect(a.x(T)).toBe(0);
    expect(a.x(T + 500)).toBeCloseTo(100);
    expect(a.x(T + 1000)).toBeCloseTo(200);
  });
  it('folds a quiet stretch of more than 20 s into 12 px', () => {
    const a = axis([T + 1000, T + 61_000], T, T + 62_000, 400);
    expect(a.folds).toHaveLength(1);
    const f = a.folds[0]!;
    expect(a.x(f.to) - a.x(f.from)).toBeCloseTo(FOLD_PX);
    expect(f.from).toBeGreaterThanOrEqual(T + 1000);
    expect(f.to).toBeLessThanOrEqual(T + 61_000);
    expect(a.x(T + 62_000)).toBeCloseTo(400);
  });
  it('does not fold at exactly 20 s, nor in true scale', () => {
    expect(axis([T + 20_000], T, T + 21_000, 400).folds).toHaveLength(0);
    expect(axis([T + 1000, T + 61_000], T, T + 62_000, 400, false).folds).toHaveLength(0);
  });
  it('never goes backwards and stays inside', () => {
    const a = axis([T + 10, T + 40_000, T + 90_000, T + 91_000], T, T + 200_000, 500);
    let last = -1;
    for (let t = -100; t <= 210_000; t += 137) {
      const x = a.x(T + t);
      expect(x).toBeGreaterThanOrEqual(last);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThanOrEqual(500.0001);
      last = x;
    }
  });
  it('keeps ticks apart', () => {
    const a = axis([T + 10, T + 40_000, T + 90_000], T, T + 200_000, 300);
    for (let i = 1; i < a.ticks.length; i++) expect(a.ticks[i]!.x - a.ticks[i - 1]!.x).toBeGreaterThanOrEqual(46);
    expect(a.ticks[0]).toEqual({ x: 0, ms: 0 });
  });
  it('stands a run of no length', () => {
    const a = axis([], T, T, 100);
    expect(Number.isFinite(a.x(T))).toBe(true);
  });
});

describe('strokes', () => {
  it('draws tries and the pause between them', () => {
    const s = step('a', 0, 1000, { watchfire: wf({ attempts: [{ n: 1, startedAt: iso(0), finishedAt: iso(300), status: 'failed', error: null, next_at: iso(800) }, { n: 2, startedAt: iso(800), finishedAt: iso(1000), status: 'completed', error: null, next_at: null }] }) });
    expect(strokes(s, T).map((k) => [k.kind, k.from - T, k.to - T])).toEqual([['failed', 0, 300], ['backoff', 300, 800], ['run', 800, 1000]]);
  });
  it('draws a wait for a person up to now', () => {
    const s = step('a', 0, null, { watchfire: wf({ waits: [{ kind: 'person', from: iso(100), to: null }] }) });
    expect(strokes(s, T + 5000).map((k) => [k.kind, k.from - T, k.to - T])).toEqual([['run', 0, 100], ['person', 100, 5000]]);
    expect(changes([s], T + 5000)).toContain(T + 5000);
  });
  it('draws a failed step red and one without length at all', () => {
    expect(strokes(step('a', 0, 10, { status: 'failed' }), T)[0]!.kind).toBe('failed');
    expect(strokes(step('a', 0, 0), T)).toHaveLength(1);
  });
});

describe('rows', () => {
  const g = (id: string, container: string | null = null) => ({ id, name: id, type: 'http', effect: 'read', container });
  it('puts steps to come where the text has them', () => {
    const rows = rowsOf([step('a', 0, 10), step('if', 10, null), step('b', 11, 20, { scopeStack: [{ name: 'if', kind: 'if', index: null }] })], [g('a'), g('if'), g('b', 'if'), g('c', 'if'), g('d')]);
    expect(rows.map((r) => `${' '.repeat(r.depth)}${r.name}${r.step ? '' : '?'}`)).toEqual(['a', 'if', ' b', ' c?', 'd?']);
    expect(rows[1]!.hasChildren).toBe(true);
  });
  it('has only what is to come when nothing ran', () => {
    expect(rowsOf([], [g('a'), g('b')]).map((r) => r.name)).toEqual(['a', 'b']);
  });
  it('hides what stands under a folded row', () => {
    const rows = rowsOf([step('if', 10, 30), step('b', 11, 20, { scopeStack: [{ name: 'if', kind: 'if', index: null }] }), step('c', 31, 40)], []);
    expect(visibleRows(rows, new Set([rows[0]!.key])).map((r) => r.name)).toEqual(['if', 'c']);
  });
  it('takes no wrapper of a step for a container', () => {
    const wrapped = step('a', 0, 10, { scopeStack: [{ name: 'a', kind: 'retry', index: null }, { name: 'a', kind: 'timeout', index: null }] });
    const box = step('if', 10, 30);
    const inside = step('b', 11, 20, { scopeStack: [{ name: 'if', kind: 'if', index: null }, { name: 'if', kind: 'branch', index: null }, { name: 'b', kind: 'retry', index: null }] });
    expect(rowsOf([wrapped, box, inside], []).map((r) => r.depth)).toEqual([0, 0, 1]);
  });
  it('names the iteration', () => {
    const s = [0, 1].map((i) => step('b', i, i + 1, { scopeStack: [{ name: 'each', kind: 'foreach', index: i }] }));
    expect(rowsOf(s, []).map((r) => r.iteration)).toEqual([0, 1]);
  });
});
