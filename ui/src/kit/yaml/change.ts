// What differs between two texts: as one stretch of characters, and as lines for people.

export type Change = { from: number; to: number; insert: string };
/** The one stretch in which two texts differ. */
export function change(a: string, b: string): Change | null {
  if (a === b) return null;
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  let x = a.length, y = b.length;
  while (x > i && y > i && a[x - 1] === b[y - 1]) { x--; y--; }
  return { from: i, to: x, insert: b.slice(i, y) };
}
export type LineDiff = { line: number; before: string | null; removed: string[]; added: string[]; after: string | null };
/** The lines that a change touches, with one before and one after. */
export function lineDiff(a: string, b: string): LineDiff | null {
  if (a === b) return null;
  const x = a.split('\n'), y = b.split('\n');
  let i = 0, j = 0;
  while (i < x.length && i < y.length && x[i] === y[i]) i++;
  while (j < x.length - i && j < y.length - i && x[x.length - 1 - j] === y[y.length - 1 - j]) j++;
  return { line: i + 1, before: x[i - 1] ?? null, removed: x.slice(i, x.length - j), added: y.slice(i, y.length - j), after: x[x.length - j] ?? null };
}
