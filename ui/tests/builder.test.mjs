// What issue 4 adds to the page, in Chromium: the builder over one text, templates, trying without effect, reruns, versions, forms in the inbox.
// Against the mock; what needs nothing of it runs against a real server too, with WATCHFIRE_URL.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { call, open, REAL, settle, signIn } from './lib.mjs';

let s, ctx, page;
const problems = [];
before(async () => { ({ s, ctx, page } = await open(problems)); });
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
  test('a fix of the server is one click, and one step back', async () => {
    await reset();
    await go('/workflows/enrich-address?view=builder');
    await page.getByRole('tab', { name: 'YAML', exact: true }).click();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.insertText('  - name: oops\n    type: consol\n');
    await page.getByRole('button', { name: 'Fix: write `console`' }).click();
    await page.getByText('valid', { exact: true }).waitFor();
    assert.match(await page.locator('.cm-content').innerText(), /type: console/);
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

const waitFor = async (what, f, ms = 20_000) => {
  for (const end = Date.now() + ms; ;) {
    const v = await f();
    if (v) return v;
    if (Date.now() > end) throw new Error(`did not happen: ${what}`);
    await new Promise((r) => setTimeout(r, 100));
  }
};

describe('S9: building without code', () => {
  test('from the gallery to an enabled workflow, no YAML typed', async () => {
    await reset();
    await page.setViewportSize({ width: 1440, height: 900 });
    await signIn(page, s.url, '/workflows');
    await page.getByRole('button', { name: 'Gallery' }).click();
    await page.waitForURL(/\/workflows\/gallery/);
    // What it does, step by step, with effects; what it needs.
    await page.getByRole('button', { name: /^Case per alert/ }).click();
    const side = page.getByRole('complementary', { name: 'Case per alert' });
    await side.getByText('open case').waitFor();
    await side.getByText('It needs no connector.').waitFor();
    await side.getByRole('button', { name: /Use this/ }).click();
    const name = `UI case ${tag}`;
    await side.getByLabel('Name', { exact: true }).fill(name);
    await side.locator('[data-field="tag"]').getByRole('textbox').fill('night "shift": yes');
    await side.getByRole('switch', { name: 'Enable it now' }).click();
    await side.getByRole('button', { name: 'Create and enable' }).click();
    await page.waitForURL((u) => /\/workflows\/(?!gallery)/.test(u.pathname));
    const id = decodeURIComponent(new URL(page.url()).pathname.split('/').pop());
    const w = (await call(page, `/api/workflows/workflow/${encodeURIComponent(id)}`)).body;
    assert.equal(w.enabled, true);
    assert.equal(w.valid, true, JSON.stringify(w.validationErrors ?? w));
    assert.equal(w.name, name);
    assert.ok(!/__install__|template-metadata/.test(w.yaml));
    assert.match(w.yaml, /tags: \["night \\"shift\\": yes"\]/);
    assert.match(w.yaml, /^# A case with the alert and its host in it/);
    // In the builder: a value from a form and one by clicking, saved; still enabled, still without typing YAML.
    await node('note').click();
    await field('comment').getByRole('textbox').fill('Summary: ');
    await page.getByRole('button', { name: 'Pick a value for Comment' }).click();
    await page.getByRole('combobox', { name: 'Search values' }).fill('summarise output');
    await page.getByRole('listbox', { name: 'Values' }).getByRole('option').first().click();
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    const saved = (await call(page, `/api/workflows/workflow/${encodeURIComponent(id)}`)).body;
    assert.match(saved.yaml, /comment: "Summary: \{\{ steps\.summarise\.output/);
    assert.equal(saved.enabled, true);
  });
  test('what is needed is asked for, a connector that is missing is named', async () => {
    await go('/workflows/gallery?sel=alert-response&use=true');
    const side = page.getByRole('complementary', { name: 'Alert response' });
    if (REAL) {
      // S1 from its template, with the connectors that are there chosen by themselves.
      const there = (await call(page, '/api/actions/connectors')).body.map((c) => c.connector_type_id);
      if (!['.slack_api', '.ssh'].every((x) => there.filter((y) => y === x).length === 1)) return;
      await side.getByLabel('Name', { exact: true }).fill(`UI response ${tag}`);
      await side.getByRole('button', { name: 'Create', exact: true }).click();
      await page.waitForURL((u) => /\/workflows\/(?!gallery)/.test(u.pathname));
      const w = (await call(page, `/api/workflows/workflow/${new URL(page.url()).pathname.split('/').pop()}`)).body;
      assert.equal(w.valid, true, JSON.stringify(w));
      assert.equal(w.enabled, false);
      await node('isolate').waitFor();
      return;
    }
    await side.locator('[data-field="command"]').getByRole('textbox').fill('');
    await side.getByRole('button', { name: 'Create', exact: true }).click();
    await side.getByText('Needed.').first().waitFor();
    assert.match(page.url(), /gallery/);
    await s.mock('reset', { rows: 0, empty: true });
    await go('/workflows/gallery?sel=tell-the-channel');
    await page.getByRole('link', { name: 'set one up' }).waitFor();
    await reset();
  });
  test('every template is read by the server without an error', async () => {
    await go('/workflows/gallery');
    const cards = page.getByRole('group', { name: 'Templates' }).getByRole('button');
    const n = await waitFor('the cards', () => cards.count());
    assert.ok(n >= 6, `${n} templates`);
    for (let i = 0; i < n; i++) await cards.nth(i).locator('.effect').waitFor();
  });
});

describe('try without effect', MOCK, () => {
  test('unsaved text, a past alert, nothing sent', async () => {
    await reset();
    await signIn(page, s.url, '/workflows/notify-soc?view=builder&step=post');
    await field('text').getByRole('textbox').fill('unsaved {{ event.rule.name }}');
    await page.locator('.page-head').getByRole('button', { name: 'Try without effect' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Everything is rendered, nothing is sent').waitFor();
    await dialog.getByRole('button', { name: 'Try without effect' }).click();
    // The text is unsaved: leaving asks.
    await page.getByText('Leave without saving?').waitFor();
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.waitForURL(/\/executions\//);
    await page.locator('.chip', { hasText: 'tried without effect' }).waitFor();
    await page.getByText('Nothing was sent.').waitFor();
    await page.getByRole('cell', { name: 'not sent' }).or(page.locator('td', { hasText: 'not sent' })).first().waitFor();
    assert.match(await stored('notify-soc'), /text: "\{\{ event\.rule\.name \}\} on/, 'what is stored did not change');
  });
  test('one step alone, over the sample; what would act is not sent', async () => {
    await reset();
    await go('/workflows/contain-workstation?view=builder&step=tell');
    await page.getByRole('button', { name: 'Test step, without effect' }).click();
    await page.getByText('tested just now').waitFor();
    await page.getByText('What would be sent').waitFor();
    assert.match(await page.locator('.form-pane').innerText(), /LSASS memory read by rundll32/, 'the event of the sample went with it');
  });
  test('what the server does not announce is not drawn', async () => {
    await reset({ features: {} });
    await go('/workflows/notify-soc?view=builder');
    await node('post').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Try without effect' }).count(), 0);
    assert.equal(await page.getByRole('tab', { name: /^Versions/ }).count(), 0);
    await reset();
  });
  test('inputs are a form from their schema', async () => {
    const w = await call(page, '/api/workflows/workflow', { yaml: `name: ui-inputs-${tag}\ndescription: x\nenabled: true\ntriggers:\n  - type: manual\n    inputs:\n      required: [host]\n      properties:\n        host: { type: string, minLength: 1 }\n        mode: { type: string, enum: [dry, live], default: dry }\n        limit: { type: integer, minimum: 1, maximum: 9 }\nsteps:\n  - name: a\n    type: console\n    with:\n      message: hi\n` });
    await go(`/workflows/${w.body.id}`);
    await page.getByRole('button', { name: /^Run…/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('For real', { exact: true }).click();
    await dialog.getByRole('button', { name: /^Run ui-inputs/ }).click();
    await dialog.getByText('Needed.').waitFor();
    await dialog.locator('[data-field="host"]').getByRole('textbox').fill('ws-1');
    await dialog.locator('[data-field="mode"]').getByText('live').click();
    await dialog.getByRole('button', { name: /^Run ui-inputs/ }).click();
    await page.waitForURL(/\/executions\//);
  });
});

describe('rerun and versions', MOCK, () => {
  test('rerun from here says what is kept and what has an effect again', async () => {
    await reset();
    const failed = (await call(page, '/api/workflows/executions?statuses=failed')).body.results.find((e) => e.workflowName === 'enrich-address');
    await signIn(page, s.url, `/executions/${failed.id}`);
    await page.getByRole('button', { name: 'Rerun', exact: true }).click();
    await page.getByRole('menuitem', { name: /From the failed step lookup/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('This one does not change.').waitFor();
    await dialog.getByRole('button', { name: 'Rerun from lookup' }).click();
    await page.waitForURL((u) => u.pathname.startsWith('/executions/') && !u.pathname.endsWith(failed.id));
    await page.getByText('Rerun of').waitFor();
    assert.deepEqual((await call(page, `/api/workflows/executions/${failed.id}`)).body.status, 'failed', 'the old one stays');
  });
  test('a version beside the text of now, and back to it', async () => {
    await go('/workflows/contain-workstation?view=versions');
    await page.getByRole('region', { name: 'What differs' }).locator('.cm-changedLine, .cm-changedText').first().waitFor();
    await page.getByRole('button', { name: /^v5/ }).click();
    await page.getByRole('button', { name: 'Restore v5' }).click();
    await page.getByRole('button', { name: 'Restore version 5' }).click();
    await page.getByText('Version 5 restored').waitFor();
    const w = (await call(page, '/api/workflows/workflow/contain-workstation')).body;
    assert.equal(w.version, 8);
    assert.match(w.yaml, /as of version 5/);
    assert.match(w.yaml, /# what do others say about the address/);
    await page.getByRole('button', { name: /^v8/ }).waitFor();
  });
});

describe('the inbox, with forms and conditions', MOCK, () => {
  const of = async (kind) => (await call(page, '/api/watchfire/approvals')).body.approvals.find((a) => a.kind === kind);
  test('a form at 390 px: what is missing is said, the answer becomes the output', async () => {
    await reset();
    await page.setViewportSize({ width: 390, height: 844 });
    await signIn(page, s.url, '/approvals');
    const a = await of('input');
    await page.getByText(a.question).click();
    await page.getByRole('heading', { level: 1, name: a.question }).waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth || [...document.querySelectorAll('.decision *')].some((e) => e.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(e).position !== 'absolute' && !e.closest('.visually-hidden')));
    assert.equal(overflow, false, 'no sideways scroll');
    const send = page.getByRole('button', { name: /^Send the answer/ });
    assert.ok((await send.boundingBox()).height >= 44);
    await send.click();
    await page.getByText(/not right yet\. Nothing was sent/).waitFor();
    await page.locator('[data-field="verdict"]').getByText('not sure').click();
    await page.locator('[data-field="minutes"]').getByRole('textbox').fill('13');
    await page.locator('[data-field="note"]').getByRole('textbox').fill('they do not remember');
    await send.click();
    await page.getByText('thirteen is refused by the server').waitFor();
    assert.equal((await call(page, `/api/watchfire/approvals/${a.id}`)).body.state, 'waiting');
    await page.locator('[data-field="minutes"]').getByRole('textbox').fill('4');
    await send.click();
    await page.locator('.chip', { hasText: 'answered' }).first().waitFor();
    assert.deepEqual((await call(page, `/api/watchfire/approvals/${a.id}`)).body.response, { reached: false, verdict: 'not sure', minutes: 4, note: 'they do not remember' });
  });
  test('changed parameters: a new hash, shown anew, no answers; then approved', async () => {
    await page.setViewportSize({ width: 1440, height: 900 });
    const a = await of('question');
    await go(`/approvals/${a.id}`);
    await page.keyboard.press('m');
    const dialog = page.getByRole('dialog');
    await dialog.locator('[data-field="command"]').getByRole('textbox').fill('nft -f /etc/watchfire/isolate-soft.nft');
    await dialog.getByLabel('Why').fill('keep the EHR port open');
    await dialog.getByRole('button', { name: 'Freeze the change' }).click();
    await page.locator('.exact').getByText('nft -f /etc/watchfire/isolate-soft.nft').waitFor();
    await page.getByText('keep the EHR port open').waitFor();
    const now = (await call(page, `/api/watchfire/approvals/${a.id}`)).body;
    assert.notEqual(now.hash, a.hash);
    assert.equal(now.state, 'waiting');
    await page.keyboard.press('b');
    await page.getByRole('dialog').getByLabel('What do you want to know').fill('is the clinic open now?');
    await page.getByRole('dialog').getByRole('button', { name: 'Ask back' }).click();
    await page.getByText('is the clinic open now?').waitFor();
    await page.getByText('Next escalation: tomasz, role on-call').waitFor();
    await page.getByRole('button', { name: /^More: ask back/ }).click();
    await page.getByRole('menuitem', { name: 'Delegate…' }).click();
    await page.getByRole('combobox', { name: 'Who' }).or(page.getByRole('textbox', { name: 'Who' })).first().click();
    await page.getByRole('option', { name: 'Tomasz Berg' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delegate' }).click();
    await page.getByText('to tomasz').waitFor();
    await page.keyboard.press('Shift+A');
    await page.locator('.chip', { hasText: 'approved' }).first().waitFor();
  });
  test('a passkey signs the hash (a software one), and no passkey approves nothing', async () => {
    await s.mock('reset', { passkeys: true });
    const url = s.url.replace('127.0.0.1', 'localhost');
    const cdp = await ctx.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
    await signIn(page, url, '/approvals');
    const a = await of('question');
    await page.goto(`${url}/approvals/${a.id}`);
    await page.getByRole('button', { name: /with passkey/ }).click();
    await page.getByText('you have no passkey yet').waitFor();
    assert.equal((await call(page, `/api/watchfire/approvals/${a.id}`)).body.state, 'waiting');
    await page.goto(`${url}/settings/me`);
    await page.getByLabel('Name of the new passkey').fill('Laptop');
    await page.getByLabel('Your password, once more').first().fill('demo');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('Passkey added').waitFor();
    await page.goto(`${url}/approvals/${a.id}`);
    await page.getByRole('button', { name: /with passkey/ }).click();
    await page.locator('.chip', { hasText: 'approved' }).first().waitFor();
    await cdp.send('WebAuthn.disable');
    await reset();
  });
});

// What a server announces is tried against it, whichever server it is; what it does not announce is skipped, with the reason.
describe('announced features, against this server', () => {
  const announced = async (t, f) => {
    const on = (await call(page, '/api/watchfire/me')).body.features[f] === true;
    if (!on) t.skip(`the server does not announce \`${f}\``);
    return on;
  };
  const name = `ui-feature-${tag}`;
  let id;
  test('a workflow to work with', async () => {
    await reset();
    await page.setViewportSize({ width: 1440, height: 900 });
    await signIn(page, s.url, '/workflows');
    const w = await call(page, '/api/workflows/workflow', { yaml: `# first\nname: ${name}\ndescription: made by the UI test\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: one\n    type: console\n    with:\n      message: first\n  - name: two\n    type: console\n    with:\n      message: "after {{ steps.one.output }}"\n` });
    assert.ok(w.status < 300, JSON.stringify(w));
    id = encodeURIComponent(w.body.id);
  });
  test('trying unsaved text without effect', async (t) => {
    if (!(await announced(t, 'dry_run'))) return;
    await go(`/workflows/${id}?view=builder&step=one`);
    await field('message').getByRole('textbox').fill('unsaved');
    await page.locator('.page-head').getByRole('button', { name: 'Try without effect' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Try without effect' }).click();
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.waitForURL(/\/executions\//);
    await page.locator('.chip', { hasText: 'tried without effect' }).waitFor();
    const e = (await call(page, `/api/workflows/executions/${new URL(page.url()).pathname.split('/').pop()}`)).body;
    assert.equal(e.isTestRun, true);
    assert.match(e.yaml, /message: unsaved/);
    assert.match((await call(page, `/api/workflows/workflow/${id}`)).body.yaml, /message: first/);
  });
  test('versions: saved twice, compared, restored with its comments', async (t) => {
    if (!(await announced(t, 'versions'))) return;
    await go(`/workflows/${id}?view=builder&step=one`);
    await field('message').getByRole('textbox').fill('second');
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    await page.getByRole('tab', { name: /^Versions/ }).click();
    await page.getByRole('region', { name: 'What differs' }).locator('.cm-changedLine').first().waitFor();
    await page.getByRole('button', { name: /^v1\b/ }).click();
    await page.getByRole('button', { name: 'Restore v1' }).click();
    await page.getByRole('button', { name: 'Restore version 1' }).click();
    await page.getByText('Version 1 restored').waitFor();
    const y = (await call(page, `/api/workflows/workflow/${id}`)).body.yaml;
    assert.match(y, /^# first\n/);
    assert.match(y, /message: first/);
  });
  test('rerun from a step: a new execution, linked both ways', async (t) => {
    if (!(await announced(t, 'rerun'))) return;
    const run = (await call(page, `/api/workflows/workflow/${id}/run`, { inputs: {} })).body.workflowExecutionId;
    await waitFor('the run is done', async () => (await call(page, `/api/workflows/executions/${run}`)).body.status === 'completed');
    if (!REAL) return;
    await go(`/executions/${run}`);
    await page.getByRole('row', { name: /two/ }).first().click();
    await page.getByRole('button', { name: 'Rerun', exact: true }).click();
    await page.getByRole('menuitem', { name: /From here: two/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Rerun from two' }).click();
    await page.waitForURL((u) => u.pathname.startsWith('/executions/') && !u.pathname.endsWith(run));
    await page.getByText('Rerun of').waitFor();
  });
  test('a form in the inbox goes to the step as its output', async (t) => {
    if (!REAL || !(await announced(t, 'input_forms'))) return;
    const w = await call(page, '/api/workflows/workflow', { yaml: `name: ui-input-${tag}\ndescription: made by the UI test\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: ask\n    type: waitForInput\n    with:\n      message: "UI test ${tag}: block it?"\n      schema:\n        required: [decision]\n        properties:\n          decision: { type: string, enum: [block, ignore] }\n          note: { type: string }\n  - name: note\n    type: console\n    with:\n      message: "{{ steps.ask.output.response.decision }}"\n` });
    assert.ok(w.status < 300, JSON.stringify(w));
    const run = (await call(page, `/api/workflows/workflow/${encodeURIComponent(w.body.id)}/run`, { inputs: {} })).body.workflowExecutionId;
    const a = await waitFor('the question', async () => (await call(page, '/api/watchfire/approvals')).body.approvals.find((x) => x.question.includes(tag)));
    await page.setViewportSize({ width: 390, height: 844 });
    await go(`/approvals/${a.id}`);
    await page.locator('[data-field="decision"]').getByText('block').click();
    await page.getByRole('button', { name: /^Send the answer/ }).click();
    await waitFor('the run goes on', async () => (await call(page, `/api/workflows/executions/${run}`)).body.status === 'completed');
    const e = (await call(page, `/api/workflows/executions/${run}?includeOutput=true`)).body;
    assert.equal(e.stepExecutions.find((x) => x.stepId === 'ask').output.response.decision, 'block');
    await page.setViewportSize({ width: 1440, height: 900 });
  });
});

test('the page threw nothing on the way', () => {
  assert.deepEqual(problems, []);
});
