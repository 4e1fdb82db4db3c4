// Rules: on or off, what each finds, what it starts.
import { Button, Switch, TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { IconRoute, IconSearch } from '@tabler/icons-react';
import { useCallback, useMemo, useRef, useState } from 'react';
import { api, qs } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Rule, RuleList as List } from '../../api/types';
import { Age, Risk, Severity, useDebounced } from '../../kit/bits';
import { DataGrid, type Column } from '../../kit/DataGrid';
import { count, visible } from '../../kit/format';
import { useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan } from '../../kit/me';
import { Empty, ErrorState, Loading } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';

const VIEWS = [['', 'All'], ['true', 'On'], ['false', 'Off']] as const;
const SIZE = 100;

async function setEnabled(r: Rule, enabled: boolean): Promise<void> {
  try {
    await api('/api/detection_engine/rules', { method: 'PATCH', body: { id: r.id, enabled } });
    toast(`${r.name} turned ${enabled ? 'on' : 'off'}`, () => void setEnabled(r, !enabled));
  } catch (e) {
    toastError('Not changed', e);
  }
  void queryClient.invalidateQueries({ queryKey: ['rules'] });
}

export function RuleList() {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const can = useCan();
  const write = can('rules:write');
  const [text, setText] = useState(url.q ?? '');
  const name = useDebounced(text.trim(), 250);
  const sort = url.sort ?? 'name', order = url.order === 'desc' ? 'desc' : 'asc';
  const filter = [name ? `alert.attributes.name: *${name.replace(/[*"\\():<>{}]/g, ' ').trim().replace(/\s+/g, '*')}*` : '', url.enabled ? `alert.attributes.enabled: ${url.enabled}` : ''].filter(Boolean).join(' AND ');
  const p = { filter, sort_field: sort, sort_order: order, per_page: SIZE };
  const list = useInfiniteQuery({
    queryKey: ['rules', 'list', p],
    queryFn: ({ pageParam, signal }) => api<List>(`/api/detection_engine/rules/_find${qs({ ...p, page: pageParam })}`, { signal }),
    initialPageParam: 1,
    getNextPageParam: (l: List) => (l.page * l.perPage < l.total ? l.page + 1 : undefined),
    placeholderData: (x) => x,
  });
  const rows = list.data?.pages.flatMap((x) => x.data) ?? [];
  const total = list.data?.pages[0]?.total ?? 0;
  const { fetchNextPage, isFetchingNextPage: busy } = list;
  const end = useCallback(() => { if (!busy) void fetchNextPage(); }, [busy, fetchNextPage]);
  const field = useRef<HTMLInputElement>(null);
  useKeys('Rules', [{ key: '/', label: 'Filter', run: () => field.current?.focus() }]);
  const columns = useMemo((): Column<Rule>[] => [
    { id: 'enabled', label: '', width: '44px', render: (r) => <Switch size="xs" checked={r.enabled} disabled={!write} aria-label={`${r.name} enabled`} onChange={(e) => void setEnabled(r, e.currentTarget.checked)} /> },
    { id: 'name', label: 'Name', width: 'minmax(200px, 2fr)', sort: 'name', render: (r) => <div className="name cut">{visible(r.name)}</div> },
    { id: 'type', label: 'Type', width: '92px', hide: true, render: (r) => <span className="small">{r.type === 'eql' ? 'EQL event' : r.type === 'query' ? (r.language === 'lucene' ? 'Lucene' : 'KQL') : r.type}</span> },
    { id: 'severity', label: 'Severity', width: '92px', sort: 'severity', render: (r) => <Severity severity={r.severity} /> },
    { id: 'risk', label: 'Risk', width: '48px', sort: 'risk_score', hide: true, render: (r) => <Risk value={r.risk_score} /> },
    { id: 'technique', label: 'Technique', width: 'minmax(100px, 1fr)', hide: true, render: (r) => { const t = r.threat?.flatMap((x) => x.technique ?? []) ?? []; return <span className="small cut" style={{ display: 'block' }}>{t[0] ? <><span className="mono">{t[0].id}</span> {visible(t[0].name)}{t.length > 1 ? ` and ${t.length - 1}` : ''}</> : <span className="ink3">–</span>}</span>; } },
    { id: 'workflows', label: 'Workflows', width: '84px', hide: true, render: (r) => { const n = r.actions.filter((a) => a.action_type_id === '.workflows').length; return n ? <span className="row small" style={{ gap: 4 }}><IconRoute size={14} stroke={1.7} className="ink2" aria-hidden />{n}</span> : <span className="ink3">–</span>; } },
    { id: 'alerts', label: 'Alerts 30 d', width: '76px', right: true, hide: true, render: (r) => <span className="num">{count(r.watchfire?.alerts_30d)}</span> },
    { id: 'fired', label: 'Last fired', width: '76px', right: true, hide: true, render: (r) => <Age at={r.watchfire?.last_alert_at} /> },
  ], [write]);
  return (
    <div className="page">
      <PageHead title="Rules" actions={write && <Button variant="filled" onClick={() => go('/rules/new')}>New rule</Button>}>
        <div className="tabs" role="tablist" aria-label="Views">{VIEWS.map(([v, l]) => <button key={l} type="button" role="tab" className="tab" aria-selected={(url.enabled ?? '') === v} onClick={() => setUrl({ enabled: v || undefined })}>{l} <span className="n">{(url.enabled ?? '') === v && list.data ? count(total) : ''}</span></button>)}</div>
      </PageHead>
      <div className="filter-bar"><TextInput ref={field} className="grow" leftSection={<IconSearch size={14} stroke={1.7} />} placeholder="Name" aria-label="Filter rules by name" value={text} onChange={(e) => { setText(e.currentTarget.value); setUrl({ q: e.currentTarget.value || undefined }); }} /></div>
      {!list.data ? (list.error ? <ErrorState what="The list of rules" error={list.error} retry={() => void list.refetch()} failures={list.failureCount} /> : <Loading rows={14} height={36} />) : rows.length === 0
        ? <Empty title={filter ? 'No rule matches' : 'No rule yet'} action={!filter && write ? <Button onClick={() => go('/rules/new')}>Write the first one</Button> : undefined}>{filter ? 'Others stand outside of the filter.' : 'A rule looks at each event as it arrives, and raises an alert when its query matches.'}</Empty>
        : <DataGrid label="Rules" columns={columns} rows={rows} total={total} rowKey={(r) => r.id} height={38} onOpen={(r) => go(`/rules/${r.id}`)} sort={sort} order={order} onSort={(s, o) => setUrl({ sort: s === 'name' ? undefined : s, order: o === 'asc' ? undefined : o })} more={list.hasNextPage} onEnd={end} />}
    </div>
  );
}
