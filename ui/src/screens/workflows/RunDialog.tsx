// Run or try: inputs from the workflow's own schema, the event from a past alert, and what will happen said before it does.
import { Button, Checkbox, Modal, SegmentedControl, Select, Textarea } from '@mantine/core';
import { useMemo, useState } from 'react';
import { api, seg } from '../../api/client';
import type { Effect as EffectClass, Workflow } from '../../api/types';
import { Effect } from '../../kit/bits';
import { useGo } from '../../kit/go';
import { useFeature } from '../../kit/me';
import { check, defaults, SchemaForm } from '../../kit/SchemaForm';
import { toast } from '../../kit/toast';
import { eventOf, inputSchema, useSamples } from './sample';

type Props = { w: Workflow | null; text: string; js: unknown; mode: 'run' | 'dry' | null; onClose: () => void; dirty: boolean; effect: EffectClass };
export function RunDialog(p: Props) {
  const name = p.w?.name ?? 'this workflow';
  return <Modal opened={p.mode !== null} onClose={p.onClose} title={p.mode === 'dry' ? `Try ${name} without effect` : `Run ${name}`} size={600} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>{p.mode !== null && <Form {...p} />}</Modal>;
}

type Obj = Record<string, unknown>;
function Form({ w, text, js, mode: first, onClose, dirty, effect }: Props) {
  const go = useGo();
  const dry = useFeature('dry_run');
  const schema = useMemo(() => inputSchema(js), [js]);
  const { event: takesEvent, ...others } = schema.properties ?? {};
  const form = { ...schema, properties: others, required: (schema.required ?? []).filter((k) => k !== 'event') };
  const [mode, setMode] = useState<string>(first ?? 'run');
  const [inputs, setInputs] = useState<Obj>(() => defaults(form));
  const samples = useSamples(null);
  const triggers = Array.isArray((js as Obj | null)?.triggers) ? ((js as Obj).triggers as Obj[]).map((t) => t?.type) : [];
  const needsEvent = triggers.includes('alert') || takesEvent !== undefined || /\bevent\./.test(text);
  const [alert, setAlert] = useState<string | null>(null);
  const chosen = alert ?? (needsEvent ? (samples[0]?.value ?? '') : '');
  const [pasted, setPasted] = useState('{\n  "alerts": [{ "host": { "name": "ws-1" } }]\n}');
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failed, setFailed] = useState<string | null>(null);
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const real = mode === 'run';
  const dangerous = real && effect === 'destructive' && w?.watchfire?.approvals === 0;
  const start = async (): Promise<void> => {
    const bad = check(form, inputs);
    setErrors(bad);
    if (Object.keys(bad).length > 0) return;
    setBusy(true);
    setFailed(null);
    try {
      let event: unknown = null;
      if (chosen === 'paste') { try { event = JSON.parse(pasted); } catch { throw new Error('the event is not JSON'); } } else if (chosen.startsWith('a:')) event = await eventOf([chosen.slice(2)]);
      const body = { ...inputs, ...(event ? { event } : {}) };
      const r = real ? await api<{ workflowExecutionId: string }>(`/api/workflows/workflow/${seg(w!.id)}/run`, { body: { inputs: body } })
        : await api<{ workflowExecutionId: string }>('/api/workflows/test', { body: { workflowYaml: text, ...(w ? { workflowId: w.id } : {}), inputs: body, dryRun: true } });
      onClose();
      toast(real ? 'Workflow started' : 'Tried without effect');
      go(`/executions/${r.workflowExecutionId}`);
    } catch (e) {
      setFailed(e instanceof Error ? e.message : String(e));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void start(); }}>
      {dry && w && <SegmentedControl aria-label="How" data={[{ value: 'dry', label: 'Try without effect' }, { value: 'run', label: 'For real' }]} value={mode} onChange={setMode} />}
      <div className="row"><Effect effect={real ? effect : 'none'} /><span className="small ink2">{real ? <>It runs for real{w?.watchfire && w.watchfire.approvals > 0 ? ', and asks a person before what the approval guards' : ''}.</> : 'Everything is rendered, nothing is sent; every effect is listed as it would be sent. What is unsaved is tried too.'}</span></div>
      {real && dirty && <p className="small t-med">What is saved runs, not what you are writing.</p>}
      {real && w && !w.enabled && <p className="small t-crit">It is disabled. Enable it to run it.</p>}
      {(needsEvent || samples.length > 0) && <Select label="Event" description="what it starts with, as event" data={[{ value: '', label: 'None' }, ...samples, { value: 'paste', label: 'Paste JSON…' }]} value={chosen} allowDeselect={false} onChange={(v) => setAlert(v ?? '')} />}
      {chosen === 'paste' && <Textarea label="Event, as JSON" autosize minRows={4} maxRows={14} value={pasted} onChange={(e) => setPasted(e.currentTarget.value)} styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12 } }} spellCheck={false} />}
      {(Object.keys(others).length > 0 || (schema.additionalProperties !== undefined && schema.additionalProperties !== false)) && <fieldset className="group"><legend className="strong">Inputs</legend><SchemaForm schema={form} value={inputs} errors={errors} onChange={setInputs} /></fieldset>}
      {dangerous && <Checkbox checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} label="It acts on other systems and asks nobody. Run it all the same." />}
      {failed && <div className="small t-crit" role="alert">{real ? 'Not started' : 'Not tried'}: {failed}</div>}
      <div className="row"><Button data-autofocus type="submit" variant="filled" color={dangerous ? 'danger' : undefined} className="right" disabled={busy || (real && !w?.enabled) || (dangerous && !sure)}>{real ? `Run ${w?.name ?? ''}` : 'Try without effect'}</Button></div>
    </form>
  );
}
