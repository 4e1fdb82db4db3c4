// Bodies of the routes in docs/reference/ui-api.md, and the parts of Kibana's API that the page reads.

export type Time = string;
export type Severity = 'low' | 'medium' | 'high' | 'critical';
export type Effect = 'none' | 'internal' | 'read' | 'write' | 'destructive';
export type Status = 'queued' | 'pending' | 'running' | 'waiting' | 'waiting_for_input' | 'waiting_for_child'
  | 'completed' | 'failed' | 'cancelled' | 'timed_out' | 'skipped';
export type Ref = { id: string; name: string };
export type Me = {
  user: { uid: string; username: string; full_name: string | null };
  roles: string[];
  privileges: string[];          // 'alerts:read' 'alerts:write' 'cases:read' 'cases:write' 'approvals:read' 'approvals:decide'
                                 // 'workflows:read' 'workflows:write' 'workflows:execute' 'executions:read' 'executions:cancel'
                                 // 'rules:read' 'rules:write' 'connectors:read' 'connectors:write' 'audit:read' 'users:write'; '*' = all
  space: { id: string; name: string };
  organisation: string | null;   // shown over the space's name; null: "Watchfire"
  version: string;
  demo: boolean;                 // true: made-up data is in this server, the page says so
  features: Features;
};
// A feature that is absent is false; what is false is not drawn, nor its navigation item.
export type Features = {
  scores?: boolean; clocks?: boolean; levels?: boolean; drafts?: boolean; presence?: boolean; halt?: boolean;
  snooze?: boolean; archive?: boolean; incidents?: boolean; entities?: boolean; events?: boolean; process_tree?: boolean;
  map?: boolean; coverage?: boolean; dashboard?: boolean; evidence?: boolean; audit?: boolean; spaces?: boolean;
  model?: boolean;               // a model connector is set up
  undo?: boolean;                // decide answers with an undo token
  undo_effects?: boolean;        // effects of runs can be undone (§5.4)
  alert_history?: boolean;       // §2.3
  rule_check?: boolean;          // §7
  setup?: boolean;               // §8
  search?: boolean;              // §8
  dry_run?: boolean; step_test?: boolean; rerun?: boolean; versions?: boolean; templates?: boolean; input_forms?: boolean; conditions?: boolean; passkeys?: boolean;
};
export type Counts = { alerts: number; cases: number; approvals: number; connectors_failing: number };  // open alerts; open + in-progress cases; approvals waiting for me
export type Person = { uid: string; username: string; full_name: string | null };
export type Queue = {
  total: number;                                  // alerts that match view, q and severity
  counts: { open: number; mine: number; acknowledged: number; closed: number; all: number };   // by view, without q and severity
  ages: { from: Time; to: Time; buckets: number[]; oldest: Time | null };   // 24 buckets over open alerts that match; [0] is the newest; from = oldest edge, to = now
  decided_24h: { by_workflow: number; by_people: number };
  groups: QueueGroup[];
  cursor: string | null;
  seq: number;                                    // last stream number this answer contains
};
export type QueueGroup = {
  key: string; kind: 'host' | 'user' | 'source' | 'rule' | 'all'; name: string;
  count: number; severity: Severity; risk_score: number;   // highest of the group
  oldest: Time;
  rules: string[];                                // names of its rules, at most 3, most severe first
  rules_total: number;
  case: CaseRef | null;                           // when all of its alerts that have a case have the same
  members: AlertRow[];
  cursor: string | null;
};
export type CaseRef = { id: string; number: number | null; title: string };
export type AlertRow = {
  id: string; index: string; version: string;
  rule: Ref; severity: Severity; risk_score: number;
  reason: string;                                 // at most 300 characters
  host: string | null; user: string | null; source: string | null;
  status: 'open' | 'acknowledged' | 'closed'; close_reason: string | null;
  assignees: string[];                            // uids
  time: Time;                                     // @timestamp
  start: Time;                                    // kibana.alert.start
  case: CaseRef | null;
  execution: { id: string; workflow: Ref; status: Status; effect: Effect; approval: string | null } | null;   // the most telling one: waits for a person, then running, then failed, then newest
  executions: number;
};
export type Decide = {
  items: { id: string; version?: string }[];      // 1 to 1,000; with a version a stale one is refused
  kind: 'acknowledge' | 'close' | 'reopen' | 'assign' | 'unassign';
  reason?: 'true_positive' | 'benign_positive' | 'false_positive' | 'duplicate' | 'other';   // close
  comment?: string;                                // with reason other, at most 1,024 characters
  assignee?: string;                               // uid; assign, unassign; acknowledge with an assignee does both
};
export type Decided = {
  results: { id: string; ok: boolean; version: string | null; status: string | null; error?: string; code?: 'conflict' | 'not_found' | 'forbidden' | 'no_change' }[];
  changed: number; refused: number;
  undo: string | null;                             // token, good for 10 minutes, once
};
export type AlertHistory = { entries: { at: Time; kind: 'raised' | 'status' | 'assigned' | 'case' | 'execution' | 'tags'; text: string; by: Actor | null; case: CaseRef | null; execution: Ref | null }[] };
export type Actor = { kind: 'person' | 'workflow' | 'rule' | 'system'; id: string; name: string };
export type CaseExtras = { watchfire?: { opened_by: Actor; updated_seq: number; risk_score: number | null; executions: number; approvals_open: number } };
export type Timeline = { total: number; counts: Record<TimelineKind, number>; entries: TimelineEntry[]; cursor: string | null };
export type TimelineKind = 'alert' | 'comment' | 'step' | 'approval' | 'command' | 'change' | 'summary';
export type TimelineEntry = {
  id: string; at: Time; by: Actor; kind: TimelineKind;
  execution: { id: string; workflow: Ref; step: string; step_execution: string } | null;
} & (
  | { kind: 'alert'; alerts: { id: string; rule: string; severity: Severity; risk_score: number; reason: string }[] }
  | { kind: 'comment'; text: string; comment_id: string; version: string; edited_at: Time | null }       // Markdown, shown as text with line breaks
  | { kind: 'step'; name: string; type: string; effect: Effect; status: Status; took_ms: number | null; result: string | null }   // one line
  | { kind: 'approval'; approval: string; question: string; state: ApprovalState; effect: Effect; expires_at: Time | null; decisions: Decision[] }
  | { kind: 'command'; host: string; account: string | null; channel: 'ssh' | 'winrm' | 'agent'; command: string; exit_code: number | null; took_ms: number | null; output: string; truncated: boolean; sha256: string | null; status: Status }
  | { kind: 'change'; field: string; from: unknown; to: unknown }                                         // field 'created' for the opening
  | { kind: 'summary'; text: string; model: string | null; tokens: number | null }                        // model null: composed from the evidence
);
export type ApprovalState = 'waiting' | 'approved' | 'rejected' | 'expired' | 'withdrawn' | 'void' | 'settled' | 'answered';
export type Approval = {
  id: string; kind: 'question' | 'settlement' | 'input';
  state: ApprovalState; version: string;
  question: string;                                // rendered message; of a settlement a sentence such as "Did isolate run on ws-bill-014?"
  approve_label: string; reject_label: string;
  effect: Effect;                                  // highest of its actions
  hash: string | null;                             // sha256 over the frozen actions, hex; must be sent back to decide
  actions: FrozenAction[];
  unbound: { step: string; class: Effect; template: string }[];   // not bound: rendered and asked on their own when reached
  workflow: { id: string; name: string; version: number | null };
  execution: string; step: string; step_execution: string | null;
  case: CaseRef | null;
  alerts: { id: string; rule: string; severity: Severity; risk_score: number; reason: string; host: string | null }[];   // at most 10
  evidence: { title: string; at: Time | null; text: string }[];  // latest outputs and the summary, at most 5, each at most 4 kB
  asked_at: Time; expires_at: Time | null; on_expiry: string;     // one sentence: what happens when nobody answers
  quorum: { needed: number; given: number };
  may_decide: boolean; may_not_because: string | null;            // for the one who asks
  schema?: object | null; response?: Record<string, unknown> | null;             // kind input
  approvers?: Approvers; remarks?: Remark[]; passkey_needed?: boolean;
  decisions: Decision[];
  settlement: {                                    // kind settlement only
    attempt_started_at: Time; may_run_until: Time | null; reason: string;   // what is known: "the connection broke after the command was sent"
    probe: { at: Time; result: string } | null;
  } | null;
};
export type Remark = { by: string; at: Time; kind: 'ask' | 'reply' | 'delegate' | 'change'; to: string | null; text: string | null;
  before?: { hash: string; actions: { index: number; step: string; request: string }[]; decisions: Decision[] } };   // a change: what it replaced, which answers it made void
export type Approvers = { users: string[]; roles: string[]; forbid_self: boolean; escalation: { after_s: number; users: string[]; roles: string[] }[]; delegates: string[] };
export type FrozenAction = {
  parameters?: Record<string, unknown> | null; schema?: object | null;           // feature conditions
  index: number; step: string; type: string; class: Effect;
  connector: (Ref & { type: string }) | null;
  target: { host: string | null; port: number | null; account: string | null; host_key: string | null; url: string | null };
  request: string;                                 // the rendered bytes as text; bytes that are not UTF-8 escaped as \xNN
  secrets: string[];                               // names, never values
  hash: string;
  undo?: FrozenUndo | null;                        // how it is undone; null: nothing takes it back
};
export type FrozenUndo = {
  type: string; class: Effect; connector: (Ref & { type: string }) | null;
  after: string | null; after_ms: number | null;   // by itself after this time; null: when a person asks for it; after_ms null: known when the step begins
  bound: boolean; changed: boolean;                // bound: the answer covers these bytes; changed: parameters were changed, it is rendered anew and asks
  request: string | null; template: string | null; retries: number; secrets: string[];
};
export type EffectUndo = {
  key: string; step: string; step_execution: string; happened_at: Time; after: string | null;
  state: 'impossible' | 'on_request' | 'scheduled' | 'asks' | 'held' | 'unknown' | 'running' | 'undone' | 'failed' | 'kept';
  due: Time | null; execution: string | null; finished_at: Time | null;
  asks: boolean; approved: boolean; approval: string | null; held: string | null; error: string | null;
  type: string | null; class: Effect | null; connector: (Ref & { type: string }) | null; target: string | null; request: string | null;
};
export type EffectUndos = { undos: EffectUndo[]; undo_of: { execution: string; step: string; key: string } | null };
export type Decision = { by: Person; verdict: 'approve' | 'reject' | 'happened' | 'again' | 'skip' | 'answer'; at: Time; comment: string | null; channel: 'web' | 'api' | 'cli' | 'chat'; passkey?: string | null };
export type WorkflowExtras = { watchfire?: {
  effect: Effect; triggers: string[]; steps: number; approvals: number;      // approvals: waitForApproval steps
  used_by_rules: number;
  runs_24h: number; failed_24h: number; p95_ms: number | null;
  last_execution: { id: string; status: Status; startedAt: Time } | null;
} };
export type Validation = {
  valid: boolean;
  diagnostics: Diagnostic[];
  graph: Graph | null;             // null when the text does not parse; of what parses otherwise
  watchfire?: { effect: Effect; triggers: string[]; name: string | null };
};
export type Diagnostic = { severity: 'error' | 'warning' | 'hint'; code: string; message: string; line: number; column: number; endLine: number; endColumn: number;   // from 1, end exclusive, columns in UTF-16 units
  hint: string | null; path: string | null; docs?: string;
  fix?: { title: string; edits: { line: number; column: number; endLine: number; endColumn: number; text: string }[] } | null };
export type Graph = { nodes: GraphNode[]; edges: GraphEdge[] };
export type GraphNode = {
  id: string;                      // step name, or its path when unnamed; triggers: 'trigger:0'
  name: string; type: string; effect: Effect;
  range: { startLine: number; endLine: number };
  container: string | null;        // id of the node it stands in
  lane: string | null;             // branch inside the container: 'then', 'else', 'case:…', 'default', a parallel branch's name, 'fallback', 'body'
  detail: string | null;           // one line: the condition, the list, the duration, the connector
};
export type GraphEdge = { from: string; to: string; label: string | null; kind: 'next' | 'branch' | 'fallback' };
export type ExecutionItem = {
  id: string; workflowId: string; workflowName: string; spaceId: string; status: Status; isTestRun: boolean;
  startedAt: Time; finishedAt: Time | null; duration: number | null;          // ms
  error: { type: string; message: string; details?: unknown } | null;
  executedBy: string; triggeredBy: string;                                    // 'manual' | 'alert' | …
  concurrencyGroupKey: string | null;
  watchfire: { effect: Effect; queue_ms: number; run_ms: number; wait_ms: number; cause: string | null; rule: Ref | null; alerts: string[]; case: CaseRef | null; approval: string | null; held: number; dry_run?: boolean; test_of?: string | null; rerun_of?: string | null; reruns?: string[] };
};
export type StepExecution = {
  id: string; stepId: string; stepType: string; workflowRunId: string; workflowId: string; status: Status;
  scopeStack: { name: string; kind: string; index: number | null }[];         // enclosing scopes, outermost first; index of the iteration
  startedAt: Time; finishedAt: Time | null; executionTimeMs: number | null;
  topologicalIndex: number; globalExecutionIndex: number; stepExecutionIndex: number;
  input?: unknown; output?: unknown; error: { type: string; message: string; details?: unknown } | null;
  watchfire?: {
    effect: Effect;
    connector: (Ref & { type: string }) | null;
    attempts: { n: number; startedAt: Time; finishedAt: Time | null; status: Status; error: { type: string; message: string } | null; next_at: Time | null }[];   // empty = one, without trouble
    waits: { kind: 'person' | 'timer' | 'queue' | 'settlement'; from: Time; to: Time | null }[];
    approval: string | null;                                                  // its row in the inbox
    request: string | null;                                                   // what was sent, as text, secret names instead of values
    secrets: string[];
    key: string | null;                                                       // idempotency key
    delivery: string | null;                                                  // one line: 'inside: exactly once', 'answered 200', 'not sent'
  };
};
export type Catalogue = { steps: StepType[]; connectors: ConnectorType[] };
export type StepType = { type: string; title: string; description: string; group: 'flow' | 'people' | 'data' | 'cases' | 'security' | 'ai' | 'connectors' | 'http' | 'elastic';
  effect: Effect; schema: object; connector_types: string[]; example: string | null; provided?: boolean };   // schema: JSON Schema of `with`
export type ConnectorType = { id: string; title: string; description: string; config: object; secrets: object; testable: boolean; steps: string[] };   // JSON Schemas
export type Setup = { done: boolean; dismissed: boolean; es_url: string | null;
  steps: { id: 'server' | 'events' | 'rules' | 'connector' | 'workflow' | 'team'; done: boolean; detail: string }[];
  received: number; refused: number; alerts_ever: number };

export type User = { username: string | null; full_name: string | null; email?: string | null; profile_uid?: string };
export type Case = {
  id: string; version: string; title: string; description: string; tags: string[]; category: string | null; severity: Severity;
  status: 'open' | 'in-progress' | 'closed'; owner: string; assignees: { uid: string }[]; settings: { syncAlerts: boolean };
  observables: { id: string; typeKey: string; value: string; description: string | null; createdAt: Time }[];
  customFields?: { key: string; type: string; value: unknown }[];
  created_at: Time; created_by: User; updated_at: Time | null; updated_by: User | null; closed_at: Time | null; closed_by: User | null;
  totalComment: number; totalAlerts: number; incremental_id?: number | null;
  external_service: { external_title: string; external_url: string; connector_name: string } | null;
} & CaseExtras;
export type CaseList = { cases: Case[]; page: number; per_page: number; total: number; count_open_cases: number; count_in_progress_cases: number; count_closed_cases: number };
export type Workflow = {
  id: string; name: string; description: string | null; enabled: boolean; tags: string[]; yaml?: string; valid: boolean; version?: number;
  createdAt: Time; createdBy: string; lastUpdatedAt: Time; lastUpdatedBy: string;
} & WorkflowExtras;
export type WorkflowVersion = { version: number; at: Time; by: string; valid: boolean; current: boolean; executions: number; failed: number };
export type WorkflowList = { page: number; size: number; total: number; results: Workflow[] };
export type Execution = ExecutionItem & {
  createdAt: Time; version: number | null; yaml: string; context: unknown; cancelRequested: boolean; stepExecutions: StepExecution[];
};
export type ExecutionList = { results: ExecutionItem[]; page: number; size: number; total: number; counts: { all: number; active: number; waiting: number; failed: number } };
export type RuleAction = { action_type_id: string; id: string; uuid?: string; group?: string; params: Record<string, unknown>; frequency?: unknown; alerts_filter?: unknown };
export type Rule = {
  id: string; rule_id: string; name: string; description: string; enabled: boolean; type: string; language?: string; query?: string; index?: string[];
  severity: Severity; risk_score: number; tags: string[]; threat?: { framework: string; tactic: { id: string; name: string; reference?: string }; technique?: { id: string; name: string; reference?: string; subtechnique?: { id: string; name: string }[] }[] }[];
  interval?: string; from?: string; note?: string; actions: RuleAction[]; immutable?: boolean; revision?: number; version?: number;
  created_at: Time; created_by: string; updated_at: Time; updated_by: string;
  watchfire?: { alerts_30d: number; last_alert_at: Time | null };
};
export type RuleList = { data: Rule[]; page: number; perPage: number; total: number };
export type Connector = {
  id: string; name: string; connector_type_id: string; config?: Record<string, unknown>; is_preconfigured?: boolean; is_missing_secrets?: boolean; referenced_by_count?: number;
  watchfire?: { used_by_workflows: number; calls_24h: number; failed_24h: number; last_error: string | null; last_error_at: Time | null };
};
export type ApprovalList = { approvals: Approval[]; cursor: string | null; counts: { waiting: number; answered: number } };
export type SearchHit = { kind: 'alert' | 'case' | 'workflow' | 'execution' | 'rule' | 'approval' | 'connector'; id: string; title: string; detail: string };
export type ConnectorTest = { ok: boolean; checks: { name: string; ok: boolean; detail: string; ms: number }[]; advice: string | null };
export type RuleCheck = { valid: boolean; diagnostics: Diagnostic[]; fields: string[] };
