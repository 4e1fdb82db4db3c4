// Pictures of every route: light and dark, 1440 x 900 and 390 x 844; with the mock also 0, 1 and 10,000 rows and the error state.
// SHOTS=folder for all of them; SCREENSHOTS=folder for the few of the README; neither: all, in ./screenshots. WATCHFIRE_URL for a real server, else the mock.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { call, launch, REAL, server, settle, signIn } from './lib.mjs';

const readme = process.env.SCREENSHOTS || null;
const out = readme ?? (process.env.SHOTS || 'screenshots');
const only = process.env.ONLY ? new RegExp(process.env.ONLY) : null;
mkdirSync(out, { recursive: true });
const s = await server();
const ctx = await launch();
const page = ctx.pages()[0];
let n = 0;
page.on('pageerror', (e) => console.error(`page error: ${e.message}`));

async function shot(name, path, { theme = 'light', w = 1440, h = 900, then, wait = 400, as } = {}) {
  const file = as ?? `${name}-${theme}${w < 700 ? '-phone' : ''}.png`;
  if (only && !only.test(file)) return;
  await page.setViewportSize({ width: w, height: h });
  await page.emulateMedia({ colorScheme: theme });
  await page.goto(s.url + path);
  await settle(page, wait);
  if (then) {
    await then();
    await page.waitForTimeout(300);
  }
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(out, file) });
  n++;
}
/** The graph is drawn. */
const graph = () => page.locator('.react-flow__node').first().waitFor();
async function ids() {
  const one = async (path, f) => { const r = await call(page, path); return r.status === 200 ? f(r.body) : null; };
  const approvals = (await one('/api/watchfire/approvals?state=all', (b) => b.approvals)) ?? [];
  const executions = (await one('/api/workflows/executions?size=100', (b) => b.results)) ?? [];
  const question = approvals.find((a) => a.kind === 'question' && a.state === 'waiting') ?? approvals.find((a) => a.kind === 'question');
  return {
    alert: question?.alerts[0]?.id ?? (await one('/api/watchfire/alerts/queue?view=all', (b) => b.groups[0]?.members[0]?.id)), kase: question?.case?.id ?? (await one('/api/cases/_find?sortField=severity', (b) => b.cases[0]?.id)),
    question: question?.id, hash: question?.hash, settlement: approvals.find((a) => a.kind === 'settlement')?.id, execution: question?.execution ?? executions[0]?.id, failed: executions.find((e) => e.status === 'failed')?.id,
    workflow: question?.workflow.id ?? (await one('/api/workflows?size=10&page=1', (b) => b.results[0]?.id)), rule: await one('/api/detection_engine/rules/_find?per_page=100', (b) => (b.data.find((r) => r.actions.length) ?? b.data[0])?.id),
  };
}
const BOTH = [['light', 1440, 900], ['dark', 1440, 900], ['light', 390, 844], ['dark', 390, 844]];
async function pages(prefix, i, sizes = BOTH) {
  const list = [
    ['queue', '/alerts'], i.alert && ['alert', `/alerts/${i.alert}`], ['cases', '/cases'], i.kase && ['case', `/cases/${i.kase}`], ['approvals', '/approvals'], i.question && ['approval', `/approvals/${i.question}`], i.settlement && ['settlement', `/approvals/${i.settlement}`],
    ['executions', '/executions'], i.execution && ['execution', `/executions/${i.execution}`], i.failed && ['execution-failed', `/executions/${i.failed}`], ['workflows', '/workflows'], i.workflow && ['editor', `/workflows/${i.workflow}`], ['rules', '/rules'], i.rule && ['rule', `/rules/${i.rule}`], ['connectors', '/connectors'], ['connector-new', '/connectors?sel=new'], ['settings', '/settings/me'],
  ].filter(Boolean);
  for (const [theme, w, h] of sizes) for (const [name, path] of list) await shot(prefix + name, path, { theme, w, h });
}

if (readme) {
  await signIn(page, s.url);
  const i = await ids();
  const dark = { theme: 'dark' };
  const take = async (list) => {
    for (const [as, path, o] of list) {
      if (path) await shot('', path, { ...o, as });
      else console.error(`no picture ${as}: the server has nothing to show there`);
    }
  };
  await take([['queue.png', '/alerts'], ['queue-dark.png', '/alerts', dark], ['alert.png', i.alert && `/alerts/${i.alert}`], ['approval.png', i.question && `/approvals/${i.question}`], ['approval-phone.png', i.question && `/approvals/${i.question}`, { w: 390, h: 844 }], ['execution.png', i.execution && `/executions/${i.execution}`], ['execution-dark.png', i.execution && `/executions/${i.execution}`, dark], ['editor.png', i.workflow && `/workflows/${i.workflow}`, { then: () => graph() }], ['builder.png', i.workflow && `/workflows/${i.workflow}?view=builder&step=open_case`, { then: () => graph() }], ['gallery.png', '/workflows/gallery?sel=alert-response'], ['rule.png', i.rule && `/rules/${i.rule}`, { then: async () => { await page.getByRole('textbox', { name: 'Add workflows' }).scrollIntoViewIfNeeded(); await page.getByRole('textbox', { name: 'Add workflows' }).click(); } }]]);
  // The case is the better picture when the approved command has run.
  if (REAL && i.question) {
    const r = await call(page, `/api/watchfire/approvals/${i.question}/decide`, { verdict: 'approve', hash: i.hash, comment: 'Go ahead.' });
    if (r.status >= 300) console.error(`not approved: ${JSON.stringify(r.body)}`);
    for (let k = 0; k < 100; k++) {
      if (['completed', 'failed'].includes((await call(page, `/api/workflows/executions/${i.execution}`)).body.status)) break;
      await page.waitForTimeout(200);
    }
  }
  await take([['case.png', i.kase && `/cases/${i.kase}`]]);
  console.log(`${n} pictures in ${out}`);
  await ctx.close();
  await s.close();
  process.exit(n === 12 ? 0 : 1);
}

for (const [theme, w, h] of BOTH) await shot('sign-in', '/sign-in?to=%2Fapprovals%2F5513', { theme, w, h });
await signIn(page, s.url);
await pages('', await ids());
for (const theme of ['light', 'dark']) {
  await shot('palette', '/alerts', { theme, then: async () => { await page.keyboard.press('Control+k'); await page.getByPlaceholder('Search or run…').fill('bill'); await page.waitForTimeout(400); } });
  await shot('keys', '/alerts', { theme, then: () => page.keyboard.press('?') });
  await shot('queue-selected', '/alerts', { theme, then: async () => { for (const k of ['x', 'j', 'x']) await page.keyboard.press(k); } });
  await shot('rule-actions', `/rules/${(await ids()).rule}`, { theme, then: async () => { await page.getByRole('textbox', { name: 'Add workflows' }).scrollIntoViewIfNeeded(); await page.getByRole('textbox', { name: 'Add workflows' }).click(); } });
}
const i0 = await ids();
const wf = encodeURIComponent(i0.workflow ?? 'new');
for (const [theme, w, h] of BOTH) {
  await shot('builder', `/workflows/${wf}?view=builder${REAL ? '' : '&step=open_case'}`, { theme, w, h, then: graph });
  await shot('gallery', '/workflows/gallery?sel=alert-response', { theme, w, h });
  await shot('template', '/workflows/gallery?sel=alert-response&use=true', { theme, w, h });
}
if (!REAL) {
  const input = (await call(page, '/api/watchfire/approvals')).body.approvals.find((a) => a.kind === 'input').id;
  for (const [theme, w, h] of BOTH) {
    await shot('input', `/approvals/${input}`, { theme, w, h });
    await shot('change', `/approvals/${i0.question}`, { theme, w, h, then: async () => { await page.getByRole('button', { name: /^More: ask back/ }).click(); await page.getByRole('menuitem', { name: /Change parameters/ }).click(); await page.getByRole('dialog').waitFor(); } });
  }
  for (const theme of ['light', 'dark']) {
    await shot('catalogue', '/workflows/contain-workstation?view=builder', { theme, then: async () => { await page.getByRole('button', { name: 'Add a step between tell and ask' }).click(); await page.getByRole('combobox', { name: 'Search step types' }).fill('ssh'); } });
    await shot('picker', '/workflows/contain-workstation?view=builder&step=open_case', { theme, then: async () => { await page.getByRole('button', { name: 'Pick a value for Tags' }).click(); await page.getByRole('combobox', { name: 'Search values' }).fill('tag'); } });
    await shot('writes', '/workflows/contain-workstation?view=builder&step=open_case', { theme, then: async () => { await page.locator('[data-field="title"] input').fill('Credential theft on {{ event.alerts[0].host.name }}, at night'); } });
    await shot('versions', '/workflows/contain-workstation?view=versions', { theme });
    await shot('run', '/workflows/contain-workstation', { theme, then: () => page.getByRole('button', { name: /^Run…/ }).click() });
    await shot('rerun', `/executions/${i0.failed}`, { theme, then: () => page.keyboard.press('r') });
  }
}
if (!REAL) {
  const desk = [['light', 1440, 900]];
  await s.mock('reset', { rows: 0, empty: true });
  await pages('first-run-', {}, [['light', 1440, 900], ['dark', 1440, 900], ['light', 390, 844]]);
  await s.mock('reset', { rows: 1 });
  await pages('one-', await ids(), desk);
  await s.mock('reset', { rows: 10_000 });
  await pages('many-', await ids(), [['light', 1440, 900], ['light', 390, 844]]);
  await s.mock('reset', {});
  const i = await ids();
  await s.mock('options', { fail: true });
  for (const [name, path] of [['queue', '/alerts'], ['case', `/cases/${i.kase}`], ['executions', '/executions']]) {
    await s.mock('options', { fail: false });
    await shot(`error-${name}`, '/settings/me', { then: async () => { await s.mock('options', { fail: true }); await page.evaluate((p) => { history.pushState({}, '', p); dispatchEvent(new PopStateEvent('popstate')); }, path); await page.getByText('did not load').first().waitFor({ timeout: 20_000 }).catch(() => {}); } });
  }
  await s.mock('reset', { denied: true });
  await shot('denied-queue', '/alerts');
  await shot('denied-approval', `/approvals/${i.question}`);
  await s.mock('reset', {});
  await shot('stale-queue', '/alerts', { then: async () => { await s.mock('stream', { cut: true }); await page.waitForTimeout(7000); } });
}
console.log(`${n} pictures in ${out}`);
await ctx.close();
await s.close();
process.exit(0);
