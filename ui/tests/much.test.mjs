// A real server with much in it: 10,000 rows, very long names, a YAML that is wrong, and a way through it with the keyboard alone.
// Needs WATCHFIRE_BIN: the server is this test's own, so that nobody else's lists are full. SHOTS=folder keeps pictures.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { axe, call, launch, ownServer, PASSWORD, patience, settle, signIn, USER, waitFor } from './lib.mjs';

const skip = process.env.WATCHFIRE_BIN ? false : 'needs WATCHFIRE_BIN';
const SHOTS = process.env.SHOTS || null;
const ROWS = 10_000, BULK = 2_500;
const problems = [];
let own, ctx, page;

before(async () => {
  if (skip) return;
  own = await ownServer();
  ctx = await launch();
  page = ctx.pages()[0];
  page.on('pageerror', (e) => problems.push(`page error: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/the server responded with a status of|ERR_/.test(m.text())) problems.push(`console: ${m.text()}`); });
  await signIn(page, own.url, '/alerts');
});
after(async () => {
  await ctx?.close();
  await own?.close();
});

const go = async (path) => {
  await page.goto(own.url + path);
  await settle(page);
};
const get = async (path) => (await call(page, path)).body;
const seen = async (name) => {
  assert.deepEqual(await axe(page, name), []);
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
};
const bulk = async (documents) => {
  const body = documents.map((d) => `${JSON.stringify({ create: {} })}\n${JSON.stringify(d)}\n`).join('');
  const r = await fetch(`${own.es}/logs-much-default/_bulk`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson', authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}` }, body });
  assert.equal(r.status, 200);
  assert.equal((await r.json()).errors, false);
};
/** What lies outside the window to the right where nothing scrolls to it: anything that is cut off there if one works with it, else what nobody cuts. */
const outside = () => page.evaluate(() => [...document.querySelectorAll('body *')].filter((e) => {
  const r = e.getBoundingClientRect();
  if (r.width === 0 || r.right <= innerWidth + 1 || getComputedStyle(e).position === 'absolute') return false;
  const works = e.matches('button, a, input, textarea, select, [tabindex]');
  for (let p = e; p; p = p.parentElement) {
    if (p.classList.contains('visually-hidden')) return false;
    const o = getComputedStyle(p).overflowX;
    if (p !== e && (/auto|scroll/.test(o) || (!works && /hidden|clip/.test(o))) && p.getBoundingClientRect().right <= innerWidth + 1) return false;
  }
  return true;
}).map((e) => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`).slice(0, 5));

describe('10,000 rows', { skip }, () => {
  test('so many events of a rule are so many alerts', async () => {
    const rule = await call(page, '/api/detection_engine/rules', { type: 'query', name: 'Much', description: 'made by the UI test', risk_score: 47, severity: 'medium', query: 'process.name: "much.exe"', language: 'kuery', index: ['logs-*'], max_signals: ROWS, enabled: true });
    assert.equal(rule.status, 200, JSON.stringify(rule.body));
    const began = Date.now();
    for (let i = 0; i < ROWS; i += BULK) await bulk(Array.from({ length: BULK }, (_, k) => ({ '@timestamp': new Date().toISOString(), event: { category: ['process'], type: ['start'], kind: 'event' }, host: { name: `host-${i + k}` }, user: { name: 'ui.test' }, process: { name: 'much.exe' } })));
    await waitFor(`${ROWS} alerts`, async () => (await get('/api/watchfire/alerts/queue?view=all&group=none')).total >= ROWS, 120_000);
    console.log(`# ${ROWS} events to alerts: ${Date.now() - began} ms`);
  });
  for (const [what, path] of [['each on its own', '/alerts?group=none'], ['in groups', '/alerts']]) {
    test(`${what}: few nodes, small answers, to the end and back by the keyboard`, async () => {
      const sizes = [];
      const note = async (r) => { if (/alerts\/queue/.test(r.url())) sizes.push((await r.body().catch(() => Buffer.alloc(0))).length); };
      page.on('response', note);
      const began = Date.now();
      await go(path);
      await page.locator('.grid-row').first().waitFor();
      console.log(`# queue with ${ROWS} alerts, ${what}, on screen: ${Date.now() - began} ms`);
      const nodes = async () => assert.ok(await page.locator('.grid-row').count() <= 40, `${await page.locator('.grid-row').count()} rows in the DOM`);
      await nodes();
      assert.ok(sizes.length > 0 && sizes.every((n) => n < 150_000), `${sizes} bytes`);
      if (what === 'each on its own') {
        const grid = page.locator('[role="treegrid"]');
        await waitFor('more is asked for', async () => { await grid.evaluate((e) => { e.scrollTop = e.scrollHeight; }); return sizes.length > 4; }, 20_000 * patience);
        await nodes();
        await grid.evaluate((e) => { e.scrollTop = 0; });
        await page.keyboard.press('j');
        await page.keyboard.press('j');
        await page.locator('.grid-row[aria-selected="true"], .grid-row[aria-current="true"], .grid-row:focus, .grid-row.cursor').first().waitFor();
      }
      page.off('response', note);
      await seen(`rows-${what.replaceAll(' ', '-')}`);
    });
  }
});

describe('very long names', { skip }, () => {
  const long = `Containment of ${'workstations-and-servers-of-the-northern-branches-'.repeat(4)}`.slice(0, 180);
  const word = 'x'.repeat(150);
  let workflow, execution, kase;
  test('a workflow, its run, its question and a case with names that do not end', async () => {
    const made = await call(page, '/api/workflows/workflow', { yaml: `name: "${long}"\ndescription: "${word}"\nenabled: true\ntags: ["${word.slice(0, 60)}"]\ntriggers:\n  - type: manual\nsteps:\n  - name: ${word.slice(0, 120)}\n    type: console\n    with:\n      message: ${word}\n  - name: ask\n    type: waitForApproval\n    with:\n      message: "${long} ${word}?"\n      approveLabel: "${long.slice(0, 60)}"\n      rejectLabel: "${word.slice(0, 30)}"\n` });
    assert.ok(made.status < 300 && made.body.valid, JSON.stringify(made.body));
    workflow = encodeURIComponent(made.body.id);
    execution = (await call(page, `/api/workflows/workflow/${workflow}/run`, { inputs: {} })).body.workflowExecutionId;
    const c = await call(page, '/api/cases', { title: `${word}-case`.slice(0, 155), description: word.repeat(20), tags: [word], owner: 'securitySolution', connector: { id: 'none', name: 'none', type: '.none', fields: null }, settings: { syncAlerts: false } });
    assert.equal(c.status, 200, JSON.stringify(c.body));
    kase = c.body.id;
    await waitFor('the question', async () => (await get(`/api/watchfire/approvals?execution=${execution}`)).approvals[0]);
  });
  for (const [size, width, height] of [['desk', 1440, 900], ['phone', 390, 844]]) {
    test(`nothing hangs over the edge, ${size}`, async () => {
      await page.setViewportSize({ width, height });
      const question = (await get(`/api/watchfire/approvals?execution=${execution}`)).approvals[0].id;
      const pages = [['workflows', '/workflows'], ['workflow', `/workflows/${workflow}`], ['executions', '/executions'], ['execution', `/executions/${execution}`], ['approvals', '/approvals'], ['approval', `/approvals/${question}`], ['cases', '/cases?status=all'], ['case', `/cases/${kase}`]];
      for (const [name, path] of pages) {
        await go(path);
        await waitFor(`${name} shows it`, () => page.evaluate(([a, b]) => { const t = document.body.innerText; return t.includes(a) || t.includes(b); }, [long.slice(0, 20), word.slice(0, 10)]));
        await seen(`long-${name}-${size}`);
        assert.deepEqual(await outside(), [], `${name} at ${width} px`);
      }
      await page.setViewportSize({ width: 1440, height: 900 });
    });
  }
});

describe('a YAML that is wrong', { skip }, () => {
  let id;
  test('each mistake shows where it is while one writes; saved with it the workflow is off, put right it is on again', async () => {
    const yaml = 'name: wrong-later\ndescription: made by the UI test\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: one\n    type: console\n    with:\n      message: hello\n';
    id = (await call(page, '/api/workflows/workflow', { yaml })).body.id;
    await go(`/workflows/${id}`);
    await page.locator('.cm-content').waitFor();
    await page.getByText('valid', { exact: true }).waitFor();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.insertText('  - name: bad\n    type: no.such\n');
    await page.locator('.problem', { hasText: /no\.such/ }).first().waitFor();
    await page.locator('.diag-block, .cm-lintRange-error, .cm-lintPoint-error').first().waitFor();
    await seen('yaml-unknown-step');
    await page.keyboard.press('Control+s');
    await page.getByText('Saved with errors, so it is disabled').waitFor();
    let w = await get(`/api/workflows/workflow/${id}`);
    assert.deepEqual([w.enabled, w.valid], [false, false]);
    // It stays off, and says so, when it is asked to run.
    const ran = await call(page, `/api/workflows/workflow/${id}/run`, { inputs: {} });
    assert.equal(ran.status, 400, JSON.stringify(ran.body));
    // No YAML at all any more: the text stays, the place is named, nothing is lost.
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.insertText('  - name: "never closed\n  }{ : :\n');
    await waitFor('a problem of the text itself', async () => (await page.locator('.problem').count()) > 0 && (await page.locator('.problem').allInnerTexts()).some((t) => !/no\.such/.test(t)));
    assert.match(await page.locator('.cm-content').innerText(), /never closed/);
    await seen('yaml-broken');
    // Put right: on again.
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(yaml);
    await page.getByText('valid', { exact: true }).waitFor();
    await page.keyboard.press('Control+s');
    await waitFor('it is saved', async () => { w = await get(`/api/workflows/workflow/${id}`); return w.valid; });
    assert.equal(w.yaml, yaml);
  });
});

describe('with the keyboard alone', { skip }, () => {
  // A switch or a radio draws its ring on what stands beside it.
  const focused = () => page.evaluate(() => {
    const a = document.activeElement;
    const all = /radio|checkbox/.test(a.type) ? [a, a.nextElementSibling, ...(a.labels ?? [])].filter(Boolean) : [a];
    const ring = (e) => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; };
    const shown = (e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
    return { tag: a.tagName, text: (a.getAttribute('aria-label') ?? a.textContent ?? '').trim().slice(0, 40), shown: all.some(shown), ring: all.some(ring) || a.closest('.cm-editor, .wf-row, .mantine-Input-wrapper') !== null };
  });
  test('what has the focus is seen, on every stop of the walk', async () => {
    for (const path of ['/alerts', '/approvals', '/executions', '/workflows', '/rules', '/settings/me']) {
      await go(path);
      const stops = [];
      for (let i = 0; i < 25; i++) {
        await page.keyboard.press('Tab');
        const f = await focused();
        if (f.tag === 'BODY') break;
        stops.push(f);
      }
      assert.ok(stops.length >= 5, `${path}: ${JSON.stringify(stops)}`);
      assert.deepEqual(stops.filter((f) => !f.shown || !f.ring), [], path);
    }
  });
  test('from the palette to a workflow, run it, answer its question: no mouse', async () => {
    const made = await call(page, '/api/workflows/workflow', { yaml: 'name: keys-alone\ndescription: made by the UI test\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: ask\n    type: waitForApproval\n    timeout: 30m\n    with:\n      message: "Keys alone: go on?"\n  - name: note\n    type: console\n    with:\n      message: went on\n' });
    assert.ok(made.status < 300, JSON.stringify(made.body));
    await go('/alerts');
    await page.keyboard.press('Control+k');
    await page.getByPlaceholder('Search or run…').waitFor();
    await page.keyboard.type('keys-alone');
    await page.locator('.pal-group', { hasText: 'Found' }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/workflows\/keys-alone/);
    const run = (await call(page, '/api/workflows/workflow/keys-alone/run', { inputs: {} })).body.workflowExecutionId;
    const question = (await waitFor('the question', async () => (await get(`/api/watchfire/approvals?execution=${run}`)).approvals[0])).id;
    await page.keyboard.press('Escape');
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press('g');
    await page.keyboard.press('p');
    await page.waitForURL(/\/approvals/);
    // Down the list to it, then the answer.
    for (let i = 0; i < 20 && !page.url().includes(question); i++) {
      if (await page.getByRole('heading', { level: 1, name: 'Keys alone: go on?' }).count()) break;
      await page.keyboard.press('j');
      await settle(page, 100);
    }
    await page.getByRole('heading', { level: 1, name: 'Keys alone: go on?' }).waitFor();
    await page.keyboard.press('Shift+A');
    await waitFor('the run goes on', async () => (await get(`/api/workflows/executions/${run}`)).status === 'completed');
    // Its waterfall, up to what started it.
    await go(`/executions/${run}`);
    await page.getByRole('row', { name: /note/ }).first().waitFor();
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowUp');
    await page.waitForURL(/step=trigger/);
    await page.getByRole('complementary', { name: 'Step' }).getByRole('heading', { name: 'Event' }).waitFor();
    await seen('trigger');
    // A test of unsaved text says what it was a test of.
    const test = (await call(page, '/api/workflows/test', { workflowId: 'keys-alone', workflowYaml: 'name: keys-alone\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: other\n    type: console\n    with:\n      message: unsaved\n', inputs: {} })).body.workflowExecutionId;
    await go(`/executions/${test}`);
    await page.locator('.fact-bar').getByText('Of unsaved text of').waitFor();
    await page.locator('.fact-bar').getByRole('link', { name: 'keys-alone' }).waitFor();
  });
});

test('the page threw nothing on the way', { skip }, () => {
  assert.deepEqual(problems, []);
});
