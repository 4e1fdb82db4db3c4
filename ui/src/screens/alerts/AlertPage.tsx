// One alert: what it says, what is near it, the whole document, what it started; decide.
import { Button, TextInput } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { IconCopy, IconDeviceDesktop, IconFile, IconFilter, IconNetwork, IconSearch, IconUser } from '@tabler/icons-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { q } from '../../api/queries';
import type { AlertRow } from '../../api/types';
import { AlertDialogs, decide, type Ask } from '../../kit/alert-actions';
import { Age, Avatar, copy, Effect, Kbd, Moment, Outside, personName, Risk, Severity, StateIcon, stateWord } from '../../kit/bits';
import { first, flatten, text, type Doc } from '../../kit/doc';
import { count, duration, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { Json } from '../../kit/Json';
import { useKeys } from '../../kit/keys';
import { Lanes } from '../../kit/Lanes';
import { useCan, useFeature, useMe } from '../../kit/me';
import { useRelated } from '../../kit/related';
import { Loaded } from '../../kit/states';
import { useUrl } from '../../kit/url';
import { setPageActions } from '../../shell/palette-store';
import { PageHead } from '../../shell/Shell';

export function AlertPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const alert = useQuery(q.alert(id));
  return (
    <div className="page">
      {alert.data ? <Body key={id} row={alert.data.row} source={alert.data.source} /> : <><PageHead title="Alert" detail crumbs={[{ to: '/alerts', label: 'Alerts' }]} /><Loaded query={alert} what="This alert">{() => null}</Loaded></>}
    </div>
  );
}

function Body({ row, source }: { row: AlertRow; source: Doc }) {
  const go = useGo();
  const me = useMe();
  const can = useCan();
  const write = can('alerts:write');
  const people = useQuery(q.people()).data;
  const runs = useQuery(q.executions({ alertId: row.id, size: 20 }));
  const rule = useQuery({ ...q.rule(row.rule.id), enabled: can('rules:read') });
  const hasHistory = useFeature('alert_history');
  const history = useQuery({ ...q.alertHistory(row.id), enabled: hasHistory });
  const near = useRelated(row);
  const lanes = useElementSize();
  const [ask, setAsk] = useState<Ask>(null);
  const filter = useRef<HTMLInputElement>(null);
  const accept = (): void => void decide([row], { kind: 'acknowledge', ...(me ? { assignee: me.user.uid } : {}) });
  const approval = row.execution?.approval;
  const open = (kind: NonNullable<Ask>['kind']) => (): void => setAsk({ kind, rows: [row] });
  useKeys('Alert', [
    ...(write ? [{ key: 'a', label: 'Accept', run: accept }, { key: 'c', label: 'Close…', run: open('close') }, { key: 'o', label: 'Reopen', run: () => void decide([row], { kind: 'reopen' }) }, { key: 'i', label: 'Assign…', run: open('assign') }, { key: 'e', label: row.case ? 'Open its case' : 'Escalate to a case…', run: () => (row.case ? go(`/cases/${row.case.id}`) : setAsk({ kind: 'escalate', rows: [row] })) }] : []),
    ...(can('workflows:execute') ? [{ key: 'w', label: 'Run a workflow…', run: open('run') }] : []),
    ...(approval ? [{ key: 'p', label: 'Open the approval', run: () => go(`/approvals/${approval}`) }] : []),
    { key: '/', label: 'Filter fields', run: () => filter.current?.focus() },
    { key: 'Escape', label: 'Back to the queue', run: () => go('/alerts') },
  ]);
  useEffect(() => {
    setPageActions([...(write ? [{ id: 'a', label: 'Accept this alert', key: 'A', run: accept }, { id: 'c', label: 'Close this alert…', key: 'C', run: open('close') }] : []), ...(can('workflows:execute') ? [{ id: 'w', label: 'Run a workflow on this alert…', key: 'W', run: open('run') }] : [])]);
    return () => setPageActions([]);
  });
  const original = first(source, 'kibana.alert.original_time');
  const lag = original ? new Date(row.start).getTime() - new Date(original).getTime() : null;
  const others = near?.alerts.filter((a) => !a.main) ?? [];
  const entities: [typeof IconUser, string | null, string][] = [
    [IconDeviceDesktop, first(source, 'host.name') ?? row.host, [first(source, 'host.os.name') ?? first(source, 'host.os.type'), text(first(source, 'host.ip') ?? undefined)].filter((x) => x && x !== '–').join(' · ') || 'host'],
    [IconUser, first(source, 'user.name') ?? row.user, [first(source, 'user.full_name'), first(source, 'user.domain')].filter(Boolean).join(' · ') || 'user'],
    [IconNetwork, first(source, 'source.ip') ?? row.source, 'source address'], [IconNetwork, first(source, 'destination.ip'), 'destination address'],
    [IconFile, first(source, 'process.name'), visible(first(source, 'process.command_line') ?? 'process')], [IconFile, first(source, 'file.path'), 'file'],
  ];
  const closed = row.status === 'closed';
  return (
    <>
      <PageHead title={visible(row.rule.name)} detail crumbs={[{ to: '/alerts', label: 'Alerts' }]} actions={
        <>
          {can('workflows:execute') && <Button className="desk" onClick={open('run')} rightSection={<Kbd>W</Kbd>}>Run workflow</Button>}
          {write && (closed ? <Button onClick={() => void decide([row], { kind: 'reopen' })} rightSection={<Kbd>O</Kbd>}>Reopen</Button> : <><Button onClick={open('close')} rightSection={<Kbd>C</Kbd>}>Close</Button>{row.status === 'open' && <Button onClick={accept} rightSection={<Kbd>A</Kbd>}>Accept</Button>}</>)}
          {row.case ? <Button variant="filled" onClick={() => go(`/cases/${row.case!.id}`)} rightSection={<Kbd>E</Kbd>}>Open case {row.case.number ?? ''}</Button> : write && !closed && <Button variant="filled" onClick={open('escalate')} rightSection={<Kbd>E</Kbd>}>Open a case</Button>}
        </>
      } />
      <div className="scroll">
        <div style={{ padding: '16px 16px 0' }}>
          <div className="row top" style={{ gap: 12 }}>
            <Risk value={row.risk_score} big />
            <div className="grow">
              <div style={{ fontSize: 18, lineHeight: '26px', fontWeight: 600 }}>{visible(row.rule.name)}</div>
              <div className="row wrap small ink2" style={{ gap: '4px 14px' }}>
                <Severity severity={row.severity} />
                <span>{row.status === 'open' ? 'Open' : closed ? `Closed${row.close_reason ? ` as ${row.close_reason.replaceAll('_', ' ')}` : ''}` : 'Accepted'}, {row.assignees[0] ? <>assigned to {personName(row.assignees[0], people)}</> : 'unassigned'}</span>
                <span><Moment at={row.time} /> · <Age at={row.start} /></span>
                {lag !== null && lag >= 0 && <span title={`event ${original}, alert ${row.start}`}>raised {duration(lag)} after the event</span>}
                <span>risk score {row.risk_score} <span className="mono ink3">kibana.alert.risk_score</span></span>
              </div>
            </div>
          </div>
          <p style={{ margin: '10px 0 0', maxWidth: 900, overflowWrap: 'anywhere' }}><Outside text={first(source, 'kibana.alert.reason') ?? row.reason} /></p>
        </div>
        <div className="alert-body">
          <div className="col" style={{ gap: 16 }}>
            {near && others.length > 0 && (
              <section className="panel">
                <header><h2>Related alerts</h2><span className="right small ink3">10 minutes either side, {count(others.length)} with a shared entity</span></header>
                <div className="body"><div ref={lanes.ref}><Lanes alerts={near.alerts} from={near.from} to={near.to} width={Math.max(280, Math.round(lanes.width || 820))} axis onOpen={(x) => go(`/alerts/${x}`)} /></div>
                  <ul style={{ marginTop: 8 }}>{others.slice(0, 8).map((a) => <li key={a.id} className="row small" style={{ minHeight: 24 }}><Moment at={new Date(a.at).toISOString()} /><Go to={`/alerts/${a.id}`} className="cut">{visible(a.title)}</Go><span className="mono ink3 cut">{visible(a.entities.join(', '))}</span></li>)}</ul></div>
              </section>
            )}
            <Document source={source} filterRef={filter} />
          </div>
          <div className="col" style={{ gap: 16 }}>
            <section className="panel">
              <header><h2>Entities</h2></header>
              {entities.filter((e) => e[1]).map(([I, value, what], i) => <div key={i} className="row top" style={{ padding: '8px 12px', borderTop: i ? '1px solid var(--line)' : undefined }}><I size={15} stroke={1.7} className="ink2" aria-hidden style={{ marginTop: 2 }} /><div className="grow"><div className="mono strong" style={{ overflowWrap: 'anywhere' }}>{visible(value!)}</div><div className="small ink2" style={{ overflowWrap: 'anywhere' }}>{what.length > 160 ? `${what.slice(0, 160)}…` : what}</div></div></div>)}
            </section>
            <section className="panel">
              <header><h2>Executions started</h2>{can('workflows:execute') && <Button size="xs" className="right" onClick={open('run')}>Run…</Button>}</header>
              <div className="body">
                {(runs.data?.results ?? []).map((e) => (
                  <div key={e.id} style={{ marginBottom: 8 }}>
                    <div className="row"><StateIcon status={e.status} /><Go to={`/executions/${e.id}`} className="cut">{visible(e.workflowName)}</Go><span className="right"><Effect effect={e.watchfire.effect} /></span></div>
                    <div className="small ink2">{stateWord(e.status)} · <Moment at={e.startedAt} />{e.duration !== null ? <> · {duration(e.duration)}</> : ''}</div>
                    {e.watchfire.approval && <Button fullWidth mt={4} onClick={() => go(`/approvals/${e.watchfire.approval}`)} rightSection={<Kbd>P</Kbd>}>Open the approval</Button>}
                  </div>
                ))}
                {runs.data?.results.length === 0 && <span className="small ink3">None. Its rule starts no workflow.</span>}
              </div>
            </section>
            {rule.data && (
              <section className="panel">
                <header><h2>Rule</h2><Go to={`/rules/${row.rule.id}`} className="right small">Open</Go></header>
                <div className="body">
                  <dl className="facts"><dt>Name</dt><dd>{visible(rule.data.name)}</dd><dt>Type</dt><dd>{rule.data.type === 'eql' ? 'EQL event' : rule.data.type}</dd>{rule.data.threat?.[0] && <><dt>ATT&amp;CK</dt><dd>{rule.data.threat.flatMap((t) => t.technique ?? []).map((t) => `${t.id} ${t.name}`).join(', ')}</dd></>}</dl>
                  {rule.data.query && <pre className="code" style={{ marginTop: 8 }} tabIndex={0}>{visible(rule.data.query)}</pre>}
                </div>
              </section>
            )}
            {history.data && (
              <section className="panel">
                <header><h2>History</h2></header>
                <ul className="body small">{history.data.entries.map((e, i) => <li key={i} className="row top" style={{ minHeight: 24 }}><span className="ink3 nowrap"><Moment at={e.at} /></span><span className="grow" style={{ overflowWrap: 'anywhere' }}>{visible(e.text)}{e.case ? <> <Go to={`/cases/${e.case.id}`}>{e.case.number ?? visible(e.case.title)}</Go></> : null}{e.execution ? <> <Go to={`/executions/${e.execution.id}`}>open</Go></> : null}{e.by?.kind === 'person' ? ` by ${e.by.name}` : ''}</span></li>)}</ul>
              </section>
            )}
            {row.assignees.length > 0 && <section className="panel"><header><h2>Assigned to</h2></header><div className="body row"><Avatar name={personName(row.assignees[0]!, people)} />{personName(row.assignees[0]!, people)}</div></section>}
          </div>
        </div>
      </div>
      <AlertDialogs ask={ask} onClose={() => setAsk(null)} onDone={() => {}} go={go} />
    </>
  );
}

const SHOW = 200;
function Document({ source, filterRef }: { source: Doc; filterRef: React.RefObject<HTMLInputElement | null> }) {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const [want, setWant] = useState(url.field ?? '');
  const [all, setAll] = useState(false);
  const fields = useMemo(() => flatten(source), [source]);
  const hits = fields.filter((f) => !want || f.key.includes(want) || f.value.toLowerCase().includes(want.toLowerCase()));
  const event = hits.filter((f) => !/^(kibana|watchfire)\./.test(f.key));
  const ours = hits.filter((f) => /^(kibana|watchfire)\./.test(f.key));
  const tab = url.tab === 'json' ? 'json' : 'fields';
  const line = (f: { key: string; value: string }) => (
    <div key={f.key} className="field-row">
      <span className="k">{visible(f.key)}</span><span className="v"><Outside text={f.value} className="" /></span>
      <span className="nowrap"><button type="button" aria-label={`show alerts with this ${f.key}`} title="Filter by this value" onClick={() => go('/alerts', { view: 'all', q: `${f.key}: "${f.value.replace(/["\\]/g, '\\$&')}"` })}><IconFilter size={13} stroke={1.7} /></button><button type="button" aria-label={`copy ${f.key}`} title="Copy" onClick={() => void copy(f.value)}><IconCopy size={13} stroke={1.7} /></button></span>
    </div>
  );
  return (
    <section className="panel">
      <header>
        <h2>Document</h2>
        <div className="tabs" role="tablist" aria-label="Document as"><button type="button" role="tab" className="tab" aria-selected={tab === 'fields'} onClick={() => setUrl({ tab: undefined })}>Fields <span className="n">{fields.length}</span></button><button type="button" role="tab" className="tab" aria-selected={tab === 'json'} onClick={() => setUrl({ tab: 'json' })}>JSON</button></div>
        {tab === 'fields' && <TextInput ref={filterRef} className="right desk" w={170} leftSection={<IconSearch size={13} stroke={1.7} />} placeholder="Filter fields" aria-label="Filter fields" value={want} onChange={(e) => setWant(e.currentTarget.value)} onBlur={() => setUrl({ field: want || undefined })} />}
        <Button size="xs" className={tab === 'json' ? 'right' : ''} leftSection={<IconCopy size={13} stroke={1.7} />} onClick={() => void copy(JSON.stringify(source, null, 2))}>Copy</Button>
      </header>
      {tab === 'json' ? <div className="body"><Json value={source} /></div> : (
        <div style={{ padding: '4px 0' }}>
          {(all ? event : event.slice(0, SHOW)).map(line)}
          {ours.length > 0 && <div className="tiny ink3" style={{ padding: '8px 12px 2px' }}>Written by the alert</div>}
          {(all ? ours : ours.slice(0, SHOW)).map(line)}
          {hits.length === 0 && <div className="small ink3 pad">No field matches.</div>}
          {!all && hits.length > 2 * SHOW && <button type="button" className="link-button small pad" onClick={() => setAll(true)}>Show all {hits.length} fields</button>}
        </div>
      )}
    </section>
  );
}
