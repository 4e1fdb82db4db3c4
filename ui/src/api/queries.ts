// Every query of the page: its key and its request. The stream invalidates by the first word of a key.
import { keepPreviousData, QueryClient, queryOptions } from '@tanstack/react-query';
import { ApiError, api, qs, seg } from './client';
import type { AlertHistory, AlertRow, Approval, ApprovalList, Case, CaseList, Catalogue, Connector, Counts, Execution, ExecutionList, Me, Person, Queue, Rule, RuleList, SearchHit, Setup, StepExecution, Timeline, Workflow, WorkflowList, EffectUndos } from './types';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: false,
      retry: (n, e) => !(e instanceof ApiError && e.status < 500 && e.status !== 429) && n < 4,
      retryDelay: (n) => Math.min(1000 * 2 ** n, 8000),
    },
    mutations: { retry: false },
  },
});

type P = Record<string, string | number | boolean | string[] | null | undefined>;

export const q = {
  me: () => queryOptions({ queryKey: ['me'], queryFn: ({ signal }) => api<Me>('/api/watchfire/me', { signal, quiet401: true }), staleTime: 60_000, retry: (n, e) => !(e instanceof ApiError && e.status === 401) && n < 3 }),
  counts: () => queryOptions({ queryKey: ['counts'], queryFn: ({ signal }) => api<Counts>('/api/watchfire/counts', { signal }) }),
  people: () => queryOptions({ queryKey: ['people'], queryFn: async ({ signal }) => (await api<{ people: Person[] }>('/api/watchfire/people', { signal })).people, staleTime: 300_000 }),
  queue: (p: P, signal?: AbortSignal) => api<Queue>(`/api/watchfire/alerts/queue${qs(p)}`, { signal }),
  alert: (id: string) => queryOptions({ queryKey: ['alerts', 'one', id], queryFn: ({ signal }) => api<{ row: AlertRow; source: Record<string, unknown> }>(`/api/watchfire/alerts/${seg(id)}`, { signal }) }),
  alertHistory: (id: string) => queryOptions({ queryKey: ['alerts', 'history', id], queryFn: ({ signal }) => api<AlertHistory>(`/api/watchfire/alerts/${seg(id)}/history`, { signal }) }),
  related: (id: string, body: unknown) => queryOptions({
    queryKey: ['alerts', 'related', id],
    queryFn: async ({ signal }) => (await api<{ hits: { hits: { _id: string; _source: Record<string, unknown> }[] } }>('/api/detection_engine/signals/search', { body, signal })).hits.hits,
  }),
  cases: (p: P) => queryOptions({ queryKey: ['cases', 'list', p], queryFn: ({ signal }) => api<CaseList>(`/api/cases/_find${qs(p)}`, { signal }), placeholderData: keepPreviousData }),
  case: (id: string) => queryOptions({ queryKey: ['cases', 'one', id], queryFn: ({ signal }) => api<Case>(`/api/cases/${seg(id)}`, { signal }) }),
  timeline: (id: string, p: P, signal?: AbortSignal) => api<Timeline>(`/api/watchfire/cases/${seg(id)}/timeline${qs(p)}`, { signal }),
  approvals: (p: P) => queryOptions({ queryKey: ['approvals', 'list', p], queryFn: ({ signal }) => api<ApprovalList>(`/api/watchfire/approvals${qs(p)}`, { signal }) }),
  approval: (id: string) => queryOptions({ queryKey: ['approvals', 'one', id], queryFn: ({ signal }) => api<Approval>(`/api/watchfire/approvals/${seg(id)}`, { signal }) }),
  workflows: () => queryOptions({ queryKey: ['workflows', 'list'], queryFn: ({ signal }) => api<WorkflowList>('/api/workflows?size=1000&page=1', { signal }) }),
  workflow: (id: string) => queryOptions({ queryKey: ['workflows', 'one', id], queryFn: ({ signal }) => api<Workflow>(`/api/workflows/workflow/${seg(id)}`, { signal }) }),
  executions: (p: P) => queryOptions({ queryKey: ['executions', 'list', p], queryFn: ({ signal }) => api<ExecutionList>(`/api/workflows/executions${qs(p)}`, { signal }), placeholderData: keepPreviousData }),
  execution: (id: string) => queryOptions({ queryKey: ['executions', 'one', id], queryFn: ({ signal }) => api<Execution>(`/api/workflows/executions/${seg(id)}`, { signal }) }),
  undos: (id: string) => queryOptions({ queryKey: ['executions', 'undo', id], queryFn: ({ signal }) => api<EffectUndos>(`/api/watchfire/executions/${seg(id)}/undo`, { signal }) }),
  step: (id: string, step: string) => queryOptions({ queryKey: ['executions', 'step', id, step], queryFn: ({ signal }) => api<StepExecution>(`/api/workflows/executions/${seg(id)}/step/${seg(step)}`, { signal }) }),
  rules: (p: P) => queryOptions({ queryKey: ['rules', 'list', p], queryFn: ({ signal }) => api<RuleList>(`/api/detection_engine/rules/_find${qs(p)}`, { signal }), placeholderData: keepPreviousData }),
  rule: (id: string) => queryOptions({ queryKey: ['rules', 'one', id], queryFn: ({ signal }) => api<Rule>(`/api/detection_engine/rules?id=${seg(id)}`, { signal }) }),
  connectors: () => queryOptions({ queryKey: ['connectors', 'list'], queryFn: ({ signal }) => api<Connector[]>('/api/actions/connectors', { signal }) }),
  catalogue: () => queryOptions({ queryKey: ['catalogue'], queryFn: ({ signal }) => api<Catalogue>('/api/watchfire/catalogue', { signal }), staleTime: 600_000 }),
  setup: () => queryOptions({ queryKey: ['setup'], queryFn: ({ signal }) => api<Setup>('/api/watchfire/setup', { signal }), refetchInterval: 2000 }),
  search: (text: string) => queryOptions({ queryKey: ['search', text], queryFn: async ({ signal }) => (await api<{ results: SearchHit[] }>(`/api/watchfire/search${qs({ q: text, size: 8 })}`, { signal })).results, enabled: text.trim().length > 1 }),
};
