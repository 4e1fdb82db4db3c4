// Workflows: state, how each starts, its highest effect, how it did in the last day.
import { Button, Switch, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconSearch } from '@tabler/icons-react';
import { useMemo, useRef } from 'react';
import { api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Workflow } from '../../api/types';
import { Age, Effect, StateIcon } from '../../kit/bits';
import { DataGrid, type Column } from '../../kit/DataGrid';
import { count, duration, share, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan } from '../../kit/me';
import { Empty, Loaded } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';

export async function setEnabled(w: Workflow, enabled: boolean): Promise<void> {
  try {
    await api(`/api/workflows/workflow/${seg(w.id)}`, { method: 'PUT', body: { enabled } });
    const rules = w.watchfire?.used_by_rules ?? 0;
    toast(`${w.name} ${enabled ? 'enabled' : 'disabled'}${!enabled && rules > 0 ? `; ${rules} ${rules === 1 ? 'rule starts' : 'rules start'} nothing now` : ''}`, () => void setEnabled(w, !enabled));
  } catch (e) {
    toastError('Not changed', e);
  }
  void queryClient.invalidateQueries({ queryKey: ['workflows'] });
}

const VIEWS = [['', 'All'], ['true', 'Enabled'], ['false', 'Disabled']] as const;

export function WorkflowList() {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const can = useCan();
  const write = can('workflows:write');
  const list = useQuery(q.workflows());
  const filter = useRef<HTMLInputElement>(null);
  useKeys('Workflows', [{ key: '/', label: 'Filter', run: () => filter.current?.focus() }]);
  const columns = useMemo((): Column<Workflow>[] => [
    { id: 'enabled', label: '', width: '44px', render: (w) => <Switch size="xs" checked={w.enabled} disabled={!write || (!w.valid && !w.enabled)} aria-label={`${w.name} enabled`} onChange={(e) => void setEnabled(w, e.currentTarget.checked)} /> },
    { id: 'name', label: 'Name', width: 'minmax(200px, 2fr)', render: (w) => <div><div className="name cut">{visible(w.name)} {!w.valid && <span className="chip crit">does not validate</span>}</div><div className="tiny ink2 cut">{visible(w.description ?? '')}</div></div> },
    { id: 'triggers', label: 'Starts by', width: '110px', hide: true, render: (w) => <span className="small cut">{w.watchfire?.triggers.join(', ') || '–'}</span> },
    { id: 'effect', label: 'Highest effect', width: '110px', render: (w) => (w.watchfire ? <Effect effect={w.watchfire.effect} /> : null) },
    { id: 'approvals', label: 'Asks', width: '64px', hide: true, render: (w) => (w.watchfire?.approvals ? <span className="chip wait">{w.watchfire.approvals === 1 ? 'once' : `${w.watchfire.approvals}×`}</span> : <span className="ink3">–</span>) },
    { id: 'runs', label: 'Runs 24 h', width: '72px', right: true, hide: true, render: (w) => <span className="num">{w.watchfire ? <Go to="/executions" search={{ workflow: w.id }} style={{ color: 'var(--ink)' }}>{count(w.watchfire.runs_24h)}</Go> : '–'}</span> },
    { id: 'success', label: 'Success', width: '66px', right: true, hide: true, render: (w) => <span className={`num ${w.watchfire && w.watchfire.failed_24h > 0 ? 't-crit' : ''}`}>{w.watchfire ? share(w.watchfire.runs_24h - w.watchfire.failed_24h, w.watchfire.runs_24h) : '–'}</span> },
    { id: 'p95', label: 'p95', width: '76px', right: true, hide: true, render: (w) => <span className="num">{duration(w.watchfire?.p95_ms)}</span> },
    { id: 'used', label: 'Used by', width: '72px', right: true, hide: true, render: (w) => <span className="num small">{w.watchfire?.used_by_rules ? `${w.watchfire.used_by_rules} ${w.watchfire.used_by_rules === 1 ? 'rule' : 'rules'}` : '–'}</span> },
    { id: 'last', label: 'Last run', width: '92px', right: true, render: (w) => (w.watchfire?.last_execution ? <span className="row" style={{ gap: 6, justifyContent: 'flex-end' }}><StateIcon status={w.watchfire.last_execution.status} size={13} /><Age at={w.watchfire.last_execution.startedAt} /></span> : <span className="ink3">–</span>) },
  ], [write]);
  return (
    <div className="page">
      <PageHead title="Workflows" actions={<><Button onClick={() => go('/workflows/gallery')}>Gallery</Button>{write && <Button variant="filled" onClick={() => go('/workflows/new')}>New workflow</Button>}</>}>
        <div className="tabs" role="tablist" aria-label="Views">{VIEWS.map(([v, l]) => <button key={l} type="button" role="tab" className="tab" aria-selected={(url.enabled ?? '') === v} onClick={() => setUrl({ enabled: v || undefined })}>{l} <span className="n">{list.data ? count(list.data.results.filter((w) => v === '' || String(w.enabled) === v).length) : ''}</span></button>)}</div>
      </PageHead>
      <div className="filter-bar"><TextInput ref={filter} className="grow" leftSection={<IconSearch size={14} stroke={1.7} />} placeholder="Name, description, trigger" aria-label="Filter workflows" value={url.q ?? ''} onChange={(e) => setUrl({ q: e.currentTarget.value })} /></div>
      <Loaded query={list} what="The list of workflows">{(d) => {
        const n = (url.q ?? '').toLowerCase();
        const rows = d.results.filter((w) => (!url.enabled || String(w.enabled) === url.enabled) && (!n || `${w.name} ${w.description ?? ''} ${w.watchfire?.triggers.join(' ') ?? ''}`.toLowerCase().includes(n)));
        return rows.length === 0 ? <Empty title={d.results.length ? 'No workflow matches' : 'No workflow yet'} action={!d.results.length && write ? <><Button variant="filled" onClick={() => go('/workflows/gallery')}>Take a template</Button><Button onClick={() => go('/workflows/new')}>Write the first one</Button></> : undefined}>{d.results.length ? 'Others stand outside of the filter.' : 'A workflow is YAML: triggers, then steps. The editor checks it while you write.'}</Empty>
          : <DataGrid label="Workflows" columns={columns} rows={rows} total={rows.length} rowKey={(w) => w.id} height={46} onOpen={(w) => go(`/workflows/${w.id}`)} />;
      }}</Loaded>
    </div>
  );
}
