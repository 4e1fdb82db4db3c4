// A server in memory that answers as docs/reference/ui-api.md says, over invented data. For developing and testing the page without Watchfire.
// Also serves ui/dist when it was built. Control: POST /mock/reset {rows, empty, fail, denied}, POST /mock/alert, POST /mock/stream {cut}.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, EFFECT, hex, iso } from './data.mjs';

const DIST = join(fileURLToPath(new URL('.', import.meta.url)), '..', 'dist');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.json': 'application/json', '.png': 'image/png' };
const RANK = { critical: 4, high: 3, medium: 2, low: 1 };
const CLASS = ['none', 'internal', 'read', 'write', 'destructive'];

export function createMock({ user = 'elastic', password = 'changeme', rows = 37 } = {}) {
  let opt = { rows, empty: false, fail: false, denied: false };
  let db = build(opt);
  const sessions = new Set();
  const streams = new Set();
  let cut = false;

  const send = (res, status, body, headers = {}) => {
    if (body === undefined) return res.writeHead(status, headers).end();
    res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
  };
  const err = (res, status, message, attributes) => send(res, status, { statusCode: status, error: 'Error', message, ...(attributes ? { attributes } : {}) });
  const emit = (topic, id, changed) => {
    const d = { seq: ++db.seq, topic, id, changed };
    for (const s of streams) if (!cut) s.write(`id: ${d.seq}\nevent: change\ndata: ${JSON.stringify(d)}\n\n`);
  };
  const counts = () => ({ alerts: db.alerts.filter((a) => a.status === 'open').length, cases: db.cases.filter((c) => c.status !== 'closed').length, approvals: db.approvals.filter((a) => a.state === 'waiting').length, connectors_failing: 0 });
  const touch = (topic, id, changed) => {
    emit(topic, id, changed);
    emit('counts', '-', counts());
  };
  setInterval(() => {
    for (const s of streams) if (!cut) s.write(`event: beat\ndata: ${JSON.stringify({ seq: db.seq, at: iso(Date.now()), events_per_second: opt.empty ? 0 : 1284, event_to_alert_p99_ms: opt.empty ? null : 9 })}\n\n`);
  }, 2000).unref();

  const bump = (x) => (x.version = Buffer.from(`[${++db.seq},1]`).toString('base64'));
  const publicRow = ({ source_doc, ...r }) => r;
  const setStatus = (a, status, reason = null) => {
    a.status = status;
    a.close_reason = status === 'closed' ? reason : null;
    a.source_doc['kibana.alert.workflow_status'] = status;
    bump(a);
  };
  const entity = (a, group) => (group === 'rule' ? ['rule', a.rule.name] : group === 'none' ? ['all', ''] : a.host ? ['host', a.host] : a.user ? ['user', a.user] : a.source ? ['source', a.source] : ['rule', a.rule.name]);

  function queue(p) {
    const view = p.get('view') ?? 'open', group = p.get('group') ?? 'entity', sort = p.get('sort') ?? 'severity', size = Math.min(500, Number(p.get('size') ?? 200));
    const inView = (v) => db.alerts.filter((a) => (v === 'open' ? a.status === 'open' : v === 'mine' ? a.assignees.includes('u_dana') && a.status !== 'closed' : v === 'acknowledged' ? a.status === 'acknowledged' : v === 'closed' ? a.status === 'closed' : true));
    let list = inView(view);
    const text = p.get('q');
    if (text) {
      if ((text.match(/"/g) ?? []).length % 2 || /[:(]\s*$/.test(text)) return { bad: { severity: 'error', code: 'kqlSyntax', message: 'the value is not finished', line: 1, column: text.length, endLine: 1, endColumn: text.length + 1, hint: null, path: null } };
      const m = /([\w.]+)\s*:\s*"?([^"]*?)"?\s*$/.exec(text);
      const needle = (m ? m[2] : text).replaceAll('*', '').toLowerCase();
      if (m || !/[<>]/.test(text)) list = list.filter((a) => JSON.stringify(publicRow(a)).toLowerCase().includes(needle));
    }
    const sev = p.get('severity')?.split(',');
    if (sev) list = list.filter((a) => sev.includes(a.severity));
    const byAge = (a, b) => (a.start < b.start ? -1 : 1);
    list = [...list].sort(sort === 'newest' ? (a, b) => byAge(b, a) : sort === 'age' ? byAge : (a, b) => RANK[b.severity] - RANK[a.severity] || byAge(a, b));
    const groups = new Map();
    for (const a of list) {
      const [kind, name] = entity(a, group);
      const key = `${kind}:${name}`;
      if (!groups.has(key)) groups.set(key, { key, kind, name, all: [] });
      groups.get(key).all.push(a);
    }
    const within = p.get('in'), off = Number((p.get('cursor') ?? 'o:0').slice(2));
    const out = (g, from, n) => {
      const rules = [...new Set([...g.all].sort((a, b) => RANK[b.severity] - RANK[a.severity]).map((a) => a.rule.name))];
      const c = [...new Set(g.all.map((a) => a.case?.id).filter(Boolean))];
      return { key: g.key, kind: g.kind, name: g.name, count: g.all.length, severity: g.all.reduce((m, a) => (RANK[a.severity] > RANK[m] ? a.severity : m), 'low'), risk_score: Math.max(...g.all.map((a) => a.risk_score)), oldest: g.all.reduce((m, a) => (a.start < m ? a.start : m), g.all[0].start), rules: rules.slice(0, 3), rules_total: rules.length, case: c.length === 1 ? g.all.find((a) => a.case).case : null, members: g.all.slice(from, from + n).map(publicRow), cursor: from + n < g.all.length ? `o:${from + n}` : null };
    };
    let result = [], cursor = null;
    if (within) result = groups.has(within) ? [out(groups.get(within), off, size)] : [];
    else if (group === 'none') {
      const g = groups.get('all:');
      if (g) {
        result = [out(g, 0, size)];
      }
    } else {
      let used = 0, i = off;
      const all = [...groups.values()];
      for (; i < all.length && used < size; i++) {
        const g = out(all[i], 0, 50);
        used += g.members.length;
        result.push(g);
      }
      cursor = i < all.length ? `o:${i}` : null;
    }
    const now = Date.now();
    const oldest = list.reduce((m, a) => (a.start < m ? a.start : m), iso(now));
    const from = Math.min(now - 36e5, Date.parse(oldest)), w = (now - from) / 24;
    const buckets = Array(24).fill(0);
    for (const a of list) buckets[Math.min(23, Math.max(0, Math.floor((now - Date.parse(a.start)) / w)))]++;
    return { total: list.length, counts: Object.fromEntries(['open', 'mine', 'acknowledged', 'closed', 'all'].map((v) => [v, inView(v).length])), ages: { from: iso(from), to: iso(now), buckets, oldest: list.length ? oldest : null }, decided_24h: { by_workflow: opt.rows ? 1512 : 0, by_people: opt.rows ? 297 : 0 }, groups: result, cursor, seq: db.seq };
  }

  function validate(yaml) {
    const lines = yaml.split('\n');
    const diagnostics = [], nodes = [], edges = [];
    const stack = [];
    let bad = false, last = null;
    const diag = (severity, code, message, line, column, endColumn, hint, fix) => diagnostics.push({ severity, code, message, line, column, endLine: line, endColumn, hint, path: null, fix: fix ? { title: fix.title, edits: [{ line, column, endLine: line, endColumn, text: fix.text }] } : null });
    lines.forEach((l, i) => {
      if (/\t/.test(l)) { bad = true; diag('error', 'yamlSyntaxError', 'a tab cannot indent YAML', i + 1, l.indexOf('\t') + 1, l.indexOf('\t') + 2, 'use spaces'); }
      const open = l.lastIndexOf('{{');
      if (open >= 0 && l.indexOf('}}', open) < 0) diag('error', 'liquidSyntaxError', 'the output tag is not closed', i + 1, open + 1, l.length + 1, 'end it with }}');
      const t = /^ {2}- type: (\S+)/.exec(l);
      if (t && !nodes.some((n) => !n.id.startsWith('trigger'))) { nodes.push({ id: `trigger:${nodes.length}`, name: t[1], type: t[1], effect: 'none', range: { startLine: i + 1, endLine: i + 1 }, container: null, lane: null, detail: null }); last = nodes.at(-1); }
      const m = /^(\s*)- name: (\S+)/.exec(l);
      const ty = /^\s+type: (\S+)/.exec(lines[i + 1] ?? '');
      if (m && ty && !/required/.test(lines[i + 2] ?? '')) {
        const indent = m[1].length;
        while (stack.length && stack.at(-1).indent >= indent) stack.pop();
        let end = i;
        for (let j = i + 1; j < lines.length && (lines[j].trim() === '' || lines[j].search(/\S/) > indent); j++) if (lines[j].trim()) end = j;
        const parent = stack.at(-1);
        if (!(ty[1] in EFFECT)) diag('error', 'unknownStepType', `no step type \`${ty[1]}\``, i + 2, lines[i + 1].indexOf(ty[1]) + 1, lines[i + 1].length + 1, 'Ctrl Space lists the types', ty[1] === 'consol' ? { title: 'write `console`', text: 'console' } : null);
        if (nodes.some((n) => n.id === m[2])) diag('error', 'duplicateStepName', `a step named \`${m[2]}\` exists`, i + 1, l.indexOf(m[2]) + 1, l.length + 1, 'give each step its own name');
        const above = lines.slice(0, i).reverse().find((x) => x.trim() && !x.trim().startsWith('#') && x.search(/\S/) < indent); const lane = /^\s*else:/.test(above ?? '') ? 'else' : 'then';
        const n = { id: m[2], name: m[2], type: ty[1], effect: EFFECT[ty[1]] ?? 'none', range: { startLine: i + 1, endLine: end + 1 }, container: parent?.id ?? null, lane: parent ? (parent.type === 'if' ? lane : 'body') : null, detail: /condition: (.*)/.exec(lines[i + 2] ?? '')?.[1]?.replace(/"/g, '') ?? null };
        const prev = [...nodes].reverse().find((x) => x.container === n.container && x.lane === n.lane);
        if (prev) edges.push({ from: prev.id, to: n.id, label: null, kind: 'next' });
        else if (parent) edges.push({ from: parent.id, to: n.id, label: parent.type === 'if' ? (lane === 'else' ? 'otherwise' : 'yes') : null, kind: 'branch' });
        else if (last) edges.push({ from: last.id, to: n.id, label: null, kind: 'next' });
        nodes.push(n);
        if (/^(if|foreach|switch|parallel)$/.test(ty[1])) stack.push({ id: n.id, type: ty[1], indent });
      }
    });
    if (!/^name:/m.test(yaml)) diag('error', 'schemaViolation', 'the workflow has no `name`', 1, 1, 2, 'start with name: …');
    const effect = nodes.reduce((m, n) => (CLASS.indexOf(n.effect) > CLASS.indexOf(m) ? n.effect : m), 'none');
    return { valid: !diagnostics.some((d) => d.severity === 'error'), diagnostics, graph: bad ? null : { nodes, edges }, watchfire: { effect, triggers: nodes.filter((n) => n.id.startsWith('trigger')).map((n) => n.type), name: /^name: "?([^"#\n]*)/m.exec(yaml)?.[1]?.trim() ?? null } };
  }

  const item = ({ yaml, stepExecutions, context, cancelRequested, version, createdAt, ...e }) => e;
  function answer(a, status, by) {
    const e = db.executions.find((x) => x.id === a.execution);
    if (!e) return;
    e.status = status;
    if (status === 'completed') {
      e.finishedAt = iso(Date.now());
      e.duration = Date.parse(e.finishedAt) - Date.parse(e.startedAt);
    }
    for (const s of e.stepExecutions) if (s.status === 'waiting_for_input') { s.status = 'completed'; s.finishedAt = iso(Date.now()); s.executionTimeMs = Date.parse(s.finishedAt) - Date.parse(s.startedAt); s.watchfire.waits = s.watchfire.waits.map((w) => ({ ...w, to: s.finishedAt })); s.output = { response: { approved: a.state === 'approved' }, respondedBy: by }; }
    e.watchfire.approval = null;
    for (const al of db.alerts) if (al.execution?.id === e.id) al.execution = { ...al.execution, status, approval: null };
    for (const t of Object.values(db.timelines)) for (const en of t) if (en.approval === a.id) { en.state = a.state; en.decisions = a.decisions; }
    touch('executions', e.id, { kind: 'updated', status });
  }

  async function handle(req, res) {
    const u = new URL(req.url, 'http://x');
    const path = u.pathname.replace(/^\/s\/[^/]+/, ''), p = u.searchParams, method = req.method;
    let raw = '';
    for await (const c of req) raw += c;
    let body = {};
    try { body = raw ? JSON.parse(raw) : {}; } catch { return err(res, 400, 'the body is not JSON'); }
    const is = (m, re) => (method === m ? re.exec(path) : null);
    let m;
    if (path.startsWith('/mock/')) {
      if (path === '/mock/reset') { opt = { rows: 37, empty: false, fail: false, denied: false, slow: 0, features: null, passkeys: false, ...body }; const seq = db.seq; db = build(opt); db.seq = seq + 1; cut = false; for (const s of streams) s.write(`event: gap\ndata: {"seq":${db.seq}}\n\n`); return send(res, 200, {}); }
      if (path === '/mock/options') { Object.assign(opt, body); return send(res, 200, {}); }
      if (path === '/mock/stream') { cut = body.cut === true; if (body.close) for (const s of streams) s.end(); return send(res, 200, {}); }
      if (path === '/mock/alert') { const fresh = build({ rows: 1 }).alerts[0]; fresh.id = hex(40) + Date.now(); fresh.start = fresh.time = iso(Date.now()); fresh.host = body.host ?? 'WS-NEW-001'; fresh.case = null; fresh.execution = null; fresh.executions = 0; db.alerts.push(fresh); touch('alerts', fresh.id, { kind: 'created', severity: fresh.severity }); return send(res, 200, { id: fresh.id }); }
      if (path === '/mock/state') return send(res, 200, { rules: db.rules.slice(0, 20), approvals: db.approvals, workflows: db.workflows });
    }
    if (path === '/api/status') return send(res, 200, { name: 'watchfire', version: { number: '0.1.0' } });
    if (is('POST', /^\/internal\/security\/login$/)) {
      if (body.username !== user || body.password !== password) return err(res, 401, 'user name or password is wrong', { tries_left: 4, retry_after_s: 30 });
      const sid = hex(32) + Date.now();
      sessions.add(sid);
      return send(res, 204, undefined, { 'set-cookie': `sid=${sid}; HttpOnly; SameSite=Lax; Path=/` });
    }
    const sid = /sid=(\w+)/.exec(req.headers.cookie ?? '')?.[1];
    if (path.startsWith('/api/') || path.startsWith('/internal/')) {
      if (!sid || !sessions.has(sid)) return err(res, 401, 'sign in first');
      if (is('POST', /^\/internal\/security\/logout$/)) { sessions.delete(sid); return send(res, 204, undefined, { 'set-cookie': 'sid=; Path=/; Max-Age=0' }); }
      if (path === '/api/watchfire/me') return send(res, 200, { user: { uid: 'u_dana', username: 'dana', full_name: 'Dana Whitfield' }, roles: opt.denied ? ['viewer'] : ['superuser'], privileges: opt.denied ? ['alerts:read', 'cases:read', 'approvals:read', 'workflows:read', 'executions:read', 'rules:read', 'connectors:read'] : ['*'], space: { id: 'default', name: 'Default' }, organisation: 'Northwind Clinics', version: '0.1.0', demo: false, features: { undo: true, alert_history: true, rule_check: true, setup: true, search: true, model: true, ...(opt.features ?? { dry_run: true, step_test: true, rerun: true, versions: true, input_forms: true, conditions: true, undo_effects: true, passkeys: opt.passkeys === true }) } });
      if (path === '/api/watchfire/stream') {
        res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
        res.write(`retry: 2000\n\nevent: beat\ndata: ${JSON.stringify({ seq: db.seq, at: iso(Date.now()), events_per_second: opt.empty ? 0 : 1284, event_to_alert_p99_ms: opt.empty ? null : 9 })}\n\n`);
        streams.add(res);
        res.on('close', () => streams.delete(res));
        return;
      }
      if (opt.slow) await new Promise((r) => setTimeout(r, opt.slow));
      if (opt.fail && method === 'GET' && !/counts|people/.test(path)) return err(res, 503, 'the store is busy');
      if (opt.denied && method !== 'GET' && !/search$|validate|check$/.test(path)) return err(res, 403, 'not allowed', { privilege: `${path.includes('approvals') ? 'approvals:decide' : path.includes('rules') ? 'rules:write' : path.includes('cases') ? 'cases:write' : 'alerts:write'}` });
    } else return serve(req, res, path);

    if (path === '/api/watchfire/counts') return send(res, 200, counts());
    if (path === '/api/watchfire/people') return send(res, 200, { people: db.people });
    if (path === '/api/watchfire/setup') return send(res, 200, { done: false, dismissed: false, es_url: 'http://127.0.0.1:9200', received: db.received, refused: db.refused, alerts_ever: db.alerts.length, steps: [{ id: 'server', done: true, detail: 'embedded store, this machine only' }, { id: 'events', done: db.received > 0, detail: db.received ? 'events arrive' : 'nothing has arrived yet' }, { id: 'rules', done: true, detail: `${db.rules.filter((r) => r.enabled).length} rules are on` }, { id: 'connector', done: db.connectors.length > 0, detail: 'none yet' }, { id: 'workflow', done: db.workflows.length > 0, detail: 'none yet' }, { id: 'team', done: false, detail: 'one account' }] });
    if (path === '/api/watchfire/search') {
      const n = (p.get('q') ?? '').toLowerCase();
      const hit = (kind, id, title, detail) => ({ kind, id, title, detail });
      const all = [...db.cases.slice(0, 100).map((c) => hit('case', c.id, `#${c.incremental_id} ${c.title}`, c.status)), ...db.workflows.map((w) => hit('workflow', w.id, w.name, w.description)), ...db.rules.slice(0, 100).map((r) => hit('rule', r.id, r.name, r.type)), ...db.alerts.slice(0, 100).map((a) => hit('alert', a.id, a.rule.name, a.host ?? a.user ?? '')), ...db.approvals.map((a) => hit('approval', a.id, a.question, a.state)), ...db.connectors.map((c) => hit('connector', c.id, c.name, c.connector_type_id))];
      return send(res, 200, { results: all.filter((h) => `${h.title} ${h.detail} ${h.id}`.toLowerCase().includes(n)).slice(0, Number(p.get('size') ?? 8)) });
    }
    if (path === '/api/watchfire/alerts/queue') { const r = queue(p); return r.bad ? err(res, 400, 'the query does not parse', { diagnostics: [r.bad] }) : send(res, 200, r); }
    if (path === '/api/watchfire/alerts/decide' || path === '/api/watchfire/alerts/undo') {
      const undoing = path.endsWith('undo');
      if (undoing && !db.undo[body.token]) return err(res, 404, 'this was undone already');
      const before = [], results = [];
      for (const it of undoing ? db.undo[body.token] : body.items) {
        const a = db.alerts.find((x) => x.id === it.id);
        if (!a) { results.push({ id: it.id, ok: false, version: null, status: null, error: 'no such alert', code: 'not_found' }); continue; }
        if (!undoing && it.version && it.version !== a.version) { results.push({ id: it.id, ok: false, version: a.version, status: a.status, error: 'changed since', code: 'conflict' }); continue; }
        before.push({ id: a.id, status: a.status, reason: a.close_reason, assignees: a.assignees });
        if (undoing) { setStatus(a, it.status, it.reason); a.assignees = it.assignees; } else {
          if (body.kind === 'acknowledge') setStatus(a, 'acknowledged');
          if (body.kind === 'close') setStatus(a, 'closed', body.reason);
          if (body.kind === 'reopen') setStatus(a, 'open');
          if (body.assignee) a.assignees = body.kind === 'unassign' ? [] : [body.assignee];
          bump(a);
        }
        results.push({ id: a.id, ok: true, version: a.version, status: a.status });
        emit('alerts', a.id, { kind: 'updated', status: a.status });
      }
      emit('counts', '-', counts());
      let undo = null;
      if (undoing) delete db.undo[body.token];
      else { undo = `u_${hex(12)}`; db.undo[undo] = before; }
      return send(res, 200, { results, changed: results.filter((r) => r.ok).length, refused: results.filter((r) => !r.ok).length, undo });
    }
    if ((m = is('GET', /^\/api\/watchfire\/alerts\/([^/]+)\/history$/))) { const a = db.alerts.find((x) => x.id === m[1]); return a ? send(res, 200, { entries: [{ at: a.start, kind: 'raised', text: `raised by ${a.rule.name}`, by: { kind: 'rule', id: a.rule.id, name: a.rule.name }, case: null, execution: null }, ...(a.execution ? [{ at: iso(Date.parse(a.start) + 13), kind: 'execution', text: `started ${a.execution.workflow.name}`, by: { kind: 'rule', id: a.rule.id, name: a.rule.name }, case: null, execution: { id: a.execution.id, name: a.execution.workflow.name } }] : []), ...(a.case ? [{ at: iso(Date.parse(a.start) + 66_000), kind: 'case', text: 'attached to the case', by: { kind: 'workflow', id: 'contain-workstation', name: 'contain-workstation' }, case: a.case, execution: null }] : [])] }) : err(res, 404, 'no such alert'); }
    if ((m = is('GET', /^\/api\/watchfire\/alerts\/([^/]+)$/))) { const a = db.alerts.find((x) => x.id === m[1]); return a ? send(res, 200, { row: publicRow(a), source: a.source_doc }) : err(res, 404, 'no such alert'); }
    if (is('POST', /^\/api\/detection_engine\/signals\/search$/)) {
      const s = JSON.stringify(body.query ?? {});
      const ids = body.query?.terms?.['kibana.alert.uuid'];
      const vals = [...s.matchAll(/"term":\{"[\w.]+":"([^"]+)"/g)].map((x) => x[1]);
      const range = body.query?.bool?.filter?.[0]?.range?.['@timestamp'];
      const hits = db.alerts.filter((a) => (ids ? ids.includes(a.id) : vals.some((v) => v === a.host || v === a.user || v === a.source)) && (!range || (a.time >= range.gte && a.time <= range.lte))).slice(0, body.size ?? 10);
      return send(res, 200, { took: 1, timed_out: false, hits: { total: { value: hits.length, relation: 'eq' }, hits: hits.map((a) => ({ _index: a.index, _id: a.id, _source: a.source_doc })) } });
    }
    if (is('GET', /^\/api\/cases\/_find$/)) {
      const st = p.get('status')?.split(','), se = p.get('severity')?.split(','), tx = (p.get('search') ?? '').toLowerCase();
      let l = db.cases.filter((c) => (!se || se.includes(c.severity)) && c.title.toLowerCase().includes(tx));
      const nums = { count_open_cases: l.filter((c) => c.status === 'open').length, count_in_progress_cases: l.filter((c) => c.status === 'in-progress').length, count_closed_cases: l.filter((c) => c.status === 'closed').length };
      l = l.filter((c) => !st || st.includes(c.status));
      const f = { createdAt: 'created_at', updatedAt: 'updated_at', title: 'title', severity: 'severity', status: 'status' }[p.get('sortField') ?? 'createdAt'] ?? 'created_at';
      l.sort((a, b) => (f === 'severity' ? RANK[a[f]] - RANK[b[f]] : String(a[f]).localeCompare(String(b[f]))) * (p.get('sortOrder') === 'asc' ? 1 : -1));
      const page = Number(p.get('page') ?? 1), per = Number(p.get('perPage') ?? 20);
      return send(res, 200, { cases: l.slice((page - 1) * per, page * per), page, per_page: per, total: l.length, ...nums });
    }
    if (is('POST', /^\/api\/cases$/)) {
      const c = { ...db.cases[0], ...body, id: hex(8) + '-' + hex(12), incremental_id: 1 + Math.max(0, ...db.cases.map((x) => x.incremental_id)), status: 'open', assignees: [], observables: [], tags: body.tags ?? [], created_at: iso(Date.now()), updated_at: null, totalAlerts: 0, totalComment: 0, version: 'WzEsMV0=' };
      db.cases.unshift(c);
      db.timelines[c.id] = [{ id: hex(12), at: c.created_at, by: { kind: 'person', id: 'u_dana', name: 'Dana Whitfield' }, kind: 'change', execution: null, field: 'created', from: null, to: c.title }];
      touch('cases', c.id, { kind: 'created' });
      return send(res, 200, c);
    }
    if (is('PATCH', /^\/api\/cases$/)) {
      const out = [];
      for (const x of body.cases) {
        const c = db.cases.find((y) => y.id === x.id);
        if (!c) return err(res, 404, 'no such case');
        if (x.version !== c.version) return err(res, 409, `These cases ${x.id} have been updated. Please refresh before saving additional updates.`);
        for (const [k, v] of Object.entries(x)) if (!['id', 'version'].includes(k) && JSON.stringify(c[k]) !== JSON.stringify(v)) { (db.timelines[c.id] ??= []).push({ id: hex(12), at: iso(Date.now()), by: { kind: 'person', id: 'u_dana', name: 'Dana Whitfield' }, kind: 'change', execution: null, field: k, from: c[k], to: v }); c[k] = v; }
        bump(c);
        c.updated_at = iso(Date.now());
        out.push(c);
        touch('cases', c.id, { kind: 'updated' });
      }
      return send(res, 200, out);
    }
    if ((m = is('POST', /^\/api\/cases\/([^/]+)\/comments$/))) {
      const c = db.cases.find((x) => x.id === m[1]);
      if (!c) return err(res, 404, 'no such case');
      const by = { kind: 'person', id: 'u_dana', name: 'Dana Whitfield' };
      if (body.type === 'alert') { for (const a of db.alerts) if (body.alertId.includes(a.id)) a.case = { id: c.id, number: c.incremental_id, title: c.title }; c.totalAlerts += body.alertId.length; (db.timelines[c.id] ??= []).push({ id: hex(12), at: iso(Date.now()), by, kind: 'alert', execution: null, alerts: db.alerts.filter((a) => body.alertId.includes(a.id)).map((a) => ({ id: a.id, rule: a.rule.name, severity: a.severity, risk_score: a.risk_score, reason: a.reason })) }); } else { (db.timelines[c.id] ??= []).push({ id: hex(12), at: iso(Date.now()), by, kind: 'comment', execution: null, text: body.comment, comment_id: hex(12), version: 'WzEsMV0=', edited_at: null }); c.totalComment++; }
      bump(c);
      touch('cases', c.id, { kind: 'updated' });
      return send(res, 200, c);
    }
    if ((m = is('GET', /^\/api\/cases\/([^/]+)$/))) { const c = db.cases.find((x) => x.id === m[1]); return c ? send(res, 200, c) : err(res, 404, 'no such case'); }
    if ((m = is('GET', /^\/api\/watchfire\/cases\/([^/]+)\/timeline$/))) {
      const all = [...(db.timelines[m[1]] ?? [])].sort((a, b) => (a.at < b.at ? 1 : -1) * (p.get('order') === 'oldest' ? -1 : 1));
      const kinds = p.get('kinds')?.split(','), off = Number((p.get('cursor') ?? 'o:0').slice(2)), size = Number(p.get('size') ?? 100);
      const l = kinds ? all.filter((e) => kinds.includes(e.kind)) : all;
      return send(res, 200, { total: all.length, counts: Object.fromEntries(['alert', 'comment', 'step', 'approval', 'command', 'change', 'summary'].map((k) => [k, all.filter((e) => e.kind === k).length])), entries: l.slice(off, off + size), cursor: off + size < l.length ? `o:${off + size}` : null });
    }
    if (is('GET', /^\/api\/watchfire\/approvals$/)) {
      const st = p.get('state') ?? 'waiting';
      const w = db.approvals.filter((a) => a.state === 'waiting');
      const l = (st === 'waiting' ? w : st === 'answered' ? db.approvals.filter((a) => a.state !== 'waiting') : db.approvals).filter((a) => !p.get('execution') || a.execution === p.get('execution'));
      return send(res, 200, { approvals: l, cursor: null, counts: { waiting: w.length, answered: db.approvals.length - w.length } });
    }
    if ((m = is('GET', /^\/api\/watchfire\/approvals\/([^/]+)$/))) { const a = db.approvals.find((x) => x.id === m[1]); return a ? send(res, 200, { ...a, ...(opt.passkeys && a.kind === 'question' ? { passkey_needed: true } : {}), may_decide: !opt.denied, may_not_because: opt.denied ? 'needs approvals:decide' : null }) : err(res, 404, 'no such approval'); }
    if ((m = is('POST', /^\/api\/watchfire\/approvals\/([^/]+)\/(decide|settle)$/))) {
      const a = db.approvals.find((x) => x.id === m[1]);
      if (!a) return err(res, 404, 'no such approval');
      if (a.state !== 'waiting') return err(res, 409, 'answered already', { code: 'decided', current: a });
      if (m[2] === 'decide' && body.verdict === 'approve' && (a.passkey_needed || opt.passkeys)) {
        const c = body.passkey && JSON.parse(Buffer.from(body.passkey.client_data, 'base64url').toString());
        if (!c || c.type !== 'webauthn.get' || c.challenge !== a.challenge || !db.passkeys.some((k) => k.id === body.passkey.credential_id) || !body.passkey.signature) return err(res, 403, 'a passkey signature over the hash is needed');
      }
      if (m[2] === 'decide' && body.hash !== a.hash) return err(res, 409, 'the actions changed', { code: 'hash', current: a });
      a.state = m[2] === 'settle' ? 'settled' : body.verdict === 'approve' ? 'approved' : 'rejected';
      a.decisions = [...a.decisions, { by: db.people[0], verdict: body.verdict, at: iso(Date.now()), comment: body.comment ?? null, channel: 'web' }];
      a.quorum = { ...a.quorum, given: a.quorum.given + 1 };
      bump(a);
      answer(a, 'completed', 'dana');
      touch('approvals', a.id, { kind: 'updated', state: a.state });
      return send(res, 200, a);
    }
    if ((m = is('POST', /^\/api\/watchfire\/approvals\/([^/]+)\/challenge$/))) {
      const a = db.approvals.find((x) => x.id === m[1]);
      if (!a) return err(res, 404, 'no such approval');
      a.challenge = Buffer.from(hex(64), 'hex').toString('base64url');
      return send(res, 200, { challenge: a.challenge, rp_id: 'localhost', credentials: db.passkeys.map((k) => k.id), expires_at: iso(Date.now() + 180_000) });
    }
    if ((m = is('POST', /^\/api\/watchfire\/approvals\/([^/]+)\/(change|remark)$/))) {
      const a = db.approvals.find((x) => x.id === m[1]);
      if (!a) return err(res, 404, 'no such approval');
      if (a.state !== 'waiting') return err(res, 409, 'answered already', { code: 'decided', current: a });
      if (m[2] === 'remark') {
        if (!['ask', 'reply', 'delegate'].includes(body.kind)) return err(res, 400, '[request body.kind]: expected `ask`, `reply` or `delegate`');
        a.remarks = [...(a.remarks ?? []), { by: 'dana', at: iso(Date.now()), kind: body.kind, to: body.to ?? null, text: body.text ?? null }];
        if (body.kind === 'delegate') a.approvers = { ...a.approvers, delegates: [...a.approvers.delegates, body.to] };
      } else {
        if (body.hash !== a.hash) return err(res, 409, 'the actions changed', { code: 'hash', current: a });
        a.actions = a.actions.map((x) => { const c = body.actions.find((y) => y.index === x.index); return c ? { ...x, parameters: c.parameters, request: c.parameters.command, target: { ...x.target, host: c.parameters.host }, hash: hex(64) } : x; });
        const was = a.hash;
        a.hash = hex(64);
        a.decisions = [];
        a.quorum = { ...a.quorum, given: 0 };
        a.remarks = [...(a.remarks ?? []), { by: 'dana', at: iso(Date.now()), kind: 'change', to: null, text: body.comment, before: { hash: was, actions: [], decisions: [] } }];
      }
      bump(a);
      touch('approvals', a.id, { kind: 'updated', state: a.state });
      return send(res, 200, { ...a, may_decide: true });
    }
    if (path === '/api/watchfire/passkeys/challenge') return !body.password ? err(res, 400, 'the password is needed again') : send(res, 200, { challenge: Buffer.from(hex(32)).toString('base64url'), rp_id: 'localhost', rp_name: 'Watchfire', user_id: Buffer.from('u_dana').toString('base64url') });
    if (is('GET', /^\/api\/watchfire\/passkeys$/)) return send(res, 200, { rp_id: 'localhost', passkeys: db.passkeys });
    if (is('POST', /^\/api\/watchfire\/passkeys$/)) { const k = { id: body.credential_id, name: body.name, created_at: iso(Date.now()), last_used_at: null }; db.passkeys.push(k); return send(res, 200, k); }
    if ((m = is('DELETE', /^\/api\/watchfire\/passkeys\/([^/]+)$/))) { db.passkeys = db.passkeys.filter((k) => k.id !== m[1]); return send(res, 204); }
    if (is('GET', /^\/api\/workflows$/)) return send(res, 200, { page: 1, size: 1000, total: db.workflows.length, results: db.workflows.map(({ yaml, ...w }) => w) });
    if (is('POST', /^\/api\/workflows\/validate$/)) return send(res, 200, validate(String(body.yaml ?? '')));
    if (is('POST', /^\/api\/workflows\/workflow$/) || (m = is('PUT', /^\/api\/workflows\/workflow\/([^/]+)$/))) {
      let w = m ? db.workflows.find((x) => x.id === m[1]) : null;
      if (m && !w) return err(res, 404, 'no such workflow');
      const v = body.yaml === undefined ? null : validate(body.yaml);
      if (!w) { w = { id: v.watchfire.name?.toLowerCase().replace(/[^a-z0-9]+/g, '-') ?? hex(8), tags: [], version: 0, createdAt: iso(Date.now()), createdBy: 'dana', enabled: !/enabled: false/.test(body.yaml), watchfire: { approvals: 0, used_by_rules: 0, runs_24h: 0, failed_24h: 0, p95_ms: null, last_execution: null } }; db.workflows.push(w); }
      if (v) (db.versions[w.id] ??= []).push({ version: w.version + 1, at: iso(Date.now()), by: 'dana', yaml: body.yaml, valid: v.valid, executions: 0, failed: 0 });
      if (v) Object.assign(w, { yaml: body.yaml, name: v.watchfire.name ?? 'Untitled workflow', description: /^description: (.*)/m.exec(body.yaml)?.[1] ?? '', valid: v.valid, version: w.version + 1, watchfire: { ...w.watchfire, effect: v.watchfire.effect, triggers: v.watchfire.triggers, steps: v.graph?.nodes.length ?? 0 } });
      if (v && !v.valid) w.enabled = false;
      if (typeof body.enabled === 'boolean') w.enabled = body.enabled;
      w.lastUpdatedAt = iso(Date.now());
      touch('workflows', w.id, { kind: 'updated' });
      return send(res, 200, w);
    }
    if ((m = is('GET', /^\/api\/workflows\/workflow\/([^/]+)$/))) { const w = db.workflows.find((x) => x.id === m[1]); return w ? send(res, 200, w) : err(res, 404, 'Workflow not found'); }
    if ((m = is('GET', /^\/api\/workflows\/workflow\/([^/]+)\/versions$/))) { const w = db.workflows.find((x) => x.id === m[1]); return w ? send(res, 200, { versions: [...(db.versions[w.id] ?? [])].reverse().map(({ yaml, ...v }) => ({ ...v, current: v.version === w.version })) }) : err(res, 404, 'Workflow not found'); }
    if ((m = is('GET', /^\/api\/workflows\/workflow\/([^/]+)\/versions\/(\d+)$/))) { const v = db.versions[m[1]]?.find((x) => x.version === Number(m[2])); return v ? send(res, 200, v) : err(res, 404, 'no such version'); }
    if ((m = is('POST', /^\/api\/workflows\/workflow\/([^/]+)\/versions\/(\d+)\/restore$/))) {
      const w = db.workflows.find((x) => x.id === m[1]), v = db.versions[m[1]]?.find((x) => x.version === Number(m[2]));
      if (!w || !v) return err(res, 404, 'no such version');
      w.version++;
      w.yaml = v.yaml;
      db.versions[w.id].push({ ...v, version: w.version, at: iso(Date.now()), by: 'dana', executions: 0, failed: 0 });
      touch('workflows', w.id, { kind: 'updated' });
      return send(res, 200, w);
    }
    if (is('POST', /^\/api\/workflows\/test$/)) {
      const v = validate(String(body.workflowYaml ?? ''));
      if (!v.valid) return err(res, 400, `Invalid workflow yaml: ${v.diagnostics[0].message}`);
      if (body.dryRun !== true) return err(res, 400, 'the page never tests for real');
      const now = Date.now(), id = hex(8) + '-' + hex(12);
      db.tested = { yaml: body.workflowYaml, inputs: body.inputs };
      const steps = (v.graph?.nodes ?? []).filter((n) => !n.id.startsWith('trigger')).map((n, i) => ({ id: hex(12), stepId: n.name, stepType: n.type, workflowRunId: id, workflowId: body.workflowId ?? 'test', status: 'completed', scopeStack: n.container ? [{ name: n.container, kind: 'if', index: null }] : [], startedAt: iso(now + i), finishedAt: iso(now + i + 1), executionTimeMs: 1, topologicalIndex: i, globalExecutionIndex: i, stepExecutionIndex: 0, input: {}, output: null, error: null, watchfire: { effect: n.effect, connector: null, attempts: [], waits: [], approval: null, request: n.effect === 'none' ? null : `${n.type} as it would be sent`, secrets: [], key: null, delivery: n.effect === 'none' ? null : 'not sent' } }));
      db.executions.unshift({ ...db.executions[0], id, workflowId: body.workflowId ?? 'test', workflowName: v.watchfire.name, status: 'completed', isTestRun: true, startedAt: iso(now), createdAt: iso(now), finishedAt: iso(now + steps.length), duration: steps.length, error: null, version: null, yaml: body.workflowYaml, triggeredBy: 'test', stepExecutions: steps, watchfire: { effect: v.watchfire.effect, queue_ms: 0, run_ms: steps.length, wait_ms: 0, cause: null, rule: null, alerts: [], case: null, approval: null, held: 0, dry_run: true } });
      return send(res, 200, { workflowExecutionId: id });
    }
    if (is('POST', /^\/api\/workflows\/step\/test$/)) {
      const n = validate(String(body.workflowYaml ?? '')).graph?.nodes.find((x) => x.name === body.stepId);
      if (!n) return err(res, 400, 'no such step');
      const now = Date.now(), id = hex(8) + '-' + hex(12);
      db.executions.push({ ...db.executions[0], id, status: 'completed', isTestRun: true, error: null, stepExecutions: [{ id: hex(12), stepId: n.name, stepType: n.type, workflowRunId: id, workflowId: 'test', status: 'completed', scopeStack: [], startedAt: iso(now), finishedAt: iso(now + 3), executionTimeMs: 3, topologicalIndex: 0, globalExecutionIndex: 0, stepExecutionIndex: 0, input: { rendered: body.contextOverride.event?.rule?.name ?? 'no event' }, output: { tested: n.name }, error: null, watchfire: { effect: n.effect, connector: null, attempts: [], waits: [], approval: null, request: `${n.type} rendered`, secrets: [], key: null, delivery: body.dryRun ? 'not sent' : 'answered 200' } }] });
      return send(res, 200, { workflowExecutionId: id });
    }
    if ((m = is('POST', /^\/api\/workflows\/executions\/([^/]+)\/resume$/))) {
      const a = db.approvals.find((x) => x.kind === 'input' && x.execution === m[1] && x.state === 'waiting' && x.step_execution === (body.stepExecutionId ?? null));
      if (!a) return err(res, 409, 'the run waits for nothing');
      const bad = (a.schema.required ?? []).filter((k) => body.input?.[k] === undefined).map((k) => ({ pointer: `/${k}`, message: 'is needed' }));
      if (body.input?.minutes === 13) bad.push({ pointer: '/minutes', message: 'thirteen is refused by the server' });
      if (bad.length) return err(res, 400, 'the input does not fit its schema', { errors: bad });
      Object.assign(a, { state: 'answered', response: body.input, decisions: [...a.decisions, { by: db.people[0], verdict: 'answer', at: iso(Date.now()), comment: null, channel: 'web' }] });
      bump(a);
      touch('approvals', a.id, { kind: 'updated', state: a.state });
      return send(res, 200, { success: true, executionId: m[1], message: 'Workflow resume scheduled' });
    }
    if ((m = is('POST', /^\/api\/workflows\/executions\/([^/]+)\/rerun$/))) {
      const e = db.executions.find((x) => x.id === m[1]);
      if (!e) return err(res, 404, 'Execution not found');
      const at = body.from ? e.stepExecutions.findIndex((x) => x.id === body.from) : 0, id = hex(8) + '-' + hex(12);
      if (at < 0) return err(res, 400, 'no such step');
      db.executions.unshift({ ...e, id, status: 'completed', startedAt: iso(Date.now()), createdAt: iso(Date.now()), finishedAt: iso(Date.now() + 30), duration: 30, error: null, stepExecutions: e.stepExecutions.map((x, i) => ({ ...x, id: hex(12), workflowRunId: id, status: 'completed', error: null, startedAt: iso(Date.now() + i), finishedAt: iso(Date.now() + i + 1), executionTimeMs: 1, watchfire: { ...x.watchfire, attempts: [], waits: [], approval: null, ...(i < at ? { delivery: 'kept from the first run' } : {}) } })), watchfire: { ...e.watchfire, approval: null, rerun_of: e.id } });
      e.watchfire = { ...e.watchfire, reruns: [...(e.watchfire.reruns ?? []), id] };
      touch('executions', id, { kind: 'created' });
      return send(res, 200, { workflowExecutionId: id });
    }
    if ((m = is('DELETE', /^\/api\/workflows\/workflow\/([^/]+)$/))) { db.workflows = db.workflows.filter((x) => x.id !== m[1]); touch('workflows', m[1], { kind: 'deleted' }); return send(res, 200, {}); }
    if ((m = is('POST', /^\/api\/workflows\/workflow\/([^/]+)\/run$/))) {
      const w = db.workflows.find((x) => x.id === m[1]);
      if (!w) return err(res, 404, 'Workflow not found');
      if (!w.enabled) return err(res, 400, 'Workflow is disabled. Enable it to run it.');
      const e = { ...db.executions[0], id: hex(8) + '-' + hex(12), workflowId: w.id, workflowName: w.name, status: 'completed', startedAt: iso(Date.now()), createdAt: iso(Date.now()), finishedAt: iso(Date.now() + 40), duration: 40, yaml: w.yaml, triggeredBy: 'manual', stepExecutions: [], watchfire: { effect: w.watchfire.effect, queue_ms: 1, run_ms: 40, wait_ms: 0, cause: null, rule: null, alerts: [], case: null, approval: null, held: 0 } };
      db.executions.unshift(e);
      touch('executions', e.id, { kind: 'created' });
      return send(res, 200, { workflowExecutionId: e.id });
    }
    if (is('GET', /^\/api\/workflows\/executions$/)) {
      const st = p.get('statuses')?.split(',');
      let l = db.executions.filter((e) => (!p.get('workflowId') || e.workflowId === p.get('workflowId')) && (!p.get('alertId') || e.watchfire.alerts.includes(p.get('alertId'))) && (!p.get('caseId') || e.watchfire.case?.id === p.get('caseId')));
      const n = (s) => l.filter((e) => s.includes(e.status)).length;
      const counts = { all: l.length, active: n(['queued', 'pending', 'running', 'waiting', 'waiting_for_child']), waiting: n(['waiting_for_input']), failed: n(['failed', 'timed_out']) };
      if (st) l = l.filter((e) => st.includes(e.status));
      const page = Number(p.get('page') ?? 1), size = Number(p.get('size') ?? 50);
      return send(res, 200, { results: l.slice((page - 1) * size, page * size).map(item), page, size, total: l.length, counts });
    }
    if ((m = is('GET', /^\/api\/watchfire\/executions\/([^/]+)\/undo$/))) { const e = db.executions.find((x) => x.id === m[1]); return e ? send(res, 200, { undos: e.undos ?? [], undo_of: null }) : err(res, 404, 'Execution not found'); }
    if ((m = is('POST', /^\/api\/watchfire\/executions\/([^/]+)\/undo$/))) {
      const e = db.executions.find((x) => x.id === m[1]);
      const u = e?.undos?.find((x) => !body.key || x.key === body.key);
      if (!u) return err(res, 404, 'this run has no such effect that can be undone');
      Object.assign(u, body.action === 'keep' ? { state: 'kept', due: null } : body.action === 'at' ? { due: body.at } : { state: 'undone', due: null, finished_at: iso(Date.now()) });
      touch('executions', e.id, { kind: 'updated' });
      return send(res, 200, { undos: e.undos, undo_of: null });
    }
    if ((m = is('GET', /^\/api\/workflows\/executions\/([^/]+)$/))) { const e = db.executions.find((x) => x.id === m[1]); return e ? send(res, 200, { ...e, stepExecutions: e.stepExecutions.map(({ input, output, ...s }) => ({ ...s, ...(p.get('includeInput') === 'true' ? { input } : {}), ...(p.get('includeOutput') === 'true' ? { output } : {}) })) }) : err(res, 404, 'Execution not found'); }
    if ((m = is('GET', /^\/api\/workflows\/executions\/([^/]+)\/step\/([^/]+)$/))) { const run = db.executions.find((x) => x.id === m[1]); const s = run && m[2] === 'trigger' ? { id: 'trigger', stepId: 'trigger', workflowRunId: run.id, input: run.context?.inputs ?? {}, output: run.context?.event ?? null } : run?.stepExecutions.find((x) => x.id === m[2]); return s ? send(res, 200, s) : err(res, 404, 'no such step'); }
    if ((m = is('POST', /^\/api\/workflows\/executions\/([^/]+)\/cancel$/))) { const e = db.executions.find((x) => x.id === m[1]); if (!e) return err(res, 404, 'Execution not found'); e.status = 'cancelled'; e.finishedAt = iso(Date.now()); e.duration = Date.now() - Date.parse(e.startedAt); touch('executions', e.id, { kind: 'updated', status: 'cancelled' }); return send(res, 200, {}); }
    if (path === '/api/watchfire/catalogue') return send(res, 200, db.catalogue);
    if (is('GET', /^\/api\/detection_engine\/rules\/_find$/)) {
      const f = p.get('filter') ?? '';
      const name = /alert\.attributes\.name: \*(.*)\*/.exec(f)?.[1]?.toLowerCase(), en = /enabled: (true|false)/.exec(f)?.[1];
      const l = db.rules.filter((r) => (!name || r.name.toLowerCase().includes(name)) && (!en || String(r.enabled) === en));
      const sf = p.get('sort_field');
      if (sf) l.sort((a, b) => (sf === 'severity' ? RANK[a.severity] - RANK[b.severity] : sf === 'risk_score' ? a.risk_score - b.risk_score : String(a[sf]).localeCompare(String(b[sf]))) * (p.get('sort_order') === 'desc' ? -1 : 1));
      const page = Number(p.get('page') ?? 1), per = Number(p.get('per_page') ?? 20);
      return send(res, 200, { data: l.slice((page - 1) * per, page * per), page, perPage: per, total: l.length });
    }
    if (path === '/api/detection_engine/rules') {
      if (method === 'GET') { const r = db.rules.find((x) => x.id === p.get('id')); return r ? send(res, 200, r) : send(res, 404, { message: `id: "${p.get('id')}" not found`, status_code: 404 }); }
      if (method === 'DELETE') { const r = db.rules.find((x) => x.id === p.get('id')); db.rules = db.rules.filter((x) => x !== r); touch('rules', p.get('id'), { kind: 'deleted' }); return send(res, 200, r); }
      if (!body.name && method === 'POST') return send(res, 400, { message: 'name: Required', status_code: 400 });
      let r = method === 'POST' ? null : db.rules.find((x) => x.id === body.id);
      if (method !== 'POST' && !r) return send(res, 404, { message: `id: "${body.id}" not found`, status_code: 404 });
      for (const a of body.actions ?? []) if (a.action_type_id === '.workflows') { const w = db.workflows.find((x) => x.id === a.params.subActionParams.workflowId); if (!w?.enabled) return send(res, 400, { message: `workflow "${a.params.subActionParams.workflowId}" is not enabled`, status_code: 400 }); }
      if (!r) { r = { id: `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`, rule_id: hex(8), created_at: iso(Date.now()), created_by: 'dana', revision: -1, tags: [], actions: [] }; db.rules.unshift(r); }
      Object.assign(r, body, { id: r.id, revision: r.revision + 1, updated_at: iso(Date.now()), updated_by: 'dana', actions: (body.actions ?? r.actions).map((a) => ({ uuid: hex(16), ...a })) });
      touch('rules', r.id, { kind: 'updated' });
      return send(res, 200, r);
    }
    if (path === '/api/watchfire/rules/check') { const bad = (String(body.query).match(/"/g) ?? []).length % 2 || !String(body.query).trim(); return send(res, 200, { valid: !bad, diagnostics: bad ? [{ severity: 'error', code: 'querySyntax', message: String(body.query).trim() ? 'the string is not closed' : 'the query is empty', line: 1, column: Math.max(1, String(body.query).lastIndexOf('"') + 1), endLine: 1, endColumn: String(body.query).length + 1, hint: null, path: null }] : [], fields: [...new Set(String(body.query).match(/[a-z_]+\.[\w.]+(?=\s*[:<>=])/g) ?? [])] }); }
    if (is('GET', /^\/api\/actions\/connectors$/)) return send(res, 200, db.connectors);
    if (is('POST', /^\/api\/actions\/connector(\/[^/]+)?$/)) { if (!body.name) return err(res, 400, '[request body.name]: expected value of type [string] but got [undefined]'); const c = { id: body.name.toLowerCase().replace(/\W+/g, '-'), name: body.name, connector_type_id: body.connector_type_id, config: body.config ?? {}, is_missing_secrets: false, watchfire: { used_by_workflows: 0, calls_24h: 0, failed_24h: 0, last_error: null, last_error_at: null } }; db.connectors.push(c); touch('connectors', c.id, { kind: 'created' }); return send(res, 200, c); }
    if ((m = is('PUT', /^\/api\/actions\/connector\/([^/]+)$/))) { const c = db.connectors.find((x) => x.id === m[1]); Object.assign(c, { name: body.name, config: body.config }); touch('connectors', c.id, { kind: 'updated' }); return send(res, 200, c); }
    if ((m = is('DELETE', /^\/api\/actions\/connector\/([^/]+)$/))) { db.connectors = db.connectors.filter((x) => x.id !== m[1]); touch('connectors', m[1], { kind: 'deleted' }); return send(res, 204); }
    if ((m = is('POST', /^\/api\/watchfire\/connectors\/([^/]+)\/test$/))) return send(res, 200, m[1] === 'ssh-clinics' ? { ok: false, checks: [{ name: 'name resolves', ok: true, detail: '192.0.2.41', ms: 2 }, { name: 'egress allowed', ok: true, detail: 'private range, listed', ms: 0 }, { name: 'host key', ok: false, detail: 'the key differs from the pinned one', ms: 31 }], advice: 'compare the key on the host, then pin the new one' } : { ok: true, checks: [{ name: 'name resolves', ok: true, detail: '198.51.100.7', ms: 2 }, { name: 'signs in', ok: true, detail: 'answered 200', ms: 120 }], advice: null });
    return err(res, 404, 'Not Found');
  }

  function serve(req, res, path) {
    let file = normalize(join(DIST, path));
    if (!file.startsWith(DIST) || !existsSync(file) || statSync(file).isDirectory()) file = join(DIST, 'index.html');
    if (!existsSync(file)) return err(res, 404, 'build the page first: npm run build');
    res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache' });
    createReadStream(file).pipe(res);
  }

  return createServer((req, res) => {
    handle(req, res).catch((e) => {
      console.error(e);
      if (!res.headersSent) err(res, 500, String(e));
    });
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.env.MOCK_PORT ?? 5611);
  createMock({ rows: Number(process.env.MOCK_ROWS ?? 37) }).listen(port, '127.0.0.1', () => console.log(`mock server on http://127.0.0.1:${port}, user elastic, password changeme`));
}
