// What one person sets for themselves: theme, density, keys. And who they are here.
import { Button, SegmentedControl, Switch, PasswordInput, TextInput, useMantineColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { queryClient } from '../../api/queries';
import { Moment } from '../../kit/bits';
import { visible } from '../../kit/format';
import { keysOn } from '../../kit/keys';
import { useFeature, useMe } from '../../kit/me';
import { forget, register, type Passkeys } from '../../kit/passkey';
import { Loaded } from '../../kit/states';
import { toast, toastError } from '../../kit/toast';
import { PageHead } from '../../shell/Shell';

export function Me() {
  const me = useMe();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [density, setDensity] = useState(localStorage.getItem('watchfire.density') ?? 'comfortable');
  const [keys, setKeys] = useState(keysOn());
  return (
    <div className="page">
      <PageHead title="Settings" />
      <div className="scroll"><div className="pad col" style={{ gap: 20, maxWidth: 560 }}>
        <section className="panel"><header><h2>You</h2></header><div className="body"><dl className="facts"><dt>Name</dt><dd>{me?.user.full_name ?? '–'}</dd><dt>User name</dt><dd className="mono">{me?.user.username}</dd><dt>Roles</dt><dd>{me?.roles.join(', ')}</dd><dt>Privileges</dt><dd className="mono">{me?.privileges.includes('*') ? 'all' : me?.privileges.join(', ')}</dd><dt>Space</dt><dd>{me?.space.name}</dd><dt>Server</dt><dd>version {me?.version}</dd></dl></div></section>
        {useFeature('passkeys') && me && <Keys user={me.user} />}
        <section className="panel"><header><h2>This browser</h2></header><div className="body col" style={{ gap: 14 }}>
          <div className="row"><span className="grow">Theme</span><SegmentedControl aria-label="Theme" value={colorScheme} onChange={(v) => setColorScheme(v as 'auto' | 'light' | 'dark')} data={[{ value: 'auto', label: 'System' }, { value: 'light', label: 'Light' }, { value: 'dark', label: 'Dark' }]} /></div>
          <div className="row"><span className="grow">Density of lists</span><SegmentedControl aria-label="Density of lists" value={density} onChange={(v) => { setDensity(v); localStorage.setItem('watchfire.density', v); document.documentElement.dataset.density = v; }} data={[{ value: 'comfortable', label: 'Comfortable' }, { value: 'compact', label: 'Compact' }]} /></div>
          <Switch checked={keys} onChange={(e) => { setKeys(e.currentTarget.checked); localStorage.setItem('watchfire.keys', e.currentTarget.checked ? 'on' : 'off'); }} label="Single-letter keys" description="Off when a screen reader's browse mode needs the letters" />
        </div></section>
      </div></div>
    </div>
  );
}

/** Passkeys of who is signed in: what signs an approval where its class demands one. */
function Keys({ user }: { user: { username: string; full_name: string | null } }) {
  const list = useQuery({ queryKey: ['passkeys'], queryFn: ({ signal }) => api<Passkeys>('/api/watchfire/passkeys', { signal }) });
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const run = async (what: string, f: () => Promise<unknown>, said: string): Promise<void> => {
    setBusy(true);
    try {
      await f();
      toast(said);
      setName('');
      setPassword('');
    } catch (e) {
      toastError(what, e);
    } finally {
      setBusy(false);
      void queryClient.invalidateQueries({ queryKey: ['passkeys'] });
    }
  };
  return (
    <section className="panel"><header><h2>Passkeys</h2></header><div className="body col" style={{ gap: 12 }}>
      <p className="small ink2">They sign what you approve where the policy demands it. The key never leaves your device; the signature is kept with the approval.</p>
      <Loaded query={list} what="Your passkeys" rows={1} height={28}>{(d) => (d.passkeys.length === 0 ? <p className="small ink3">None yet.</p> : <ul>{d.passkeys.map((k) => <li key={k.id} className="row" style={{ minHeight: 32 }}><span className="grow cut">{visible(k.name)}</span><span className="small ink3">added <Moment at={k.created_at} />{k.last_used_at ? <>, used <Moment at={k.last_used_at} /></> : ''}</span><Button size="xs" disabled={busy} onClick={() => void run('Not removed', () => forget(k.id), 'Passkey removed')}>Remove<span className="visually-hidden"> {k.name}</span></Button></li>)}</ul>)}</Loaded>
      <form className="row wrap" onSubmit={(e) => { e.preventDefault(); if (name.trim() && password) void run('Not added', () => register(name.trim(), password, user), 'Passkey added'); }}><TextInput className="grow" style={{ minWidth: 190 }} aria-label="Name of the new passkey" placeholder="Name, such as Laptop" maxLength={64} value={name} onChange={(e) => setName(e.currentTarget.value)} /><PasswordInput className="grow" style={{ minWidth: 190 }} aria-label="Your password, once more" placeholder="Your password, once more" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} /><Button type="submit" variant="filled" disabled={busy || !name.trim() || !password}>Add a passkey</Button></form>
    </div></section>
  );
}
