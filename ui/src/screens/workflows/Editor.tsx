// The workflow editor: text on the left, checked by the server while you write; the graph of what it read beside it.
import type { CompletionContext } from '@codemirror/autocomplete';
import { Button, Checkbox, Modal, Switch, Textarea } from '@mantine/core';
import { modals } from '@mantine/modals';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useBlocker, useParams } from '@tanstack/react-router';
import { IconAlertCircle, IconCircleCheck, IconCode, IconColumns2, IconPlayerPlay } from '@tabler/icons-react';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Graph, Validation, Workflow } from '../../api/types';
import { Effect, Kbd, useDebounced } from '../../kit/bits';
import type { EditorHandle } from '../../kit/CodeEditor';
import { count, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan } from '../../kit/me';
import { ErrorState, Loading } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';
import { setEnabled } from './WorkflowList';

const CodeEditor = lazy(() => import('../../kit/CodeEditor'));
const GraphView = lazy(() => import('./GraphView'));

const FRESH = `name: new-workflow
description: What it does, in one line
enabled: true
triggers:
  - type: alert
steps:
  - name: note
    type: console
    with:
      message: "{{ event.rule.name }} on {{ event.alerts[0].host.name }}"
`;

export function Editor() {
  const { id } = useParams({ strict: false }) as { id: string };
  const fresh = id === 'new';
  const one = useQuery({ ...q.workflow(id), enabled: !fresh });
  if (fresh) return <Body key="new" w={null} />;
  if (one.data) return <Body key={id} w={one.data} />;
  return <div className="page"><PageHead title="Workflow" detail crumbs={[{ to: '/workflows', label: 'Workflows' }]} />{one.error ? <ErrorState what="This workflow" error={one.error} retry={() => void one.refetch()} failures={one.failureCount} /> : <Loading rows={16} height={20} />}</div>;
}

function Body({ w }: { w: Workflow | null }) {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const can = useCan();
  const write = can('workflows:write');
  const saved = w?.yaml ?? '';
  const [base, setBase] = useState(saved);
  const [text, setText] = useState(w ? saved : FRESH);
  const [busy, setBusy] = useState(false);
  const [running, setRunning] = useState(false);
  const handle = useRef<EditorHandle | null>(null);
  const dirty = text !== base && (w !== null || text !== FRESH);
  const dirtyRef = useRef(dirty);
  dirtyRef.current = dirty;
  // Saved elsewhere: taken over while nothing is unsaved here, else said.
  const elsewhere = w !== null && saved !== base && dirty;
  useEffect(() => {
    if (w && saved !== base && !dirtyRef.current) { setBase(saved); setText(saved); }
  }, [saved, base, w]);
  const asked = useDebounced(text, 150);
  const check = useQuery({ queryKey: ['validate', asked, w?.id], queryFn: ({ signal }) => api<Validation>('/api/workflows/validate', { body: { yaml: asked, ...(w ? { id: w.id } : {}) }, signal }), placeholderData: keepPreviousData, staleTime: Infinity, gcTime: 5000, retry: false });
  const v = check.data;
  const good = useRef<Graph | null>(null);
  if (v?.graph && v.graph.nodes.length > 0) good.current = v.graph;
  const graph = v?.graph && v.graph.nodes.length > 0 ? v.graph : good.current;
  const [line, setLine] = useState(1);
  const selected = useMemo(() => {
    const inside = (graph?.nodes ?? []).filter((n) => n.range.startLine <= line && line <= n.range.endLine);
    return inside.sort((a, b) => a.range.endLine - a.range.startLine - (b.range.endLine - b.range.startLine))[0] ?? null;
  }, [graph, line]);
  const errors = useMemo(() => {
    const m = new Map<string, number>();
    for (const d of v?.diagnostics ?? []) {
      if (d.severity !== 'error') continue;
      const n = (graph?.nodes ?? []).filter((x) => x.range.startLine <= d.line && d.line <= x.range.endLine).sort((a, b) => a.range.endLine - a.range.startLine - (b.range.endLine - b.range.startLine))[0];
      if (n) m.set(n.id, (m.get(n.id) ?? 0) + 1);
    }
    return m;
  }, [v, graph]);
  const problems = v?.diagnostics ?? [];
  const nErr = problems.filter((d) => d.severity === 'error').length, nWarn = problems.filter((d) => d.severity === 'warning').length;
  const jumped = useRef(false);
  useEffect(() => {
    if (jumped.current || !url.step || !graph || !handle.current) return;
    const n = graph.nodes.find((x) => x.name === url.step || x.id === url.step);
    jumped.current = true;
    if (n) handle.current.goTo(n.range.startLine);
  }, [graph, url.step]);

  const save = useCallback(async (): Promise<Workflow | null> => {
    if (!write || busy) return null;
    setBusy(true);
    try {
      const r = w ? await api<Workflow>(`/api/workflows/workflow/${seg(w.id)}`, { method: 'PUT', body: { yaml: text } }) : await api<Workflow>('/api/workflows/workflow', { body: { yaml: text } });
      setBase(text);
      dirtyRef.current = false;
      toast(r.valid === false ? 'Saved with errors, so it is disabled' : 'Workflow saved');
      void queryClient.invalidateQueries({ queryKey: ['workflows'] });
      if (!w) {
        if (url.rule) go(`/rules/${url.rule}`, { attach: r.id }, true);
        else go(`/workflows/${r.id}`, {}, true);
      }
      return r;
    } catch (e) {
      toastError('Not saved', e);
      return null;
    } finally {
      setBusy(false);
    }
  }, [w, text, write, busy, go, url.rule]);
  useBlocker({ shouldBlockFn: async () => dirtyRef.current && !(await new Promise<boolean>((ok) => modals.openConfirmModal({ title: 'Leave without saving?', children: <p>Your changes to this workflow are not saved.</p>, labels: { confirm: 'Leave', cancel: 'Stay' }, confirmProps: { variant: 'filled', color: 'danger' }, onConfirm: () => ok(true), onCancel: () => ok(false), onClose: () => ok(false) }))), enableBeforeUnload: () => dirtyRef.current, disabled: !dirty });
  const nextProblem = (): void => {
    const d = problems.find((x) => x.line > line) ?? problems[0];
    if (d) handle.current?.goTo(d.line, d.column, true);
  };
  const run = (): void => { if (w) setRunning(true); };
  useKeys('Workflow', [
    { key: 'Ctrl+s', label: 'Save', run: () => void save() }, { key: 'F8', label: 'Next problem', run: nextProblem }, ...(w ? [{ key: 'Ctrl+Enter', label: 'Run…', run }] : []),
    { key: 'e', label: 'Into the text', run: () => handle.current?.focus() },
  ]);
  const catalogue = useQuery(q.catalogue()).data;
  const connectors = useQuery({ ...q.connectors(), enabled: can('connectors:read') }).data;
  const complete = useCallback((c: CompletionContext) => {
    const ln = c.state.doc.lineAt(c.pos);
    const before = ln.text.slice(0, c.pos - ln.from);
    let m = /^\s*(?:- )?type:\s*([\w.]*)$/.exec(before);
    if (m) {
      const triggers = !/^steps:/m.test(c.state.sliceDoc(0, c.pos));
      return { from: c.pos - m[1]!.length, options: triggers ? ['alert', 'manual'].map((x) => ({ label: x, type: 'keyword' })) : (catalogue?.steps ?? []).map((s) => ({ label: s.type, detail: `${s.effect} · ${s.title}`, type: 'function' })), validFor: /^[\w.]*$/ };
    }
    m = /^\s*connector-id:\s*["']?([\w.-]*)$/.exec(before);
    if (m) return { from: c.pos - m[1]!.length, options: (connectors ?? []).map((x) => ({ label: x.id, detail: x.connector_type_id })), validFor: /^[\w.-]*$/ };
    m = /\{\{\s*steps\.([\w-]*)$/.exec(before);
    if (m) return { from: c.pos - m[1]!.length, options: (graph?.nodes ?? []).filter((n) => !n.id.startsWith('trigger') && n.range.startLine < ln.number).map((n) => ({ label: n.name, detail: n.type, apply: `${n.name}.output` })), validFor: /^[\w-]*$/ };
    m = /\{\{\s*(\w*)$/.exec(before);
    if (m) return { from: c.pos - m[1]!.length, options: ['event', 'steps', 'inputs', 'consts', 'variables', 'foreach', 'execution', 'workflow'].map((x) => ({ label: x, type: 'variable' })), validFor: /^\w*$/ };
    m = /^(\s*)(?:- )?([\w-]*)$/.exec(before);
    if (m && c.explicit) {
      const step = m[1]!.length > 0;
      return { from: c.pos - m[2]!.length, options: (step ? ['name: ', 'type: ', 'with:', 'if: ', 'connector-id: ', 'timeout: ', 'on-failure:', 'steps:', 'condition: '] : ['name: ', 'description: ', 'enabled: ', 'tags: ', 'triggers:', 'inputs:', 'consts:', 'settings:', 'steps:']).map((x) => ({ label: x.replace(/:\s*$/, ''), apply: x })) };
    }
    return null;
  }, [catalogue, connectors, graph]);
  const view = url.view === 'yaml' ? 'yaml' : 'graph';
  const effect = v?.watchfire?.effect ?? w?.watchfire?.effect;
  return (
    <div className="page">
      <PageHead title={visible(w?.name ?? 'New workflow')} detail crumbs={[{ to: '/workflows', label: 'Workflows' }]} chips={<>{effect && <Effect effect={effect} />}{w?.version !== undefined && <span className="small ink2 desk">v{w.version}</span>}</>} actions={
        <>
          {dirty && <span className="small ink2 nowrap">not saved</span>}
          {w && <Switch size="xs" label="Enabled" checked={w.enabled} disabled={!write || (!w.valid && !w.enabled)} onChange={(e) => void setEnabled(w, e.currentTarget.checked)} />}
          {w && can('workflows:execute') && <Button leftSection={<IconPlayerPlay size={14} stroke={1.7} />} rightSection={<Kbd>Ctrl ⏎</Kbd>} onClick={run}>Run…</Button>}
          {write && <Button variant="filled" onClick={() => void save()} disabled={busy || (!dirty && w !== null)} rightSection={<Kbd>Ctrl S</Kbd>}>{w ? 'Save' : url.rule ? 'Save and attach' : 'Create'}</Button>}
        </>
      } />
      <div className="row" style={{ padding: '6px 16px', borderBottom: '1px solid var(--line)', flex: 'none' }}>
        <div className="tabs" role="tablist" aria-label="Views">
          <button type="button" role="tab" className="tab desk" aria-selected={view === 'graph'} onClick={() => setUrl({ view: undefined })}><IconColumns2 size={15} stroke={1.7} aria-hidden />YAML and graph</button>
          <button type="button" role="tab" className="tab" aria-selected={view === 'yaml'} onClick={() => setUrl({ view: 'yaml' })}><IconCode size={15} stroke={1.7} aria-hidden />YAML</button>
        </div>
        {w && <><span style={{ width: 1, height: 18, background: 'var(--line)' }} /><Go to="/executions" search={{ workflow: w.id }} className="small">Executions{w.watchfire ? ` ${count(w.watchfire.runs_24h)} in 24 h` : ''}</Go>{w.watchfire && w.watchfire.used_by_rules > 0 && <span className="small ink2">used by {plural(w.watchfire.used_by_rules, 'rule')}</span>}</>}
        {w && !w.valid && <span className="chip crit">stored with errors, disabled</span>}
      </div>
      {elsewhere && <div className="stale" role="alert"><span className="grow">This workflow was saved elsewhere while you were writing.</span><Button size="xs" onClick={() => setBase(saved)}>Keep mine</Button><Button size="xs" onClick={() => { setBase(saved); setText(saved); }}>Take theirs</Button></div>}
      <div className="editor" data-view={view}>
        <div className="text-pane"><Suspense fallback={<Loading rows={16} height={20} />}><CodeEditor value={text} onChange={setText} label="Workflow as YAML" readOnly={!write} diagnostics={problems} inline highlight={selected && !selected.id.startsWith('trigger') ? { from: selected.range.startLine, to: selected.range.endLine } : null} onCursor={setLine} complete={complete} handle={handle} onSave={() => void save()} onRun={run} /></Suspense></div>
        <div className="problems" role="region" aria-label="Problems" tabIndex={0}>
          <div className="head" role="status">
            {check.error ? <span className="t-high">Not checked: {check.error instanceof ApiError ? check.error.message : 'no answer from the server'}</span> : !v ? <span className="ink3">Checking…</span> : nErr + nWarn === 0 ? <span className="row t-ok" style={{ gap: 6 }}><IconCircleCheck size={15} stroke={1.7} aria-hidden />valid</span> : <span className="row" style={{ gap: 12 }}>{nErr > 0 && <b className="row t-crit" style={{ gap: 6 }}><IconAlertCircle size={15} stroke={1.7} aria-hidden />{plural(nErr, 'error')}</b>}{nWarn > 0 && <b className="t-med">{plural(nWarn, 'warning')}</b>}</span>}
            {v && <span className="ink2 desk">checked as the server will</span>}
            {problems.length > 0 && <button type="button" className="right row link-button" onClick={nextProblem}><Kbd>F8</Kbd> next</button>}
          </div>
          {problems.slice(0, 200).map((d, i) => <button key={i} type="button" className="problem" onClick={() => handle.current?.goTo(d.line, d.column, true)}><span className={`dot ${d.severity === 'error' ? 'crit' : d.severity === 'warning' ? 'med' : ''}`} role="img" aria-label={d.severity} /><span className="mono num">{d.line}:{d.column}</span><span style={{ overflowWrap: 'anywhere' }}>{visible(d.message)}{d.hint ? <span className="ink2"> – {visible(d.hint)}</span> : null}</span><span className="mono ink3 desk">{d.code}</span></button>)}
        </div>
        {view === 'graph' && <div className="graph-pane">{graph ? <Suspense fallback={null}><GraphView graph={graph} selected={selected?.id ?? null} errors={errors} stale={v !== undefined && (v.graph === null || v.graph.nodes.length === 0)} onPick={(_id, l) => { setLine(l); handle.current?.goTo(l); }} /></Suspense> : <div className="state"><span className="ink2 small">The graph stands here when the text parses.</span></div>}{v && v.graph === null && <div className="row small" style={{ position: 'absolute', top: 0, left: 0, right: 0, padding: '6px 12px', background: 'var(--crit-bg)', color: 'var(--crit)', zIndex: 6 }} role="status">{problems[0] ? `line ${problems[0].line}: ${problems[0].message}` : 'the text does not parse'}. {graph ? 'Shown is the last graph.' : ''}</div>}</div>}
      </div>
      {w && <RunDialog w={w} opened={running} onClose={() => setRunning(false)} dirty={dirty} />}
    </div>
  );
}

function RunDialog({ w, opened, onClose, dirty }: { w: Workflow; opened: boolean; onClose: () => void; dirty: boolean }) {
  const go = useGo();
  const [text, setText] = useState('{}');
  const [error, setError] = useState<string | null>(null);
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const dangerous = w.watchfire?.effect === 'destructive' && w.watchfire.approvals === 0;
  const run = async (): Promise<void> => {
    let inputs: unknown;
    try {
      inputs = JSON.parse(text);
      if (typeof inputs !== 'object' || inputs === null || Array.isArray(inputs)) throw new Error('write an object');
      setError(null);
    } catch (e) {
      setError(`Not JSON: ${e instanceof Error ? e.message : String(e)}`);
      return;
    }
    setBusy(true);
    try {
      const r = await api<{ workflowExecutionId: string }>(`/api/workflows/workflow/${seg(w.id)}/run`, { body: { inputs } });
      onClose();
      toast('Workflow started');
      go(`/executions/${r.workflowExecutionId}`);
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={onClose} title={`Run ${w.name}`} size={560} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
      <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void run(); }}>
        <div className="row"><Effect effect={w.watchfire?.effect ?? 'none'} /><span className="small ink2">It runs for real{w.watchfire && w.watchfire.approvals > 0 ? ', and asks a person before what the approval guards' : ''}.</span></div>
        {dirty && <p className="small t-med">What is saved runs, not what you are writing.</p>}
        {!w.enabled && <p className="small t-crit">It is disabled. Enable it to run it.</p>}
        <Textarea data-autofocus label="Inputs, as JSON" description="an alert goes in as event.alerts[0]" autosize minRows={5} maxRows={16} value={text} onChange={(e) => setText(e.currentTarget.value)} error={error ?? undefined} styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12 } }} spellCheck={false} />
        {dangerous && <Checkbox checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} label="It acts on other systems and asks nobody. Run it all the same." />}
        <div className="row"><Button type="submit" variant="filled" color={dangerous ? 'danger' : undefined} className="right" disabled={busy || !w.enabled || (dangerous && !sure)}>Run {w.name}</Button></div>
      </form>
    </Modal>
  );
}
