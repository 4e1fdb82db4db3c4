// The triage queue: worst and oldest first, decided without the mouse.
import { Button, Menu, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { IconChevronDown, IconChevronRight, IconDeviceDesktop, IconFilter, IconNetwork, IconRadar2, IconSearch, IconUser, IconX } from '@tabler/icons-react';
import { memo, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Person, AlertRow, Diagnostic, Queue as QueueData, QueueGroup } from '../../api/types';
import { AlertDialogs, decide, type Ask } from '../../kit/alert-actions';
import { Age, Avatar, Kbd, personName, SeverityBars, StateIcon, stateWord } from '../../kit/bits';
import { age, count, plural, visible } from '../../kit/format';
import { useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan, useFeature, useMe } from '../../kit/me';
import { Empty, ErrorState, Loading } from '../../kit/states';
import { useUrl, type Search } from '../../kit/url';
import { toastError } from '../../kit/toast';
import { setPageActions } from '../../shell/palette-store';
import { PageHead } from '../../shell/Shell';
import { onChange, streamState } from '../../stream/stream';
import { FirstRun } from './FirstRun';
import { Preview } from './Preview';

const VIEWS = [['open', 'Needs a decision'], ['mine', 'Mine'], ['acknowledged', 'Accepted'], ['closed', 'Closed'], ['all', 'All']] as const;
const GROUPS = [['entity', 'entity, then rule'], ['rule', 'rule'], ['none', 'none']] as const;
const SORTS = [['severity', 'severity, then age'], ['age', 'oldest first'], ['newest', 'newest first']] as const;
const SEVERITIES = ['critical', 'high', 'medium', 'low'] as const;
const ICON = { host: IconDeviceDesktop, user: IconUser, source: IconNetwork, rule: IconRadar2, all: IconRadar2 };

type Item = { id: string; kind: 'group'; g: QueueGroup; folded: boolean } | { id: string; kind: 'row'; row: AlertRow; g: QueueGroup } | { id: string; kind: 'more'; g: QueueGroup };

function belongs(view: string, r: AlertRow): boolean {
  return view === 'open' ? r.status === 'open' : view === 'closed' ? r.status === 'closed' : view === 'acknowledged' ? r.status === 'acknowledged' : true;
}

export function Queue() {
  const [url, setAll] = useUrl();
  // The cursor moves at once; the address follows when it rests.
  const [sel, setSelNow] = useState(url.sel);
  const pushed = useRef(url.sel);
  const later = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (url.sel !== pushed.current) {
      pushed.current = url.sel;
      setSelNow(url.sel);
    }
  }, [url.sel]);
  useEffect(() => () => clearTimeout(later.current), []);
  const setSel = useCallback((id: string | undefined): void => {
    setSelNow(id);
    clearTimeout(later.current);
    later.current = window.setTimeout(() => {
      pushed.current = id;
      setAll({ sel: id });
    }, 150);
  }, [setAll]);
  const setUrl = (patch: Search): void => {
    clearTimeout(later.current);
    if ('sel' in patch) {
      pushed.current = patch.sel;
      setSelNow(patch.sel);
    }
    setAll(patch);
  };
  const go = useGo();
  const me = useMe();
  const can = useCan();
  const write = can('alerts:write');
  const hasSetup = useFeature('setup');
  const people = useQuery(q.people()).data;
  const view = url.view ?? 'open', group = url.group ?? 'entity', sort = url.sort ?? 'severity';
  const params = { view: url.view, q: url.q, severity: url.severity, group: url.group, sort: url.sort };
  const list = useInfiniteQuery({
    queryKey: ['alerts', 'queue', params],
    queryFn: ({ pageParam, signal }) => q.queue({ ...params, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (p: QueueData) => p.cursor,
    staleTime: 1000,
  });
  // A bad query keeps the last good list on screen.
  const good = useRef<typeof list.data>(undefined);
  if (list.data) good.current = list.data;
  const badQuery = list.error instanceof ApiError && list.error.status === 400 ? list.error : null;
  const data = list.data ?? (badQuery || list.isPending ? good.current : undefined);
  const head = data?.pages[0];

  // Further members of a group, dropped at each refetch of the list.
  const [extra, setExtra] = useState<Record<string, { rows: AlertRow[]; cursor: string | null }>>({});
  const stamp = useRef(list.dataUpdatedAt);
  if (stamp.current !== list.dataUpdatedAt && Object.keys(extra).length > 0 && !list.isFetchingNextPage) {
    stamp.current = list.dataUpdatedAt;
    setExtra({});
  }
  stamp.current = list.dataUpdatedAt;

  const folded = useMemo(() => new Set((url.fold ?? '').split('\n').filter(Boolean)), [url.fold]);
  const items = useMemo(() => {
    const out: Item[] = [];
    for (const p of data?.pages ?? []) {
      for (const g of p.groups) {
        const more = extra[g.key];
        const rows = [...g.members, ...(more?.rows ?? [])].filter((r) => belongs(view, r));
        const gone = g.members.length + (more?.rows.length ?? 0) - rows.length;
        if (g.count - gone <= 0) continue;
        const shown = gone ? { ...g, count: g.count - gone } : g;
        const closed = folded.has(g.key);
        if (group !== 'none') out.push({ id: `g:${g.key}`, kind: 'group', g: shown, folded: closed });
        if (closed) continue;
        for (const r of rows) out.push({ id: r.id, kind: 'row', row: r, g: shown });
        if (more ? more.cursor : g.cursor) out.push({ id: `m:${g.key}`, kind: 'more', g: { ...shown, cursor: more ? more.cursor : g.cursor } });
      }
    }
    return out;
  }, [data, extra, folded, view, group]);

  const [checked, setChecked] = useState<ReadonlySet<string>>(new Set());
  const [ask, setAsk] = useState<Ask>(null);
  const cursor = items.findIndex((i) => i.id === sel);
  const at = cursor >= 0 ? cursor : items.findIndex((i) => i.kind === 'row');
  const current = items[at];
  const scroller = useRef<HTMLDivElement>(null);
  const [box, setBox] = useState<HTMLDivElement | null>(null);
  const hold = useCallback((e: HTMLDivElement | null) => { scroller.current = e; setBox(e); }, []);
  const compact = typeof document !== 'undefined' && document.documentElement.dataset.density === 'compact';
  const rowH = compact ? 32 : 46;
  const rows = useRef<RowsHandle | null>(null);
  // Scrolling draws the rows alone; this component hears of it only when the end comes near.
  const near = useRef(false);
  const [, setNear] = useState(0);
  const onNear = useCallback((on: boolean) => {
    if (near.current === on) return;
    near.current = on;
    setNear((n) => n + 1);
  }, []);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  useEffect(() => {
    if (near.current && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  });

  // New rows never move the row under the cursor: they come in by themselves only at the top with nothing selected.
  const [news, setNews] = useState<ReadonlySet<string>>(new Set());
  const selecting = checked.size > 0 || sel !== undefined;
  const free = useRef(true);
  const takeIn = useCallback(() => {
    setNews(new Set());
    void queryClient.invalidateQueries({ queryKey: ['alerts', 'queue'] });
  }, []);
  useEffect(() => {
    free.current = !selecting && (scroller.current?.scrollTop ?? 0) < 8;
  });
  useEffect(() => {
    let timer: number | null = null;
    const soon = (): void => {
      timer ??= window.setTimeout(() => {
        timer = null;
        takeIn();
      }, 300);
    };
    const off = onChange((c) => {
      if (c.topic !== 'alerts' && c.topic !== 'executions') return;
      if (free.current) soon();
      else if (c.topic === 'alerts' && c.changed.kind === 'created') setNews((n) => new Set(n).add(c.id === '*' ? `*${c.seq}` : c.id));
      else if (c.topic === 'alerts' && typeof c.changed.status === 'string') {
        const status = c.changed.status as AlertRow['status'];
        queryClient.setQueriesData<{ pages: QueueData[]; pageParams: unknown[] }>({ queryKey: ['alerts', 'queue'] }, (d) => d && { ...d, pages: d.pages.map((p) => ({ ...p, groups: p.groups.map((g) => ({ ...g, members: g.members.map((m) => (m.id === c.id ? { ...m, status } : m)) })) })) });
      } else if (c.topic === 'executions') soon();
    });
    return () => {
      off();
      if (timer !== null) clearTimeout(timer);
    };
  }, [takeIn]);

  const move = (to: number): void => {
    const i = items[Math.max(0, Math.min(items.length - 1, to))];
    if (!i) return;
    setSel(i.id);
    rows.current?.scrollTo(items.indexOf(i));
  };
  const fold = (g: QueueGroup, on: boolean): void => {
    const f = new Set(folded);
    if (on) f.add(g.key);
    else f.delete(g.key);
    setUrl({ fold: [...f].join('\n'), sel: `g:${g.key}` });
  };
  const loading = useRef(false);
  const loadMore = async (g: QueueGroup): Promise<void> => {
    if (loading.current) return;
    loading.current = true;
    try {
      const p = await q.queue({ ...params, in: g.key, cursor: g.cursor });
      const got = p.groups[0];
      setExtra((x) => ({ ...x, [g.key]: { rows: [...(x[g.key]?.rows ?? []), ...(got?.members ?? [])], cursor: got?.cursor ?? null } }));
    } catch (e) {
      toastError('No more rows came', e);
    } finally {
      loading.current = false;
    }
  };
  // Ungrouped, the list goes on by itself.
  const tail = items[items.length - 1];
  const goOn = useRef(loadMore);
  goOn.current = loadMore;
  const asked = useRef<string | null>(null);
  useEffect(() => {
    // A refetch of the list drops the further rows: the same cursor is asked for again.
    if (Object.keys(extra).length === 0) asked.current = null;
    if (group !== 'none' || tail?.kind !== 'more' || !near.current || asked.current === tail.g.cursor) return;
    asked.current = tail.g.cursor;
    void goOn.current(tail.g);
  });
  const rowsOf = (i: Item | undefined): AlertRow[] => {
    if (checked.size > 0) return items.flatMap((x) => (x.kind === 'row' && checked.has(x.row.id) ? [x.row] : []));
    if (i?.kind === 'row') return [i.row];
    if (i?.kind === 'group') return [...i.g.members, ...(extra[i.g.key]?.rows ?? [])].filter((r) => belongs(view, r));
    return [];
  };
  const after = (rows: AlertRow[], refused: string[]): void => {
    setChecked(new Set(refused));
    if (rows.length === 1 && refused.length === 0) {
      const i = items.findIndex((x) => x.id === rows[0]!.id);
      const next = items.slice(i + 1).find((x) => x.kind === 'row') ?? items.slice(0, i).reverse().find((x) => x.kind === 'row');
      if (next) setSel(next.id);
    }
  };
  const accept = (): void => {
    const rows = rowsOf(current);
    if (rows.length && write) void decide(rows, { kind: 'acknowledge', ...(me ? { assignee: me.user.uid } : {}) }).then((r) => after(rows, r));
  };
  const reopen = (): void => {
    const rows = rowsOf(current);
    if (rows.length && write) void decide(rows, { kind: 'reopen' }).then((r) => after(rows, r));
  };
  const open = (kind: NonNullable<Ask>['kind']): void => {
    const rows = rowsOf(current);
    if (rows.length && (kind === 'run' ? can('workflows:execute') : write)) setAsk({ kind, rows });
  };
  const toggle = (id: string, range = false): void => {
    const next = new Set(checked);
    if (range && cursor >= 0) {
      const b = items.findIndex((i) => i.id === id);
      for (let i = Math.min(cursor, b); i <= Math.max(cursor, b); i++) if (items[i]?.kind === 'row') next.add(items[i]!.id);
    } else if (next.has(id)) next.delete(id);
    else next.add(id);
    setChecked(next);
  };
  // Rows keep the same handlers, so that only the rows that change are drawn again.
  const acts = useRef({ toggle, setSel, go, fold, loadMore });
  acts.current = { toggle, setSel, go, fold, loadMore };
  const pick = useCallback((id: string, range: boolean) => (range ? acts.current.toggle(id, true) : acts.current.setSel(id)), []);
  const flip = useCallback((id: string) => acts.current.toggle(id), []);
  const openAlert = useCallback((id: string) => acts.current.go(`/alerts/${id}`), []);
  const flipGroup = useCallback((g: QueueGroup, on: boolean) => acts.current.fold(g, on), []);
  const askMore = useCallback((g: QueueGroup) => void acts.current.loadMore(g), []);
  const filter = useRef<HTMLInputElement>(null);
  const decisions = write ? [
    { key: 'a', label: 'Accept: acknowledged, assigned to me', run: accept },
    { key: 'c', label: 'Close…', run: () => open('close') },
    { key: 'o', label: 'Reopen', run: reopen },
    { key: 'i', label: 'Assign…', run: () => open('assign') },
    { key: 'e', label: 'Escalate to a case…', run: () => open('escalate') },
  ] : [];
  useKeys('Alerts', [
    { key: 'j', label: 'Next', run: () => move(at + 1) }, { key: 'k', label: 'Previous', run: () => move(at - 1) },
    { key: 'ArrowDown', label: 'Next', run: () => move(at + 1), hidden: true }, { key: 'ArrowUp', label: 'Previous', run: () => move(at - 1), hidden: true },
    { key: 'ArrowLeft', label: 'Fold the group', run: () => current && current.kind !== 'more' && fold(current.g, true) }, { key: 'ArrowRight', label: 'Unfold the group', run: () => current?.kind === 'group' && fold(current.g, false) },
    { key: 'Enter', label: 'Open', run: () => { if (current?.kind === 'row') go(`/alerts/${current.row.id}`); else if (current?.kind === 'group') fold(current.g, !current.folded); else if (current?.kind === 'more') void loadMore(current.g); } },
    { key: 'x', label: 'Select', run: () => current?.kind === 'row' && toggle(current.row.id) },
    { key: 'Shift+X', label: 'Select up to here', run: () => current?.kind === 'row' && toggle(current.row.id, true) },
    ...decisions,
    ...(can('workflows:execute') ? [{ key: 'w', label: 'Run a workflow…', run: () => open('run') }] : []),
    { key: 'p', label: 'Open the approval', run: () => { if (current?.kind === 'row' && current.row.execution?.approval) go(`/approvals/${current.row.execution.approval}`); } },
    { key: '.', label: 'Show new rows', run: takeIn },
    { key: '/', label: 'Filter', run: () => filter.current?.focus() },
    { key: 'Escape', label: 'Clear the selection', run: () => { if (checked.size) setChecked(new Set()); else setSel(undefined); } },
  ]);
  useEffect(() => {
    const name = current?.kind === 'row' ? current.row.rule.name : '';
    setPageActions(name ? [
      { id: 'open', label: `Open ${name}`, key: '⏎', run: () => current?.kind === 'row' && go(`/alerts/${current.row.id}`) },
      ...(write ? [{ id: 'accept', label: 'Accept', detail: name, key: 'A', run: accept }, { id: 'close', label: 'Close…', detail: name, key: 'C', run: () => open('close') }, { id: 'esc', label: 'Escalate to a case…', detail: name, key: 'E', run: () => open('escalate') }] : []),
      ...(can('workflows:execute') ? [{ id: 'run', label: 'Run a workflow…', detail: name, key: 'W', run: () => open('run') }] : []),
    ] : []);
    return () => setPageActions([]);
  });

  const counts = head?.counts;
  const firstRun = hasSetup && counts !== undefined && counts.all === 0;
  const tabs = (
    <div className="tabs" role="tablist" aria-label="Views">
      {VIEWS.map(([id, label]) => <button key={id} type="button" role="tab" className="tab" aria-selected={view === id} onClick={() => { setUrl({ view: id === 'open' ? undefined : id, sel: undefined, fold: undefined }); setChecked(new Set()); }}>{label}<span className="n">{counts ? count(counts[id]) : ''}</span></button>)}
    </div>
  );
  const pageRows = items.flatMap((i) => (i.kind === 'row' ? [i.row.id] : []));
  const allOn = pageRows.length > 0 && pageRows.every((id) => checked.has(id));
  const row = current?.kind === 'row' ? current.row : current?.kind === 'group' ? current.g.members[0] : undefined;
  return (
    <div className="page">
      <PageHead title="Alerts" actions={<span className="desk ink2 small row"><Kbd>?</Kbd> Keys</span>}>{tabs}</PageHead>
      {firstRun ? <FirstRun /> : (
        <>
          <div className="filter-bar">
            <QueryField key={url.q ?? ''} value={url.q ?? ''} inputRef={filter} error={badQuery} onApply={(v) => setUrl({ q: v || undefined, sel: undefined })} />
            <Menu closeOnItemClick={false}>
              <Menu.Target><Button leftSection={<IconFilter size={14} stroke={1.7} />}>Severity: {url.severity ? url.severity.replaceAll(',', ', ') : 'any'}</Button></Menu.Target>
              <Menu.Dropdown>{SEVERITIES.map((s) => { const on = (url.severity ?? '').split(',').includes(s); return <Menu.Item key={s} role="menuitemcheckbox" aria-checked={on} leftSection={<SeverityBars severity={s} />} rightSection={on ? '✓' : null} onClick={() => { const set = new Set((url.severity ?? '').split(',').filter(Boolean)); if (on) set.delete(s); else set.add(s); setUrl({ severity: [...set].join(','), sel: undefined }); }}>{s}</Menu.Item>; })}</Menu.Dropdown>
            </Menu>
            <Pick label="Group" value={group} options={GROUPS} onPick={(v) => setUrl({ group: v === 'entity' ? undefined : v, sel: undefined, fold: undefined })} />
            <Pick label="Sort" value={sort} options={SORTS} onPick={(v) => setUrl({ sort: v === 'severity' ? undefined : v, sel: undefined })} />
          </div>
          <div className="queue">
            <section className="list" aria-label="Alerts">
              {head && <AgeStrip data={head} view={view} onPick={(from, to) => setUrl({ q: `kibana.alert.start >= "${from}" and kibana.alert.start < "${to}"`, sel: undefined })} />}
              {!data && list.error ? <ErrorState what="The alert queue" error={list.error} retry={() => void list.refetch()} failures={list.failureCount} /> : !data ? <Loading rows={12} /> : items.length === 0 ? <NothingHere view={view} filtered={Boolean(url.q || url.severity)} clear={() => setUrl({ q: undefined, severity: undefined })} /> : (
                <div className="grid-frame">
                {news.size > 0 && <button type="button" className="news" onClick={takeIn}><b>{plural(news.size, 'new alert')}</b> above your place <span className="right row">Show <Kbd>.</Kbd></span></button>}
                <div className="grid" ref={hold} role="treegrid" aria-label="Alerts" aria-rowcount={head?.total ?? -1} aria-multiselectable tabIndex={0} aria-activedescendant={current ? `r-${at}` : undefined} onScroll={() => { free.current = !selecting && (scroller.current?.scrollTop ?? 0) < 8; }}>
                  <div className="grid-head q-cols q-head" role="row">
                    <span role="columnheader"><input type="checkbox" className="check" aria-label="Select all loaded alerts" checked={allOn} ref={(e) => { if (e) e.indeterminate = !allOn && checked.size > 0; }} onChange={() => setChecked(allOn ? new Set() : new Set(pageRows))} /></span>
                    <span role="columnheader" className="c-risk">Risk</span><span role="columnheader">Alert and why</span><span role="columnheader" className="c-host">Host, user</span><span role="columnheader" className="c-flow">Workflow</span><span role="columnheader" className="c-who"><span className="visually-hidden">Assignee</span></span><span role="columnheader" className="r">Age</span>
                  </div>
                  <Rows items={items} at={at} checked={checked} compact={compact} rowH={rowH} level={group === 'none' ? 1 : 2} people={people} scroller={box} handle={rows} onNear={onNear} onPick={pick} onToggle={flip} onOpen={openAlert} onFold={flipGroup} onMore={askMore} />
                  {list.isFetchingNextPage && <div className="ink3 small pad">Loading more…</div>}
                </div>
                </div>
              )}
              {checked.size > 0 && (
                <div className="bulk" role="toolbar" aria-label="Decide on the selected alerts">
                  <b className="num nowrap" aria-live="polite">{checked.size} selected</b>
                  <span style={{ width: 1, height: 20, background: 'var(--line)', margin: '0 6px' }} />
                  {write ? <>
                    <Button variant="subtle" onClick={accept} leftSection={<Kbd>A</Kbd>}>Accept</Button><Button variant="subtle" onClick={() => open('close')} leftSection={<Kbd>C</Kbd>}>Close…</Button>
                    <Button variant="subtle" onClick={() => open('assign')} leftSection={<Kbd>I</Kbd>}>Assign</Button><Button variant="subtle" onClick={() => open('escalate')} leftSection={<Kbd>E</Kbd>}>Escalate</Button>
                  </> : <span className="ink2 small">Needs <code>alerts:write</code></span>}
                  {can('workflows:execute') && <Button variant="subtle" onClick={() => open('run')} leftSection={<Kbd>W</Kbd>}>Run…</Button>}
                  <Button className="right" onClick={() => setAsk({ kind: 'preview', rows: rowsOf(current) })}>Preview</Button><Button variant="subtle" aria-label="Clear the selection" px={6} onClick={() => setChecked(new Set())}><IconX size={16} stroke={1.7} /></Button>
                </div>
              )}
            </section>
            <aside className="preview" aria-label="Preview">{row && <Preview key={row.id} row={row} group={current?.kind === 'group' ? current.g : null} onAccept={accept} onClose={() => open('close')} onEscalate={() => open('escalate')} onReopen={reopen} writable={write} />}</aside>
          </div>
        </>
      )}
      <AlertDialogs ask={ask} onClose={() => setAsk(null)} onDone={(refused) => after(ask?.rows ?? [], refused)} go={go} />
    </div>
  );
}

type RowsHandle = { scrollTo: (i: number) => void };
type RowsProps = {
  items: Item[]; at: number; checked: ReadonlySet<string>; compact: boolean; rowH: number; level: number; people: Person[] | undefined; scroller: HTMLDivElement | null; handle: React.RefObject<RowsHandle | null>;
  onNear: (on: boolean) => void; onPick: (id: string, range: boolean) => void; onToggle: (id: string) => void; onOpen: (id: string) => void; onFold: (g: QueueGroup, on: boolean) => void; onMore: (g: QueueGroup) => void;
};
const NEAR_END = 20;
const Rows = memo(function Rows({ items, at, checked, compact, rowH, level, people, scroller, handle, onNear, onPick, onToggle, onOpen, onFold, onMore }: RowsProps) {
  const virtual = useVirtualizer({ count: items.length, getScrollElement: () => scroller, estimateSize: (i) => (items[i]?.kind === 'row' ? rowH : 34), overscan: 6, getItemKey: (i) => items[i]?.id ?? i });
  const shown = virtual.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? 0;
  handle.current = { scrollTo: (i) => virtual.scrollToIndex(i, { align: 'auto' }) };
  useEffect(() => onNear(last >= items.length - NEAR_END), [last, items.length, onNear]);
  return (
    <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
      {shown.map((v) => {
        const it = items[v.index]!;
        if (it.kind === 'group') return <GroupRow key={it.id} g={it.g} folded={it.folded} index={v.index} start={v.start} size={v.size} selected={v.index === at} onFold={onFold} />;
        if (it.kind === 'more') return <div key={it.id} id={`r-${v.index}`} role="row" aria-selected={v.index === at} style={{ transform: `translateY(${v.start}px)`, height: v.size }} aria-level={2} className="grid-row q-more" onClick={() => onMore(it.g)}><span role="gridcell">Show more of {count(it.g.count)}</span></div>;
        return <Row key={it.id} r={it.row} index={v.index} start={v.start} size={v.size} level={level} selected={v.index === at} checked={checked.has(it.row.id)} compact={compact} who={it.row.assignees[0] ? personName(it.row.assignees[0], people) : null} onPick={onPick} onToggle={onToggle} onOpen={onOpen} />;
      })}
    </div>
  );
});

type GroupProps = { g: QueueGroup; folded: boolean; index: number; start: number; size: number; selected: boolean; onFold: (g: QueueGroup, on: boolean) => void };
const GroupRow = memo(function GroupRow({ g, folded, index, start, size, selected, onFold }: GroupProps) {
  const I = ICON[g.kind] ?? IconRadar2;
  return (
    <div id={`r-${index}`} role="row" style={{ transform: `translateY(${start}px)`, height: size }} aria-selected={selected} className="grid-row q-group" aria-level={1} aria-expanded={!folded} onClick={() => onFold(g, !folded)}>
      <div role="gridcell" className="row grow">
        {folded ? <IconChevronRight size={14} stroke={1.7} aria-hidden /> : <IconChevronDown size={14} stroke={1.7} aria-hidden />}<I size={15} stroke={1.7} className="ink2" aria-hidden />
        <span className="strong cut" style={{ flex: 'none', maxWidth: '45%' }}>{visible(g.name)}</span><span className="count">{count(g.count)}</span>
        <span className="ink2 small cut">{g.case ? `case ${g.case.number ?? g.case.title} · ` : ''}{g.rules.slice(0, 2).join(', ')}{g.rules_total > 2 ? ` and ${g.rules_total - 2} more` : ''}</span>
      </div>
      <span role="gridcell" className="row none"><span className="ink3 small desk">worst</span><SeverityBars severity={g.severity} /><span className="small ink2 num" style={{ width: 64, textAlign: 'right' }}><Age at={g.oldest} /></span></span>
    </div>
  );
});

type RowProps = { r: AlertRow; index: number; start: number; size: number; level: number; selected: boolean; checked: boolean; compact: boolean; who: string | null; onPick: (id: string, range: boolean) => void; onToggle: (id: string) => void; onOpen: (id: string) => void };
const Row = memo(function Row({ r, index, start, size, level, selected, checked, compact, who, onPick, onToggle, onOpen }: RowProps) {
  return (
    <div id={`r-${index}`} role="row" aria-selected={selected} aria-level={level} className="grid-row q-row q-cols" style={{ transform: `translateY(${start}px)`, height: size }} onClick={(e) => onPick(r.id, e.shiftKey)} onDoubleClick={() => onOpen(r.id)}>
      <span role="gridcell" className="check-cell" onClick={(e) => e.stopPropagation()}><input type="checkbox" className="check" tabIndex={-1} aria-label={`Select ${r.rule.name}`} checked={checked} onChange={() => onToggle(r.id)} /></span>
      <span role="gridcell" className="row c-risk"><span className="num small ink2" style={{ width: 24, textAlign: 'right' }}>{Math.round(r.risk_score)}</span><SeverityBars severity={r.severity} /></span>
      <span role="gridcell"><div className="title cut">{visible(r.rule.name)}</div>{!compact && <div className="why cut">{visible(r.reason)}</div>}</span>
      <span role="gridcell" className="mono c-host"><div className="cut">{visible(r.host ?? r.source ?? '–')}</div>{!compact && <div className="cut ink2">{visible(r.user ?? (r.host ? (r.source ?? '') : ''))}</div>}</span>
      <span role="gridcell" className="row small c-flow">{r.execution ? <><StateIcon status={r.execution.status} size={13} /><span className={`cut ${r.execution.status === 'waiting_for_input' ? 't-wait' : 'ink2'}`}>{r.execution.approval && r.execution.status === 'waiting_for_input' ? 'Approval' : stateWord(r.execution.status)}</span></> : <span className="ink3">–</span>}</span>
      <span role="gridcell" className="c-who"><Avatar name={who} /></span>
      <span role="gridcell" className="r small ink2"><Age at={r.start} /></span>
    </div>
  );
});

function Pick({ label, value, options, onPick }: { label: string; value: string; options: readonly (readonly [string, string])[]; onPick: (v: string) => void }) {
  return (
    <Menu>
      <Menu.Target><Button className="desk" rightSection={<IconChevronDown size={14} stroke={1.7} />}>{label}: {options.find((o) => o[0] === value)?.[1]}</Button></Menu.Target>
      <Menu.Dropdown>{options.map(([v, l]) => <Menu.Item key={v} rightSection={v === value ? '✓' : null} onClick={() => onPick(v)}>{l}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

function QueryField({ value, inputRef, error, onApply }: { value: string; inputRef: React.RefObject<HTMLInputElement | null>; error: ApiError | null; onApply: (v: string) => void }) {
  const [v, setV] = useState(value);
  const d = (error?.attributes.diagnostics as Diagnostic[] | undefined)?.[0];
  return (
    <TextInput ref={inputRef} className="grow" style={{ minWidth: 180 }} leftSection={<IconSearch size={14} stroke={1.7} />} rightSection={<Kbd>/</Kbd>} placeholder="kibana.alert.severity: critical and host.name: ws-*" aria-label="Filter in KQL" value={v} spellCheck={false}
      styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12, ...(error ? { textDecoration: 'underline wavy var(--crit-solid)' } : {}) } }}
      error={error && v === value ? (d ? `column ${d.column}: ${d.message}` : error.message) : undefined}
      onChange={(e) => setV(e.currentTarget.value)} onKeyDown={(e) => { if (e.key === 'Enter') onApply(v.trim()); if (e.key === 'Escape') { setV(value); e.currentTarget.blur(); } }} />
  );
}

function AgeStrip({ data, view, onPick }: { data: QueueData; view: string; onPick: (from: string, to: string) => void }) {
  const { ages } = data;
  if (view === 'closed') return null;
  const max = Math.max(1, ...ages.buckets);
  const from = new Date(ages.from).getTime(), to = new Date(ages.to).getTime();
  const w = (to - from) / Math.max(1, ages.buckets.length);
  const n = ages.buckets.length;
  return (
    <div className="strip">
      <div><div className="ink3">Waiting, by age</div><div className="num nowrap"><b>{count(data.total)}</b> {ages.oldest ? `oldest ${age(to - new Date(ages.oldest).getTime())}` : ''}</div></div>
      <div className="hist" role="img" aria-label={`Open alerts by age, newest first: ${ages.buckets.join(', ')}`} onClick={(e) => { const r = e.currentTarget.getBoundingClientRect(); const i = Math.max(0, Math.min(n - 1, Math.floor(((e.clientX - r.left) / r.width) * n))); onPick(new Date(to - (i + 1) * w).toISOString(), new Date(to - i * w).toISOString()); }}>
        {ages.buckets.map((c, i) => <span key={i} className={i < 2 ? 'new' : i >= n - 3 ? 'old' : ''} title={`${c}: ${age(i * w)} to ${age((i + 1) * w)} old`}><i style={{ height: `${c ? Math.max(10, (c / max) * 100) : 5}%` }} /></span>)}
      </div>
      <span className="ink3 tiny nowrap">now → {age(to - from)}</span>
      <div className="right desk"><div className="ink3">Last 24 h</div><div className="num nowrap"><b>{count(data.decided_24h.by_workflow)}</b> by workflow&ensp;<b>{count(data.decided_24h.by_people)}</b> by people</div></div>
    </div>
  );
}

function NothingHere({ view, filtered, clear }: { view: string; filtered: boolean; clear: () => void }) {
  if (filtered) return <Empty title="No alert matches the filter" action={<Button onClick={clear}>Clear the filter</Button>}>Other alerts may stand outside of it.</Empty>;
  const t: Record<string, [string, string]> = {
    open: ['Nothing waits', 'Every alert has a decision. New ones come in by themselves.'], mine: ['Nothing is assigned to you', 'Accept an alert with A, and it stands here until it is closed.'],
    acknowledged: ['No accepted alerts', 'Alerts stand here from Accept to Close.'], closed: ['No closed alerts', 'Alerts that people or workflows close stand here.'], all: ['No alerts yet', streamState().eventsPerSecond ? 'Events arrive, no rule has fired.' : 'No rule has fired.'],
  };
  const [a, b] = t[view] ?? t.all!;
  return <Empty title={a}>{b}</Empty>;
}
