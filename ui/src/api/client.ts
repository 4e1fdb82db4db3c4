// One fetch for the whole page: space prefix, headers, errors in Kibana's shape.

export type ApiErrorBody = { statusCode?: number; status_code?: number; error?: string; message?: string; attributes?: Record<string, unknown> };

export class ApiError extends Error {
  readonly status: number;
  readonly body: ApiErrorBody;
  constructor(status: number, body: ApiErrorBody) {
    super(body.message || body.error || `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
  get attributes(): Record<string, unknown> {
    return this.body.attributes ?? {};
  }
}

/** Nothing came back: the server is down, or the connection broke. */
export class NetworkError extends Error {
  constructor() {
    super('the server did not answer');
  }
}

const TIMEOUT_MS = 30_000;

/** `/s/{space}` of the address, or nothing in the default space. */
export const spacePrefix: string = /^\/s\/[^/]+/.exec(globalThis.location?.pathname ?? '')?.[0] ?? '';

let onSignedOut: () => void = () => {};
export function setSignedOutHandler(f: () => void): void {
  onSignedOut = f;
}

type Options = { method?: string; body?: unknown; signal?: AbortSignal | undefined; quiet401?: boolean };

export async function api<T>(path: string, o: Options = {}): Promise<T> {
  const method = o.method ?? (o.body === undefined ? 'GET' : 'POST');
  const headers: Record<string, string> = { accept: 'application/json' };
  if (method !== 'GET') headers['kbn-xsrf'] = 'watchfire';
  if (o.body !== undefined) headers['content-type'] = 'application/json';
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let r: Response;
  try {
    r = await fetch(spacePrefix + path, {
      method, headers, credentials: 'same-origin',
      body: o.body === undefined ? null : JSON.stringify(o.body),
      signal: o.signal ? AbortSignal.any([o.signal, timeout]) : timeout,
    });
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw new NetworkError();
  }
  const text = await r.text();
  let data: unknown = null;
  if (text) {
    try {
      data = JSON.parse(text);
    } catch {
      data = { message: r.ok ? 'the answer is not JSON' : text.slice(0, 300) };
      if (r.ok) throw new ApiError(r.status, data as ApiErrorBody);
    }
  }
  if (!r.ok) {
    if (r.status === 401 && !o.quiet401) onSignedOut();
    throw new ApiError(r.status, (data ?? {}) as ApiErrorBody);
  }
  return data as T;
}

/** Query string from what is set; lists become comma lists. */
export function qs(p: Record<string, string | number | boolean | string[] | null | undefined>): string {
  const u = new URLSearchParams();
  for (const [k, v] of Object.entries(p)) {
    if (v === undefined || v === null || v === '' || (Array.isArray(v) && v.length === 0)) continue;
    u.set(k, Array.isArray(v) ? v.join(',') : String(v));
  }
  const s = u.toString();
  return s ? `?${s}` : '';
}

export const seg = encodeURIComponent;
