// The small parts that every screen is made of.
import { Tooltip } from '@mantine/core';
import {
  IconAlertTriangle, IconCircleCheck, IconCircleDashed, IconClock, IconClockPause, IconClockX, IconEye, IconFlame, IconHome, IconHourglass, IconPencil, IconPlayerPlay, IconPlayerStop,
} from '@tabler/icons-react';
import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import type { Effect as EffectClass, Person, Severity as Sev, Status } from '../api/types';
import { age, bytes, duration, fullMoment, initials, moment, shortId, visible } from './format';

// One clock for the page, one beat a second.
let nowMs = Date.now();
const clockListeners = new Set<() => void>();
setInterval(() => {
  nowMs = Date.now();
  for (const f of clockListeners) f();
}, 1000);
export function useNow(): number {
  return useSyncExternalStore((f) => (clockListeners.add(f), () => void clockListeners.delete(f)), () => nowMs);
}

const SEV: Record<Sev, { n: number; word: string; tone: string }> = {
  low: { n: 1, word: 'Low', tone: 'low' }, medium: { n: 2, word: 'Medium', tone: 'med' }, high: { n: 3, word: 'High', tone: 'high' }, critical: { n: 4, word: 'Critical', tone: 'crit' },
};
export function SeverityBars({ severity }: { severity: Sev }) {
  const s = SEV[severity] ?? SEV.low;
  return <span className={`bars4 s${s.n}`} role="img" aria-label={s.word.toLowerCase()}><i /><i /><i /><i /></span>;
}
export function Severity({ severity }: { severity: Sev }) {
  const s = SEV[severity] ?? SEV.low;
  return <span className={`chip ${s.tone}`}><span className={`bars4 s${s.n}`} aria-hidden><i /><i /><i /><i /></span>{s.word}</span>;
}
/** Elastic's number, named as such; it is no score. */
export function Risk({ value, big = false }: { value: number; big?: boolean }) {
  return <span className={`risk${big ? ' big' : ''}`} title="kibana.alert.risk_score"><span className="visually-hidden">risk score </span>{Math.round(value)}</span>;
}

const EFFECT: Record<EffectClass, { word: string; icon: typeof IconEye; means: string }> = {
  none: { word: 'no effect', icon: IconCircleDashed, means: 'flow and data steps' },
  internal: { word: 'inside', icon: IconHome, means: 'our own records only, exactly once' },
  read: { word: 'reads', icon: IconEye, means: 'asked again after a crash' },
  write: { word: 'writes', icon: IconPencil, means: 'sent with one key; a model call is a write' },
  destructive: { word: 'destructive', icon: IconFlame, means: 'never twice unasked' },
};
export function Effect({ effect, bare = false }: { effect: EffectClass; bare?: boolean }) {
  const e = EFFECT[effect] ?? EFFECT.none;
  const I = e.icon;
  return (
    <span className={`effect ${effect}${bare ? ' bare' : ''}`} title={`${e.word}: ${e.means}`}><I size={12} stroke={1.7} aria-hidden />{bare ? <span className="visually-hidden">{e.word}</span> : e.word}</span>
  );
}

const STATE: Record<Status, { word: string; tone: string; icon: typeof IconEye }> = {
  queued: { word: 'queued', tone: 'mute', icon: IconClockPause }, pending: { word: 'queued', tone: 'mute', icon: IconClockPause },
  running: { word: 'running', tone: 'beam', icon: IconPlayerPlay }, waiting: { word: 'waits', tone: 'mute', icon: IconClock }, waiting_for_child: { word: 'waits for its child', tone: 'mute', icon: IconClock },
  waiting_for_input: { word: 'waits for a person', tone: 'wait', icon: IconHourglass }, completed: { word: 'completed', tone: 'ok', icon: IconCircleCheck },
  failed: { word: 'failed', tone: 'crit', icon: IconAlertTriangle }, timed_out: { word: 'timed out', tone: 'high', icon: IconClockX }, cancelled: { word: 'cancelled', tone: 'mute', icon: IconPlayerStop }, skipped: { word: 'skipped', tone: 'outline', icon: IconCircleDashed },
};
export function stateWord(s: Status): string {
  return (STATE[s] ?? STATE.pending).word;
}
export function StateChip({ status }: { status: Status }) {
  const s = STATE[status] ?? STATE.pending;
  const I = s.icon;
  return <span className={`chip ${s.tone}`}><I size={13} stroke={1.7} aria-hidden />{s.word}</span>;
}
export function StateIcon({ status, size = 15 }: { status: Status; size?: number }) {
  const s = STATE[status] ?? STATE.pending;
  const I = s.icon;
  return <I size={size} stroke={1.7} className={s.tone === 'outline' || s.tone === 'mute' ? 'ink3' : `t-${s.tone}`} role="img" aria-label={s.word} />;
}
export function isTerminal(s: Status): boolean {
  return s === 'completed' || s === 'failed' || s === 'cancelled' || s === 'timed_out' || s === 'skipped';
}

/** A moment, with the whole truth on hover. */
export function Moment({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span className="ink3">–</span>;
  return <time dateTime={at} title={fullMoment(at, now)} className="num nowrap">{moment(at, now)}</time>;
}
export function Age({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span className="ink3">–</span>;
  return <time dateTime={at} title={fullMoment(at, now)} className="num nowrap">{age(now - new Date(at).getTime())}</time>;
}
export function Duration({ ms }: { ms: number | null | undefined }) {
  return <span className="num nowrap">{duration(ms)}</span>;
}
/** The short form; a click copies the whole id. */
export function ShortId({ id }: { id: string }) {
  const [done, setDone] = useState(false);
  return (
    <Tooltip label={done ? 'copied' : `copy ${id}`}>
      <button type="button" className="link-button mono ink2" style={{ color: 'var(--ink2)' }} onClick={() => void copy(id).then(() => { setDone(true); setTimeout(() => setDone(false), 1500); })}><span className="visually-hidden">copy the id </span>{shortId(id)}</button>
    </Tooltip>
  );
}
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const t = document.createElement('textarea');
    t.value = text;
    document.body.append(t);
    t.select();
    document.execCommand('copy');
    t.remove();
  }
}

export function Avatar({ name }: { name: string | null }) {
  return name ? <span className="avatar" title={name} role="img" aria-label={name}>{initials(name)}</span> : <span className="avatar empty" title="nobody" role="img" aria-label="nobody" />;
}
export function personName(uid: string, people: Person[] | undefined): string {
  const p = people?.find((x) => x.uid === uid || x.username === uid);
  return p ? (p.full_name ?? p.username) : uid;
}

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd className="kbd" aria-hidden>{children}</kbd>;
}

const INLINE_MAX = 4096;
/** Text from outside: shown as text, control characters visible, at most 4 kB until asked. */
export function Outside({ text, className = 'text', lines }: { text: string; className?: string; lines?: number }) {
  const [all, setAll] = useState(false);
  let shown = text;
  if (!all && lines !== undefined) shown = shown.split('\n').slice(0, lines).join('\n');
  if (!all && shown.length > INLINE_MAX) shown = shown.slice(0, INLINE_MAX);
  const cut = shown.length < text.length;
  return (
    <>
      <span className={className}>{visible(shown)}</span>
      {(cut || (all && text.length > INLINE_MAX)) && <button type="button" className="link-button small" style={{ display: 'block', marginTop: 4 }} onClick={() => setAll(!all)}>{all ? 'Show less' : `Show all, ${bytes(new Blob([text]).size)}`}</button>}
    </>
  );
}

/** True after `ms` of waiting, so that fast answers never flash a skeleton. */
export function useLater(ms: number): boolean {
  const [on, setOn] = useState(false);
  useEffect(() => {
    const t = setTimeout(() => setOn(true), ms);
    return () => clearTimeout(t);
  }, [ms]);
  return on;
}

export function useDebounced<T>(value: T, ms: number): T {
  const [v, setV] = useState(value);
  useEffect(() => {
    const t = setTimeout(() => setV(value), ms);
    return () => clearTimeout(t);
  }, [value, ms]);
  return v;
}
