// Alerts near an alert: same host, user or address, ten minutes either side.
import { useQuery } from '@tanstack/react-query';
import { q } from '../api/queries';
import type { Severity } from '../api/types';
import { first } from './doc';
import type { LaneAlert } from './Lanes';

const SIDE_MS = 600_000;

export type Near = { from: number; to: number; alerts: LaneAlert[] };
export function useRelated(a: { id: string; time: string; host: string | null; user: string | null; source: string | null } | undefined): Near | null {
  const t = a ? new Date(a.time).getTime() : 0;
  const should = a ? [['host.name', a.host], ['user.name', a.user], ['source.ip', a.source]].filter((x): x is [string, string] => x[1] !== null).map(([f, v]) => ({ term: { [f]: v } })) : [];
  const found = useQuery({
    ...q.related(a?.id ?? '', {
      size: 50, sort: [{ '@timestamp': 'asc' }],
      query: { bool: { filter: [{ range: { '@timestamp': { gte: new Date(t - SIDE_MS).toISOString(), lte: new Date(t + SIDE_MS).toISOString() } } }, { bool: { should, minimum_should_match: 1 } }] } },
    }),
    enabled: a !== undefined && should.length > 0,
  });
  if (!a || !found.data) return null;
  const alerts = found.data.map((h): LaneAlert => {
    const s = h._source;
    return {
      id: h._id, at: new Date(first(s, '@timestamp') ?? a.time).getTime(), severity: (first(s, 'kibana.alert.severity') ?? 'low') as Severity, title: first(s, 'kibana.alert.rule.name') ?? 'alert',
      entities: [first(s, 'user.name'), first(s, 'host.name'), first(s, 'source.ip')].filter((x): x is string => x !== null), main: h._id === a.id,
    };
  });
  return { from: t - SIDE_MS, to: t + SIDE_MS, alerts };
}
