// Related alerts: lanes are entities, x is time; one dot per entity an alert touches, joined vertically.
import type { Severity } from '../api/types';

export type LaneAlert = { id: string; at: number; severity: Severity; title: string; entities: string[]; main: boolean };
const COLOR: Record<Severity, string> = { low: 'var(--low-solid)', medium: 'var(--med-solid)', high: 'var(--high-solid)', critical: 'var(--crit-solid)' };
const R: Record<Severity, number> = { low: 3.5, medium: 4, high: 4.5, critical: 5.5 };
const MAX_LANES = 8;

export function lanesOf(alerts: LaneAlert[]): string[] {
  const seen: string[] = [];
  for (const a of [...alerts].sort((x, y) => Number(y.main) - Number(x.main))) for (const e of a.entities) if (!seen.includes(e)) seen.push(e);
  return seen.slice(0, MAX_LANES);
}

export function Lanes({ alerts, from, to, width = 360, axis = false, onOpen }: { alerts: LaneAlert[]; from: number; to: number; width?: number; axis?: boolean; onOpen: (id: string) => void }) {
  const lanes = lanesOf(alerts);
  const left = 112, step = 22, h = lanes.length * step + (axis ? 24 : 4);
  const x = (t: number): number => left + 6 + ((t - from) / Math.max(1, to - from)) * (width - left - 14);
  const y = (e: string): number => lanes.indexOf(e) * step + 13;
  const ticks = axis ? (width < 480 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]).map((f) => from + f * (to - from)) : [];
  return (
    <>
      <svg className="lanes" viewBox={`0 0 ${width} ${h}`} width="100%" style={{ display: 'block', maxWidth: '100%' }} aria-hidden>
        {lanes.map((e) => <g key={e}><text x={0} y={y(e) + 4}>{e.length > 15 ? `${e.slice(0, 14)}…` : e}</text><line x1={left} x2={width - 4} y1={y(e)} y2={y(e)} /></g>)}
        {ticks.map((t) => <text key={t} x={Math.min(x(t), width - 44)} y={h - 4} style={{ fill: 'var(--ink3)' }}>{new Date(t).toTimeString().slice(0, 5)}</text>)}
        {[...alerts].sort((p, q) => Number(p.main) - Number(q.main)).map((a) => {
          const es = a.entities.filter((e) => lanes.includes(e));
          const ys = es.map(y);
          return (
            <g key={a.id} style={{ cursor: 'pointer' }} onClick={() => onOpen(a.id)}>
              <title>{a.title}</title>
              {ys.length > 1 && <line x1={x(a.at)} x2={x(a.at)} y1={Math.min(...ys)} y2={Math.max(...ys)} style={{ stroke: a.main ? COLOR[a.severity] : 'var(--line2)', strokeWidth: a.main ? 2 : 1.5 }} />}
              {ys.map((yy, i) => <circle key={i} cx={x(a.at)} cy={yy} r={a.main ? R[a.severity] + 1 : R[a.severity]} fill={COLOR[a.severity]} />)}
            </g>
          );
        })}
      </svg>
      <ul className="visually-hidden">{alerts.map((a) => <li key={a.id}>{new Date(a.at).toISOString()}, {a.severity}, {a.title}, {a.entities.join(', ')}</li>)}</ul>
    </>
  );
}
