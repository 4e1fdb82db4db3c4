// Invented data of a small clinic group: what the mock server starts with. Nothing here is real.
// Deterministic: the same rows on every start, times relative to now.

let seed = 7;
const rnd = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const pick = (a) => a[Math.floor(rnd() * a.length)];
export const iso = (ms) => new Date(ms).toISOString();
export const hex = (n) => Array.from({ length: n }, () => Math.floor(rnd() * 16).toString(16)).join('');
const uuid = () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
const INDEX = '.internal.alerts-security.alerts-default-000001';

export const people = [
  { uid: 'u_dana', username: 'dana', full_name: 'Dana Whitfield' },
  { uid: 'u_priya', username: 'priya', full_name: 'Priya Raman' },
  { uid: 'u_tomasz', username: 'tomasz', full_name: 'Tomasz Berg' },
];

const RULES = [
  ['LSASS memory read by rundll32', 'critical', 73, 'eql', 'process where process.name : "rundll32.exe" and process.args : "*comsvcs*"', 'T1003', 'OS Credential Dumping'],
  ['Word started a script interpreter', 'high', 70, 'eql', 'process where process.parent.name : "winword.exe" and process.name : ("powershell.exe", "wscript.exe")', 'T1059', 'Command and Scripting Interpreter'],
  ['Regular beacon to a rare address', 'high', 65, 'query', 'event.category: network and destination.ip: 203.0.113.77', 'T1071', 'Application Layer Protocol'],
  ['Service account used from a new host', 'high', 61, 'query', 'event.action: logged-in and user.name: svc-*', 'T1078', 'Valid Accounts'],
  ['Archive tool run from a temp folder', 'medium', 47, 'eql', 'process where process.name : "7za.exe"', 'T1560', 'Archive Collected Data'],
  ['Sign-in from a new country', 'high', 58, 'query', 'event.category: authentication and event.outcome: success and not source.geo.country_iso_code: GB', 'T1078', 'Valid Accounts'],
  ['MFA method added after a risky sign-in', 'medium', 52, 'query', 'event.action: mfa-method-added', 'T1098', 'Account Manipulation'],
  ['Web shell pattern in upload folder', 'high', 66, 'query', 'url.path: */uploads/*.php and http.request.method: POST', 'T1505', 'Server Software Component'],
  ['Password spray against the VPN', 'medium', 47, 'query', 'event.category: authentication and event.outcome: failure and service.name: vpn', 'T1110', 'Brute Force'],
  ['Scheduled task by a non-admin', 'low', 21, 'query', 'event.code: 4698 and not user.name: admin*', 'T1053', 'Scheduled Task/Job'],
  ['WMI event consumer registered', 'high', 64, 'query', 'event.code: (19 or 20 or 21)', 'T1546', 'Event Triggered Execution'],
  ['Large download after failed log-ins', 'medium', 49, 'query', 'network.bytes > 50000000', 'T1048', 'Exfiltration'],
];

const HOSTS = ['WS-BILL-014', 'SRV-EHR-02', 'SRV-WEB-01', 'vpn-gw-02', 'WS-LAB-003', 'WS-FRONT-009', 'SRV-FILE-01', 'WS-BILL-022'];
const USERS = ['m.okafor', 'svc-backup', 'j.halvorsen', 't.lindqvist', 'a.novak', 'www-data', 's.brandt'];

export const CONTAIN = `name: contain-workstation
description: Enrich, open a case, ask, isolate
enabled: true
tags: [credential-theft]
triggers:
  - type: alert
inputs:
  - name: reason
    type: string
    required: false
steps:
  # what do others say about the address
  - name: lookup
    type: http
    with:
      url: "https://reputation.example.net/ip/{{ event.alerts[0].source.ip }}"
      method: GET
    on-failure:
      retry: { max-attempts: 3, delay: 2s }
  - name: history
    type: elasticsearch.search
    with:
      index: logs-*
      query: { term: { host.name: "{{ event.alerts[0].host.name }}" } }
      size: 20
  - name: summarise
    type: ai.summarize
    connector-id: local-model
    with: { input: "\${{ steps.history.output.hits }}" }
  - name: is_severe
    type: if
    condition: "event.alerts.kibana.alert.severity : critical"
    steps:
      - name: open_case
        type: cases.createCase
        with:
          owner: securitySolution
          title: "Credential theft on {{ event.alerts[0].host.name }}"
          description: "{{ steps.summarise.output.content }}"
          severity: critical
          tags: [credential-theft]
      - name: tell
        type: slack_api.postMessage
        connector-id: soc-slack
        with: { channels: ["#soc"], text: "Case opened for {{ event.alerts[0].host.name }}" }
      - name: ask
        type: waitForApproval
        timeout: 30m
        with: { message: "Isolate {{ event.alerts[0].host.name }} from the network?", approveLabel: Approve isolation }
      - name: isolate
        type: ssh.run
        connector-id: ssh-clinics
        with:
          host: "{{ event.alerts[0].host.name | downcase }}"
          command: "nft -f /etc/watchfire/isolate.nft"
  - name: record
    type: cases.addComment
    with:
      case_id: "{{ steps.open_case.output.id }}"
      comment: "{{ steps.isolate.output.stdout }}"
`;
const NOTIFY = `name: notify-soc
description: Post to the channel with the alert and its host
enabled: true
triggers:
  - type: alert
  - type: manual
steps:
  - name: post
    type: slack_api.postMessage
    connector-id: soc-slack
    with: { channels: ["#soc"], text: "{{ event.rule.name }} on {{ event.alerts[0].host.name }}" }
`;
const ENRICH = `name: enrich-address
description: Look the address up and note the answer
enabled: true
triggers:
  - type: alert
steps:
  - name: lookup
    type: http
    with: { url: "https://reputation.example.net/ip/{{ event.alerts[0].source.ip }}", method: GET }
  - name: note
    type: console
    with: { message: "{{ steps.lookup.output.data.verdict }}" }
`;
const VISITOR = `name: visitor-wifi-list
description: List the devices of the visitor network
enabled: true
triggers:
  - type: manual
steps:
  - name: list
    type: http
    with: { url: "https://wifi.example.net/devices", method: GET }
`;
const OLD = `name: isolate-old
description: First version of the isolation, kept for its history
enabled: false
triggers:
  - type: alert
steps:
  - name: isolate
    type: ssh.run
    connector-id: ssh-clinics
    with: { command: "iptables -P OUTPUT DROP" }
`;

const SCHEMAS = {
  'ssh.run': { required: ['command'], properties: { command: { type: 'string', description: 'one command' }, host: { type: 'string' } } },
  http: { required: ['url'], properties: { url: { type: 'string' }, method: { enum: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], default: 'GET' }, headers: { type: 'object', additionalProperties: { type: 'string' } }, body: {} } },
  'cases.createCase': { required: ['title', 'description'], properties: { title: { type: 'string', maxLength: 160 }, description: { type: 'string', maxLength: 30000 }, owner: { type: 'string', enum: ['securitySolution', 'observability', 'cases'] }, severity: { type: 'string', enum: ['low', 'medium', 'high', 'critical'], default: 'low' }, tags: { type: 'array', items: { type: 'string' } }, assignees: { type: 'array', items: { type: 'object', properties: { uid: { type: 'string' } }, required: ['uid'] } }, category: { type: 'string' }, settings: { type: 'object', properties: { syncAlerts: { type: 'boolean', default: true } } } } },
  'cases.addComment': { required: ['case_id', 'comment'], properties: { case_id: { type: 'string' }, comment: { type: 'string', maxLength: 30000 } } },
  'slack_api.postMessage': { required: ['text'], properties: { text: { type: 'string', maxLength: 4000 }, channels: { type: 'array', items: { type: 'string' } } } },
  'elasticsearch.search': { properties: { index: { type: 'string' }, query: { type: 'object' }, size: { type: 'integer', minimum: 0, maximum: 10000 } } },
  'ai.summarize': { properties: { input: {}, instructions: { type: 'string', maxLength: 4000 }, maxLength: { type: 'integer', minimum: 1 } } },
  waitForApproval: { properties: { message: { type: 'string', description: 'the question' }, approveLabel: { type: 'string' }, rejectLabel: { type: 'string' } } },
  console: { properties: { message: { type: 'string' } } }, wait: { required: ['duration'], properties: { duration: { type: 'string' } } }, 'data.set': { additionalProperties: true },
};
const EXAMPLES = { if: 'condition: \'event.alerts.kibana.alert.severity: critical\'\n  steps: []', foreach: 'foreach: "${{ event.alerts }}"\n  steps: []', console: 'with:\n    message: hello', wait: 'with:\n    duration: 5s' };
export const STEPS = [
  ['if', 'If', 'flow', 'none'], ['switch', 'Switch', 'flow', 'none'], ['foreach', 'For each', 'flow', 'none'], ['wait', 'Wait', 'flow', 'none'], ['waitForApproval', 'Ask for approval', 'people', 'internal'], ['data.set', 'Set variables', 'data', 'none'], ['console', 'Write to the log', 'data', 'none'],
  ['http', 'HTTP request', 'http', 'read'], ['cases.createCase', 'Open a case', 'cases', 'internal'], ['cases.addComment', 'Comment on a case', 'cases', 'internal'], ['cases.addAlerts', 'Add alerts to a case', 'cases', 'internal'], ['cases.closeCase', 'Close a case', 'cases', 'internal'], ['cases.addObservables', 'Add observables', 'cases', 'internal'], ['kibana.SetAlertsStatus', 'Set the status of alerts', 'security', 'internal'], ['elasticsearch.search', 'Search events', 'elastic', 'read'],
  ['ai.summarize', 'Summarise', 'ai', 'write'], ['ai.prompt', 'Ask a model', 'ai', 'write'], ['slack_api.postMessage', 'Send a message', 'connectors', 'write'], ['ssh.run', 'Run a command over SSH', 'connectors', 'destructive'],
].map(([type, title, group, effect]) => ({ type, title, group, effect, description: title, connector_types: type === 'ssh.run' ? ['.ssh'] : type.startsWith('slack') ? ['.slack_api'] : type.startsWith('ai.') ? ['.gen-ai'] : [], example: `- name: ${type.split('.').pop().replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()}\n  type: ${type}\n${EXAMPLES[type] ? `  ${EXAMPLES[type]}\n` : ''}`,
  schema: { type: 'object', ...(SCHEMAS[type] ?? { properties: {} }) } }));
export const EFFECT = Object.fromEntries(STEPS.map((s) => [s.type, s.effect]));

const CONNECTOR_TYPES = [
  { id: '.slack_api', title: 'Slack', description: 'messages to channels', testable: true, steps: ['slack_api.postMessage'], config: { type: 'object', required: [], properties: { allowedChannels: { type: 'array', items: { type: 'string' }, title: 'Allowed channels' } } }, secrets: { type: 'object', required: ['token'], properties: { token: { type: 'string', title: 'Bot token' } } } },
  { id: '.ssh', title: 'SSH', description: 'hosts reached by SSH, host keys pinned', testable: true, steps: ['ssh.run'], config: { type: 'object', required: ['host', 'username', 'hostKey'], properties: { host: { type: 'string', title: 'Host' }, port: { type: 'integer', title: 'Port', default: 22, minimum: 1, maximum: 65535 }, username: { type: 'string', title: 'Account' }, hostKey: { type: 'string', title: 'Host key', description: 'as ssh-keyscan prints it' } } }, secrets: { type: 'object', required: ['privateKey'], properties: { privateKey: { type: 'string', title: 'Private key' } } } },
  { id: '.gen-ai', title: 'Model, OpenAI-compatible', description: 'summaries and answers', testable: true, steps: ['ai.prompt', 'ai.summarize'], config: { type: 'object', required: ['apiProvider', 'apiUrl'], properties: { apiProvider: { enum: ['OpenAI', 'Azure OpenAI', 'Other'], title: 'Provider' }, apiUrl: { type: 'string', title: 'URL' }, defaultModel: { type: 'string', title: 'Model' } } }, secrets: { type: 'object', required: [], properties: { apiKey: { type: 'string', title: 'API key' } } } },
  { id: '.http', title: 'HTTP', description: 'one base URL with its credentials', testable: true, steps: ['http'], config: { type: 'object', required: ['url'], properties: { url: { type: 'string', title: 'URL' }, hasAuth: { type: 'boolean', title: 'Sign in', default: true } } }, secrets: { type: 'object', properties: { user: { type: 'string', title: 'User' }, password: { type: 'string', title: 'Password' } } } },
];

function source(a, rule) {
  return {
    '@timestamp': a.time, 'kibana.alert.uuid': a.id, 'kibana.alert.rule.uuid': rule.id, 'kibana.alert.rule.name': rule.name, 'kibana.alert.rule.type': rule.type, 'kibana.alert.severity': a.severity, 'kibana.alert.risk_score': a.risk_score,
    'kibana.alert.reason': a.reason, 'kibana.alert.status': 'active', 'kibana.alert.workflow_status': a.status, 'kibana.alert.start': a.start, 'kibana.alert.original_time': iso(Date.parse(a.time) - 9), 'kibana.alert.depth': 1, 'kibana.alert.ancestors': [{ id: hex(20), type: 'event', index: 'logs-windows.sysmon_operational-default', depth: 0 }], 'kibana.space_ids': ['default'], 'event.kind': 'signal',
    event: { category: ['process'], type: ['start'], code: '10' }, host: a.host ? { name: a.host, os: { type: 'windows' } } : undefined, user: a.user ? { name: a.user } : undefined, source: a.source ? { ip: a.source } : undefined,
    process: { name: 'rundll32.exe', pid: 10244, command_line: 'C:\\Windows\\System32\\rundll32.exe comsvcs.dll, MiniDump 712 C:\\ProgramData\\t.bin full', parent: { name: 'powershell.exe', pid: 9872 } },
  };
}

export function build({ rows = 37, empty = false } = {}) {
  seed = 7;
  const now = Date.now();
  const t0 = now - 375_000;
  const db = { seq: 1, people, alerts: [], rules: [], workflows: [], executions: [], cases: [], approvals: [], connectors: [], timelines: {}, undo: {}, refused: 0, versions: {}, passkeys: [] };
  db.rules = RULES.map(([name, severity, risk_score, type, query, tid, tname], i) => ({
    id: uuid(), rule_id: `nw-${i + 1}`, name, description: `Finds: ${name.toLowerCase()}.`, enabled: i !== 11, type, language: type === 'eql' ? 'eql' : 'kuery', query, index: ['logs-*'], severity, risk_score, tags: ['northwind'], interval: '5m', from: 'now-6m', immutable: false, revision: 1, version: 1,
    threat: [{ framework: 'MITRE ATT&CK', tactic: { id: 'TA0006', name: 'Credential Access' }, technique: [{ id: tid, name: tname }] }],
    actions: [], created_at: iso(now - 30 * 864e5), created_by: 'dana', updated_at: iso(now - 3 * 864e5), updated_by: 'priya', watchfire: { alerts_30d: [14, 9, 6, 3, 22, 5, 2, 4, 31, 212, 1, 0][i], last_alert_at: i < 10 ? iso(now - i * 36e5) : null },
  }));
  const wf = (id, yaml, x) => ({ id, name: id, description: /description: (.*)/.exec(yaml)[1], enabled: !/enabled: false/.test(yaml), tags: [], yaml, valid: true, version: x.version ?? 1, createdAt: iso(now - 40 * 864e5), createdBy: 'dana', lastUpdatedAt: iso(now - 864e5 * 2), lastUpdatedBy: 'priya',
    watchfire: { effect: x.effect, triggers: [...yaml.matchAll(/^ {2}- type: (\w+)/gm)].map((m) => m[1]), steps: x.steps, approvals: x.approvals ?? 0, used_by_rules: x.used ?? 0, runs_24h: x.runs ?? 0, failed_24h: x.failed ?? 0, p95_ms: x.p95 ?? null, last_execution: null } });
  db.workflows = [
    wf('contain-workstation', CONTAIN, { effect: 'destructive', steps: 9, approvals: 1, used: 1, runs: 14, failed: 1, p95: 61_100, version: 7 }), wf('enrich-address', ENRICH, { effect: 'read', steps: 2, used: 2, runs: 212, failed: 3, p95: 1840 }), wf('notify-soc', NOTIFY, { effect: 'write', steps: 1, used: 1, runs: 37, p95: 420, version: 3 }),
    wf('visitor-wifi-list', VISITOR, { effect: 'read', steps: 1 }), wf('isolate-old', OLD, { effect: 'destructive', steps: 1 }),
  ];
  for (const w of db.workflows) for (let n = Math.max(1, w.version - 3); n <= w.version; n++) (db.versions[w.id] ??= []).push({ version: n, at: iso(now - (w.version - n + 2) * 864e5), by: n % 2 ? 'dana' : 'priya', valid: true, executions: n * 7, failed: n === 2 ? 3 : 0, yaml: n === w.version ? w.yaml : w.yaml.replace(/description: (.*)/, `description: $1, as of version ${n}`).replace('timeout: 30m', 'timeout: 10m') });
  db.connectors = [
    { id: 'soc-slack', name: 'soc-slack', connector_type_id: '.slack_api', config: { allowedChannels: ['#soc'] }, referenced_by_count: 2, watchfire: { used_by_workflows: 2, calls_24h: 51, failed_24h: 0, last_error: null, last_error_at: null } },
    { id: 'ssh-clinics', name: 'ssh-clinics', connector_type_id: '.ssh', config: { host: 'ws-bill-014', port: 22, username: 'svc-ir', hostKey: 'ssh-ed25519 AAAAC3…' }, referenced_by_count: 2, watchfire: { used_by_workflows: 2, calls_24h: 4, failed_24h: 1, last_error: 'the connection broke after the command was sent', last_error_at: iso(now - 5e6) } },
    { id: 'local-model', name: 'local-model', connector_type_id: '.gen-ai', config: { apiProvider: 'Other', apiUrl: 'http://127.0.0.1:8900/v1/chat/completions', defaultModel: 'local-8b' }, referenced_by_count: 1, watchfire: { used_by_workflows: 1, calls_24h: 14, failed_24h: 0, last_error: null, last_error_at: null } },
  ].map((c) => ({ is_preconfigured: false, is_deprecated: false, is_missing_secrets: false, is_system_action: false, ...c }));
  db.catalogue = { steps: STEPS, connectors: CONNECTOR_TYPES };
  if (empty) {
    db.connectors = [];
    db.workflows = [];
    db.received = 0;
    return db;
  }
  db.received = 41_216_004;
  const mk = (ri, at, host, user, src, reason, extra = {}) => {
    const rule = db.rules[ri];
    const a = { id: hex(40), index: INDEX, version: 'WzEsMV0=', rule: { id: rule.id, name: rule.name }, severity: rule.severity, risk_score: rule.risk_score, reason, host, user, source: src, status: 'open', close_reason: null, assignees: [], time: iso(at), start: iso(at + 9), case: null, execution: null, executions: 0, ...extra };
    a.source_doc = source(a, rule);
    db.alerts.push(a);
    return a;
  };
  const main = [
    mk(0, t0, 'WS-BILL-014', 'm.okafor', null, 'rundll32.exe loaded comsvcs.dll and wrote a 52 MB dump of the credential process on WS-BILL-014; its parent powershell.exe was started by Word 1 m 48 s earlier.'),
    mk(1, t0 - 108e3, 'WS-BILL-014', 'm.okafor', null, 'WINWORD.EXE started powershell.exe with an encoded command, by m.okafor on WS-BILL-014.'),
    mk(2, t0 - 60e3, 'WS-BILL-014', null, '203.0.113.77', 'WS-BILL-014 asked 203.0.113.77 every 60 s, 5 times.'),
    mk(3, t0 + 97e3, 'SRV-EHR-02', 'svc-backup', '192.0.2.41', 'svc-backup logged on to SRV-EHR-02 from WS-BILL-014, where it was never used.'),
    mk(4, t0 + 165e3, 'WS-BILL-014', 'm.okafor', null, '7za.exe packed C:\\ProgramData\\t.bin into t.7z on WS-BILL-014.'),
  ].slice(0, rows);
  db.alerts.splice(rows);
  const rest = [[5, 41, null, 'j.halvorsen', '198.51.100.9'], [6, 38, null, 'j.halvorsen', '198.51.100.9'], [7, 64, 'SRV-WEB-01', 'www-data', '198.51.100.80'], [7, 60, 'SRV-WEB-01', 'www-data', '198.51.100.80'], [11, 58, 'SRV-WEB-01', null, '198.51.100.80'], [8, 91, 'vpn-gw-02', null, '198.51.100.23'], [8, 88, 'vpn-gw-02', null, '198.51.100.23'], [8, 80, 'vpn-gw-02', null, '198.51.100.23'], [10, 192, 'SRV-FILE-01', 'a.novak', null]];
  for (const [ri, m, h, u, s] of rest) if (db.alerts.length < rows) mk(ri, now - m * 6e4, h, u, s, `${db.rules[ri].name}: ${h ?? u} ${s ? `from ${s}` : ''}.`);
  while (db.alerts.length < rows) {
    const n = db.alerts.length;
    mk(rows > 1000 ? Math.floor(rnd() * 12) : 9, now - (10 + n * 4.7) * 6e4 * (rows > 1000 ? 0.2 : 1), rows > 1000 ? `${pick(HOSTS)}${n % 40 ? '' : `-${n}`}` : HOSTS[n % HOSTS.length] + (n % 3), pick(USERS), rnd() < 0.3 ? `198.51.100.${Math.floor(rnd() * 250)}` : null, `event with process taskeng.exe number ${n} created an alert.`);
  }
  for (const a of db.alerts.slice(20, 26)) { a.status = 'acknowledged'; a.assignees = ['u_dana']; }
  const jh = db.alerts.filter((a) => a.user === 'j.halvorsen' && a.assignees.length === 0).slice(0, 2);
  for (const a of jh) a.assignees = ['u_priya'];
  // rule actions, S2's starting point
  db.rules[0].actions = [{ action_type_id: '.workflows', id: 'system-connector-.workflows', uuid: uuid(), params: { subAction: 'run', subActionParams: { workflowId: 'contain-workstation', summaryMode: false } } }];
  const caseRef = { id: uuid(), number: 18, title: 'Credential theft on WS-BILL-014 after a phishing document' };
  const ex = (id, wfId, status, at, took, x = {}) => ({ id, workflowId: wfId, workflowName: wfId, spaceId: 'default', status, isTestRun: false, createdAt: iso(at - 8), startedAt: iso(at), finishedAt: took === null ? null : iso(at + took), duration: took, error: null, executedBy: 'dana', triggeredBy: 'alert', concurrencyGroupKey: null, version: 7, yaml: db.workflows.find((w) => w.id === wfId).yaml, context: null, cancelRequested: false,
    watchfire: { effect: db.workflows.find((w) => w.id === wfId).watchfire.effect, queue_ms: 8, run_ms: took ?? 7100, wait_ms: 0, cause: main[0]?.rule.name ?? null, rule: main[0] ? main[0].rule : null, alerts: main[0] ? [main[0].id] : [], case: null, approval: null, held: 0 }, stepExecutions: [], ...x });
  if (rows > 0) {
    const E1 = uuid(), A1 = uuid(), A2 = uuid(), E2 = uuid(), E3 = uuid();
    const s0 = t0 + 22;
    let n = 0;
    const step = (exId, stepId, type, status, from, to, x = {}, scope = []) => ({ id: uuid(), stepId, stepType: type, workflowRunId: exId, workflowId: 'contain-workstation', status, scopeStack: scope, startedAt: iso(s0 + from), finishedAt: to === null ? null : iso(s0 + to), executionTimeMs: to === null ? null : to - from, topologicalIndex: n, globalExecutionIndex: n++, stepExecutionIndex: 0, input: x.input ?? {}, output: x.output ?? null, error: x.error ?? null,
      watchfire: { effect: EFFECT[type] ?? 'none', connector: x.connector ?? null, attempts: x.attempts ?? [], waits: x.waits ?? [], approval: x.approval ?? null, request: x.request ?? null, secrets: x.secrets ?? [], key: x.key ?? null, delivery: x.delivery ?? null } });
    const scope = [{ name: 'is_severe', kind: 'if', index: null }];
    const wait = now - s0;
    const slack = { id: 'soc-slack', name: 'soc-slack', type: '.slack_api' };
    const e1 = ex(E1, 'contain-workstation', 'waiting_for_input', s0, null, { watchfire: { effect: 'destructive', queue_ms: 8, run_ms: 67_400, wait_ms: wait - 67_400, cause: main[0].rule.name, rule: main[0].rule, alerts: [main[0].id], case: caseRef, approval: A1, held: 0 } });
    e1.stepExecutions = [
      step(E1, 'lookup', 'http', 'completed', 9, 61_109, { input: { url: 'https://reputation.example.net/ip/203.0.113.77', method: 'GET' }, output: { status: 200, data: { ip: '203.0.113.77', verdict: 'malicious', lists: ['north-feed', 'c2-watch'], first_seen: '2026-10-30' } }, request: 'GET /ip/203.0.113.77\nhost: reputation.example.net', delivery: 'answered 200',
        attempts: [{ n: 1, startedAt: iso(s0 + 9), finishedAt: iso(s0 + 359), status: 'failed', error: { type: 'HttpError', message: '429 too many requests, retry after 60 s' }, next_at: iso(s0 + 60_449) }, { n: 2, startedAt: iso(s0 + 60_449), finishedAt: iso(s0 + 61_109), status: 'completed', error: null, next_at: null }] }),
      step(E1, 'history', 'elasticsearch.search', 'completed', 61_112, 61_123, { input: { index: 'logs-*', size: 20 }, output: { hits: { total: { value: 412, relation: 'eq' }, hits: [{ _id: hex(20), _source: { process: { name: 'powershell.exe', pid: 9872 } } }] } } }),
      step(E1, 'summarise', 'ai.summarize', 'completed', 61_130, 66_430, { connector: { id: 'local-model', name: 'local-model', type: '.gen-ai' }, input: { input: '…' }, output: { content: 'A billing clerk opened a macro document. It started PowerShell, which contacted 203.0.113.77 and then dumped the credential process.' }, delivery: 'answered 200, 2,104 tokens', key: `${E1}/summarise/0`, request: 'POST /v1/chat/completions\nauthorization: (secret local-model.apiKey)' , secrets: ['local-model.apiKey'] }),
      step(E1, 'is_severe', 'if', 'waiting_for_input', 66_440, null, { input: { condition: 'event.alerts.kibana.alert.severity : critical' }, output: { conditionResult: true } }),
      step(E1, 'open_case', 'cases.createCase', 'completed', 66_446, 66_452, { output: { id: caseRef.id, title: caseRef.title }, delivery: 'inside: exactly once' }, scope),
      step(E1, 'tell', 'slack_api.postMessage', 'completed', 66_460, 66_880, { connector: slack, output: { ok: true, ts: '1764000000.12' }, delivery: 'answered 200', key: `${E1}/tell/0`, request: 'POST /api/chat.postMessage\nauthorization: Bearer (secret soc-slack.token)\n\n{"channel":"#soc","text":"Case opened for WS-BILL-014"}', secrets: ['soc-slack.token'] }, scope),
      step(E1, 'ask', 'waitForApproval', 'waiting_for_input', 66_890, null, { approval: A1, waits: [{ kind: 'person', from: iso(s0 + 66_900), to: null }], input: { message: 'Isolate WS-BILL-014 from the network?' } }, scope),
    ];
    const told = e1.stepExecutions.find((x) => x.stepId === 'tell');
    e1.undos = [{ key: `${E1}/tell!0`, step: 'tell', step_execution: told.id, happened_at: told.finishedAt, after: '4h', state: 'scheduled', due: iso(now + 3 * 36e5), execution: uuid(), finished_at: null, asks: false, approved: false, approval: null, held: null, error: null, type: 'slack_api.deleteMessage', class: 'write', connector: slack, target: 'soc-slack', request: '{"channel":"#soc","ts":"1764000000.12"}' }];
    const fail = ex(E2, 'enrich-address', 'failed', now - 5.1e6, 30_100, { error: { type: 'TimeoutError', message: 'no answer from reputation.example.net within 30 s' } });
    fail.stepExecutions = [{ ...step(E2, 'lookup', 'http', 'failed', 0, 0, { error: { type: 'TimeoutError', message: 'no answer from reputation.example.net within 30 s' } }), startedAt: iso(now - 5.1e6), finishedAt: iso(now - 5.1e6 + 30_090), executionTimeMs: 30_090 }];
    const settle = ex(E3, 'contain-workstation', 'waiting_for_input', now - 5.4e6, null, { watchfire: { effect: 'destructive', queue_ms: 4, run_ms: 5200, wait_ms: 5e6, cause: 'WMI event consumer registered', rule: { id: db.rules[10].id, name: db.rules[10].name }, alerts: [], case: null, approval: A2, held: 0 } });
    settle.stepExecutions = [{ ...step(E3, 'isolate', 'ssh.run', 'waiting_for_input', 0, null, { approval: A2 }), startedAt: iso(now - 5.1e6), watchfire: { effect: 'destructive', connector: { id: 'ssh-clinics', name: 'ssh-clinics', type: '.ssh' }, attempts: [{ n: 1, startedAt: iso(now - 5.1e6), finishedAt: iso(now - 5.04e6), status: 'failed', error: { type: 'Unknown', message: 'the connection broke after the command was sent' }, next_at: null }], waits: [{ kind: 'settlement', from: iso(now - 5.04e6), to: null }], approval: A2, request: 'nft -f /etc/watchfire/isolate.nft', secrets: ['ssh-clinics.privateKey'], key: null, delivery: 'may have happened' } }];
    db.executions = [e1, ex(uuid(), 'notify-soc', 'completed', t0 + 30, 310, { watchfire: { effect: 'write', queue_ms: 2, run_ms: 310, wait_ms: 0, cause: main[0].rule.name, rule: main[0].rule, alerts: [main[0].id], case: null, approval: null, held: 0 } }), ex(uuid(), 'enrich-address', 'completed', t0 + 40, 1840), fail, settle];
    for (let i = 0; i < (rows > 1000 ? 10_000 : 20); i++) db.executions.push(ex(uuid(), pick(['enrich-address', 'notify-soc']), rnd() < 0.93 ? 'completed' : 'failed', now - 6e6 - i * 9e4, Math.floor(200 + rnd() * 2400), { watchfire: { effect: 'read', queue_ms: 2, run_ms: 800, wait_ms: 0, cause: pick(db.rules).name, rule: null, alerts: [], case: null, approval: null, held: 0 } }));
    const action = { index: 1, step: 'isolate', type: 'ssh.run', class: 'destructive', connector: { id: 'ssh-clinics', name: 'ssh-clinics', type: '.ssh' }, target: { host: 'ws-bill-014', port: 22, account: 'svc-ir', host_key: 'SHA256:6m1Q0fJmX7c2rTqzWkq0bT9mV1h9uYx1n7b3sE0a2cI', url: null }, request: 'nft -f /etc/watchfire/isolate.nft', secrets: ['ssh-clinics.privateKey'], hash: hex(64), parameters: { host: 'ws-bill-014', command: 'nft -f /etc/watchfire/isolate.nft' }, schema: { type: 'object', required: ['command'], properties: { host: { type: 'string', enum: ['ws-bill-014', 'ws-bill-022'] }, command: { type: 'string', minLength: 1 } } } };
    const base = { version: 'WzEsMV0=', approve_label: 'Approve isolation', reject_label: 'Reject', effect: 'destructive', workflow: { id: 'contain-workstation', name: 'contain-workstation', version: 7 }, quorum: { needed: 1, given: 0 }, may_decide: true, may_not_because: null, decisions: [], settlement: null, unbound: [], evidence: [], alerts: [] };
    const alertOf = (a) => ({ id: a.id, rule: a.rule.name, severity: a.severity, risk_score: a.risk_score, reason: a.reason, host: a.host });
    db.approvals = [
      { ...base, id: A1, kind: 'question', state: 'waiting', question: 'Isolate WS-BILL-014 from the network?', hash: hex(64), actions: [action], unbound: [{ step: 'record', class: 'internal', template: '{{ steps.isolate.output.stdout }}' }], execution: E1, step: 'ask', step_execution: e1.stepExecutions[6].id, case: caseRef, alerts: main.slice(0, 3).map(alertOf),
        evidence: [{ title: 'summary by local-8b', at: iso(s0 + 66_430), text: 'A billing clerk opened a macro document. It started PowerShell, which contacted 203.0.113.77 and then dumped the credential process. Next likely step: use of stolen accounts on SRV-EHR-02.' }, { title: 'lookup, answer of reputation.example.net', at: iso(s0 + 61_109), text: '{"ip":"203.0.113.77","verdict":"malicious","lists":["north-feed","c2-watch"]}' }],
        asked_at: iso(s0 + 66_900), expires_at: iso(s0 + 66_900 + 1_800_000), on_expiry: 'the step fails, the host stays online', approvers: { users: ['dana', 'priya'], roles: [], forbid_self: true, escalation: [{ after_s: 900, users: ['tomasz'], roles: ['on-call'] }], delegates: [] }, remarks: [] },
      { ...base, id: uuid(), kind: 'input', state: 'waiting', question: 'What did the owner of WS-BILL-014 say?', effect: 'none', hash: null, actions: [], execution: E1, step: 'ask_owner', step_execution: null, case: caseRef, alerts: main.slice(0, 1).map(alertOf), asked_at: iso(now - 4e5), expires_at: iso(now + 72 * 36e5), on_expiry: 'the step fails', schema: { type: 'object', required: ['verdict', 'reached'], properties: { verdict: { type: 'string', title: 'Did they do it themselves', enum: ['yes', 'no', 'not sure'] }, reached: { type: 'boolean', title: 'Reached by phone', default: false }, when: { type: 'string', format: 'date-time', title: 'When' }, hosts: { type: 'array', title: 'Other hosts they use', items: { type: 'string' } }, note: { type: 'string', title: 'In their words', maxLength: 2000 }, minutes: { type: 'integer', minimum: 0, maximum: 600, title: 'Minutes of talk' } } } },
      { ...base, id: A2, kind: 'settlement', state: 'waiting', question: 'Did isolate run on ws-bill-022?', hash: hex(64), actions: [{ ...action, target: { ...action.target, host: 'ws-bill-022' } }], execution: E3, step: 'isolate', step_execution: null, case: null, asked_at: iso(now - 5.04e6), expires_at: null, on_expiry: 'nothing happens until somebody answers', settlement: { attempt_started_at: iso(now - 5.1e6), may_run_until: iso(now - 4.9e6), reason: 'the connection broke after the command was sent', probe: null } },
      { ...base, id: uuid(), kind: 'question', state: 'approved', question: 'Reset the sessions of t.lindqvist?', hash: hex(64), actions: [], execution: E2, step: 'ask', step_execution: null, case: null, asked_at: iso(now - 9e6), expires_at: iso(now - 8e6), on_expiry: 'the step fails', quorum: { needed: 1, given: 1 }, decisions: [{ by: people[1], verdict: 'approve', at: iso(now - 8.8e6), comment: 'checked with the clinic', channel: 'web' }] },
    ];
    const cs = (id, number, title, severity, status, at, x = {}) => ({ id, incremental_id: number, version: 'WzEsMV0=', title, description: x.description ?? title, tags: x.tags ?? [], category: null, severity, status, owner: 'securitySolution', assignees: x.assignees ?? [], settings: { syncAlerts: true }, connector: { id: 'none', name: 'none', type: '.none', fields: null }, customFields: [], observables: x.observables ?? [], created_at: iso(at), created_by: { username: 'dana', full_name: 'Dana Whitfield', profile_uid: 'u_dana' }, updated_at: iso(at + 60_000), updated_by: null, closed_at: status === 'closed' ? iso(at + 36e5) : null, closed_by: null, external_service: null, totalComment: x.comments ?? 0, totalAlerts: x.alerts ?? 1, watchfire: { opened_by: { kind: 'workflow', id: 'contain-workstation', name: 'contain-workstation' }, updated_seq: 1, risk_score: x.risk ?? 50, executions: 1, approvals_open: x.open ?? 0 } });
    const obs = (typeKey, value, description = null) => ({ id: uuid(), typeKey, value, description, createdAt: iso(s0) });
    db.cases = [cs(caseRef.id, 18, caseRef.title, 'critical', 'in-progress', s0 + 66_446, { tags: ['credential-theft', 'billing'], assignees: [{ uid: 'u_dana' }], alerts: 3, comments: 1, risk: 73, open: 1, observables: [obs('observable-type-ipv4', '203.0.113.77', 'on 2 lists'), obs('observable-type-domain', 'cdn-sync.example.net'), obs('observable-type-hostname', 'WS-BILL-014'), obs('observable-type-file-hash', hex(64), 't.bin')] }),
      cs(uuid(), 17, 'Web shell on SRV-WEB-01', 'high', 'open', now - 64 * 6e4, { alerts: 3, risk: 66 }), cs(uuid(), 16, 'Password spray against the VPN', 'medium', 'open', now - 91 * 6e4, { assignees: [{ uid: 'u_priya' }], alerts: 4 }), cs(uuid(), 15, 'Sign-in of j.halvorsen from a new country', 'medium', 'closed', now - 26 * 36e5, { alerts: 2 })];
    if (rows === 1) db.cases = db.cases.slice(0, 1);
    if (rows > 1000) for (let i = 0; i < 10_000; i++) db.cases.push(cs(uuid(), 15 - i, `Case number ${10_000 - i}, ${pick(db.rules).name.toLowerCase()} on ${pick(HOSTS)}`, pick(['low', 'medium', 'high', 'critical']), pick(['open', 'closed', 'closed']), now - i * 6e5));
    for (const a of main.slice(0, 3)) a.case = caseRef;
    main[0].execution = { id: E1, workflow: { id: 'contain-workstation', name: 'contain-workstation' }, status: 'waiting_for_input', effect: 'destructive', approval: A1 };
    main[0].executions = 3;
    for (const a of main.slice(1, 3)) { a.execution = { id: E1, workflow: { id: 'enrich-address', name: 'enrich-address' }, status: 'completed', effect: 'read', approval: null }; a.executions = 1; }
    if (main[3]) { main[3].execution = { id: E2, workflow: { id: 'enrich-address', name: 'enrich-address' }, status: 'running', effect: 'read', approval: null }; main[3].executions = 1; }
    const by = { kind: 'workflow', id: 'contain-workstation', name: 'contain-workstation' };
    const en = (kind, at, x, step = null) => ({ id: uuid(), at: iso(at), by, kind, execution: step ? { id: E1, workflow: { id: by.id, name: by.name }, step, step_execution: e1.stepExecutions.find((s) => s.stepId === step)?.id ?? '' } : null, ...x });
    db.timelines[caseRef.id] = [
      en('alert', s0 + 66_446, { alerts: main.slice(0, 3).map(alertOf) }, 'open_case'), en('change', s0 + 66_446, { field: 'created', from: null, to: caseRef.title }, 'open_case'), en('change', s0 + 66_447, { field: 'severity', from: 'high', to: 'critical' }, 'open_case'),
      en('summary', s0 + 66_450, { text: 'A billing clerk opened a macro document at 14:01. It started PowerShell, which contacted 203.0.113.77 and then dumped the credential process. Next likely step: use of stolen accounts on SRV-EHR-02.', model: 'local-8b', tokens: 2104 }, 'summarise'),
      en('step', s0 + 61_109, { name: 'lookup', type: 'http', effect: 'read', status: 'completed', took_ms: 61_100, result: 'malicious, on 2 lists' }, 'lookup'), en('step', s0 + 61_123, { name: 'history', type: 'elasticsearch.search', effect: 'read', status: 'completed', took_ms: 11, result: '412 events' }, 'history'), en('step', s0 + 66_880, { name: 'tell', type: 'slack_api.postMessage', effect: 'write', status: 'completed', took_ms: 420, result: 'sent to #soc' }, 'tell'),
      en('command', s0 + 66_885, { host: 'ws-bill-014', account: 'svc-ir', channel: 'ssh', command: 'ss -tnp dst 203.0.113.77', exit_code: 0, took_ms: 412, output: 'State  Recv-Q Send-Q Local Address:Port   Peer Address:Port\nESTAB  0      0      192.0.2.41:50412     203.0.113.77:443   users:(("powershell",pid=9872,fd=12))\n', truncated: false, sha256: hex(64), status: 'completed' }, 'tell'),
      en('approval', s0 + 66_900, { approval: A1, question: 'Isolate WS-BILL-014 from the network?', state: 'waiting', effect: 'destructive', expires_at: iso(s0 + 66_900 + 1_800_000), decisions: [] }, 'ask'),
      { ...en('comment', s0 + 120_000, { text: 'svc-backup should never log on from a workstation. Rotating its password now.\nPlease keep SRV-EHR-02 up.', comment_id: uuid(), version: 'WzEsMV0=', edited_at: null }), by: { kind: 'person', id: 'u_tomasz', name: 'Tomasz Berg' } },
    ];
    if (rows > 1000) for (let i = 0; i < 2000; i++) db.timelines[caseRef.id].push(en('step', s0 - i * 3e3, { name: `step_${i}`, type: 'http', effect: 'read', status: 'completed', took_ms: 12, result: `answer ${i}` }, 'lookup'));
    db.workflows[0].watchfire.last_execution = { id: E1, status: 'waiting_for_input', startedAt: iso(s0) };
    db.workflows[1].watchfire.last_execution = { id: fail.id, status: 'completed', startedAt: iso(t0 + 40) };
    if (rows > 1000) for (let i = 0; i < 10_000; i++) db.rules.push({ ...db.rules[i % 12], id: uuid(), rule_id: `gen-${i}`, name: `${db.rules[i % 12].name} (${i + 1})`, actions: [] });
  }
  return db;
}
