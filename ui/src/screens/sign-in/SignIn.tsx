// Name and password; one message for wrong name or password; where you land afterwards.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError, api } from '../../api/client';
import { queryClient } from '../../api/queries';
import { Mark } from '../../shell/Mark';
import { router } from '../../router';

export function SignInForm({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [until, setUntil] = useState(0);
  const [busy, setBusy] = useState(false);
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (!until) return;
    const t = setInterval(() => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000))), 250);
    return () => clearInterval(t);
  }, [until]);
  const submit = async (): Promise<void> => {
    if (!name || !password) {
      setError('Write your user name and your password.');
      return;
    }
    setBusy(true);
    try {
      await api('/internal/security/login', { body: { username: name, password }, quiet401: true });
      setError(null);
      onDone();
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) {
        const tries = e.attributes.tries_left;
        const pause = e.attributes.retry_after_s;
        setError(`User name or password is wrong.${typeof tries === 'number' ? ` ${tries === 1 ? '1 try' : `${tries} tries`} left${typeof pause === 'number' ? ` before a pause of ${pause} s` : ''}.` : ''}`);
        setPassword('');
      } else if (e instanceof ApiError && e.status === 429) {
        const s = Number(e.attributes.retry_after_s ?? 30);
        setUntil(Date.now() + s * 1000);
        setError('Too many wrong tries.');
      } else setError(`Not signed in: ${e instanceof Error ? e.message : String(e)}.`);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(e) => { e.preventDefault(); void submit(); }} className="col" style={{ gap: 12 }}>
      <TextInput label="User name" name="username" autoComplete="username" value={name} onChange={(e) => setName(e.currentTarget.value)} autoFocus autoCapitalize="none" spellCheck={false} styles={{ input: { height: 36 } }} />
      <PasswordInput label="Password" name="password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} error={error ?? undefined} styles={{ input: { height: 36 }, innerInput: { height: 34 } }} />
      <Button type="submit" variant="filled" h={38} disabled={busy || left > 0}>{left > 0 ? `Wait ${left} s` : 'Sign in'}</Button>
    </form>
  );
}

export function SignIn() {
  const to = (useSearch({ strict: false }) as { to?: string }).to;
  const status = useQuery({ queryKey: ['status'], queryFn: () => api<{ name?: string; version?: { number?: string } }>('/api/status'), retry: false });
  const target = to && /^\/(?!\/)/.test(to) && !to.startsWith('/sign-in') ? to : '/';
  useEffect(() => {
    document.title = 'Sign in – Watchfire';
  }, []);
  const where = /^\/(approvals|cases|alerts|executions|workflows|rules)\/(.+?)(\?|$)/.exec(target);
  return (
    <main className="signin">
      <h1><Mark size={26} />Watchfire<span className="visually-hidden">: sign in</span></h1>
      <div className="card">
        <SignInForm onDone={() => {
          queryClient.clear();
          router.history.push(target);
        }} />
      </div>
      <div className="small ink2" style={{ textAlign: 'center' }}>
        {location.host}{status.data?.version?.number ? ` · version ${status.data.version.number}` : ''}{where ? ` · after signing in you return to ${where[1]!.replace(/s$/, '')} ${where[2]!.slice(-6)}` : ''}
      </div>
    </main>
  );
}
