// A form from a JSON Schema (the subset that connectors use). What has no widget stays editable as JSON, so nothing is lost.
import { NumberInput, PasswordInput, SegmentedControl, Select, Switch, TagsInput, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';

export type Schema = { type?: string | string[]; title?: string; description?: string; enum?: unknown[]; default?: unknown; properties?: Record<string, Schema>; required?: string[]; items?: Schema; minimum?: number; maximum?: number; maxLength?: number; format?: string; [k: string]: unknown };
type Props = { schema: Schema; value: Record<string, unknown>; onChange: (v: Record<string, unknown>) => void; secret?: boolean; set?: boolean; errors?: Record<string, string>; disabled?: boolean };

export function words(name: string): string {
  const w = name.replace(/([a-z])([A-Z])/g, '$1 $2').replace(/[_-]+/g, ' ').toLowerCase();
  return w.charAt(0).toUpperCase() + w.slice(1);
}
/** Order: x-order, then needed ones, then as written. */
export function ordered(schema: Schema): [string, Schema][] {
  const req = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([k, s], i) => ({ k, s, o: Number(s['x-order'] ?? 1000) + (req.has(k) ? 0 : 500) + i / 1000 })).sort((a, b) => a.o - b.o).map((x) => [x.k, x.s]);
}

export function SchemaForm({ schema, value, onChange, secret = false, set = false, errors = {}, disabled = false }: Props) {
  const req = new Set(schema.required ?? []);
  const put = (k: string, v: unknown): void => {
    const next = { ...value };
    if (v === undefined || v === '') delete next[k];
    else next[k] = v;
    onChange(next);
  };
  return (
    <div className="col" style={{ gap: 12 }}>
      {ordered(schema).map(([k, s]) => {
        const label = <>{s.title ?? words(k)}{req.has(k) && <span className="ink3" style={{ fontWeight: 400 }}> needed</span>}</>;
        const common = { label, description: s.description, error: errors[k], disabled };
        const v = value[k];
        const type = Array.isArray(s.type) ? s.type.find((t) => t !== 'null') : s.type;
        if (secret || s['x-secret']) return <PasswordInput key={k} {...common} placeholder={set ? 'set, cannot be shown; write to replace' : undefined} value={typeof v === 'string' ? v : ''} onChange={(e) => put(k, e.currentTarget.value)} autoComplete="new-password" visibilityToggleButtonProps={{ 'aria-label': `show ${s.title ?? words(k)}` }} />;
        if (s.enum && s.enum.every((x) => typeof x === 'string')) {
          const data = s.enum as string[];
          return data.length <= 4 ? <div key={k}><div className="mantine-InputWrapper-label">{label}</div><SegmentedControl aria-label={s.title ?? words(k)} data={data} value={typeof v === 'string' ? v : String(s.default ?? '')} onChange={(x) => put(k, x)} disabled={disabled} />{errors[k] && <div className="mantine-InputWrapper-error">{errors[k]}</div>}</div> : <Select key={k} {...common} data={data} value={typeof v === 'string' ? v : null} onChange={(x) => put(k, x ?? undefined)} placeholder={s.default === undefined ? undefined : String(s.default)} />;
        }
        if (type === 'boolean') return <Switch key={k} label={label} description={s.description} disabled={disabled} checked={typeof v === 'boolean' ? v : s.default === true} onChange={(e) => put(k, e.currentTarget.checked)} />;
        if (type === 'integer' || type === 'number') return <NumberInput key={k} {...common} min={s.minimum} max={s.maximum} allowDecimal={type === 'number'} value={typeof v === 'number' ? v : ''} placeholder={s.default === undefined ? undefined : String(s.default)} onChange={(x) => put(k, x === '' ? undefined : Number(x))} />;
        if (type === 'array' && (s.items?.type === 'string' || !s.items) && (v === undefined || (Array.isArray(v) && v.every((x) => typeof x === 'string')))) return <TagsInput key={k} {...common} value={(v as string[] | undefined) ?? []} onChange={(x) => put(k, x.length ? x : undefined)} />;
        if (type === 'string' && (v === undefined || typeof v === 'string')) return (s.maxLength ?? 0) > 200 || s.format === 'multiline' ? <Textarea key={k} {...common} autosize minRows={2} maxRows={8} value={(v as string) ?? ''} onChange={(e) => put(k, e.currentTarget.value)} /> : <TextInput key={k} {...common} value={(v as string) ?? ''} placeholder={s.default === undefined ? undefined : String(s.default)} onChange={(e) => put(k, e.currentTarget.value)} spellCheck={false} />;
        return <JsonField key={k} label={label} description={s.description} disabled={disabled} value={v} onChange={(x) => put(k, x)} />;
      })}
    </div>
  );
}

function JsonField({ label, description, value, onChange, disabled }: { label: React.ReactNode; description?: string | undefined; value: unknown; onChange: (v: unknown) => void; disabled: boolean }) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2));
  const [error, setError] = useState<string | null>(null);
  return <Textarea label={label} description={description ?? 'as JSON'} disabled={disabled} autosize minRows={2} maxRows={10} value={text} error={error ?? undefined} styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12 } }} onChange={(e) => { setText(e.currentTarget.value); try { onChange(e.currentTarget.value.trim() ? JSON.parse(e.currentTarget.value) : undefined); setError(null); } catch { setError('Not JSON yet.'); } }} />;
}
