// Connectors: how each is doing; a form from its type's schema; a test that never writes.
import { Button, Drawer, Select, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { IconAlertTriangle, IconCircleCheck, IconSearch } from '@tabler/icons-react';
import { useMemo, useRef, useState } from 'react';
import { api, seg } from '../../api/client';
import { q, queryClient } from '../../api/queries';
import type { Catalogue, Connector, ConnectorTest } from '../../api/types';
import { Kbd, Moment } from '../../kit/bits';
import { DataGrid, type Column } from '../../kit/DataGrid';
import { count, plural, visible } from '../../kit/format';
import { useKeys } from '../../kit/keys';
import { useCan } from '../../kit/me';
import { SchemaForm, type Schema } from '../../kit/SchemaForm';
import { Empty, Loaded } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { useUrl } from '../../kit/url';
import { PageHead } from '../../shell/Shell';

function state(c: Connector): { dot: string; words: string } {
  if (c.is_missing_secrets) return { dot: 'crit', words: 'its secrets are missing' };
  const w = c.watchfire;
  if (!w || w.calls_24h === 0) return { dot: '', words: 'not used in 24 h' };
  if (w.failed_24h >= w.calls_24h) return { dot: 'crit', words: 'every call failed' };
  return w.failed_24h > 0 ? { dot: 'high', words: `${plural(w.failed_24h, 'call')} failed` } : { dot: 'ok', words: 'works' };
}

export function Connectors() {
  const [url, setUrl] = useUrl();
  const can = useCan();
  const write = can('connectors:write');
  const list = useQuery(q.connectors());
  const catalogue = useQuery(q.catalogue());
  const field = useRef<HTMLInputElement>(null);
  useKeys('Connectors', [{ key: '/', label: 'Filter', run: () => field.current?.focus() }]);
  const types = catalogue.data?.connectors;
  const columns = useMemo((): Column<Connector>[] => [
    { id: 'state', label: 'State', width: 'minmax(140px, 0.8fr)', render: (c) => { const s = state(c); return <span className="row small"><span className={`dot ${s.dot}`} aria-hidden /><span className="cut">{s.words}</span></span>; } },
    { id: 'name', label: 'Name', width: 'minmax(160px, 1.4fr)', render: (c) => <div className="name cut">{visible(c.name)}</div> },
    { id: 'type', label: 'Type', width: 'minmax(120px, 1fr)', hide: true, render: (c) => <span className="small cut">{types?.find((t) => t.id === c.connector_type_id)?.title ?? ''} <span className="mono ink3">{c.connector_type_id}</span></span> },
    { id: 'calls', label: 'Calls 24 h', width: '80px', right: true, hide: true, render: (c) => <span className="num">{count(c.watchfire?.calls_24h)}</span> },
    { id: 'used', label: 'Used by', width: '110px', right: true, hide: true, render: (c) => <span className="small num">{c.watchfire ? plural(c.watchfire.used_by_workflows, 'workflow') : '–'}</span> },
    { id: 'error', label: 'Last error', width: 'minmax(140px, 1.6fr)', hide: true, render: (c) => (c.watchfire?.last_error ? <div className="small cut ink2"><Moment at={c.watchfire.last_error_at} /> {visible(c.watchfire.last_error)}</div> : <span className="ink3">–</span>) },
  ], [types]);
  const sel = list.data?.find((c) => c.id === url.sel) ?? null;
  const open = url.sel === 'new' || sel !== null;
  return (
    <div className="page">
      <PageHead title="Connectors" actions={write && <Button variant="filled" onClick={() => setUrl({ sel: 'new' }, false)}>New connector</Button>} />
      <div className="filter-bar"><TextInput ref={field} className="grow" leftSection={<IconSearch size={14} stroke={1.7} />} placeholder="Name or type" aria-label="Filter connectors" value={url.q ?? ''} onChange={(e) => setUrl({ q: e.currentTarget.value })} /></div>
      <Loaded query={list} what="The list of connectors">{(d) => {
        const n = (url.q ?? '').toLowerCase();
        const rows = d.filter((c) => !n || `${c.name} ${c.connector_type_id}`.toLowerCase().includes(n));
        return rows.length === 0 ? <Empty title={d.length ? 'No connector matches' : 'No connector yet'} action={!d.length && write ? <Button onClick={() => setUrl({ sel: 'new' }, false)}>Add the first one</Button> : undefined}>{d.length ? 'Others stand outside of the filter.' : 'A connector holds the address and the secrets of one tool; workflows use it by its id.'}</Empty>
          : <DataGrid label="Connectors" columns={columns} rows={rows} total={rows.length} rowKey={(c) => c.id} height={38} selected={url.sel ?? ''} onOpen={(c) => setUrl({ sel: c.id }, false)} />;
      }}</Loaded>
      <Drawer opened={open} onClose={() => setUrl({ sel: undefined, type: undefined })} position="right" size={468} title={<b>{sel ? visible(sel.name) : 'New connector'}</b>} closeButtonProps={{ 'aria-label': 'Close the drawer' }} transitionProps={{ duration: 120 }}>
        {open && catalogue.data && <Form key={url.sel} c={sel} catalogue={catalogue.data} write={write} onDone={(id) => setUrl({ sel: id, type: undefined })} />}
        {open && catalogue.error && <p className="t-crit small">The types of connectors did not load.</p>}
      </Drawer>
    </div>
  );
}

function Form({ c, catalogue, write, onDone }: { c: Connector | null; catalogue: Catalogue; write: boolean; onDone: (id: string | undefined) => void }) {
  const [url] = useUrl();
  const [type, setType] = useState<string | null>(c?.connector_type_id ?? url.type ?? null);
  const [name, setName] = useState(c?.name ?? '');
  const [config, setConfig] = useState<Record<string, unknown>>(c?.config ?? {});
  const [secrets, setSecrets] = useState<Record<string, unknown>>({});
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const [test, setTest] = useState<ConnectorTest | null>(null);
  const [testing, setTesting] = useState(false);
  const t = catalogue.connectors.find((x) => x.id === type);
  const fixed = c?.is_preconfigured === true;
  const dirty = name !== (c?.name ?? '') || JSON.stringify(config) !== JSON.stringify(c?.config ?? {}) || Object.keys(secrets).length > 0;
  const save = async (): Promise<void> => {
    const e: Record<string, string> = {};
    if (!name.trim()) e['#name'] = 'Write a name.';
    for (const k of (t?.config as Schema | null | undefined)?.required ?? []) if (config[k] === undefined) e[k] = 'Needed.';
    const needSecrets = (t?.secrets as Schema | undefined)?.required ?? [];
    if (!c || Object.keys(secrets).length > 0) for (const k of needSecrets) if (secrets[k] === undefined) e[k] = c ? 'Secrets are replaced together: write it again.' : 'Needed.';
    setErrors(e);
    if (Object.keys(e).length) return;
    setBusy(true);
    try {
      const withSecrets = Object.keys(secrets).length > 0 || !c ? { secrets } : {};
      const r = c ? await api<Connector>(`/api/actions/connector/${seg(c.id)}`, { method: 'PUT', body: { name: name.trim(), config, ...withSecrets } }) : await api<Connector>('/api/actions/connector', { body: { name: name.trim(), connector_type_id: type, config, ...withSecrets } });
      setSecrets({});
      toast('Connector saved');
      void queryClient.invalidateQueries({ queryKey: ['connectors'] });
      onDone(r.id);
    } catch (x) {
      toastError('Not saved', x);
    } finally {
      setBusy(false);
    }
  };
  const runTest = async (): Promise<void> => {
    if (!c) return;
    setTesting(true);
    try {
      setTest(await api<ConnectorTest>(`/api/watchfire/connectors/${seg(c.id)}/test`, { method: 'POST', body: {} }));
    } catch (x) {
      toastError('Not tested', x);
    } finally {
      setTesting(false);
    }
  };
  const remove = (): void => {
    if (!c) return;
    const n = c.watchfire?.used_by_workflows ?? 0;
    modals.openConfirmModal({ title: `Delete ${c.name}?`, children: <p>{n ? `${plural(n, 'workflow')} will fail at the steps that use it. ` : 'No workflow uses it. '}Its secrets are gone for good.</p>, labels: { confirm: 'Delete the connector', cancel: 'Keep it' }, confirmProps: { variant: 'filled', color: 'danger' }, onConfirm: () => void api(`/api/actions/connector/${seg(c.id)}`, { method: 'DELETE' }).then(() => { toast('Connector deleted'); void queryClient.invalidateQueries({ queryKey: ['connectors'] }); onDone(undefined); }, (x: unknown) => toastError('Not deleted', x)) });
  };
  return (
    <form className="col" style={{ gap: 12 }} onSubmit={(e) => { e.preventDefault(); void save(); }} onKeyDown={(e) => { if (e.key === 's' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); void save(); } }}>
      {!c && <Select data-autofocus label="Type" searchable data={catalogue.connectors.map((x) => ({ value: x.id, label: x.title }))} value={type} onChange={(v) => { setType(v); setConfig({}); setSecrets({}); }} />}
      {t && <p className="small ink2">{t.description}{t.steps.length ? <>. Serves <span className="mono">{t.steps.join(', ')}</span></> : ''}</p>}
      {(t || c) && <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} error={errors['#name']} disabled={!write || fixed} />}
      {t && <SchemaForm schema={(t.config ?? {}) as Schema} value={config} onChange={setConfig} errors={errors} disabled={!write || fixed} />}
      {t && Object.keys((t.secrets as Schema | null)?.properties ?? {}).length > 0 && <><div className="strong" style={{ marginTop: 4 }}>Secrets</div><SchemaForm schema={t.secrets as Schema} value={secrets} onChange={setSecrets} secret set={c !== null && !c.is_missing_secrets} errors={errors} disabled={!write || fixed} /></>}
      {!t && c && <pre className="code">{JSON.stringify(c.config ?? {}, null, 2)}</pre>}
      {fixed && <p className="small ink2">It stands in the server's configuration and is changed there.</p>}
      {c?.watchfire?.last_error && <div className="small t-high">Last error, <Moment at={c.watchfire.last_error_at} />: {visible(c.watchfire.last_error)}</div>}
      <div className="row wrap">
        {c && t?.testable !== false && <Button onClick={() => void runTest()} disabled={testing}>{testing ? 'Testing…' : 'Test'}</Button>}
        {c && write && !fixed && <Button onClick={remove}>Delete…</Button>}
        {write && !fixed && (t || c) && <Button type="submit" variant="filled" className="right" disabled={busy || !dirty} rightSection={<Kbd>Ctrl S</Kbd>}>{c ? 'Save' : 'Create'}</Button>}
        {!write && <span className="small ink2">Changing it needs <code>connectors:write</code></span>}
      </div>
      {test && (
        <section className="panel" aria-live="polite">
          <header>{test.ok ? <IconCircleCheck size={15} stroke={1.7} className="t-ok" aria-hidden /> : <IconAlertTriangle size={15} stroke={1.7} className="t-crit" aria-hidden />}<h2>{test.ok ? 'The test passed' : 'The test failed'}</h2></header>
          <ul className="body small">{test.checks.map((x, i) => <li key={i} className="row top" style={{ minHeight: 24 }}>{x.ok ? <IconCircleCheck size={14} stroke={1.7} className="t-ok" role="img" aria-label="passed" /> : <IconAlertTriangle size={14} stroke={1.7} className="t-crit" role="img" aria-label="failed" />}<span className="nowrap">{visible(x.name)}</span><span className="ink2 grow" style={{ overflowWrap: 'anywhere' }}>{visible(x.detail)}</span><span className="ink3 num nowrap">{x.ms} ms</span></li>)}</ul>
          {test.advice && <div className="small" style={{ padding: '0 12px 12px' }}>{visible(test.advice)}</div>}
        </section>
      )}
    </form>
  );
}
