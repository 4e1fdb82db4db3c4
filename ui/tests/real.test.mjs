// Issue 4 against a real server alone, with a real outside: a listener of this test that steps call, so that "nothing was sent" is counted and not believed.
// Needs WATCHFIRE_URL and WATCHFIRE_TEST_HTTP (an address the server may send to; scripts/with-demo sets both).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { call, open, ownServer, REAL, settle, signIn, waitFor } from './lib.mjs';

const AT = process.env.WATCHFIRE_TEST_HTTP || null;
const skip = REAL && AT ? false : 'needs a real server and WATCHFIRE_TEST_HTTP';
const tag = Date.now().toString(36);
const problems = [];
let s, ctx, page, outside;
/** What reached the outside, by path; what to hold back until it is let go; what to refuse first. */
const got = new Map(), held = new Map(), flaky = new Map();
const count = (path) => got.get(path)?.length ?? 0;
const letGo = (path) => { for (const f of held.get(path) ?? []) f(); held.delete(path); };

before(async () => {
  if (skip) return;
  outside = createServer((req, res) => {
    const body = [];
    req.on('data', (c) => body.push(c));
    req.on('end', () => {
      const path = new URL(req.url, 'http://x').pathname;
      got.set(path, [...(got.get(path) ?? []), { method: req.method, body: Buffer.concat(body).toString() }]);
      const send = (status, v) => { res.writeHead(status, { 'content-type': 'application/json' }); res.end(JSON.stringify(v)); };
      const left = flaky.get(path) ?? 0;
      if (left > 0) { flaky.set(path, left - 1); return send(503, { error: 'not now' }); }
      const answer = () => send(200, { path, nth: count(path), word: `answer-${tag}` });
      if (held.has(path)) return void held.get(path).push(answer);
      answer();
    });
  });
  const [host, port] = AT.split(':');
  await new Promise((ok, no) => { outside.once('error', no); outside.listen(Number(port), host, ok); });
  ({ s, ctx, page } = await open(problems));
  await signIn(page, s.url, '/workflows');
});
after(async () => {
  for (const path of [...held.keys()]) letGo(path);
  await ctx?.close();
  await s?.close();
  if (outside) await new Promise((ok) => { outside.closeAllConnections(); outside.close(ok); });
});

const go = async (path) => {
  await page.goto(s.url + path);
  await settle(page);
};
const node = (id) => page.locator(`.react-flow__node[data-id="${id}"]`);
const field = (name) => page.locator(`.form-pane [data-field="${name}"]`);
const row = (name) => page.getByRole('table', { name: 'Steps and when they ran' }).getByRole('row').filter({ hasText: name }).first();
const inspector = () => page.getByRole('complementary', { name: 'Step' });
const chip = (text) => page.locator('.page-head .chip', { hasText: text });
const here = () => decodeURIComponent(new URL(page.url()).pathname.split('/').pop());
const get = async (path) => (await call(page, path)).body;
const make = async (yaml) => {
  const r = await call(page, '/api/workflows/workflow', { yaml });
  assert.ok(r.status < 300 && r.body.valid, JSON.stringify(r.body));
  return encodeURIComponent(r.body.id);
};
const run = async (id, inputs = {}) => (await call(page, `/api/workflows/workflow/${id}/run`, { inputs })).body.workflowExecutionId;
const ended = (id) => waitFor(`run ${id} ends`, async () => { const e = await get(`/api/workflows/executions/${id}?includeInput=true&includeOutput=true`); return ['completed', 'failed', 'cancelled', 'timed_out'].includes(e.status) ? e : null; });
const head = (name, triggers = '  - type: manual') => `# kept: ${tag}\nname: ${name}\ndescription: made by the UI test\nenabled: true\ntriggers:\n${triggers}\nsteps:\n`;
const http = (name, path, more = '') => `  - name: ${name}\n    type: http\n    with:\n      url: "http://${AT}${path}"\n      method: POST\n      body: { from: "${name}" }\n${more}`;
const note = (name, message) => `  - name: ${name}\n    type: console\n    with:\n      message: "${message}"\n`;

test('what the real server announces is what this file tries', { skip }, async () => {
  const f = (await get('/api/watchfire/me')).features;
  for (const name of ['dry_run', 'step_test', 'rerun', 'input_forms', 'versions']) assert.equal(f[name], true, name);
});

describe('try without effect', { skip }, () => {
  let id;
  test('unsaved text: everything is rendered, nothing reaches the outside; for real it does', async () => {
    id = await make(`${head(`ui-real-dry-${tag}`)}${http('call', '/dry')}${note('tell', 'said {{ steps.call.output.data.word }}')}`);
    await go(`/workflows/${id}?view=builder&step=tell`);
    await field('message').getByRole('textbox').fill('unsaved words');
    await page.locator('.page-head').getByRole('button', { name: 'Try without effect' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Try without effect', exact: true }).last().click();
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.waitForURL(/\/executions\//);
    await chip('tried without effect').waitFor();
    await chip('completed').waitFor();
    await page.getByText('Nothing was sent.').waitFor();
    await row('call').click();
    await inspector().getByText('What would be sent').waitFor();
    assert.match(await inspector().innerText(), new RegExp(`${AT.replace('.', '\\.')}/dry`));
    await page.getByRole('region', { name: 'Effects' }).getByText('not sent').first().waitFor();
    const tried = await ended(here());
    assert.equal(tried.isTestRun, true);
    assert.equal(tried.watchfire.dry_run, true);
    assert.match(tried.yaml, /unsaved words/);
    assert.equal(count('/dry'), 0, 'the outside heard nothing');
    // The same text for real: this is what the count would show.
    const real = await ended(await run(id));
    assert.equal(real.status, 'completed', JSON.stringify(real.error));
    assert.equal(count('/dry'), 1);
    // The list shows what ran for real, and tests when they are asked for.
    await go('/executions');
    await page.getByRole('grid', { name: 'Executions' }).getByRole('row').filter({ hasText: `ui-real-dry-${tag}` }).first().waitFor();
    assert.equal(await page.locator('.chip', { hasText: 'without effect' }).count(), 0);
    await page.getByRole('switch', { name: 'Tests too' }).click();
    await page.locator('.chip', { hasText: 'without effect' }).first().waitFor();
  });
  test('one step alone: what acts is not sent, what does not is run', async () => {
    await go(`/workflows/${id}?view=builder&step=call`);
    await page.getByRole('button', { name: 'Test step, without effect' }).click();
    await page.getByText('tested just now').waitFor();
    await page.getByText('What would be sent').waitFor();
    assert.equal(count('/dry'), 1);
    await node('tell').click();
    await page.getByRole('button', { name: 'Test step', exact: true }).click();
    await page.getByText('tested just now').waitFor();
    // The sample is the real run before: its answer is what the step reads.
    await page.locator('.form-pane').getByText(`said answer-${tag}`).first().waitFor();
    assert.equal(count('/dry'), 1);
  });
});

describe('the waterfall, live', { skip }, () => {
  let id, execution;
  test('retries, what goes on, inputs and outputs, without a reload', async () => {
    flaky.set('/flaky', 2);
    held.set('/slow', []);
    id = await make(`${head(`ui-real-live-${tag}`)}${http('flaky', '/flaky', '    on-failure:\n      retry:\n        max-attempts: 4\n        delay: 1s\n')}${http('slow', '/slow')}${note('tell', 'after {{ steps.slow.output.data.word }}')}`);
    await go(`/workflows/${id}`);
    await page.getByRole('button', { name: /^Run…/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('For real', { exact: true }).click();
    const sure = dialog.getByRole('checkbox');
    if (await sure.count()) await sure.check();
    await dialog.getByRole('button', { name: /^Run ui-real-live/ }).click();
    await page.waitForURL(/\/executions\//);
    execution = here();
    await page.evaluate(() => { window.__same = true; });
    // It runs: the held call is on its way, what comes after it is drawn as to come.
    await waitFor('the held call is on its way', () => count('/slow') === 1);
    await row('slow').getByRole('img', { name: 'running' }).waitFor();
    await row('tell').getByRole('img', { name: 'to come' }).waitFor();
    await row('flaky').locator('.attempt-n').nth(2).waitFor();
    letGo('/slow');
    await chip('completed').waitFor();
    await row('tell').getByRole('img', { name: 'completed' }).waitFor();
    assert.equal(await page.evaluate(() => window.__same), true, 'it was not loaded anew');
    assert.equal(count('/flaky'), 3);
    await row('flaky').click();
    await page.getByRole('tab', { name: 'Attempts 3' }).click();
    await inspector().getByText('Attempt 3').waitFor();
    assert.equal(await inspector().getByText(/Next try after/).count(), 2);
    await page.getByRole('tab', { name: 'Output' }).click();
    await inspector().getByText(`answer-${tag}`).first().waitFor();
    await page.getByRole('tab', { name: 'Input' }).click();
    await inspector().getByText(`${AT}/flaky`).first().waitFor();
    // What started it stands above the steps.
    await row('trigger').click();
    await inspector().getByRole('heading', { name: 'Event' }).waitFor();
    assert.match(await inspector().innerText(), /trigger · manual/);
  });
  test('rerun from a step: what was before is kept and not sent again; linked both ways', async () => {
    await go(`/executions/${execution}`);
    await row('slow').click();
    await page.getByRole('button', { name: 'Rerun from here…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('the outputs of 1 step: flaky').waitFor();
    await dialog.getByRole('button', { name: 'Rerun from slow' }).click();
    await page.waitForURL((u) => u.pathname.startsWith('/executions/') && !u.pathname.endsWith(execution));
    await chip('completed').waitFor();
    const again = here();
    assert.deepEqual([count('/flaky'), count('/slow')], [3, 2], 'only what stands behind was sent again');
    await page.getByText('Rerun of').waitFor();
    await page.locator('.fact-bar').getByRole('link', { name: `…${execution.slice(-6)}` }).click();
    await page.waitForURL((u) => u.pathname.endsWith(execution));
    await page.getByText('Rerun as').waitFor();
    await page.locator('.fact-bar').getByRole('link', { name: `…${again.slice(-6)}` }).waitFor();
    const e = await get(`/api/workflows/executions/${again}`);
    assert.equal(e.watchfire.rerun_of, execution);
  });
  test('rerun from the start runs all of it', async () => {
    await go(`/executions/${execution}`);
    await page.getByRole('button', { name: 'Rerun', exact: true }).click();
    await page.getByRole('menuitem', { name: 'From the start, same input' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Rerun', exact: true }).click();
    await page.waitForURL((u) => u.pathname.startsWith('/executions/') && !u.pathname.endsWith(execution));
    await chip('completed').waitFor();
    assert.deepEqual([count('/flaky'), count('/slow')], [4, 3]);
    await page.getByText('Rerun of').waitFor();
  });
});

describe('a workflow that calls another', { skip }, () => {
  test('it is picked from the list, its inputs are a form, and the run hands them over', async () => {
    const child = await make(`name: ui-real-child-${tag}\ndescription: made by the UI test\nenabled: true\ntriggers:\n  - type: manual\ninputs:\n  required: [host]\n  properties:\n    host: { type: string, title: Which host }\n    mode: { type: string, enum: [look, act], default: look }\noutputs:\n  properties:\n    said: { type: string }\nsteps:\n${note('say', '{{ inputs.mode }} at {{ inputs.host }}')}  - name: out\n    type: workflow.output\n    with:\n      said: "{{ inputs.mode }} at {{ inputs.host }}"\n`);
    const id = await make(`${head(`ui-real-parent-${tag}`)}${note('first', 'hello')}`);
    await go(`/workflows/${id}?view=builder&step=first`);
    await node('first').waitFor();
    await page.getByRole('button', { name: 'Add a step after first' }).click();
    await page.getByRole('combobox', { name: 'Search step types' }).fill('workflow.execute');
    await page.getByRole('option', { name: /^workflow\.execute no effect/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('textbox', { name: 'Name of the step' }).waitFor();
    await field('workflow-id').getByRole('combobox').or(field('workflow-id').getByRole('textbox')).first().click();
    await page.getByRole('option', { name: `ui-real-child-${tag}` }).click();
    await field('host').getByRole('textbox').fill('ws-42');
    await field('mode').getByText('act', { exact: true }).click();
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    const w = await get(`/api/workflows/workflow/${id}`);
    assert.equal(w.valid, true, JSON.stringify(w.validationErrors));
    assert.match(w.yaml, new RegExp(`workflow-id: "?${child}"?`));
    const e = await ended(await run(id));
    assert.equal(e.status, 'completed', JSON.stringify(e.error));
    assert.match(JSON.stringify(e.stepExecutions.find((x) => x.stepType === 'workflow.execute').output), /act at ws-42/);
  });
  test('what the child needs and does not get fails the step that calls, with the name of the input', async () => {
    const child = `ui-real-child-${tag}`;
    const id = await make(`${head(`ui-real-lacks-${tag}`)}  - name: call\n    type: workflow.execute\n    with:\n      workflow-id: ${child}\n      inputs: {}\n`);
    const e = await ended(await run(id));
    assert.equal(e.status, 'failed');
    assert.match(e.error.message, /host/);
    const children = await get(`/api/workflows/executions/${e.id}/children`);
    assert.equal(children.total, 0, 'it was not started');
  });
});

describe('a form of a step, answered', { skip }, () => {
  test('in the inbox: the schema is the form, the answer is shown afterwards and goes on as output', async () => {
    const id = await make(`${head(`ui-real-input-${tag}`)}  - name: ask\n    type: waitForInput\n    with:\n      message: "Real ${tag}: what now?"\n      schema:\n        required: [decision, minutes]\n        properties:\n          decision: { type: string, enum: [block, ignore] }\n          minutes: { type: integer, minimum: 1, maximum: 60 }\n          note: { type: string }\n${note('tell', '{{ steps.ask.output.response.decision }} for {{ steps.ask.output.response.minutes }}')}`);
    const execution = await run(id);
    await go(`/executions/${execution}`);
    await page.getByRole('button', { name: /^Open the approval/ }).click();
    await page.getByRole('heading', { level: 1, name: `Real ${tag}: what now?` }).waitFor();
    await page.getByRole('button', { name: /^Send the answer/ }).click();
    await page.getByText(/not right yet\. Nothing was sent/).waitFor();
    await page.locator('[data-field="decision"]').getByText('block').click();
    await page.locator('[data-field="minutes"]').getByRole('textbox').fill('15');
    await page.getByRole('button', { name: /^Send the answer/ }).click();
    await page.locator('.chip', { hasText: 'answered' }).first().waitFor();
    await page.getByRole('heading', { name: 'What was answered' }).waitFor();
    await page.locator('.decision').getByText('block').first().waitFor();
    const e = await ended(execution);
    assert.equal(e.status, 'completed', JSON.stringify(e.error));
    assert.deepEqual(e.stepExecutions.find((x) => x.stepId === 'ask').output.response, { decision: 'block', minutes: 15 });
  });
});

describe('versions', { skip }, () => {
  test('saved from the form, marked in the diff, restored with its comments', async () => {
    const id = await make(`${head(`ui-real-versions-${tag}`)}${note('one', 'as it was')}`);
    await go(`/workflows/${id}?view=builder&step=one`);
    await field('message').getByRole('textbox').fill('as it is now');
    // With the keyboard, the field still has the focus: what stands in it is saved.
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    assert.match((await get(`/api/workflows/workflow/${id}`)).yaml, /message: "as it is now"/);
    await page.getByRole('tab', { name: /^Versions/ }).click();
    await page.getByRole('region', { name: 'What differs' }).locator('.cm-changedLine, .cm-changedText').first().waitFor();
    await page.getByRole('button', { name: /^v1\b/ }).click();
    await page.getByRole('button', { name: 'Restore v1' }).click();
    await page.getByRole('button', { name: 'Restore version 1' }).click();
    await page.getByText('Version 1 restored').waitFor();
    const w = await get(`/api/workflows/workflow/${id}`);
    assert.equal(w.version, 3);
    assert.ok(w.yaml.startsWith(`# kept: ${tag}\n`), w.yaml);
    assert.match(w.yaml, /message: "as it was"/);
  });
});

test('a part of the page that does not arrive is asked for again, and what was written stays', { skip }, async () => {
  const id = await make(`${head(`ui-real-part-${tag}`)}${note('one', 'first')}`);
  let lost = 0;
  const lose = (r) => (lost++ < 2 ? r.abort() : r.continue());
  await page.route(/\/assets\/GraphView-.*\.js/, lose);
  await page.goto(`${s.url}/workflows/${id}?view=builder&step=one`);
  await field('message').getByRole('textbox').fill('written before the graph was there');
  await node('one').waitFor();
  assert.ok(lost >= 2, 'it was lost twice');
  assert.equal(await field('message').getByRole('textbox').inputValue(), 'written before the graph was there');
  await page.unroute(/\/assets\/GraphView-.*\.js/, lose);
  await page.keyboard.press('Control+s');
  await page.getByText('Workflow saved').waitFor();
});

describe('a server that goes away in the middle of a run', { skip: skip || (process.env.WATCHFIRE_BIN ? false : 'needs WATCHFIRE_BIN') }, () => {
  let own;
  before(async () => { own = await ownServer(AT); });
  after(() => own?.close());
  test('the page says so, loses nothing that was written, and shows the end when the server is back', async () => {
    await signIn(page, own.url, '/workflows');
    const id = await make(`${head(`ui-real-away-${tag}`)}${note('one', 'first')}  - name: pause\n    type: wait\n    with:\n      duration: 2s\n${note('two', 'after it came back')}`);
    const execution = await run(id);
    await page.goto(`${own.url}/executions/${execution}`);
    await row('pause').waitFor();
    await page.evaluate(() => { window.__same = true; });
    await own.kill();
    await page.locator('.stale', { hasText: 'Not live since' }).waitFor();
    await row('pause').waitFor();
    await own.start();
    await chip('completed').waitFor();
    await page.locator('.stale').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => window.__same), true, 'it was not loaded anew');
    const e = await ended(execution);
    assert.deepEqual(e.stepExecutions.map((x) => [x.stepId, x.status]), [['one', 'completed'], ['pause', 'completed'], ['two', 'completed']]);
    // What is written while it is away stays, with the reason.
    await page.goto(`${own.url}/workflows/${id}?view=builder&step=two`);
    await node('two').waitFor();
    await field('message').getByRole('textbox').fill('written while nobody listened');
    await own.kill();
    await page.keyboard.press('Control+s');
    await page.getByText('Not saved: the server did not answer').waitFor();
    assert.equal(await field('message').getByRole('textbox').inputValue(), 'written while nobody listened');
    await own.start();
    await page.keyboard.press('Control+s');
    await page.getByText('Workflow saved').waitFor();
    assert.match((await get(`/api/workflows/workflow/${id}`)).yaml, /written while nobody listened/);
  });
});

test('the page threw nothing on the way', { skip }, () => {
  assert.deepEqual(problems, []);
});
