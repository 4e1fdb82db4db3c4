// Executions over all workflows, newest first.
import { Button, Switch } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { IconX } from '@tabler/icons-react';
import { useCallback } from 'react';
import { api, qs } from '../../api/client';
import type { ExecutionItem, ExecutionList as List, Status } from '../../api/types';
import { Age, Effect, StateChip } from '../../kit/bits';
import { DataGrid, type Column } from '../../kit/DataGrid';
import { count, duration, shortId, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { Empty, ErrorState, Loading } from '../../kit/states';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';

const VIEWS: [string, string, Status[]][] = [['all', 'All', []], ['active', 'Running', ['queued', 'pending', 'running', 'waiting', 'waiting_for_child']], ['waiting', 'Waiting for a person', ['waiting_for_input']], ['failed', 'Failed', ['failed', 'timed_out']]];
const SIZE = 200;

function Split({ e }: { e: ExecutionItem }) {
  const w = e.watchfire;
  const sum = Math.max(1, w.queue_ms + w.run_ms + w.wait_ms);
  return <span className="row" style={{ gap: 8 }}><span className="num nowrap" style={{ width: 62, textAlign: 'right' }}>{duration(e.duration ?? w.queue_ms + w.run_ms + w.wait_ms)}</span><span aria-hidden style={{ display: 'flex', width: 80, height: 8, borderRadius: 2, overflow: 'hidden', background: 'var(--mute-bg)' }} title={`queue ${duration(w.queue_ms)}, run ${duration(w.run_ms)}, waits ${duration(w.wait_ms)}`}><i style={{ width: `${(w.queue_ms / sum) * 100}%`, background: 'var(--ctl)' }} /><i style={{ width: `${(w.run_ms / sum) * 100}%`, background: 'var(--beam-solid)' }} /><i style={{ width: `${(w.wait_ms / sum) * 100}%`, background: 'var(--wait-solid)' }} /></span></span>;
}

const COLUMNS: Column<ExecutionItem>[] = [
  { id: 'state', label: 'State', width: '136px', render: (e) => <StateChip status={e.status} /> },
  { id: 'workflow', label: 'Workflow', width: 'minmax(160px, 1.2fr)', render: (e) => <div className="cut"><span className="name">{visible(e.workflowName)}</span> <span className="mono ink3">{shortId(e.id)}</span>{e.watchfire.dry_run ? <span className="chip outline" style={{ marginLeft: 6 }}>without effect</span> : e.isTestRun ? <span className="chip outline" style={{ marginLeft: 6 }}>test</span> : null}</div> },
  { id: 'cause', label: 'Started by', width: 'minmax(120px, 1fr)', hide: true, render: (e) => <div className="cut small"><span className="ink3">{e.triggeredBy}</span> {visible(e.watchfire.cause ?? '')}</div> },
  { id: 'effect', label: 'Effect', width: '104px', hide: true, render: (e) => <Effect effect={e.watchfire.effect} /> },
  { id: 'took', label: 'Queue, run, waits', width: '160px', hide: true, render: (e) => <Split e={e} /> },
  { id: 'error', label: 'Error or case', width: 'minmax(120px, 1.2fr)', hide: true, render: (e) => (e.error ? <div className="cut small t-crit">{visible(e.error.message)}</div> : e.watchfire.case ? <div className="cut small"><Go to={`/cases/${e.watchfire.case.id}`}>{e.watchfire.case.number ? `case ${e.watchfire.case.number}` : visible(e.watchfire.case.title)}</Go></div> : null) },
  { id: 'started', label: 'Started', width: '76px', right: true, render: (e) => <Age at={e.startedAt} /> },
];

export function ExecutionList() {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const view = VIEWS.find((v) => v[0] === (url.view ?? 'all')) ?? VIEWS[0]!;
  const p = { statuses: view[2], workflowId: url.workflow, alertId: url.alert, caseId: url.case, ruleId: url.rule, size: SIZE, executionTypes: url.tests === 'true' ? undefined : 'production' };
  const list = useInfiniteQuery({
    queryKey: ['executions', 'list', p],
    queryFn: ({ pageParam, signal }) => api<List>(`/api/workflows/executions${qs({ ...p, page: pageParam })}`, { signal }),
    initialPageParam: 1,
    getNextPageParam: (l: List) => (l.page * l.size < l.total ? l.page + 1 : undefined),
    placeholderData: (x) => x,
  });
  const head = list.data?.pages[0];
  const rows = list.data?.pages.flatMap((x) => x.results) ?? [];
  const fetchNextPage = list.fetchNextPage;
  const busy = list.isFetchingNextPage;
  const end = useCallback(() => { if (!busy) void fetchNextPage(); }, [busy, fetchNextPage]);
  const narrowed = url.workflow ?? url.alert ?? url.case ?? url.rule;
  return (
    <div className="page">
      <PageHead title="Executions" actions={<Switch size="xs" label="Tests too" checked={url.tests === 'true'} onChange={(e) => setUrl({ tests: e.currentTarget.checked ? 'true' : undefined })} />}>
        <div className="tabs" role="tablist" aria-label="Views">{VIEWS.map(([id, label]) => <button key={id} type="button" role="tab" className="tab" aria-selected={view[0] === id} onClick={() => setUrl({ view: id === 'all' ? undefined : id })}>{label} <span className="n">{head ? count(head.counts[id as keyof List['counts']]) : ''}</span></button>)}</div>
      </PageHead>
      {narrowed && <div className="filter-bar small"><span className="ink2">Only those of {url.workflow ? 'workflow' : url.alert ? 'alert' : url.case ? 'case' : 'rule'} <span className="mono">{shortId(narrowed)}</span></span><Button size="xs" leftSection={<IconX size={13} stroke={1.7} />} onClick={() => setUrl({ workflow: undefined, alert: undefined, case: undefined, rule: undefined })}>Show all</Button></div>}
      {!list.data ? (list.error ? <ErrorState what="The list of executions" error={list.error} retry={() => void list.refetch()} failures={list.failureCount} /> : <Loading rows={14} height={36} />) : rows.length === 0
        ? <Empty title={view[0] === 'all' ? 'No execution yet' : 'Nothing here'}>{view[0] === 'all' ? 'An execution stands here for each run of a workflow: started by a rule, by a person or by the API.' : 'No execution is in this state.'}</Empty>
        : <DataGrid label="Executions" columns={COLUMNS} rows={rows} total={head!.total} rowKey={(e) => e.id} height={36} onOpen={(e) => go(`/executions/${e.id}`)} more={list.hasNextPage} onEnd={end} />}
    </div>
  );
}
