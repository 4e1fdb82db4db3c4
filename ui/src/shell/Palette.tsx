// Ctrl K: actions on what is selected, then found things, then pages and commands. Prefixes: > commands, # case, / page.
import { Spotlight } from '@mantine/spotlight';
import { useQuery } from '@tanstack/react-query';
import { IconBell, IconBriefcase, IconFileSearch, IconPlayerPlay, IconPlugConnected, IconRadar2, IconRoute, IconSearch, IconTerminal2, IconUserCheck } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { q } from '../api/queries';
import type { SearchHit } from '../api/types';
import { Kbd, useDebounced } from '../kit/bits';
import { useGo } from '../kit/go';
import { useFeature } from '../kit/me';
import { pageActions, paletteStore } from './palette-store';

const PAGES = [
  ['/alerts', 'Alerts'], ['/cases', 'Cases'], ['/approvals', 'Approvals'], ['/workflows', 'Workflows'], ['/executions', 'Executions'], ['/connectors', 'Connectors'], ['/rules', 'Rules'], ['/settings/me', 'Settings'],
] as const;
const COMMANDS = [
  ['/rules/new', 'New rule'], ['/workflows/new', 'New workflow'], ['/connectors', 'New connector'],
] as const;
const ICON: Record<SearchHit['kind'], typeof IconBell> = { alert: IconBell, case: IconBriefcase, workflow: IconRoute, execution: IconPlayerPlay, rule: IconRadar2, approval: IconUserCheck, connector: IconPlugConnected };
const PATH: Record<SearchHit['kind'], (id: string) => [string, Record<string, string>?]> = {
  alert: (i) => [`/alerts/${i}`], case: (i) => [`/cases/${i}`], workflow: (i) => [`/workflows/${i}`], execution: (i) => [`/executions/${i}`], rule: (i) => [`/rules/${i}`], approval: (i) => [`/approvals/${i}`], connector: (i) => ['/connectors', { sel: i }],
};
const MAX = 9;

export default function Palette() {
  const [text, setText] = useState('');
  const go = useGo();
  const can = useFeature('search');
  const bare = text.replace(/^[>#/@]/, '').trim();
  const prefix = /^[>#/@]/.exec(text)?.[0] ?? '';
  const asked = useDebounced(bare, 120);
  const found = useQuery({ ...q.search(asked), enabled: can && asked.length > 1 && prefix !== '>' && prefix !== '/' });
  const has = (l: string): boolean => l.toLowerCase().includes(bare.toLowerCase());
  const actions = prefix && prefix !== '>' ? [] : pageActions().filter((a) => has(a.label));
  const hits = prefix === '>' || prefix === '/' || asked.length < 2 ? [] : (found.data ?? []).filter((h) => prefix !== '#' || h.kind === 'case');
  const pages = prefix === '>' || prefix === '#' || prefix === '@' ? [] : PAGES.filter(([, l]) => has(l));
  const commands = prefix === '/' || prefix === '#' || prefix === '@' ? [] : COMMANDS.filter(([, l]) => has(l));
  let left = MAX;
  const take = <T,>(a: readonly T[]): readonly T[] => { const r = a.slice(0, left); left -= r.length; return r; };
  const best = hits[0]?.id ?? '';
  // What was found comes later than what is known at once: the first row stays the one that Enter opens.
  useEffect(() => {
    if (!text) return;
    const rows = document.querySelectorAll('.mantine-Spotlight-content [data-action]');
    rows.forEach((r, i) => (i === 0 ? r.setAttribute('data-selected', 'true') : r.removeAttribute('data-selected')));
    paletteStore.updateState((s) => ({ ...s, selected: 0 }));
  }, [best, text]);
  const A = take(actions), H = take(hits), P = take(pages), C = take(commands), S = take(bare && !prefix ? [bare] : []);
  return (
    <Spotlight.Root store={paletteStore} query={text} onQueryChange={setText} size={656} shortcut={null} clearQueryOnClose overlayProps={{ blur: 0, backgroundOpacity: 0.35 }} attributes={{ content: { 'aria-label': 'Search or run' } }} transitionProps={{ duration: 120 }}>
      <Spotlight.Search placeholder="Search or run…" leftSection={<IconSearch size={16} stroke={1.7} />} aria-label="Search or run" />
      <Spotlight.ActionsList>
        {A.length > 0 && <div className="pal-group">On what is selected</div>}
        {A.map((a) => <Spotlight.Action key={a.id} onClick={a.run}><span className="row" style={{ width: '100%' }}><IconTerminal2 size={15} stroke={1.7} /><span className="name">{a.label}</span><span className="ink3 small">{a.detail}</span>{a.key && <span className="right"><Kbd>{a.key}</Kbd></span>}</span></Spotlight.Action>)}
        {H.length > 0 && <div className="pal-group">Found</div>}
        {H.map((h) => { const I = ICON[h.kind] ?? IconFileSearch; return <Spotlight.Action key={h.kind + h.id} onClick={() => go(...PATH[h.kind](h.id))}><span className="row" style={{ width: '100%' }}><I size={15} stroke={1.7} /><span className="name cut">{h.title}</span><span className="ink3 small cut">{h.detail}</span></span></Spotlight.Action>; })}
        {P.length > 0 && <div className="pal-group">Pages</div>}
        {P.map(([to, l]) => <Spotlight.Action key={to} onClick={() => go(to)}><span className="row"><IconFileSearch size={15} stroke={1.7} /><span className="name">{l}</span></span></Spotlight.Action>)}
        {C.length > 0 && <div className="pal-group">Commands</div>}
        {C.map(([to, l]) => <Spotlight.Action key={l} onClick={() => go(to, l === 'New connector' ? { sel: 'new' } : {})}><span className="row"><IconTerminal2 size={15} stroke={1.7} /><span className="name">{l}</span></span></Spotlight.Action>)}
        {S.map((t) => <Spotlight.Action key="alerts" onClick={() => go('/alerts', { view: 'all', q: /[:*]/.test(t) ? t : `kibana.alert.reason: *${t.replace(/[^\w.-]+/g, '*')}*` })}><span className="row"><IconBell size={15} stroke={1.7} /><span className="name">Search alerts for</span><span className="mono cut">{t}</span></span></Spotlight.Action>)}
        {A.length + H.length + P.length + C.length + S.length === 0 && <Spotlight.Empty>Nothing found</Spotlight.Empty>}
      </Spotlight.ActionsList>
      <div className="pal-foot"><Kbd>↑</Kbd><Kbd>↓</Kbd> move <Kbd>⏎</Kbd> open <Kbd>&gt;</Kbd> commands <Kbd>#</Kbd> case <Kbd>/</Kbd> page</div>
    </Spotlight.Root>
  );
}
