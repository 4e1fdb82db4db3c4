// axe-core on every route, light and dark: nothing serious, nothing critical.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe, call, launch, REAL, server, settle, signIn } from './lib.mjs';

let s, ctx, page;
before(async () => {
  s = await server();
  ctx = await launch();
  page = ctx.pages()[0];
});
after(async () => {
  await ctx?.close();
  await s?.close();
});

const check = async (name) => assert.deepEqual(await axe(page, name), []);

export async function routes(page) {
  const one = async (path, f) => { const r = await call(page, path); return r.status === 200 ? f(r.body) : null; };
  const alert = await one('/api/watchfire/alerts/queue?view=all', (b) => b.groups[0]?.members[0]?.id);
  const kase = await one('/api/cases/_find?sortField=severity', (b) => b.cases[0]?.id);
  const approvals = await one('/api/watchfire/approvals?state=all', (b) => b.approvals);
  const execution = await one('/api/workflows/executions', (b) => b.results[0]?.id);
  const workflow = await one('/api/workflows?size=10&page=1', (b) => b.results[0]?.id);
  const rule = await one('/api/detection_engine/rules/_find', (b) => b.data[0]?.id);
  return [
    ['queue', '/alerts?view=all'], alert && ['alert', `/alerts/${alert}`], ['cases', '/cases?status=all'], kase && ['case', `/cases/${kase}`], ['approvals', '/approvals'],
    approvals?.find((a) => a.kind === 'question') && ['approval', `/approvals/${approvals.find((a) => a.kind === 'question').id}`], approvals?.find((a) => a.kind === 'settlement') && ['settlement', `/approvals/${approvals.find((a) => a.kind === 'settlement').id}`],
    ['executions', '/executions'], execution && ['execution', `/executions/${execution}`], ['workflows', '/workflows'], workflow && ['editor', `/workflows/${workflow}`], workflow && ['builder', `/workflows/${workflow}?view=builder`], workflow && ['versions', `/workflows/${workflow}?view=versions`], ['executions-tests', '/executions?tests=true'], ['new-workflow', '/workflows/new'], ['gallery', '/workflows/gallery'], ['template', '/workflows/gallery?sel=alert-response'], ['template-form', '/workflows/gallery?sel=alert-response&use=true'],
    approvals?.find((a) => a.kind === 'input') && ['input', `/approvals/${approvals.find((a) => a.kind === 'input').id}`], ['rules', '/rules'], rule && ['rule', `/rules/${rule}`], ['new-rule', '/rules/new'], ['connectors', '/connectors'], ['new-connector', '/connectors?sel=new'], ['settings', '/settings/me'], ['not-found', '/no-such-page'],
  ].filter(Boolean);
}

for (const theme of ['light', 'dark']) {
  test(`every route, ${theme}`, async (t) => {
    await page.emulateMedia({ colorScheme: theme });
    await ctx.clearCookies();
    await page.goto(`${s.url}/sign-in`);
    await settle(page);
    await t.test('sign-in', () => check('sign-in'));
    await signIn(page, s.url, '/alerts');
    for (const [name, path] of await routes(page)) {
      await t.test(name, async () => {
        await page.goto(s.url + path);
        await settle(page, 400);
        await check(`${name} ${theme}`);
      });
    }
    await t.test('palette and keys', async () => {
      await page.goto(`${s.url}/alerts`);
      await settle(page);
      await page.keyboard.press('Control+k');
      await page.getByPlaceholder('Search or run…').fill('a');
      await page.waitForTimeout(400);
      await check(`palette ${theme}`);
      await page.keyboard.press('Escape');
      await page.waitForTimeout(300);
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
      await page.waitForTimeout(300);
      await check(`keys ${theme}`);
      await page.keyboard.press('Escape');
    });
    if (REAL) {
      await t.test('builder on a real server: forms, catalogue, run, try', async () => {
        const w = (await call(page, '/api/workflows?size=100&page=1')).body.results.find((x) => x.valid);
        const close = async () => { await page.keyboard.press('Escape'); await page.getByRole('dialog').waitFor({ state: 'detached' }); };
        await page.goto(`${s.url}/workflows/${w.id}?view=builder`);
        await page.locator('.react-flow__node:not([data-id^="trigger"])').first().click();
        await page.getByRole('textbox', { name: 'Name of the step' }).waitFor();
        for (const tab of ['Parameters', 'On failure', 'Condition', 'Last run']) { await page.getByRole('tab', { name: tab }).click(); await settle(page); await check(`step ${tab} ${theme}`); }
        await page.getByRole('button', { name: /^Add a step/ }).first().click();
        await page.getByRole('combobox', { name: 'Search step types' }).waitFor();
        await page.getByRole('option').nth(1).waitFor();
        await check(`catalogue ${theme}`);
        await close();
        for (const name of [/^Run…/, 'Try without effect']) {
          await page.locator('.page-head').getByRole('button', { name }).click();
          await page.getByRole('dialog').waitFor();
          await settle(page);
          await check(`${name} ${theme}`);
          await close();
        }
      });
    }
    if (!REAL) {
      await t.test('builder: form, picker, catalogue, run, versions, conditions, rerun', async () => {
        const close = async () => { await page.keyboard.press('Escape'); await page.getByRole('dialog').waitFor({ state: 'detached' }); };
        await page.goto(`${s.url}/workflows/contain-workstation?view=builder&step=open_case`);
        await page.getByRole('textbox', { name: 'Name of the step' }).waitFor();
        await page.locator('.react-flow__node').first().waitFor();
        for (const tab of ['Parameters', 'On failure', 'Condition', 'Last run']) { await page.getByRole('tab', { name: tab }).click(); await settle(page); await check(`step ${tab} ${theme}`); }
        await page.getByRole('tab', { name: 'Parameters' }).click();
        await page.getByRole('button', { name: 'Pick a value for Title' }).click();
        await page.getByRole('combobox', { name: 'Search values' }).waitFor();
        await check(`picker ${theme}`);
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: 'Add a step between tell and ask' }).click();
        await page.getByRole('combobox', { name: 'Search step types' }).waitFor();
        await check(`catalogue ${theme}`);
        await close();
        await page.getByRole('button', { name: /^Run…/ }).click();
        await page.getByRole('dialog').waitFor();
        await check(`run ${theme}`);
        await close();
        await page.goto(`${s.url}/workflows/contain-workstation?view=versions`);
        await page.locator('.cm-mergeView').waitFor();
        await check(`versions ${theme}`);
        const a = (await call(page, '/api/watchfire/approvals')).body.approvals.find((x) => x.kind === 'question');
        await page.goto(`${s.url}/approvals/${a.id}`);
        await page.getByRole('toolbar', { name: 'Decide' }).waitFor();
        for (const k of ['m', 'b']) { await page.keyboard.press(k); await page.getByRole('dialog').waitFor(); await settle(page); await check(`condition ${k} ${theme}`); await close(); }
        const failed = (await call(page, '/api/workflows/executions?statuses=failed')).body.results.find((e) => e.workflowName === 'enrich-address');
        await page.goto(`${s.url}/executions/${failed.id}`);
        await page.getByRole('button', { name: 'Rerun', exact: true }).waitFor();
        await settle(page);
        await page.keyboard.press('r');
        await page.getByRole('dialog').waitFor();
        await check(`rerun ${theme}`);
        await close();
      });
      for (const [name, opts, path] of [['first run', { rows: 0, empty: true }, '/alerts'], ['empty approvals', { rows: 0 }, '/approvals'], ['denied', { denied: true }, '/alerts']]) {
        await t.test(name, async () => {
          await s.mock('reset', opts);
          await page.goto(s.url + path);
          await settle(page, 400);
          await check(`${name} ${theme}`);
          await s.mock('reset', {});
        });
      }
    }
    await t.test('phone', async (t) => {
      t.after(() => page.setViewportSize({ width: 1440, height: 900 }));
      await page.setViewportSize({ width: 390, height: 844 });
      for (const [name, path] of (await routes(page)).filter(([n]) => ['queue', 'alert', 'case', 'approvals', 'approval', 'settlement', 'input', 'builder', 'gallery', 'template-form'].includes(n))) {
        await page.goto(s.url + path);
        await settle(page, 300);
        await check(`${name} phone ${theme}`);
      }
      await page.setViewportSize({ width: 1440, height: 900 });
    });
  });
}
