// One case: its fields, the merged timeline, observables and executions; comment at the foot.
import { Button, Menu, Modal, Select, TagsInput, Textarea } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { IconArrowsSort, IconAt, IconBell, IconChevronDown, IconFile, IconHash, IconMessage, IconNetwork, IconPencil, IconRoute, IconSend2, IconSparkles, IconTerminal2, IconUserCheck, IconWorld } from '@tabler/icons-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { ApiError, api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Case, Person, Timeline, TimelineEntry, TimelineKind } from '../../api/types';
import { Avatar, Effect, Kbd, Moment, Outside, personName, Risk, Severity, SeverityBars, ShortId, StateIcon, stateWord, useNow } from '../../kit/bits';
import { text as asText } from '../../kit/doc';
import { count, duration, moment, plural, visible } from '../../kit/format';
import { Go, useGo } from '../../kit/go';
import { useKeys } from '../../kit/keys';
import { useCan, useMe } from '../../kit/me';
import { ErrorState, Loaded, Loading } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';
import { STATUS } from './CaseList';
import { foldSteps } from './fold';

const KINDS: [TimelineKind | 'all', string][] = [['all', 'All'], ['alert', 'Alerts'], ['comment', 'Comments'], ['step', 'Steps'], ['approval', 'Approvals'], ['command', 'Commands'], ['change', 'Changes']];

export function CasePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const one = useQuery(q.case(id));
  return <div className="page">{one.data ? <Body key={id} c={one.data} /> : <><PageHead title="Case" detail crumbs={[{ to: '/cases', label: 'Cases' }]} /><Loaded query={one} what="This case">{() => null}</Loaded></>}</div>;
}

type Patch = Partial<Pick<Case, 'status' | 'severity' | 'tags' | 'assignees' | 'title' | 'description' | 'category'>>;

function Body({ c }: { c: Case }) {
  const [url, setUrl] = useUrl();
  const go = useGo();
  const me = useMe();
  const can = useCan();
  const write = can('cases:write');
  const people = useQuery(q.people()).data;
  const runs = useQuery(q.executions({ caseId: c.id, size: 10 }));
  const [conflict, setConflict] = useState<{ mine: Patch; theirs: Case } | null>(null);
  const [closing, setClosing] = useState(false);
  const [running, setRunning] = useState(false);
  const draftKey = `watchfire.draft.${c.id}`;
  const [draft, setDraft] = useState(() => sessionStorage.getItem(draftKey) ?? '');
  const [sending, setSending] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const patch = async (p: Patch, version = c.version): Promise<void> => {
    try {
      const r = await api<Case[]>('/api/cases', { method: 'PATCH', body: { cases: [{ id: c.id, version, ...p }] } });
      if (r[0]) queryClient.setQueryData(['cases', 'one', c.id], (old: Case | undefined) => ({ ...old, ...r[0] }));
      setConflict(null);
    } catch (e) {
      if (e instanceof ApiError && e.status === 409) {
        const theirs = await api<Case>(`/api/cases/${seg(c.id)}`);
        const same = Object.keys(p).every((k) => JSON.stringify(theirs[k as keyof Case]) === JSON.stringify(c[k as keyof Case]));
        // Somebody wrote something else: nothing of ours is in dispute, so it goes on over the newer version.
        if (same && version !== theirs.version) return patch(p, theirs.version);
        setConflict({ mine: p, theirs });
      } else if (!(e instanceof ApiError && e.status === 406)) toastError('Not changed', e);
    } finally {
      void queryClient.invalidateQueries({ queryKey: ['cases'] });
    }
  };
  const comment = async (): Promise<void> => {
    if (!draft.trim()) return;
    setSending(true);
    try {
      await api(`/api/cases/${seg(c.id)}/comments`, { body: { type: 'user', owner: c.owner, comment: draft.trim() } });
      setDraft('');
      sessionStorage.removeItem(draftKey);
      void queryClient.invalidateQueries({ queryKey: ['cases'] });
    } catch (e) {
      toastError('Not sent, the text is kept', e);
    } finally {
      setSending(false);
    }
  };
  const take = (): void => { if (me && write) void patch({ assignees: [...c.assignees.filter((a) => a.uid !== me.user.uid), { uid: me.user.uid }], ...(c.status === 'open' ? { status: 'in-progress' as const } : {}) }).then(() => toast('Case taken')); };
  const kinds = (url.kinds ?? '').split(',').filter(Boolean);
  const pickKind = (k: TimelineKind | 'all'): void => { if (k === 'all') setUrl({ kinds: undefined }); else setUrl({ kinds: (kinds.includes(k) ? kinds.filter((x) => x !== k) : [...kinds, k]).join(',') }); };
  useKeys('Case', [
    ...(write ? [{ key: 'a', label: 'Take the case', run: take }, { key: 'm', label: 'Comment', run: () => box.current?.focus() }] : []),
    ...(can('workflows:execute') ? [{ key: 'w', label: 'Run a workflow…', run: () => setRunning(true) }] : []),
    ...KINDS.slice(0, 7).map(([k, l], i) => ({ key: String(i), label: `Timeline: ${l.toLowerCase()}`, run: () => pickKind(k) })),
    { key: 'Escape', label: 'Back to the cases', run: () => go('/cases') },
  ]);
  const closed = c.status === 'closed';
  const tl = useTimeline(c.id, url.order === 'oldest' ? 'oldest' : 'newest', kinds);
  const opened = c.watchfire?.opened_by;
  return (
    <>
      <PageHead title={<>{c.incremental_id != null && <span className="ink2 num" style={{ fontWeight: 400, marginRight: 8 }}>{c.incremental_id}</span>}{visible(c.title)}</>} detail tabTitle={`${c.incremental_id ? `#${c.incremental_id} ` : ''}${c.title}`} crumbs={[{ to: '/cases', label: 'Cases' }]} actions={
        <>
          {can('workflows:execute') && <Button className="desk" onClick={() => setRunning(true)} rightSection={<Kbd>W</Kbd>}>Run workflow</Button>}
          {write && !c.assignees.some((a) => a.uid === me?.user.uid) && <Button onClick={take} rightSection={<Kbd>A</Kbd>}>Take</Button>}
          {write && (closed ? <Button onClick={() => void patch({ status: 'open' })}>Reopen</Button> : <Button variant="filled" onClick={() => setClosing(true)}>Close case…</Button>)}
        </>
      } />
      {conflict && (
        <div className="stale" role="alert">
          <span className="grow">{Object.keys(conflict.mine).map((k) => `${conflict.theirs.updated_by?.username ?? 'Somebody'} changed ${k} to ${asText(conflict.theirs[k as keyof Case])}; yours is ${asText(conflict.mine[k as keyof Patch])}`).join('. ')}.</span>
          <Button size="xs" onClick={() => void patch(conflict.mine, conflict.theirs.version)}>Keep mine</Button><Button size="xs" onClick={() => setConflict(null)}>Take theirs</Button>
        </div>
      )}
      <div className="case">
        <aside className="side" aria-label="Fields" tabIndex={0}>
          <dl className="facts" style={{ alignItems: 'center' }}>
            <dt>Status</dt><dd><Pick disabled={!write} label={`Status: ${STATUS[c.status].word}`} shown={<><span className={`dot ${STATUS[c.status].dot}`} aria-hidden />{STATUS[c.status].word}</>} options={[['open', 'Open'], ['in-progress', 'In progress'], ['closed', 'Closed…']]} onPick={(v) => (v === 'closed' ? setClosing(true) : void patch({ status: v as Case['status'] }))} /></dd>
            <dt>Severity</dt><dd><Pick disabled={!write} label={`Severity: ${c.severity}`} shown={<Severity severity={c.severity} />} options={[['critical', 'Critical'], ['high', 'High'], ['medium', 'Medium'], ['low', 'Low']]} onPick={(v) => void patch({ severity: v as Case['severity'] })} /></dd>
            <dt>Assignees</dt><dd><Assignees c={c} people={people ?? []} disabled={!write} onChange={(uids) => void patch({ assignees: uids.map((uid) => ({ uid })) })} /></dd>
            <dt>Opened</dt><dd><Moment at={c.created_at} /></dd>
            <dt>Opened by</dt><dd>{opened ? (opened.kind === 'workflow' ? <Go to={`/workflows/${opened.id}`}>{visible(opened.name)}</Go> : visible(opened.name)) : visible(c.created_by.full_name ?? c.created_by.username ?? '–')}</dd>
            {c.closed_at && <><dt>Closed</dt><dd><Moment at={c.closed_at} /></dd></>}
            {c.watchfire?.risk_score != null && <><dt>Risk score</dt><dd><Risk value={c.watchfire.risk_score} /> <span className="ink3">highest alert</span></dd></>}
            {c.category && <><dt>Category</dt><dd>{visible(c.category)}</dd></>}
            <dt>Tags</dt><dd><Tags tags={c.tags} disabled={!write} onChange={(tags) => void patch({ tags })} /></dd>
            <dt>Alerts</dt><dd><Go to="/alerts" search={{ view: 'all', q: `kibana.alert.case_ids: "${c.id}"` }}>{plural(c.totalAlerts, 'alert')}</Go></dd>
            {c.external_service && <><dt>External</dt><dd>{visible(c.external_service.external_title)}</dd></>}
            <dt>Sync alerts</dt><dd>{c.settings.syncAlerts ? 'on' : 'off'}</dd>
            <dt>Id</dt><dd><ShortId id={c.id} /></dd>
          </dl>
          {c.description && c.description !== c.title && <div style={{ marginTop: 16 }}><div className="strong" style={{ marginBottom: 4 }}>Description</div><div className="small"><Outside text={c.description} lines={14} /></div></div>}
        </aside>
        <section className="mid" aria-label="Timeline">
          <div className="row" style={{ padding: '8px 16px', borderBottom: '1px solid var(--line)', flex: 'none' }}>
            <div className="tabs grow">{KINDS.map(([k, l]) => <button key={k} type="button" className="tab" aria-pressed={k === 'all' ? kinds.length === 0 : kinds.includes(k)} onClick={() => pickKind(k)}>{l} <span className="n">{tl.head ? count(k === 'all' ? Object.values(tl.head.counts).reduce((a, b) => a + b, 0) : tl.head.counts[k]) : ''}</span></button>)}</div>
            <Button variant="subtle" leftSection={<IconArrowsSort size={14} stroke={1.7} />} onClick={() => setUrl({ order: url.order === 'oldest' ? undefined : 'oldest' })}>{url.order === 'oldest' ? 'Oldest' : 'Newest'}</Button>
          </div>
          <div className="tl" tabIndex={0} role="region" aria-label="Timeline entries" onScroll={(e) => { const t = e.currentTarget; if (tl.more && t.scrollTop + t.clientHeight > t.scrollHeight - 600) tl.next(); }}>
            {tl.error && !tl.head ? <ErrorState what="The timeline" error={tl.error} retry={tl.retry} /> : !tl.head ? <Loading /> : <Entries entries={tl.entries} focus={url.entry} />}
            {tl.head && tl.entries.length === 0 && <p className="small ink3 pad">No entry of this kind.</p>}
            {tl.more && <Button variant="subtle" onClick={tl.next}>Show earlier entries</Button>}
          </div>
          {write ? (
            <form className="composer" onSubmit={(e) => { e.preventDefault(); void comment(); }}>
              <Textarea ref={box} aria-label="Comment" placeholder="Comment" autosize minRows={1} maxRows={8} maxLength={30_000} value={draft} onChange={(e) => { setDraft(e.currentTarget.value); sessionStorage.setItem(draftKey, e.currentTarget.value); }} onKeyDown={(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); void comment(); } if (e.key === 'Escape') e.currentTarget.blur(); }} />
              <Button type="submit" leftSection={<IconSend2 size={14} stroke={1.7} />} disabled={sending || !draft.trim()}>Comment <span className="desk" style={{ marginLeft: 6 }}><Kbd>Ctrl ⏎</Kbd></span></Button>
            </form>
          ) : <div className="composer small ink2">Commenting needs <code>cases:write</code></div>}
        </section>
        <aside className="side rightside" aria-label="Observables and executions" tabIndex={0}>
          <section>
            <div className="row" style={{ marginBottom: 4 }}><b>Observables</b><span className="count">{c.observables.length}</span></div>
            {c.observables.map((o) => { const I = /ip/.test(o.typeKey) ? IconNetwork : /domain|url|host/.test(o.typeKey) ? IconWorld : /hash/.test(o.typeKey) ? IconHash : /mail/.test(o.typeKey) ? IconAt : IconFile; return <div key={o.id} className="row" style={{ minHeight: 26 }} title={o.value}><I size={14} stroke={1.7} className="ink2" aria-hidden /><span className="mono cut grow">{visible(o.value.length > 40 ? `${o.value.slice(0, 8)}…${o.value.slice(-6)}` : o.value)}</span>{o.description && <span className="chip cut" style={{ flex: '0 1 auto' }}>{visible(o.description)}</span>}</div>; })}
            {c.observables.length === 0 && <div className="small ink3">None yet.</div>}
          </section>
          <section>
            <div className="row" style={{ marginBottom: 4 }}><b>Executions</b><span className="count">{runs.data?.total ?? '–'}</span></div>
            {runs.data?.results.map((e) => <div key={e.id} className="row" style={{ minHeight: 26 }}><StateIcon status={e.status} size={14} /><Go to={`/executions/${e.id}`} className="cut">{visible(e.workflowName)}</Go><span className="right small ink2 nowrap">{e.status === 'waiting_for_input' ? 'waits' : duration(e.duration)}</span></div>)}
            {runs.data?.results.length === 0 && <div className="small ink3">None.</div>}
          </section>
        </aside>
      </div>
      <CloseCase opened={closing} c={c} onClose={() => setClosing(false)} onSure={() => { setClosing(false); void patch({ status: 'closed' }).then(() => toast('Case closed', () => void patch({ status: c.status }, undefined))); }} />
      <RunOnCase opened={running} c={c} onClose={() => setRunning(false)} />
    </>
  );
}

function Pick({ shown, label, options, onPick, disabled }: { shown: ReactNode; label: string; options: [string, string][]; onPick: (v: string) => void; disabled: boolean }) {
  if (disabled) return <span className="row" style={{ gap: 6 }}>{shown}</span>;
  return (
    <Menu position="bottom-start">
      <Menu.Target><button type="button" className="row" aria-label={label} style={{ gap: 6, border: 0, background: 'none', padding: 0, cursor: 'pointer', minHeight: 24 }}>{shown}<IconChevronDown size={12} stroke={1.7} className="ink3" aria-hidden /></button></Menu.Target>
      <Menu.Dropdown>{options.map(([v, l]) => <Menu.Item key={v} onClick={() => onPick(v)}>{l}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

function Assignees({ c, people, onChange, disabled }: { c: Case; people: { uid: string; username: string; full_name: string | null }[]; onChange: (uids: string[]) => void; disabled: boolean }) {
  const on = c.assignees.map((a) => a.uid);
  const shown = on.length ? <>{on.map((u) => <span key={u} className="row" style={{ gap: 4 }}><Avatar name={personName(u, people)} />{personName(u, people)}</span>)}</> : <span className="ink3">nobody</span>;
  if (disabled) return <span>{shown}</span>;
  return (
    <Menu closeOnItemClick={false} position="bottom-start">
      <Menu.Target><button type="button" title="Change the assignees" style={{ border: 0, background: 'none', padding: 0, cursor: 'pointer', textAlign: 'left', minHeight: 24 }}>{shown}<span className="visually-hidden"> change the assignees</span></button></Menu.Target>
      <Menu.Dropdown>{people.map((p) => <Menu.Item key={p.uid} role="menuitemcheckbox" aria-checked={on.includes(p.uid)} leftSection={<Avatar name={p.full_name ?? p.username} />} rightSection={on.includes(p.uid) ? '✓' : null} onClick={() => onChange(on.includes(p.uid) ? on.filter((u) => u !== p.uid) : [...on, p.uid])}>{p.full_name ?? p.username}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

function Tags({ tags, onChange, disabled }: { tags: string[]; onChange: (t: string[]) => void; disabled: boolean }) {
  const [edit, setEdit] = useState(false);
  const [v, setV] = useState(tags);
  if (edit) return <TagsInput aria-label="Tags" size="xs" value={v} onChange={setV} autoFocus onBlur={() => { setEdit(false); if (v.join() !== tags.join()) onChange(v); }} />;
  return <span className="row wrap" style={{ gap: 4 }}>{tags.map((t) => <span key={t} className="chip" style={{ maxWidth: '100%', overflow: 'hidden' }}>{visible(t)}</span>)}{!disabled && <button type="button" className="link-button tiny" style={{ minHeight: 24 }} onClick={() => { setV(tags); setEdit(true); }}>{tags.length ? 'edit' : 'add'}</button>}{disabled && tags.length === 0 && <span className="ink3">–</span>}</span>;
}

function useTimeline(id: string, order: 'newest' | 'oldest', kinds: string[]) {
  const list = useInfiniteQuery({
    queryKey: ['cases', 'timeline', id, order, kinds.join(',')],
    queryFn: ({ pageParam, signal }) => q.timeline(id, { order, kinds, size: 100, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (t: Timeline) => t.cursor,
    placeholderData: (x) => x,
  });
  const now = useNow();
  // Executions write into the timeline too: while one runs, look again.
  useEffect(() => {
    if (Math.floor(now / 1000) % 15 === 0) void queryClient.invalidateQueries({ queryKey: ['cases', 'timeline', id] });
  }, [now, id]);
  return { head: list.data?.pages[0], entries: list.data?.pages.flatMap((p) => p.entries) ?? [], more: list.hasNextPage, next: () => { if (!list.isFetchingNextPage) void list.fetchNextPage(); }, error: list.error, retry: () => void list.refetch() };
}

const ICON = { alert: IconBell, comment: IconMessage, step: IconRoute, approval: IconUserCheck, command: IconTerminal2, change: IconPencil, summary: IconSparkles };
function Entries({ entries, focus }: { entries: TimelineEntry[]; focus: string | undefined }) {
  const now = useNow();
  const ref = useRef<HTMLElement>(null);
  useEffect(() => { if (focus) ref.current?.scrollIntoView({ block: 'center' }); }, [focus, entries.length > 0]);
  let day = new Date(now).toDateString();
  return (
    <div role="feed" aria-label="Timeline" aria-busy="false">
      {foldSteps(entries).map((f) => {
        const e = 'fold' in f ? f.fold[0]! : f;
        const d = new Date(e.at).toDateString();
        const sep = d !== day;
        day = d;
        const I = ICON[e.kind] ?? IconPencil;
        return (
          <div key={e.id}>
            {sep && <div className="tl-day">{moment(e.at, now).replace(/ \d\d:\d\d$/, '')}</div>}
            <article className={`tl-entry${e.id === focus ? ' tint' : ''}`} ref={e.id === focus ? (ref as React.RefObject<HTMLElement>) : undefined} aria-label={`${e.kind} at ${moment(e.at, now)}`}>
              <time dateTime={e.at} title={e.at}>{new Date(e.at).toTimeString().slice(0, 8)}</time>
              <span className="tl-icon"><I size={13} stroke={1.7} aria-hidden /></span>
              <div style={{ minWidth: 0 }}>{'fold' in f ? <StepGroup steps={f.fold} /> : <Entry e={f} />}</div>
            </article>
          </div>
        );
      })}
    </div>
  );
}

function Source({ e }: { e: TimelineEntry }) {
  return e.execution ? <Go to={`/executions/${e.execution.id}`} search={e.execution.step_execution ? { step: e.execution.step_execution } : {}} className="right small nowrap cut" style={{ maxWidth: '45%', flex: 'none' }}>{visible(e.execution.workflow.name)} › {visible(e.execution.step)}</Go> : null;
}
function StepGroup({ steps }: { steps: (TimelineEntry & { kind: 'step' })[] }) {
  const worst = (['destructive', 'write', 'internal', 'read', 'none'] as const).find((x) => steps.some((s) => s.effect === x)) ?? 'none';
  const [all, setAll] = useState(false);
  const shown = all ? steps : steps.slice(0, 8);
  return (
    <>
      <div className="row wrap"><b>{steps.length} steps ran</b><Effect effect={worst} />{steps[0]?.execution && <Go to={`/executions/${steps[0].execution.id}`} className="right small cut">{visible(steps[0].execution.workflow.name)}</Go>}</div>
      <div className="row wrap" style={{ gap: 4, marginTop: 4 }}>{shown.map((s) => <span key={s.id} className="chip outline" style={{ maxWidth: '100%', overflow: 'hidden' }}>{s.status === 'failed' && <StateIcon status="failed" size={12} />}{visible(s.type)}{s.result ? ` ${visible(s.result).slice(0, 60)}` : s.took_ms !== null ? ` ${duration(s.took_ms)}` : ''}</span>)}{steps.length > shown.length && <button type="button" className="link-button tiny" onClick={() => setAll(true)}>{steps.length - shown.length} more</button>}</div>
    </>
  );
}

/** A field's value in words: people by name, observables by value. */
function fieldText(v: unknown, people: Person[] | undefined): string {
  if (Array.isArray(v)) return v.length ? v.map((x) => fieldText(x, people)).join(', ') : 'nothing';
  if (v !== null && typeof v === 'object') {
    const o = v as Record<string, unknown>;
    if (typeof o.uid === 'string') return personName(o.uid, people);
    if (typeof o.value === 'string') return o.value;
    if (Array.isArray(o.added)) return fieldText(o.added, people);
  }
  return asText(v);
}

/** Tags and assignees change one by one: what was added, or what was taken away. */
function listChange(field: string, from: unknown, to: unknown, people: Person[] | undefined): ReactNode {
  if (field !== 'tags' && field !== 'assignees') return null;
  const list = (v: unknown): unknown[] => (Array.isArray(v) ? v : v === null || v === undefined ? [] : [v]);
  const has = (l: unknown[], x: unknown): boolean => l.some((y) => JSON.stringify(y) === JSON.stringify(x));
  const a = list(from), b = list(to);
  const added = b.filter((x) => !has(a, x)), removed = added.length > 0 ? [] : a.filter((x) => !has(b, x));
  if (added.length > 0) return <>added {field} <b>{visible(fieldText(added, people))}</b></>;
  return removed.length > 0 ? <>removed {field} <b>{visible(fieldText(removed, people))}</b></> : null;
}

function isAdding(v: unknown): boolean {
  return v !== null && typeof v === 'object' && Array.isArray((v as { added?: unknown }).added);
}

function Entry({ e }: { e: TimelineEntry }) {
  const people = useQuery(q.people()).data;
  const now = useNow();
  const go = useGo();
  switch (e.kind) {
    case 'alert':
      return (
        <div>
          {e.alerts.slice(0, 5).map((a, i) => <div key={a.id} className="row" style={{ minHeight: 28 }}><Risk value={a.risk_score} /><SeverityBars severity={a.severity} /><Go to={`/alerts/${a.id}`} className="strong cut" style={{ flex: 'none', maxWidth: '60%' }}>{visible(a.rule)}</Go><span className="small ink2 cut">{visible(a.reason)}</span>{i === 0 && <Source e={e} />}</div>)}
          {e.alerts.length > 5 && <div className="small ink2">and {e.alerts.length - 5} more alerts</div>}
        </div>
      );
    case 'comment':
      return <div><div className="row"><Avatar name={e.by.name} /><b>{visible(e.by.name)}</b>{e.edited_at && <span className="tiny ink3">edited <Moment at={e.edited_at} /></span>}<Source e={e} /></div><div style={{ marginTop: 2 }}><Outside text={e.text} /></div></div>;
    case 'step':
      return <div className="row"><StateIcon status={e.status} size={13} /><b className="cut" style={{ flex: 'none', maxWidth: '40%' }}>{visible(e.name)}</b><span className="small ink2 none">{e.type}</span><Effect effect={e.effect} bare /><span className="small ink2 cut">{e.result ? visible(e.result) : stateWord(e.status)}{e.took_ms !== null ? ` · ${duration(e.took_ms)}` : ''}</span><Source e={e} /></div>;
    case 'approval': {
      const last = e.decisions.at(-1);
      return (
        <div>
          <div className="row wrap"><b>{visible(e.question)}</b>{e.state === 'waiting' ? <span className="chip wait">waits for a person</span> : <span className={`chip ${e.state === 'approved' || e.state === 'settled' ? 'ok' : e.state === 'rejected' ? 'crit' : 'high'}`}>{e.state}</span>}<Effect effect={e.effect} />{e.state === 'waiting' && e.expires_at && <span className="right small ink2">ends {moment(e.expires_at, now)}</span>}</div>
          {last && <div className="small ink2">{visible(last.by.full_name ?? last.by.username)}: {last.verdict}{last.comment ? `, “${visible(last.comment)}”` : ''}, <Moment at={last.at} /></div>}
          {e.state === 'waiting' ? <Button size="xs" mt={4} onClick={() => go(`/approvals/${e.approval}`)}>Open the approval</Button> : <Go to={`/approvals/${e.approval}`} className="small">what was approved</Go>}
        </div>
      );
    }
    case 'command':
      return (
        <div>
          <div className="row wrap"><b>Command on <span className="mono">{visible(e.host)}</span></b><span className={`chip ${e.status === 'completed' ? 'ok' : e.status === 'failed' ? 'crit' : ''}`}>{e.status === 'completed' ? 'done' : stateWord(e.status)}</span><span className="small ink2">{e.channel.toUpperCase()}{e.account ? `, as ${visible(e.account)}` : ''}</span><Source e={e} /></div>
          <div className="code" style={{ marginTop: 4 }}><span className="ink3">$ </span><Outside text={e.command} className="" />{e.output && <>{'\n'}<Outside text={e.output.replace(/\n$/, '')} className="ink2" lines={12} /></>}</div>
          <div className="tiny ink2" style={{ marginTop: 2 }}>{e.exit_code !== null ? `exit ${e.exit_code} · ` : ''}{e.took_ms !== null ? `${duration(e.took_ms)} · ` : ''}{e.truncated ? 'output cut · ' : ''}{e.sha256 ? `sha256 ${e.sha256.slice(0, 8)}… kept` : ''}</div>
        </div>
      );
    case 'change': {
      const who = e.by.kind === 'workflow' && e.by.id ? <Go to={`/workflows/${e.by.id}`} style={{ color: 'var(--ink)' }} className="strong">{visible(e.by.name)}</Go> : <b>{visible(e.by.name)}</b>;
      return <div className="row top"><span className="grow" style={{ overflowWrap: 'anywhere' }}>{who} {e.field === 'created' ? 'opened the case' : e.field === 'observables' && isAdding(e.to) ? <>added observables <b className="mono">{visible(fieldText(e.to, people))}</b></> : listChange(e.field, e.from, e.to, people) ?? (e.from === null || e.from === undefined ? <>set {e.field} to <b>{visible(fieldText(e.to, people))}</b></> : <>changed {e.field} <span className="ink2">{visible(fieldText(e.from, people))}</span> → <b>{visible(fieldText(e.to, people))}</b></>)}</span><Source e={e} /></div>;
    }
    case 'summary':
      return <div><div className="row"><b>{e.model ? 'Summary by a model' : 'Summary of the evidence'}</b><span className="small ink2 cut">{e.model ? `${visible(e.model)}${e.tokens !== null ? ` · ${count(e.tokens)} tokens` : ''}` : 'composed, no model'}</span><Source e={e} /></div><div style={{ marginTop: 2 }}><Outside text={e.text} /></div></div>;
  }
}

function CloseCase({ opened, c, onClose, onSure }: { opened: boolean; c: Case; onClose: () => void; onSure: () => void }) {
  const open = c.watchfire?.approvals_open ?? 0;
  return (
    <Modal opened={opened} onClose={onClose} title={`Close case ${c.incremental_id ?? ''}?`} size={440} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
      <div className="col" style={{ gap: 12 }}>
        <p>{c.settings.syncAlerts && c.totalAlerts > 0 ? `${plural(c.totalAlerts, 'alert')} of it ${c.totalAlerts === 1 ? 'is' : 'are'} closed with it. ` : 'Its alerts stay as they are. '}It can be reopened.</p>
        {open > 0 && <p className="t-wait">{plural(open, 'approval')} still {open === 1 ? 'waits' : 'wait'} for a person; closing does not answer {open === 1 ? 'it' : 'them'}.</p>}
        <div className="row"><Button variant="filled" className="right" onClick={onSure} data-autofocus>Close the case</Button></div>
      </div>
    </Modal>
  );
}

function RunOnCase({ opened, c, onClose }: { opened: boolean; c: Case; onClose: () => void }) {
  const go = useGo();
  const list = useQuery({ ...q.workflows(), enabled: opened });
  const [id, setId] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const w = list.data?.results.find((x) => x.id === id);
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      const r = await api<{ workflowExecutionId: string }>(`/api/workflows/workflow/${seg(id!)}/run`, { body: { inputs: { case_id: c.id } } });
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
    <Modal opened={opened} onClose={onClose} title="Run a workflow on this case" size={480} closeButtonProps={{ 'aria-label': 'Close the dialog' }}>
      <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void run(); }}>
        <Select data-autofocus searchable label="Workflow" description={<>gets the input <code>case_id</code></>} value={id} onChange={setId} data={(list.data?.results ?? []).filter((x) => x.enabled && x.valid).map((x) => ({ value: x.id, label: x.name }))} />
        {w && <div className="row"><Effect effect={w.watchfire?.effect ?? 'none'} /><span className="small ink2">{w.description}</span></div>}
        <div className="row"><Button type="submit" variant="filled" className="right" disabled={!id || busy}>{w ? `Run ${w.name}` : 'Run'}</Button></div>
      </form>
    </Modal>
  );
}
