// Changes of a workflow's text by range: only the characters that must change do, comments and order stay. Every change is checked by
// reading the result back: what it means must be what was asked for, else it is refused and nothing changes.
import { isMap, isScalar, isSeq, visit, type Document, type Node, type Scalar, type YAMLMap, type YAMLSeq } from 'yaml';
import { column, dashOf, EditError, endOf, isFlow, itemLines, lineEnd, lineStart, nodeAt, pairOf, parse, stepsOf, toJs, withComments, type Path, type StepRef } from './doc';
import { behindDash, behindKey, block, flow, items, key as keyText, map as mapText, text1 } from './emit';

export { change, lineDiff, type Change, type LineDiff } from './change';
export { EditError, stepsOf, type Path, type StepRef };
type Json = unknown;
type Obj = Record<string, Json>;
const isObj = (v: Json): v is Obj => typeof v === 'object' && v !== null && !Array.isArray(v);
const clone = <T>(v: T): T => structuredClone(v);

export function equal(a: Json, b: Json): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((x, i) => equal(x, b[i]));
  if (isObj(a) && isObj(b)) { const k = Object.keys(a); return k.length === Object.keys(b).length && k.every((x) => x in b && equal(a[x], b[x])); }
  return false;
}
const splice = (t: string, from: number, to: number, insert: string): string => t.slice(0, from) + insert + t.slice(to);
/** The result, when it means `want`; else nothing was changed. */
function checked(text: string, want: Json, what: string): string {
  let got: Json;
  try {
    got = toJs(parse(text));
  } catch {
    throw new EditError(`${what} cannot be written here without touching other lines: change it in the text`);
  }
  if (!equal(got, want)) throw new EditError(`${what} cannot be written here without touching other lines: change it in the text`);
  return text;
}
function jsAt(root: Json, path: Path): Json {
  let v = root;
  for (const p of path) v = v === null || v === undefined ? undefined : (v as Obj)[p as string];
  return v;
}
function noAnchor(doc: Document, path: Path): void {
  for (let i = 0; i <= path.length; i++) {
    const n = nodeAt(doc, path.slice(0, i));
    if (n && 'anchor' in n && n.anchor) throw new EditError('this part is shared by an anchor: change it in the text');
  }
}

// ---- values ----

/** Sets what stands at `path`; `undefined` takes it away. Objects and lists change only where they differ. `after` names the key a new one goes behind. */
export function setIn(text: string, path: Path, value: Json, after?: string): string {
  const doc = parse(text);
  const want = clone(toJs(doc));
  const old = jsAt(want, path);
  if (equal(old, value) || (value === undefined && old === undefined)) return text;
  noAnchor(doc, path);
  put(want, path, value);
  return checked(write(text, path, value, after), want, 'this value');
}
function put(root: Json, path: Path, value: Json): void {
  let v = root as Obj;
  path.forEach((p, i) => {
    if (i === path.length - 1) {
      if (value !== undefined) v[p as string] = clone(value);
      else if (Array.isArray(v)) v.splice(p as number, 1);
      else delete v[p as string];
    } else {
      if (v[p as string] === null || v[p as string] === undefined) v[p as string] = {};
      v = v[p as string] as Obj;
    }
  });
}

function write(text: string, path: Path, value: Json, after?: string): string {
  const doc = parse(text);
  const last = path[path.length - 1]!;
  const parentPath = path.slice(0, -1);
  const parent = nodeAt(doc, parentPath);
  const node = nodeAt(doc, path);
  if (value === undefined) return remove(text, doc, path);
  if (isMap(parent) && pairOf(parent, last)) {
    if (isMap(node) && isObj(value) && node.items.length > 0 && Object.keys(value).length > 0) return members(text, path, toJs(doc), value);
    if (isSeq(node) && Array.isArray(value) && node.items.length > 0 && value.length > 0) return elements(text, path, toJs(doc), value);
    return replacePair(text, parent, last, node ?? null, value);
  }
  if (isSeq(parent) && typeof last === 'number' && last < parent.items.length) {
    if (isMap(node) && isObj(value) && node.items.length > 0 && Object.keys(value).length > 0) return members(text, path, toJs(doc), value);
    return replaceItem(text, parent, last, value);
  }
  if (isMap(parent)) return addKey(text, parent, String(last), value, after);
  if (isSeq(parent)) return insertItem(text, doc, parentPath, parent.items.length, value);
  // The parent is not there, or empty (`with:` and nothing): it comes with the value.
  if (parentPath.length === 0) throw new EditError('the text has no keys yet: start with `name:`');
  if (typeof last === 'number') return write(text, parentPath, [value], after);
  return write(text, parentPath, { [last]: value }, after);
}
function members(text: string, path: Path, js: Json, value: Obj): string {
  const old = jsAt(js, path) as Obj;
  let t = text;
  for (const k of Object.keys(value)) if (value[k] !== undefined && !equal(old[k], value[k])) t = write(t, [...path, k], value[k]);
  for (const k of Object.keys(old)) if (!(k in value) || value[k] === undefined) t = write(t, [...path, k], undefined);
  return t;
}
function elements(text: string, path: Path, js: Json, value: Json[]): string {
  const old = jsAt(js, path) as Json[];
  let a = 0, b = 0;
  while (a < old.length && a < value.length && equal(old[a], value[a])) a++;
  while (b < old.length - a && b < value.length - a && equal(old[old.length - 1 - b], value[value.length - 1 - b])) b++;
  let t = text;
  const oldMid = old.length - a - b, newMid = value.length - a - b;
  for (let i = 0; i < Math.min(oldMid, newMid); i++) t = write(t, [...path, a + i], value[a + i]);
  for (let i = oldMid; i > newMid; i--) t = write(t, [...path, a + i - 1], undefined);
  for (let i = oldMid; i < newMid; i++) t = insertItem(t, parse(t), path, a + i, value[a + i]);
  return t;
}

function scalarText(n: Scalar, value: string, indent: number, inFlow: boolean): string {
  if (n.type === 'BLOCK_LITERAL' || n.type === 'BLOCK_FOLDED') {
    const b = n.type === 'BLOCK_FOLDED' ? block(value, indent, '>') : null;
    return b ?? block(value, indent) ?? oneLineBlock(value, indent) ?? text1(value, inFlow);
  }
  if (!inFlow && value.includes('\n')) return block(value, indent) ?? text1(value, false);
  const q = n.type === 'QUOTE_SINGLE' ? 'single' : n.type === 'QUOTE_DOUBLE' ? 'double' : 'plain';
  return text1(value, inFlow, q);
}
/** One line under the sign of a block, as `|-`. */
function oneLineBlock(value: string, indent: number): string | null {
  if (value.includes('\n')) return null;
  const b = block(`${value}\n`, indent);
  return b && value !== '' ? b.replace(/^\|/, '|-') : null;
}
/** The column of the keys a value stands under: what a block value is indented against. */
function keyColumn(text: string, parent: YAMLMap, k: string | number): number {
  return column(text, (pairOf(parent, k)!.key as Node).range![0]);
}
function replacePair(text: string, parent: YAMLMap, k: string | number, node: Node | null, value: Json): string {
  const pair = pairOf(parent, k)!;
  const keyNode = pair.key as Node;
  const fl = isFlow(parent);
  const indent = fl ? 0 : keyColumn(text, parent, k);
  if (isScalar(node) && typeof value === 'string' && node.range && node.range[1] > node.range[0]) {
    const s = scalarText(node, value, indent + 2, fl);
    const isBlock = node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED';
    const to = isBlock ? endOf(text, node, node.range[1]) : node.range[1];
    return splice(text, node.range[0], Math.max(to, node.range[0]), s);
  }
  if (isScalar(node) && node.range && node.range[1] > node.range[0] && !isBlockScalar(node) && (typeof value !== 'object' || value === null)) return splice(text, node.range[0], node.range[1], fl ? flow(value) : behindKey(value, indent).trimStart());
  if (fl) {
    if (node?.range && node.range[1] > node.range[0]) return splice(text, node.range[0], node.range[1], flow(value));
    const at = keyNode.range![1];
    const colon = /^\s*:/.exec(text.slice(at))?.[0].length ?? 0;
    return splice(text, at, at + colon, `: ${flow(value)}`);
  }
  // The whole value behind the colon; a flow collection that stays on one line keeps its form.
  const colon = text.indexOf(':', keyNode.range![1]) + 1;
  const end = Math.max(colon, endOf(text, node, colon));
  const keepsFlow = node && (isMap(node) || isSeq(node)) && isFlow(node) && typeof value === 'object' && value !== null && flow(value).length < 100;
  return splice(text, colon, end, keepsFlow ? ` ${flow(value)}` : behindKey(value, indent));
}
function isBlockScalar(n: Node | null): boolean {
  return isScalar(n) && (n.type === 'BLOCK_LITERAL' || n.type === 'BLOCK_FOLDED');
}
function replaceItem(text: string, seq: YAMLSeq, i: number, value: Json): string {
  const node = seq.items[i] as Node | null;
  if (isFlow(seq)) {
    if (isScalar(node) && typeof value === 'string') return splice(text, node.range![0], node.range![1], scalarText(node, value, 0, true));
    return splice(text, node!.range![0], node!.range![1], flow(value));
  }
  const dash = dashOf(seq, i);
  if (isScalar(node) && typeof value === 'string' && node.range && node.range[1] > node.range[0] && !isBlockScalar(node)) return splice(text, node.range[0], node.range[1], scalarText(node, value, column(text, dash) + 2, false));
  return splice(text, dash + 1, Math.max(dash + 1, endOf(text, node, dash + 1)), behindDash(value, column(text, dash)));
}

function addKey(text: string, parent: YAMLMap, k: string, value: Json, after?: string): string {
  if (isFlow(parent)) {
    const last = parent.items[parent.items.length - 1];
    if (!last) return splice(text, parent.range![0], parent.range![1], flow({ [k]: value }));
    const end = endOf(text, (last.value ?? null) as Node | null, (last.key as Node).range![1]);
    return splice(text, end, end, `, ${keyText(k, true)}: ${flow(value)}`);
  }
  const anchor = (after !== undefined && pairOf(parent, after)) || parent.items[parent.items.length - 1];
  if (!anchor) {
    // `{}` cannot be block; an empty document has no map at all.
    throw new EditError('there is nothing to add to: change it in the text');
  }
  const indent = column(text, ((parent.items[0] as { key: Node }).key).range![0]);
  const end = endOf(text, (anchor.value ?? null) as Node | null, (anchor.key as Node).range![1] + 1);
  let at = lineEnd(text, end);
  at = withComments(text, at, at, indent).to;
  const line = mapText({ [k]: value }, indent);
  return splice(text, at, at, `${at > 0 && text[at - 1] !== '\n' ? '\n' : ''}${line}\n`);
}
function insertItem(text: string, doc: Document, path: Path, index: number, value: Json): string {
  const seq = nodeAt(doc, path) as YAMLSeq;
  if (isFlow(seq)) return insertFlow(text, seq, index, flow(value));
  const lines = itemLines(text, seq, Math.min(index, seq.items.length - 1));
  const at = index < seq.items.length ? lines.from : lines.to;
  return splice(text, at, at, `${at > 0 && text[at - 1] !== '\n' ? '\n' : ''}${items([value], lines.col)}\n`);
}
function insertFlow(text: string, seq: YAMLSeq, index: number, t: string): string {
  if (seq.items.length === 0) return splice(text, seq.range![0], seq.range![1], `[${t}]`);
  if (index < seq.items.length) { const at = (seq.items[index] as Node).range![0]; return splice(text, at, at, `${t}, `); }
  const at = (seq.items[seq.items.length - 1] as Node).range![1];
  return splice(text, at, at, `, ${t}`);
}

function remove(text: string, doc: Document, path: Path): string {
  const last = path[path.length - 1]!;
  const parent = nodeAt(doc, path.slice(0, -1));
  if (isSeq(parent)) return removeItem(text, parent, last as number, path.slice(0, -1), doc);
  if (!isMap(parent)) return text;
  const pair = pairOf(parent, last)!;
  const keyNode = pair.key as Node;
  const i = parent.items.indexOf(pair);
  if (isFlow(parent)) return cutFlow(text, parent, i, keyNode.range![0], endOf(text, (pair.value ?? null) as Node | null, keyNode.range![1]));
  const col = column(text, keyNode.range![0]);
  const end = endOf(text, (pair.value ?? null) as Node | null, keyNode.range![1] + 1);
  const start = lineStart(text, keyNode.range![0]);
  if (parent.items.length === 1) {
    // The only key: the map stays, empty.
    const up = path.slice(0, -1);
    if (up.length === 0) throw new EditError('the last key of the text stays');
    const grand = nodeAt(doc, up.slice(0, -1));
    if (isMap(grand)) { const k = pairOf(grand, up[up.length - 1]!)!; const colon = text.indexOf(':', (k.key as Node).range![1]) + 1; return splice(text, colon, end, ' {}'); }
    return splice(text, keyNode.range![0], end, '{}');
  }
  if (text.slice(start, keyNode.range![0]).trim() !== '') {
    // It shares the line of the dash: the next key takes its place.
    const next = (parent.items[i + 1] as { key: Node }).key.range![0];
    return splice(text, keyNode.range![0], next, '');
  }
  let to = lineEnd(text, end);
  to = withComments(text, to, to, col).to;
  return splice(text, start, to, '');
}
function cutFlow(text: string, parent: YAMLMap | YAMLSeq, i: number, from: number, to: number): string {
  if (parent.items.length === 1) return splice(text, parent.range![0], parent.range![1], isMap(parent) ? '{}' : '[]');
  if (i + 1 < parent.items.length) {
    const n = parent.items[i + 1] as Node | { key: Node };
    return splice(text, from, 'key' in n ? n.key.range![0] : n.range![0], '');
  }
  let a = from;
  while (a > 0 && text[a - 1] !== ',') a--;
  return splice(text, a - 1, to, '');
}
function removeItem(text: string, seq: YAMLSeq, i: number, path: Path, doc: Document): string {
  const node = seq.items[i] as Node;
  if (isFlow(seq)) return cutFlow(text, seq, i, node.range![0], node.range![1]);
  const lines = itemLines(text, seq, i);
  if (seq.items.length > 1) return splice(text, lines.from, lines.to, '');
  const grand = nodeAt(doc, path.slice(0, -1));
  if (!isMap(grand)) throw new EditError('the only item of this list stays: change it in the text');
  const k = pairOf(grand, path[path.length - 1]!)!;
  const colon = text.indexOf(':', (k.key as Node).range![1]) + 1;
  return splice(text, colon, endOf(text, node, lines.dash + 1), ' []');
}

// ---- steps ----

function stepAt(doc: Document, path: Path): { seq: YAMLSeq; index: number; list: Path } {
  const list = path.slice(0, -1), index = path[path.length - 1] as number;
  const seq = nodeAt(doc, list);
  if (!isSeq(seq) || index >= seq.items.length) throw new EditError('this step is not in the text any more');
  noAnchor(doc, path);
  return { seq, index, list };
}
const indented = (chunk: string, by: number): string => chunk.split('\n').map((l) => (l.trim() === '' ? l : ' '.repeat(by) + l)).join('\n');
function dedented(chunk: string, by: number): string {
  return chunk.split('\n').map((l) => {
    const n = l.length - l.trimStart().length;
    if (l.trim() !== '' && n < by) throw new EditError('a line of this step stands further left than its dash: move it in the text');
    return l.slice(Math.min(n, by));
  }).join('\n');
}
/** The step as a block item whose dash stands at column 0, with its comments, ending in a newline. */
function chunkOf(text: string, seq: YAMLSeq, i: number): string {
  if (isFlow(seq)) { const n = seq.items[i] as Node; return `- ${text.slice(n.range![0], n.range![1])}\n`; }
  const l = itemLines(text, seq, i);
  const c = dedented(text.slice(l.from, l.to), l.col);
  return c.endsWith('\n') ? c : `${c}\n`;
}
/** True when the items of the list stand apart by blank lines. */
function airy(text: string, seq: YAMLSeq): boolean {
  if (isFlow(seq) || seq.items.length < 2) return false;
  return /^\s*\n/.test(text.slice(itemLines(text, seq, 0).to));
}
function insertChunk(text: string, list: Path, index: number, chunk: string): string {
  const doc = parse(text);
  const seq = nodeAt(doc, list);
  if (!isSeq(seq) || (isFlow(seq) && seq.items.length === 0)) {
    // The list is not there yet, or `[]`: it comes with its first step.
    const parentPath = list.slice(0, -1);
    const parent = nodeAt(doc, parentPath);
    const k = String(list[list.length - 1]);
    if (parent === undefined || parent === null) {
      if (k !== 'fallback') throw new EditError('this branch is not in the text any more');
      const t = write(text, parentPath, { fallback: ['\u0001'] });
      return fillMark(t, chunk);
    }
    if (!isMap(parent) || isFlow(parent)) throw new EditError('this step is written in one line: change it in the text');
    const t = pairOf(parent, k) ? replacePair(text, parent, k, (nodeAt(doc, list) ?? null) as Node | null, ['\u0001', '\u0001\u0001']) : addKey(text, parent, k, ['\u0001', '\u0001\u0001']);
    return fillMark(t, chunk);
  }
  if (isFlow(seq)) {
    if (/(^|\s)#/.test(chunk)) throw new EditError('the list is written in one line and this step has comments: move it in the text');
    const js = toJs(parse(chunk)) as Json[];
    return insertFlow(text, seq, index, flow(js[0]));
  }
  const space = airy(text, seq);
  const at = itemLines(text, seq, Math.min(index, seq.items.length - 1));
  const body = indented(chunk, at.col);
  if (index < seq.items.length) return splice(text, at.from, at.from, body + (space ? '\n' : ''));
  return splice(text, at.to, at.to, `${at.to > 0 && text[at.to - 1] !== '\n' ? '\n' : ''}${space ? '\n' : ''}${body}`);
}
/** A list was written with a mark in it; the chunk takes the mark's place, at its indentation. */
function fillMark(text: string, chunk: string): string {
  const flowList = /\["\\u0001"(?:, "\\u0001\\u0001")?\]/.exec(text);
  if (!flowList) throw new EditError('this branch cannot be written here: change it in the text');
  const start = lineStart(text, flowList.index);
  const keyCol = /^(\s*(?:- )?)/.exec(text.slice(start))![1]!.length;
  const colon = flowList.index - 1;
  return splice(text, colon, flowList.index + flowList[0].length, `\n${indented(chunk, keyCol + 2).replace(/\n$/, '')}`);
}

export type NewStep = { name: string; type: string; [k: string]: Json };
/** The order in which a new step's keys are written. */
export function stepText(s: NewStep): string {
  return `-${behindDash(s, 0)}\n`;
}
export function freeName(text: string, wish: string): string {
  const taken = new Set(stepsOf(text).map((s) => s.name));
  const base = wish.replace(/[^A-Za-z0-9_-]+/g, '_').replace(/^[^A-Za-z_]+/, '') || 'step';
  if (!taken.has(base)) return base;
  for (let i = 2; ; i++) if (!taken.has(`${base}_${i}`)) return `${base}_${i}`;
}
/** Puts a step (a block item, dash at column 0) into `list` before what stands at `index` now. */
export function insertStep(text: string, list: Path, index: number, chunk: string): string {
  const want = clone(toJs(parse(text)));
  const js = toJs(parse(chunk)) as Json[];
  if (!Array.isArray(js) || js.length === 0) throw new EditError('this is no step: a step starts with `- name:`');
  jsInsert(want, list, index, js);
  return checked(insertChunk(text, list, index, chunk.endsWith('\n') ? chunk : `${chunk}\n`), want, 'the step');
}
function jsInsert(root: Json, list: Path, index: number, js: Json[]): void {
  const old = jsAt(root, list);
  const next = Array.isArray(old) ? [...old] : [];
  next.splice(index, 0, ...js);
  put(root, list, next);
}
function isRoot(list: Path): boolean {
  return list.length === 1;
}
export function removeStep(text: string, path: Path): string {
  const doc = parse(text);
  const { seq, index, list } = stepAt(doc, path);
  const want = clone(toJs(doc));
  if (seq.items.length > 1 || isRoot(list) || list[list.length - 1] === 'steps') {
    put(want, path, undefined);
    return checked(removeItem(text, seq, index, list, doc), want, 'this');
  }
  // The last step of `else`, `default` or `fallback`: the branch goes with it.
  let gone: Path = list;
  const up = nodeAt(doc, list.slice(0, -1));
  if (list[list.length - 1] === 'fallback' && isMap(up) && up.items.length === 1) gone = list.slice(0, -1);
  put(want, gone, undefined);
  return checked(remove(text, doc, gone), want, 'this');
}
const starts = (path: Path, prefix: Path): boolean => prefix.every((p, i) => path[i] === p);
/** Moves a step before what stands at `index` of `list` now. */
export function moveStep(text: string, path: Path, list: Path, index: number): string {
  if (starts(list, path)) throw new EditError('a step cannot stand inside itself');
  const doc = parse(text);
  const at = stepAt(doc, path);
  const sameList = at.list.length === list.length && starts(list, at.list);
  if (sameList && (index === at.index || index === at.index + 1)) return text;
  const chunk = chunkOf(text, at.seq, at.index);
  const want = clone(toJs(doc));
  const js = jsAt(want, path);
  if (at.seq.items.length === 1 && (isRoot(at.list) || at.list[at.list.length - 1] === 'steps')) throw new EditError('it is the only step there; add another one first');
  // Later text first, so that the paths of the other place still hold.
  const marked = insertChunk(text, list, index, chunk);
  jsInsert(want, list, index, [js]);
  const shifted = shift(path, list, index);
  const doc2 = parse(marked);
  const from = stepAt(doc2, shifted);
  let out: string;
  if (from.seq.items.length > 1) {
    put(want, shifted, undefined);
    out = removeItem(marked, from.seq, from.index, from.list, doc2);
  } else {
    let gone: Path = from.list;
    const up = nodeAt(doc2, gone.slice(0, -1));
    if (gone[gone.length - 1] === 'fallback' && isMap(up) && up.items.length === 1) gone = gone.slice(0, -1);
    put(want, gone, undefined);
    out = remove(marked, doc2, gone);
  }
  return checked(out, want, 'the step');
}
/** Where `path` is after something was put into `list` at `index`. */
function shift(path: Path, list: Path, index: number): Path {
  if (path.length > list.length && starts(path, list) && (path[list.length] as number) >= index) return path.map((p, i) => (i === list.length ? (p as number) + 1 : p));
  return path;
}

const escape = (s: string): string => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
function references(names: Map<string, string>): (s: string) => string {
  return (s) => {
    let t = s;
    for (const [from, to] of names) {
      t = t.replace(new RegExp(`\\bsteps\\.${escape(from)}(?![\\w-])`, 'g'), `steps.${to}`).replace(new RegExp(`\\bsteps\\[(["'])${escape(from)}\\1\\]`, 'g'), (_m, q: string) => `steps[${q}${to}${q}]`);
    }
    return t;
  };
}
/** Renames steps and every `steps.<name>` in values; comments stay as they are. */
function renameAll(text: string, names: Map<string, string>): string {
  const doc = parse(text);
  const fix = references(names);
  const edits: { from: number; to: number; insert: string }[] = [];
  const named = new Set<Node>();
  visit(doc, {
    Map(_, m) {
      const n = pairOf(m, 'name')?.value, t = pairOf(m, 'type')?.value;
      if (isScalar(n) && isScalar(t) && names.has(String(n.value)) && n.range) { named.add(n); edits.push({ from: n.range[0], to: n.range[1], insert: scalarText(n, names.get(String(n.value))!, 0, isFlow(m)) }); }
    },
    Scalar(k, n) {
      if (k === 'key' || typeof n.value !== 'string' || named.has(n) || !n.range) return;
      const src = text.slice(n.range[0], n.range[1]);
      const next = fix(src);
      if (next !== src) edits.push({ from: n.range[0], to: n.range[1], insert: next });
    },
  });
  return edits.sort((a, b) => b.from - a.from).reduce((t, e) => splice(t, e.from, e.to, e.insert), text);
}
export const NAME = /^[A-Za-z_][\w-]*$/;
export function renameStep(text: string, from: string, to: string): string {
  if (from === to) return text;
  if (!NAME.test(to)) throw new EditError('a name starts with a letter and has letters, digits, `_` and `-`');
  const steps = stepsOf(text);
  if (steps.some((s) => s.name === to)) throw new EditError(`a step named \`${to}\` exists`);
  if (!steps.some((s) => s.name === from)) throw new EditError(`there is no step named \`${from}\``);
  const out = renameAll(text, new Map([[from, to]]));
  parse(out);
  return out;
}
/** A copy right behind the step; its steps get names of their own, and paths inside the copy follow. */
export function duplicateStep(text: string, path: Path): { text: string; name: string } {
  const doc = parse(text);
  const { seq, index, list } = stepAt(doc, path);
  const chunk = chunkOf(text, seq, index);
  const inner = stepsOf(text, doc).filter((s) => starts(s.path, path));
  const taken = new Set(stepsOf(text, doc).map((s) => s.name));
  const names = new Map<string, string>();
  for (const s of inner) {
    const base = s.name.replace(/_\d+$/, '');
    let i = 2;
    while (taken.has(`${base}_${i}`)) i++;
    taken.add(`${base}_${i}`);
    names.set(s.name, `${base}_${i}`);
  }
  return { text: insertStep(text, list, index + 1, renameAll(chunk, names)), name: names.get(inner[0]?.name ?? '') ?? '' };
}
export function commentOut(text: string, path: Path): string {
  const doc = parse(text);
  const { seq, index } = stepAt(doc, path);
  if (seq.items.length === 1) throw new EditError('it is the only step there; add another one first');
  if (isFlow(seq)) throw new EditError('this step is written in one line: change it in the text');
  const l = itemLines(text, seq, index);
  const want = clone(toJs(doc));
  put(want, path, undefined);
  const lines = text.slice(l.from, l.to).replace(/\n$/, '').split('\n').map((x) => (x.trim() === '' ? x : `${x.slice(0, l.col)}# ${x.slice(l.col)}`));
  return checked(splice(text, l.from, l.to, `${lines.join('\n')}\n`), want, 'this');
}
/** Puts a step around another one. */
export function wrapStep(text: string, path: Path, kind: 'if' | 'foreach'): { text: string; name: string } {
  const doc = parse(text);
  const { seq, index, list } = stepAt(doc, path);
  if (isFlow(seq)) throw new EditError('this step is written in one line: change it in the text');
  const l = itemLines(text, seq, index);
  const old = jsAt(toJs(doc), path) as Obj;
  const name = freeName(text, kind === 'if' ? `when_${String(old.name ?? 'step')}` : `each_${String(old.name ?? 'step')}`);
  const head: Obj = kind === 'if' ? { name, type: 'if', condition: 'event.alerts.kibana.alert.severity: critical' } : { name, type: 'foreach', foreach: '${{ event.alerts }}' };
  const want = clone(toJs(doc));
  put(want, [...list, index], { ...head, steps: [old] });
  const chunk = chunkOf(text, seq, index);
  const body = `${stepText(head as NewStep)}  steps:\n${indented(chunk, 4)}`;
  return { text: checked(splice(text, l.from, l.to, indented(body, l.col)), want, 'this'), name };
}
