// Cases: sorted and filtered by the server, any number of rows.
import { Button, Menu, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { IconFilter, IconSearch } from '@tabler/icons-react';
import { useCallback, useMemo, useRef, useState } from 'react';
import { api, qs } from '../../api/client';
import { q } from '../../api/queries';
import type { Case, CaseList as List, Person } from '../../api/types';
import { Age, Avatar, personName, Risk, Severity, useDebounced } from '../../kit/bits';
import { DataGrid, type Column } from '../../kit/DataGrid';
import { count, visible } from '../../kit/format';
import { useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { Empty, ErrorState, Loading } from '../../kit/states';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';
import { NewCase } from './NewCase';
import { useCan } from '../../kit/me';

const VIEWS = [['active', 'Open', 'open,in-progress'], ['closed', 'Closed', 'closed'], ['all', 'All', '']] as const;
export const STATUS: Record<Case['status'], { word: string; dot: string }> = { open: { word: 'Open', dot: '' }, 'in-progress': { word: 'In progress', dot: 'beam' }, closed: { word: 'Closed', dot: 'ok' } };
const SIZE = 100;

function columns(people: Person[] | undefined): Column<Case>[] {
  return [
    { id: 'number', label: 'No', width: '52px', hide: true, render: (c) => <span className="num ink2">{c.incremental_id ?? '–'}</span> },
    { id: 'severity', label: 'Severity', width: '92px', sort: 'severity', render: (c) => <Severity severity={c.severity} /> },
    { id: 'title', label: 'Title', width: 'minmax(200px, 2fr)', sort: 'title', render: (c) => <div><div className="name cut">{visible(c.title)}</div><div className="tiny ink2 cut">{c.tags.map(visible).join(', ') || ' '}</div></div> },
    { id: 'status', label: 'Status', width: '110px', sort: 'status', hide: true, render: (c) => <span className="row" style={{ gap: 6 }}><span className={`dot ${STATUS[c.status].dot}`} aria-hidden />{STATUS[c.status].word}</span> },
    { id: 'risk', label: 'Risk', width: '44px', hide: true, render: (c) => (c.watchfire?.risk_score != null ? <Risk value={c.watchfire.risk_score} /> : null) },
    { id: 'assignees', label: 'Assigned', width: 'minmax(90px, 0.6fr)', hide: true, render: (c) => (c.assignees.length ? <span className="row" style={{ gap: 6 }}><Avatar name={personName(c.assignees[0]!.uid, people)} /><span className="cut small">{personName(c.assignees[0]!.uid, people)}{c.assignees.length > 1 ? ` and ${c.assignees.length - 1}` : ''}</span></span> : <span className="ink3 small">nobody</span>) },
    { id: 'alerts', label: 'Alerts', width: '52px', right: true, hide: true, render: (c) => <span className="num">{count(c.totalAlerts)}</span> },
    { id: 'approval', label: '', width: '76px', hide: true, render: (c) => (c.watchfire?.approvals_open ? <span className="chip wait">approval</span> : null) },
    { id: 'updated', label: 'Updated', width: '72px', right: true, sort: 'updatedAt', render: (c) => <Age at={c.updated_at ?? c.created_at} /> },
  ];
}

export function CaseList() {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const can = useCan();
  const people = useQuery(q.people()).data;
  const cols = useMemo(() => columns(people), [people]);
  const [text, setText] = useState(url.search ?? '');
  const search = useDebounced(text, 250);
  const [creating, setCreating] = useState(false);
  const filter = useRef<HTMLInputElement>(null);
  const view = VIEWS.find((v) => v[0] === (url.status ?? 'active')) ?? VIEWS[0];
  const sort = url.sort ?? 'updatedAt', order = url.order === 'asc' ? 'asc' : 'desc';
  const p = { status: view[2], severity: url.severity, search, sortField: sort, sortOrder: order, perPage: SIZE };
  const list = useInfiniteQuery({
    queryKey: ['cases', 'list', p],
    queryFn: ({ pageParam, signal }) => api<List>(`/api/cases/_find${qs({ ...p, page: pageParam })}`, { signal }),
    initialPageParam: 1,
    getNextPageParam: (l: List) => (l.page * l.per_page < l.total ? l.page + 1 : undefined),
    placeholderData: (x) => x,
  });
  const head = list.data?.pages[0];
  const rows = list.data?.pages.flatMap((x) => x.cases) ?? [];
  const { fetchNextPage, isFetchingNextPage: busy } = list;
  const end = useCallback(() => { if (!busy) void fetchNextPage(); }, [busy, fetchNextPage]);
  useKeys('Cases', [{ key: '/', label: 'Search', run: () => filter.current?.focus() }]);
  const n = { active: head ? head.count_open_cases + head.count_in_progress_cases : null, closed: head?.count_closed_cases ?? null, all: head ? head.count_open_cases + head.count_in_progress_cases + head.count_closed_cases : null };
  return (
    <div className="page">
      <PageHead title="Cases" actions={can('cases:write') && <Button variant="filled" onClick={() => setCreating(true)}>New case</Button>}>
        <div className="tabs" role="tablist" aria-label="Views">{VIEWS.map(([id, label]) => <button key={id} type="button" role="tab" className="tab" aria-selected={view[0] === id} onClick={() => setUrl({ status: id === 'active' ? undefined : id })}>{label} <span className="n">{n[id] === null ? '' : count(n[id])}</span></button>)}</div>
      </PageHead>
      <div className="filter-bar">
        <TextInput ref={filter} className="grow" leftSection={<IconSearch size={14} stroke={1.7} />} placeholder="Title, description or id" aria-label="Search cases" value={text} onChange={(e) => { setText(e.currentTarget.value); setUrl({ search: e.currentTarget.value || undefined }); }} />
        <Menu>
          <Menu.Target><Button leftSection={<IconFilter size={14} stroke={1.7} />}>Severity: {url.severity ?? 'any'}</Button></Menu.Target>
          <Menu.Dropdown>{['any', 'critical', 'high', 'medium', 'low'].map((s) => <Menu.Item key={s} onClick={() => setUrl({ severity: s === 'any' ? undefined : s })}>{s}</Menu.Item>)}</Menu.Dropdown>
        </Menu>
      </div>
      {!list.data ? (list.error ? <ErrorState what="The case list" error={list.error} retry={() => void list.refetch()} failures={list.failureCount} /> : <Loading rows={12} />) : rows.length === 0
        ? <Empty title={search || url.severity ? 'No case matches' : view[0] === 'active' ? 'No open case' : 'No case yet'}>{search || url.severity ? 'Other cases may stand outside of the filter.' : 'Workflows and people open cases; press E on an alert to open one.'}</Empty>
        : <DataGrid label="Cases" columns={cols} rows={rows} total={head!.total} rowKey={(c) => c.id} height={46} onOpen={(c) => go(`/cases/${c.id}`)} sort={sort} order={order} onSort={(s, o) => setUrl({ sort: s === 'updatedAt' ? undefined : s, order: o === 'desc' ? undefined : o })} more={list.hasNextPage} onEnd={end} />}
      <NewCase opened={creating} onClose={() => setCreating(false)} />
    </div>
  );
}
