// The path picker: what a field may point to, with type and sample; fitting paths first, impossible ones counted.
import { Popover, TextInput } from '@mantine/core';
import { IconBraces, IconSearch } from '@tabler/icons-react';
import { useMemo, useRef, useState } from 'react';
import { Kbd } from './bits';
import { visible } from './format';
import { find, short, type PathItem, type Wants } from './paths';

const WORD: Record<Wants, string> = { text: 'for text', number: 'for a number', boolean: 'for yes or no', list: 'for a list', object: 'for an object', any: '' };
const SHOWN_MAX = 60;

export function PathButton({ label, items, wants, onPick, disabled }: { label: string; items: PathItem[]; wants: Wants; onPick: (i: PathItem) => void; disabled?: boolean }) {
  const [open, setOpen] = useState(false);
  // Beside the form where there is room, so that no field is covered.
  const button = useRef<HTMLButtonElement>(null);
  const [place, setPlace] = useState<{ position: 'left-start' | 'bottom-end'; offset: number }>({ position: 'bottom-end', offset: 8 });
  const show = (): void => {
    const pane = button.current?.closest('.form-pane')?.getBoundingClientRect(), own = button.current?.getBoundingClientRect();
    if (pane && own && pane.left > 400) setPlace({ position: 'left-start', offset: own.left - pane.left + 6 });
    else setPlace({ position: 'bottom-end', offset: 8 });
    setOpen((x) => !x);
  };
  return (
    <Popover opened={open} onChange={setOpen} position={place.position} offset={place.offset} width={372} trapFocus returnFocus withinPortal shadow="md">
      <Popover.Target><button ref={button} type="button" className="path-button" aria-label={`Pick a value for ${label}`} title="Pick a value" aria-haspopup="dialog" aria-expanded={open} disabled={disabled} onClick={show}><IconBraces size={14} stroke={1.7} aria-hidden /></button></Popover.Target>
      <Popover.Dropdown p={0} aria-label={`Values for ${label}`}>{open && <List items={items} wants={wants} onPick={(i) => { setOpen(false); onPick(i); }} onClose={() => setOpen(false)} />}</Popover.Dropdown>
    </Popover>
  );
}

function List({ items, wants, onPick, onClose }: { items: PathItem[]; wants: Wants; onPick: (i: PathItem) => void; onClose: () => void }) {
  const [search, setSearch] = useState('');
  const [at, setAt] = useState(0);
  const found = useMemo(() => find(items, search, wants), [items, search, wants]);
  const shown = found.shown.slice(0, SHOWN_MAX);
  const here = Math.min(at, Math.max(0, shown.length - 1));
  return (
    <div onKeyDown={(e) => {
      if (e.key === 'ArrowDown') { e.preventDefault(); setAt(Math.min(shown.length - 1, here + 1)); }
      if (e.key === 'ArrowUp') { e.preventDefault(); setAt(Math.max(0, here - 1)); }
      if (e.key === 'Enter' && shown[here]) { e.preventDefault(); onPick(shown[here]); }
      if (e.key === 'Escape') { e.stopPropagation(); onClose(); }
    }}>
      <div style={{ padding: 8, borderBottom: '1px solid var(--line)' }}><TextInput data-autofocus role="combobox" aria-expanded aria-controls="paths" aria-activedescendant={shown[here] ? `path-${here}` : undefined} leftSection={<IconSearch size={14} stroke={1.7} />} rightSectionWidth={90} rightSection={<span className="tiny ink3">{WORD[wants]}</span>} aria-label="Search values" placeholder="host, tags, a sample…" value={search} onChange={(e) => { setSearch(e.currentTarget.value); setAt(0); }} /></div>
      <ul id="paths" role="listbox" aria-label="Values" className="paths">
        {shown.map((i, n) => (
          <li key={i.path} id={`path-${n}`} role="option" aria-selected={n === here} ref={n === here ? (e) => e?.scrollIntoView({ block: 'nearest' }) : undefined} onMouseMove={() => setAt(n)} onClick={() => onPick(i)}>
            <div className="row"><span className="mono cut grow">{i.path}</span><span className="mono tiny ink3">{i.kind}</span></div>
            <div className="row"><span className="mono tiny ink3 cut grow">{visible(short(i.sample, 60))}</span>{i.how && <span className="tiny t-high nowrap">{i.how}</span>}</div>
          </li>
        ))}
        {shown.length === 0 && <li className="small ink3" role="option" aria-selected={false} aria-disabled>{items.length === 0 ? 'No sample yet: choose one above, or run the workflow once.' : 'Nothing here fits.'}</li>}
      </ul>
      <div className="pal-foot"><span className="row" style={{ gap: 4 }}><Kbd>↑</Kbd><Kbd>↓</Kbd></span><span className="row" style={{ gap: 4 }}><Kbd>⏎</Kbd>use</span><span className="right">{found.fitting} {found.fitting === 1 ? 'path fits' : 'paths fit'}{found.other > 0 ? `, ${found.other} do not` : ''}</span></div>
    </div>
  );
}
