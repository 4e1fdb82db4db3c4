// Navigation, live block, bars over every page, and the frame that a page stands in.
import { Drawer, Menu, Modal, useMantineColorScheme } from '@mantine/core';
import { openSpotlight } from '../shell/palette-store';
import { useQuery } from '@tanstack/react-query';
import { Outlet, useLocation, useRouterState } from '@tanstack/react-router';
import {
  IconBell, IconBriefcase, IconMenu2, IconPlayerPlay, IconPlugConnected, IconRadar2, IconRoute, IconSearch, IconSettings, IconSitemap, IconUserCheck, IconWifiOff, IconLayoutGrid, IconChartBar, IconCertificate, IconListDetails, IconLogout, IconKeyboard,
} from '@tabler/icons-react';
import { Suspense, useEffect, useState, type ReactNode } from 'react';
import { api, setSignedOutHandler } from '../api/client';
import { q, queryClient } from '../api/queries';
import type { Features } from '../api/types';
import { Kbd, useNow } from '../kit/bits';
import { age, count, duration, initials, moment } from '../kit/format';
import { Go, useGo } from '../kit/go';
import { useKeys } from '../kit/keys';
import { useCan, useMe } from '../kit/me';
import { ErrorState } from '../kit/states';
import { toastError, undoLast } from '../kit/toast';
import { startStream, streamState, setPaused, useStream, stopStream } from '../stream/stream';
import { KeysSheet } from './KeysSheet';
import { Mark } from './Mark';
import { lazily } from '../kit/lazily';

const Palette = lazily(() => import('./Palette'));
const SignInForm = lazily(() => import('../screens/sign-in/SignIn').then((m) => ({ default: m.SignInForm })));

type Item = { to: string; label: string; key: string; icon: typeof IconBell; privilege: string; feature?: keyof Features; count?: 'alerts' | 'cases' | 'approvals'; group?: string };
const ITEMS: Item[] = [
  { to: '/alerts', label: 'Alerts', key: 'a', icon: IconBell, privilege: 'alerts:read', count: 'alerts' },
  { to: '/cases', label: 'Cases', key: 'c', icon: IconBriefcase, privilege: 'cases:read', count: 'cases' },
  { to: '/approvals', label: 'Approvals', key: 'p', icon: IconUserCheck, privilege: 'approvals:read', count: 'approvals' },
  { to: '/workflows', label: 'Workflows', key: 'w', icon: IconRoute, privilege: 'workflows:read', group: 'Automate' },
  { to: '/executions', label: 'Executions', key: 'x', icon: IconPlayerPlay, privilege: 'executions:read', group: 'Automate' },
  { to: '/connectors', label: 'Connectors', key: 'n', icon: IconPlugConnected, privilege: 'connectors:read', group: 'Automate' },
  { to: '/map', label: 'Map', key: 'm', icon: IconSitemap, privilege: 'workflows:read', feature: 'map', group: 'Automate' },
  { to: '/rules', label: 'Rules', key: 'r', icon: IconRadar2, privilege: 'rules:read', group: 'Detect' },
  { to: '/coverage', label: 'Coverage', key: 'v', icon: IconLayoutGrid, privilege: 'rules:read', feature: 'coverage', group: 'Detect' },
  { to: '/dashboard/operations', label: 'Dashboard', key: 'd', icon: IconChartBar, privilege: 'metrics:read', feature: 'dashboard', group: 'Measure' },
  { to: '/evidence', label: 'Evidence', key: 'e', icon: IconCertificate, privilege: 'evidence:read', feature: 'evidence', group: 'Measure' },
  { to: '/audit', label: 'Audit log', key: 'l', icon: IconListDetails, privilege: 'audit:read', feature: 'audit', group: 'Measure' },
];

function useItems(): Item[] {
  const can = useCan();
  const me = useMe();
  return ITEMS.filter((i) => can(i.privilege) && (!i.feature || me?.features[i.feature] === true));
}

async function signOut(): Promise<void> {
  try {
    await api('/internal/security/logout', { method: 'POST' });
  } catch (e) {
    toastError('Not signed out', e);
    return;
  }
  stopStream();
  queryClient.clear();
  location.assign('/sign-in');
}

function Live() {
  const s = useStream();
  const now = useNow();
  const text = s.paused ? 'Paused' : s.stale || (!s.open && now - s.lastAt > 5000) ? 'Not live' : 'Live';
  return (
    <>
      <button type="button" className="line link-button" style={{ color: 'var(--ink)' }} onClick={() => setPaused(!s.paused)} title={s.paused ? 'Go on showing changes' : 'Pause: hold changes back'}>
        <span className={`dot ${text === 'Live' ? 'ok' : text === 'Paused' ? '' : 'high'}`} aria-hidden />
        <span className="strong wide">{text}</span>
        <span className="wide">{s.eventsPerSecond === null ? '' : `${count(Math.round(s.eventsPerSecond))} events/s`}</span>
      </button>
      {s.p99 !== null && <div className="line wide ink2"><span style={{ paddingLeft: 16 }}>Event to alert, p99</span><span>{duration(s.p99)}</span></div>}
    </>
  );
}

function Rail({ onKeys, onGo }: { onKeys: () => void; onGo?: () => void }) {
  const me = useMe();
  const items = useItems();
  const stream = useStream();
  const counts = useQuery(q.counts()).data ?? stream.counts;
  const path = useLocation({ select: (l) => l.pathname });
  const { setColorScheme, colorScheme } = useMantineColorScheme();
  const go = useGo();
  const groups = [undefined, 'Automate', 'Detect', 'Measure'];
  const name = me?.user.full_name ?? me?.user.username ?? '';
  return (
    <nav className="rail" aria-label="Main">
      <div className="rail-head">
        <Mark />
        <div className="wide grow">
          <div className="org cut">{me?.organisation ?? 'Watchfire'}</div>
          <div className="space cut">{me ? `${me.space.name.toLowerCase()} space` : ''}</div>
        </div>
      </div>
      <button type="button" className="rail-search" onClick={() => openSpotlight()} title="Search or run, Ctrl K">
        <IconSearch size={14} stroke={1.7} aria-hidden /><span className="wide grow" style={{ textAlign: 'left' }}>Search or run…</span><span className="wide row" style={{ gap: 3 }}><Kbd>Ctrl</Kbd><Kbd>K</Kbd></span>
      </button>
      {groups.map((g) => {
        const list = items.filter((i) => i.group === g);
        if (list.length === 0) return null;
        return (
          <div key={g ?? 'first'} role="group" aria-label={g ?? 'Triage'}>
            {g && <div className="nav-title"><span className="wide">{g}</span></div>}
            {list.map((i) => {
              const n = i.count && counts ? counts[i.count] : undefined;
              const here = path === i.to || path.startsWith(`${i.to}/`);
              return (
                <Go key={i.to} to={i.to} className="nav-item" aria-current={here ? 'page' : undefined} title={i.label} onClick={onGo}>
                  <i.icon size={16} stroke={1.7} aria-hidden /><span className="wide">{i.label}</span>
                  {n !== undefined && n > 0 && <span className={`nav-count${i.count === 'approvals' ? ' wait' : ''}`}>{count(n)}</span>}
                  {i.to === '/connectors' && counts && counts.connectors_failing > 0 && <span className="nav-dot" title={`${counts.connectors_failing} failing`} />}
                </Go>
              );
            })}
          </div>
        );
      })}
      <div className="rail-foot">
        <Live />
        <Menu position="top-start" width={200}>
          <Menu.Target>
            <button type="button" className="person-line" title={`${name}: theme, keys, sign out`}>
              <span className="avatar" aria-hidden>{initials(name)}</span><span className="wide grow cut">{name}<span className="visually-hidden">: theme, keys, sign out</span></span><IconSettings size={16} stroke={1.7} className="ink2 wide" aria-hidden />
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Label>Theme</Menu.Label>
            {(['auto', 'light', 'dark'] as const).map((c) => <Menu.Item key={c} onClick={() => setColorScheme(c)} rightSection={colorScheme === c ? '✓' : null}>{c === 'auto' ? 'As the system' : c === 'light' ? 'Light' : 'Dark'}</Menu.Item>)}
            <Menu.Divider />
            <Menu.Item leftSection={<IconSettings size={14} stroke={1.7} />} onClick={() => go('/settings/me')}>Settings</Menu.Item>
            <Menu.Item leftSection={<IconKeyboard size={14} stroke={1.7} />} onClick={onKeys} rightSection={<Kbd>?</Kbd>}>Keys</Menu.Item>
            <Menu.Item leftSection={<IconLogout size={14} stroke={1.7} />} onClick={() => void signOut()}>Sign out</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
    </nav>
  );
}

let openDrawer: () => void = () => {};

export function Shell() {
  const me = useMe();
  const s = useStream();
  const now = useNow();
  const items = useItems();
  const go = useGo();
  const [keys, setKeys] = useState(false);
  const [drawer, setDrawer] = useState(false);
  const [again, setAgain] = useState(false);
  const [narrow, setNarrow] = useState(() => localStorage.getItem('watchfire.rail') === 'narrow');
  const moving = useRouterState({ select: (r) => r.isLoading });
  openDrawer = () => setDrawer(true);
  useEffect(() => {
    startStream();
    setSignedOutHandler(() => setAgain(true));
    const density = localStorage.getItem('watchfire.density');
    if (density) document.documentElement.dataset.density = density;
    return () => setSignedOutHandler(() => {});
  }, []);
  useKeys('Everywhere', [
    { key: 'Ctrl+k', label: 'Search or run', run: () => openSpotlight() },
    { key: '?', label: 'Keys', run: () => setKeys(true) },
    { key: '[', label: 'Fold the navigation', run: () => { setNarrow(!narrow); localStorage.setItem('watchfire.rail', narrow ? 'wide' : 'narrow'); } },
    { key: 'z', label: 'Undo', run: undoLast },
    ...items.map((i) => ({ key: `g ${i.key}`, label: `Go to ${i.label.toLowerCase()}`, run: () => go(i.to) })),
  ]);
  const first = s.lastAt === s.startedAt;
  return (
    <div className="shell" data-narrow={narrow || undefined}>
      <a className="skip" href="#main">Skip to the content</a>
      <div className="bars">
        {me?.demo && <div className="demo-bar">Demo: the data in this server is made up, its hosts, chat and model are doubles inside the process.</div>}
        {s.stale && (
          <div className="stale" role="status">
            <IconWifiOff size={15} stroke={1.7} aria-hidden />
            <b>Not live {first ? 'yet' : `since ${moment(new Date(s.lastAt).toISOString(), now)}`}.</b> Shown values may be old. A decision is sent all the same and says whether it arrived.
            {s.retryAt !== null && s.retryAt > now && <span className="right">next try {age(s.retryAt - now)}</span>}
          </div>
        )}
      </div>
      <Rail onKeys={() => setKeys(true)} />
      <main className="content" id="main" tabIndex={-1} aria-busy={moving}>
        <Outlet />
      </main>
      <Drawer opened={drawer} onClose={() => setDrawer(false)} size={240} padding={0} withCloseButton={false} className="drawer" title={<span className="visually-hidden">Navigation</span>}>
        <Rail onKeys={() => { setDrawer(false); setKeys(true); }} onGo={() => setDrawer(false)} />
      </Drawer>
      <KeysSheet opened={keys} onClose={() => setKeys(false)} />
      <Suspense fallback={null}><Palette /></Suspense>
      <Modal opened={again} onClose={() => setAgain(false)} title="The session ended">
        <p className="ink2" style={{ marginBottom: 12 }}>Sign in again; what is on the page stays.</p>
        <Suspense fallback={null}><SignInForm onDone={() => { setAgain(false); void queryClient.invalidateQueries(); }} /></Suspense>
      </Modal>
    </div>
  );
}

/** The 48 px header of a page: crumbs, title, chips, then actions at the right. Sets the tab's title too. */
export function PageHead({ title, crumbs, chips, actions, detail = false, children, tabTitle }: { title: ReactNode; tabTitle?: string; crumbs?: { to: string; label: string }[]; chips?: ReactNode; actions?: ReactNode; detail?: boolean; children?: ReactNode }) {
  const approvals = useQuery(q.counts()).data?.approvals ?? streamState().counts?.approvals ?? 0;
  const t = tabTitle ?? (typeof title === 'string' ? title : 'Watchfire');
  useEffect(() => {
    document.title = `${approvals > 0 ? `(${approvals}) ` : ''}${t} – Watchfire`;
  }, [t, approvals]);
  return (
    <header className={`page-head${detail ? ' detail' : ''}`}>
      <button type="button" className="menu-button" aria-label="Navigation" onClick={() => openDrawer()}><IconMenu2 size={20} stroke={1.7} /></button>
      {crumbs?.map((c) => <span key={c.to} className="crumb desk"><Go to={c.to} style={{ color: 'var(--ink2)' }}>{c.label}</Go> <span aria-hidden style={{ margin: '0 4px' }}>›</span></span>)}
      <h1 className={detail ? 'cut' : ''} style={detail ? undefined : { flex: 'none' }}>{title}</h1>
      {chips}
      {children}
      {actions && <div className="actions">{actions}</div>}
    </header>
  );
}

export function NotFound() {
  return <div className="page"><PageHead title="No such page" /><div className="state"><div className="ink2">Nothing stands at this address. <Go to="/alerts">Go to the alerts</Go></div></div></div>;
}
export function PageError({ error, reset }: { error: unknown; reset: () => void }) {
  return <div className="page"><PageHead title="Watchfire" /><ErrorState what="This page" error={error} retry={reset} /></div>;
}
