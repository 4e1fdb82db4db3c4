// The alert under the cursor, beside the queue.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconArrowsMaximize } from '@tabler/icons-react';
import { q } from '../../api/queries';
import type { AlertRow, QueueGroup } from '../../api/types';
import { Age, Effect, Kbd, Moment, Outside, Severity, StateIcon, useDebounced } from '../../kit/bits';
import { count, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { Lanes } from '../../kit/Lanes';
import { useRelated } from '../../kit/related';

export function Preview({ row, group, onAccept, onClose, onEscalate, onReopen, writable }: { row: AlertRow; group: QueueGroup | null; onAccept: () => void; onClose: () => void; onEscalate: () => void; onReopen: () => void; writable: boolean }) {
  const go = useGo();
  const settled = useDebounced(row.id, 80) === row.id;
  const runs = useQuery({ ...q.executions({ alertId: row.id, size: 5 }), enabled: settled && row.executions > 0 });
  const near = useRelated(settled ? row : undefined);
  const others = near ? near.alerts.filter((a) => !a.main).length : 0;
  return (
    <>
      <div className="scroll">
        <section>
          <div className="row"><Severity severity={row.severity} /><span className="chip outline">{row.status === 'open' ? 'Open' : row.status === 'closed' ? 'Closed' : 'Accepted'}</span><span className="small ink2 nowrap"><Moment at={row.time} /> · <Age at={row.start} /></span><Button variant="default" size="xs" px={6} className="right" aria-label="Open the page of this alert" title="Open, Enter" onClick={() => go(`/alerts/${row.id}`)}><IconArrowsMaximize size={14} stroke={1.7} /></Button></div>
          <h2 style={{ fontSize: 15, lineHeight: '22px', fontWeight: 600, margin: '8px 0 4px' }}>{visible(row.rule.name)}</h2>
          <div className="small ink2"><Outside text={row.reason} /></div>
          {group && <div className="small" style={{ marginTop: 8 }}>A key acts on all <b>{count(group.count)}</b> of {visible(group.name)} that are loaded.</div>}
        </section>
        <section>
          <dl className="facts">
            <dt>Risk score</dt><dd className="num">{row.risk_score} <span className="ink3 mono">kibana.alert.risk_score</span></dd>
            {row.host && <><dt>Host</dt><dd className="mono">{visible(row.host)}</dd></>}
            {row.user && <><dt>User</dt><dd className="mono">{visible(row.user)}</dd></>}
            {row.source && <><dt>Source</dt><dd className="mono">{visible(row.source)}</dd></>}
            {row.case && <><dt>Case</dt><dd><Go to={`/cases/${row.case.id}`}>{row.case.number ? `${row.case.number} ` : ''}{visible(row.case.title)}</Go></dd></>}
            {row.close_reason && <><dt>Closed as</dt><dd>{row.close_reason.replaceAll('_', ' ')}</dd></>}
          </dl>
        </section>
        {row.executions > 0 && (
          <section>
            <div className="row" style={{ marginBottom: 6 }}><b>Started by this alert</b><span className="right ink3 small">{plural(row.executions, 'execution')}</span></div>
            {(runs.data?.results ?? []).map((e) => <div key={e.id} className="row" style={{ minHeight: 26 }}><StateIcon status={e.status} size={14} /><Go to={`/executions/${e.id}`} className="cut">{visible(e.workflowName)}</Go><Effect effect={e.watchfire.effect} /><span className="right small ink3"><Age at={e.startedAt} /></span></div>)}
            {row.execution?.approval && <Button fullWidth mt={6} onClick={() => go(`/approvals/${row.execution!.approval}`)} rightSection={<Kbd>P</Kbd>}>Open the approval</Button>}
          </section>
        )}
        {near && others > 0 && (
          <section>
            <div className="row" style={{ marginBottom: 6 }}><b>Ten minutes either side</b><span className="right small ink3">{others} related</span></div>
            <Lanes alerts={near.alerts} from={near.from} to={near.to} onOpen={(id) => go(`/alerts/${id}`)} />
          </section>
        )}
      </div>
      <div className="bar">
        {!writable ? <span className="small ink2">Deciding needs <code>alerts:write</code></span> : row.status === 'closed' ? <Button onClick={onReopen} rightSection={<Kbd>O</Kbd>}>Reopen</Button> : (
          <>
            {row.case ? <Button variant="filled" className="grow" style={{ flex: 1 }} onClick={() => go(`/cases/${row.case!.id}`)}>Open case {row.case.number ?? ''}</Button> : <Button variant="filled" style={{ flex: 1 }} onClick={onEscalate} rightSection={<Kbd>E</Kbd>}>Open a case</Button>}
            {row.status === 'open' && <Button onClick={onAccept} rightSection={<Kbd>A</Kbd>}>Accept</Button>}<Button onClick={onClose} rightSection={<Kbd>C</Kbd>}>Close</Button>
          </>
        )}
      </div>
    </>
  );
}
