// The versions of a workflow: who saved them, how they did, what differs from the text now; restoring makes a new version.
import { Button } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { IconHistory } from '@tabler/icons-react';
import { Suspense, useState } from 'react';
import { api, seg } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Workflow, WorkflowVersion } from '../../api/types';
import { Moment } from '../../kit/bits';
import { count, share, visible } from '../../kit/format';
import { useCan } from '../../kit/me';
import { Empty, Loaded } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { lazily } from '../../kit/lazily';

const Diff = lazily(() => import('../../kit/Diff'));

export function Versions({ w, text, dirty, onRestored }: { w: Workflow; text: string; dirty: boolean; onRestored: (yaml: string) => void }) {
  const [url, setUrl] = useUrl();
  const write = useCan()('workflows:write');
  const [busy, setBusy] = useState(false);
  const list = useQuery({ queryKey: ['workflows', 'versions', w.id], queryFn: async ({ signal }) => (await api<{ versions: WorkflowVersion[] }>(`/api/workflows/workflow/${seg(w.id)}/versions`, { signal })).versions });
  const all = list.data ?? [];
  const shown = all.find((v) => String(v.version) === url.version) ?? all.find((v) => !v.current) ?? all[0];
  const one = useQuery({ queryKey: ['workflows', 'version', w.id, shown?.version], enabled: shown !== undefined, staleTime: 600_000, queryFn: ({ signal }) => api<{ version: number; yaml: string }>(`/api/workflows/workflow/${seg(w.id)}/versions/${shown!.version}`, { signal }) });
  const restore = (v: WorkflowVersion): void => {
    modals.openConfirmModal({
      title: `Restore version ${v.version}?`, children: <p>Its text becomes version {(w.version ?? 0) + 1}. Nothing is lost: the version of now stays in this list.{dirty ? ' What you have written and not saved goes away.' : ''} Runs that go on keep the version they started with.</p>, labels: { confirm: `Restore version ${v.version}`, cancel: 'Leave it' }, confirmProps: { variant: 'filled' },
      onConfirm: () => {
        setBusy(true);
        void api<Workflow>(`/api/workflows/workflow/${seg(w.id)}/versions/${v.version}/restore`, { method: 'POST', body: {} }).then(
          (r) => { onRestored(r.yaml ?? one.data?.yaml ?? text); toast(`Version ${v.version} restored`); setUrl({ version: undefined }); },
          (e: unknown) => toastError('Not restored', e),
        ).finally(() => { setBusy(false); void queryClient.invalidateQueries({ queryKey: ['workflows'] }); });
      },
    });
  };
  return (
    <div className="versions">
      <nav className="version-list" aria-label="Versions">
        <Loaded query={list} what="The versions" rows={6} height={52}>{(vs) => (vs.length === 0 ? <Empty title="No version yet" /> : vs.map((v) => (
          <button key={v.version} type="button" className="appr-item" style={{ width: '100%', border: 0, borderBottom: '1px solid var(--line)', textAlign: 'left', background: v === shown ? 'var(--beam-bg)' : 'none', cursor: 'pointer' }} aria-current={v === shown || undefined} onClick={() => setUrl({ version: String(v.version) })}>
            <div className="row"><b className="num">v{v.version}</b>{v.current && <span className="chip ok">now</span>}{!v.valid && <span className="chip crit">with errors</span>}<span className="right small ink3"><Moment at={v.at} /></span></div>
            <div className="row small ink2"><span className="cut grow">{visible(v.by)}</span><span className="num">{v.executions > 0 ? `${count(v.executions)} runs, ${share(v.executions - v.failed, v.executions)}` : 'never ran'}</span></div>
          </button>
        )))}</Loaded>
      </nav>
      <section className="version-diff" aria-label="What differs">
        {shown && <div className="row" style={{ padding: '8px 16px', borderBottom: '1px solid var(--line)' }}><IconHistory size={15} stroke={1.7} aria-hidden /><b>v{shown.version}</b><span className="small ink2">left, beside {dirty ? 'what you are writing' : `v${w.version ?? ''}, the text of now`}</span>{write && !shown.current && <Button className="right" variant="filled" disabled={busy || !one.data} onClick={() => restore(shown)}>Restore v{shown.version}</Button>}</div>}
        {shown && <Loaded query={one} what="This version" rows={12} height={20}>{(o) => (o.yaml === text ? <Empty title="No difference">The text of now is that of v{shown.version}.</Empty> : <Suspense fallback={null}><Diff a={o.yaml} b={text} labelA={`Version ${shown.version}`} labelB="Now" /></Suspense>)}</Loaded>}
      </section>
    </div>
  );
}
