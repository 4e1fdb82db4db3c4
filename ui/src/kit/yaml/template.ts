// Installable templates: what they ask, and the ordinary workflow that the answers make of them. Answers are put in as values, so that no answer
// can change the shape of the text.
import { isMap, isScalar, visit, type Node } from 'yaml';
import { parse, toJs } from './doc';
import { EditError, setIn } from './edit';
import { text1 } from './emit';

export type Question = { name: string; label: string; description: string | null; required: boolean; default: unknown; options: string[]; inputType: 'text' | 'textarea' | 'number' | 'boolean' | 'select' | 'connector' | 'esIndex'; connectorType: string | null };
export type Template = { slug: string; name: string; description: string; categories: string[]; form: Question[]; yaml: string; triggers: string[] };
type Obj = Record<string, unknown>;
const KINDS = new Set(['text', 'textarea', 'number', 'boolean', 'select', 'connector', 'esIndex']);

export function readTemplate(yaml: string): Template | null {
  let js: Obj;
  try {
    js = toJs(parse(yaml)) as Obj;
  } catch {
    return null;
  }
  const m = js['template-metadata'] as Obj | undefined;
  if (!m || typeof m.slug !== 'string') return null;
  const raw = ((m.install as Obj | undefined)?.form as Obj[] | undefined) ?? [];
  const form = raw.flatMap((q): Question[] => (typeof q?.name === 'string' ? [{
    name: q.name, label: String(q.label ?? q.name), description: typeof q.description === 'string' ? q.description : null, required: q.required === true, default: q.default, options: Array.isArray(q.options) ? q.options.map((o) => String(typeof o === 'object' && o !== null ? (o as Obj).value : o)) : [],
    inputType: (KINDS.has(String(q.inputType)) ? q.inputType : 'text') as Question['inputType'], connectorType: typeof q.connectorType === 'string' ? q.connectorType : null,
  }] : []));
  return { slug: m.slug, name: String(m.name ?? js.name ?? m.slug), description: String(m.description ?? js.description ?? ''), categories: Array.isArray(m.categories) ? m.categories.map(String) : [], form, yaml, triggers: Array.isArray(js.triggers) ? (js.triggers as Obj[]).map((t) => String(t?.type)) : [] };
}

const PLACEHOLDER = /__install__\.([a-z0-9]+(?:-[a-z0-9]+)*)/g;
export function defaultsOf(t: Template): Record<string, unknown> {
  return Object.fromEntries(t.form.filter((q) => q.default !== undefined).map((q) => [q.name, q.default]));
}
/** What is still missing, by the name of the question. */
export function missing(t: Template, answers: Record<string, unknown>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const q of t.form) {
    const v = answers[q.name];
    if (q.required && (v === undefined || v === '' || v === null)) out[q.name] = 'Needed.';
    else if (q.inputType === 'number' && v !== undefined && v !== '' && typeof v !== 'number') out[q.name] = 'A number.';
  }
  return out;
}
/** The workflow that the answers make. A placeholder without an answer takes its key with it where it is the whole value. */
export function install(t: Template, answers: Record<string, unknown>, name: string, enabled: boolean): string {
  let text = setIn(t.yaml, ['template-metadata'], undefined);
  const all: Record<string, unknown> = { ...defaultsOf(t), ...Object.fromEntries(Object.entries(answers).filter(([, v]) => v !== undefined && v !== '')) };
  // Whole values without an answer first: the key goes.
  for (let round = 0; round < 200; round++) {
    const path = unanswered(text, all);
    if (!path) break;
    text = setIn(text, path, undefined);
  }
  const doc = parse(text);
  const edits: { from: number; to: number; insert: string }[] = [];
  visit(doc, {
    Scalar(key, n, ancestors) {
      const raw = n.range && text.slice(n.range[0], n.range[1]);
      if (!raw || !/__install__\./.test(raw) || key === 'key') return;
      const whole = /^__install__\.([a-z0-9]+(?:-[a-z0-9]+)*)$/.exec(String(n.value));
      const v = whole ? all[whole[1]!] : undefined;
      const flow = ancestors.some((a) => (a as { flow?: boolean }).flow === true);
      if (whole && (typeof v === 'number' || typeof v === 'boolean') && n.type === 'PLAIN') { edits.push({ from: n.range![0], to: n.range![1], insert: String(v) }); return; }
      if (n.type === 'BLOCK_LITERAL' || n.type === 'BLOCK_FOLDED') {
        // In a block each line of the answer keeps the block's indentation.
        edits.push({ from: n.range![0], to: n.range![1], insert: raw.replace(PLACEHOLDER, (_m, k: string) => String(all[k] ?? '').replace(/\s*\n\s*/g, ' ')) });
        return;
      }
      const value = String(n.value).replace(PLACEHOLDER, (_m, k: string) => String(all[k] ?? ''));
      edits.push({ from: n.range![0], to: n.range![1], insert: text1(value, flow, n.type === 'QUOTE_DOUBLE' ? 'double' : n.type === 'QUOTE_SINGLE' ? 'single' : 'plain') });
    },
  });
  text = edits.sort((a, b) => b.from - a.from).reduce((x, e) => x.slice(0, e.from) + e.insert + x.slice(e.to), text);
  text = setIn(text, ['name'], name);
  text = setIn(text, ['enabled'], enabled, 'name');
  const left = PLACEHOLDER.exec(text.replace(/^\s*#.*$/gm, ''));
  PLACEHOLDER.lastIndex = 0;
  if (left) throw new EditError(`the template asks for \`${left[1]}\`, which its form does not have`);
  return text;
}
function unanswered(text: string, all: Record<string, unknown>): (string | number)[] | null {
  const doc = parse(text);
  let found: (string | number)[] | null = null;
  visit(doc, {
    Pair(_k, pair, ancestors) {
      const v = pair.value;
      if (!isScalar(v) || !isScalar(pair.key)) return undefined;
      const m = /^__install__\.([a-z0-9]+(?:-[a-z0-9]+)*)$/.exec(String(v.value));
      if (!m || all[m[1]!] !== undefined) return undefined;
      const path: (string | number)[] = [];
      const chain = [...ancestors, pair] as Node[];
      chain.forEach((a, i) => {
        const next = chain[i + 1];
        if (next === undefined) return;
        if ('items' in a && !isMap(a)) path.push((a as unknown as { items: unknown[] }).items.indexOf(next));
        else if (isMap(a)) path.push(String(((next as unknown as { key: { value: unknown } }).key).value));
      });
      found = path;
      return visit.BREAK;
    },
  });
  return found;
}
