// Sample values for the builder: those of a past run, or of a past alert, as the paths a step may point to.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api, qs, seg } from '../../api/client';
import { q } from '../../api/queries';
import type { Catalogue, Execution, StepExecution } from '../../api/types';
import { pathsOf, type PathItem } from '../../kit/paths';
import type { Schema } from '../../kit/SchemaForm';
import type { StepRef } from '../../kit/yaml/edit';

export type Sample = { id: string; label: string; event: unknown; inputs: unknown; steps: Map<string, StepExecution> };

/** What can be chosen: the last runs of the workflow, the newest alerts. */
export function useSamples(workflow: string | null): { value: string; label: string }[] {
  const runs = useQuery({ ...q.executions({ workflowId: workflow ?? '', size: 5 }), enabled: workflow !== null });
  const alerts = useQuery({ queryKey: ['alerts', 'samples'], queryFn: ({ signal }) => q.queue({ view: 'all', group: 'none', sort: 'newest', size: 8 }, signal), staleTime: 30_000 });
  return useMemo(() => [
    ...(workflow === null ? [] : (runs.data?.results ?? []).slice(0, 5).map((e) => ({ value: `x:${e.id}`, label: `Run …${e.id.slice(-6)}, ${e.startedAt.slice(11, 16)}` }))),
    ...(alerts.data?.groups.flatMap((g) => g.members) ?? []).slice(0, 8).map((a) => ({ value: `a:${a.id}`, label: `Alert ${a.rule.name}${a.host ? ` on ${a.host}` : ''}` })),
  ], [runs.data, alerts.data, workflow]);
}

export async function eventOf(alerts: string[], signal?: AbortSignal): Promise<Record<string, unknown> | null> {
  if (alerts.length === 0) return null;
  const docs = await api<{ hits: { hits: { _id: string; _index: string; _source: Record<string, unknown> }[] } }>('/api/detection_engine/signals/search', { body: { size: Math.min(alerts.length, 100), query: { terms: { 'kibana.alert.uuid': alerts } } }, signal });
  const hits = docs.hits.hits.map((h) => ({ _id: h._id, _index: h._index, ...h._source }) as Record<string, unknown>);
  const first = hits[0];
  if (!first) return null;
  const rule = { id: first['kibana.alert.rule.uuid'], name: first['kibana.alert.rule.name'], tags: first['kibana.alert.rule.tags'] ?? [] };
  return { alerts: hits, rule, spaceId: 'default' };
}

export function useSample(id: string | undefined): Sample | null {
  const r = useQuery({
    queryKey: ['executions', 'sample', id], enabled: id !== undefined, staleTime: 60_000, retry: false,
    queryFn: async ({ signal }): Promise<Sample> => {
      const [kind, ...rest] = id!.split(':');
      const of = rest.join(':');
      if (kind === 'a') return { id: id!, label: 'alert', event: await eventOf([of], signal), inputs: undefined, steps: new Map() };
      const e = await api<Execution>(`/api/workflows/executions/${seg(of)}${qs({ includeInput: true, includeOutput: true })}`, { signal });
      const c = (e.context ?? {}) as { event?: unknown; inputs?: unknown };
      return { id: id!, label: e.workflowName, event: c.event ?? (await eventOf(e.watchfire.alerts, signal)), inputs: c.inputs, steps: new Map(e.stepExecutions.map((s) => [s.stepId, s])) };
    },
  });
  return r.data ?? null;
}

/** Paths of a schema where no sample is. */
function schemaPaths(root: string, s: Schema | null | undefined): PathItem[] {
  const out: PathItem[] = [];
  const kind = (t: Schema['type']): PathItem['kind'] => ({ string: 'text', integer: 'number', number: 'number', boolean: 'boolean', array: 'list', object: 'object' } as const)[String(Array.isArray(t) ? t[0] : t)] ?? 'not known';
  const walk = (path: string, x: Schema, depth: number): void => {
    out.push({ path, kind: kind(x.type), sample: undefined, of: 'steps' });
    if (depth < 4) for (const [k, p] of Object.entries(x.properties ?? {})) walk(/^[A-Za-z_]\w*$/.test(k) ? `${path}.${k}` : `${path}["${k}"]`, p, depth + 1);
  };
  walk(root, s ?? {}, 0);
  return out;
}

type Obj = Record<string, unknown>;
/** What `step` can point to: the event, inputs, constants, variables set before it, and what steps before it gave. */
export function pathsFor(step: StepRef | null, steps: StepRef[], js: unknown, sample: Sample | null, catalogue: Catalogue | undefined): PathItem[] {
  const doc = (js ?? {}) as Obj;
  const out: PathItem[] = [];
  const triggers = Array.isArray(doc.triggers) ? (doc.triggers as Obj[]).map((t) => t.type) : [];
  if (sample?.event) out.push(...pathsOf('event', sample.event, 'event'));
  else if (triggers.includes('alert')) out.push({ path: 'event.alerts', kind: 'list', sample: undefined, of: 'event' }, { path: 'event.rule.name', kind: 'text', sample: undefined, of: 'event' });
  const inputs = inputSchema(js);
  const given = (sample?.inputs ?? {}) as Obj;
  for (const [k, s] of Object.entries(inputs.properties ?? {})) out.push(...pathsOf(`inputs.${k}`, given[k] ?? s.default, 'inputs'));
  if (doc.consts && typeof doc.consts === 'object') for (const [k, v] of Object.entries(doc.consts)) out.push(...pathsOf(`consts.${k}`, v, 'consts'));
  const until = step ? steps.indexOf(step) : steps.length;
  const around = new Set<string>();
  for (let p = step?.parent ?? null; p !== null;) { around.add(p); p = steps.find((s) => s.name === p)?.parent ?? null; }
  for (const s of steps.slice(0, Math.max(0, until))) {
    if (s.type === 'data.set') {
      const w = at(js, [...s.path, 'with']) as Obj | undefined;
      const o = sample?.steps.get(s.name)?.output as Obj | undefined;
      for (const k of Object.keys(w ?? {})) out.push({ path: `variables.${k}`, kind: o && k in o ? pathsOf('x', o[k], 'variables')[0]!.kind : 'not known', sample: o?.[k], of: 'variables' });
      continue;
    }
    if (around.has(s.name)) {
      if (s.type === 'foreach' || s.type === 'while') {
        const first = sample?.steps.get(s.name)?.input as Obj | undefined;
        const items = first?.items ?? first?.foreach;
        out.push(...(Array.isArray(items) && items.length ? pathsOf('foreach.item', items[0], 'foreach') : [{ path: 'foreach.item', kind: 'not known', sample: undefined, of: 'foreach' } as PathItem]), { path: 'foreach.index', kind: 'number', sample: 0, of: 'foreach' });
      }
      continue;
    }
    if (['if', 'switch', 'foreach', 'while', 'parallel', 'wait'].includes(s.type)) continue;
    const ran = sample?.steps.get(s.name);
    const name = /^[A-Za-z_][\w-]*$/.test(s.name) ? `steps.${s.name}` : `steps["${s.name}"]`;
    const schema = (catalogue?.steps.find((c) => c.type === s.type) as { output?: Schema | null } | undefined)?.output;
    if (ran && ran.output !== undefined && ran.output !== null) out.push(...pathsOf(`${name}.output`, ran.output, 'steps'));
    else out.push(...schemaPaths(`${name}.output`, schema));
    out.push({ path: `${name}.error`, kind: ran ? (ran.error ? 'object' : 'nothing') : 'not known', sample: ran ? ran.error : undefined, of: 'steps' });
  }
  out.push({ path: 'execution.id', kind: 'text', sample: undefined, of: 'execution' }, { path: 'kibanaUrl', kind: 'text', sample: undefined, of: 'execution' });
  return out;
}
function at(v: unknown, path: (string | number)[]): unknown {
  return path.reduce<unknown>((x, p) => (x === null || x === undefined ? undefined : (x as Obj)[p as string]), v);
}

/** The inputs of a workflow as one JSON Schema, whichever form they are written in. */
export function inputSchema(js: unknown): Schema {
  const doc = (js ?? {}) as Obj;
  const manual = Array.isArray(doc.triggers) ? (doc.triggers as Obj[]).find((t) => t?.type === 'manual' && t.inputs) : undefined;
  const raw = manual?.inputs ?? doc.inputs;
  if (Array.isArray(raw)) {
    const properties: Record<string, Schema> = {}, required: string[] = [];
    for (const x of raw as Obj[]) {
      if (typeof x?.name !== 'string') continue;
      const { name, type, options, required: must, ...rest } = x;
      properties[name] = { ...(rest as Schema), ...(type === 'choice' ? { type: 'string', enum: Array.isArray(options) ? options : [] } : type === 'array' ? { type: 'array', items: { type: 'string' } } : { type: String(type ?? 'string') }) };
      if (must === true) required.push(name);
    }
    return { type: 'object', properties, required };
  }
  return raw && typeof raw === 'object' ? ({ type: 'object', ...(raw as Schema) }) : { type: 'object', properties: {} };
}
