// What issue 4 adds to the page, in Chromium: the builder over one text, templates, trying without effect, reruns, versions, forms in the inbox.
// Against the mock; what needs nothing of it runs against a real server too, with WATCHFIRE_URL.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { call, launch, REAL, server, settle, signIn } from './lib.mjs';

let s, ctx, page;
const problems = [];
before(async () => {
  s = await server();
  ctx = await launch();
  page = ctx.pages()[0];
  page.on('pageerror', (e) => problems.push(`page error: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/the server responded with a status of|ERR_/.test(m.text())) problems.push(`console: ${m.text()}`); });
});
after(async () => {
  await ctx?.close();
  await s?.close();
});
const go = async (path) => {
  await page.goto(s.url + path);
  await settle(page);
};
const reset = async (o = {}) => { if (!REAL) await s.mock('reset', o); };
const node = (id) => page.locator(`.react-flow__node[data-id="${id}"]`);
const field = (name) => page.locator(`.form-pane [data-field="${name}"]`);
const tag = Date.now().toString(36);
const stored = async (id) => (await call(page, `/api/workflows/workflow/${encodeURIComponent(id)}`)).body.yaml;
const MOCK = { skip: REAL ? 'needs the data of the mock' : false };

// S1 as somebody's colleague wrote it: comments above, behind and between, an order of keys of its own, a list on one line.
const S1 = (name) => `# Written by hand; ask Dana before you change the order.
name: ${name}
description: Alert response   # S1
enabled: false
triggers:
  - type: alert
steps:
  # what else did this host do
  - name: context
    type: elasticsearch.search   # the last hour
    with:
      index: "logs-*"
      size: 20
  - name: open_case
    type: cases.createCase
    with:
      # the title is read by people at night
      title: "{{ event.rule.name }}"
      description: 'from the alert'
      owner: securitySolution
      tags: [s1, "by-hand"]   # keep both
  # tell somebody
  - name: tell
    type: console
    with: { message: "case {{ steps.open_case.output.case.id }}" }
`;
const comments = (y) => y.split('\n').filter((l) => l.includes('#')).map((l) => l.slice(l.indexOf('#')));

describe('S1, edited in the builder', () => {
  const name = `ui-s1-${tag}`;
  let id, before;
  test('forms, picker, catalogue, move, rename, undo: only lines that must change do, every comment stays', async () => {
    await reset();
    await signIn(page, s.url, '/workflows');
    before = S1(name);
    const made = await call(page, '/api/workflows/workflow', { yaml: before });
    assert.ok(made.status < 300, JSON.stringify(made));
    id = made.body.id;
    await go(`/workflows/${encodeURIComponent(id)}?view=builder`);
    await node('open_case').click();
    // A value by hand: written when the field is left, shown before.
    const title = field('title').getByRole('textbox');
    await title.fill('{{ event.rule.name }} on ');
    await page.locator('.writes ins').first().waitFor();
    assert.match(await page.locator('.writes').innerText(), /Writes to YAML, line 18/);
    // A value by clicking: the picker puts the path behind what stands there.
    await page.getByRole('button', { name: 'Pick a value for Title' }).click();
    await page.getByRole('combobox', { name: 'Search values' }).fill('event.rule.name');
    await page.getByRole('option', { name: /^event\.rule\.name / }).click();
    await page.waitForFunction(() => /Wrote to YAML/.test(document.querySelector('.writes')?.textContent ?? ''));
    // A step from the catalogue, between two others.
    await page.getByRole('button', { name: 'Add a step between open_case and tell' }).click();
    await page.getByRole('combobox', { name: 'Search step types' }).fill('cases.addComment');
    await page.getByRole('option', { name: /cases\.addComment/ }).waitFor();
    await page.keyboard.press('Enter');
    await node('add_comment').or(node('note')).or(node('comment')).first().waitFor();
    const fresh = await page.getByRole('textbox', { name: 'Name of the step' }).inputValue();
    await field('comment').getByRole('textbox').fill('seen by the builder');
    await field('case_id').getByRole('textbox').fill('{{ steps.open_case.output.case.id }}');
    await page.getByRole('textbox', { name: 'Name of the step' }).fill('note_it');
    await page.keyboard.press('Enter');
    await node('note_it').waitFor();
    assert.equal(await node(fresh).count(), 0);
    // Up over its neighbour, and down again.
    await page.getByRole('button', { name: 'What to do with this step' }).click();
    await page.getByRole('menuitem', { name: /^Duplicate/ }).click();
    await node('note_it_2').waitFor();
    await page.getByRole('button', { name: 'What to do with this step' }).click();
    await page.getByRole('menuitem', { name: /^Delete/ }).click();
    await node('note_it_2').waitFor({ state: 'detached' });
    await page.keyboard.press('Control+s');
    await page.getByText(/Workflow saved|Saved with errors/).waitFor();
    const after = await stored(id);
    assert.deepEqual(comments(after), comments(before), 'every comment, in order');
    const lines = after.split('\n');
    for (const l of before.split('\n')) if (!l.includes('title:')) assert.ok(lines.includes(l), `kept as it was: ${l}`);
    assert.ok(lines.includes('      title: "{{ event.rule.name }} on {{ event.rule.name }}"'), after);
    assert.match(after, / {2}- name: note_it\n {4}type: cases\.addComment\n/);
    assert.ok(after.indexOf('note_it') > after.indexOf('open_case') && after.indexOf('note_it') < after.indexOf('- name: tell'));
  });
  test('undo takes a change of the form back as one step', async () => {
    const was = await stored(id);
    await node('note_it').click();
    await field('comment').getByRole('textbox').fill('another text');
    await page.getByRole('tab', { name: 'Condition' }).click();
    await page.locator('.page-head').getByText('not saved').waitFor();
    await page.locator('.react-flow__pane').click({ position: { x: 5, y: 5 } });
    await page.keyboard.press('Control+z');
    await page.getByText('not saved').waitFor({ state: 'detached' });
    assert.equal(await stored(id), was);
  });
  test('the same step stands in text, graph and form', async () => {
    await go(`/workflows/${encodeURIComponent(id)}`);
    await page.locator('.cm-content').waitFor();
    await node('tell').click();
    await page.locator('.cm-step').first().waitFor();
    await page.getByRole('tab', { name: 'Builder' }).click();
    await page.getByRole('textbox', { name: 'Name of the step' }).waitFor();
    assert.equal(await page.getByRole('textbox', { name: 'Name of the step' }).inputValue(), 'tell');
  });
});

describe('the builder', MOCK, () => {
  test('a step dragged onto another edge moves in the text', async () => {
    await reset();
    await signIn(page, s.url, '/workflows/contain-workstation?view=builder');
    await node('record').waitFor();
    await page.waitForTimeout(300);
    const from = await node('summarise').boundingBox(), to = await page.getByRole('button', { name: 'Add a step between lookup and history' }).boundingBox();
    await page.mouse.move(from.x + 60, from.y + 10);
    await page.mouse.down();
    await page.mouse.move(from.x + 60, from.y - 30, { steps: 4 });
    await page.mouse.move(to.x + 8 - from.width / 2 + 60, to.y + 8 - from.height / 2 + 10, { steps: 8 });
    await page.mouse.up();
    await page.getByRole('button', { name: 'Add a step between lookup and summarise' }).waitFor();
    await page.getByRole('button', { name: 'Add a step between summarise and history' }).waitFor();
  });
  test('what the sample holds stands under a path; a list takes a list', async () => {
    await go('/workflows/contain-workstation?view=builder&step=open_case');
    await field('description').getByText('now:').waitFor();
    assert.match(await field('description').innerText(), /A billing clerk opened a macro document/);
    await page.getByRole('button', { name: 'Pick a value for Tags' }).click();
    await page.getByRole('combobox', { name: 'Search values' }).fill('lists');
    await page.getByRole('option', { name: /steps\.lookup\.output\.data\.lists list/ }).click();
    await field('tags').getByText('${{ steps.lookup.output.data.lists }}').or(field('tags').locator('input[value="${{ steps.lookup.output.data.lists }}"]')).waitFor();
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    assert.match(await stored('contain-workstation'), / {10}tags: "\$\{\{ steps\.lookup\.output\.data\.lists \}\}"\n/);
  });
  test('a destructive step without a question before it is offered with one', async () => {
    await go('/workflows/notify-soc?view=builder');
    await page.getByRole('button', { name: 'Add a step after post' }).click();
    await page.getByRole('combobox', { name: 'Search step types' }).fill('ssh');
    await page.getByText('Nobody is asked before it on this path').waitFor();
    await page.getByRole('button', { name: 'Add approval and step' }).click();
    await node('ask').waitFor();
    await node('run').waitFor();
  });
  test('a branch that is not there gets its first step', async () => {
    await go('/workflows/contain-workstation?view=builder');
    await page.getByRole('button', { name: 'Add a step when is_severe does not hold' }).click();
    await page.getByRole('combobox', { name: 'Search step types' }).fill('console');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !/nothing happens/.test(document.querySelector('.react-flow')?.textContent ?? ''));
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    assert.match(await stored('contain-workstation'), /\n {4}else:\n {6}- name: console\n {8}type: console\n/);
  });
  test('keys: N adds, Alt and arrow moves, Delete deletes', async () => {
    await reset();
    await go('/workflows/enrich-address?view=builder&step=note');
    await page.getByRole('textbox', { name: 'Name of the step' }).waitFor();
    await node('note').click();
    await page.keyboard.press('Alt+ArrowUp');
    await page.getByRole('button', { name: 'Add a step between note and lookup' }).waitFor();
    await page.keyboard.press('Delete');
    await node('note').waitFor({ state: 'detached' });
    await page.keyboard.press('n');
    await page.getByRole('combobox', { name: 'Search step types' }).waitFor();
    await page.keyboard.press('Escape');
  });
});

test('the page threw nothing on the way', () => {
  assert.deepEqual(problems, []);
});
