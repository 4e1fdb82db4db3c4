// The routes; each page is a chunk of its own.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { ApiError, spacePrefix } from './api/client';
import { q, queryClient } from './api/queries';
import { ErrorState, Loading } from './kit/states';
import { keep, parseSearch, stringifySearch } from './kit/url';
import { NotFound, PageError, Shell } from './shell/Shell';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', validateSearch: keep('to'), component: lazyRouteComponent(() => import('./screens/sign-in/SignIn'), 'SignIn') });

const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(q.me());
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) throw redirect({ to: '/sign-in', search: { to: location.pathname === '/' ? undefined : location.href } });
      throw e;
    }
  },
  component: Shell,
  errorComponent: ({ error, reset }) => <ErrorState what="Watchfire" error={error} retry={() => { reset(); void router.invalidate(); }} />,
  pendingComponent: () => <Loading />,
});

const home = createRoute({
  getParentRoute: () => app,
  path: '/',
  beforeLoad: async () => {
    const c = await queryClient.ensureQueryData(q.counts()).catch(() => null);
    throw redirect({ to: (c && c.approvals > 0 ? '/approvals' : '/alerts') as '/', replace: true });
  },
});

type Loader = () => Promise<Record<string, unknown>>;
function page(path: string, load: Loader, name: string, search: string[] = []) {
  return createRoute({ getParentRoute: () => app, path, validateSearch: keep(...search), component: lazyRouteComponent(load as () => Promise<Record<string, () => React.ReactNode>>, name), errorComponent: PageError });
}
function link(path: string, to: string) {
  return createRoute({ getParentRoute: () => app, path, beforeLoad: ({ params }) => { throw redirect({ to: to.replace('$id', (params as { id: string }).id) as '/', replace: true }); } });
}

const alerts = () => import('./screens/alerts/Queue');
const approvals = () => import('./screens/approvals/Approvals');
const editor = () => import('./screens/workflows/Editor');
const rule = () => import('./screens/rules/RuleForm');

const tree = root.addChildren([
  signIn,
  app.addChildren([
    home,
    page('/alerts', alerts, 'Queue', ['view', 'q', 'severity', 'group', 'sort', 'sel', 'fold']),
    page('/alerts/$id', () => import('./screens/alerts/AlertPage'), 'AlertPage', ['tab', 'field']),
    page('/cases', () => import('./screens/cases/CaseList'), 'CaseList', ['status', 'severity', 'search', 'sort', 'order']),
    page('/cases/$id', () => import('./screens/cases/CasePage'), 'CasePage', ['kinds', 'order', 'entry']),
    page('/approvals', approvals, 'Approvals', ['list']),
    page('/approvals/$id', approvals, 'Approvals', ['list']),
    page('/workflows', () => import('./screens/workflows/WorkflowList'), 'WorkflowList', ['q', 'enabled', 'sort', 'order']),
    page('/workflows/gallery', () => import('./screens/workflows/Gallery'), 'Gallery', ['q', 'start', 'sel', 'use']),
    page('/workflows/$id', editor, 'Editor', ['view', 'step', 'rule', 'sample', 'tab', 'version']),
    page('/executions', () => import('./screens/executions/ExecutionList'), 'ExecutionList', ['view', 'workflow', 'alert', 'case', 'rule', 'tests']),
    page('/executions/$id', () => import('./screens/executions/ExecutionPage'), 'ExecutionPage', ['step', 'tab', 'scale']),
    page('/connectors', () => import('./screens/connectors/Connectors'), 'Connectors', ['view', 'q', 'sel', 'type']),
    page('/rules', () => import('./screens/rules/RuleList'), 'RuleList', ['q', 'enabled', 'sort', 'order']),
    page('/rules/$id', rule, 'RuleForm', ['attach']),
    page('/settings/me', () => import('./screens/settings/Me'), 'Me'),
    link('/app/security/alerts/redirect/$id', '/alerts/$id'),
    link('/app/security/cases/$id', '/cases/$id'),
    link('/app/security/rules/id/$id', '/rules/$id'),
    link('/app/workflows/$id', '/workflows/$id'),
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  basepath: spacePrefix || '/',
  parseSearch,
  stringifySearch: stringifySearch as (s: Record<string, unknown>) => string,
  defaultPreload: 'intent',
  defaultPendingMs: 150,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
