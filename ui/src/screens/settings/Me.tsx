// What one person sets for themselves: theme, density, keys. And who they are here.
import { SegmentedControl, Switch, useMantineColorScheme } from '@mantine/core';
import { useState } from 'react';
import { keysOn } from '../../kit/keys';
import { useMe } from '../../kit/me';
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
        <section className="panel"><header><h2>This browser</h2></header><div className="body col" style={{ gap: 14 }}>
          <div className="row"><span className="grow">Theme</span><SegmentedControl aria-label="Theme" value={colorScheme} onChange={(v) => setColorScheme(v as 'auto' | 'light' | 'dark')} data={[{ value: 'auto', label: 'System' }, { value: 'light', label: 'Light' }, { value: 'dark', label: 'Dark' }]} /></div>
          <div className="row"><span className="grow">Density of lists</span><SegmentedControl aria-label="Density of lists" value={density} onChange={(v) => { setDensity(v); localStorage.setItem('watchfire.density', v); document.documentElement.dataset.density = v; }} data={[{ value: 'comfortable', label: 'Comfortable' }, { value: 'compact', label: 'Compact' }]} /></div>
          <Switch checked={keys} onChange={(e) => { setKeys(e.currentTarget.checked); localStorage.setItem('watchfire.keys', e.currentTarget.checked ? 'on' : 'off'); }} label="Single-letter keys" description="Off when a screen reader's browse mode needs the letters" />
        </div></section>
      </div></div>
    </div>
  );
}
