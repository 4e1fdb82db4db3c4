// The inbox: one safe decision at a time. Questions and settlements; on a phone one column with the decision at the foot.
import { Button, Menu, Modal, Textarea, TextInput } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { IconCheck, IconChevronLeft, IconClock, IconDots, IconHistory, IconLock, IconTarget, IconUsers, IconWifiOff, IconX } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { ApiError, api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Approval, ApprovalList, Decision } from '../../api/types';
import { Age, Avatar, Effect, Kbd, Moment, Outside, Risk, SeverityBars, ShortId, useNow } from '../../kit/bits';
import { count, moment, timeLeft, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { Json } from '../../kit/Json';
import { useKeys } from '../../kit/keys';
import { useCan, useFeature } from '../../kit/me';
import { check, defaults, SchemaForm, type Schema } from '../../kit/SchemaForm';
import { Empty, ErrorState, Loaded } from '../../kit/states';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';
import { ConditionDialog, type Condition } from './Conditions';
import { NoPasskey, sign, type Signature } from '../../kit/passkey';

const WORD: Record<Decision['verdict'], string> = { approve: 'approved', reject: 'rejected', happened: 'it happened', again: 'run again', skip: 'skipped', answer: 'answered' };
const STATE: Record<Approval['state'], string> = { waiting: 'waits', approved: 'approved', rejected: 'rejected', expired: 'expired', withdrawn: 'withdrawn', void: 'void', settled: 'settled', answered: 'answered' };
const TONE: Record<Approval['state'], string> = { waiting: 'wait', approved: 'ok', rejected: 'crit', expired: 'high', withdrawn: '', void: 'high', settled: 'ok', answered: 'ok' };

export function Approvals() {
  const { id } = useParams({ strict: false }) as { id?: string };
  const [url] = useUrl();
  const phone = useMediaQuery('(max-width: 1023px)', undefined, { getInitialValueInEffect: false });
  const history = url.list === 'history';
  const list = useQuery(q.approvals({ state: history ? 'answered' : 'waiting', size: 200 }));
  const recent = useQuery({ ...q.approvals({ state: 'answered', size: 5 }), enabled: !history });
  const rows = list.data?.approvals ?? [];
  const shown = id ?? (phone ? undefined : rows[0]?.id);
  return (
    <div className="page">
      {!(phone && id) && <Head list={list.data} history={history} />}
      <div className="appr">
        {!(phone && id) && (
          <nav className="appr-list" aria-label="Approvals">
            <div className="scroll">
              <Loaded query={list} what="The approvals" rows={4} height={84}>{(d) => d.approvals.length === 0
                ? <Empty title={history ? 'Nothing was answered yet' : 'Nothing waits for you'}>{!history && recent.data?.approvals[0]?.decisions[0] ? <>Last decision <Moment at={recent.data.approvals[0].decisions[0].at} /> by {recent.data.approvals[0].decisions[0].by.full_name ?? recent.data.approvals[0].decisions[0].by.username}. <Go to="/approvals" search={{ list: 'history' }}>History</Go></> : 'Questions of workflows, and commands whose outcome is not known, stand here.'}</Empty>
                : d.approvals.map((a) => <ItemLink key={a.id} a={a} here={a.id === shown} history={history} />)}</Loaded>
              {!history && rows.length > 0 && (recent.data?.approvals.length ?? 0) > 0 && (
                <div style={{ padding: '12px 16px' }}>
                  <div className="tiny ink3" style={{ marginBottom: 4 }}>Answered last</div>
                  {recent.data!.approvals.map((a) => <div key={a.id} className="row small" style={{ minHeight: 24 }}><Go to={`/approvals/${a.id}`} search={{ list: 'history' }} className="cut" style={{ color: 'var(--ink)' }}>{visible(a.question)}</Go><span className={`right nowrap t-${TONE[a.state]}`}>{STATE[a.state] ?? a.state}</span><span className="ink3"><Moment at={a.decisions.at(-1)?.at ?? a.expires_at} /></span></div>)}
                </div>
              )}
            </div>
            <div className="small ink2 desk" style={{ padding: '12px 16px', borderTop: '1px solid var(--line)' }}>Links in chat and mail open this page. They never answer by themselves.</div>
          </nav>
        )}
        {shown ? <One key={shown} id={shown} phone={phone === true} waiting={list.data?.counts.waiting ?? 0} next={rows.find((r) => r.id !== shown)?.id} /> : !phone && <div className="decision" />}
      </div>
    </div>
  );
}

function Head({ list, history }: { list: ApprovalList | undefined; history: boolean }) {
  const go = useGo();
  return (
    <PageHead title="Approvals">
      <div className="tabs" role="tablist" aria-label="Lists">
        <button type="button" role="tab" className="tab" aria-selected={!history} onClick={() => go('/approvals')}>Waiting for you <span className="n">{list ? count(list.counts.waiting) : ''}</span></button>
        <button type="button" role="tab" className="tab" aria-selected={history} onClick={() => go('/approvals', { list: 'history' })}>History <span className="n">{list ? count(list.counts.answered) : ''}</span></button>
      </div>
    </PageHead>
  );
}

const who = (users: string[] = [], roles: string[] = []): string => [...users, ...roles.map((r) => `role ${r}`)].map(visible).join(', ');
/** The next tier of people that is asked when nobody answers. */
function next_(a: Approval, now: number): { at: string; to: string } | null {
  const asked = new Date(a.asked_at).getTime();
  const t = a.approvers?.escalation?.find((x) => asked + x.after_s * 1000 > now);
  return t ? { at: new Date(asked + t.after_s * 1000).toISOString(), to: who(t.users, t.roles) } : null;
}
/** Remarks and answers in the order of their time. */
function history(a: Approval): { at: string; by: string; word: string; tone: string; text: string | null }[] {
  const said = (a.remarks ?? []).map((r) => ({ at: r.at, by: r.by, word: r.kind === 'ask' ? 'asked back' : r.kind === 'reply' ? 'replied' : r.kind === 'change' ? 'changed' : 'delegated', tone: r.kind === 'delegate' ? '' : r.kind === 'change' ? 'high' : 'beam', text: [r.to ? `to ${r.to}` : null, r.text].filter(Boolean).join(': ') + (r.before ? `${r.before.actions.map((b) => ` · step ${b.step} was: ${b.request}`).join('')}${r.before.decisions.length > 0 ? ` · void: ${r.before.decisions.map((d) => d.by.username).join(', ')}` : ''}` : '') || null }));
  const answered = a.decisions.map((d) => ({ at: d.at, by: d.by.full_name ?? d.by.username, word: WORD[d.verdict] ?? d.verdict, tone: d.verdict === 'reject' ? 'crit' : 'ok', text: d.comment }));
  return [...said, ...answered].sort((x, y) => (x.at < y.at ? -1 : 1));
}

function ItemLink({ a, here, history }: { a: Approval; here: boolean; history: boolean }) {
  const now = useNow();
  const left = timeLeft(a.expires_at, a.asked_at, now);
  return (
    <Go to={`/approvals/${a.id}`} search={history ? { list: 'history' } : {}} className="appr-item" aria-current={here || undefined}>
      <div className="strong" style={{ overflowWrap: 'anywhere' }}>{visible(a.question)}</div>
      <div className="small ink2 cut">{visible(a.workflow.name)}{a.case ? ` · case ${a.case.number ?? ''}` : ''}</div>
      <div className="row small" style={{ marginTop: 4 }}>
        {a.kind === 'settlement' ? <span className="chip high">outcome not known</span> : a.kind === 'input' ? <span className="chip wait">asks for input</span> : <Effect effect={a.effect} />}
        {a.kind === 'question' && a.state === 'waiting' && <span className="row" style={{ gap: 4 }}><IconUsers size={13} stroke={1.7} className="ink2" aria-hidden />{a.quorum.given} of {a.quorum.needed}</span>}
        {a.state === 'waiting' ? left && <span className={`right row left-time ${left.tone} num`} style={{ gap: 4 }}><IconClock size={13} stroke={1.7} aria-hidden />{left.text}</span> : <span className={`right chip ${TONE[a.state]}`}>{STATE[a.state] ?? a.state}</span>}
      </div>
    </Go>
  );
}

function One({ id, phone, waiting, next }: { id: string; phone: boolean; waiting: number; next: string | undefined }) {
  const one = useQuery(q.approval(id));
  if (!one.data) return <div className="decision">{one.error ? <ErrorState what="This approval" error={one.error} retry={() => void one.refetch()} failures={one.failureCount} /> : <Loaded query={one} what="This approval">{() => null}</Loaded>}</div>;
  return <DecisionView a={one.data} phone={phone} waiting={waiting} next={next} />;
}

/** `Approve isolation` from what the workflow says, else a verb and the target. */
function target(a: Approval): string {
  const t = a.actions.map((x) => x.target.host ?? x.target.url).filter((x): x is string => x !== null);
  return t.length === 0 ? a.question : t.length === 1 ? `on ${t[0]}` : `on ${t.length} targets`;
}

function DecisionView({ a, phone, waiting, next }: { a: Approval; phone: boolean; waiting: number; next: string | undefined }) {
  const now = useNow();
  const can = useCan();
  const go = useGo();
  const [reason, setReason] = useState('');
  const [needReason, setNeedReason] = useState(false);
  const [sheet, setSheet] = useState<'reject' | 'happened' | 'again' | 'skip' | null>(null);
  const [output, setOutput] = useState('');
  const [busy, setBusy] = useState<string | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const [lacksKey, setLacksKey] = useState(false);
  const ceremony = useRef<AbortController | null>(null);
  const [online, setOnline] = useState(navigator.onLine);
  const reasonRef = useRef<HTMLInputElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const left = timeLeft(a.expires_at, a.asked_at, now);
  const settle = a.kind === 'settlement', input = a.kind === 'input';
  const schema = (a.schema ?? { type: 'object', additionalProperties: true }) as Schema;
  const [answer, setAnswer] = useState<Record<string, unknown>>(() => defaults(schema));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const conditions = useFeature('conditions') && a.kind === 'question';
  const [condition, setCondition] = useState<Condition | null>(null);
  const waits = a.state === 'waiting';
  const may = a.may_decide && can('approvals:decide') && online;
  useEffect(() => {
    const f = (): void => setOnline(navigator.onLine);
    window.addEventListener('online', f);
    window.addEventListener('offline', f);
    return () => { window.removeEventListener('online', f); window.removeEventListener('offline', f); };
  }, []);
  useEffect(() => {
    title.current?.focus({ preventScroll: true });
    document.title = `${waiting > 0 ? `(${waiting}) ` : ''}${a.question} – Watchfire`;
  }, [a.question, waiting]);
  // Time left is said at 10, 5 and 1 minute.
  const minutes = waits && a.expires_at ? Math.ceil((new Date(a.expires_at).getTime() - now) / 60_000) : null;
  const said = minutes === 10 || minutes === 5 || minutes === 1 ? `${minutes} ${minutes === 1 ? 'minute' : 'minutes'} left` : '';

  // Whoever leaves the page has not signed.
  useEffect(() => () => ceremony.current?.abort(), []);

  // Never optimistic: the page waits for the commit.
  const send = async (path: 'decide' | 'settle', body: Record<string, unknown>, what: string): Promise<void> => {
    setBusy(what);
    setFailed(null);
    try {
      const r = await api<Approval>(`/api/watchfire/approvals/${seg(a.id)}/${path}`, { body });
      queryClient.setQueryData(['approvals', 'one', a.id], { ...a, ...r });
      setSheet(null);
    } catch (e) {
      if (e instanceof ApiError && e.status === 409) {
        const cur = e.attributes.current as Approval | undefined;
        if (cur) queryClient.setQueryData(['approvals', 'one', a.id], { ...a, ...cur });
        setFailed(e.attributes.code === 'hash' ? 'What would run has changed since this page showed it. Nothing was run; read it again.' : `Nothing was changed: ${e.message}.`);
      } else setFailed(`Nothing was changed: ${e instanceof Error ? e.message : String(e)}.`);
    } finally {
      setBusy(null);
      void queryClient.invalidateQueries({ queryKey: ['approvals'] });
      void queryClient.invalidateQueries({ queryKey: ['counts'] });
      void queryClient.invalidateQueries({ queryKey: ['executions'] });
    }
  };
  /** The signature where one is needed, nothing where none is; `null` when there should be one and is not. */
  const signature = async (verdict: 'approve' | 'again'): Promise<{ passkey?: Signature } | null> => {
    if (!a.passkey_needed) return {};
    setBusy('passkey');
    setFailed(null);
    setLacksKey(false);
    ceremony.current = new AbortController();
    try {
      return { passkey: await sign(a.id, a.hash ?? '', verdict, ceremony.current.signal) };
    } catch (e) {
      setBusy(null);
      setLacksKey(e instanceof NoPasskey);
      setFailed(`Nothing was changed: ${e instanceof Error ? e.message : String(e)}.`);
      return null;
    } finally {
      ceremony.current = null;
    }
  };
  const approve = async (): Promise<void> => {
    const signed = await signature('approve');
    if (signed) await send('decide', { verdict: 'approve', hash: a.hash, comment: reason.trim() || null, ...signed }, 'approve');
  };
  /** Sending it again takes what sending it first took. */
  const settled = async (body: Record<string, unknown>): Promise<void> => {
    const signed = body.verdict === 'again' ? await signature('again') : {};
    if (signed) await send('settle', { ...body, ...signed }, String(body.verdict));
  };
  const submit = (): void => {
    const bad = check(schema, answer);
    setErrors(bad);
    if (Object.keys(bad).length > 0) return setFailed(`${Object.keys(bad).length === 1 ? 'One field is' : `${Object.keys(bad).length} fields are`} not right yet. Nothing was sent.`);
    void resume();
  };
  /** An object for `waitForInput` goes the way of Kibana's resume. */
  const resume = async (): Promise<void> => {
    setBusy('answer');
    setFailed(null);
    try {
      await api(`/api/workflows/executions/${seg(a.execution)}/resume`, { body: { input: answer, ...(a.step_execution ? { stepExecutionId: a.step_execution } : {}) } });
    } catch (e) {
      if (e instanceof ApiError && Array.isArray(e.attributes.errors)) setErrors(Object.fromEntries((e.attributes.errors as { pointer: string; message: string }[]).map((x) => [x.pointer, x.message])));
      setFailed(`Nothing was changed: ${e instanceof Error ? e.message : String(e)}.`);
    } finally {
      setBusy(null);
      for (const k of ['approvals', 'counts', 'executions']) void queryClient.invalidateQueries({ queryKey: [k] });
    }
  };
  const reject = (): void => {
    if (phone && sheet !== 'reject') return setSheet('reject');
    if (!reason.trim()) {
      setNeedReason(true);
      reasonRef.current?.focus();
      return;
    }
    void send('decide', { verdict: 'reject', hash: a.hash, comment: reason.trim() }, 'reject');
  };
  useKeys('Approval', waits && may && !settle && !input ? [
    { key: 'Shift+A', label: `${a.approve_label}`, run: () => busy === null && void approve() },
    ...(conditions ? [{ key: 'b', label: 'Ask back', run: () => setCondition('ask') }, ...(a.actions.some((x) => x.parameters) ? [{ key: 'm', label: 'Change parameters…', run: () => setCondition('change') }] : [])] : []),
    { key: 'r', label: 'Reject', run: () => busy === null && reject() },
    ...(next ? [{ key: 'j', label: 'Next', run: () => go(`/approvals/${next}`) }] : []),
  ] : next ? [{ key: 'j', label: 'Next', run: () => go(`/approvals/${next}`) }] : []);
  const label = a.approve_label || 'Approve';
  const big = phone ? 'xl' : 'lg';
  return (
    <section className="decision" aria-label="Decision">
      {phone && <div className="row" style={{ padding: '0 12px', minHeight: 48, borderBottom: '1px solid var(--line)', flex: 'none' }}><Go to="/approvals" className="row" style={{ color: 'var(--ink)', minHeight: 44, gap: 4 }}><IconChevronLeft size={20} stroke={1.7} aria-hidden />Approvals <span className="chip wait">{waiting}</span></Go>{waits && left && <b className={`right num left-time ${left.tone}`}>{left.text}</b>}</div>}
      <div className="scroll">
        <header className="decision-head">
          <div className="row top">
            <div className="grow">
              <h1 ref={title} tabIndex={-1} style={{ outline: 'none' }}>{visible(a.question)}</h1>
              <div className="row wrap small ink2" style={{ marginTop: 4 }}>
                {input ? <span className="chip wait">asks for input</span> : <Effect effect={a.effect} />}{settle && <span className="chip high">may have happened</span>}
                <span>Asked by <Go to={`/workflows/${a.workflow.id}`}>{visible(a.workflow.name)}{a.workflow.version !== null ? ` v${a.workflow.version}` : ''}</Go>, step {visible(a.step)}{a.case && <>, for case <Go to={`/cases/${a.case.id}`}>{a.case.number ?? visible(a.case.title)}</Go></>} · <Age at={a.asked_at} /> ago</span>
                <Go to={`/executions/${a.execution}`}>execution</Go>
              </div>
            </div>
            {waits && left && !phone && <div style={{ textAlign: 'right', flex: 'none', maxWidth: 300 }}><div className={`num left-time ${left.tone}`} style={{ fontSize: 18, lineHeight: '26px', fontWeight: 600 }}>{left.text}</div><div className="small ink2">at {moment(a.expires_at, now)} {visible(a.on_expiry)}</div></div>}
          </div>
          {phone && !settle && !input && waits && <div className="row" style={{ marginTop: 8 }}><IconUsers size={16} stroke={1.7} className="ink2" aria-hidden /><span><b>{a.quorum.given} of {a.quorum.needed}</b>{a.decisions[0] ? ` · ${a.decisions[0].by.full_name ?? a.decisions[0].by.username} ${WORD[a.decisions[0].verdict]}` : ' approved'}</span></div>}
          <span className="visually-hidden" role="status">{said}</span>
        </header>
        <div className="decision-body">
          <div>
            {!waits && <Outcome a={a} />}
            {settle && a.settlement && (
              <div className="block panel" style={{ borderColor: 'var(--high-line)', background: 'var(--high-bg)', color: 'var(--high)', padding: 12 }}>
                <b>What is known:</b> {visible(a.settlement.reason)}. The attempt started at <Moment at={a.settlement.attempt_started_at} />{a.settlement.may_run_until && new Date(a.settlement.may_run_until).getTime() > now ? <>; it may still be running until <Moment at={a.settlement.may_run_until} /></> : ''}.
                {a.settlement.probe ? <> A probe at <Moment at={a.settlement.probe.at} /> says: {visible(a.settlement.probe.result)}.</> : ' Look at the host before you answer.'}
              </div>
            )}
            {input && (
              <div className="block"><h2 style={{ marginBottom: 8 }}>{waits ? 'Your answer' : 'What was answered'}</h2>
                <div className="panel" style={{ padding: 12 }}>{waits ? <SchemaForm schema={schema} value={answer} errors={errors} disabled={!may || busy !== null} onChange={(v) => { setAnswer(v); setErrors({}); setFailed(null); }} /> : <Json value={a.response ?? a.decisions.at(-1)?.comment ?? null} />}</div>
                {waits && <div className="small ink3" style={{ marginTop: 6 }}>It goes to step {visible(a.step)} as its output; nothing else happens by it.</div>}
              </div>
            )}
            {!input && <div className="block">
              <div className="row wrap" style={{ marginBottom: 6 }}><h2>{settle ? 'What was sent, exactly' : waits ? 'What will run, exactly' : 'What it was about, exactly'}</h2>{a.hash && <span className="right row small ink2" style={{ gap: 4 }} title={a.hash}><IconLock size={13} stroke={1.7} aria-hidden />bound to <span className="mono">sha256 {a.hash.slice(0, 4)}…{a.hash.slice(-4)}</span></span>}</div>
              <ol className="exact">
                {a.actions.map((x) => (
                  <li key={x.index}>
                    <div className="row wrap"><span className="ink3 num">{x.index}</span><b className="mono">{x.type}</b><span className="small ink2" style={{ overflowWrap: 'anywhere', order: phone ? 5 : 0, flexBasis: phone ? '100%' : undefined }}>{x.target.host ? `on ${x.target.host}${x.target.port ? `:${x.target.port}` : ''}` : (x.target.url ?? '')}{x.target.account ? `, as ${x.target.account}` : ''}{x.connector ? `, connector ${x.connector.name}` : ''}</span><span className="right"><Effect effect={x.class} /></span></div>
                    <pre><Outside text={x.request} className="" /></pre>
                    <div className="tiny ink2" style={{ overflowWrap: 'anywhere' }}>step {x.step}{x.target.host_key ? ` · host key ${x.target.host_key}` : ''}{x.secrets.length ? ` · uses the secrets ${x.secrets.join(', ')}` : ''}</div>
                  </li>
                ))}
                {a.actions.length === 0 && <li className="small ink2">No step is bound to this answer.</li>}
              </ol>
              {a.unbound.length > 0 && <div style={{ marginTop: 8 }}><div className="small ink2">Not bound: shown as template, asks on its own when reached if it is destructive.</div><ul className="exact" style={{ marginTop: 4 }}>{a.unbound.map((u, i) => <li key={i}><div className="row"><b className="mono">{u.step}</b><span className="right"><Effect effect={u.class} /></span></div><pre>{visible(u.template)}</pre></li>)}</ul></div>}
              {waits && !settle && <div className="small ink3" style={{ marginTop: 6 }}>What runs later is byte for byte this. If anything changes, the question is void and asked again.</div>}
            </div>}
            {a.alerts.length > 0 && (
              <div className="block"><h2 style={{ marginBottom: 6 }}>Why</h2>
                <ul className="panel">{a.alerts.map((x, i) => <li key={x.id} className="row" style={{ padding: '8px 12px', borderTop: i ? '1px solid var(--line)' : undefined, minHeight: phone ? 44 : 36 }}><Risk value={x.risk_score} /><SeverityBars severity={x.severity} /><Go to={`/alerts/${x.id}`} className="name cut" style={{ color: 'var(--ink)', flex: phone ? '1' : 'none', maxWidth: phone ? undefined : '60%' }}>{visible(x.rule)}</Go>{!phone && <span className="small ink2 cut right">{visible(x.reason)}</span>}</li>)}</ul>
              </div>
            )}
            {a.evidence.map((e, i) => <div key={i} className="block"><div className="row wrap" style={{ marginBottom: 6 }}><h2>{i === 0 ? 'Latest evidence' : 'Evidence'}</h2><span className="small ink2">{visible(e.title)}{e.at ? ', ' : ''}{e.at && <Moment at={e.at} />}</span></div><div className="code"><Outside text={e.text} lines={12} /></div></div>)}
          </div>
          <div className="col" style={{ gap: 12 }}>
            {!settle && !input && (
              <section className="panel"><header><IconUsers size={15} stroke={1.7} aria-hidden /><h2>{a.quorum.given} of {a.quorum.needed} approved</h2></header>
                <div className="body">{a.decisions.map((d, i) => <Answer key={i} d={d} />)}{a.decisions.length === 0 && <span className="small ink2">Nobody has answered.</span>}{waits && a.may_not_because && <div className="small ink2" style={{ marginTop: 6 }}>You cannot answer: {visible(a.may_not_because)}.</div>}
                  {a.approvers && <div className="small ink2" style={{ marginTop: 6 }}>{who(a.approvers.users, a.approvers.roles) ? `May answer: ${who(a.approvers.users, a.approvers.roles)}.` : 'Everybody who may decide may answer.'}{a.approvers.delegates?.length ? ` In their place: ${a.approvers.delegates.map(visible).join(', ')}.` : ''}{a.approvers.forbid_self ? ' Who started the run or last edited the workflow may not.' : ''}</div>}
                  {waits && next_(a, now) && <div className="small ink2" style={{ marginTop: 6 }}>Next escalation: {next_(a, now)!.to} at <Moment at={next_(a, now)!.at} />.</div>}
                  {a.passkey_needed && <div className="small ink2" style={{ marginTop: 6 }}>Approving takes a passkey; its signature over the hash is kept.</div>}</div></section>
            )}
            {a.remarks && a.remarks.length > 0 && <section className="panel"><header><IconHistory size={15} stroke={1.7} aria-hidden /><h2>History</h2></header><div className="body"><ol className="col" style={{ gap: 6 }}><li className="row small"><span className="ink3 none"><Moment at={a.asked_at} /></span><span>asked by {visible(a.workflow.name)}</span></li>{history(a).map((h, i) => <li key={i} className="small"><div className="row"><span className="ink3 none"><Moment at={h.at} /></span><span className="strong cut">{visible(h.by)}</span><span className={`chip right ${h.tone}`}>{h.word}</span></div>{h.text && <div className="ink2 text">{visible(h.text)}</div>}</li>)}</ol></div></section>}
            {!input && <section className="panel"><header><IconTarget size={15} stroke={1.7} aria-hidden /><h2>Reach</h2></header><div className="body"><dl className="facts"><dt>Targets</dt><dd className="mono">{[...new Set(a.actions.map((x) => x.target.host ?? x.target.url ?? 'not known'))].join(', ') || 'none'}</dd><dt>Accounts</dt><dd className="mono">{[...new Set(a.actions.map((x) => x.target.account).filter(Boolean))].join(', ') || '–'}</dd><dt>Actions</dt><dd>{a.actions.length}</dd><dt>Undo</dt><dd><Undo a={a} /></dd></dl></div></section>}
            {waits && <section className="panel"><header><IconClock size={15} stroke={1.7} aria-hidden /><h2>Deadline</h2></header><div className="body small">{a.expires_at ? <>No answer by <Moment at={a.expires_at} />: {visible(a.on_expiry)}.</> : 'None. It stays until somebody answers; other branches go on.'}</div></section>}
            <div className="tiny ink3 row">id <ShortId id={a.id} /></div>
          </div>
        </div>
      </div>
      {failed && <div className="row small" role="alert" style={{ padding: '8px 24px', background: 'var(--crit-bg)', color: 'var(--crit)' }}>{failed}{lacksKey && <Go to="/settings/me" className="nowrap">Add a passkey</Go>}</div>}
      {waits && !online && <div className="row small" role="status" style={{ padding: '8px 24px', background: 'var(--high-bg)', color: 'var(--high)' }}><IconWifiOff size={14} stroke={1.7} aria-hidden />Offline: the buttons are off, shown is the last state.</div>}
      {waits && (may ? (
        <div className="decision-bar" role="toolbar" aria-label="Decide">
          {settle ? (
            <>
              <Button size={big} variant={phone ? 'default' : 'default'} disabled={busy !== null} onClick={() => setSheet('skip')}>{phone ? 'Skip' : 'Skip: the step fails'}</Button>
              <Button size={big} className="right" variant="filled" color="danger" disabled={busy !== null} onClick={() => setSheet('again')}>{phone ? 'Run again' : `Run again ${target(a)}`}</Button>
              <Button size={big} variant="filled" disabled={busy !== null} onClick={() => setSheet('happened')}>It happened</Button>
            </>
          ) : input ? (
            <Button size={big} className="right" variant="filled" style={phone ? { flex: 1 } : undefined} leftSection={<IconCheck size={15} stroke={1.7} />} disabled={busy !== null} onClick={submit}>{busy === 'answer' ? 'Sending…' : 'Send the answer'}<span className="visually-hidden">: {a.question}</span></Button>
          ) : (
            <>
              {!phone && <TextInput ref={reasonRef} aria-label="Reason, needed to reject" placeholder="Reason (needed to reject)" value={reason} error={needReason && !reason.trim() ? 'Say why.' : undefined} maxLength={2000} onChange={(e) => setReason(e.currentTarget.value)} styles={{ input: { height: 36 } }} />}
              {conditions && <Menu position="top-start"><Menu.Target><Button size={big} px={phone ? 12 : 10} disabled={busy !== null} aria-label="More: ask back, change, delegate">{phone ? <IconDots size={20} stroke={1.7} aria-hidden /> : 'More…'}</Button></Menu.Target><Menu.Dropdown>
                <Menu.Item rightSection={<Kbd>B</Kbd>} onClick={() => setCondition('ask')}>Ask back…</Menu.Item>{a.remarks?.some((r) => r.kind === 'ask') && <Menu.Item onClick={() => setCondition('reply')}>Reply…</Menu.Item>}{a.actions.some((x) => x.parameters) && <Menu.Item rightSection={<Kbd>M</Kbd>} onClick={() => setCondition('change')}>Change parameters…</Menu.Item>}<Menu.Item onClick={() => setCondition('delegate')}>Delegate…</Menu.Item>
              </Menu.Dropdown></Menu>}
              {busy === 'passkey'
                ? <Button size={big} className={phone ? '' : 'right'} px={phone ? 12 : undefined} style={phone ? { flex: '0 0 auto', maxWidth: '40%' } : undefined} onClick={() => ceremony.current?.abort()}>Cancel</Button>
                : <Button size={big} className={phone ? '' : 'right'} px={phone ? 12 : undefined} style={phone ? { flex: '0 0 auto', maxWidth: '40%' } : undefined} leftSection={<IconX size={15} stroke={1.7} />} rightSection={phone ? undefined : <Kbd>R</Kbd>} disabled={busy !== null} onClick={reject}>{a.reject_label || 'Reject'}<span className="visually-hidden">: {a.question}</span></Button>}
              <Button size={big} variant="filled" color={a.effect === 'destructive' ? 'danger' : undefined} px={phone ? 10 : undefined} style={phone ? { flex: 1, minWidth: 0 } : undefined} leftSection={<IconCheck size={15} stroke={1.7} />} rightSection={phone ? undefined : <Kbd>⇧ A</Kbd>} disabled={busy !== null} onClick={() => void approve()}>{busy === 'passkey' ? 'Waiting for your passkey…' : busy === 'approve' ? 'Sending…' : a.passkey_needed ? `${label} with passkey` : label}<span className="visually-hidden">, {target(a)}</span></Button>
            </>
          )}
        </div>
      ) : <div className="decision-bar"><span className="small ink2"><IconLock size={14} stroke={1.7} style={{ verticalAlign: -2 }} aria-hidden /> {!online ? 'Offline.' : <>You may read this, not answer{a.may_not_because ? `: ${visible(a.may_not_because)}.` : <>. Needs <code>approvals:decide</code>.</>}</>}</span></div>)}
      <ConditionDialog a={a} kind={condition} phone={phone} onClose={() => setCondition(null)} />
      <Modal opened={sheet !== null} onClose={() => setSheet(null)} fullScreen={false} yOffset={phone ? 'auto' : undefined} size={460} closeButtonProps={{ 'aria-label': 'Close the dialog' }}
        title={sheet === 'reject' ? 'Reject: why?' : sheet === 'happened' ? 'It happened' : sheet === 'again' ? 'Run it again?' : 'Skip it?'}>
        <form className="col" style={{ gap: 12 }} onSubmit={(e) => {
          e.preventDefault();
          if (!reason.trim()) return setNeedReason(true);
          if (sheet === 'reject') reject();
          else {
            let out: unknown = output.trim() || undefined;
            if (typeof out === 'string') try { out = JSON.parse(out); } catch { /* plain text is an output too */ }
            void settled({ verdict: sheet, comment: reason.trim(), ...(out !== undefined ? { output: out } : {}) });
          }
        }}>
          {sheet === 'again' && <p>The same bytes are sent under the same key, now. If it did happen, it happens twice.</p>}
          {sheet === 'skip' && <p>The step fails as not run, and its on-failure applies.</p>}
          {sheet === 'happened' && <p>The step completes with your note; nothing is sent.</p>}
          <Textarea data-autofocus label={sheet === 'reject' ? 'Reason' : 'How do you know'} autosize minRows={2} maxRows={6} value={reason} maxLength={2000} error={needReason && !reason.trim() ? 'Say why.' : undefined} onChange={(e) => setReason(e.currentTarget.value)} />
          {sheet === 'happened' && <Textarea label="Output, if there is any" autosize minRows={2} maxRows={8} value={output} onChange={(e) => setOutput(e.currentTarget.value)} styles={{ input: { fontFamily: 'var(--mono)' } }} />}
          {busy === 'passkey' && <div className="row small ink2" role="status">Waiting for your passkey…<Button className="right" onClick={() => ceremony.current?.abort()}>Cancel</Button></div>}
          {failed && <div className="small t-crit" role="alert">{failed}</div>}
          <Button type="submit" size={big} variant="filled" color={sheet === 'again' || sheet === 'reject' ? 'danger' : undefined} disabled={busy !== null}>{sheet === 'reject' ? `Reject ${target(a)}` : sheet === 'again' ? `Run again ${target(a)}` : sheet === 'happened' ? 'Settle: it happened' : 'Settle: skip'}</Button>
        </form>
      </Modal>
    </section>
  );
}

/** Which of the actions can be undone, how and until when; which cannot. */
function Undo({ a }: { a: Approval }) {
  if (a.actions.length === 0) return <>nothing to undo</>;
  if (a.actions.every((x) => !x.undo)) return <>{a.actions.some((x) => x.class === 'destructive') ? 'No step takes this back: it is not undone by itself.' : 'no step takes this back'}</>;
  return (
    <ul className="col" style={{ gap: 6 }}>
      {a.actions.map((x) => {
        const u = x.undo;
        if (!u) return <li key={x.index}><span className="ink3 num">{x.index}</span> {visible(x.step)}: <b>cannot be undone</b>, no step takes it back.</li>;
        const when = u.after === null ? 'when a person asks for it' : u.after_ms === null ? 'by itself, after a time that is known when it begins' : `by itself after ${u.after}`;
        const sure = u.bound ? 'Your answer covers these bytes.' : u.changed ? 'The parameters were changed: it is rendered anew, and a person is asked at its time.' : `What is sent depends on the answer${u.class === 'destructive' ? '; a person is asked at its time' : ''}.`;
        return (
          <li key={x.index}>
            <div><span className="ink3 num">{x.index}</span> {visible(x.step)}: undone <b>{when}</b> by <span className="mono">{u.type}</span>{u.connector ? `, connector ${u.connector.name}` : ''}{u.retries ? `, tried again up to ${u.retries} times` : ''}. {sure}</div>
            <pre className="code" tabIndex={0} style={{ marginTop: 4 }}><Outside text={u.bound ? (u.request ?? '') : (u.template ?? u.request ?? '')} className="" /></pre>
          </li>
        );
      })}
    </ul>
  );
}

function Answer({ d }: { d: Decision }) {
  const name = d.by.full_name ?? d.by.username;
  return (
    <div style={{ marginBottom: 4 }}>
      <div className="row"><Avatar name={name} /><span className="cut">{visible(name)}</span><span className={`chip ${d.verdict === 'reject' ? 'crit' : 'ok'}`}>{WORD[d.verdict]}</span><span className="right small ink3"><Moment at={d.at} /></span></div>
      {d.passkey && <div className="small ink2" style={{ paddingLeft: 28 }}>Signed with passkey <span className="mono" title={d.passkey}>…{d.passkey.slice(-6)}</span></div>}
      {d.comment && <div className="small ink2 text" style={{ paddingLeft: 28 }}>{visible(d.comment)}</div>}
    </div>
  );
}

function Outcome({ a }: { a: Approval }) {
  return (
    <div className="block panel" role="status">
      <header><span className={`chip ${TONE[a.state]}`}>{STATE[a.state] ?? a.state}</span><h2>{a.state === 'expired' ? 'Nobody answered in time' : a.state === 'withdrawn' ? 'The question was withdrawn' : a.state === 'void' ? 'What would run had changed: the question is void and was asked anew' : 'Answered'}</h2><Go to={`/executions/${a.execution}`} className="right small">What happened then</Go></header>
      <div className="body">{a.decisions.map((d, i) => <Answer key={i} d={d} />)}{a.decisions.length === 0 && <span className="small ink2">No answer stands on it.</span>}</div>
    </div>
  );
}
