// A form from a JSON Schema: step parameters, inputs of a run, answers of a person, connectors. What has no widget, or a value that does not fit
// its schema, stays editable as YAML, so nothing is ever lost. With `paths` every field takes templates and has the path picker.
import { NumberInput, PasswordInput, SegmentedControl, Select, Switch, TagsInput, Textarea, TextInput } from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconPlus, IconX } from '@tabler/icons-react';
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { parse as parseYaml, stringify } from 'yaml';
import { visible } from './format';
import { sampleOf, short, written, type PathItem, type Wants } from './paths';
import { PathButton } from './PathPicker';

export type Schema = {
  type?: string | string[]; title?: string; description?: string; enum?: unknown[]; const?: unknown; default?: unknown; properties?: Record<string, Schema>; required?: string[]; items?: Schema; additionalProperties?: boolean | Schema;
  minimum?: number; maximum?: number; minLength?: number; maxLength?: number; pattern?: string; format?: string; oneOf?: Schema[]; anyOf?: Schema[]; $ref?: string; [k: string]: unknown;
};
type Obj = Record<string, unknown>;
type Common = { errors?: Record<string, string>; disabled?: boolean; paths?: PathItem[] | undefined; onDraft?: ((v: Obj) => void) | undefined };
type Props = Common & { schema: Schema; value: Obj; onChange: (v: Obj) => void; secret?: boolean; set?: boolean; root?: Schema; depth?: number; at?: string };

const FOLD_AFTER = 6;
const DEPTH_MAX = 2;

export function words(name: string): string {
  const w = name.replace(/([a-z])([A-Z])/g, '$1 $2').replace(/[_-]+/g, ' ').toLowerCase();
  return w.charAt(0).toUpperCase() + w.slice(1);
}
/** Order: x-order, then needed ones, then as written. */
export function ordered(schema: Schema): [string, Schema][] {
  const req = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([k, s], i) => ({ k, s, o: (s['x-order'] === undefined ? (req.has(k) ? 1e6 : 2e6) : Number(s['x-order'])) + i / 1000 })).sort((a, b) => a.o - b.o).map((x) => [x.k, x.s]);
}
/** Follows local references, and takes the one meaningful branch of `anyOf` (a value or a template, a value or null). */
export function resolve(s: Schema, root: Schema, n = 0): Schema {
  if (n > 16) return {};
  if (typeof s.$ref === 'string' && s.$ref.startsWith('#/')) {
    let v: unknown = root;
    for (const p of s.$ref.slice(2).split('/')) v = v === null || typeof v !== 'object' ? undefined : (v as Obj)[p.replaceAll('~1', '/').replaceAll('~0', '~')];
    return v ? { ...resolve(v as Schema, root, n + 1), ...(s.title ? { title: s.title } : {}), ...(s.description ? { description: s.description } : {}) } : {};
  }
  const alts = (s.anyOf ?? s.oneOf)?.map((x) => resolve(x, root, n + 1));
  if (alts && !s.type) {
    const real = alts.filter((x) => x.type !== 'null' && !(x.type === 'string' && typeof x.pattern === 'string' && x.pattern.includes('{')));
    if (real.length === 1) return { ...real[0]!, ...(s.title ? { title: s.title } : {}), ...(s.description ? { description: s.description } : {}), ...(s.default === undefined ? {} : { default: s.default }) };
    const consts = real.map((x) => x.const);
    if (real.length > 0 && consts.every((x) => typeof x === 'string')) return { ...s, type: 'string', enum: consts };
  }
  if (s.const !== undefined && s.enum === undefined) return { ...s, enum: [s.const] };
  return s;
}
export function typeOf(s: Schema): string | undefined {
  return Array.isArray(s.type) ? (s.type.filter((t) => t !== 'null').length === 1 ? s.type.find((t) => t !== 'null') : undefined) : s.type ?? (s.properties ? 'object' : s.items ? 'array' : undefined);
}
const isTemplate = (v: unknown): v is string => typeof v === 'string' && (v.includes('{{') || v.includes('{%'));
export function wants(s: Schema): Wants {
  const t = typeOf(s);
  return t === 'string' ? 'text' : t === 'integer' || t === 'number' ? 'number' : t === 'boolean' ? 'boolean' : t === 'array' ? 'list' : t === 'object' ? 'object' : 'any';
}
/** What is wrong, by JSON pointer: required, type, range, length, pattern, enum. The server's word counts. */
export function check(schema: Schema, value: unknown, root: Schema = schema, at = ''): Record<string, string> {
  const s = resolve(schema, root);
  const out: Record<string, string> = {};
  if (value === undefined || isTemplate(value)) return out;
  if (s.enum && !s.enum.some((x) => x === value)) out[at] = `One of ${s.enum.map(String).join(', ')}.`;
  const t = typeOf(s);
  if (t === 'string' && typeof value !== 'string') out[at] = 'Text.';
  if ((t === 'number' || t === 'integer') && typeof value !== 'number') out[at] = 'A number.';
  if (t === 'integer' && typeof value === 'number' && !Number.isInteger(value)) out[at] = 'A whole number.';
  if (t === 'boolean' && typeof value !== 'boolean') out[at] = 'Yes or no.';
  if (t === 'array' && !Array.isArray(value)) out[at] = 'A list.';
  if (t === 'object' && (typeof value !== 'object' || value === null || Array.isArray(value))) out[at] = 'An object.';
  if (typeof value === 'number') {
    if (s.minimum !== undefined && value < s.minimum) out[at] = `At least ${s.minimum}.`;
    if (s.maximum !== undefined && value > s.maximum) out[at] = `At most ${s.maximum}.`;
  }
  if (typeof value === 'string') {
    if (s.minLength !== undefined && value.length < s.minLength) out[at] = s.minLength === 1 ? 'Write something.' : `At least ${s.minLength} characters.`;
    if (s.maxLength !== undefined && value.length > s.maxLength) out[at] = `At most ${s.maxLength} characters.`;
    if (typeof s.pattern === 'string') { let re: RegExp | null = null; try { re = new RegExp(s.pattern, 'u'); } catch { /* the server judges it */ } if (re && !re.test(value)) out[at] = `Must look like ${s.pattern}.`; }
  }
  if (Array.isArray(value) && s.items) value.forEach((x, i) => Object.assign(out, check(s.items!, x, root, `${at}/${i}`)));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const r of s.required ?? []) { const v = (value as Obj)[r]; if (v === undefined || v === '') out[`${at}/${r}`] = 'Needed.'; }
    for (const [k, p] of Object.entries(s.properties ?? {})) Object.assign(out, { ...check(p, (value as Obj)[k], root, `${at}/${k}`), ...(out[`${at}/${k}`] ? { [`${at}/${k}`]: out[`${at}/${k}`] } : {}) });
  }
  return out;
}
/** The defaults of a schema as a value. */
export function defaults(schema: Schema, root: Schema = schema): Obj {
  const out: Obj = {};
  for (const [k, p] of Object.entries(schema.properties ?? {})) { const s = resolve(p, root); if (s.default !== undefined) out[k] = s.default; }
  return out;
}

export function SchemaForm({ schema: given, value, onChange, secret = false, set = false, errors = {}, disabled = false, paths, onDraft, root: top, depth = 0, at = '' }: Props) {
  const root = top ?? given;
  const schema = resolve(given, root);
  const req = new Set(schema.required ?? []);
  const [all, setAll] = useState(false);
  const merge = (k: string, v: unknown): Obj => {
    const next = { ...value };
    if (v === undefined || (v === '' && !req.has(k))) delete next[k];
    else next[k] = v;
    return next;
  };
  const put = (k: string, v: unknown): void => onChange(merge(k, v));
  const draft = onDraft && ((k: string, v: unknown): void => onDraft(merge(k, v)));
  const fields = ordered(schema);
  const idle = fields.filter(([k]) => !req.has(k) && value[k] === undefined);
  const folded = !all && idle.length > FOLD_AFTER ? new Set(idle.slice(FOLD_AFTER - 3).map(([k]) => k)) : new Set<string>();
  const known = new Set(fields.map(([k]) => k));
  const extra = Object.keys(value).filter((k) => !known.has(k));
  return (
    <div className="col" style={{ gap: 12 }}>
      {fields.filter(([k]) => !folded.has(k)).map(([k, s]) => (
        <Field key={k} name={k} schema={resolve(s, root)} root={root} needed={req.has(k)} value={value[k]} onChange={(v) => put(k, v)} onDraft={draft && ((v) => draft(k, v))} secret={secret || s['x-secret'] === true} set={set} errors={errors} at={`${at}/${k}`} disabled={disabled} paths={paths} depth={depth} />
      ))}
      {folded.size > 0 && <button type="button" className="link-button row small" style={{ gap: 4 }} onClick={() => setAll(true)}><IconChevronRight size={13} stroke={1.7} aria-hidden />{folded.size} more: {[...folded].slice(0, 5).map((k) => words(k).toLowerCase()).join(', ')}{folded.size > 5 ? '…' : ''}</button>}
      {extra.map((k) => <Field key={k} name={k} schema={schema.additionalProperties && typeof schema.additionalProperties === 'object' ? resolve(schema.additionalProperties, root) : {}} root={root} needed={false} value={value[k]} onChange={(v) => put(k, v)} onDraft={draft && ((v) => draft(k, v))} secret={false} set={false} errors={errors} at={`${at}/${k}`} disabled={disabled} paths={paths} depth={depth} removable />)}
      {schema.additionalProperties !== undefined && schema.additionalProperties !== false && !disabled && <AddKey taken={new Set([...known, ...extra])} onAdd={(k) => put(k, paths || fields.length === 0 ? '' : null)} />}
      {fields.length === 0 && extra.length === 0 && !schema.additionalProperties && depth > 0 && <span className="small ink3">Nothing to fill in.</span>}
    </div>
  );
}

type FieldProps = Common & { name: string; schema: Schema; root: Schema; needed: boolean; value: unknown; onChange: (v: unknown) => void; onDraft?: ((v: unknown) => void) | undefined; secret: boolean; set: boolean; at: string; depth: number; removable?: boolean };
function Field(p: Omit<FieldProps, 'onDraft'> & { onDraft: ((v: unknown) => void) | undefined }) {
  const { name, schema: s, root, needed, value: v, onChange, onDraft, errors = {}, at, disabled, paths, depth } = p;
  const id = useId();
  const title = s.title ?? words(name);
  const error = errors[at] ?? errors[name];
  const t = typeOf(s);
  const label = (
    <span className="row field-label"><span>{title}{needed && <span className="ink3" style={{ fontWeight: 400 }}> needed</span>}</span><span className="right mono tiny ink3">{s.enum ? 'choice' : t === 'array' ? `${(s.items && typeOf(s.items)) ?? ''}[]` : t ?? ''}</span>{p.removable && !disabled && <button type="button" className="path-button" aria-label={`Remove ${title}`} onClick={() => onChange(undefined)}><IconX size={13} stroke={1.7} aria-hidden /></button>}</span>
  );
  const hint = s.description ? <span className="field-hint">{s.description}</span> : null;
  const below = (x: ReactNode): ReactNode => <div className="field" data-field={name}>{x}{paths && isTemplate(v) && <Now template={v} paths={paths} />}</div>;
  const pick = paths && !disabled ? <PathButton label={title} items={paths} wants={wants(s)} onPick={(i) => { const w = written(i, wants(s)); if (w.list) onChange([...(Array.isArray(v) ? v : []), w.text]); else if (w.whole || typeof v !== 'string' || v === '') onChange(w.text); else onChange(`${v}${v.endsWith(' ') ? '' : ' '}${w.text}`); }} /> : undefined;
  const line = (multiline: boolean, value: string, asText: boolean): ReactNode => below(<TextField id={id} label={label} title={title} hint={hint} error={error} disabled={disabled} value={value} multiline={multiline} mono={isTemplate(value) || !asText} lazy={onDraft !== undefined} placeholder={s.default === undefined ? (s.examples as string[] | undefined)?.[0] : String(s.default)} onDraft={onDraft} onChange={onChange} right={pick} />);

  if (p.secret) return below(<PasswordInput label={label} description={hint} error={error} disabled={disabled} placeholder={p.set ? 'set, cannot be shown; write to replace' : undefined} value={typeof v === 'string' ? v : ''} onChange={(e) => onChange(e.currentTarget.value)} autoComplete="new-password" visibilityToggleButtonProps={{ 'aria-label': `show ${title}` }} />);
  if (isTemplate(v) && paths) return line((s.maxLength ?? 0) > 200 || s.format === 'multiline' || v.includes('\n') || v.length > 60, v, t === 'string');
  if (s['x-widget'] === 'connector' && Array.isArray(s.enum) && (v === undefined || typeof v === 'string')) {
    const labels = (s['x-labels'] ?? {}) as Record<string, string>;
    return below(<Select label={label} description={hint} error={error} disabled={disabled || s.enum.length === 0} data={(s.enum as string[]).map((x) => ({ value: x, label: labels[x] ?? x }))} value={v ?? null} clearable={!needed} placeholder={s.enum.length ? 'Pick one' : 'none is set up'} onChange={(x) => onChange(x ?? undefined)} />);
  }
  if (s.enum && s.enum.length > 0 && s.enum.every((x) => typeof x === 'string') && (v === undefined || typeof v === 'string')) {
    const data = s.enum as string[];
    const stray = typeof v === 'string' && !data.includes(v);
    if (data.length <= 4 && !stray && data.join('').length < 40) return below(<div role="group" aria-label={title}><div className="mantine-InputWrapper-label">{label}</div>{hint}<div className="row"><SegmentedControl aria-label={title} data={data} value={typeof v === 'string' ? v : String(s.default ?? '')} onChange={onChange} disabled={disabled ?? false} />{pick && <span className="right">{pick}</span>}</div>{error && <div className="mantine-InputWrapper-error">{error}</div>}</div>);
    return below(<Select label={label} description={hint} error={error ?? (stray ? `\`${v}\` is not one of the choices.` : undefined)} disabled={disabled} searchable={data.length > 8} data={stray ? [v, ...data] : data} value={typeof v === 'string' ? v : null} clearable={!needed} onChange={(x) => onChange(x ?? undefined)} placeholder={s.default === undefined ? undefined : String(s.default)} {...(pick ? { rightSection: pick, rightSectionPointerEvents: 'all' as const } : {})} />);
  }
  if (t === 'boolean' && (v === undefined || typeof v === 'boolean')) return below(<div className="row"><Switch label={<span>{title}{needed && <span className="ink3"> needed</span>}</span>} description={s.description} error={error} disabled={disabled} checked={typeof v === 'boolean' ? v : s.default === true} onChange={(e) => onChange(e.currentTarget.checked)} /><span className="right">{pick}</span></div>);
  if ((t === 'integer' || t === 'number') && (v === undefined || typeof v === 'number')) return below(<NumberInput label={label} description={hint} error={error} disabled={disabled} min={s.minimum} max={s.maximum} allowDecimal={t === 'number'} value={typeof v === 'number' ? v : ''} placeholder={s.default === undefined ? undefined : String(s.default)} onChange={(x) => onChange(x === '' ? undefined : Number(x))} {...(pick ? { rightSection: pick } : {})} />);
  if (t === 'array' && (!s.items || ['string', 'number', 'integer', undefined].includes(typeOf(resolve(s.items, root)))) && (v === undefined || (Array.isArray(v) && v.every((x) => typeof x === 'string')))) {
    const en = s.items && resolve(s.items, root).enum;
    return below(<TagsInput label={label} description={hint} error={error} disabled={disabled} placeholder={v === undefined || (v as unknown[]).length === 0 ? (paths ? 'Type, or insert a path' : 'Type, Enter') : undefined} data={en && en.every((x) => typeof x === 'string') ? (en as string[]) : []} value={(v as string[] | undefined) ?? []} acceptValueOnBlur onChange={(x) => onChange(x.length ? x : undefined)} {...(pick ? { rightSection: pick, rightSectionPointerEvents: 'all' as const } : {})} />);
  }
  if (t === 'array' && s.items && typeOf(resolve(s.items, root)) === 'object' && depth < DEPTH_MAX && (v === undefined || (Array.isArray(v) && v.every((x) => typeof x === 'object' && x !== null && !Array.isArray(x))))) {
    return below(<Rows label={label} title={title} hint={hint} error={error} item={resolve(s.items, root)} root={root} value={(v as Obj[] | undefined) ?? []} onChange={(x) => onChange(x.length ? x : undefined)} onDraft={onDraft} errors={errors} at={at} disabled={disabled} paths={paths} depth={depth} pick={pick} />);
  }
  if (t === 'object' && (s.properties || s.additionalProperties) && depth < DEPTH_MAX && (v === undefined || (typeof v === 'object' && v !== null && !Array.isArray(v)))) {
    return below(<Group title={title} label={label} hint={hint} pick={pick} open={needed || v !== undefined}><SchemaForm schema={s} root={root} value={(v as Obj | undefined) ?? {}} onChange={(x) => onChange(Object.keys(x).length ? x : undefined)} onDraft={onDraft} errors={errors} at={at} disabled={disabled ?? false} paths={paths} depth={depth + 1} /></Group>);
  }
  if (t === 'string' && s.format === 'date-time' && !paths && (v === undefined || typeof v === 'string')) return below(<TextInput type="datetime-local" label={label} description={hint} error={error} disabled={disabled} value={typeof v === 'string' ? v.slice(0, 16) : ''} onChange={(e) => onChange(e.currentTarget.value ? new Date(e.currentTarget.value).toISOString() : undefined)} />);
  if ((t === 'string' || (t === undefined && Object.keys(s).filter((k) => !['title', 'description', 'default', 'examples'].includes(k)).length === 0 && typeof v === 'string')) && (v === undefined || typeof v === 'string')) return line((s.maxLength ?? 0) > 200 || s.format === 'multiline' || (typeof v === 'string' && v.includes('\n')), v ?? '', true);
  return below(<YamlField title={title} label={label} hint={hint ?? <span className="field-hint">as YAML</span>} error={error} disabled={disabled ?? false} value={v} onChange={onChange} onDraft={onDraft} pick={pick} />);
}

/** What the path of a whole-value template holds in the chosen sample. */
function Now({ template, paths }: { template: string; paths: PathItem[] }) {
  const s = sampleOf(template, paths);
  return s ? <div className="tiny ink2 now">now: <span className="mono">{visible(short(s.value, 90))}</span></div> : null;
}

function TextField({ id, label, title, hint, error, disabled, value, multiline, mono, lazy, placeholder, onDraft, onChange, right }: { id: string; label: ReactNode; title: string; hint: ReactNode; error: string | undefined; disabled: boolean | undefined; value: string; multiline: boolean; mono: boolean; lazy: boolean; placeholder: string | undefined; onDraft: ((v: unknown) => void) | undefined; onChange: (v: unknown) => void; right: ReactNode }) {
  // The control stays the one it was while a value changes: a click or the focus would be lost with it.
  const [several] = useState(multiline);
  const [text, setText] = useState(value);
  const last = useRef(value);
  useEffect(() => { if (value !== last.current) { last.current = value; setText(value); } }, [value]);
  const commit = (): void => { if (text !== last.current) { last.current = text; onChange(text); } };
  const common = { id, label, description: hint, error, disabled, placeholder, 'aria-label': title, spellCheck: false, styles: { input: { ...(mono ? { fontFamily: 'var(--mono)', fontSize: 12 } : {}), ...(right ? { paddingRight: 32 } : {}) } }, ...(right ? { rightSection: right, rightSectionPointerEvents: 'all' as const } : {}) };
  const change = (v: string): void => { setText(v); if (lazy) onDraft?.(v); else { last.current = v; onChange(v); } };
  return several || text.includes('\n')
    ? <Textarea {...common} autosize minRows={2} maxRows={8} value={text} onChange={(e) => change(e.currentTarget.value)} onBlur={commit} />
    : <TextInput {...common} value={text} onChange={(e) => change(e.currentTarget.value)} onBlur={commit} onKeyDown={(e) => { if (e.key === 'Enter' && lazy) { e.preventDefault(); commit(); } }} />;
}

function YamlField({ title, label, hint, error, value, onChange, onDraft, disabled, pick }: { title: string; label: ReactNode; hint: ReactNode; error: string | undefined; value: unknown; onChange: (v: unknown) => void; onDraft: ((v: unknown) => void) | undefined; disabled: boolean; pick: ReactNode }) {
  const show = (v: unknown): string => (v === undefined ? '' : stringify(v, { lineWidth: 0 }).trimEnd());
  const [text, setText] = useState(show(value));
  const [bad, setBad] = useState<string | null>(null);
  const last = useRef(value);
  useEffect(() => { if (JSON.stringify(value) !== JSON.stringify(last.current)) { last.current = value; setText(show(value)); setBad(null); } }, [value]);
  const read = (t: string): { ok: true; v: unknown } | { ok: false } => {
    try {
      setBad(null);
      return { ok: true, v: t.trim() === '' ? undefined : parseYaml(t) };
    } catch {
      setBad('Not YAML yet.');
      return { ok: false };
    }
  };
  return <Textarea label={label} aria-label={title} description={hint} disabled={disabled} autosize minRows={2} maxRows={12} value={text} error={error ?? bad ?? undefined} styles={{ input: { fontFamily: 'var(--mono)', fontSize: 12, ...(pick ? { paddingRight: 32 } : {}) } }} spellCheck={false} {...(pick ? { rightSection: pick, rightSectionPointerEvents: 'all' as const } : {})}
    onChange={(e) => { setText(e.currentTarget.value); const r = read(e.currentTarget.value); if (r.ok) { if (onDraft) onDraft(r.v); else { last.current = r.v; onChange(r.v); } } }} onBlur={() => { if (!onDraft) return; const r = read(text); if (r.ok && JSON.stringify(r.v) !== JSON.stringify(last.current)) { last.current = r.v; onChange(r.v); } }} />;
}

function Group({ title, label, hint, open: first, pick, children }: { title: string; label: ReactNode; hint: ReactNode; open: boolean; pick: ReactNode; children: ReactNode }) {
  const [open, setOpen] = useState(first);
  return <fieldset className="group"><legend className="visually-hidden">{title}</legend><div className="row"><button type="button" className="path-button" aria-expanded={open} aria-label={`${open ? 'Fold' : 'Unfold'} ${title}`} onClick={() => setOpen(!open)}>{open ? <IconChevronDown size={13} stroke={1.7} aria-hidden /> : <IconChevronRight size={13} stroke={1.7} aria-hidden />}</button><span className="grow">{label}</span>{pick}</div>{open && <>{hint}{children}</>}</fieldset>;
}

function Rows({ label, title, hint, error, item, root, value, onChange, onDraft, errors, at, disabled, paths, depth, pick }: Common & { label: ReactNode; title: string; hint: ReactNode; error: string | undefined; item: Schema; root: Schema; value: Obj[]; onChange: (v: Obj[]) => void; onDraft: ((v: unknown) => void) | undefined; at: string; depth: number; pick: ReactNode }) {
  return (
    <fieldset className="group"><legend className="visually-hidden">{title}</legend><div className="row"><span className="grow">{label}</span>{pick}</div>{hint}
      {value.map((row, i) => (
        <div key={i} className="item-row"><div className="row small ink2"><span>{i + 1}</span>{!disabled && <button type="button" className="path-button right" aria-label={`Remove ${title} ${i + 1}`} onClick={() => onChange(value.filter((_, n) => n !== i))}><IconX size={13} stroke={1.7} aria-hidden /></button>}</div>
          <SchemaForm schema={item} root={root} value={row} onChange={(x) => onChange(value.map((r, n) => (n === i ? x : r)))} onDraft={onDraft && ((x) => onDraft(value.map((r, n) => (n === i ? x : r))))} errors={errors ?? {}} at={`${at}/${i}`} disabled={disabled ?? false} paths={paths} depth={depth + 1} /></div>
      ))}
      {!disabled && <button type="button" className="link-button row small" style={{ gap: 4 }} onClick={() => onChange([...value, Object.fromEntries((item.required ?? []).map((k) => [k, '']))])}><IconPlus size={13} stroke={1.7} aria-hidden />Add one</button>}
      {error && <div className="mantine-InputWrapper-error">{error}</div>}
    </fieldset>
  );
}

function AddKey({ taken, onAdd }: { taken: Set<string>; onAdd: (k: string) => void }) {
  const [k, setK] = useState('');
  const add = (): void => { const n = k.trim(); if (n && !taken.has(n)) { onAdd(n); setK(''); } };
  return <TextInput aria-label="Name of another field" placeholder="another field, Enter" value={k} onChange={(e) => setK(e.currentTarget.value)} onKeyDown={(e) => { if (e.key === 'Enter') { e.preventDefault(); add(); } }} error={taken.has(k.trim()) ? 'It is there already.' : undefined} style={{ maxWidth: 220 }} />;
}
