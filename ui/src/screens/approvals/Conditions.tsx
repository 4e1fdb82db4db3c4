// Answers with conditions: changed parameters (a new hash, all earlier answers void), a question back, somebody else in one's place.
import { Button, Modal, Select, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Approval } from '../../api/types';
import { Effect } from '../../kit/bits';
import { visible } from '../../kit/format';
import { useMe } from '../../kit/me';
import { SchemaForm, type Schema } from '../../kit/SchemaForm';
import { toast } from '../../kit/toast';

export type Condition = 'ask' | 'reply' | 'change' | 'delegate';
const TITLE: Record<Condition, string> = { ask: 'Ask back', reply: 'Reply', change: 'Change what will run', delegate: 'Let somebody else answer' };

export function ConditionDialog({ a, kind, phone, onClose }: { a: Approval; kind: Condition | null; phone: boolean; onClose: () => void }) {
  return <Modal opened={kind !== null} onClose={onClose} title={kind ? TITLE[kind] : ''} size={kind === 'change' ? 620 : 460} yOffset={phone ? 'auto' : undefined} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>{kind && <Form key={kind} a={a} kind={kind} phone={phone} onClose={onClose} />}</Modal>;
}

type Obj = Record<string, unknown>;
/** A schema of what is there, for actions whose type has none. */
function guess(v: Obj): Schema {
  return { type: 'object', properties: Object.fromEntries(Object.entries(v).map(([k, x]) => [k, typeof x === 'string' ? { type: 'string', ...(x.length > 60 ? { format: 'multiline' } : {}) } : typeof x === 'number' ? { type: 'number' } : typeof x === 'boolean' ? { type: 'boolean' } : {}])) };
}
function Form({ a, kind, phone, onClose }: { a: Approval; kind: Condition; phone: boolean; onClose: () => void }) {
  const me = useMe();
  const people = (useQuery(q.people()).data ?? []).filter((p) => p.uid !== me?.user.uid);
  const [text, setText] = useState('');
  const [to, setTo] = useState<string | null>(null);
  const changeable = a.actions.filter((x) => x.parameters);
  const [values, setValues] = useState<Record<number, Obj>>(() => Object.fromEntries(changeable.map((x) => [x.index, x.parameters!])));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failed, setFailed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const changed = changeable.filter((x) => JSON.stringify(values[x.index]) !== JSON.stringify(x.parameters));
  const ready = kind === 'ask' || kind === 'reply' ? text.trim() !== '' : kind === 'delegate' ? to !== null : changed.length > 0 && text.trim() !== '';
  const send = async (): Promise<void> => {
    setBusy(true);
    setFailed(null);
    const body = kind === 'ask' || kind === 'reply' ? { kind, text: text.trim() } : kind === 'delegate' ? { kind, to, text: text.trim() || null } : { hash: a.hash, actions: changed.map((x) => ({ index: x.index, parameters: values[x.index] })), comment: text.trim() };
    try {
      const r = await api<Approval>(`/api/watchfire/approvals/${seg(a.id)}/${kind === 'change' ? 'change' : 'remark'}`, { body });
      queryClient.setQueryData(['approvals', 'one', a.id], { ...a, ...r });
      toast(kind === 'ask' ? 'Asked back; the clock runs on' : kind === 'reply' ? 'Replied' : kind === 'delegate' ? 'Delegated' : 'Changed: what will run is shown anew, without answers');
      onClose();
    } catch (e) {
      if (e instanceof ApiError && Array.isArray(e.attributes.errors)) setErrors(Object.fromEntries((e.attributes.errors as { pointer: string; message: string }[]).map((x) => [x.pointer, x.message])));
      const current = e instanceof ApiError ? (e.attributes.current as Approval | undefined) : undefined;
      if (current) queryClient.setQueryData(['approvals', 'one', a.id], { ...a, ...current });
      setFailed(`Nothing was changed: ${e instanceof Error ? e.message : String(e)}.`);
    } finally {
      setBusy(false);
      void queryClient.invalidateQueries({ queryKey: ['approvals'] });
    }
  };
  return (
    <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); if (ready) void send(); }}>
      {kind === 'reply' && a.remarks && <p className="small ink2">{visible(a.remarks.filter((r) => r.kind === 'ask').at(-1)?.text ?? '')}</p>}
      {kind === 'ask' && <p className="small ink2">Your question goes to {a.case ? 'the case and ' : ''}the history of this approval. Nothing is decided by it, and the clock runs on.</p>}
      {kind === 'delegate' && <><p className="small ink2">They may answer in your place. Your right to answer stays.</p><Select data-autofocus label="Who" searchable data={people.map((p) => ({ value: p.username, label: p.full_name ?? p.username }))} value={to} onChange={setTo} nothingFoundMessage="Nobody of that name" /></>}
      {kind === 'change' && (
        <>
          <p className="small ink2">What you write is frozen and shown again under a new hash; every answer given so far is void. It does not approve.</p>
          {changeable.map((x) => <fieldset key={x.index} className="group"><legend className="row"><b className="mono">{x.type}</b><span className="small ink2 cut">step {visible(x.step)}</span><span className="right"><Effect effect={x.class} /></span></legend><SchemaForm schema={(x.schema as Schema | null | undefined) ?? guess(x.parameters!)} value={values[x.index] ?? {}} errors={errors} onChange={(v) => setValues((o) => ({ ...o, [x.index]: v }))} /></fieldset>)}
          {a.actions.some((x) => !x.parameters) && <p className="small ink3">Steps with a secret inside cannot be changed.</p>}
        </>
      )}
      <Textarea {...(kind === 'ask' || kind === 'reply' ? { 'data-autofocus': true } : {})} label={kind === 'ask' ? 'What do you want to know' : kind === 'reply' ? 'Your reply' : kind === 'change' ? 'Why' : 'Note'} autosize minRows={2} maxRows={6} maxLength={2000} value={text} onChange={(e) => setText(e.currentTarget.value)} />
      {failed && <div className="small t-crit" role="alert">{failed}</div>}
      <Button type="submit" size={phone ? 'xl' : 'lg'} variant="filled" disabled={!ready || busy}>{kind === 'ask' ? 'Ask back' : kind === 'reply' ? 'Reply' : kind === 'delegate' ? 'Delegate' : 'Freeze the change'}</Button>
    </form>
  );
}
