// One rule on one page: query, about, schedule, and what starts when it fires.
import { Button, Combobox, InputBase, NumberInput, SegmentedControl, Select, Switch, TagsInput, Textarea, TextInput, useCombobox } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { useBlocker, useParams } from '@tanstack/react-router';
import { IconCheck, IconCircleCheck, IconPlus, IconRadar2, IconRoute, IconSearch, IconTrash, IconUserCheck } from '@tabler/icons-react';
import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Rule, RuleAction, RuleCheck, Severity, Workflow } from '../../api/types';
import { Effect, Kbd, Moment, useDebounced } from '../../kit/bits';
import { count, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan, useFeature, useMe } from '../../kit/me';
import { ErrorState, Loading } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';
import { lazily } from '../../kit/lazily';

const CodeEditor = lazily(() => import('../../kit/CodeEditor'));

type Form = Pick<Rule, 'name' | 'description' | 'enabled' | 'type' | 'language' | 'query' | 'index' | 'severity' | 'risk_score' | 'tags' | 'note' | 'actions'>;
const FRESH: Form = { name: '', description: '', enabled: true, type: 'query', language: 'kuery', query: '', index: ['logs-*'], severity: 'medium', risk_score: 47, tags: [], note: '', actions: [] };
const RISK: Record<Severity, number> = { low: 21, medium: 47, high: 73, critical: 99 };
const READ_ONLY = ['created_at', 'created_by', 'updated_at', 'updated_by', 'revision', 'immutable', 'rule_source', 'execution_summary', 'watchfire', 'rule_id'];

export function RuleForm() {
  const { id } = useParams({ strict: false }) as { id: string };
  const fresh = id === 'new';
  const one = useQuery({ ...q.rule(id), enabled: !fresh });
  if (fresh) return <Body key="new" rule={null} />;
  if (one.data) return <Body key={id} rule={one.data} />;
  return <div className="page"><PageHead title="Rule" detail crumbs={[{ to: '/rules', label: 'Rules' }]} />{one.error ? <ErrorState what="This rule" error={one.error} retry={() => void one.refetch()} failures={one.failureCount} /> : <Loading rows={10} />}</div>;
}

function formOf(r: Rule): Form {
  return { name: r.name, description: r.description, enabled: r.enabled, type: r.type, language: r.language ?? (r.type === 'eql' ? 'eql' : 'kuery'), query: r.query ?? '', index: r.index ?? [], severity: r.severity, risk_score: r.risk_score, tags: r.tags, note: r.note ?? '', actions: r.actions };
}
function workflowIdOf(a: RuleAction): string {
  return String((a.params.subActionParams as { workflowId?: unknown } | undefined)?.workflowId ?? '');
}
function summaryOf(a: RuleAction): boolean {
  return (a.params.subActionParams as { summaryMode?: boolean } | undefined)?.summaryMode !== false;
}
/** How Kibana stores a workflow as an action of a rule. */
export function workflowAction(workflowId: string, summaryMode: boolean, uuid?: string): RuleAction {
  return { action_type_id: '.workflows', id: 'system-connector-.workflows', ...(uuid ? { uuid } : {}), params: { subAction: 'run', subActionParams: { workflowId, summaryMode } } };
}

function Body({ rule }: { rule: Rule | null }) {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const me = useMe();
  const can = useCan();
  const write = can('rules:write');
  const [base, setBase] = useState<Form>(rule ? formOf(rule) : FRESH);
  // What was being written when one left for a new workflow of this rule.
  const kept = `watchfire.rule.${rule?.id ?? 'new'}`;
  const [f, setF] = useState<Form>(() => {
    const s = sessionStorage.getItem(kept);
    try {
      return s === null ? base : { ...base, ...(JSON.parse(s) as Form) };
    } catch {
      return base;
    }
  });
  useEffect(() => sessionStorage.removeItem(kept), [kept]);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const workflows = useQuery(q.workflows());
  const list = workflows.data?.results ?? [];
  const set = <K extends keyof Form>(k: K, v: Form[K]): void => setF((x) => ({ ...x, [k]: v }));
  const changed = (Object.keys(f) as (keyof Form)[]).filter((k) => JSON.stringify(f[k]) !== JSON.stringify(base[k]));
  const dirty = changed.length > 0;
  const dirtyRef = useRef(dirty);
  dirtyRef.current = dirty;
  useEffect(() => {
    if (!rule || dirtyRef.current) return;
    const n = formOf(rule);
    setBase(n);
    setF(n);
  }, [rule]);
  // Back from the editor with a workflow made for this rule.
  useEffect(() => {
    const id = url.attach;
    if (!id || !list.some((w) => w.id === id && w.enabled)) return;
    setF((x) => (x.actions.some((a) => a.action_type_id === '.workflows' && workflowIdOf(a) === id) ? x : { ...x, actions: [...x.actions, workflowAction(id, false)] }));
    setUrl({ attach: undefined });
  }, [url.attach, list, setUrl]);

  const canCheck = useFeature('rule_check');
  const asked = useDebounced(`${f.type}\n${f.language}\n${f.query}`, 300);
  const check = useQuery({ queryKey: ['rule-check', asked], queryFn: ({ signal }) => api<RuleCheck>('/api/watchfire/rules/check', { body: { type: f.type, language: f.language, query: f.query }, signal }), enabled: canCheck && ['query', 'eql'].includes(f.type) && Boolean(f.query?.trim()), retry: false, staleTime: Infinity });

  const save = useCallback(async (): Promise<void> => {
    if (!write || busy) return;
    const e: Record<string, string> = {};
    if (!f.name.trim()) e.name = 'Write a name.';
    if (!f.description.trim()) e.description = 'Say what it finds.';
    if (!f.query?.trim()) e.query = 'Write a query.';
    else if (check.data && !check.data.valid) e.query = 'The query has an error.';
    setErrors(e);
    if (Object.keys(e).length > 0) {
      document.getElementById(`sec-${e.query ? 'query' : 'about'}`)?.scrollIntoView({ block: 'start' });
      return;
    }
    setBusy(true);
    try {
      let body: Record<string, unknown> = { ...f };
      if (!f.note) delete body.note;
      if (rule) {
        const rest: Record<string, unknown> = { ...rule };
        for (const k of READ_ONLY) delete rest[k];
        body = { ...rest, ...body, id: rule.id };
      }
      const r = await api<Rule>('/api/detection_engine/rules', { method: rule ? 'PUT' : 'POST', body });
      const n = formOf(r);
      dirtyRef.current = false;
      setBase(n);
      setF(n);
      queryClient.setQueryData(['rules', 'one', r.id], r);
      void queryClient.invalidateQueries({ queryKey: ['rules'] });
      toast('Rule saved');
      if (!rule) go(`/rules/${r.id}`, {}, true);
    } catch (x) {
      const m = x instanceof ApiError ? /^\[?(?:request body\.)?(name|description|query|severity|risk_score)\b/.exec(x.message) : null;
      if (m && x instanceof ApiError) setErrors({ [m[1]!]: x.message });
      toastError('Not saved', x);
    } finally {
      setBusy(false);
    }
  }, [f, rule, write, busy, check.data, go]);
  useBlocker({ shouldBlockFn: async ({ next }) => !next.pathname.endsWith('/workflows/new') && dirtyRef.current && !(await new Promise<boolean>((ok) => modals.openConfirmModal({ title: 'Leave without saving?', children: <p>{plural(changed.length, 'change')} to this rule {changed.length === 1 ? 'is' : 'are'} not saved.</p>, labels: { confirm: 'Leave', cancel: 'Stay' }, confirmProps: { variant: 'filled', color: 'danger' }, onConfirm: () => ok(true), onCancel: () => ok(false), onClose: () => ok(false) }))), enableBeforeUnload: () => dirtyRef.current, disabled: !dirty });
  const remove = (): void => {
    if (!rule) return;
    modals.openConfirmModal({ title: `Delete ${rule.name}?`, children: <p>Its alerts stay. It cannot be brought back.</p>, labels: { confirm: 'Delete the rule', cancel: 'Keep it' }, confirmProps: { variant: 'filled', color: 'danger' }, onConfirm: () => void api(`/api/detection_engine/rules?id=${seg(rule.id)}`, { method: 'DELETE' }).then(() => { dirtyRef.current = false; toast('Rule deleted'); void queryClient.invalidateQueries({ queryKey: ['rules'] }); go('/rules'); }, (e: unknown) => toastError('Not deleted', e)) });
  };
  useKeys('Rule', [{ key: 'Ctrl+s', label: 'Save', run: () => void save() }]);
  const acts = f.actions.map((a, i) => ({ a, i })).filter((x) => x.a.action_type_id === '.workflows');
  const others = f.actions.filter((a) => a.action_type_id !== '.workflows');
  const byId = new Map(list.map((w) => [w.id, w]));
  const sections: [string, string, string][] = [['query', 'Query', f.type === 'eql' ? 'EQL event' : f.type === 'query' ? 'KQL' : f.type], ['about', 'About', `${f.severity} · ${f.risk_score}`], ['schedule', 'Schedule', 'in stream'], ['actions', 'Actions', acts.length ? plural(acts.length, 'workflow') : 'none']];
  const known = f.type === 'query' || f.type === 'eql';
  return (
    <div className="page">
      <PageHead title={visible(f.name || (rule ? rule.name : 'New rule'))} detail crumbs={[{ to: '/rules', label: 'Rules' }]} chips={<Switch size="sm" label={f.enabled ? 'Enabled' : 'Disabled'} checked={f.enabled} disabled={!write} onChange={(e) => set('enabled', e.currentTarget.checked)} />} actions={
        write ? <>
          {dirty && <span className="small ink2 nowrap" role="status">{plural(changed.length, 'change')} not saved</span>}
          {rule && <Button className="desk" onClick={remove}>Delete…</Button>}
          <Button variant="filled" onClick={() => void save()} disabled={busy || !dirty} rightSection={<Kbd>Ctrl S</Kbd>}>Save rule</Button>
          {Object.keys(errors).length > 0 && <span className="small t-crit">{plural(Object.keys(errors).length, 'error')}</span>}
        </> : <span className="small ink2">Changing it needs <code>rules:write</code></span>
      } />
      <div className="rule">
        <nav className="sections" aria-label="Sections">{sections.map(([id, l, v]) => <a key={id} href={`#sec-${id}`} className="sec-link" onClick={(e) => { e.preventDefault(); document.getElementById(`sec-${id}`)?.scrollIntoView({ behavior: 'auto', block: 'start' }); }}>{l}<span>{v}</span></a>)}</nav>
        <div className="form" tabIndex={0} role="region" aria-label="Form">
          <div>
            <section className="sec" id="sec-query">
              <h2 className="row">Query {known && <SegmentedControl size="xs" disabled={!write} value={f.type} onChange={(v) => setF((x) => ({ ...x, type: v, language: v === 'eql' ? 'eql' : 'kuery' }))} data={[{ value: 'query', label: 'KQL' }, { value: 'eql', label: 'EQL event' }]} />}{!known && <span className="chip">{f.type}</span>}
                <span className="small right" role="status" style={{ fontWeight: 400 }}>{check.data ? (check.data.valid ? <span className="row t-ok" style={{ gap: 4 }}><IconCircleCheck size={14} stroke={1.7} aria-hidden />compiles{check.data.fields.length ? `, ${plural(check.data.fields.length, 'field')}` : ''}</span> : <span className="t-crit">{check.data.diagnostics[0]?.message}</span>) : ''}</span></h2>
              <div className="panel" style={{ overflow: 'hidden', borderColor: errors.query ? 'var(--crit-solid)' : 'var(--ctl)' }}><Suspense fallback={<pre className="code" style={{ border: 0 }}>{f.query}</pre>}><CodeEditor value={f.query ?? ''} onChange={(v) => set('query', v)} label="Query" language="plain" minHeight="64px" readOnly={!write} diagnostics={check.data?.diagnostics ?? []} onSave={() => void save()} /></Suspense></div>
              {errors.query && <div className="small t-crit" style={{ marginTop: 4 }}>{errors.query}</div>}
              <TagsInput mt={12} label="Index patterns" value={f.index ?? []} onChange={(v) => set('index', v)} disabled={!write} />
            </section>
            <section className="sec" id="sec-about">
              <h2>About</h2>
              <div className="col" style={{ gap: 12 }}>
                <TextInput label="Name" value={f.name} onChange={(e) => set('name', e.currentTarget.value)} error={errors.name} disabled={!write} maxLength={256} />
                <Textarea label="Description" autosize minRows={2} maxRows={8} value={f.description} onChange={(e) => set('description', e.currentTarget.value)} error={errors.description} disabled={!write} />
                <div className="row top" style={{ gap: 12 }}>
                  <Select label="Severity" value={f.severity} onChange={(v) => { const s = (v ?? 'low') as Severity; setF((x) => ({ ...x, severity: s, risk_score: x.risk_score === RISK[x.severity] ? RISK[s] : x.risk_score })); }} data={['low', 'medium', 'high', 'critical']} disabled={!write} allowDeselect={false} />
                  <NumberInput label="Risk score" min={0} max={100} value={f.risk_score} onChange={(v) => set('risk_score', Number(v) || 0)} error={errors.risk_score} disabled={!write} />
                </div>
                <TagsInput label="Tags" value={f.tags} onChange={(v) => set('tags', v)} disabled={!write} />
                <Textarea label="Investigation notes" autosize minRows={2} maxRows={12} value={f.note ?? ''} onChange={(e) => set('note', e.currentTarget.value)} disabled={!write} />
                {(rule?.threat?.length ?? 0) > 0 && <div className="small"><span className="ink2">ATT&amp;CK </span>{rule!.threat!.flatMap((t) => [`${t.tactic.name}`, ...(t.technique ?? []).map((x) => `${x.id} ${x.name}`)]).map(visible).join(' · ')}</div>}
              </div>
            </section>
            <section className="sec" id="sec-schedule"><h2>Schedule</h2><p className="ink2">In stream: the rule looks at each event as it arrives.{rule?.interval ? <> The interval <code>{rule.interval}</code> of the rule is kept and not used.</> : ''}</p></section>
            <section className="sec" id="sec-actions" style={{ borderBottom: 0 }}>
              <h2>Actions</h2>
              <p className="ink2" style={{ marginBottom: 10 }}>What starts when this rule raises an alert.</p>
              <div className="row" style={{ marginBottom: 6 }}><b>Workflows</b><span className="count">{acts.length}</span><span className="small ink2">any number; each runs on its own</span></div>
              {acts.length > 0 && (
                <ul className="panel" style={{ marginBottom: 10 }} aria-label="Attached workflows">
                  {acts.map(({ a, i }) => {
                    const w = byId.get(workflowIdOf(a));
                    return (
                      <li key={a.uuid ?? `${workflowIdOf(a)}-${i}`} className="wf-action">
                        <div className="row"><IconRoute size={15} stroke={1.7} className="ink2" aria-hidden /><Go to={`/workflows/${workflowIdOf(a)}`} className="strong">{visible(w?.name ?? workflowIdOf(a))}</Go>{w?.version !== undefined && <span className="small ink2">v{w.version}</span>}{w?.watchfire && <Effect effect={w.watchfire.effect} />}<span className="small ink2 cut grow">{visible(w?.description ?? '')}</span>
                          {write && <Button variant="subtle" size="xs" px={6} aria-label={`Remove ${w?.name ?? 'the workflow'}`} onClick={() => set('actions', f.actions.filter((_, k) => k !== i))}><IconTrash size={15} stroke={1.7} /></Button>}</div>
                        <div className="row wrap" style={{ marginTop: 6, paddingLeft: 23 }}>
                          <SegmentedControl size="xs" aria-label={`How ${w?.name ?? 'it'} runs`} disabled={!write} value={summaryOf(a) ? 'all' : 'each'} onChange={(v) => set('actions', f.actions.map((x, k) => (k === i ? workflowAction(workflowIdOf(a), v === 'all', a.uuid) : x)))} data={[{ value: 'each', label: 'One run per alert' }, { value: 'all', label: 'One run for all' }]} />
                          <span className="right small">{w === undefined ? (workflows.data ? <span className="t-crit">no such workflow</span> : '') : !w.enabled ? <span className="t-high">disabled: it does not start</span> : w.watchfire?.approvals ? <span className="t-wait">{plural(w.watchfire.approvals, 'approval')}</span> : <span className="ink2">no approval</span>}</span>
                        </div>
                      </li>
                    );
                  })}
                </ul>
              )}
              {write && <Picker list={list} taken={acts.map((x) => workflowIdOf(x.a))} onAdd={(id) => set('actions', [...f.actions, workflowAction(id, false)])} onRemove={(id) => set('actions', f.actions.filter((a) => a.action_type_id !== '.workflows' || workflowIdOf(a) !== id))} onNew={() => { sessionStorage.setItem(kept, JSON.stringify(f)); go('/workflows/new', { rule: rule?.id ?? 'new' }); }} canNew={can('workflows:write')} error={workflows.error} />}
              {others.length > 0 && <div style={{ marginTop: 14 }}><b>Other actions</b><ul>{others.map((a, i) => <li key={i} className="small ink2"><code>{a.action_type_id}</code> {visible(a.id)}, kept as they are</li>)}</ul></div>}
            </section>
          </div>
        </div>
        <aside className="live" aria-label="When it fires" tabIndex={0}>
          {rule?.watchfire && <div style={{ borderBottom: '1px solid var(--line)', paddingBottom: 12, marginBottom: 12 }}><b>Last 30 days</b><div className="num" style={{ marginTop: 4 }}><Go to="/alerts" search={{ view: 'all', q: `kibana.alert.rule.uuid: "${rule.id}"` }}>{plural(rule.watchfire.alerts_30d, 'alert')}</Go>{rule.watchfire.last_alert_at ? <span className="ink2">, the last <Moment at={rule.watchfire.last_alert_at} /></span> : null}</div></div>}
          <b>When it fires</b>
          <ul className="tree" style={{ marginTop: 6 }}>
            <li><span className="ico"><IconRadar2 size={14} stroke={1.7} aria-hidden /></span><span className="strong">This rule</span><div className="small ink2">raises an alert, {f.severity}, risk score {f.risk_score}</div>
              <ul>{acts.map(({ a, i }) => { const w = byId.get(workflowIdOf(a)); return <li key={i}><span className="ico"><IconRoute size={14} stroke={1.7} aria-hidden /></span><div className="row"><span className="strong cut">{visible(w?.name ?? workflowIdOf(a))}</span>{w?.watchfire && <span className="right"><Effect effect={w.watchfire.effect} bare /></span>}</div><div className="small ink2">{summaryOf(a) ? 'one run for all new alerts together' : 'one run per alert'}</div>{w?.watchfire && w.watchfire.approvals > 0 && <ul><li><span className="ico" style={{ background: 'var(--wait-bg)', color: 'var(--wait)' }}><IconUserCheck size={14} stroke={1.7} aria-hidden /></span><span className="strong">A person approves</span><div className="small ink2">before what the approval guards</div></li></ul>}</li>; })}{acts.length === 0 && <li className="small ink3" style={{ paddingLeft: 0 }}>and nothing starts</li>}</ul></li>
          </ul>
          <div style={{ borderTop: '1px solid var(--line)', marginTop: 12, paddingTop: 12 }}><b>Runs as</b><p className="small ink2" style={{ marginTop: 4 }}>{dirty || !rule ? `${me?.user.full_name ?? me?.user.username ?? 'You'}, who saves the rule.` : `${rule.updated_by}, who saved the rule last.`}</p></div>
        </aside>
      </div>
    </div>
  );
}

/** Enabled workflows with an alert trigger can be picked, several; the others say why not and what to do. */
function Picker({ list, taken, onAdd, onRemove, onNew, canNew, error }: { list: Workflow[]; taken: string[]; onAdd: (id: string) => void; onRemove: (id: string) => void; onNew: () => void; canNew: boolean; error: unknown }) {
  const [text, setText] = useState('');
  const box = useCombobox({ onDropdownClose: () => box.resetSelectedOption() });
  const n = text.trim().toLowerCase();
  const { can, cannot } = useMemo(() => {
    const hits = list.filter((w) => !n || `${w.name} ${w.description ?? ''}`.toLowerCase().includes(n));
    const why = (w: Workflow): string | null => (!w.valid ? 'does not validate' : !w.enabled ? 'disabled' : w.watchfire && !w.watchfire.triggers.includes('alert') ? 'has no alert trigger' : null);
    return { can: hits.filter((w) => why(w) === null), cannot: hits.flatMap((w) => { const r = why(w); return r === null ? [] : [{ w, why: r }]; }) };
  }, [list, n]);
  const enabled = list.filter((w) => w.enabled).length;
  return (
    <Combobox store={box} withinPortal={false} onOptionSubmit={(v) => { if (v === '+new') onNew(); else if (taken.includes(v)) onRemove(v); else onAdd(v); }}>
      <Combobox.Target>
        <InputBase leftSection={<IconSearch size={14} stroke={1.7} />} rightSection={<Combobox.Chevron />} rightSectionPointerEvents="none" aria-label="Add workflows" placeholder="Add workflows" value={text} error={error ? 'The list of workflows did not load.' : undefined}
          onChange={(e) => { setText(e.currentTarget.value); box.openDropdown(); box.updateSelectedOptionIndex(); }} onClick={() => box.openDropdown()} onFocus={() => box.openDropdown()} onBlur={() => box.closeDropdown()} />
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Options mah={300} style={{ overflowY: 'auto' }}>
          {can.length > 0 && (
            <Combobox.Group label={`Enabled, ${count(can.length)} of ${count(enabled)}`}>
              {can.slice(0, 100).map((w) => <Combobox.Option key={w.id} value={w.id} active={taken.includes(w.id)}><span className="row"><span style={{ width: 16, height: 16, border: '1px solid var(--ctl)', borderRadius: 4, display: 'grid', placeItems: 'center', background: taken.includes(w.id) ? 'var(--beam-solid)' : undefined, color: 'var(--on-beam)', flex: 'none' }}>{taken.includes(w.id) && <IconCheck size={12} stroke={2.5} aria-hidden />}</span><span className="name">{visible(w.name)}</span>{w.watchfire && <Effect effect={w.watchfire.effect} />}<span className="small ink2 cut">{visible(w.description ?? '')}</span>{taken.includes(w.id) && <span className="visually-hidden">attached</span>}</span></Combobox.Option>)}
            </Combobox.Group>
          )}
          {cannot.length > 0 && (
            <Combobox.Group label="Cannot be picked">
              {cannot.slice(0, 50).map(({ w, why }) => <Combobox.Option key={w.id} value={w.id} disabled style={{ opacity: 1 }}><span className="row"><span style={{ width: 16, flex: 'none' }} /><span className="ink2">{visible(w.name)}</span><span className="small ink2">{why} · <Go to={`/workflows/${w.id}`} style={{ pointerEvents: 'auto' }} tabIndex={-1} onMouseDown={(e: React.MouseEvent) => e.preventDefault()}>open</Go></span></span></Combobox.Option>)}
            </Combobox.Group>
          )}
          {can.length + cannot.length === 0 && <Combobox.Empty>No workflow of that name</Combobox.Empty>}
        </Combobox.Options>
        {canNew && <Combobox.Footer><Combobox.Options><Combobox.Option value="+new"><span className="row t-beam"><IconPlus size={15} stroke={1.7} aria-hidden />New workflow for this rule <span className="small ink2">alert trigger set, returns here attached</span></span></Combobox.Option></Combobox.Options></Combobox.Footer>}
      </Combobox.Dropdown>
    </Combobox>
  );
}
