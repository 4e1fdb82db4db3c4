// The form of one step: parameters, on failure, condition, last run; what a change writes is shown at the foot before it is written.
import { Button, Menu, Select, Switch, TextInput } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconCopy, IconDotsVertical, IconHash, IconPlayerPlay, IconPlus, IconRepeat, IconTrash, IconGitBranch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { q } from '../../api/queries';
import type { Catalogue, Connector, Diagnostic, Effect as EffectClass, StepExecution } from '../../api/types';
import { Effect, Kbd, Moment, Outside, StateChip } from '../../kit/bits';
import { visible } from '../../kit/format';
import { Json } from '../../kit/Json';
import type { PathItem } from '../../kit/paths';
import { Loading } from '../../kit/states';
import { SchemaForm, type Schema } from '../../kit/SchemaForm';
import { parse, toJs } from '../../kit/yaml/doc';
import { EditError, lineDiff, NAME, renameStep, setIn, type LineDiff, type StepRef } from '../../kit/yaml/edit';
import { inputSchema, type Sample } from './sample';

type Obj = Record<string, unknown>;
export type StepAct = 'before' | 'after' | 'duplicate' | 'comment' | 'if' | 'foreach' | 'up' | 'down' | 'delete';
type Props = {
  step: StepRef; js: unknown; text: string; effect: EffectClass; catalogue: Catalogue | undefined; waiting: boolean; connectors: Connector[] | undefined; paths: PathItem[]; sample: Sample | null; problems: Diagnostic[]; readOnly: boolean; tab: string; setTab: (t: string) => void;
  trial: StepExecution | 'runs' | null; onTest: (() => void) | null; onText: (t: string, select?: string) => void; onAct: (a: StepAct) => void; onFail: (why: string) => void; onLine: () => void; nameRef: React.RefObject<HTMLInputElement | null>;
};
const FLOW: Record<string, [string, Schema][]> = {
  if: [['condition', { type: 'string', title: 'Condition', description: 'KQL over the event and earlier steps, or one template', maxLength: 4000 }]],
  while: [['condition', { type: 'string', title: 'As long as', maxLength: 4000 }]],
  foreach: [['foreach', { type: 'array', title: 'For each of', description: 'a list, or a path that holds one' }]],
  switch: [['expression', { type: 'string', title: 'By the value of', maxLength: 4000 }]],
};
const RETRY: Schema = {
  type: 'object', properties: {
    retry: { type: 'object', title: 'Try again', properties: { 'max-attempts': { type: 'integer', minimum: 1, title: 'Further tries' }, delay: { type: 'string', title: 'Pause', description: 'such as 5s or 1m' }, strategy: { type: 'string', enum: ['fixed', 'exponential'], title: 'Pauses grow' }, 'max-delay': { type: 'string', title: 'Longest pause' }, jitter: { type: 'boolean', title: 'Spread at random' }, condition: { type: 'string', title: 'Only if', description: 'for example ${{ error.type == "TimeoutError" }}' } }, required: ['max-attempts'] },
    continue: { type: 'boolean', title: 'Go on when it failed' },
  },
};
const ENVELOPE: Schema = { type: 'object', properties: { if: { type: 'string', title: 'Runs only if', description: 'KQL or one template; else the step is skipped', maxLength: 4000 }, foreach: { type: 'string', title: 'Once for each of', description: 'a path that holds a list' }, timeout: { type: 'string', title: 'At most', description: 'such as 30s, 5m or 4h' } } };
const TABS = [['params', 'Parameters'], ['failure', 'On failure'], ['condition', 'Condition'], ['last', 'Last run']] as const;

export function Inspector(p: Props) {
  const { step, js, text, catalogue, connectors, paths, readOnly } = p;
  const type = catalogue?.steps.find((t) => t.type === step.type);
  const value = useMemo(() => step.path.reduce<unknown>((v, k) => (v as Obj | undefined)?.[k as string], js) as Obj | undefined, [js, step.path]);
  const [name, setName] = useState(step.name);
  const [pending, setPending] = useState<LineDiff | null>(null);
  const [done, setDone] = useState<LineDiff | null>(null);
  const before = useRef(text);
  useEffect(() => { setName(step.name); setPending(null); }, [step.name]);
  useEffect(() => { if (before.current !== text) { setDone(lineDiff(before.current, text)); setPending(null); before.current = text; } }, [text]);
  const edit = (f: () => string, select?: string): void => {
    try {
      const t = f();
      if (t !== text) p.onText(t, select);
    } catch (e) {
      p.onFail(e instanceof EditError ? e.message : String(e));
    }
  };
  const show = (f: () => string): void => {
    try { setPending(lineDiff(text, f())); } catch { setPending(null); }
  };
  const rel = (path: (string | number)[], v: unknown, after?: string): string => setIn(text, [...step.path, ...path], v, after);
  const params = (value?.with ?? {}) as Obj;
  const schema = useCalled(step.type, params, (type?.schema ?? { type: 'object', additionalProperties: true }) as Schema);
  const takesWith = !(step.type in FLOW) && step.type !== 'parallel' && !step.type.startsWith('loop.');
  const shared = value === undefined;
  const served = (connectors ?? []).filter((c) => type?.connector_types.includes(c.connector_type_id));
  const connector = typeof value?.['connector-id'] === 'string' ? value['connector-id'] : null;
  const errors = useMemo(() => { const m: Record<string, string> = {}; for (const d of p.problems) { const k = /\.with\.([\w$-]+)/.exec(d.path ?? '')?.[1]; if (k) m[`/${k}`] = d.message; } return m; }, [p.problems]);
  const ran = p.trial !== null && p.trial !== 'runs' ? p.trial : p.sample?.steps.get(step.name);
  const diff = pending ?? done;
  const withChange = (v: Obj): string => { const empty = Object.keys(v).length === 0 && !(schema.required?.length); return rel(['with'], empty ? undefined : v); };
  const clean = (v: Obj): Obj | undefined => { const o = Object.fromEntries(Object.entries(v).filter(([, x]) => x !== undefined && x !== '' && x !== false && !(typeof x === 'object' && x !== null && !Array.isArray(x) && Object.keys(x).length === 0))); return Object.keys(o).length ? o : undefined; };
  return (
    <section className="step-form" aria-label={`Step ${step.name}`}>
      <header className="pad col" style={{ paddingBottom: 8 }}>
        <div className="row">
          <TextInput ref={p.nameRef} aria-label="Name of the step" className="grow" value={name} disabled={readOnly} error={name !== step.name && !NAME.test(name) ? 'Letters, digits, _ and -.' : undefined} styles={{ input: { fontWeight: 600, fontSize: 15 } }} onChange={(e) => { setName(e.currentTarget.value); const v = e.currentTarget.value; if (NAME.test(v)) show(() => renameStep(text, step.name, v)); }}
            onBlur={() => { if (name !== step.name) { if (NAME.test(name)) edit(() => renameStep(text, step.name, name), name); else setName(step.name); } }} onKeyDown={(e) => { if (e.key === 'Enter') e.currentTarget.blur(); if (e.key === 'Escape') { setName(step.name); e.stopPropagation(); } }} />
          <Effect effect={p.effect} />
          {!readOnly && <Menu><Menu.Target><Button size="xs" variant="subtle" px={6} aria-label="What to do with this step"><IconDotsVertical size={16} stroke={1.7} /></Button></Menu.Target><Menu.Dropdown>
            <Menu.Item leftSection={<IconPlus size={14} />} onClick={() => p.onAct('before')}>Add a step before</Menu.Item><Menu.Item leftSection={<IconPlus size={14} />} rightSection={<Kbd>N</Kbd>} onClick={() => p.onAct('after')}>Add a step after</Menu.Item>
            <Menu.Item leftSection={<IconArrowUp size={14} />} rightSection={<Kbd>Alt ↑</Kbd>} onClick={() => p.onAct('up')}>Move up</Menu.Item><Menu.Item leftSection={<IconArrowDown size={14} />} rightSection={<Kbd>Alt ↓</Kbd>} onClick={() => p.onAct('down')}>Move down</Menu.Item>
            <Menu.Item leftSection={<IconCopy size={14} />} onClick={() => p.onAct('duplicate')}>Duplicate</Menu.Item><Menu.Item leftSection={<IconHash size={14} />} onClick={() => p.onAct('comment')}>Comment out</Menu.Item>
            <Menu.Item leftSection={<IconGitBranch size={14} />} onClick={() => p.onAct('if')}>Wrap in an if</Menu.Item><Menu.Item leftSection={<IconRepeat size={14} />} onClick={() => p.onAct('foreach')}>Wrap in a for each</Menu.Item>
            <Menu.Item leftSection={<IconTrash size={14} />} color="red" rightSection={<Kbd>Del</Kbd>} onClick={() => p.onAct('delete')}>Delete</Menu.Item>
          </Menu.Dropdown></Menu>}
        </div>
        <div className="row small ink2"><code>{step.type}</code><button type="button" className="link-button" onClick={p.onLine}>line {step.line}</button>{p.onTest ? <Button size="xs" className="right" leftSection={<IconPlayerPlay size={13} stroke={1.7} />} disabled={p.trial === 'runs'} onClick={p.onTest}>{p.trial === 'runs' ? 'Testing…' : ['write', 'destructive'].includes(p.effect) ? 'Test step, without effect' : 'Test step'}</Button> : type && <span className="cut right">{visible(type.title)}</span>}</div>
      </header>
      <div className="tabs" role="tablist" aria-label="Step" style={{ padding: '0 12px 6px', borderBottom: '1px solid var(--line)' }}>{TABS.map(([id, label]) => <button key={id} type="button" role="tab" className="tab" aria-selected={p.tab === id} onClick={() => p.setTab(id)}>{label}</button>)}</div>
      <div className="step-body pad col" style={{ gap: 12 }} tabIndex={-1}>
        {p.problems.filter((d) => !Object.values(errors).includes(d.message)).slice(0, 5).map((d, i) => <div key={i} className={`small ${d.severity === 'error' ? 't-crit' : 't-med'}`}>{visible(d.message)}{d.hint ? `: ${visible(d.hint)}` : ''}</div>)}
        {shared ? <p className="small ink2">This step cannot be read from the text just now.</p> : p.tab === 'params' && p.waiting ? (
          // Fields drawn before their schema is there would be others a moment later, and what was typed into them lost.
          <Loading rows={4} height={46} />
        ) : p.tab === 'params' ? (
          <>
            {(FLOW[step.type] ?? []).map(([k, s]) => <SchemaForm key={k} schema={{ type: 'object', properties: { [k]: s }, required: [k] }} value={{ [k]: value[k] ?? '' }} paths={paths} disabled={readOnly} onDraft={(v) => show(() => rel([k], v[k], 'type'))} onChange={(v) => edit(() => rel([k], v[k] ?? '', 'type'))} />)}
            {step.type === 'switch' && Array.isArray(value.cases) && (value.cases as Obj[]).map((c, i) => <SchemaForm key={i} schema={{ type: 'object', properties: { match: { type: 'string', title: `Case ${i + 1}` } }, required: ['match'] }} value={{ match: String(c.match ?? '') }} disabled={readOnly} onDraft={(v) => show(() => rel(['cases', i, 'match'], v.match))} onChange={(v) => edit(() => rel(['cases', i, 'match'], v.match ?? ''))} />)}
            {type && type.connector_types.length > 0 && <Select label={<span className="row field-label"><span>Connector</span></span>} data={served.map((c) => ({ value: c.id, label: c.name })).concat(connector && !served.some((c) => c.id === connector || c.name === connector) ? [{ value: connector, label: `${connector} (not set up)` }] : [])} value={served.find((c) => c.id === connector || c.name === connector)?.id ?? connector} disabled={readOnly} clearable={step.type === 'http'} placeholder={served.length ? 'Pick one' : 'none is set up'} onChange={(v) => edit(() => rel(['connector-id'], v ?? undefined, 'type'))} />}
            {takesWith && (Object.keys(schema.properties ?? {}).length > 0 || schema.additionalProperties || Object.keys(params).length > 0 ? <SchemaForm key={step.name} schema={schema} value={params} paths={paths} errors={errors} disabled={readOnly} onDraft={(v) => show(() => withChange(v))} onChange={(v) => edit(() => withChange(v))} /> : <p className="small ink3">It takes no parameters.</p>)}
            {!type && step.type !== '' && catalogue && <p className="small ink2">The server does not know the type <code>{step.type}</code>; its parameters are edited as they stand.</p>}
          </>
        ) : p.tab === 'failure' ? (
          <>
            <SchemaForm schema={RETRY} value={onFailure(value)} paths={paths} disabled={readOnly} onDraft={(v) => show(() => rel(['on-failure'], clean(keepFallback(value, v))))} onChange={(v) => edit(() => rel(['on-failure'], clean(keepFallback(value, v))))} />
            <p className="small ink2">{hasFallback(value) ? 'Fallback steps stand in the graph.' : 'Fallback steps are written in the text, under on-failure.'}</p>
          </>
        ) : p.tab === 'condition' ? (
          <SchemaForm schema={step.type === 'foreach' ? { ...ENVELOPE, properties: { if: ENVELOPE.properties!.if!, timeout: ENVELOPE.properties!.timeout! } } : ENVELOPE} value={{ if: value.if, ...(step.type === 'foreach' ? {} : { foreach: value.foreach }), timeout: value.timeout }} paths={paths} disabled={readOnly}
            onDraft={(v) => show(() => envelope(text, step, value, v))} onChange={(v) => edit(() => envelope(text, step, value, v))} />
        ) : ran ? (
          <>
            <div className="row"><StateChip status={ran.status} />{ran === p.trial && <span className="chip outline">tested just now</span>}<span className="small ink2"><Moment at={ran.startedAt} /></span></div>
            {ran === p.trial && ran.watchfire?.request && <div><div className="strong">{ran.watchfire.delivery === 'not sent' ? 'What would be sent' : 'What was sent'}</div><pre className="code" tabIndex={0}><Outside text={ran.watchfire.request} className="" /></pre></div>}
            {ran.error && <div className="small t-crit"><Outside text={`${ran.error.type}: ${ran.error.message}`} /></div>}
            <div><div className="strong">Output</div><div className="code"><Json value={ran.output ?? null} root={`steps.${step.name}.output`} /></div></div>
            <div><div className="strong">Input</div><div className="code"><Json value={ran.input ?? null} /></div></div>
          </>
        ) : <p className="small ink3">{p.sample ? 'It did not run in the chosen sample.' : 'No run is chosen: pick one under Sample values from.'}</p>}
      </div>
      {diff && (
        <footer className="writes" aria-label="What it writes"><div className="row small"><b>{pending ? 'Writes' : 'Wrote'} to YAML, line {diff.line}</b><span className="right ink3">comments and order kept</span></div>
          <pre className="line-diff">{diff.before !== null && <span>  {diff.before}{'\n'}</span>}{diff.removed.slice(0, 6).map((l, i) => <del key={i}>- {l}{'\n'}</del>)}{diff.added.slice(0, 6).map((l, i) => <ins key={i}>+ {l}{'\n'}</ins>)}{diff.removed.length > 6 || diff.added.length > 6 ? <span>… {diff.removed.length} lines out, {diff.added.length} in</span> : null}</pre>
        </footer>
      )}
    </section>
  );
}
/** A step that calls another workflow: the workflow is chosen from the list, and its inputs are the form of what it is given. */
function useCalled(kind: string, params: Obj, schema: Schema): Schema {
  const calls = kind === 'workflow.execute' || kind === 'workflow.executeAsync';
  const list = useQuery({ ...q.workflows(), enabled: calls }).data?.results;
  const wanted = typeof params['workflow-id'] === 'string' ? params['workflow-id'] : '';
  const child = list?.find((w) => w.id === wanted) ?? list?.find((w) => w.name === wanted);
  const yaml = useQuery({ ...q.workflow(child?.id ?? ''), enabled: calls && child !== undefined }).data?.yaml;
  return useMemo(() => {
    if (!calls || !list) return schema;
    const stray = wanted !== '' && !list.some((w) => w.id === wanted);
    const labels = Object.fromEntries(list.map((w) => [w.id, `${w.name}${w.enabled ? '' : ' (disabled)'}`]));
    const of = schema.properties?.['workflow-id'] ?? { type: 'string' };
    let inputs = schema.properties?.inputs ?? { type: 'object', additionalProperties: true };
    if (yaml !== undefined) try {
      const form = inputSchema(toJs(parse(yaml)));
      if (Object.keys(form.properties ?? {}).length > 0) inputs = { ...form, title: 'Inputs', description: `what ${child?.name ?? wanted} asks for` };
    } catch { /* a text that does not parse says nothing of its inputs */ }
    return { ...schema, properties: { ...schema.properties, 'workflow-id': { ...of, title: 'Workflow', 'x-widget': 'connector', enum: [...(stray ? [wanted] : []), ...list.map((w) => w.id)], 'x-labels': stray ? { ...labels, [wanted]: child ? child.name : `${wanted} (not there)` } : labels }, inputs } };
  }, [calls, list, schema, wanted, yaml, child?.name]);
}
function onFailure(v: Obj): Obj {
  const f = v['on-failure'];
  if (typeof f !== 'object' || f === null) return {};
  const { fallback: _f, ...rest } = f as Obj;
  return rest;
}
function hasFallback(v: Obj): boolean {
  return Array.isArray((v['on-failure'] as Obj | undefined)?.fallback);
}
function keepFallback(v: Obj, next: Obj): Obj {
  const f = (v['on-failure'] as Obj | undefined)?.fallback;
  return f === undefined ? next : { ...next, fallback: f };
}
function envelope(text: string, step: StepRef, old: Obj, next: Obj): string {
  let t = text;
  for (const k of ['if', 'foreach', 'timeout']) {
    if (k === 'foreach' && step.type === 'foreach') continue;
    const v = next[k] === '' ? undefined : next[k];
    if (v !== old[k]) t = setIn(t, [...step.path, k], v, 'type');
  }
  return t;
}

/** The form of what starts the workflow, and its name: the first thing one sets when nothing is selected. */
export function Head({ js, text, readOnly, onText, onFail }: { js: unknown; text: string; readOnly: boolean; onText: (t: string) => void; onFail: (why: string) => void }) {
  const doc = (js ?? {}) as Obj;
  const triggers = Array.isArray(doc.triggers) ? (doc.triggers as Obj[]) : [];
  const has = (t: string): boolean => triggers.some((x) => x?.type === t);
  const edit = (f: () => string): void => { try { const t = f(); if (t !== text) onText(t); } catch (e) { onFail(e instanceof EditError ? e.message : String(e)); } };
  const toggle = (type: string, body: Obj): void => {
    if (has(type)) { if (triggers.length === 1) return onFail('a workflow needs something that starts it; add another one first'); edit(() => setIn(text, ['triggers', triggers.findIndex((x) => x?.type === type)], undefined)); } else edit(() => setIn(text, ['triggers'], [...triggers, body]));
  };
  return (
    <section className="step-form" aria-label="The workflow">
      <header className="pad"><b style={{ fontSize: 15 }}>The workflow</b><div className="small ink2">Pick a step in the graph to see its form.</div></header>
      <div className="step-body pad col" style={{ gap: 12 }}>
        <SchemaForm schema={{ type: 'object', required: ['name'], properties: { name: { type: 'string', title: 'Name' }, description: { type: 'string', title: 'What it does', maxLength: 1000 }, tags: { type: 'array', items: { type: 'string' }, title: 'Tags' } } }} value={{ name: doc.name ?? '', description: doc.description, tags: doc.tags }} disabled={readOnly} onDraft={() => {}} onChange={(v) => edit(() => { let t = text; for (const k of ['name', 'description', 'tags']) if (v[k] !== doc[k]) t = setIn(t, [k], v[k], k === 'description' ? 'name' : undefined); return t; })} />
        <fieldset className="group"><legend className="strong">How it starts</legend>
          <Switch label="By an alert of a rule" checked={has('alert')} disabled={readOnly} onChange={() => toggle('alert', { type: 'alert' })} />
          <Switch label="By hand" checked={has('manual')} disabled={readOnly} onChange={() => toggle('manual', { type: 'manual' })} />
          <Switch label="On a schedule" checked={has('scheduled')} disabled={readOnly} onChange={() => toggle('scheduled', { type: 'scheduled', with: { every: '1h' } })} />
          {triggers.map((t, i) => (t?.type === 'scheduled' && (t.with as Obj | undefined)?.every !== undefined ? <SchemaForm key={i} schema={{ type: 'object', required: ['every'], properties: { every: { type: 'string', title: 'Every', description: 'at least one minute: 5m, 1h, 1d' } } }} value={{ every: (t.with as Obj).every }} disabled={readOnly} onDraft={() => {}} onChange={(v) => edit(() => setIn(text, ['triggers', i, 'with', 'every'], v.every))} /> : null))}
          {triggers.filter((t) => !['alert', 'manual', 'scheduled'].includes(String(t?.type))).map((t, i) => <div key={i} className="small ink2">also by <code>{String(t?.type)}</code></div>)}
        </fieldset>
      </div>
    </section>
  );
}
