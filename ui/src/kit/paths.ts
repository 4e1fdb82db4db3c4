// The values a workflow can point to, with samples: what the path picker lists. Pure.
export type Kind = 'text' | 'number' | 'boolean' | 'list' | 'object' | 'nothing' | 'not known';
export type PathItem = { path: string; kind: Kind; sample: unknown; of: 'event' | 'inputs' | 'consts' | 'variables' | 'steps' | 'foreach' | 'execution' };
export type Wants = 'text' | 'number' | 'boolean' | 'list' | 'object' | 'any';
export type Fit = { fits: true; how: string | null } | { fits: false };

const PATHS_MAX = 3_000;
const DEPTH_MAX = 8;
export function kindOf(v: unknown): Kind {
  if (v === undefined) return 'not known';
  if (v === null) return 'nothing';
  if (Array.isArray(v)) return 'list';
  return typeof v === 'object' ? 'object' : typeof v === 'number' ? 'number' : typeof v === 'boolean' ? 'boolean' : 'text';
}
function join(path: string, k: string): string {
  return /^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/.test(k) ? `${path}.${k}` : `${path}["${k}"]`;
}
/** Every path below `root`, shallow ones first in the order of the value; of a list the list itself and its first member. */
export function pathsOf(root: string, value: unknown, of: PathItem['of']): PathItem[] {
  const out: PathItem[] = [];
  const walk = (path: string, v: unknown, depth: number): void => {
    if (out.length >= PATHS_MAX) return;
    out.push({ path, kind: kindOf(v), sample: v, of });
    if (depth >= DEPTH_MAX || v === null || typeof v !== 'object') return;
    if (Array.isArray(v)) { if (v.length > 0) walk(`${path}[0]`, v[0], depth + 1); return; }
    for (const [k, x] of Object.entries(v)) walk(join(path, k), x, depth + 1);
  };
  walk(root, value, 0);
  return out;
}
/** Whether a value of this kind can stand where `wants` is meant, and what would be done to it. */
export function fit(kind: Kind, wants: Wants): Fit {
  if (wants === 'any' || kind === 'not known') return { fits: true, how: null };
  if (kind === 'nothing') return { fits: true, how: 'nothing in the sample' };
  if (kind === wants) return { fits: true, how: null };
  if (wants === 'text') return kind === 'list' || kind === 'object' ? { fits: true, how: 'as JSON text' } : { fits: true, how: null };
  if (wants === 'list' && kind !== 'object') return { fits: true, how: `${kind}, would be wrapped: [ ]` };
  return { fits: false };
}
/** What picking writes: text inside a text, the value itself elsewhere. */
export function written(item: PathItem, wants: Wants): { text: string; whole: boolean; list: boolean } {
  if (wants === 'text') return { text: item.kind === 'list' || item.kind === 'object' ? `{{ ${item.path} | json }}` : `{{ ${item.path} }}`, whole: false, list: false };
  if (wants === 'list' && item.kind !== 'list' && item.kind !== 'not known' && item.kind !== 'nothing') return { text: `{{ ${item.path} }}`, whole: true, list: true };
  return { text: `\${{ ${item.path} }}`, whole: true, list: false };
}
/** Fitting ones first; all words of the search must stand in the path or the sample. */
export function find(items: PathItem[], search: string, wants: Wants): { shown: (PathItem & { how: string | null })[]; fitting: number; other: number } {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const match = items.filter((i) => { const t = `${i.path} ${typeof i.sample === 'object' ? '' : String(i.sample)}`.toLowerCase(); return words.every((w) => t.includes(w)); });
  const shown = match.flatMap((i) => { const f = fit(i.kind, wants); return f.fits ? [{ ...i, how: f.how }] : []; });
  shown.sort((a, b) => (a.how === null ? 0 : 1) - (b.how === null ? 0 : 1));
  return { shown, fitting: shown.length, other: match.length - shown.length };
}
/** The value of a whole-value template in the samples; `undefined` when it is not one, or has a filter. */
export function sampleOf(template: string, items: PathItem[]): { path: string; value: unknown } | undefined {
  const m = /^\s*\$?\{\{\s*([^|{}]+?)\s*\}\}\s*$/.exec(template);
  const hit = m && items.find((i) => i.path === m[1]);
  return hit ? { path: hit.path, value: hit.sample } : undefined;
}
export function short(v: unknown, max = 120): string {
  if (v === undefined) return 'no sample';
  const t = typeof v === 'string' ? JSON.stringify(v) : JSON.stringify(v) ?? 'null';
  return t.length > max ? `${t.slice(0, max)}…` : t;
}
