// Where the nodes of a workflow's graph stand: a pure function of what the server read from the text. Containers are laid out inside-out.
import dagre from '@dagrejs/dagre';
import type { Graph, GraphNode } from '../../api/types';

export const NODE = { w: 236, h: 42 };
const EMPTY = { w: 130, h: 24 };
const PAD = { x: 12, top: 30, bottom: 12 };

export type Placed = { id: string; kind: 'step' | 'box' | 'empty'; x: number; y: number; w: number; h: number; parent: string | null; node: GraphNode | null };
export type Line = { id: string; from: string; to: string; label: string | null; quiet: boolean };

const BRANCHING = new Set(['if', 'switch']);

/** Branches that end go on at the step after their `if`; a branch that does not exist stands as "nothing happens". */
export function normalise(g: Graph): { nodes: (GraphNode & { empty?: boolean })[]; edges: Line[] } {
  const nodes: (GraphNode & { empty?: boolean })[] = [...g.nodes];
  let edges: Line[] = g.edges.map((e, i) => ({ id: `e${i}`, from: e.from, to: e.to, label: e.label, quiet: e.kind === 'fallback' }));
  for (const n of g.nodes) {
    if (!BRANCHING.has(n.type)) continue;
    const members = g.nodes.filter((m) => m.container === n.id);
    if (members.length === 0) continue;
    const inside = (id: string): boolean => { let c = g.nodes.find((x) => x.id === id)?.container ?? null; while (c !== null) { if (c === n.id) return true; c = g.nodes.find((x) => x.id === c)?.container ?? null; } return false; };
    const nexts = edges.filter((e) => e.from === n.id && !inside(e.to));
    const lanes = [...new Set(members.map((m) => m.lane ?? 'then'))];
    const outward = edges.filter((e) => inside(e.from) && !inside(e.to) && e.to !== n.id).map((e) => e.to);
    const target = nexts[0]?.to ?? outward[0] ?? null;
    if (nexts.length > 0) {
      edges = edges.filter((e) => !nexts.includes(e));
      for (const l of lanes) {
        const ms = members.filter((m) => (m.lane ?? 'then') === l);
        const last = ms.filter((m) => !edges.some((e) => e.from === m.id && ms.some((x) => x.id === e.to))).at(-1);
        if (last && target && !edges.some((e) => e.from === last.id && e.to === target)) edges.push({ id: `x:${last.id}:${target}`, from: last.id, to: target, label: null, quiet: false });
      }
    }
    const missing = n.type === 'if' ? !lanes.includes('else') : !lanes.includes('default');
    if (missing) {
      const id = `${n.id}:nothing`;
      nodes.push({ id, name: 'nothing happens', type: 'empty', effect: 'none', range: n.range, container: n.container, lane: n.lane, detail: null, empty: true });
      edges.push({ id: `x:${id}`, from: n.id, to: id, label: 'otherwise', quiet: true });
      if (target) edges.push({ id: `x:${id}:next`, from: id, to: target, label: null, quiet: true });
    }
  }
  return { nodes, edges };
}

export function place(g: Graph): { placed: Placed[]; lines: Line[] } {
  const { nodes, edges } = normalise(g);
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const isBox = (n: GraphNode): boolean => !BRANCHING.has(n.type) && nodes.some((m) => m.container === n.id);
  /** The box a node is drawn in: its nearest enclosing container that is drawn as one. */
  const boxOf = (n: GraphNode): string | null => {
    let c = n.container;
    for (let i = 0; c !== null && i < 64; i++) {
      const p = byId.get(c);
      if (!p) return null;
      if (isBox(p)) return p.id;
      c = p.container;
    }
    return null;
  };
  const home = new Map(nodes.map((n) => [n.id, boxOf(n)]));
  const out: Placed[] = [];
  /** The ancestor of `id` that stands directly in `box`. */
  const up = (id: string, box: string | null): string | null => {
    let x: string | null = id;
    for (let i = 0; x !== null && i < 64; i++) {
      const h: string | null = home.get(x) ?? null;
      if (h === box) return x;
      x = h;
    }
    return null;
  };
  const run = (box: string | null): { w: number; h: number } => {
    const members = nodes.filter((n) => home.get(n.id) === box);
    const d = new dagre.graphlib.Graph();
    d.setGraph({ rankdir: 'TB', ranksep: 30, nodesep: 36 });
    d.setDefaultEdgeLabel(() => ({}));
    const size = new Map<string, { w: number; h: number; box: boolean }>();
    for (const m of members) {
      if (isBox(m)) {
        const inner = run(m.id);
        size.set(m.id, { w: Math.max(NODE.w, inner.w + 2 * PAD.x), h: inner.h + PAD.top + PAD.bottom, box: true });
      } else size.set(m.id, { ...(m.empty ? EMPTY : NODE), box: false });
      const s = size.get(m.id)!;
      d.setNode(m.id, { width: s.w, height: s.h });
    }
    for (const e of edges) {
      const a = up(e.from, box), b = up(e.to, box);
      if (a && b && a !== b && size.has(a) && size.has(b)) d.setEdge(a, b, { weight: BRANCHING.has(byId.get(a)?.type ?? '') ? 6 : 1 });
    }
    dagre.layout(d);
    let w = 0, h = 0, left = Infinity, top = Infinity;
    for (const m of members) {
      const p = d.node(m.id);
      left = Math.min(left, p.x - p.width / 2);
      top = Math.min(top, p.y - p.height / 2);
    }
    for (const m of members) {
      const p = d.node(m.id), s = size.get(m.id)!;
      const x = p.x - p.width / 2 - left + (box === null ? 0 : PAD.x), y = p.y - p.height / 2 - top + (box === null ? 0 : PAD.top);
      w = Math.max(w, x + s.w - (box === null ? 0 : PAD.x));
      h = Math.max(h, y + s.h - (box === null ? 0 : PAD.top));
      out.push({ id: m.id, kind: m.empty ? 'empty' : s.box ? 'box' : 'step', x, y, w: s.w, h: s.h, parent: box, node: m });
    }
    return { w, h };
  };
  run(null);
  // Parents stand before their children, as the drawing library wants it.
  const depth = (p: Placed): number => { let n = 0, x: string | null = p.parent; while (x !== null && n < 64) { n++; x = home.get(x) ?? null; } return n; };
  out.sort((a, b) => depth(a) - depth(b));
  // A step's edge into its own box is the box itself.
  const lines = edges.filter((e) => byId.has(e.from) && byId.has(e.to) && !(isBox(byId.get(e.from)!) && home.get(e.to) === e.from) && !(isBox(byId.get(e.to)!) && home.get(e.from) === e.to));
  return { placed: out, lines };
}
