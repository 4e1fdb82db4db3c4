// Decisions on alerts: shared by the queue and the alert page. Optimistic, per item, with undo.
import { Button, Checkbox, Modal, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useLayoutEffect, useState } from 'react';
import { api, seg } from '../api/client';
import { q, queryClient } from '../api/queries';
import type { AlertRow, Case, Decide, Decided, Queue, Workflow } from '../api/types';
import { Effect, Kbd, SeverityBars } from './bits';
import { plural, visible } from './format';
import { toast, toastError } from './toast';

export type Ask = { kind: 'close' | 'assign' | 'escalate' | 'run' | 'preview'; rows: AlertRow[] } | null;

const CLOSE = [
  ['true_positive', 'True positive', 'it was an attack, or what the rule is meant to find'],
  ['benign_positive', 'Benign', 'it happened, and it was allowed'],
  ['false_positive', 'False positive', 'the rule was wrong'],
  ['duplicate', 'Duplicate', 'another alert stands for it'],
  ['other', 'Other…', 'with a line of text'],
] as const;

type Pages = { pages: Queue[]; pageParams: unknown[] };
function patchRows(ids: Set<string>, patch: Partial<AlertRow>): void {
  queryClient.setQueriesData<Pages>({ queryKey: ['alerts', 'queue'] }, (d) => d && {
    ...d, pages: d.pages.map((p) => ({ ...p, groups: p.groups.map((g) => (g.members.some((m) => ids.has(m.id)) ? { ...g, members: g.members.map((m) => (ids.has(m.id) ? { ...m, ...patch } : m)) } : g)) })),
  });
}
const DONE: Record<Decide['kind'], string> = { acknowledge: 'accepted', close: 'closed', reopen: 'reopened', assign: 'assigned', unassign: 'taken from its assignee' };

/** Versions that our own decisions made: who decides twice before the row is loaded again has seen what the first one did. */
const made = new Map<string, string>();
const MADE_MAX = 2_000;
function seenVersion(row: AlertRow): string {
  let version = row.version;
  for (let i = 0; i < 16; i++) {
    const next = made.get(`${row.id}@${version}`);
    if (next === undefined) break;
    version = next;
  }
  return version;
}
function remember(sent: { id: string; version: string }[], results: Decided['results']): void {
  if (made.size > MADE_MAX) made.clear();
  const before = new Map(sent.map((x) => [x.id, x.version]));
  for (const x of results) if (x.ok && x.version && before.get(x.id) !== x.version) made.set(`${x.id}@${before.get(x.id)}`, x.version);
}

/** Decisions go out one after the other: the second of two quick ones carries the version that the first one made. */
let before: Promise<unknown> = Promise.resolve();
function inTurn<T>(f: () => Promise<T>): Promise<T> {
  const mine = before.then(f, f);
  before = mine.catch(() => undefined);
  return mine;
}

/** Decides and answers within the frame; a refusal puts the row back and says why. Gives the ids that were refused. */
export async function decide(rows: AlertRow[], d: Omit<Decide, 'items'>): Promise<string[]> {
  if (rows.length === 0) return [];
  const ids = new Set(rows.map((r) => r.id));
  const was = queryClient.getQueriesData<Pages>({ queryKey: ['alerts', 'queue'] });
  const status = d.kind === 'close' ? 'closed' : d.kind === 'acknowledge' ? 'acknowledged' : d.kind === 'reopen' ? 'open' : undefined;
  patchRows(ids, { ...(status ? { status } : {}), ...(d.assignee && d.kind !== 'unassign' ? { assignees: [d.assignee] } : {}) });
  const back = (): void => {
    for (const [k, v] of was) queryClient.setQueryData(k, v);
  };
  try {
    const r = await inTurn(async () => {
      const items = rows.map((x) => ({ id: x.id, version: seenVersion(x) }));
      const done = await api<Decided>('/api/watchfire/alerts/decide', { body: { ...d, items } satisfies Decide });
      remember(items, done.results);
      return done;
    });
    const refused = r.results.filter((x) => !x.ok);
    const undo = r.undo === null ? undefined : () => void undoDecision(r.undo!);
    if (refused.length === 0) toast(`${plural(r.changed, 'alert')} ${DONE[d.kind]}`, undo);
    else toast(`${r.changed} changed, ${r.refused} refused: ${refused[0]?.error ?? refused[0]?.code ?? 'no reason given'}`, undo);
    void queryClient.invalidateQueries({ queryKey: ['alerts'] });
    void queryClient.invalidateQueries({ queryKey: ['counts'] });
    return refused.map((x) => x.id);
  } catch (e) {
    back();
    toastError('Nothing was changed', e);
    return [...ids];
  }
}
async function undoDecision(token: string): Promise<void> {
  try {
    const r = await api<Decided>('/api/watchfire/alerts/undo', { body: { token } });
    toast(r.refused ? `${r.changed} put back, ${r.refused} changed since by somebody else` : `${plural(r.changed, 'alert')} put back`);
  } catch (e) {
    toastError('Not undone', e);
  }
  void queryClient.invalidateQueries({ queryKey: ['alerts'] });
  void queryClient.invalidateQueries({ queryKey: ['counts'] });
}

export function AlertDialogs({ ask, onClose, onDone, go }: { ask: Ask; onClose: () => void; onDone: (refused: string[]) => void; go: (to: string) => void }) {
  return (
    <>
      <Modal opened={ask?.kind === 'close'} onClose={onClose} title={`Close ${plural(ask?.rows.length ?? 0, 'alert')} as`} size={420} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
        {ask?.kind === 'close' && <CloseForm rows={ask.rows} onDone={onDone} onClose={onClose} />}
      </Modal>
      <Modal opened={ask?.kind === 'assign'} onClose={onClose} title={`Assign ${plural(ask?.rows.length ?? 0, 'alert')}`} size={420} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
        {ask?.kind === 'assign' && <AssignForm rows={ask.rows} onDone={onDone} onClose={onClose} />}
      </Modal>
      <Modal opened={ask?.kind === 'escalate'} onClose={onClose} title={`Escalate ${plural(ask?.rows.length ?? 0, 'alert')}`} size={480} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
        {ask?.kind === 'escalate' && <EscalateForm rows={ask.rows} onDone={onDone} onClose={onClose} go={go} />}
      </Modal>
      <Modal opened={ask?.kind === 'preview'} onClose={onClose} title={`${plural(ask?.rows.length ?? 0, 'alert')} selected`} size={640} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
        {ask?.kind === 'preview' && <BulkPreview rows={ask.rows} />}
      </Modal>
      <Modal opened={ask?.kind === 'run'} onClose={onClose} title={`Run a workflow on ${plural(ask?.rows.length ?? 0, 'alert')}`} size={520} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
        {ask?.kind === 'run' && <RunForm rows={ask.rows} onClose={onClose} go={go} />}
      </Modal>
    </>
  );
}

/** Per item what each decision would do. */
function BulkPreview({ rows }: { rows: AlertRow[] }) {
  const closed = rows.filter((r) => r.status === 'closed').length, accepted = rows.filter((r) => r.status === 'acknowledged').length, inCase = rows.filter((r) => r.case).length;
  return (
    <div className="col">
      <p className="small ink2">Accept changes {plural(rows.length - accepted, 'alert')}{accepted ? `; ${accepted} accepted already` : ''}. Close changes {plural(rows.length - closed, 'alert')}{closed ? `; ${closed} closed already` : ''}. {inCase ? `${inCase} already in a case; a closed alert leaves its case as it is.` : 'None is in a case.'} An alert that somebody changed since it was loaded is refused and stays selected.</p>
      <ul className="panel" style={{ maxHeight: 360, overflow: 'auto' }} tabIndex={0} aria-label="Selected alerts">
        {rows.slice(0, 500).map((r) => <li key={r.id} className="row small" style={{ padding: '6px 12px', borderBottom: '1px solid var(--line)' }}><SeverityBars severity={r.severity} /><span className="name cut grow">{visible(r.rule.name)}</span><span className="mono ink2 cut">{visible(r.host ?? r.user ?? r.source ?? '')}</span><span className="chip outline">{r.status === 'open' ? 'Open' : r.status === 'closed' ? 'Closed' : 'Accepted'}</span>{r.case && <span className="chip">case {r.case.number ?? ''}</span>}</li>)}
      </ul>
      {rows.length > 500 && <p className="small ink3">and {rows.length - 500} more</p>}
    </div>
  );
}

type FormProps = { rows: AlertRow[]; onClose: () => void; onDone: (refused: string[]) => void };
function CloseForm({ rows, onClose, onDone }: FormProps) {
  const [other, setOther] = useState(false);
  const [comment, setComment] = useState('');
  const close = async (reason: NonNullable<Decide['reason']>): Promise<void> => {
    if (reason === 'other' && !other) return setOther(true);
    onClose();
    onDone(await decide(rows, { kind: 'close', reason, ...(reason === 'other' ? { comment } : {}) }));
  };
  useLayoutEffect(() => {
    // On the window: who types C 2 does not wait for the dialog to take the focus.
    const key = (e: KeyboardEvent): void => {
      const r = !other && !e.ctrlKey && !e.metaKey && !e.altKey && CLOSE[Number(e.key) - 1];
      if (!r) return;
      e.preventDefault();
      e.stopPropagation();
      void close(r[0]);
    };
    window.addEventListener('keydown', key, true);
    return () => window.removeEventListener('keydown', key, true);
  });
  return (
    <div>
      {CLOSE.map(([id, label, what], i) => (
        <button key={id} type="button" className="nav-item" data-autofocus={i === 0 || undefined} style={{ width: '100%', height: 34, background: 'none', cursor: 'pointer' }} onClick={() => void close(id)}>
          <Kbd>{i + 1}</Kbd><span>{label}</span><span className="ink3 small cut" style={{ fontWeight: 400 }}>{what}</span>
        </button>
      ))}
      {other && (
        <form className="row" style={{ marginTop: 8 }} onSubmit={(e) => { e.preventDefault(); void close('other'); }}>
          <TextInput className="grow" aria-label="Why" placeholder="Why" maxLength={1024} value={comment} onChange={(e) => setComment(e.currentTarget.value)} autoFocus />
          <Button type="submit" variant="filled" disabled={!comment.trim()}>Close</Button>
        </form>
      )}
    </div>
  );
}
function AssignForm({ rows, onClose, onDone }: FormProps) {
  const people = useQuery(q.people()).data ?? [];
  const [uid, setUid] = useState<string | null>(null);
  return (
    <form className="col" onSubmit={(e) => { e.preventDefault(); if (uid) { onClose(); void decide(rows, { kind: 'assign', assignee: uid }).then(onDone); } }}>
      <Select data-autofocus label="Person" searchable data={people.map((p) => ({ value: p.uid, label: p.full_name ?? p.username }))} value={uid} onChange={setUid} nothingFoundMessage="Nobody of that name" />
      <div className="row"><Button type="submit" variant="filled" disabled={!uid} className="right">Assign</Button></div>
    </form>
  );
}
function EscalateForm({ rows, onClose, onDone, go }: FormProps & { go: (to: string) => void }) {
  const open = useQuery(q.cases({ status: 'open', perPage: 50, page: 1, sortField: 'updatedAt' }));
  const lead = rows[0]!;
  const [title, setTitle] = useState(`${lead.rule.name}${lead.host ? ` on ${lead.host}` : lead.user ? ` by ${lead.user}` : ''}`);
  const [join, setJoin] = useState<string | null>(lead.case?.id ?? null);
  const [busy, setBusy] = useState(false);
  const list = open.data?.cases ?? [];
  const submit = async (): Promise<void> => {
    setBusy(true);
    try {
      const c = join ? { id: join } : await api<Case>('/api/cases', { body: { title, description: rows.map((r) => `${r.rule.name}: ${r.reason}`).join('\n').slice(0, 30_000), tags: [], severity: lead.severity, owner: 'securitySolution', connector: { id: 'none', name: 'none', type: '.none', fields: null }, settings: { syncAlerts: true } } });
      await api(`/api/cases/${seg(c.id)}/comments`, { body: { type: 'alert', owner: 'securitySolution', alertId: rows.map((r) => r.id), index: rows.map((r) => r.index), rule: { id: lead.rule.id, name: lead.rule.name } } });
      await queryClient.invalidateQueries({ queryKey: ['cases'] });
      onClose();
      onDone([]);
      toast(join ? `${plural(rows.length, 'alert')} joined the case` : 'Case opened');
      go(`/cases/${c.id}`);
    } catch (e) {
      toastError('Not escalated', e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <Select label="Case" value={join ?? ''} onChange={(v) => setJoin(v || null)} searchable data={[{ value: '', label: 'A new case' }, ...list.map((c) => ({ value: c.id, label: `${c.incremental_id ? `#${c.incremental_id} ` : ''}${c.title}` }))]} />
      {!join && <TextInput data-autofocus label="Title" value={title} maxLength={160} onChange={(e) => setTitle(e.currentTarget.value)} />}
      <div className="row"><span className="ink3 small grow">The alerts take the status of the case.</span><Button type="submit" variant="filled" disabled={busy || (!join && !title.trim())}>{join ? 'Join the case' : 'Open a case'}</Button></div>
    </form>
  );
}
function RunForm({ rows, onClose, go }: { rows: AlertRow[]; onClose: () => void; go: (to: string) => void }) {
  const list = useQuery(q.workflows());
  const enabled = (list.data?.results ?? []).filter((w) => w.enabled && w.valid);
  const [id, setId] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [sure, setSure] = useState(false);
  const w: Workflow | undefined = enabled.find((x) => x.id === id);
  const dangerous = w?.watchfire?.effect === 'destructive' && w.watchfire.approvals === 0;
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      const docs = await api<{ hits: { hits: { _source: unknown }[] } }>('/api/detection_engine/signals/search', { body: { size: rows.length, query: { terms: { 'kibana.alert.uuid': rows.map((r) => r.id) } } } });
      const lead = rows[0]!;
      const r = await api<{ workflowExecutionId: string }>(`/api/workflows/workflow/${seg(id!)}/run`, { body: { inputs: { event: { alerts: docs.hits.hits.map((h) => h._source), rule: { id: lead.rule.id, name: lead.rule.name }, spaceId: 'default' } } } });
      onClose();
      toast('Workflow started');
      go(`/executions/${r.workflowExecutionId}`);
    } catch (e) {
      toastError('Not started', e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void run(); }}>
      <Select data-autofocus label="Workflow" description="enabled ones" searchable value={id} onChange={setId} data={enabled.map((x) => ({ value: x.id, label: x.name }))} nothingFoundMessage="No enabled workflow of that name" />
      {w && <div className="row top"><Effect effect={w.watchfire?.effect ?? 'none'} /><span className="ink2 small">{w.description}{w.watchfire && w.watchfire.approvals > 0 ? ` Asks a person ${w.watchfire.approvals === 1 ? 'once' : `${w.watchfire.approvals} times`}.` : ''}</span></div>}
      {dangerous && <Checkbox checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} label="It acts on other systems and asks nobody. Run it all the same." />}
      <div className="row"><Button type="submit" variant="filled" color={dangerous ? 'danger' : undefined} className="right" disabled={!id || busy || (dangerous && !sure)}>{w ? `Run ${w.name}` : 'Run'}</Button></div>
    </form>
  );
}
