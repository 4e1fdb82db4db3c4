import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { defaultsOf, install, missing, readTemplate } from './template';

const DIR = new URL('../../../../content/templates/', import.meta.url);
const ALL = readdirSync(DIR).filter((f) => f.endsWith('.yaml')).map((f) => [f, readFileSync(new URL(f, DIR), 'utf8')] as const);
const answer = (t: NonNullable<ReturnType<typeof readTemplate>>): Record<string, unknown> => ({ ...Object.fromEntries(t.form.filter((q) => q.inputType === 'connector').map((q) => [q.name, `c-${q.name}`])), ...defaultsOf(t) });

describe('our templates', () => {
  for (const [file, yaml] of ALL) {
    it(`${file}: every placeholder is asked for and every question used; installed it is an ordinary workflow`, () => {
      const t = readTemplate(yaml)!;
      expect(`${t.slug}.yaml`).toBe(file);
      const used = new Set([...yaml.matchAll(/__install__\.([a-z0-9-]+)/g)].map((m) => m[1]));
      expect([...used].sort()).toEqual(t.form.map((q) => q.name).sort());
      const out = install(t, answer(t), 'Mine', true);
      const js = parse(out) as Record<string, unknown>;
      expect(js.name).toBe('Mine');
      expect(js.enabled).toBe(true);
      expect(js['template-metadata']).toBeUndefined();
      expect(out).not.toContain('__install__');
      for (const l of yaml.split('\n').filter((x) => /^\s*#/.test(x))) expect(out).toContain(l);
    });
    it(`${file}: no answer changes the shape`, () => {
      const t = readTemplate(yaml)!;
      const shape = (v: unknown): unknown => (Array.isArray(v) ? v.map(shape) : v !== null && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, shape(x)])) : typeof v === 'number' ? 'n' : typeof v);
      const plain = shape(parse(install(t, answer(t), 'Mine', false)));
      for (const evil of ['a"\n  - name: x\n    type: ssh.run #', "it's: {a}", 'x\n\ny', '{{ 1 }}', '# no', '- [', 'true']) {
        const a = answer(t);
        for (const q of t.form) if (q.inputType !== 'number') a[q.name] = evil;
        expect(shape(parse(install(t, a, evil, false)))).toEqual(plain);
      }
    });
  }
  it('names what is missing, and leaves out what needs no answer', () => {
    const t = readTemplate(ALL.find(([f]) => f === 'alert-response.yaml')![1])!;
    expect(Object.keys(missing(t, defaultsOf(t)))).toEqual(['chat', 'host']);
    const out = install(t, { chat: 'c', host: 'h' }, 'Mine', false);
    expect(out).not.toMatch(/name: summarise\n {4}type: ai\.summarize\n {4}connector-id/);
    expect(out).toContain('connector-id: c\n');
  });
});
