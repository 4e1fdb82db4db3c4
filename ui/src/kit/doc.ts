// Alert and event documents: dotted keys next to nested objects.

export type Doc = Record<string, unknown>;

/** The value of a dotted path, whichever way the document spells it. */
export function get(doc: unknown, path: string): unknown {
  if (typeof doc !== 'object' || doc === null) return undefined;
  const d = doc as Doc;
  if (path in d) return d[path];
  const parts = path.split('.');
  for (let i = parts.length - 1; i > 0; i--) {
    const head = parts.slice(0, i).join('.');
    if (head in d) {
      const v = get(d[head], parts.slice(i).join('.'));
      if (v !== undefined) return v;
    }
  }
  return undefined;
}
export function text(v: unknown): string {
  if (v === null || v === undefined) return '–';
  if (Array.isArray(v)) return v.map(text).join(', ');
  return typeof v === 'object' ? JSON.stringify(v) : String(v);
}
export function first(doc: unknown, path: string): string | null {
  const v = get(doc, path);
  const x = Array.isArray(v) ? v[0] : v;
  return x === undefined || x === null ? null : String(x);
}

const MAX_FIELDS = 2000;
/** All leaf fields by dotted name, sorted; lists of plain values stay together. */
export function flatten(doc: Doc): { key: string; value: string }[] {
  const out: { key: string; value: string }[] = [];
  const walk = (v: unknown, path: string, depth: number): void => {
    if (out.length >= MAX_FIELDS) return;
    if (v !== null && typeof v === 'object' && !Array.isArray(v) && depth < 20) {
      for (const [k, x] of Object.entries(v)) walk(x, path ? `${path}.${k}` : k, depth + 1);
    } else out.push({ key: path, value: Array.isArray(v) && v.some((x) => typeof x === 'object') ? JSON.stringify(v, null, 1) : text(v) });
  };
  walk(doc, '', 0);
  return out.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
