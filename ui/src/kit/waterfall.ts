// Where times stand on the waterfall's axis. Pure.
import type { StepExecution } from '../api/types';

/** A stretch longer than this in which nothing changes is folded. */
export const FOLD_AFTER_MS = 20_000;
export const FOLD_PX = 12;
const EDGE_MS = 600;

export type Axis = { x: (t: number) => number; folds: { x: number; from: number; to: number }[]; ticks: { x: number; ms: number }[]; width: number };

/** Maps moments to pixels; long quiet stretches take 12 px each. `points` are the moments at which something changed. */
export function axis(points: number[], from: number, to: number, width: number, fold = true): Axis {
  const end = Math.max(to, from + 1);
  const ps = [...new Set([from, ...points.filter((p) => p > from && p < end), end])].sort((a, b) => a - b);
  const parts: { from: number; to: number; folded: boolean }[] = [];
  for (let i = 0; i + 1 < ps.length; i++) {
    const a = ps[i]!, b = ps[i + 1]!;
    if (fold && b - a > FOLD_AFTER_MS) {
      parts.push({ from: a, to: a + EDGE_MS, folded: false }, { from: a + EDGE_MS, to: b - EDGE_MS, folded: true }, { from: b - EDGE_MS, to: b, folded: false });
    } else parts.push({ from: a, to: b, folded: false });
  }
  const folds = parts.filter((p) => p.folded).length;
  const open = Math.max(1, parts.reduce((s, p) => s + (p.folded ? 0 : p.to - p.from), 0));
  const scale = Math.max(0, width - folds * FOLD_PX) / open;
  let px = 0;
  const placed = parts.map((p) => {
    const w = p.folded ? FOLD_PX : (p.to - p.from) * scale;
    const r = { ...p, px, w };
    px += w;
    return r;
  });
  const x = (t: number): number => {
    if (t <= from) return 0;
    for (const p of placed) if (t <= p.to) return p.px + ((t - p.from) / Math.max(1, p.to - p.from)) * p.w;
    return width;
  };
  const marks = [from, ...placed.filter((p) => p.folded).flatMap((p) => [p.from, p.to]), ...[0.25, 0.5, 0.75].map((f) => from + f * (end - from)), end];
  const ticks: { x: number; ms: number }[] = [];
  for (const m of marks.map((t) => ({ x: x(t), ms: t - from })).sort((a, b) => a.x - b.x)) if (ticks.every((t) => Math.abs(t.x - m.x) >= 46)) ticks.push(m);
  return { x, folds: placed.filter((p) => p.folded).map((p) => ({ x: p.px, from: p.from, to: p.to })), ticks, width };
}

export type Stroke = { kind: 'run' | 'failed' | 'queue' | 'backoff' | 'person' | 'settlement' | 'timer'; from: number; to: number };
/** What happened in one step, as strokes: tries, pauses between them, waits for people, and work in between. */
export function strokes(s: StepExecution, now: number): Stroke[] {
  const t = (iso: string | null): number => (iso === null ? now : new Date(iso).getTime());
  const start = t(s.startedAt), end = t(s.finishedAt);
  const w = s.watchfire;
  const out: Stroke[] = [];
  const waits = (w?.waits ?? []).map((x): Stroke => ({ kind: x.kind === 'person' || x.kind === 'settlement' || x.kind === 'queue' ? x.kind : 'timer', from: t(x.from), to: t(x.to) }));
  if (w && w.attempts.length > 0) {
    for (const a of w.attempts) {
      out.push({ kind: a.status === 'failed' || a.status === 'timed_out' ? 'failed' : 'run', from: t(a.startedAt), to: t(a.finishedAt) });
      if (a.next_at && a.finishedAt) out.push({ kind: 'backoff', from: t(a.finishedAt), to: t(a.next_at) });
    }
    return [...out, ...waits].sort((a, b) => a.from - b.from);
  }
  let at = start;
  for (const x of waits.sort((a, b) => a.from - b.from)) {
    if (x.from > at) out.push({ kind: 'run', from: at, to: x.from });
    out.push(x);
    at = Math.max(at, x.to);
  }
  if (at < end || out.length === 0) out.push({ kind: s.status === 'failed' || s.status === 'timed_out' ? 'failed' : 'run', from: at, to: end });
  return out;
}

/** Moments at which something changed, for the folds. */
export function changes(steps: StepExecution[], now: number): number[] {
  const out: number[] = [];
  for (const s of steps) for (const k of strokes(s, now)) out.push(k.from, k.to);
  return out;
}

export type Row = { key: string; step: StepExecution | null; name: string; type: string; effect: string; depth: number; parents: string[]; iteration: number | null; hasChildren: boolean };
/** The containers a step stands in: wrappers of the step itself (retry, timeout) are no containers, two hops of one container are one. */
export function scopesOf(s: StepExecution): StepExecution['scopeStack'] {
  const out: StepExecution['scopeStack'] = [];
  for (const x of s.scopeStack) {
    if (x.name === s.stepId) continue;
    const last = out[out.length - 1];
    if (last && last.name === x.name) last.index = last.index ?? x.index;
    else out.push({ ...x });
  }
  return out;
}

const scopeKey = (scopes: StepExecution['scopeStack'], n: number): string => scopes.slice(0, n).map((s) => `${s.name}#${s.index ?? ''}`).join('/');

/** Rows in the order of their start, children under their scopes; steps to come after the step before them in the text. */
export function rowsOf(steps: StepExecution[], future: { id: string; name: string; type: string; effect: string; container: string | null }[]): Row[] {
  const sorted = [...steps].sort((a, b) => a.globalExecutionIndex - b.globalExecutionIndex);
  const rows: Row[] = sorted.map((s) => {
    const scopes = scopesOf(s);
    const n = scopes.length;
    return { key: s.id, step: s, name: s.stepId, type: s.stepType, effect: s.watchfire?.effect ?? 'none', depth: n, parents: scopes.map((_, i) => scopeKey(scopes, i).concat(i ? '/' : '', scopes[i]!.name)), iteration: scopes[n - 1]?.index ?? null, hasChildren: false };
  });
  const done = new Set(steps.map((s) => s.stepId));
  const depthOf = new Map<string, number>();
  let before: string | null = null;
  for (const f of future) {
    const depth = f.container === null ? 0 : (depthOf.get(f.container) ?? 0) + 1;
    depthOf.set(f.id, depth);
    if (!done.has(f.id)) {
      const row: Row = { key: `future:${f.id}`, step: null, name: f.name, type: f.type, effect: f.effect, depth, parents: f.container ? [f.container] : [], iteration: null, hasChildren: false };
      let i = -1;
      for (let k = rows.length - 1; k >= 0; k--) if (rows[k]!.name === before || rows[k]!.key === `future:${before}`) { i = k; break; }
      if (before === null) i = -1;
      let j = i + 1;
      while (i >= 0 && j < rows.length && rows[j]!.depth > Math.max(rows[i]!.depth, depth)) j++;
      rows.splice(j, 0, row);
    }
    before = f.id;
  }
  for (let i = 0; i + 1 < rows.length; i++) rows[i]!.hasChildren = rows[i + 1]!.depth > rows[i]!.depth;
  return rows;
}

/** The rows that are left when the rows in `folded` hide what stands under them. */
export function visibleRows(rows: Row[], folded: ReadonlySet<string>): Row[] {
  const out: Row[] = [];
  let hide: number | null = null;
  for (const r of rows) {
    if (hide !== null && r.depth > hide) continue;
    hide = null;
    out.push(r);
    if (folded.has(r.key)) hide = r.depth;
  }
  return out;
}
