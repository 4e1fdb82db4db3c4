import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { change, commentOut, duplicateStep, EditError, equal, freeName, insertStep, lineDiff, moveStep, removeStep, renameStep, setIn, stepsOf, stepText, wrapStep } from './edit';

const DIR = new URL('../../../../content/workflows/', import.meta.url);
const DOCS = readdirSync(DIR).filter((f) => f.endsWith('.yaml') && !f.endsWith('.test.yaml')).map((f) => [f, readFileSync(new URL(f, DIR), 'utf8')] as const);
const SMALL = `# head
name: small   # the name
triggers:
  - type: alert
consts: { channel: "#soc", n: 3 }
steps:
  # what others say
  - name: look_up   # first
    type: http
    with:
      # the address
      url: 'https://x/{{ event.alerts[0].source.ip }}'   # keep
      method: GET
    on-failure:
      retry: { max-attempts: 3, delay: 2s }

  - name: gate
    type: if
    condition: "steps.look_up.output.data.verdict: bad"
    steps:
      - name: open
        type: cases.createCase
        with:
          title: "{{ steps.look_up.output.status }}"
          description: |-
            one
            two
          tags: [a, b]   # two tags
        # nothing more for open
      - name: tell
        type: console
        with: { message: "{{ steps['look_up'].output }}" }
  # the end
  - name: note
    type: console
    with:
      message: done
`;
const kept = (before: string, after: string, changed: number): void => {
  const d = lineDiff(before, after)!;
  expect(Math.max(d.removed.length, d.added.length), `${d.removed.join('\n')}\n->\n${d.added.join('\n')}`).toBeLessThanOrEqual(changed);
};
const at = (t: string, name: string) => stepsOf(t).find((s) => s.name === name)!;

describe('values', () => {
  it('changes one line and keeps quotes and the comment behind it', () => {
    const t = setIn(SMALL, ['steps', 0, 'with', 'url'], "https://y/it's");
    expect(t).toContain("      url: 'https://y/it''s'   # keep\n");
    kept(SMALL, t, 1);
  });
  it('quotes a plain value only when it must', () => {
    expect(setIn(SMALL, ['steps', 0, 'with', 'method'], 'POST')).toContain('      method: POST\n');
    expect(setIn(SMALL, ['steps', 0, 'with', 'method'], '{{ inputs.m }}')).toContain('      method: "{{ inputs.m }}"\n');
    expect(setIn(SMALL, ['steps', 0, 'with', 'method'], 'yes: no')).toContain('      method: "yes: no"\n');
    expect(setIn(SMALL, ['steps', 0, 'with', 'method'], 'true')).toContain('      method: "true"\n');
    expect(setIn(SMALL, ['steps', 0, 'with', 'method'], 12)).toContain('      method: 12\n');
  });
  it('adds a key behind the last one, in flow before the brace', () => {
    expect(setIn(SMALL, ['steps', 0, 'with', 'body'], { a: [1, { b: 'x' }] })).toContain('      method: GET\n      body:\n        a:\n          - 1\n          - b: x\n    on-failure:');
    expect(setIn(SMALL, ['consts', 'k'], 'v')).toContain('consts: { channel: "#soc", n: 3, k: v }\n');
    expect(setIn(SMALL, ['steps', 2, 'if'], 'inputs.go: true', 'type')).toContain('    type: console\n    if: "inputs.go: true"\n    with:\n      message: done');
  });
  it('takes a key away with its whole line, in flow with its comma', () => {
    const t = setIn(SMALL, ['steps', 0, 'with', 'url'], undefined);
    expect(t).not.toContain('https://x');
    expect(t).toContain('      # the address\n      method: GET\n');
    expect(setIn(SMALL, ['consts', 'n'], undefined)).toContain('consts: { channel: "#soc" }\n');
    expect(setIn(SMALL, ['consts', 'channel'], undefined)).toContain('consts: { n: 3 }\n');
    expect(setIn(SMALL, ['steps', 0, 'on-failure', 'retry'], undefined)).toContain('    on-failure: {}\n');
  });
  it('a key that is not there comes with its parents', () => {
    const t = setIn(SMALL, ['steps', 2, 'on-failure', 'retry', 'max-attempts'], 2);
    expect(t.endsWith('      message: done\n    on-failure:\n      retry:\n        max-attempts: 2\n')).toBe(true);
  });
  it('a block text keeps its sign and indentation', () => {
    const t = setIn(SMALL, ['steps', 1, 'steps', 0, 'with', 'description'], 'one\ntwo\n\nthree');
    expect(t).toContain('          description: |-\n            one\n            two\n\n            three\n          tags: [a, b]   # two tags\n');
  });
  it('a list changes only where it differs', () => {
    expect(setIn(SMALL, ['steps', 1, 'steps', 0, 'with', 'tags'], ['a', 'x', 'b'])).toContain('tags: [a, x, b]   # two tags\n');
    expect(setIn(SMALL, ['steps', 1, 'steps', 0, 'with', 'tags'], [])).toContain('tags: []   # two tags\n');
  });
  it('what an alias or an anchor shares is refused, and nothing changes', () => {
    const t = 'name: x\na: &a { k: 1 }\nb: *a\nsteps: []\n';
    expect(() => setIn(t, ['a', 'k'], 2)).toThrow(EditError);
    expect(() => setIn(t, ['b', 'k'], 2)).toThrow(EditError);
  });
});

describe('steps', () => {
  it('are listed with their lines, lists and lanes', () => {
    expect(stepsOf(SMALL).map((s) => [s.name, s.depth, s.lane, s.line])).toEqual([['look_up', 0, null, 8], ['gate', 0, null, 17], ['open', 1, 'body', 21], ['tell', 1, 'body', 30], ['note', 0, null, 34]]);
  });
  it('a new one stands like its siblings', () => {
    const t = insertStep(SMALL, ['steps', 1, 'steps'], 1, stepText({ name: 'ask', type: 'waitForApproval', with: { message: 'Go on?' } }));
    expect(t).toContain('        # nothing more for open\n      - name: ask\n        type: waitForApproval\n        with:\n          message: Go on?\n      - name: tell\n');
    kept(SMALL, t, 4);
  });
  it('an else is made for its first step, and leaves with its last', () => {
    const t = insertStep(SMALL, ['steps', 1, 'else'], 0, stepText({ name: 'leave', type: 'console', with: { message: 'left' } }));
    expect(t).toContain('    else:\n      - name: leave\n        type: console\n        with:\n          message: left\n  # the end\n');
    expect(removeStep(t, at(t, 'leave').path)).toBe(SMALL);
  });
  it('a fallback is made with its on-failure', () => {
    const t = insertStep(SMALL, ['steps', 2, 'on-failure', 'fallback'], 0, stepText({ name: 'sorry', type: 'console', with: { message: 'sorry' } }));
    expect(t).toContain('    on-failure:\n      fallback:\n        - name: sorry\n');
    expect(removeStep(t, at(t, 'sorry').path)).toBe(SMALL);
  });
  it('leaves with the comments that belong to it', () => {
    const t = removeStep(SMALL, at(SMALL, 'open').path);
    expect(t).not.toContain('nothing more for open');
    expect(t).toContain('    steps:\n      - name: tell\n');
    const u = removeStep(SMALL, at(SMALL, 'look_up').path);
    expect(u).not.toContain('what others say');
    expect(u).toContain('# the end');
  });
  it('moves out of its container and back, byte for byte', () => {
    const t = moveStep(SMALL, at(SMALL, 'open').path, ['steps'], 1);
    expect(t).toContain('  - name: open\n    type: cases.createCase\n    with:\n      title: "{{ steps.look_up.output.status }}"\n      description: |-\n        one\n        two\n      tags: [a, b]   # two tags\n    # nothing more for open\n');
    const back = moveStep(t, at(t, 'open').path, [...at(t, 'gate').path, 'steps'], 0);
    expect(back.replace(/\n+/g, '\n')).toBe(SMALL.replace(/\n+/g, '\n'));
    expect(() => moveStep(SMALL, at(SMALL, 'gate').path, [...at(SMALL, 'gate').path, 'steps'], 0)).toThrow(EditError);
  });
  it('a rename follows every path to it and no comment', () => {
    const t = renameStep(SMALL, 'look_up', 'reputation');
    expect(t).toContain('  - name: reputation   # first\n');
    expect(t).toContain('condition: "steps.reputation.output.data.verdict: bad"');
    expect(t).toContain("steps['reputation'].output");
    expect(t).not.toContain('look_up');
    expect(() => renameStep(SMALL, 'look_up', 'gate')).toThrow(EditError);
    expect(() => renameStep(SMALL, 'look_up', 'two words')).toThrow(EditError);
  });
  it('a copy has names of its own and points to itself', () => {
    const { text, name } = duplicateStep(SMALL, at(SMALL, 'gate').path);
    expect(name).toBe('gate_2');
    expect(stepsOf(text).map((s) => s.name)).toEqual(['look_up', 'gate', 'open', 'tell', 'gate_2', 'open_2', 'tell_2', 'note']);
    expect(text.split('\n').filter((l) => l.includes('# two tags')).length).toBe(2);
  });
  it('is commented out and wrapped', () => {
    const t = commentOut(SMALL, at(SMALL, 'tell').path);
    expect(t).toContain('      # - name: tell\n      #   type: console\n');
    const w = wrapStep(SMALL, at(SMALL, 'note').path, 'if');
    expect(w.text).toContain('  - name: when_note\n    type: if\n    condition: "event.alerts.kibana.alert.severity: critical"\n    steps:\n      # the end\n      - name: note\n        type: console\n        with:\n          message: done\n');
  });
  it('in a list of one line', () => {
    const t = 'name: x\ntriggers: [{ type: manual }]\nsteps: [ { name: a, type: console, with: { message: hi } }, { name: b, type: console } ]\n';
    expect(removeStep(t, ['steps', 0])).toBe('name: x\ntriggers: [{ type: manual }]\nsteps: [ { name: b, type: console } ]\n');
    expect(insertStep(t, ['steps'], 2, '- name: c\n  type: wait\n')).toContain('{ name: b, type: console }, { name: c, type: wait } ]');
  });
  it('finds a free name', () => { expect(freeName(SMALL, 'open')).toBe('open_2'); expect(freeName(SMALL, 'Ask a person')).toBe('Ask_a_person'); });
});

describe('over our own workflows', () => {
  for (const [file, text] of DOCS) {
    it(`${file}: what is cut and copied reads back, other lines are byte-equal`, () => {
      const lines = new Set(text.split('\n'));
      for (const s of stepsOf(text)) {
        const dup = duplicateStep(text, s.path).text;
        for (const l of text.split('\n')) expect(dup).toContain(l);
        const removed = tryEdit(() => removeStep(text, s.path));
        if (removed !== null) for (const l of removed.split('\n')) expect(lines.has(l) || /: \[\]$/.test(l), l).toBe(true);
        expect(equal(parseYaml(renameStep(text, s.name, `zz_${s.name.replace(/\W/g, '_')}`)) !== null, true)).toBe(true);
        for (const k of ['timeout', 'if']) kept(text, setIn(text, [...s.path, k], 'x', 'type'), 1);
      }
    }, 60_000);
    it(`${file}: every pair of places a step can move between`, () => {
      const all = stepsOf(text);
      for (const s of all) for (const d of all) tryEdit(() => moveStep(text, s.path, d.list, d.index));
    }, 60_000);
    it(`${file}: every scalar can be set to any text`, () => {
      const walk = (v: unknown, p: (string | number)[]): void => {
        if (Array.isArray(v)) v.forEach((x, i) => walk(x, [...p, i]));
        else if (v !== null && typeof v === 'object') for (const [k, x] of Object.entries(v)) walk(x, [...p, k]);
        else for (const n of ['x', 'a: b # c', '{{ steps.a.output }}', 'one\ntwo', ' lead', 'tail\n', "it's \"q\"", '', '# no', 'true', 3, null]) { const t = setIn(text, p, n); expect(t === text || change(text, t) !== null).toBe(true); }
      };
      walk(parseYaml(text), []);
    }, 120_000);
  }
});
function tryEdit(f: () => string): string | null {
  try {
    return f();
  } catch (e) {
    if (e instanceof EditError) return null;
    throw e;
  }
}
