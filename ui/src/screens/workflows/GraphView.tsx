// The workflow as a graph beside its text. A picture of what the server read; it edits nothing.
import '@xyflow/react/dist/style.css';
import { useMantineColorScheme } from '@mantine/core';
import { Background, Controls, Handle, MarkerType, Position, ReactFlow, ReactFlowProvider, useReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react';
import { IconAlertCircleFilled, IconBell, IconBriefcase, IconBrandSlack, IconClock, IconDatabaseSearch, IconGitBranch, IconPlayerPlay, IconRepeat, IconSparkles, IconTerminal2, IconUserCheck, IconVariable, IconWorld, IconBox } from '@tabler/icons-react';
import { memo, useEffect, useMemo } from 'react';
import type { Effect as EffectClass, Graph } from '../../api/types';
import { Effect } from '../../kit/bits';
import { visible } from '../../kit/format';
import { place } from './layout';

function icon(type: string): typeof IconBell {
  if (type === 'alert') return IconBell;
  if (type === 'manual' || type === 'scheduled') return IconPlayerPlay;
  if (type === 'if' || type === 'switch') return IconGitBranch;
  if (type === 'foreach' || type === 'while') return IconRepeat;
  if (type.startsWith('wait')) return type === 'wait' ? IconClock : IconUserCheck;
  if (type.startsWith('cases.')) return IconBriefcase;
  if (type.startsWith('ai.')) return IconSparkles;
  if (type.startsWith('slack')) return IconBrandSlack;
  if (type.startsWith('ssh') || type.startsWith('winrm')) return IconTerminal2;
  if (type.startsWith('elasticsearch') || type.startsWith('kibana')) return IconDatabaseSearch;
  if (type === 'http') return IconWorld;
  if (type.startsWith('data.') || type === 'console') return IconVariable;
  return IconBox;
}

type Data = { name: string; type: string; effect: EffectClass; detail: string | null; trigger: boolean; errors: number; selected: boolean };
const Step = memo(({ data }: NodeProps<Node<Data>>) => {
  const I = icon(data.type);
  return (
    <div className={`gnode${data.selected ? ' sel' : ''}${data.errors ? ' err' : ''}`}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <span className="ico"><I size={15} stroke={1.7} aria-hidden /></span>
      <span style={{ flex: 1, minWidth: 0 }}><span className="n cut" style={{ display: 'block' }}>{visible(data.name)}</span><span className="t cut" style={{ display: 'block' }}>{data.trigger ? `trigger: ${data.type}` : data.detail ? `${data.type} ${visible(data.detail)}` : data.type}</span></span>
      {data.errors > 0 && <IconAlertCircleFilled size={15} className="t-crit" role="img" aria-label={`${data.errors} errors`} />}
      {!data.trigger && <Effect effect={data.effect} bare />}
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  );
});
const Box = memo(({ data }: NodeProps<Node<Data>>) => <div className={`gbox${data.selected ? ' sel' : ''}`}><Handle type="target" position={Position.Top} isConnectable={false} /><span className="n">{visible(data.name)}</span><span className="t">{data.type}{data.detail ? ` · ${visible(data.detail)}` : ''}</span><Handle type="source" position={Position.Bottom} isConnectable={false} /></div>);
const Nothing = memo(() => <div className="gempty"><Handle type="target" position={Position.Top} isConnectable={false} />nothing happens<Handle type="source" position={Position.Bottom} isConnectable={false} /></div>);
const TYPES = { step: Step, box: Box, empty: Nothing };

type Props = { graph: Graph; selected: string | null; errors: Map<string, number>; onPick: (id: string, line: number) => void; stale: boolean };
export default function GraphView(p: Props) {
  return <ReactFlowProvider><Inner {...p} /></ReactFlowProvider>;
}

function Inner({ graph, selected, errors, onPick, stale }: Props) {
  const { colorScheme } = useMantineColorScheme();
  const flow = useReactFlow();
  const laid = useMemo(() => place(graph), [graph]);
  const nodes = useMemo((): Node<Data>[] => laid.placed.map((x) => ({
    id: x.id, type: x.kind, position: { x: x.x, y: x.y }, width: x.w, height: x.h, draggable: false, connectable: false, selectable: x.kind !== 'empty', focusable: x.kind !== 'empty', ...(x.parent ? { parentId: x.parent } : {}),
    ariaLabel: x.node ? `${x.node.name}, ${x.node.type}, line ${x.node.range.startLine}` : 'nothing happens',
    data: { name: x.node?.name ?? '', type: x.node?.type ?? '', effect: x.node?.effect ?? 'none', detail: x.node?.detail ?? null, trigger: x.id.startsWith('trigger:'), errors: errors.get(x.id) ?? 0, selected: x.id === selected },
  })), [laid, errors, selected]);
  const fanOut = useMemo(() => { const seen = new Set<string>(), out = new Set<string>(); for (const l of laid.lines) { if (seen.has(l.from)) out.add(l.from); seen.add(l.from); } return out; }, [laid]);
  const edges = useMemo((): Edge[] => laid.lines.map((e) => ({ id: e.id, source: e.from, target: e.to, type: 'smoothstep', label: e.label ?? undefined, focusable: false, selectable: false, style: e.quiet ? { strokeDasharray: '3 3' } : {}, pathOptions: { borderRadius: 8, offset: 10, stepPosition: fanOut.has(e.from) ? 0.5 : 0.94 }, markerEnd: { type: MarkerType.Arrow, width: 12, height: 12 } } as Edge)), [laid, fanOut]);
  const shape = laid.placed.map((x) => x.id).join();
  useEffect(() => {
    const t = setTimeout(() => void flow.fitView({ padding: { top: '16px', left: '16px', right: '16px', bottom: '64px' }, maxZoom: 1, minZoom: 0.35 }), 30);
    return () => clearTimeout(t);
  }, [flow, shape]);
  return (
    <div style={{ position: 'absolute', inset: 0, filter: stale ? 'grayscale(1)' : undefined }}>
      <ReactFlow nodes={nodes} edges={edges} nodeTypes={TYPES} colorMode={colorScheme === 'auto' ? 'system' : colorScheme} onNodeClick={(_, n) => { const g = graph.nodes.find((x) => x.id === n.id); if (g) onPick(g.id, g.range.startLine); }} nodesConnectable={false} nodesDraggable={false} elementsSelectable minZoom={0.2} maxZoom={1.5} proOptions={{ hideAttribution: true }} aria-label="Graph of the workflow"
        onKeyDown={(e) => { if (e.key === 'Enter') { const id = (e.target as HTMLElement).dataset.id; const g = graph.nodes.find((x) => x.id === id); if (g) onPick(g.id, g.range.startLine); } }}>
        <Background gap={20} size={1} color="var(--line)" />
        <Controls showInteractive={false} position="bottom-left" />
      </ReactFlow>
      <div className="graph-legend desk" aria-hidden>{(['none', 'internal', 'read', 'write', 'destructive'] as const).map((e) => <Effect key={e} effect={e} />)}</div>
    </div>
  );
}
