// The gallery: templates as cards, what each does and needs, and the form that makes a workflow of one. No YAML is typed.
import { Button, Modal, Select, Switch, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconBell, IconChevronLeft, IconCircleCheck, IconClock, IconFlask, IconHandClick, IconSearch, IconX } from '@tabler/icons-react';
import { useMemo, useRef, useState } from 'react';
import { api } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Connector, Effect as EffectClass, Validation, Workflow } from '../../api/types';
import { Effect, Kbd } from '../../kit/bits';
import { count, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan, useFeature } from '../../kit/me';
import { SchemaForm, type Schema } from '../../kit/SchemaForm';
import { Empty, Loaded } from '../../kit/states';
import { toast } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { defaultsOf, install, missing, readTemplate, type Question, type Template } from '../../kit/yaml/template';
import { PageHead } from '../../shell/Shell';
import { eventOf, useSamples } from './sample';

const OWN = import.meta.glob('../../../../content/templates/*.yaml', { query: '?raw', import: 'default', eager: true }) as Record<string, string>;
const STARTS: Record<string, [string, typeof IconBell]> = { alert: ['by an alert', IconBell], manual: ['by hand', IconHandClick], scheduled: ['on a schedule', IconClock] };

function useTemplates(): { data: Template[] | undefined; error: unknown; isPending: boolean; failureCount: number; refetch: () => unknown } {
  const served = useFeature('templates');
  const list = useQuery({ queryKey: ['templates'], enabled: served, staleTime: 600_000, queryFn: async ({ signal }) => (await api<{ templates: { slug: string; yaml: string }[] }>('/internal/workflows/library/templates', { signal })).templates.flatMap((t) => { const r = readTemplate(t.yaml); return r ? [r] : []; }) });
  const own = useMemo(() => Object.values(OWN).flatMap((y) => { const t = readTemplate(y); return t ? [t] : []; }).sort((a, b) => (a.name < b.name ? -1 : 1)), []);
  return served ? list : { data: own, error: null, isPending: false, failureCount: 0, refetch: () => undefined };
}
/** The template with its defaults, for the server to read: connectors that are not chosen yet stand as their question. */
function probe(t: Template): string {
  try {
    return install(t, { ...Object.fromEntries(t.form.filter((x) => x.default === undefined && x.required).map((x) => [x.name, x.inputType === 'number' ? 1 : x.inputType === 'boolean' ? true : `your-${x.name}`])) }, t.name, false);
  } catch {
    return t.yaml;
  }
}
function useReading(t: Template | undefined) {
  const yaml = useMemo(() => (t ? probe(t) : ''), [t]);
  return useQuery({ queryKey: ['validate', 'template', t?.slug], enabled: t !== undefined, staleTime: Infinity, retry: false, queryFn: ({ signal }) => api<Validation>('/api/workflows/validate', { body: { yaml }, signal }) });
}
const connectorsOf = (t: Template): Question[] => t.form.filter((x) => x.inputType === 'connector');
const fits = (x: Question, connectors: Connector[]): Connector[] => connectors.filter((c) => !x.connectorType || c.connector_type_id === x.connectorType);

export function Gallery() {
  const [url, setUrl] = useUrl();
  const list = useTemplates();
  const connectors = useQuery({ ...q.connectors(), enabled: useCan()('connectors:read') }).data ?? [];
  const [ready, setReady] = useState(false);
  const filter = useRef<HTMLInputElement>(null);
  useKeys('Gallery', [{ key: '/', label: 'Search', run: () => filter.current?.focus() }, { key: 'Escape', label: 'Close', run: () => setUrl({ sel: undefined, use: undefined }) }]);
  const words = (url.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const isReady = (t: Template): boolean => connectorsOf(t).every((x) => !x.required || fits(x, connectors).length > 0);
  const shown = (list.data ?? []).filter((t) => words.every((w) => `${t.name} ${t.description} ${t.categories.join(' ')} ${t.yaml}`.toLowerCase().includes(w)) && (!url.start || t.triggers.includes(url.start)) && (!ready || isReady(t)));
  const sel = (list.data ?? []).find((t) => t.slug === url.sel);
  return (
    <div className="page">
      <PageHead title="Gallery" crumbs={[{ to: '/workflows', label: 'Workflows' }]} />
      <div className="filter-bar"><TextInput ref={filter} className="grow" leftSection={<IconSearch size={14} stroke={1.7} />} placeholder="What should happen, which tool, which attack" aria-label="Search templates" value={url.q ?? ''} onChange={(e) => setUrl({ q: e.currentTarget.value })} /><Select className="desk" aria-label="Starts" w={170} data={[{ value: '', label: 'Starts: any' }, ...Object.entries(STARTS).map(([v, [l]]) => ({ value: v, label: `Starts ${l}` }))]} value={url.start ?? ''} allowDeselect={false} onChange={(v) => setUrl({ start: v || undefined })} /><Switch size="xs" label="works with my connectors" checked={ready} onChange={(e) => setReady(e.currentTarget.checked)} /></div>
      <Loaded query={list} what="The gallery">{() => (
        <div className="gallery">
          <div className="cards" role="group" aria-label="Templates">{shown.map((t) => <Card key={t.slug} t={t} on={t === sel} ready={isReady(t)} lacks={connectorsOf(t).filter((x) => x.required && fits(x, connectors).length === 0).map((x) => x.connectorType ?? x.label)} onPick={() => setUrl({ sel: t.slug, use: undefined }, false)} />)}{shown.length === 0 && <Empty title="No template matches" action={<Button onClick={() => { setReady(false); setUrl({ q: undefined, start: undefined }); }}>Show all</Button>} />}</div>
          {sel ? <Side key={`${sel.slug}:${connectors.length}`} t={sel} connectors={connectors} use={url.use === 'true'} setUse={(on) => setUrl({ use: on ? 'true' : undefined }, false)} onClose={() => setUrl({ sel: undefined, use: undefined })} /> : <aside className="tpl-side desk" aria-label="Template"><div className="pad small ink3">Pick a template to see what it does, step by step.</div></aside>}
        </div>
      )}</Loaded>
    </div>
  );
}

function Card({ t, on, ready, lacks, onPick }: { t: Template; on: boolean; ready: boolean; lacks: string[]; onPick: () => void }) {
  const r = useReading(t);
  const [, I] = STARTS[t.triggers[0] ?? ''] ?? ['', IconHandClick];
  const kinds = [...new Set(connectorsOf(t).map((x) => (x.connectorType ?? '').replace(/^\./, '')).filter(Boolean))];
  return (
    <button type="button" className="card" aria-pressed={on} onClick={onPick}>
      <span className="row"><I size={16} stroke={1.7} className="ink2" aria-hidden /><b className="grow">{visible(t.name)}</b></span>
      <span className="small ink2">{visible(t.description)}</span>
      <span className="row wrap foot" style={{ gap: 4 }}>{kinds.map((k) => <span key={k} className="chip outline mono">{k}</span>)}{kinds.length === 0 && <span className="chip outline">no connector</span>}</span>
      <span className="row small">{r.data?.watchfire && <Effect effect={r.data.watchfire.effect} />}<span className="ink2">{r.data?.graph ? plural(r.data.graph.nodes.filter((n) => !n.id.startsWith('trigger')).length, 'step') : ''}</span>{ready ? <span className="right row t-ok" style={{ gap: 4 }}><IconCircleCheck size={14} stroke={1.7} aria-hidden />ready</span> : <span className="right t-high">needs {lacks.join(', ')}</span>}</span>
    </button>
  );
}

function Side({ t, connectors, use, setUse, onClose }: { t: Template; connectors: Connector[]; use: boolean; setUse: (on: boolean) => void; onClose: () => void }) {
  const r = useReading(t);
  const write = useCan()('workflows:write');
  const nodes = (r.data?.graph?.nodes ?? []).filter((n) => !n.id.startsWith('trigger'));
  return (
    <aside className="tpl-side" aria-label={t.name}>
      <div className="row" style={{ padding: '10px 16px', borderBottom: '1px solid var(--line)' }}>{use && <button type="button" className="path-button" aria-label="Back to what it does" onClick={() => setUse(false)}><IconChevronLeft size={16} stroke={1.7} aria-hidden /></button>}<b style={{ fontSize: 15 }} className="grow">{visible(t.name)}</b><button type="button" className="path-button" aria-label="Close the template" onClick={onClose}><IconX size={16} stroke={1.7} aria-hidden /></button></div>
      {use ? <Install t={t} connectors={connectors} effect={r.data?.watchfire?.effect ?? 'none'} /> : (
        <>
          <div className="scroll" tabIndex={0} role="region" aria-label="What it does">
            <section><p className="small ink2">{visible(t.description)}</p><p className="small ink2">It starts {t.triggers.map((x) => STARTS[x]?.[0] ?? `by ${x}`).join(', or ')}.</p></section>
            <section><h2>What it does</h2><ol>{nodes.map((n, i) => <li key={n.id} className="row small" style={{ minHeight: 26, paddingLeft: depth(n.id, nodes) * 14 }}><span className="ink3 num" style={{ width: 18 }}>{i + 1}</span><span className="cut grow">{visible(n.name.replaceAll('_', ' '))} <span className="mono tiny ink3">{n.type}</span></span><Effect effect={n.effect} bare={n.effect === 'none'} /></li>)}</ol>{r.error ? <p className="small t-high">The server did not read it.</p> : null}</section>
            <section><h2>Fits here</h2>{connectorsOf(t).length === 0 && <p className="small ink2">It needs no connector.</p>}<ul>{connectorsOf(t).map((x) => { const c = fits(x, connectors); return <li key={x.name} className="row small" style={{ minHeight: 26 }}>{c.length ? <IconCircleCheck size={14} stroke={1.7} className="t-ok" aria-hidden /> : <span className={`dot ${x.required ? 'high' : ''}`} aria-hidden />}<span>{visible(x.label)}</span><span className="right ink2 cut">{c.length ? c.slice(0, 3).map((y) => y.name).join(', ') : <Go to="/connectors" search={{ sel: 'new', ...(x.connectorType ? { type: x.connectorType } : {}) }}>{x.required ? 'set one up' : 'none; works without'}</Go>}</span></li>; })}</ul></section>
          </div>
          <div className="bar">{write ? <Button variant="filled" style={{ flex: 1 }} onClick={() => setUse(true)} rightSection={<Kbd>⏎</Kbd>}>Use this</Button> : <span className="small ink2">Needs <code>workflows:write</code></span>}</div>
        </>
      )}
    </aside>
  );
}
function depth(id: string, nodes: { id: string; container: string | null }[]): number {
  let n = 0, at = nodes.find((x) => x.id === id)?.container ?? null;
  while (at !== null && n < 6) { n++; const p: string = at; at = nodes.find((x) => x.id === p)?.container ?? null; }
  return n;
}

function schemaOf(t: Template, connectors: Connector[]): Schema {
  const properties: Record<string, Schema> = {};
  t.form.forEach((x, i) => {
    const base: Schema = { title: x.label, 'x-order': i, ...(x.description ? { description: x.description } : {}) };
    properties[x.name] = x.inputType === 'select' ? { ...base, type: 'string', enum: x.options } : x.inputType === 'number' ? { ...base, type: 'number' } : x.inputType === 'boolean' ? { ...base, type: 'boolean' } : x.inputType === 'textarea' ? { ...base, type: 'string', format: 'multiline' }
      : x.inputType === 'connector' ? { ...base, type: 'string', 'x-widget': 'connector', enum: fits(x, connectors).map((c) => c.id), 'x-labels': Object.fromEntries(fits(x, connectors).map((c) => [c.id, c.name])) } : { ...base, type: 'string' };
  });
  return { type: 'object', properties, required: t.form.filter((x) => x.required).map((x) => x.name) };
}
function Install({ t, connectors, effect }: { t: Template; connectors: Connector[]; effect: EffectClass }) {
  const go = useGo();
  const dry = useFeature('dry_run');
  const taken = useQuery(q.workflows()).data?.results.map((w) => w.name) ?? [];
  const free = (wish: string): string => { if (!taken.includes(wish)) return wish; for (let i = 2; ; i++) if (!taken.includes(`${wish} ${i}`)) return `${wish} ${i}`; };
  const [answers, setAnswers] = useState<Record<string, unknown>>(() => ({ ...defaultsOf(t), ...Object.fromEntries(connectorsOf(t).flatMap((x) => { const c = fits(x, connectors); return c.length === 1 ? [[x.name, c[0]!.id]] : []; })) }));
  const [given, setGiven] = useState<string | null>(null);
  const name = given ?? free(t.name);
  const [enabled, setEnabled] = useState(false);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failed, setFailed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [trying, setTrying] = useState(false);
  const lacks = connectorsOf(t).filter((x) => x.required && fits(x, connectors).length === 0);
  const make = (on: boolean): string | null => {
    const bad = { ...missing(t, answers), ...(name.trim() ? {} : { '': 'Write a name.' }) };
    setErrors(Object.fromEntries(Object.entries(bad).map(([k, v]) => [`/${k}`, v])));
    if (Object.keys(bad).length > 0) return null;
    try {
      return install(t, answers, name.trim(), on);
    } catch (e) {
      setFailed(e instanceof Error ? e.message : String(e));
      return null;
    }
  };
  const create = async (): Promise<void> => {
    const yaml = make(enabled);
    if (yaml === null) return;
    setBusy(true);
    setFailed(null);
    try {
      const w = await api<Workflow>('/api/workflows/workflow', { body: { yaml } });
      await queryClient.invalidateQueries({ queryKey: ['workflows'] });
      toast(w.valid === false ? 'Created with errors, so it is disabled' : enabled ? 'Created and enabled' : 'Created, not enabled yet');
      go(`/workflows/${w.id}`, { view: 'builder' });
    } catch (e) {
      setFailed(e instanceof Error ? e.message : String(e));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="tpl-form" onSubmit={(e) => { e.preventDefault(); void create(); }}>
      <div className="scroll" tabIndex={-1}>
        <section className="col" style={{ gap: 12 }}>
          <TextInput label="Name" value={name} error={errors['/']} onChange={(e) => setGiven(e.currentTarget.value)} data-autofocus />
          <SchemaForm schema={schemaOf(t, connectors)} value={answers} errors={errors} onChange={setAnswers} />
          {lacks.map((x) => <p key={x.name} className="small t-high">{visible(x.label)}: no connector{x.connectorType ? <> of the type <code>{x.connectorType}</code></> : ''} is set up. <Go to="/connectors" search={{ sel: 'new', ...(x.connectorType ? { type: x.connectorType } : {}) }}>Set one up</Go></p>)}
        </section>
        <section className="col"><Switch label="Enable it now" checked={enabled} onChange={(e) => setEnabled(e.currentTarget.checked)} /><p className="small ink2">{enabled ? <>It can be started at once; its highest effect is <Effect effect={effect} />.</> : 'It is stored and cannot be started until you enable it.'} A rule starts it when it is picked under the rule's actions.</p></section>
      </div>
      {failed && <div className="small t-crit" role="alert" style={{ padding: '8px 16px' }}>Not created: {failed}</div>}
      <div className="bar">{dry && <Button leftSection={<IconFlask size={14} stroke={1.7} />} onClick={() => { if (make(false) !== null) setTrying(true); }}>Try with a past alert</Button>}<Button type="submit" variant="filled" style={{ flex: 1 }} disabled={busy || lacks.length > 0}>{enabled ? 'Create and enable' : 'Create'}</Button></div>
      <Modal opened={trying} onClose={() => setTrying(false)} title={`Try ${name} without effect`} size={520} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>{trying && <Try yaml={make.bind(null, false)} onDone={(id) => go(`/executions/${id}`)} />}</Modal>
    </form>
  );
}
function Try({ yaml, onDone }: { yaml: () => string | null; onDone: (id: string) => void }) {
  const samples = useSamples(null);
  const [alert, setAlert] = useState<string | null>(null);
  const chosen = alert ?? samples[0]?.value ?? '';
  const [failed, setFailed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const start = async (): Promise<void> => {
    const text = yaml();
    if (text === null) return;
    setBusy(true);
    try {
      const event = chosen.startsWith('a:') ? await eventOf([chosen.slice(2)]) : null;
      onDone((await api<{ workflowExecutionId: string }>('/api/workflows/test', { body: { workflowYaml: text, inputs: event ? { event } : {}, dryRun: true } })).workflowExecutionId);
    } catch (e) {
      setFailed(e instanceof Error ? e.message : String(e));
      setBusy(false);
    }
  };
  return (
    <div className="col" style={{ gap: 12 }}>
      <p className="small ink2">Everything is rendered, nothing is sent; every effect is listed as it would be sent. {samples.length ? `${count(samples.length)} past alerts to choose from.` : 'No alert is there yet: it starts with an empty event.'}</p>
      {samples.length > 0 && <Select label="Alert" data={samples} value={chosen} allowDeselect={false} onChange={setAlert} />}
      {failed && <div className="small t-crit" role="alert">Not tried: {failed}</div>}
      <div className="row"><Button className="right" variant="filled" disabled={busy} onClick={() => void start()}>Try without effect</Button></div>
    </div>
  );
}
