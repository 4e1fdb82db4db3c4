// One run: when each step ran, with input, output, error and tries; what it did to the world; what happens next.
import { Button, Menu, Modal } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useElementSize } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { IconChevronDown, IconChevronRight, IconCircleDashed, IconFlask, IconPlayerPause, IconPlayerPlay, IconPlayerStop, IconRotateClockwise } from '@tabler/icons-react';
import { useMemo, useState, type CSSProperties } from 'react';
import { api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Effect as EffectClass, Execution, StepExecution, Validation } from '../../api/types';
import { copy, Effect, isTerminal, Kbd, Moment, Outside, ShortId, StateChip, StateIcon, stateWord, useNow } from '../../kit/bits';
import { bytes, duration, moment, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { Json } from '../../kit/Json';
import { useKeys } from '../../kit/keys';
import { useCan, useFeature } from '../../kit/me';
import { Loaded } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { axis, changes, rowsOf, scopesOf, strokes, visibleRows, type Axis, type Row } from '../../kit/waterfall';
import { PageHead } from '../../shell/Shell';
import { setPaused, useStream } from '../../stream/stream';
import { UndoCell } from './Undo';

export function ExecutionPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const one = useQuery(q.execution(id));
  return <div className="page">{one.data ? <Run key={id} e={one.data} /> : <><PageHead title="Execution" detail crumbs={[{ to: '/executions', label: 'Executions' }]} /><Loaded query={one} what="This execution">{() => null}</Loaded></>}</div>;
}

/** Text that was tried as it stood in an editor: no workflow is stored of it. */
const unsaved = (e: Execution): boolean => e.isTestRun && e.workflowId.startsWith('test-');

/** Key of the row that stands for what started the run. */
const TRIGGER = 'trigger';
const LEGEND: [string, string][] = [['queue', 'queue'], ['run', 'run'], ['failed', 'failed try'], ['backoff', 'back-off'], ['person', 'waits for a person']];

function Run({ e }: { e: Execution }) {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const can = useCan();
  const clock = useNow();
  const paused = useStream().paused;
  const done = isTerminal(e.status);
  const now = done && e.finishedAt ? new Date(e.finishedAt).getTime() : clock;
  const from = new Date(e.createdAt ?? e.startedAt).getTime();
  const graph = useQuery({ queryKey: ['graph', e.id], queryFn: ({ signal }) => api<Validation>('/api/workflows/validate', { body: { yaml: e.yaml, id: e.workflowId }, signal }), enabled: Boolean(e.yaml) && !done, staleTime: Infinity, retry: false });
  const future = useMemo(() => (done ? [] : (graph.data?.graph?.nodes ?? []).filter((n) => !n.id.startsWith('trigger'))), [graph.data, done]);
  const all = useMemo(() => rowsOf(e.stepExecutions, future), [e.stepExecutions, future]);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const rows = visibleRows(all, folded);
  const { ref, width } = useElementSize();
  const trueScale = url.scale === 'true';
  const room = Math.max(120, width - (done ? 8 : 34));
  const points = useMemo(() => changes(e.stepExecutions, now), [e.stepExecutions, now]);
  const ax = useMemo(() => axis(points, from, now, room, !trueScale), [points, from, now, room, trueScale]);
  const failed = e.stepExecutions.find((s) => s.status === 'failed' && s.error);
  const selected = url.step ?? failed?.id ?? all.filter((r) => r.step).at(-1)?.key;
  const at = rows.findIndex((r) => r.key === selected);
  const trigger = selected === TRIGGER;
  const row = rows[at] ?? all.find((r) => r.key === selected);
  const approval = e.watchfire.approval;
  // Above the first step stands what started the run.
  const move = (i: number): void => { const r = rows[Math.max(0, Math.min(rows.length - 1, i))]; if (i < 0 || r) setUrl({ step: i < 0 ? TRIGGER : r!.key, tab: undefined }); };
  const fold = (k: string, on: boolean): void => setFolded((f) => { const n = new Set(f); if (on) n.add(k); else n.delete(k); return n; });
  const cancel = (): void => {
    modals.openConfirmModal({
      title: `Cancel this execution of ${e.workflowName}?`, children: <p>Steps that have not started will not run. What was sent is not taken back; a command that has begun is not stopped.</p>, labels: { confirm: 'Cancel the execution', cancel: 'Let it run' }, confirmProps: { variant: 'filled', color: 'danger' },
      onConfirm: () => void api(`/api/workflows/executions/${seg(e.id)}/cancel`, { method: 'POST' }).then(() => toast('Execution cancelled'), (x: unknown) => toastError('Not cancelled', x)).finally(() => void queryClient.invalidateQueries({ queryKey: ['executions'] })),
    });
  };
  const mayRerun = useFeature('rerun') && can('workflows:execute') && !e.watchfire.dry_run;
  const [again, setAgain] = useState<{ from: StepExecution | null } | null>(null);
  useKeys('Execution', [
    ...(mayRerun && done ? [{ key: 'r', label: 'Rerun…', run: () => setAgain({ from: row?.step ?? null }) }] : []),
    { key: 'j', label: 'Next step', run: () => move(at + 1) }, { key: 'k', label: 'Previous step', run: () => move(at - 1) },
    { key: 'ArrowDown', label: 'Next step', run: () => move(at + 1), hidden: true }, { key: 'ArrowUp', label: 'Previous step', run: () => move(at - 1), hidden: true },
    { key: 'ArrowLeft', label: 'Fold', run: () => row && fold(row.key, true) }, { key: 'ArrowRight', label: 'Unfold', run: () => row && fold(row.key, false) },
    { key: 'o', label: 'Output', run: () => setUrl({ tab: undefined }) }, { key: 'i', label: 'Input', run: () => setUrl({ tab: 'input' }) }, { key: 'a', label: 'Attempts', run: () => setUrl({ tab: 'attempts' }) },
    ...(approval ? [{ key: 'p', label: 'Open the approval', run: () => go(`/approvals/${approval}`) }] : []),
    { key: ' ', label: 'Pause the view', run: () => setPaused(!paused) },
  ]);
  const w = e.watchfire;
  const undoes = useFeature('undo_effects');
  const undos = useQuery({ ...q.undos(e.id), enabled: undoes && !w.dry_run }).data;
  const undo = (s: StepExecution) => undos?.undos.find((u) => u.step_execution === s.id);
  const effects = e.stepExecutions.filter((s) => s.watchfire && ['internal', 'write', 'destructive'].includes(s.watchfire.effect) && s.stepType !== 'waitForApproval');
  const planned = all.filter((r) => r.step === null && ['write', 'destructive'].includes(r.effect));
  return (
    <>
      <PageHead title={visible(e.workflowName)} detail crumbs={[{ to: '/executions', label: 'Executions' }]} chips={<><span className="desk"><ShortId id={e.id} /></span><StateChip status={e.status} />{w.dry_run ? <span className="chip outline"><IconFlask size={13} stroke={1.7} aria-hidden />tried without effect</span> : e.isTestRun ? <span className="chip outline">test</span> : null}</>} actions={
        <>
          {!done && <Button variant="subtle" className="desk" leftSection={paused ? <IconPlayerPlay size={14} stroke={1.7} /> : <IconPlayerPause size={14} stroke={1.7} />} onClick={() => setPaused(!paused)}>{paused ? 'Go on' : 'Pause view'}</Button>}
          {!done && can('executions:cancel') && <Button leftSection={<IconPlayerStop size={14} stroke={1.7} />} onClick={cancel} disabled={e.cancelRequested}>{e.cancelRequested ? 'Cancelling…' : 'Cancel…'}</Button>}
          {mayRerun && done && <Menu><Menu.Target><Button leftSection={<IconRotateClockwise size={14} stroke={1.7} />} rightSection={<IconChevronDown size={14} stroke={1.7} />}>Rerun</Button></Menu.Target><Menu.Dropdown>
            <Menu.Item onClick={() => setAgain({ from: null })}>From the start, same input</Menu.Item>{failed && <Menu.Item onClick={() => setAgain({ from: failed })}>From the failed step {visible(failed.stepId)}</Menu.Item>}{row?.step && row.step !== failed && <Menu.Item rightSection={<Kbd>R</Kbd>} onClick={() => setAgain({ from: row.step })}>From here: {visible(row.step.stepId)}</Menu.Item>}
          </Menu.Dropdown></Menu>}
          {approval && <Button variant="filled" onClick={() => go(`/approvals/${approval}`)} rightSection={<Kbd>P</Kbd>}>Open the approval</Button>}
        </>
      } />
      <div className="fact-bar">
        <span>Started by {w.rule && w.alerts[0] ? <Go to={`/alerts/${w.alerts[0]}`}>{visible(w.rule.name)}</Go> : <b>{w.cause ?? e.triggeredBy}</b>}{w.alerts.length > 1 ? ` and ${w.alerts.length - 1} more` : ''}</span>
        {w.case && <span>Case <Go to={`/cases/${w.case.id}`}>{w.case.number ?? visible(w.case.title)}</Go></span>}
        {unsaved(e) ? <span>Of unsaved text{w.test_of ? <> of <Go to={`/workflows/${w.test_of}`}>{visible(w.test_of)}</Go></> : ''}</span> : <span>Version <Go to={`/workflows/${e.workflowId}`}>{e.version !== null ? `v${e.version}` : 'open'}</Go></span>}
        <span>Started <b><Moment at={e.startedAt} /></b></span><span>Runs as <b>{e.executedBy}</b></span>
        {w.rerun_of && <span>Rerun of <Go to={`/executions/${w.rerun_of}`}>…{w.rerun_of.slice(-6)}</Go></span>}{w.reruns && w.reruns.length > 0 && <span>Rerun as {w.reruns.slice(-3).map((x, i) => <span key={x}>{i ? ', ' : ''}<Go to={`/executions/${x}`}>…{x.slice(-6)}</Go></span>)}</span>}
        {undos?.undo_of && <span>Undoes <code>{visible(undos.undo_of.step)}</code> of <Go to={`/executions/${undos.undo_of.execution}`}>…{undos.undo_of.execution.slice(-6)}</Go></span>}
        <span className="right num">Queue <b>{duration(w.queue_ms)}</b>&ensp; Run <b>{duration(w.run_ms)}</b>&ensp; Waits <b>{duration(w.wait_ms)}</b></span>
      </div>
      {(e.error || (done && failed)) && <div className="small" role="status" style={{ padding: '8px 16px', background: 'var(--crit-bg)', color: 'var(--crit)', overflowWrap: 'anywhere' }}><b>{e.status === 'failed' ? 'Failed' : 'A step failed and the run went on'}.</b> {failed ? <>{failed.stepId}: </> : null}{visible((e.error ?? failed?.error)?.message ?? '')}</div>}
      {w.dry_run && <div className="demo-bar" role="status">Nothing was sent. Below stands what would have been, step by step.</div>}
      <Rerun e={e} again={again} onClose={() => setAgain(null)} />
      <div className="run">
        <div className="main">
          <div className="row wrap" style={{ padding: '8px 16px' }}><b>Waterfall</b><div className="legend right">{LEGEND.map(([k, l]) => <span key={k}><span className="sw"><span className={`stroke ${k}`} /></span>{l}</span>)}</div></div>
          <div className="wf-grid" role="table" aria-label="Steps and when they ran">
            <div className="wf-row wf-head" role="row" style={{ cursor: 'default' }}><div className="wf-cell" role="columnheader" style={{ paddingLeft: 16 }}>Step</div><div className="wf-cell" role="columnheader" style={{ justifyContent: 'flex-end' }}>Took</div>
              <div className="wf-cell wf-time" role="columnheader" ref={ref} style={{ overflow: 'visible' }}><span className="visually-hidden">time</span>{ax.ticks.map((t, i) => <span key={i} className="num" style={{ position: 'absolute', left: i === ax.ticks.length - 1 ? Math.min(t.x, ax.width - (done ? 50 : 30)) : t.x, top: 4, whiteSpace: 'nowrap' }}>{t.ms === 0 ? '0' : !done && i === ax.ticks.length - 1 ? <b className="t-beam">now</b> : duration(t.ms)}</span>)}</div></div>
            <Line ax={ax} now={now} done={done} name={e.workflowName} type="execution" status={e.status} took={duration(now - from)} effect={null} depth={0} strokes={[...(w.queue_ms > 0 ? [{ kind: 'queue' as const, from, to: from + w.queue_ms }] : []), ...mergeTop(e.stepExecutions, from + w.queue_ms, now)]} />
            <Line ax={ax} now={now} done={done} name={w.rule?.name ?? e.triggeredBy} type="trigger" status="completed" took="" effect="none" depth={0} strokes={[{ kind: 'run', from, to: from }]} selected={trigger} onSelect={() => setUrl({ step: TRIGGER, tab: undefined })} starts={moment(e.createdAt ?? e.startedAt, clock)} />
            {rows.map((r) => {
              const s = r.step;
              return <Line key={r.key} ax={ax} now={now} done={done} name={r.iteration !== null ? `${r.name} [${r.iteration}]` : r.name} type={r.type} status={s?.status ?? null} took={s ? duration(s.executionTimeMs ?? now - new Date(s.startedAt).getTime()) : ''} effect={r.effect as EffectClass} depth={r.depth} strokes={s ? strokes(s, now) : null} attempts={s?.watchfire?.attempts} selected={r.key === selected} onSelect={() => setUrl({ step: r.key, tab: undefined })} fold={r.hasChildren ? folded.has(r.key) : null} onFold={(on) => fold(r.key, on)} starts={s ? moment(s.startedAt, clock) : 'not yet'} />;
            })}
          </div>
          {e.stepExecutions.length === 0 && <div className="small ink3" style={{ padding: '4px 16px' }}>No step has started.</div>}
          {ax.folds.length > 0 || trueScale ? <div className="small ink2" style={{ padding: '8px 16px' }}>{trueScale ? 'True scale.' : 'Stretches longer than 20 s in which nothing changes are folded (dashed).'} <button type="button" className="link-button" onClick={() => setUrl({ scale: trueScale ? undefined : 'true' })}>{trueScale ? 'Fold them' : 'Show true scale'}</button></div> : null}
          <section style={{ padding: '12px 16px' }}>
            <div className="row" style={{ marginBottom: 4 }}><b>{w.dry_run ? 'Effects it would have' : 'Effects so far'}</b><span className="small ink2">{effects.length === 0 ? 'none' : plural(effects.length, 'effect')}{planned.length > 0 ? ` · ${plural(planned.length, 'more')} to come`.replace('mores', 'more') : ''}</span></div>
            {effects.length + planned.length > 0 && (
              <div style={{ overflowX: 'auto' }} tabIndex={0} role="region" aria-label="Effects"><table className="effects-table">
                <thead><tr><th>Time</th><th>Step</th><th>What</th><th>Delivery</th>{undoes && <th>Undo</th>}<th>Effect</th></tr></thead>
                <tbody>
                  {effects.map((s) => <tr key={s.id}><td className="num"><Moment at={s.startedAt} /></td><td className="name"><button type="button" className="link-button" onClick={() => setUrl({ step: s.id })}>{visible(s.stepId)}</button></td><td>{s.stepType}{s.watchfire?.connector ? ` · ${s.watchfire.connector.name}` : ''}</td><td>{s.watchfire?.delivery ?? (s.watchfire?.effect === 'internal' ? 'inside: exactly once' : stateWord(s.status))}</td>{undoes && <td>{s.watchfire?.effect === 'internal' ? <span className="ink3">from its own page</span> : <UndoCell run={e.id} u={undo(s)} />}</td>}<td><Effect effect={s.watchfire!.effect} /></td></tr>)}
                  {planned.map((r) => <tr key={r.key}><td>–</td><td className="name">{visible(r.name)}</td><td>{r.type}</td><td>not sent</td>{undoes && <td>–</td>}<td><Effect effect={r.effect as EffectClass} /></td></tr>)}
                </tbody>
              </table></div>
            )}
          </section>
          <Next e={e} all={all} />
        </div>
        <aside className="inspector" aria-label="Step" tabIndex={0}>{trigger ? <Trigger e={e} /> : row ? (row.step ? <Inspector key={row.key} e={e} s={row.step} onRerun={mayRerun && done ? () => setAgain({ from: row.step }) : null} /> : <div className="pad"><div className="row"><IconCircleDashed size={15} stroke={1.7} className="ink3" /><b>{visible(row.name)}</b><span className="right"><Effect effect={row.effect as EffectClass} /></span></div><p className="mono ink2">{row.type}</p><p className="small ink2" style={{ marginTop: 8 }}>Has not run.</p></div>) : <div className="pad small ink3">Pick a step.</div>}</aside>
      </div>
    </>
  );
}

/** The bar of the whole run: blue, with the stretches in which it waited for a person. */
function mergeTop(steps: StepExecution[], from: number, to: number): { kind: 'run' | 'person' | 'settlement'; from: number; to: number }[] {
  const waits = steps.flatMap((s) => strokes(s, to)).filter((k): k is { kind: 'person' | 'settlement'; from: number; to: number } => k.kind === 'person' || k.kind === 'settlement').sort((a, b) => a.from - b.from);
  const out: { kind: 'run' | 'person' | 'settlement'; from: number; to: number }[] = [];
  let at = from;
  for (const w of waits) {
    if (w.from > at) out.push({ kind: 'run', from: at, to: w.from });
    if (w.to > at) out.push({ ...w, from: Math.max(at, w.from) });
    at = Math.max(at, w.to);
  }
  if (at < to) out.push({ kind: 'run', from: at, to });
  return out;
}

function Line({ ax, now, done, name, type, status, took, effect, depth, strokes: ks, attempts, selected, onSelect, fold, onFold, starts }: {
  ax: Axis; now: number; done: boolean; name: string; type: string; status: StepExecution['status'] | null; took: string; effect: EffectClass | null; depth: number; strokes: { kind: string; from: number; to: number }[] | null;
  attempts?: NonNullable<StepExecution['watchfire']>['attempts'] | undefined; selected?: boolean; onSelect?: () => void; fold?: boolean | null; onFold?: (on: boolean) => void; starts?: string;
}) {
  const place = (k: { from: number; to: number }): CSSProperties => { const a = ax.x(k.from); return { left: a, width: Math.max(3, ax.x(k.to) - a) }; };
  return (
    <div className="wf-row" role="row" aria-selected={selected} tabIndex={onSelect ? 0 : undefined} onClick={onSelect} onKeyDown={(e) => { if (e.key === 'Enter' && onSelect) onSelect(); }}>
      <div className="wf-cell" role="rowheader" style={{ paddingLeft: 16 + depth * 18, ...(effect === null ? { background: 'var(--sunken)' } : {}) }}>
        {fold !== null && fold !== undefined && <button type="button" aria-label={fold ? 'unfold' : 'fold'} aria-expanded={!fold} onClick={(e) => { e.stopPropagation(); onFold?.(!fold); }} style={{ border: 0, background: 'none', padding: 0, marginLeft: -14, width: 14, height: 24, cursor: 'pointer', color: 'var(--ink2)' }}>{fold ? <IconChevronRight size={12} stroke={2} /> : <IconChevronDown size={12} stroke={2} />}</button>}
        {status ? <StateIcon status={status} size={14} /> : <IconCircleDashed size={14} stroke={1.7} className="ink3" role="img" aria-label="to come" />}
        <span className={effect === null ? 'strong cut' : 'name cut'} style={{ flex: '0 1 auto' }}>{visible(name)}</span><span className="tiny ink2 cut" style={{ flex: '1 10 0' }}>{type}</span>
        {effect && <Effect effect={effect} bare />}
      </div>
      <div className="wf-cell num small" role="cell" style={{ justifyContent: 'flex-end', ...(effect === null ? { background: 'var(--sunken)' } : {}) }}>{took}</div>
      <div className="wf-cell wf-time" role="cell" style={effect === null ? { background: 'var(--sunken)' } : undefined}>
        <span className="visually-hidden">{starts ? `started ${starts}` : ''}{ks?.map((k) => `, ${k.kind} ${duration(k.to - k.from)}`).join('')}</span>
        {ks?.map((k, i) => <span key={i} className={`stroke ${k.kind}`} style={place(k)} title={`${k.kind}, ${duration(k.to - k.from)}`} />)}
        {attempts && attempts.length > 1 && attempts.map((a) => <span key={a.n} className={`attempt-n ${a.status === 'failed' ? 'failed' : 'ok'}`} style={{ left: Math.max(8, ax.x(new Date(a.startedAt).getTime())) }}>{a.n}</span>)}
        {ks === null && <span className="stroke future" style={{ left: ax.width + 4 }} />}
        {ax.folds.map((f) => <span key={f.x} className="fold" style={{ left: f.x }} />)}
        {!done && <span className="now-line" style={{ left: ax.x(now) }} />}
      </div>
    </div>
  );
}

/** What a rerun keeps and what it does again, said before it starts. */
function Rerun({ e, again, onClose }: { e: Execution; again: { from: StepExecution | null } | null; onClose: () => void }) {
  const go = useGo();
  const [busy, setBusy] = useState(false);
  const steps = [...e.stepExecutions].sort((a, b) => a.globalExecutionIndex - b.globalExecutionIndex);
  const from = again?.from ?? null;
  const kept = from ? steps.filter((s) => s.globalExecutionIndex < from.globalExecutionIndex && !scopesOf(from).some((x) => x.name === s.stepId)) : [];
  const redo = from ? steps.filter((s) => s.globalExecutionIndex >= from.globalExecutionIndex) : steps;
  const acts = redo.filter((s) => s.watchfire && ['write', 'destructive'].includes(s.watchfire.effect));
  const start = async (): Promise<void> => {
    setBusy(true);
    try {
      const r = await api<{ workflowExecutionId: string }>(`/api/workflows/executions/${seg(e.id)}/rerun`, { body: { from: from?.id ?? null } });
      void queryClient.invalidateQueries({ queryKey: ['executions'] });
      onClose();
      toast('Rerun started');
      go(`/executions/${r.workflowExecutionId}`);
    } catch (x) {
      toastError('Not rerun', x);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={again !== null} onClose={onClose} title={from ? `Rerun from ${from.stepId}` : 'Rerun from the start'} size={560} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
      <div className="col" style={{ gap: 12 }}>
        <p>A new execution of {e.version === null ? 'the same text' : `version ${e.version}`} with the same input. This one does not change.</p>
        {from && <div><b>Kept</b> <span className="small ink2">{kept.length ? `the outputs of ${plural(kept.length, 'step')}: ${kept.slice(0, 6).map((s) => s.stepId).join(', ')}${kept.length > 6 ? '…' : ''}. Earlier answers of people are data only.` : 'nothing: it is the first step.'}</span></div>}
        <div><b>Runs again</b>{acts.length === 0 ? <span className="small ink2"> and has no effect outside, as far as this run shows.</span> : <ul className="panel" style={{ marginTop: 6, maxHeight: 220, overflow: 'auto' }} tabIndex={0}>{acts.map((s) => <li key={s.id} className="row small" style={{ padding: '6px 12px', borderBottom: '1px solid var(--line)' }}><b>{visible(s.stepId)}</b><span className="mono ink2 grow cut">{s.stepType}</span><Effect effect={s.watchfire!.effect} /></li>)}</ul>}</div>
        {acts.some((s) => s.watchfire!.effect === 'destructive') && <p className="small t-med">Each destructive step asks again before it runs.</p>}
        <div className="row"><Button onClick={onClose}>Leave it</Button><Button className="right" variant="filled" disabled={busy} onClick={() => void start()}>{from ? `Rerun from ${from.stepId}` : 'Rerun'}</Button></div>
      </div>
    </Modal>
  );
}

function Next({ e, all }: { e: Execution; all: Row[] }) {
  const approval = useQuery({ ...q.approval(e.watchfire.approval ?? ''), enabled: e.watchfire.approval !== null && !isTerminal(e.status) });
  const now = useNow();
  const a = approval.data;
  let text: React.ReactNode = null;
  if (isTerminal(e.status)) text = e.status === 'completed' ? 'Nothing: it is done.' : `Nothing: it ${e.status === 'failed' ? 'failed' : stateWord(e.status)}.`;
  else if (a && a.kind === 'settlement') text = <>Somebody says whether <code>{a.step}</code> happened: <Go to={`/approvals/${a.id}`}>{visible(a.question)}</Go> Until then this branch stands still.</>;
  else if (a && a.kind === 'input') text = <>When somebody fills in the form <Go to={`/approvals/${a.id}`}>{visible(a.question)}</Go>, the run goes on. {a.expires_at ? <>If nobody does by {moment(a.expires_at, now)}, {visible(a.on_expiry)}.</> : ''}</>;
  else if (a) text = <>When {a.quorum.needed - a.quorum.given > 1 ? `${a.quorum.needed - a.quorum.given} people approve` : 'somebody approves'}, {a.actions.length ? <>{a.actions.map((x, i) => <span key={x.index}>{i ? ', ' : ''}<code>{x.step}</code> runs{x.target.host ? ` on ${x.target.host}` : ''}</span>)}</> : 'it goes on'}. {a.expires_at ? <>If nobody does by {moment(a.expires_at, now)}, {visible(a.on_expiry)}.</> : ''}</>;
  else { const f = all.find((r) => r.step === null); text = f ? <>After this, <code>{visible(f.name)}</code> runs.</> : 'It finishes.'; }
  return <div className="row top" style={{ padding: '12px 16px', borderTop: '1px solid var(--line)' }}><b>Next</b><span className="grow" style={{ overflowWrap: 'anywhere' }}>{text}</span></div>;
}

/** What started the run, with the whole event. */
function Trigger({ e }: { e: Execution }) {
  const full = useQuery({ ...q.step(e.id, TRIGGER), staleTime: Infinity });
  const w = e.watchfire;
  const empty = (v: unknown): boolean => v === null || v === undefined || (typeof v === 'object' && Object.keys(v).length === 0);
  return (
    <>
      <div className="pad" style={{ paddingBottom: 8 }}>
        <div className="row"><b style={{ fontSize: 15, overflowWrap: 'anywhere' }}>{visible(w.rule?.name ?? e.triggeredBy)}</b></div>
        <div className="small ink2" style={{ marginTop: 2 }}><span className="mono">trigger · {e.triggeredBy}</span> · <Moment at={e.createdAt ?? e.startedAt} /> · as {visible(e.executedBy)}</div>
        {w.alerts.length > 0 && <div className="row wrap small" style={{ marginTop: 6 }}>{w.alerts.slice(0, 10).map((x) => <Go key={x} to={`/alerts/${x}`}>alert …{x.slice(-6)}</Go>)}{w.alerts.length > 10 && <span className="ink2">and {w.alerts.length - 10} more</span>}</div>}
      </div>
      <div className="pad col" style={{ gap: 12 }}>
        <Loaded query={full} what="The event" rows={3} height={18}>{(d) => (
          <>
            <div><h2 className="small strong" style={{ marginBottom: 4 }}>Event</h2>{empty(d.output) ? <span className="small ink2">None: it was started without one.</span> : <div className="code"><Json value={d.output} /></div>}</div>
            <div><h2 className="small strong" style={{ marginBottom: 4 }}>Inputs</h2>{empty(d.input) ? <span className="small ink2">None.</span> : <div className="code"><Json value={d.input} /></div>}</div>
          </>
        )}</Loaded>
      </div>
    </>
  );
}

function Inspector({ e, s, onRerun }: { e: Execution; s: StepExecution; onRerun: (() => void) | null }) {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const full = useQuery({ ...q.step(e.id, s.id), staleTime: isTerminal(s.status) ? 60_000 : 1000 });
  const w = s.watchfire;
  const tries = w?.attempts.length ?? 0;
  const tab = url.tab === 'input' ? 'input' : url.tab === 'attempts' ? 'attempts' : 'output';
  const data = full.data;
  const size = data ? new Blob([JSON.stringify(tab === 'input' ? data.input : data.output) ?? '']).size : 0;
  const line = useMemo(() => { const i = e.yaml?.split('\n').findIndex((l) => new RegExp(`name:\\s*["']?${s.stepId.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}["']?\\s*$`).test(l)) ?? -1; return i < 0 ? null : i + 1; }, [e.yaml, s.stepId]);
  const waits = w?.waits.filter((x) => x.kind === 'person' || x.kind === 'settlement') ?? [];
  return (
    <>
      <div className="pad" style={{ paddingBottom: 8 }}>
        <div className="row"><StateIcon status={s.status} /><b style={{ fontSize: 15, overflowWrap: 'anywhere' }}>{visible(s.stepId)}</b>{scopesOf(s).length > 0 && <span className="small ink2 cut">in {scopesOf(s).map((x) => (x.index !== null ? `${x.name} [${x.index}]` : x.name)).join(' › ')}</span>}<span className="right">{w && <Effect effect={w.effect} />}</span></div>
        <div className="small ink2" style={{ marginTop: 2 }}><span className="mono">{s.stepType}</span>{w?.connector && <> · connector <Go to="/connectors" search={{ sel: w.connector.id }}>{visible(w.connector.name)}</Go></>}</div>
        <div className="row wrap" style={{ marginTop: 8 }}>
          {onRerun && <Button size="xs" leftSection={<IconRotateClockwise size={13} stroke={1.7} />} onClick={onRerun}>Rerun from here…</Button>}
          {line && !unsaved(e) && <Button size="xs" onClick={() => go(`/workflows/${e.workflowId}`, { step: s.stepId })}>YAML, line {line}</Button>}
          {w?.approval && <Go to={`/approvals/${w.approval}`} className="small">{s.stepType === 'waitForApproval' ? 'the approval' : s.stepType === 'waitForInput' ? 'the form' : 'the settlement'}</Go>}
          <Menu><Menu.Target><Button size="xs" aria-label="More">…</Button></Menu.Target><Menu.Dropdown><Menu.Item onClick={() => void copy(s.id)}>Copy the id of this step execution</Menu.Item><Menu.Item onClick={() => void copy(`steps.${s.stepId}.output`)}>Copy the path steps.{s.stepId}.output</Menu.Item><Menu.Item onClick={() => void copy(JSON.stringify(data?.output ?? null, null, 2))}>Copy the output</Menu.Item></Menu.Dropdown></Menu>
        </div>
      </div>
      <div className="tabs" role="tablist" aria-label="Step" style={{ padding: '0 12px', borderBottom: '1px solid var(--line)', paddingBottom: 6 }}>
        <button type="button" role="tab" className="tab" aria-selected={tab === 'output'} onClick={() => setUrl({ tab: undefined })}>Output</button><button type="button" role="tab" className="tab" aria-selected={tab === 'input'} onClick={() => setUrl({ tab: 'input' })}>Input</button><button type="button" role="tab" className="tab" aria-selected={tab === 'attempts'} onClick={() => setUrl({ tab: 'attempts' })}>Attempts {tries > 1 && <span className="n">{tries}</span>}</button>
      </div>
      <div className="pad col" style={{ gap: 12 }}>
        {s.error && <div><span className="chip crit">{s.error.type}</span><p className="text" style={{ marginTop: 4 }}><Outside text={s.error.message} /></p>{s.error.details !== undefined && s.error.details !== null && <div className="code" style={{ marginTop: 6 }}><Json value={s.error.details} /></div>}</div>}
        {tab === 'attempts' ? (
          <>
            {tries === 0 && <div className="small ink2">One try, {stateWord(s.status)}{s.executionTimeMs !== null ? `, ${duration(s.executionTimeMs)}` : ''}.</div>}
            {w?.attempts.map((a) => (
              <div key={a.n} style={{ borderBottom: '1px solid var(--line)', paddingBottom: 8 }}>
                <div className="row"><b>Attempt {a.n}</b><StateChip status={a.status} /><span className="right small ink3 num">{a.finishedAt ? duration(new Date(a.finishedAt).getTime() - new Date(a.startedAt).getTime()) : 'runs'}</span></div>
                {a.error && <p className="small" style={{ marginTop: 4, overflowWrap: 'anywhere' }}><span className="mono">{visible(a.error.type)}</span>: {visible(a.error.message)}</p>}
                {a.next_at && a.finishedAt && <p className="small ink2">Next try after {duration(new Date(a.next_at).getTime() - new Date(a.finishedAt).getTime())}.</p>}
              </div>
            ))}
            {waits.map((x, i) => <div key={i} className="small">{x.kind === 'person' ? 'Waits for a person' : 'Waits for a settlement'} since <Moment at={x.from} />{x.to ? <>, until <Moment at={x.to} /></> : ''}.</div>)}
          </>
        ) : (
          <Loaded query={full} what="The step" rows={3} height={28}>{(d) => {
            const v = tab === 'input' ? d.input : d.output;
            return v === undefined || v === null ? <div className="small ink3">{tab === 'input' ? 'No input.' : isTerminal(s.status) ? 'No output.' : 'No output yet.'}</div> : <div><div className="code"><Json value={v} root={tab === 'output' ? `steps.${s.stepId}.output` : ''} /></div><div className="row tiny ink3" style={{ marginTop: 4 }}>{bytes(size)} · click a name to copy its path</div></div>;
          }}</Loaded>
        )}
        {w?.request && tab !== 'attempts' && <div><div className="strong" style={{ marginBottom: 4 }}>{w.delivery === 'not sent' ? 'What would be sent' : 'Request sent'}</div><pre className="code" tabIndex={0}><Outside text={w.request} className="" /></pre><div className="tiny ink3" style={{ marginTop: 4 }}>{w.secrets.length ? `secrets by name: ${w.secrets.join(', ')}` : ''}{w.key ? ` key ${w.key}` : ''}{w.delivery ? ` · ${w.delivery}` : ''}</div></div>}
        <div className="tiny ink3">started <Moment at={s.startedAt} />{s.finishedAt ? <>, finished <Moment at={s.finishedAt} /></> : ''} · start number {s.globalExecutionIndex}{s.stepExecutionIndex > 0 ? ` · pass ${s.stepExecutionIndex}` : ''}</div>
      </div>
    </>
  );
}
