import { describe, expect, it } from 'vitest';
import type { Graph, GraphNode } from '../../api/types';
import { normalise, place } from './layout';

const node = (id: string, type = 'http', container: string | null = null, lane: string | null = null): GraphNode => ({ id, name: id, type, effect: 'read', range: { startLine: 1, endLine: 1 }, container, lane, detail: null });
const edge = (from: string, to: string) => ({ from, to, label: null, kind: 'next' as const });

describe('graph of a workflow', () => {
  const g: Graph = { nodes: [node('a'), node('if', 'if'), node('b', 'http', 'if', 'then'), node('c', 'http', 'if', 'then'), node('d')], edges: [edge('a', 'if'), { from: 'if', to: 'b', label: 'yes', kind: 'branch' }, edge('b', 'c'), edge('if', 'd')] };
  it('joins a branch to the step after its if, and draws the branch that is not there', () => {
    const n = normalise(g);
    const pairs = n.edges.map((e) => `${e.from}>${e.to}`);
    expect(pairs).toContain('c>d');
    expect(pairs).not.toContain('if>d');
    expect(pairs).toContain('if>if:nothing');
    expect(pairs).toContain('if:nothing>d');
  });
  it('goes down, and nothing overlaps', () => {
    const { placed } = place(g);
    const y = (id: string): number => placed.find((p) => p.id === id)!.y;
    expect(y('a')).toBeLessThan(y('if'));
    expect(y('if')).toBeLessThan(y('b'));
    expect(y('c')).toBeLessThan(y('d'));
    for (const p of placed) for (const o of placed) if (p.id < o.id) expect(p.x + p.w <= o.x || o.x + o.w <= p.x || p.y + p.h <= o.y || o.y + o.h <= p.y).toBe(true);
  });
  it('holds the steps of a loop inside its box', () => {
    const loop: Graph = { nodes: [node('each', 'foreach'), node('x', 'http', 'each', 'body'), node('y', 'http', 'each', 'body'), node('z')], edges: [{ from: 'each', to: 'x', label: null, kind: 'branch' }, edge('x', 'y'), edge('each', 'z')] };
    const { placed, lines } = place(loop);
    const box = placed.find((p) => p.id === 'each')!, x = placed.find((p) => p.id === 'x')!;
    expect(box.kind).toBe('box');
    expect(x.parent).toBe('each');
    expect(x.x + x.w).toBeLessThanOrEqual(box.w);
    expect(x.y + x.h).toBeLessThanOrEqual(box.h);
    expect(lines.some((l) => l.from === 'each' && l.to === 'x')).toBe(false);
    expect(lines.some((l) => l.from === 'each' && l.to === 'z')).toBe(true);
  });
  it('is a pure function of the text', () => {
    expect(place(g)).toEqual(place(structuredClone(g)));
  });
  it('stands containers that name each other', () => {
    expect(() => place({ nodes: [node('a', 'foreach', 'b'), node('b', 'foreach', 'a')], edges: [] })).not.toThrow();
  });
  it('lays 300 steps out fast', () => {
    const many: Graph = { nodes: Array.from({ length: 300 }, (_, i) => node(`n${i}`)), edges: Array.from({ length: 299 }, (_, i) => edge(`n${i}`, `n${i + 1}`)) };
    const t = performance.now();
    place(many);
    expect(performance.now() - t).toBeLessThan(2000);
  });
});
