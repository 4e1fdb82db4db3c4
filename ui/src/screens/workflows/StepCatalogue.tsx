// The step catalogue: every type the server knows, by search, group and effect; picking one writes its text.
import { Button, Checkbox, Modal, Textarea, TextInput } from '@mantine/core';
import { IconBraces, IconBriefcase, IconCode, IconDatabase, IconGitBranch, IconPlugConnected, IconSearch, IconShield, IconSparkles, IconUserCheck, IconWorld, IconApps } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { Catalogue, Connector, Effect as EffectClass, StepType } from '../../api/types';
import { Effect, Kbd } from '../../kit/bits';
import { visible } from '../../kit/format';
import { Go } from '../../kit/go';
import { EditError, freeName, stepsOf } from '../../kit/yaml/edit';
import { parse, toJs } from '../../kit/yaml/doc';
import { items as listText } from '../../kit/yaml/emit';

const GROUPS: [StepType['group'], string, typeof IconBraces][] = [['flow', 'Flow', IconGitBranch], ['people', 'People', IconUserCheck], ['data', 'Data', IconBraces], ['cases', 'Cases', IconBriefcase], ['security', 'Security', IconShield], ['ai', 'AI', IconSparkles], ['connectors', 'Connectors', IconPlugConnected], ['http', 'HTTP', IconWorld], ['elastic', 'Elastic', IconDatabase]];
const EFFECTS: EffectClass[] = ['none', 'internal', 'read', 'write', 'destructive'];
const SHOWN_MAX = 200;

type Obj = Record<string, unknown>;
/** The text of a new step of a type: from the server's example, else from what its schema needs; names are free ones. */
export function newStepText(text: string, t: StepType, connector: string | null): string {
  const need = (t.schema as { required?: string[] }).required ?? [];
  let step: Obj | null = null;
  if (t.example) try { const js = toJs(parse(t.example)); if (Array.isArray(js) && typeof js[0] === 'object') step = js[0] as Obj; } catch { /* an example that does not parse is none */ }
  const name = freeName(text, typeof step?.name === 'string' && step.name !== 'step' ? step.name : t.type.split('.').pop()!.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase());
  const { name: _n, type: _t, 'connector-id': _c, ...rest } = step ?? {};
  const inner = (n: string): Obj => ({ name: freeName(text, n), type: 'console', with: { message: 'what happens here' } });
  const body: Obj = { name, type: t.type, ...(t.connector_types.length && connector ? { 'connector-id': connector } : {}), ...rest };
  if (Array.isArray(body.steps) && body.steps.length === 0) body.steps = [inner(`${name}_step`)];
  if (t.type === 'switch' && (!Array.isArray(body.cases) || body.cases.length === 0)) body.cases = [{ match: 'value', steps: [inner(`${name}_step`)] }];
  if (t.type === 'parallel' && !Array.isArray(body.branches)) body.branches = [{ name: 'one', steps: [inner(`${name}_one`)] }, { name: 'two', steps: [inner(`${name}_two`)] }];
  // An example's paths to steps and inputs that are not here would be mistakes: they become words to fill in.
  if (body.with && typeof body.with === 'object') body.with = Object.fromEntries(Object.entries(body.with as Obj).map(([k, v]) => [k, typeof v === 'string' && /\{\{\s*(steps|inputs|consts|variables)\./.test(v) ? '' : v]));
  for (const k of need) { const w = (body.with ??= {}) as Obj; if (w[k] === undefined) w[k] = ''; }
  return `${listText([body], 0)}\n`;
}

type Props = { opened: boolean; after: string; text: string; catalogue: Catalogue | undefined; connectors: Connector[] | undefined; approvalBefore: boolean; suggested: string[]; onClose: () => void; onPick: (chunk: string) => void };
export function StepCatalogue(p: Props) {
  return <Modal opened={p.opened} onClose={p.onClose} title={<span>Add a step {p.after}</span>} size={720} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>{p.opened && <Body {...p} />}</Modal>;
}

function Body({ text, catalogue, connectors, approvalBefore, suggested, onPick }: Props) {
  const [search, setSearch] = useState('');
  const [group, setGroup] = useState<string>('');
  const [effects, setEffects] = useState<ReadonlySet<string>>(new Set(EFFECTS));
  const [ready, setReady] = useState(false);
  const [at, setAt] = useState(0);
  const [paste, setPaste] = useState<string | null>(null);
  const [bad, setBad] = useState<string | null>(null);
  const all = catalogue?.steps ?? [];
  const serves = useMemo(() => { const m = new Map<string, Connector>(); for (const c of connectors ?? []) if (!m.has(c.connector_type_id)) m.set(c.connector_type_id, c); return m; }, [connectors]);
  const connectorOf = (t: StepType): Connector | undefined => t.connector_types.map((x) => serves.get(x)).find(Boolean);
  // `http` needs none; a type whose example names none works without.
  const needs = (t: StepType): boolean => t.connector_types.length > 0 && t.type !== 'http' && t.group !== 'ai';
  const isReady = (t: StepType): boolean => t.provided !== false && (!needs(t) || connectorOf(t) !== undefined);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  // What is most likely meant stands first: the name as typed, then what begins so; what this server cannot run yet stands last.
  const typed = search.trim().toLowerCase();
  const rank = (t: StepType): number => {
    const name = t.type.toLowerCase();
    const near = typed === '' ? 0 : name === typed ? 0 : name.startsWith(typed) || name.split('.').pop()!.startsWith(typed) ? 1 : name.includes(typed) ? 2 : 3;
    return (t.provided === false ? 1000 : 0) + near * 100 + GROUPS.findIndex(([g]) => g === t.group) * 2 + (isReady(t) ? 0 : 1);
  };
  const found = all.filter((t) => effects.has(t.effect) && (!ready || isReady(t)) && words.every((w) => `${t.type} ${t.title} ${t.description} ${t.group} ${connectorOf(t)?.name ?? ''}`.toLowerCase().includes(w))).map((t) => ({ t, n: rank(t) })).sort((a, b) => a.n - b.n).map((x) => x.t);
  const inGroup = (g: string): StepType[] => (g === '' ? found : g === 'suggested' ? found.filter((t) => suggested.includes(t.type)) : found.filter((t) => t.group === g));
  const shown = inGroup(group).slice(0, SHOWN_MAX);
  const here = shown[Math.min(at, shown.length - 1)];
  const add = (t: StepType, ask = false): void => {
    const chunk = newStepText(text, t, connectorOf(t)?.id ?? null);
    if (!ask) return onPick(chunk);
    const approval = all.find((x) => x.type === 'waitForApproval');
    onPick((approval ? newStepText(text, { ...approval, example: `- name: ask\n  type: waitForApproval\n  timeout: 4h\n  with:\n    message: "Go on?"\n` }, null) : '') + chunk);
  };
  const wantsApproval = here?.effect === 'destructive' && !approvalBefore && all.some((x) => x.type === 'waitForApproval');
  if (paste !== null) {
    return (
      <form className="col" style={{ gap: 12 }} onSubmit={(e) => {
        e.preventDefault();
        try {
          const t = paste.replace(/^\s*\n/, '');
          const by = t.length - t.trimStart().length;
          const chunk = `${t.split('\n').map((l) => l.slice(Math.min(by, l.length - l.trimStart().length))).join('\n').trimEnd()}\n`;
          if (stepsOf(`steps:\n${chunk.replace(/^/gm, '  ')}`).length === 0) throw new EditError('this is no step: a step starts with `- name:`');
          onPick(chunk);
        } catch (x) { setBad(x instanceof EditError ? x.message : String(x)); }
      }}>
        <Textarea data-autofocus label="Steps as YAML" autosize minRows={10} maxRows={20} value={paste} error={bad ?? undefined} onChange={(e) => { setPaste(e.currentTarget.value); setBad(null); }} styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12 } }} spellCheck={false} placeholder={'- name: note\n  type: console\n  with:\n    message: hello'} />
        <div className="row"><Button onClick={() => setPaste(null)}>Back</Button><Button type="submit" variant="filled" className="right" disabled={!paste.trim()}>Add</Button></div>
      </form>
    );
  }
  return (
    <div className="catalogue" onKeyDown={(e) => {
      if (e.key === 'ArrowDown') { e.preventDefault(); setAt(Math.min(shown.length - 1, at + 1)); }
      if (e.key === 'ArrowUp') { e.preventDefault(); setAt(Math.max(0, at - 1)); }
      if (e.key === 'Enter' && (e.target as HTMLElement).tagName === 'INPUT' && here) { e.preventDefault(); add(here, wantsApproval); }
    }}>
      <TextInput data-autofocus role="combobox" aria-expanded aria-controls="step-types" aria-activedescendant={here ? `st-${shown.indexOf(here)}` : undefined} leftSection={<IconSearch size={14} stroke={1.7} />} rightSectionWidth={130} rightSection={<span className="tiny ink3">{all.length} types, {all.filter(isReady).length} ready</span>} aria-label="Search step types" placeholder="What should happen" value={search} onChange={(e) => { setSearch(e.currentTarget.value); setAt(0); }} />
      <div className="row wrap" style={{ margin: '8px 0' }} role="group" aria-label="Effect"><span className="small ink2">Effect</span>{EFFECTS.map((x) => <Checkbox key={x} size="xs" checked={effects.has(x)} onChange={() => setEffects((s) => { const n = new Set(s); if (n.has(x)) n.delete(x); else n.add(x); return n; })} label={<Effect effect={x} />} />)}<Checkbox size="xs" className="right" checked={ready} onChange={(e) => setReady(e.currentTarget.checked)} label="has connector" /></div>
      <div className="cat-body">
        <div className="cat-groups"><div role="tablist" aria-label="Groups" aria-orientation="vertical">
          {[['', 'All', IconApps] as const, ...(suggested.length ? [['suggested', 'Suggested', IconSparkles] as const] : []), ...GROUPS].filter(([g]) => g === '' || inGroup(g).length > 0 || g === group).map(([g, label, I]) => <button key={g} type="button" role="tab" className="nav-item" aria-selected={group === g} style={{ width: '100%', background: group === g ? 'var(--hover)' : 'none', cursor: 'pointer' }} onClick={() => { setGroup(g); setAt(0); }}><I size={15} stroke={1.7} aria-hidden />{label}<span className="nav-count">{inGroup(g).length}</span></button>)}
          </div><button type="button" className="nav-item" style={{ width: '100%', background: 'none', cursor: 'pointer', marginTop: 8 }} onClick={() => setPaste('')}><IconCode size={15} stroke={1.7} aria-hidden />Paste YAML</button>
        </div>
        <div className="cat-list" tabIndex={0} role="region" aria-label="Types"><ul id="step-types" role="listbox" aria-label="Step types">
          {shown.map((t, i) => {
            const c = connectorOf(t);
            return <li key={t.type} id={`st-${i}`} role="option" aria-selected={t === here} ref={t === here ? (e) => e?.scrollIntoView({ block: 'nearest' }) : undefined} onMouseMove={() => setAt(i)} onClick={() => (t.effect === 'destructive' && !approvalBefore ? setAt(i) : add(t))} onDoubleClick={() => add(t)}><div className="row"><b className="mono grow cut">{t.type}</b><Effect effect={t.effect} /></div><div className="row small ink2"><span className="cut grow">{visible(t.title)}: {visible(t.description)}</span>{t.provided === false ? <span className="t-high nowrap">not in this server</span> : !needs(t) ? <span className="nowrap">{c ? c.name : 'built in'}</span> : c ? <span className="nowrap">{c.name}</span> : <span className="t-high nowrap">no connector yet</span>}</div></li>;
          })}
          {inGroup(group).length > shown.length && <li role="option" aria-selected={false} aria-disabled className="small ink3">{inGroup(group).length - shown.length} more: write a word of what should happen.</li>}
          {shown.length === 0 && <li role="option" aria-selected={false} aria-disabled className="small ink3">{all.length === 0 ? 'The server listed no step types.' : 'No type matches.'}</li>}
        </ul></div>
      </div>
      {here && (
        <div className="cat-foot">
          {here.provided === false && <div className="small ink2">This server knows the type but cannot run it: the step fails when it is reached, saying so.</div>}
          {here.provided !== false && needs(here) && !connectorOf(here) && <div className="small ink2">No connector of the type {here.connector_types.map((x) => <code key={x}>{x}</code>)} is set up. <Go to="/connectors" search={{ sel: 'new', ...(here.connector_types[0] ? { type: here.connector_types[0] } : {}) }}>Set one up</Go>; the step can be added before.</div>}
          {wantsApproval && <div className="small row" style={{ gap: 6 }}><IconUserCheck size={15} stroke={1.7} className="t-wait" aria-hidden />Nobody is asked before it on this path. A destructive step should stand behind an approval.</div>}
          <div className="row" style={{ marginTop: 6 }}><span className="small ink2 cut grow mono">{here.type}</span>{wantsApproval && <Button size="xs" onClick={() => add(here)}>Step only</Button>}<Button size="xs" variant="filled" onClick={() => add(here, wantsApproval)} rightSection={<Kbd>⏎</Kbd>}>{wantsApproval ? 'Add approval and step' : 'Add step'}</Button></div>
        </div>
      )}
    </div>
  );
}
