// What the browser tests share: a server to talk to (the mock, or a real one by WATCHFIRE_URL), a Chromium, a signed-in page.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { createMock } from '../mock/server.mjs';

export const REAL = process.env.WATCHFIRE_URL || process.env.BASE_URL || null;
export const USER = process.env.WATCHFIRE_USER ?? 'elastic';
export const PASSWORD = process.env.WATCHFIRE_PASSWORD ?? process.env.ELASTIC_PASSWORD ?? 'changeme';

function chromiumPath() {
  for (const d of (process.env.PATH ?? '').split(delimiter)) for (const n of ['chromium', 'chromium-browser', 'google-chrome']) if (existsSync(join(d, n))) return join(d, n);
  throw new Error('no chromium in PATH: install the package chromium');
}
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars=false'];

/** CPU_THROTTLE=4: the page gets a quarter of the processor, as on a slow machine. What is waited for then has more time. */
export const SLOW = Math.max(1, Number(process.env.CPU_THROTTLE ?? 1));

export let patience = 1;
const REFERENCE_MS = 40;

export async function launch() {
  const ctx = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'wf-ui-')), { executablePath: chromiumPath(), args: ARGS, viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC' });
  // How much slower this machine is than an idle one of two cores: what has a limit in milliseconds gets it times this.
  const took = await ctx.pages()[0].evaluate(() => { const a = performance.now(); let x = 1; for (let i = 0; i < 2e7; i++) x = (Math.imul(x, 31) + i) | 0; return x === 0 ? 0 : performance.now() - a; });
  patience = Math.max(1, (took / REFERENCE_MS) * SLOW);
  // A figure for how long to wait at most, not for how long to wait: a slow machine takes longer and still passes.
  ctx.setDefaultTimeout(30_000 * Math.min(patience, 4));
  if (SLOW > 1) {
    const throttle = async (page) => (await ctx.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOW });
    for (const p of ctx.pages()) await throttle(p);
    ctx.on('page', (p) => void throttle(p).catch(() => {}));
  }
  return ctx;
}

/** {url, mock(path, body), close()}: the mock on a free port, or the real server. */
export async function server(opts = {}) {
  if (REAL) return { url: REAL.replace(/\/$/, ''), real: true, mock: async () => { throw new Error('not on a real server'); }, close: async () => {} };
  const s = createMock({ user: USER, password: PASSWORD, ...opts });
  await new Promise((ok) => s.listen(0, '127.0.0.1', ok));
  const url = `http://127.0.0.1:${s.address().port}`;
  return {
    url, real: false,
    mock: async (path, body) => (await fetch(`${url}/mock/${path}`, { method: body === undefined ? 'GET' : 'POST', ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).json(),
    close: () => new Promise((ok) => { s.closeAllConnections(); s.close(ok); }),
  };
}

/** A server, a browser with one page, and in `problems` what the page complains of. */
export async function open(problems) {
  const s = await server();
  const ctx = await launch();
  const page = ctx.pages()[0];
  page.on('pageerror', (e) => problems.push(`page error: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error' && !/the server responded with a status of|ERR_/.test(m.text())) problems.push(`console: ${m.text()}`); });
  return { s, ctx, page };
}

export async function signIn(page, url, to = '/alerts') {
  await page.goto(`${url}/sign-in?to=${encodeURIComponent(to)}`);
  await page.getByLabel('User name').fill(USER);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((u) => !u.pathname.endsWith('/sign-in'));
}

/** Calls the API with the page's own session. */
export async function call(page, path, body, method = body === undefined ? 'GET' : 'POST') {
  return page.evaluate(async ([p, b, m]) => {
    const r = await fetch(p, { method: m, headers: { 'content-type': 'application/json', 'kbn-xsrf': 'test', accept: 'application/json' }, ...(b === undefined ? {} : { body: JSON.stringify(b) }) });
    const t = await r.text();
    return { status: r.status, body: t ? JSON.parse(t) : null };
  }, [path, body, method]);
}

/** Nothing loads any more, fonts are there. */
export async function settle(page, ms = 250) {
  await page.waitForLoadState('domcontentloaded');
  await page.waitForFunction(() => document.fonts.status === 'loaded' && !document.querySelector('[aria-label="loading"]') && !document.querySelector('main[aria-busy="true"]'), null, { timeout: 10_000 }).catch(() => {});
  await page.waitForTimeout(ms);
}

/** Asks until there is something, for a minute at most. */
export async function waitFor(what, f, ms = 60_000) {
  for (const end = Date.now() + ms; ;) {
    const v = await f();
    if (v) return v;
    if (Date.now() > end) throw new Error(`did not happen: ${what}`);
    await new Promise((r) => setTimeout(r, 100));
  }
}

const freePort = () => new Promise((ok) => { const x = createServer().listen(0, '127.0.0.1', () => { const { port } = x.address(); x.close(() => ok(port)); }); });

/** The binary in WATCHFIRE_BIN with a data folder of its own: what kills it, or looks at its data offline, needs one. */
export async function ownServer(egress = '') {
  const data = mkdtempSync(join(tmpdir(), 'wf-own-'));
  const [port, es] = [await freePort(), await freePort()];
  let child = null;
  const s = {
    data, url: `http://127.0.0.1:${port}`, es: `http://127.0.0.1:${es}`,
    start: async () => {
      child = spawn(process.env.WATCHFIRE_BIN, ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, '--es-listen', `127.0.0.1:${es}`], { stdio: 'ignore', env: { ...process.env, ELASTIC_PASSWORD: PASSWORD, WATCHFIRE_EGRESS_ALLOW: egress } });
      await waitFor('the server is there', async () => (await fetch(`${s.url}/healthz`).catch(() => null))?.ok);
    },
    kill: () => new Promise((ok) => { if (!child || child.exitCode !== null || child.signalCode !== null) return ok(); child.once('exit', ok); child.kill('SIGKILL'); }),
    close: async () => { await s.kill(); rmSync(data, { recursive: true, force: true }); },
  };
  await s.start();
  return s;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** What axe finds serious or critical on the page as it stands, one line each. */
export async function axe(page, name) {
  await page.evaluate(AXE);
  const r = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const bad = r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  return bad.map((v) => `${name}: ${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.html.slice(0, 160)} ${n.failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`);
}
