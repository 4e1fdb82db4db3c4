// JSON as a folding tree: two levels open, long lists and texts cut until asked, copy of a value's path.
import { useState } from 'react';
import { copy } from './bits';
import { visible } from './format';

const FIRST = 50;
const TEXT_MAX = 600;

function Value({ v, path, depth, onCopy }: { v: unknown; path: string; depth: number; onCopy: (p: string) => void }) {
  const [open, setOpen] = useState(depth < 2);
  const [all, setAll] = useState(false);
  if (v === null || typeof v === 'number' || typeof v === 'boolean') return <span>{String(v)}</span>;
  if (typeof v === 'string') {
    const cut = !all && v.length > TEXT_MAX;
    return <span className="val"><span className="s">"{visible(cut ? v.slice(0, TEXT_MAX) : v)}"</span>{cut && <button type="button" onClick={() => setAll(true)}>show all {v.length}</button>}</span>;
  }
  if (v === undefined) return <span className="p">–</span>;
  const list = Array.isArray(v);
  const entries: [string, unknown][] = list ? (v as unknown[]).map((x, i) => [String(i), x]) : Object.entries(v as object);
  const [a, b] = list ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) return <span className="p">{a}{b}</span>;
  if (!open) return <button type="button" aria-expanded={false} onClick={() => setOpen(true)}>{a} {entries.length} {b}</button>;
  const shown = all ? entries : entries.slice(0, FIRST);
  return (
    <span className="val">
      <button type="button" aria-expanded aria-label="fold" onClick={() => setOpen(false)}>{a}</button>
      <ul>
        {shown.map(([k, x]) => {
          const p = list ? `${path}[${k}]` : /^[A-Za-z_]\w*$/.test(k) ? `${path}.${k}` : `${path}["${k}"]`;
          return <li key={k} className="line">{!list && <><button type="button" title={`copy ${p}`} aria-label={`copy the path ${p}`} onClick={() => onCopy(p)} style={{ color: 'var(--beam)', padding: 0 }}>"{visible(k)}"</button><span className="p">:&nbsp;</span></>}<Value v={x} path={p} depth={depth + 1} onCopy={onCopy} /></li>;
        })}
      </ul>
      {shown.length < entries.length && <button type="button" onClick={() => setAll(true)}>show all {entries.length}</button>}
      <span className="p">{b}</span>
    </span>
  );
}

export function Json({ value, root = '' }: { value: unknown; root?: string }) {
  const [said, setSaid] = useState<string | null>(null);
  return (
    <div className="json">
      <Value v={value} path={root} depth={0} onCopy={(p) => void copy(p).then(() => { setSaid(p); setTimeout(() => setSaid(null), 1500); })} />
      <div role="status" className="small ink3" style={{ minHeight: 18 }}>{said ? `copied ${said}` : ''}</div>
    </div>
  );
}
