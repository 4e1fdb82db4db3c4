// The workflow editor: one text, checked by the server while one writes; the graph and the forms are views of it, and what is done there changes
// the text by range.
import type { CompletionContext } from '@codemirror/autocomplete';
import { Button, Select, Switch } from '@mantine/core';
import { modals } from '@mantine/modals';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useBlocker, useParams } from '@tanstack/react-router';
import { IconAlertCircle, IconCircleCheck, IconCode, IconColumns2, IconFlask, IconHistory, IconLayoutSidebarRight, IconPlayerPlay } from '@tabler/icons-react';
import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Diagnostic, Effect as EffectClass, Execution, Graph, StepExecution, Validation, Workflow } from '../../api/types';
import { Effect, isTerminal, Kbd, useDebounced } from '../../kit/bits';
import type { EditorHandle } from '../../kit/CodeEditor';
import { count, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan, useFeature } from '../../kit/me';
import { ErrorState, Loading } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { parse, toJs } from '../../kit/yaml/doc';
import { commentOut, duplicateStep, EditError, insertStep, moveStep, removeStep, stepsOf, wrapStep, type StepRef } from '../../kit/yaml/edit';
import { PageHead } from '../../shell/Shell';
import type { Spot } from './GraphView';
import { Head, Inspector, type StepAct } from './Inspector';
import { RunDialog } from './RunDialog';
import { pathsFor, useSample, useSamples } from './sample';
import { StepCatalogue } from './StepCatalogue';
import { Versions } from './Versions';
import { setEnabled } from './WorkflowList';
import { lazily } from '../../kit/lazily';

const CodeEditor = lazily(() => import('../../kit/CodeEditor'));
const GraphView = lazily(() => import('./GraphView'));

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
  const [running, setRunning] = useState<'run' | 'dry' | null>(null);
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
  const view = url.view === 'yaml' ? 'yaml' : url.view === 'builder' ? 'builder' : url.view === 'versions' ? 'versions' : 'graph';
  // The steps as they stand in this very text, not in the one the server saw last. While one types, reading it waits for a pause.
  const typed = useRef(false);
  const calm = useDebounced(text, 150);
  const source = typed.current ? calm : text;
  const read = useMemo((): { js: unknown; steps: StepRef[] } => {
    try {
      const doc = parse(source);
      return { js: toJs(doc), steps: stepsOf(source, doc) };
    } catch {
      return { js: null, steps: [] };
    }
  }, [source]);
  const steps = read.steps;
  const current = useRef(text);
  current.current = text;
  const onTyped = useCallback((next: string) => {
    if (next === current.current) return;
    typed.current = true;
    setText(next);
  }, []);
  const [picked, setPicked] = useState<string | null>(url.step ?? null);
  const here = steps.find((s) => s.name === picked) ?? null;
  const [adding, setAdding] = useState<Spot | null>(null);
  const refuse = useCallback((why: string) => toastError('Nothing was changed', new Error(why)), []);
  const change = useCallback((next: string, select?: string | null) => {
    typed.current = false;
    setText(next);
    if (select !== undefined) setPicked(select);
  }, []);
  const attempt = (f: () => { text: string; select?: string | null }): void => {
    if (source !== text) return refuse('the text was just changed; once more');
    try {
      const r = f();
      change(r.text, r.select);
    } catch (e) {
      refuse(e instanceof EditError ? e.message : String(e));
    }
  };
  const act = (s: StepRef, a: StepAct): void => {
    if (!write) return;
    const siblings = steps.filter((x) => x.list.join('/') === s.list.join('/'));
    if (a === 'before') setAdding({ list: s.list, index: s.index, after: `before ${s.name}` });
    else if (a === 'after') setAdding({ list: s.list, index: s.index + 1, after: `after ${s.name}` });
    else if (a === 'duplicate') attempt(() => { const d = duplicateStep(text, s.path); return { text: d.text, select: d.name }; });
    else if (a === 'comment') attempt(() => ({ text: commentOut(text, s.path), select: null }));
    else if (a === 'if' || a === 'foreach') attempt(() => { const r = wrapStep(text, s.path, a); return { text: r.text, select: r.name }; });
    else if (a === 'delete') attempt(() => ({ text: removeStep(text, s.path), select: siblings[s.index + 1]?.name ?? siblings[s.index - 1]?.name ?? null }));
    else if (a === 'up') { if (s.index > 0) attempt(() => ({ text: moveStep(text, s.path, s.list, s.index - 1) })); }
    else if (s.index < siblings.length - 1) attempt(() => ({ text: moveStep(text, s.path, s.list, s.index + 2) }));
  };
  const insert = (chunk: string): void => {
    if (!adding) return;
    const spot = adding;
    attempt(() => {
      const next = insertStep(text, spot.list, spot.index, chunk);
      const fresh = stepsOf(next).filter((x) => x.list.join('/') === spot.list.join('/'));
      const many = stepsOf(`steps:\n${chunk.replace(/^/gm, '  ')}`).filter((x) => x.depth === 0).length;
      return { text: next, select: fresh[spot.index + many - 1]?.name ?? null };
    });
    setAdding(null);
  };
  const edits = useMemo(() => (write ? { onInsert: (s: Spot) => setAdding(s), onMove: (name: string, s: Spot) => mover.current(name, s) } : null), [write]);
  const mover = useRef((_n: string, _s: Spot): void => {});
  mover.current = (name, s) => { const r = steps.find((x) => x.name === name); if (r) attempt(() => ({ text: moveStep(text, r.path, s.list, s.index), select: name })); };
  // The graph is drawn anew only when it changes, not with every key in the text.
  const clear = useCallback(() => setPicked(null), []);
  const names = useRef(graph);
  names.current = graph;
  const onPick = useCallback((id: string, l: number) => {
    setLine(l);
    setPicked(id.startsWith('trigger:') ? null : (names.current?.nodes.find((n) => n.id === id)?.name ?? id));
    handle.current?.goTo(l);
  }, []);
  const samples = useSamples(w?.id ?? null);
  const sampleId = url.sample ?? samples[0]?.value;
  const sample = useSample(view === 'builder' ? sampleId : undefined);
  const jumped = useRef(false);
  useEffect(() => {
    if (jumped.current || !url.step || !graph || !handle.current) return;
    const n = graph.nodes.find((x) => x.name === url.step || x.id === url.step);
    jumped.current = true;
    if (n) handle.current.goTo(n.range.startLine);
  }, [graph, url.step]);

  const write_ = useCallback(async (): Promise<Workflow | null> => {
    if (!write || busy) return null;
    if (w && text === base) { toast('Nothing has changed since it was saved'); return null; }
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
  }, [w, text, base, write, busy, go, url.rule]);
  const latest = useRef(write_);
  latest.current = write_;
  /** A field of the form writes when it is left: a save with the keyboard leaves it for a moment, so that what stands in it is saved too. */
  const save = useCallback((): void => {
    const at = document.activeElement;
    const inField = at instanceof HTMLElement && at.closest('.form-pane') !== null;
    if (inField) at.blur();
    setTimeout(() => {
      void latest.current();
      if (inField) at.focus({ preventScroll: true });
    }, 0);
  }, []);
  useBlocker({ shouldBlockFn: async ({ current, next }) => current.pathname !== next.pathname && dirtyRef.current && !(await new Promise<boolean>((ok) => modals.openConfirmModal({ title: 'Leave without saving?', children: <p>Your changes to this workflow are not saved.</p>, labels: { confirm: 'Leave', cancel: 'Stay' }, confirmProps: { variant: 'filled', color: 'danger' }, onConfirm: () => ok(true), onCancel: () => ok(false), onClose: () => ok(false) }))), enableBeforeUnload: () => dirtyRef.current, disabled: !dirty });
  const nextProblem = (): void => {
    const d = problems.find((x) => x.line > line) ?? problems[0];
    if (d) handle.current?.goTo(d.line, d.column, true);
  };
  /** A fix of the server: its edits over the text it saw. */
  const fix = (d: Diagnostic): void => {
    if (!d.fix || asked !== text) return;
    const lines = text.split('\n');
    const starts: number[] = [];
    let n = 0;
    for (const l of lines) { starts.push(n); n += l.length + 1; }
    const at = (line: number, column: number): number => Math.min(text.length, (starts[line - 1] ?? text.length) + column - 1);
    change([...d.fix.edits].map((e) => ({ from: at(e.line, e.column), to: at(e.endLine, e.endColumn), text: e.text })).sort((x, y) => y.from - x.from).reduce((s, e) => s.slice(0, e.from) + e.text + s.slice(e.to), text));
  };
  const dry = useFeature('dry_run'), hasVersions = useFeature('versions');
  const stepTest = useFeature('step_test') && can('workflows:execute');
  const [trial, setTrial] = useState<{ step: string; of: StepExecution | 'runs' } | null>(null);
  const acts = (x: EffectClass): boolean => x === 'write' || x === 'destructive';
  const testable = (x: EffectClass): boolean => stepTest && (!acts(x) || dry);
  /** One step alone, over the chosen sample; what would act outside is rendered and not sent. */
  const testStep = async (s: StepRef, effect: EffectClass): Promise<void> => {
    setTrial({ step: s.name, of: 'runs' });
    try {
      const given = Object.fromEntries([...(sample?.steps ?? [])].map(([k, v]) => [k, { output: v.output ?? null, error: v.error, input: v.input ?? null }]));
      const contextOverride = { ...(sample?.event ? { event: sample.event } : {}), ...(sample?.inputs ? { inputs: sample.inputs } : {}), steps: given };
      const r = await api<{ workflowExecutionId: string }>('/api/workflows/step/test', { body: { workflowYaml: text, stepId: s.name, contextOverride, ...(w ? { workflowId: w.id } : {}), ...(acts(effect) ? { dryRun: true } : {}) } });
      const until = Date.now() + 60_000;
      for (;;) {
        const e = await api<Execution>(`/api/workflows/executions/${seg(r.workflowExecutionId)}?includeInput=true&includeOutput=true`);
        const one = e.stepExecutions.find((x) => x.stepId === s.name);
        if (one && isTerminal(one.status)) { setTrial({ step: s.name, of: one }); setUrl({ tab: 'last' }); return; }
        if (isTerminal(e.status)) throw new Error(e.error?.message ?? 'the step did not run');
        if (Date.now() > until) throw new Error('it still runs; look under executions');
        await new Promise((ok) => setTimeout(ok, 300));
      }
    } catch (e) {
      setTrial(null);
      toastError('Not tested', e);
    }
  };
  const nameRef = useRef<HTMLInputElement | null>(null);
  const run = (): void => { if (w || dry) setRunning('run'); };
  const tryIt = (): void => setRunning('dry');
  useKeys('Workflow', [
    { key: 'Ctrl+s', label: 'Save', run: () => save() }, { key: 'F8', label: 'Next problem', run: nextProblem }, ...(write ? [{ key: 'Alt+Enter', label: 'Fix the problem of this line', run: () => { const d = problems.find((x) => x.fix && x.line <= line && line <= x.endLine) ?? problems.find((x) => x.fix); if (d) fix(d); } }] : []), ...(w ? [{ key: 'Ctrl+Enter', label: 'Run…', run }] : []),
    { key: 'e', label: 'Into the text', run: () => handle.current?.focus() },
    ...(write && view !== 'versions' ? [
      { key: 'Ctrl+z', label: 'Undo', notInText: true, run: () => handle.current?.undo() }, { key: 'Ctrl+y', label: 'Redo', notInText: true, run: () => handle.current?.redo(), hidden: true },
      { key: 'n', label: 'Add a step after', run: () => { const s = here ?? steps[steps.length - 1]; if (s) act(s, 'after'); else setAdding({ list: ['steps'], index: 0, after: '' }); } },
      { key: 'F2', label: 'Rename the step', run: () => nameRef.current?.select() },
      { key: 'Delete', label: 'Delete the step', run: () => here && act(here, 'delete') },
      { key: 'Alt+ArrowUp', label: 'Move the step up', notInText: true, run: () => here && act(here, 'up') }, { key: 'Alt+ArrowDown', label: 'Move the step down', notInText: true, run: () => here && act(here, 'down') },
    ] : []),
  ]);
  const types = useQuery(q.catalogue());
  const catalogue = types.data;
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
  const node = graph?.nodes.find((n) => n.id === here?.name || n.name === here?.name);
  const paths = useMemo(() => (view === 'builder' ? pathsFor(here, steps, read.js, sample, catalogue) : []), [view, here, steps, read.js, sample, catalogue]);
  const mine = useMemo(() => (here ? problems.filter((d) => d.line >= here.line && d.line <= here.endLine && !steps.some((s) => s.parent === here.name && d.line >= s.line && d.line <= s.endLine)) : []), [here, problems, steps]);
  const suggested = useMemo(() => { const kinds = new Map<string, number>(); for (const s of steps) kinds.set(s.type, (kinds.get(s.type) ?? 0) + 1); return [...kinds.keys()].filter((t) => !['if', 'switch', 'foreach', 'while', 'parallel'].includes(t)).slice(0, 8); }, [steps]);
  const guarded = adding !== null && steps.some((s) => s.type === 'waitForApproval' && !(s.list.length > adding.list.length) && (s.list.join('/') === adding.list.join('/') ? s.index < adding.index : adding.list.join('/').startsWith(s.list.join('/')) && s.index < Number(adding.list[s.list.length])));
  const effect = v?.watchfire?.effect ?? w?.watchfire?.effect;
  return (
    <div className="page">
      <PageHead title={visible(w?.name ?? 'New workflow')} detail crumbs={[{ to: '/workflows', label: 'Workflows' }]} chips={<>{effect && <Effect effect={effect} />}{w?.version !== undefined && <span className="small ink2 desk">v{w.version}</span>}</>} actions={
        <>
          {dirty && <span className="small ink2 nowrap">not saved</span>}
          {w && <Switch size="xs" label="Enabled" checked={w.enabled} disabled={!write || (!w.valid && !w.enabled)} onChange={(e) => void setEnabled(w, e.currentTarget.checked)} />}
          {dry && can('workflows:execute') && <Button leftSection={<IconFlask size={14} stroke={1.7} />} onClick={tryIt}>Try without effect</Button>}
          {w && can('workflows:execute') && <Button leftSection={<IconPlayerPlay size={14} stroke={1.7} />} rightSection={<Kbd>Ctrl ⏎</Kbd>} onClick={run}>Run…</Button>}
          {write && <Button variant="filled" onClick={() => save()} disabled={busy || (!dirty && w !== null)} rightSection={<Kbd>Ctrl S</Kbd>}>{w ? 'Save' : url.rule ? 'Save and attach' : 'Create'}</Button>}
        </>
      } />
      <div className="row" style={{ padding: '6px 16px', borderBottom: '1px solid var(--line)', flex: 'none' }}>
        <div className="tabs" role="tablist" aria-label="Views">
          <button type="button" role="tab" className="tab desk" aria-selected={view === 'graph'} onClick={() => setUrl({ view: undefined })}><IconColumns2 size={15} stroke={1.7} aria-hidden />YAML and graph</button>
          <button type="button" role="tab" className="tab" aria-selected={view === 'builder'} onClick={() => setUrl({ view: 'builder' })}><IconLayoutSidebarRight size={15} stroke={1.7} aria-hidden />Builder</button>
          <button type="button" role="tab" className="tab" aria-selected={view === 'yaml'} onClick={() => setUrl({ view: 'yaml' })}><IconCode size={15} stroke={1.7} aria-hidden />YAML</button>
          {w && hasVersions && <button type="button" role="tab" className="tab" aria-selected={view === 'versions'} onClick={() => setUrl({ view: 'versions' })}><IconHistory size={15} stroke={1.7} aria-hidden />Versions <span className="n">{w.version ?? ''}</span></button>}
        </div>
        {w && <><span style={{ width: 1, height: 18, background: 'var(--line)' }} /><Go to="/executions" search={{ workflow: w.id }} className="small">Executions{w.watchfire ? ` ${count(w.watchfire.runs_24h)} in 24 h` : ''}</Go>{w.watchfire && w.watchfire.used_by_rules > 0 && <span className="small ink2">used by {plural(w.watchfire.used_by_rules, 'rule')}</span>}</>}
        {w && !w.valid && <span className="chip crit">stored with errors, disabled</span>}
        {view === 'builder' && samples.length > 0 && <span className="right row small ink2 desk">Sample values from<Select aria-label="Sample values from" size="xs" w={250} data={samples} value={sampleId ?? null} allowDeselect={false} onChange={(x) => setUrl({ sample: x ?? undefined })} /></span>}
      </div>
      {elsewhere && <div className="stale" role="alert"><span className="grow">This workflow was saved elsewhere while you were writing.</span><Button size="xs" onClick={() => setBase(saved)}>Keep mine</Button><Button size="xs" onClick={() => { setBase(saved); setText(saved); }}>Take theirs</Button></div>}
      {view === 'versions' && w && <Versions w={w} text={text} dirty={dirty} onRestored={(y) => { setBase(y); setText(y); }} />}
      <div className="editor" data-view={view} hidden={view === 'versions'}>
        <div className="text-pane"><Suspense fallback={<Loading rows={16} height={20} />}><CodeEditor value={text} onChange={onTyped} label="Workflow as YAML" readOnly={!write} diagnostics={problems} inline highlight={selected && !selected.id.startsWith('trigger') ? { from: selected.range.startLine, to: selected.range.endLine } : null} onCursor={setLine} complete={complete} handle={handle} onSave={() => save()} onRun={run} /></Suspense></div>
        <div className="problems" role="region" aria-label="Problems" tabIndex={0}>
          <div className="head" role="status">
            {check.error ? <span className="t-high">Not checked: {check.error instanceof ApiError ? check.error.message : 'no answer from the server'}</span> : !v ? <span className="ink3">Checking…</span> : nErr + nWarn === 0 ? <span className="row t-ok" style={{ gap: 6 }}><IconCircleCheck size={15} stroke={1.7} aria-hidden />valid</span> : <span className="row" style={{ gap: 12 }}>{nErr > 0 && <b className="row t-crit" style={{ gap: 6 }}><IconAlertCircle size={15} stroke={1.7} aria-hidden />{plural(nErr, 'error')}</b>}{nWarn > 0 && <b className="t-med">{plural(nWarn, 'warning')}</b>}</span>}
            {v && <span className="ink2 desk">checked as the server will</span>}
            {problems.length > 0 && <button type="button" className="right row link-button" onClick={nextProblem}><Kbd>F8</Kbd> next</button>}
          </div>
          {problems.slice(0, 200).map((d, i) => <div key={i} className="problem-row"><button type="button" className="problem" onClick={() => { if (view === 'builder') { const n = [...steps].reverse().find((x) => x.line <= d.line && d.line <= x.endLine); if (n) setPicked(n.name); } handle.current?.goTo(d.line, d.column, view !== 'builder'); }}><span className={`dot ${d.severity === 'error' ? 'crit' : d.severity === 'warning' ? 'med' : ''}`} role="img" aria-label={d.severity} /><span className="mono num">{d.line}:{d.column}</span><span style={{ overflowWrap: 'anywhere' }}>{visible(d.message)}{d.hint ? <span className="ink2"> – {visible(d.hint)}</span> : null}</span><span className="mono ink3 desk">{d.code}</span></button>{write && d.fix && <Button size="xs" onClick={() => fix(d)}>Fix: {visible(d.fix.title)}</Button>}</div>)}
        </div>
        {(view === 'graph' || view === 'builder') && <div className="graph-pane">{graph ? <Suspense fallback={null}><GraphView graph={graph} selected={view === 'builder' ? (node?.id ?? null) : (selected?.id ?? null)} errors={errors} stale={v !== undefined && (v.graph === null || v.graph.nodes.length === 0)} refs={steps} edits={edits} onClear={clear} onPick={onPick} /></Suspense> : <div className="state"><span className="ink2 small">The graph stands here when the text parses.</span></div>}{v && v.graph === null && <div className="row small" style={{ position: 'absolute', top: 0, left: 0, right: 0, padding: '6px 12px', background: 'var(--crit-bg)', color: 'var(--crit)', zIndex: 6 }} role="status">{problems[0] ? `line ${problems[0].line}: ${problems[0].message}` : 'the text does not parse'}. {graph ? 'Shown is the last graph.' : ''}</div>}</div>}
        {view === 'builder' && <aside className="form-pane" aria-label="Form">{here ? <Inspector step={here} js={read.js} text={source} effect={node?.effect ?? 'none'} catalogue={catalogue} waiting={types.isPending} connectors={connectors} paths={paths} sample={sample} problems={mine} readOnly={!write} tab={url.tab ?? 'params'} setTab={(x) => setUrl({ tab: x === 'params' ? undefined : x })} trial={trial?.step === here.name ? trial.of : null} onTest={testable(node?.effect ?? 'none') ? () => void testStep(here, node?.effect ?? 'none') : null} onText={change} onAct={(a) => act(here, a)} onFail={refuse} onLine={() => { setUrl({ view: undefined, step: here.name }); setTimeout(() => handle.current?.goTo(here.line, 1, true), 60); }} nameRef={nameRef} /> : <><Head js={read.js} text={source} readOnly={!write} onText={change} onFail={refuse} />{write && steps.length === 0 && <div className="pad"><Button onClick={() => setAdding({ list: ['steps'], index: 0, after: '' })}>Add the first step</Button></div>}</>}</aside>}
      </div>
      <StepCatalogue opened={adding !== null} after={adding?.after ?? ''} text={text} catalogue={catalogue} connectors={connectors} approvalBefore={guarded} suggested={suggested} onClose={() => setAdding(null)} onPick={insert} />
      <RunDialog w={w} text={text} js={read.js} mode={running} onClose={() => setRunning(null)} dirty={dirty} effect={effect ?? 'none'} />
    </div>
  );
}
