// The page states: loading, empty, error, no permission.
import { Button } from '@mantine/core';
import { IconAlertTriangle, IconInbox, IconLock, IconRefresh } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ApiError, NetworkError } from '../api/client';
import { useLater } from './bits';

export function Loading({ rows = 8, height = 46 }: { rows?: number; height?: number }) {
  const on = useLater(150);
  return (
    <div role="status" aria-label="loading" style={{ minHeight: height }}>
      {on && Array.from({ length: rows }, (_, i) => (
        <div key={i} style={{ height, display: 'flex', alignItems: 'center', gap: 16, padding: '0 16px' }}>
          <div className="skeleton" style={{ width: 28, height: 16 }} />
          <div className="skeleton" style={{ width: `${30 + ((i * 17) % 40)}%` }} />
          <div className="skeleton" style={{ width: '12%', marginLeft: 'auto' }} />
        </div>
      ))}
    </div>
  );
}

export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="state">
      <div className="line"><IconInbox size={18} stroke={1.7} aria-hidden />{title}</div>
      {children && <div className="ink2">{children}</div>}
      {action && <div className="row" style={{ marginTop: 6 }}>{action}</div>}
    </div>
  );
}

/** What failed, with which code, whether anything was changed, and a button. A 403 names the privilege. */
export function ErrorState({ what, error, retry, failures = 0 }: { what: string; error: unknown; retry?: () => void; failures?: number }) {
  if (error instanceof ApiError && error.status === 403) {
    const p = error.attributes.privilege;
    return (
      <div className="state">
        <div className="line"><IconLock size={18} stroke={1.7} aria-hidden />You may not see this</div>
        <div className="ink2">{typeof p === 'string' ? <>Needs <code>{p}</code> in this space. Somebody who manages users can grant it.</> : error.message}</div>
      </div>
    );
  }
  const code = error instanceof ApiError ? `${error.status} from the server` : error instanceof NetworkError ? 'no answer from the server' : 'an error in the page';
  const message = error instanceof ApiError ? error.message : error instanceof NetworkError ? null : String(error);
  return (
    <div className="state error" role="alert">
      <div className="line t-crit"><IconAlertTriangle size={18} stroke={1.7} aria-hidden />{what} did not load</div>
      <div className="ink2 text">{code}{message ? `: ${message}` : ''}{failures > 1 ? `, after ${failures} tries` : ''}. Nothing was changed.</div>
      {retry && <div className="row"><Button size="xs" leftSection={<IconRefresh size={14} stroke={1.7} />} onClick={retry}>Try again</Button></div>}
    </div>
  );
}

/** A whole query: loading, error, or what it brought. */
export function Loaded<T>({ query, what, children, rows, height }: {
  query: { data: T | undefined; error: unknown; isPending: boolean; failureCount: number; refetch: () => unknown };
  what: string; children: (data: T) => ReactNode; rows?: number; height?: number;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <ErrorState what={what} error={query.error} retry={() => void query.refetch()} failures={query.failureCount} />;
  return <Loading rows={rows ?? 8} height={height ?? 46} />;
}
