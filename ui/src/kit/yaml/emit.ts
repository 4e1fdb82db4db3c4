// New YAML for values that were not in the text before. Existing text is never printed again.
import { parse as parseYaml } from 'yaml';
import { EditError } from './doc';

const LINE_MAX = 100;
function same(text: string, value: string): boolean {
  try {
    return (parseYaml(text) as { k?: unknown } | null)?.k === value;
  } catch {
    return false;
  }
}
/** A string as one line: plain where that reads back as the same string, else quoted; a template is always quoted. */
export function text1(value: string, flow: boolean, quote?: 'single' | 'double' | 'plain'): string {
  const simple = !/[\n\r\t\u0000-\u001f\u007f\u0085\u2028\u2029\ufeff]/.test(value);
  if (quote === 'single' && simple) return `'${value.replaceAll("'", "''")}'`;
  if (quote === 'double') return double(value);
  if (simple && value.trim() === value && value !== '' && !value.includes('{{') && !/(^|\s)#|: |:$/.test(value) && same(flow ? `{ k: ${value} }` : `k: ${value}`, value)) return value;
  return double(value);
}
function double(value: string): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
export function flow(v: unknown, depth = 0): string {
  if (depth > 32) throw new EditError('nested too deeply');
  if (typeof v === 'string') return text1(v, true);
  if (v === null || v === undefined) return 'null';
  if (typeof v === 'number' || typeof v === 'boolean') return String(v);
  if (Array.isArray(v)) return `[${v.map((x) => flow(x, depth + 1)).join(', ')}]`;
  const e = Object.entries(v as object);
  return e.length === 0 ? '{}' : `{ ${e.map(([k, x]) => `${key(k, true)}: ${flow(x, depth + 1)}`).join(', ')} }`;
}
export function key(k: string, inFlow = false): string {
  return text1(k, inFlow);
}
/** A string over several lines as `|`; `null` when a block would not read back as the same. */
export function block(value: string, indent: number, header: '|' | '>' = '|'): string | null {
  if (!value.includes('\n') && header === '|') return null;
  if (header === '>' && value.replace(/\n$/, '').includes('\n')) return null;
  if (/[\r\u0000-\u0008\u000b-\u001f\u007f\u0085\u2028\u2029\ufeff]/.test(value) || /\n\n$|^\s|^\n/.test(value) || value === '\n') return null;
  const chomp = value.endsWith('\n') ? '' : '-';
  const body = value.replace(/\n$/, '').split('\n');
  return `${header}${chomp}\n${body.map((l) => (l === '' ? '' : ' '.repeat(indent) + l)).join('\n')}`;
}

/** What stands behind `key:` (a space and one line, or new lines), for a block map whose keys stand at `indent`. */
export function behindKey(v: unknown, indent: number): string {
  if (typeof v === 'string') {
    const b = block(v, indent + 2);
    return ` ${b ?? text1(v, false)}`;
  }
  if (Array.isArray(v) && v.length > 0) {
    if (v.every((x) => typeof x !== 'object' || x === null)) {
      const one = flow(v);
      if (one.length <= LINE_MAX - indent) return ` ${one}`;
    }
    return `\n${items(v, indent + 2)}`;
  }
  if (v !== null && typeof v === 'object' && !Array.isArray(v) && Object.keys(v).length > 0) return `\n${map(v as Record<string, unknown>, indent + 2)}`;
  return ` ${flow(v)}`;
}
export function map(v: Record<string, unknown>, indent: number): string {
  return Object.entries(v).map(([k, x]) => `${' '.repeat(indent)}${key(k)}:${behindKey(x, indent)}`).join('\n');
}
/** What stands behind `-` of an item whose dash stands at `indent`. */
export function behindDash(v: unknown, indent: number): string {
  if (v !== null && typeof v === 'object' && !Array.isArray(v) && Object.keys(v).length > 0) return ` ${map(v as Record<string, unknown>, indent + 2).trimStart()}`;
  if (typeof v === 'string') return ` ${block(v, indent + 2) ?? text1(v, false)}`;
  return ` ${flow(v)}`;
}
export function items(v: unknown[], indent: number): string {
  return v.map((x) => `${' '.repeat(indent)}-${behindDash(x, indent)}`).join('\n');
}
