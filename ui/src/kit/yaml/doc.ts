// Where things stand in a YAML text: parsed for positions only, never printed. What the edits of `edit.ts` are made of.
import { isAlias, isMap, isPair, isScalar, isSeq, parseDocument, type Document, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';

export type Path = (string | number)[];
/** Why a change was not made; nothing was changed. */
export class EditError extends Error {}

const SOURCE_MAX = 1_048_576;
export function parse(text: string): Document.Parsed {
  if (text.length > SOURCE_MAX) throw new EditError('the text is larger than 1 MiB');
  const doc = parseDocument(text, { keepSourceTokens: true, prettyErrors: false, logLevel: 'silent' });
  if (doc.errors.length > 0) throw new EditError(`the text does not parse, line ${lineAt(text, doc.errors[0]!.pos[0])}: mend it first`);
  return doc as Document.Parsed;
}
export function toJs(doc: Document): unknown {
  try {
    return doc.toJS({ maxAliasCount: 100 });
  } catch {
    throw new EditError('the text repeats itself by aliases too often');
  }
}

/** Line of an offset, from 1. */
export function lineAt(text: string, offset: number): number {
  let n = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) n++;
  return n;
}
export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}
/** The offset behind the line's newline, or the end of the text. */
export function lineEnd(text: string, offset: number): number {
  const i = text.indexOf('\n', offset);
  return i < 0 ? text.length : i + 1;
}
export function column(text: string, offset: number): number {
  return offset - lineStart(text, offset);
}

export function nodeAt(doc: Document, path: Path): Node | null | undefined {
  let n: unknown = doc.contents;
  for (const p of path) {
    if (isAlias(n)) throw new EditError('this part is an alias of another one: change it in the text');
    if (isMap(n)) n = pairOf(n, p)?.value ?? (pairOf(n, p) ? null : undefined);
    else if (isSeq(n)) n = n.items[p as number];
    else return undefined;
    if (n === undefined) return undefined;
  }
  return n as Node | null;
}
export function pairOf(map: YAMLMap, key: string | number): Pair<Node, Node | null> | undefined {
  return map.items.find((i) => isScalar(i.key) && String(i.key.value) === String(key)) as Pair<Node, Node | null> | undefined;
}
export function isFlow(n: YAMLMap | YAMLSeq): boolean {
  return n.flow === true;
}

/** The offset behind the last character of a node that is not white space. */
export function endOf(text: string, n: Node | null, fallback: number): number {
  let end = fallback;
  if (n && isMap(n) && !isFlow(n) && n.items.length > 0) {
    const p = n.items[n.items.length - 1]!;
    end = endOf(text, (p.value ?? null) as Node | null, (p.key as Node).range![1] + 1);
  } else if (n && isSeq(n) && !isFlow(n) && n.items.length > 0) {
    const last = n.items[n.items.length - 1] as Node;
    end = isPair(last) ? n.range![1] : endOf(text, last, n.range![1]);
  } else if (n?.range && n.range[1] > n.range[0]) end = n.range[1];
  while (end > 0 && /\s/.test(text[end - 1]!)) end--;
  return end;
}

/** Where the `-` of an item of a block list stands. */
export function dashOf(seq: YAMLSeq, i: number): number {
  const tok = seq.srcToken;
  if (!tok || tok.type !== 'block-seq') throw new EditError('this list is written in one line: change it in the text');
  const items = tok.items.filter((x) => x.start.some((s) => s.type === 'seq-item-ind'));
  const dash = items[i]?.start.find((s) => s.type === 'seq-item-ind');
  if (!dash) throw new EditError('this item was not found in the text');
  return dash.offset;
}

const isComment = (line: string): boolean => /^\s*#/.test(line);
const indentOf = (line: string): number => line.length - line.trimStart().length;
/** Grows a range of whole lines by the comments that belong to what starts at `col`: those right above it, and deeper ones below. */
export function withComments(text: string, from: number, to: number, col: number): { from: number; to: number } {
  let a = from, b = to;
  while (a > 0) {
    const prev = lineStart(text, a - 1);
    const line = text.slice(prev, a - 1);
    if (!isComment(line) || indentOf(line) !== col) break;
    a = prev;
  }
  while (b < text.length) {
    const next = lineEnd(text, b);
    const line = text.slice(b, next).replace(/\n$/, '');
    if (!isComment(line) || indentOf(line) <= col) break;
    b = next;
  }
  return { from: a, to: b };
}
/** Whole lines of an item of a block list. */
export function itemLines(text: string, seq: YAMLSeq, i: number): { from: number; to: number; col: number; dash: number } {
  const dash = dashOf(seq, i);
  const col = column(text, dash);
  const end = endOf(text, seq.items[i] as Node, dash + 1);
  const start = lineStart(text, dash);
  if (text.slice(start, dash).trim() !== '') throw new EditError('this item does not start its own line: change it in the text');
  return { ...withComments(text, start, lineEnd(text, end), col), col, dash };
}

/** Lists of steps inside a step, as paths from it. */
export function listsOf(step: YAMLMap): { path: Path; lane: string }[] {
  const out: { path: Path; lane: string }[] = [];
  const add = (path: Path, lane: string, n: unknown): void => { if (isSeq(n)) out.push({ path, lane }); };
  const value = (m: unknown, k: string): unknown => (isMap(m) ? pairOf(m, k)?.value : undefined);
  add(['steps'], 'body', value(step, 'steps'));
  add(['else'], 'else', value(step, 'else'));
  add(['default'], 'default', value(step, 'default'));
  for (const key of ['cases', 'branches']) {
    const all = value(step, key);
    if (isSeq(all)) all.items.forEach((c, i) => { const m = value(c, 'match') ?? value(c, 'name'); add([key, i, 'steps'], isScalar(m) ? `${key === 'cases' ? 'case:' : ''}${String(m.value)}` : `${key}:${i}`, value(c, 'steps')); });
  }
  add(['on-failure', 'fallback'], 'fallback', value(value(step, 'on-failure'), 'fallback'));
  add(['iteration-on-failure', 'fallback'], 'fallback', value(value(step, 'iteration-on-failure'), 'fallback'));
  return out;
}

export type StepRef = { name: string; type: string; path: Path; list: Path; index: number; line: number; endLine: number; depth: number; parent: string | null; lane: string | null };
const STEPS_MAX = 2_000;
/** Every step of the text, nested ones behind the one they stand in, in the order of the text. */
export function stepsOf(text: string, doc: Document = parse(text)): StepRef[] {
  const out: StepRef[] = [];
  const walk = (list: Path, depth: number, parent: string | null, lane: string | null): void => {
    const seq = nodeAt(doc, list);
    if (!isSeq(seq) || depth > 64) return;
    seq.items.forEach((item, index) => {
      if (!isMap(item) || out.length >= STEPS_MAX) return;
      const s = (k: string): string => { const v = pairOf(item, k)?.value; return isScalar(v) ? String(v.value) : ''; };
      const at = isFlow(seq) ? item.range![0] : dashOf(seq, index);
      const path = [...list, index];
      const name = s('name') || path.join('.');
      out.push({ name, type: s('type'), path, list, index, line: lineAt(text, at), endLine: lineAt(text, endOf(text, item, at + 1)), depth, parent, lane });
      for (const l of listsOf(item)) walk([...path, ...l.path], depth + 1, name, l.lane);
    });
  };
  walk(['steps'], 0, null, null);
  return out;
}
