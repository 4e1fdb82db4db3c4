// Taking an effect back: where it stands, and a person's word on it. Never optimistic: the button waits for the commit.
import { Button, Menu, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, seg } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { EffectUndo, EffectUndos } from '../../api/types';
import { Effect, Moment, Outside, useNow } from '../../kit/bits';
import { duration, moment, visible } from '../../kit/format';
import { Go } from '../../kit/go';
import { useCan } from '../../kit/me';
import { toast, toastError } from '../../kit/toast';

const LATER: [string, number][] = [['1 hour later', 3_600_000], ['8 hours later', 8 * 3_600_000], ['1 day later', 86_400_000]];

type Word = { action: 'now' | 'keep' | 'at'; at?: string };

/** One effect's undo in the table of effects. */
export function UndoCell({ run, u }: { run: string; u: EffectUndo | undefined }) {
  const now = useNow();
  const may = useCan()('approvals:decide');
  const [ask, setAsk] = useState<'now' | 'keep' | null>(null);
  const [busy, setBusy] = useState(false);
  const [reason, setReason] = useState('');
  if (!u) return <span className="ink3">not by a step</span>;
  const say = async (word: Word, done: string): Promise<void> => {
    setBusy(true);
    try {
      const all = await api<EffectUndos>(`/api/watchfire/executions/${seg(run)}/undo`, { body: { key: u.key, ...word, reason: reason.trim() || null } });
      queryClient.setQueryData(['executions', 'undo', run], all);
      setAsk(null);
      setReason('');
      toast(done);
    } catch (x) {
      toastError('Nothing changed', x);
    } finally {
      setBusy(false);
      void queryClient.invalidateQueries({ queryKey: ['executions'] });
    }
  };
  const due = u.due ? new Date(u.due).getTime() : null;
  const link = u.execution ? <Go to={`/executions/${u.execution}`}>its execution</Go> : null;
  const text = u.state === 'scheduled' && due !== null ? <>automatically at {moment(u.due!, now)} ({due > now ? `in ${duration(due - now)}` : 'now'})</>
    : u.state === 'on_request' ? 'when somebody asks for it'
    : u.state === 'asks' ? <>a person is asked{u.approval ? <>: <Go to={`/approvals/${u.approval}`}>the question</Go></> : ''}</>
    : u.state === 'held' ? <span className="t-med">held back: {visible(u.held ?? 'no reason given')}</span>
    : u.state === 'unknown' ? <span className="t-med">may have happened{u.approval ? <>: <Go to={`/approvals/${u.approval}`}>settle it</Go></> : ''}</span>
    : u.state === 'running' ? <>is being undone, {link}</>
    : u.state === 'undone' ? <>undone {u.finished_at ? <Moment at={u.finished_at} /> : ''}, {link}</>
    : u.state === 'failed' ? <span className="t-crit">not undone: {visible(u.error ?? 'it failed')}, {link}</span>
    : u.state === 'kept' ? <>kept, {link}</>
    : <span className="t-med">{visible(u.error ?? 'cannot be undone')}</span>;
  const again = ['scheduled', 'on_request', 'kept', 'failed'].includes(u.state);
  const keeps = ['scheduled', 'asks', 'held'].includes(u.state);
  return (
    <div className="row wrap" style={{ gap: 6 }}>
      <span>{text}</span>
      {may && again && <Button size="compact-xs" onClick={() => setAsk('now')}>Undo now…</Button>}
      {may && u.state === 'scheduled' && due !== null && <Menu><Menu.Target><Button size="compact-xs" variant="subtle" disabled={busy}>Later</Button></Menu.Target><Menu.Dropdown>{LATER.map(([label, ms]) => <Menu.Item key={label} onClick={() => void say({ action: 'at', at: new Date(due + ms).toISOString() }, `Undone ${label.replace(' later', '')} later`)}>{label}</Menu.Item>)}</Menu.Dropdown></Menu>}
      {may && keeps && <Button size="compact-xs" variant="subtle" onClick={() => setAsk('keep')}>Keep…</Button>}
      <Modal opened={ask !== null} onClose={() => setAsk(null)} title={ask === 'keep' ? `Keep the effect of ${u.step}?` : `Undo ${u.step} now?`} size={520} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
        <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); if (ask) void say({ action: ask }, ask === 'keep' ? 'Effect kept' : 'Undo started'); }}>
          {ask === 'keep' ? <p>It is not undone by itself any more. It can still be undone later from here.</p> : (
            <div>
              <div className="row" style={{ marginBottom: 4 }}><b className="mono">{u.type}</b><span className="small ink2 cut">{u.target}{u.connector ? `, connector ${u.connector.name}` : ''}</span><span className="right">{u.class && <Effect effect={u.class} />}</span></div>
              <pre className="code" tabIndex={0}><Outside text={u.request ?? ''} className="" /></pre>
              <p className="small ink2" style={{ marginTop: 6 }}>{u.asks ? 'Nobody approved exactly this, so a person is asked first.' : u.approved ? 'This was approved together with the effect.' : 'This was frozen when the effect began.'} Halt, never-touch and caps apply.</p>
            </div>
          )}
          <TextInput data-autofocus label="Reason, for the record" value={reason} maxLength={500} onChange={(e) => setReason(e.currentTarget.value)} />
          <div className="row"><Button onClick={() => setAsk(null)}>Leave it</Button><Button type="submit" className="right" variant="filled" color={ask === 'now' && u.class === 'destructive' ? 'danger' : undefined} disabled={busy}>{busy ? 'Sending…' : ask === 'keep' ? 'Keep the effect' : `Undo ${u.step}`}</Button></div>
        </form>
      </Modal>
    </div>
  );
}
