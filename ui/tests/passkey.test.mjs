// Approvals against a server of its own, at the desk and at 390 px, plain and with a software passkey; what was signed is verified offline.
// Needs WATCHFIRE_BIN and WATCHFIRE_TEST_HTTP (where this test listens as the outside that steps call; scripts/with-demo sets both). SHOTS=folder keeps pictures.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { axe, call, launch, ownServer, PASSWORD, settle, signIn, USER, waitFor } from './lib.mjs';

const AT = process.env.WATCHFIRE_TEST_HTTP || null;
const BIN = process.env.WATCHFIRE_BIN || null;
const SHOTS = process.env.SHOTS || null;
const skip = BIN && AT ? false : 'needs WATCHFIRE_BIN and WATCHFIRE_TEST_HTTP';
const DESK = { width: 1440, height: 900 }, PHONE = { width: 390, height: 844 };
const problems = [];
/** What reached the outside: method and path, in order. */
const got = [];
const count = (what) => got.filter((x) => x === what).length;
let own, url, ctx, page, cdp, authenticator, outside;

before(async () => {
  if (skip) return;
  outside = createServer((req, res) => {
    req.resume();
    req.on('end', () => {
      got.push(`${req.method} ${new URL(req.url, 'http://x').pathname}`);
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end('{"ok":true}');
    });
  });
  const [host, port] = AT.split(':');
  await new Promise((ok, no) => { outside.once('error', no); outside.listen(Number(port), host, ok); });
  own = await ownServer(AT);
  // Browsers have no passkeys for addresses.
  url = own.url.replace('127.0.0.1', 'localhost');
  ctx = await launch();
  page = ctx.pages()[0];
  page.on('pageerror', (e) => problems.push(`page error: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/the server responded with a status of|ERR_/.test(m.text())) problems.push(`console: ${m.text()}`); });
  cdp = await ctx.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  ({ authenticatorId: authenticator } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } }));
  await signIn(page, url, '/workflows');
});
after(async () => {
  await ctx?.close();
  await own?.close();
  if (outside) await new Promise((ok) => { outside.closeAllConnections(); outside.close(ok); });
});

const get = async (path) => (await call(page, path)).body;
const seen = async (name) => {
  assert.deepEqual(await axe(page, name), []);
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
};
const cli = (...args) => new Promise((ok) => execFile(BIN, args, { env: { ...process.env, WATCHFIRE_URL: own.url, WATCHFIRE_USER: USER, WATCHFIRE_PASSWORD: PASSWORD } }, (e, out, err) => ok({ code: e ? e.code : 0, out: out + err })));
const yaml = (name, keys, path) => `name: ${name}\ndescription: made by the UI test\nenabled: true\ntriggers:\n  - type: manual\nsteps:\n  - name: ask\n    type: waitForApproval\n    timeout: 30m\n${keys}    with:\n      message: "Take ann's account away?"\n      approveLabel: Approve\n  - name: remove\n    type: http\n    with:\n      method: DELETE\n      url: "http://${AT}${path}"\n`;
/** Starts a workflow that asks before it deletes; its run and its question. */
const asks = async (name, keys, path) => {
  const known = await call(page, `/api/workflows/workflow/${name}`);
  const made = known.status === 200 ? known : await call(page, '/api/workflows/workflow', { yaml: yaml(name, keys, path) });
  assert.ok(made.status < 300 && made.body.valid, JSON.stringify(made.body));
  const run = (await call(page, `/api/workflows/workflow/${encodeURIComponent(made.body.id)}/run`, { inputs: {} })).body.workflowExecutionId;
  const question = await waitFor('the question', async () => (await get(`/api/watchfire/approvals?execution=${run}`)).approvals[0]);
  return { run, id: question.id, path: `/api/watchfire/approvals/${question.id}` };
};
const show = async (id) => {
  await page.goto(`${url}/approvals/${id}`);
  await page.getByRole('heading', { level: 1, name: "Take ann's account away?" }).waitFor();
  await settle(page);
};
const decideBar = () => page.getByRole('toolbar', { name: 'Decide' });
const withPasskey = () => decideBar().getByRole('button', { name: /^Approve with passkey/ });
const goesOn = async (run) => {
  const e = await waitFor(`run ${run} ends`, async () => { const x = await get(`/api/workflows/executions/${run}`); return ['completed', 'failed', 'cancelled', 'timed_out'].includes(x.status) ? x : null; });
  assert.equal(e.status, 'completed', JSON.stringify(e.error));
};
/** On a phone: nothing hangs over the edge, and what is tapped is large enough. */
const fits = async () => {
  const over = await page.evaluate(() => [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(e).position !== 'absolute' && !e.closest('.visually-hidden, pre, .code')).map((e) => `${e.tagName}.${e.className}`).slice(0, 5));
  assert.deepEqual(over, [], 'no sideways scroll');
  for (const b of await decideBar().getByRole('button').all()) {
    const box = await b.boundingBox();
    assert.equal(await b.evaluate((e) => [e, ...e.querySelectorAll('.mantine-Button-label')].some((x) => x.scrollWidth > x.clientWidth + 1 || x.scrollHeight > x.clientHeight + 1)), false, `${await b.innerText()} is cut off`);
    assert.ok(box.height >= 44 && box.width >= 44 && box.y + box.height <= PHONE.height, `${await b.innerText()}: ${JSON.stringify(box)}`);
  }
};

test('a plain approval at 390 px: what runs is shown whole, approved, run once', { skip }, async () => {
  await page.setViewportSize(PHONE);
  const q = await asks('plain', '', '/accounts/plain');
  await show(q.id);
  await page.locator('.exact').getByText('/accounts/plain').first().waitFor();
  await fits();
  await seen('plain-phone');
  assert.equal((await get(q.path)).passkey_needed, false);
  await decideBar().getByRole('button', { name: /^Approve/ }).click();
  await page.locator('.chip', { hasText: 'approved' }).first().waitFor();
  await goesOn(q.run);
  assert.equal(count('DELETE /accounts/plain'), 1);
  const d = (await get(q.path)).decisions;
  assert.deepEqual(d.map((x) => [x.verdict, x.channel, x.passkey]), [['approve', 'web', null]]);
});

describe('an approval that demands a passkey', { skip }, () => {
  let first, key;
  const open = async (q) => { assert.equal((await get(q.path)).state, 'waiting'); assert.equal((await get(q.path)).decisions.length, 0); assert.equal(count('DELETE /accounts/ann'), 0, 'nothing went out'); };

  test('without a passkey every way is refused, with the reason, and it stays open', async () => {
    await page.setViewportSize(DESK);
    first = await asks('signed', '    passkey: true\n', '/accounts/ann');
    await show(first.id);
    await withPasskey().click();
    await page.getByRole('alert').getByText('Nothing was changed: you have no passkey yet; add one under your settings').waitFor();
    assert.equal(await page.getByRole('alert').getByRole('link', { name: 'Add a passkey' }).getAttribute('href'), '/settings/me');
    await seen('none-yet');
    const a = await get(first.path);
    assert.equal(a.passkey_needed, true);
    const bare = await call(page, `${first.path}/decide`, { verdict: 'approve', hash: a.hash });
    assert.deepEqual([bare.status, bare.body.attributes.code], [403, 'passkey']);
    assert.match(bare.body.message, /takes a passkey's signature over what will run/);
    const resumed = await call(page, `/api/workflows/executions/${first.run}/resume`, { input: { approved: true } });
    assert.equal(resumed.status, 403, JSON.stringify(resumed.body));
    const typed = await cli('approval', 'approve', first.id);
    assert.match(typed.out, /refused \(403\): .*passkey/);
    assert.notEqual(typed.code, 0);
    await open(first);
  });

  test('a passkey is added under the settings, with the password', async () => {
    await page.goto(`${url}/settings/me`);
    await page.getByText('None yet.').waitFor();
    await page.getByLabel('Name of the new passkey').fill('Laptop');
    await page.getByLabel('Your password, once more').first().fill('not-the-password');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('Not added').waitFor();
    assert.deepEqual((await get('/api/watchfire/passkeys')).passkeys, []);
    await page.getByLabel('Your password, once more').first().fill(PASSWORD);
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('Passkey added').waitFor();
    await page.getByRole('listitem').filter({ hasText: 'Laptop' }).waitFor();
    const { rp_id, passkeys } = await get('/api/watchfire/passkeys');
    assert.deepEqual([rp_id, passkeys.length, passkeys[0].name, passkeys[0].last_used_at], ['localhost', 1, 'Laptop', null]);
    key = passkeys[0].id;
    // It is in the authenticator, and only its public half is here.
    const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: authenticator });
    assert.deepEqual(credentials.map((c) => [c.rpId, Buffer.from(c.credentialId, 'base64').toString('base64url')]), [['localhost', key]]);
    await settle(page);
    await seen('settings');
    await page.setViewportSize(PHONE);
    await settle(page);
    await seen('settings-phone');
    await page.setViewportSize(DESK);
  });

  test('a ceremony that is cancelled leaves it open and says so; so does one that the person does not pass', async () => {
    await show(first.id);
    await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: authenticator, enabled: false });
    await withPasskey().click();
    // Nobody touches the key.
    await decideBar().getByRole('button', { name: /^Waiting for your passkey/ }).waitFor();
    await decideBar().getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('alert').getByText('Nothing was changed: the passkey was not used').waitFor();
    await withPasskey().waitFor();
    await seen('cancelled');
    await open(first);
    await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: authenticator, enabled: true });
    await cdp.send('WebAuthn.setUserVerified', { authenticatorId: authenticator, isUserVerified: false });
    await withPasskey().click();
    await page.getByRole('alert').getByText('Nothing was changed: the passkey was not used').waitFor();
    await withPasskey().waitFor();
    await open(first);
    await cdp.send('WebAuthn.setUserVerified', { authenticatorId: authenticator, isUserVerified: true });
  });

  test('at the desk: signed, run once, the key stands with the answer', async () => {
    await show(first.id);
    await seen('asked');
    await withPasskey().click();
    await page.locator('.chip', { hasText: 'approved' }).first().waitFor();
    await goesOn(first.run);
    assert.equal(count('DELETE /accounts/ann'), 1);
    const a = await get(first.path);
    assert.deepEqual([a.state, a.decisions.map((d) => [d.verdict, d.passkey])], ['approved', [['approve', key]]]);
    assert.notEqual((await get('/api/watchfire/passkeys')).passkeys[0].last_used_at, null);
    await page.getByText(`Signed with passkey …${key.slice(-6)}`).first().waitFor();
    await settle(page);
    await seen('signed');
  });

  test('at 390 px: the same from the bar at the foot', async () => {
    await page.setViewportSize(PHONE);
    const q = await asks('signed', '    passkey: true\n', '/accounts/ann');
    await show(q.id);
    assert.equal(await withPasskey().evaluate((e) => e.innerText.trim().split('\n')[0].split(',')[0]), 'Approve with passkey');
    await fits();
    await seen('asked-phone');
    await withPasskey().click();
    await page.locator('.chip', { hasText: 'approved' }).first().waitFor();
    await goesOn(q.run);
    assert.equal(count('DELETE /accounts/ann'), 2);
    assert.deepEqual((await get(q.path)).decisions.map((d) => [d.verdict, d.passkey]), [['approve', key]]);
    await settle(page);
    await seen('signed-phone');
    await page.setViewportSize(DESK);
  });

  test('what the envelope demands of the class stays with the question, whatever becomes of the envelope', async () => {
    const envelope = async (body) => assert.equal((await call(page, '/api/watchfire/envelope', body, 'PUT')).status, 200);
    await envelope({ passkey: ['destructive'] });
    const q = await asks('by-class', '', '/accounts/class');
    await envelope({});
    await show(q.id);
    const a = await get(q.path);
    assert.equal(a.passkey_needed, true);
    assert.equal((await call(page, `${q.path}/decide`, { verdict: 'approve', hash: a.hash })).status, 403);
    assert.equal(count('DELETE /accounts/class'), 0);
    await withPasskey().click();
    await page.locator('.chip', { hasText: 'approved' }).first().waitFor();
    await goesOn(q.run);
    assert.equal(count('DELETE /accounts/class'), 1);
    assert.equal((await get((await asks('by-class', '', '/accounts/class')).path)).passkey_needed, false, 'what is asked now is asked without');
  });

  test('`audit verify` accepts every signature, with the server gone', async () => {
    await own.kill();
    const { code, out } = await cli('audit', 'verify', '--data', own.data, '--json');
    const report = JSON.parse(out);
    assert.deepEqual([code, report.broken, report.signatures], [0, null, 3], out);
  });
});

test('the page threw nothing on the way', { skip }, () => {
  assert.deepEqual(problems, []);
});
