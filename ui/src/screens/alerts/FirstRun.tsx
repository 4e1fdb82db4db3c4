// The alerts page of a server without alerts: what to do, each step checked by the server and ticked live.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconCheck, IconCopy, IconDatabase } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { q, queryClient } from '../../api/queries';
import type { Setup } from '../../api/types';
import { copy } from '../../kit/bits';
import { count } from '../../kit/format';
import { Go } from '../../kit/go';
import { Loaded } from '../../kit/states';

const TITLE: Record<Setup['steps'][number]['id'], string> = { server: 'Server is running', events: 'Send events', rules: 'Turn on rules', connector: 'Connect a tool', workflow: 'Install a workflow', team: 'Invite the team' };
const LINK: Partial<Record<Setup['steps'][number]['id'], string>> = { rules: '/rules', connector: '/connectors', workflow: '/workflows' };
const WAYS = ['curl', 'Elastic Agent, Beats', 'File'] as const;

export function FirstRun() {
  const setup = useQuery(q.setup());
  const seen = setup.data?.alerts_ever ?? 0;
  useEffect(() => {
    if (seen > 0) void queryClient.invalidateQueries({ queryKey: ['alerts'] });
  }, [seen]);
  return <div className="scroll"><Loaded query={setup} what="The first-run list">{(s) => <Body s={s} />}</Loaded></div>;
}

function Body({ s }: { s: Setup }) {
  const [way, setWay] = useState<(typeof WAYS)[number]>('curl');
  const [copied, setCopied] = useState(false);
  const now = s.steps.find((x) => !x.done)?.id;
  const es = s.es_url ?? location.origin;
  const when = new Date().toISOString();
  const text = way === 'curl'
    ? `curl -u elastic -H 'content-type: application/x-ndjson' \\\n  ${es}/logs-test-default/_bulk --data-binary @- <<'EOF'\n{"create":{}}\n{"@timestamp":"${when.slice(0, 19)}Z","event":{"category":["process"],"type":["start"]},"host":{"name":"lab-1"},"process":{"name":"rundll32.exe","args":["comsvcs.dll","MiniDump"]}}\nEOF`
    : way === 'File' ? 'watchfire ingest --index logs-test-default events.jsonl.gz\nwatchfire ingest --index logs-test-default Security.evtx' : `output.elasticsearch:\n  hosts: ["${es}"]\n  username: elastic\n  password: "\${ES_PASSWORD}"`;
  return (
    <div className="first">
      <div>
        <h2 className="big">{s.received > 0 ? 'No alerts yet' : 'No alerts, because no events yet'}</h2>
        <p className="ink2" style={{ margin: '4px 0 16px' }}>{s.received > 0 ? 'Events arrive; no rule has matched one. Each step below is checked by the server.' : 'Send one line and this page fills by itself. Each step below is checked by the server.'}</p>
        <ol className="steps">
          {s.steps.map((x, i) => (
            <li key={x.id} data-done={x.done || undefined} data-now={x.id === now || undefined}>
              <span className="mark">{x.done ? <IconCheck size={15} stroke={2} aria-label="done" /> : i + 1}</span>
              <span className="grow"><span className="strong" style={{ display: 'block' }}>{LINK[x.id] ? <Go to={LINK[x.id]!} style={{ color: 'var(--ink)' }}>{TITLE[x.id]}</Go> : TITLE[x.id]}</span><span className="small ink2">{x.detail}</span></span>
              {x.id === now && x.id === 'events' && <span className="row small t-beam"><span className="dot beam" aria-hidden />listening</span>}
            </li>
          ))}
        </ol>
      </div>
      <div className="col" style={{ gap: 12 }}>
        <div className="row wrap"><h2 style={{ fontSize: 15, lineHeight: '22px', fontWeight: 600 }} className="grow">Send events</h2><div className="tabs" role="tablist" aria-label="Ways">{WAYS.map((w) => <button key={w} type="button" role="tab" aria-selected={way === w} className="tab" onClick={() => setWay(w)}>{w}</button>)}</div></div>
        <div style={{ position: 'relative' }}>
          <pre className="code" style={{ paddingBottom: 44 }} tabIndex={0}>{text}</pre>
          <Button size="xs" leftSection={<IconCopy size={13} stroke={1.7} />} style={{ position: 'absolute', right: 8, bottom: 8 }} onClick={() => void copy(text).then(() => { setCopied(true); setTimeout(() => setCopied(false), 1500); })}>{copied ? 'Copied' : 'Copy'}</Button>
        </div>
        <p className="small ink2">Any Elasticsearch client works: point it at {es}.</p>
        <div style={{ border: '1px dashed var(--line2)', borderRadius: 8, padding: 24, textAlign: 'center' }} role="status">
          <IconDatabase size={20} stroke={1.7} aria-hidden className="ink2" />
          <div className="strong">{s.received > 0 ? `${count(s.received)} events received` : 'Waiting for the first event'}</div>
          <div className="small ink2 num">{count(s.received)} received · {count(s.refused)} refused</div>
        </div>
      </div>
    </div>
  );
}
