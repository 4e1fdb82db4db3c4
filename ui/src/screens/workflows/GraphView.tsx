// The workflow as a graph: a picture of what the server read from the text. What is done in it becomes a change of the text; it keeps nothing itself.
import '@xyflow/react/dist/style.css';
import { useMantineColorScheme } from '@mantine/core';
import { Background, BaseEdge, Controls, EdgeLabelRenderer, getSmoothStepPath, Handle, MarkerType, Position, ReactFlow, ReactFlowProvider, useReactFlow, type Edge, type EdgeProps, type Node, type NodeProps } from '@xyflow/react';
import { IconAlertCircleFilled, IconPlus, IconBell, IconBriefcase, IconBrandSlack, IconClock, IconDatabaseSearch, IconGitBranch, IconPlayerPlay, IconRepeat, IconSparkles, IconTerminal2, IconUserCheck, IconVariable, IconWorld, IconBox } from '@tabler/icons-react';
import { createContext, memo, useContext, useEffect, useMemo, useRef, useState } from 'react';
import type { Effect as EffectClass, Graph } from '../../api/types';
import { Effect } from '../../kit/bits';
import { visible } from '../../kit/format';
import type { Path, StepRef } from '../../kit/yaml/edit';
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

/** Where a step can be put: before what stands at `index` of `list`. */
export type Spot = { list: Path; index: number; after: string };
type Edits = { onInsert: (s: Spot) => void; onMove: (name: string, s: Spot) => void };
type Point = Spot & { x: number; y: number };
const Editing = createContext<{ edits: Edits | null; points: Map<string, Point> }>({ edits: null, points: new Map() });
function Plus({ spot, label }: { spot: Spot; label: string }) {
  const { edits } = useContext(Editing);
  if (!edits) return null;
  return <button type="button" className="plus nodrag nopan" aria-label={`Add a step ${label}`} title={`Add a step ${label}`} onClick={(e) => { e.stopPropagation(); edits.onInsert(spot); }}><IconPlus size={12} stroke={2} aria-hidden /></button>;
}

type Data = { name: string; type: string; effect: EffectClass; detail: string | null; trigger: boolean; errors: number; selected: boolean; tail: Spot | null };
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
      {data.tail && <span className="tail"><Plus spot={data.tail} label={data.tail.after} /></span>}
    </div>
  );
});
const Box = memo(({ data }: NodeProps<Node<Data>>) => <div className={`gbox${data.selected ? ' sel' : ''}`}><Handle type="target" position={Position.Top} isConnectable={false} /><span className="n">{visible(data.name)}</span><span className="t">{data.type}{data.detail ? ` · ${visible(data.detail)}` : ''}</span><Handle type="source" position={Position.Bottom} isConnectable={false} />{data.tail && <span className="tail"><Plus spot={data.tail} label={data.tail.after} /></span>}</div>);
const Nothing = memo(({ data }: NodeProps<Node<Data>>) => <div className="gempty"><Handle type="target" position={Position.Top} isConnectable={false} />nothing happens{data.tail && <Plus spot={data.tail} label={data.tail.after} />}<Handle type="source" position={Position.Bottom} isConnectable={false} /></div>);
const TYPES = { step: Step, box: Box, empty: Nothing };

type EdgeData = { label: string | null; spot: Spot | null; step: number; merge: boolean };
function Between({ id, sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, markerEnd, style, data }: EdgeProps<Edge<EdgeData>>) {
  const { points } = useContext(Editing);
  const [path, lx, ly] = getSmoothStepPath({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, borderRadius: 8, offset: 10, stepPosition: data?.step ?? 0.5 });
  const straight = Math.abs(sourceX - targetX) < 2;
  const x = straight ? lx : data?.merge ? sourceX : targetX, y = straight ? ly : data?.merge ? sourceY + 14 : targetY - 14;
  if (data?.spot) points.set(id, { ...data.spot, x, y });
  return (
    <>
      <BaseEdge id={id} path={path} {...(markerEnd ? { markerEnd } : {})} {...(style ? { style } : {})} />
      <EdgeLabelRenderer>
        {(data?.spot || data?.label) && <div className="between nodrag nopan" style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}>{data.spot && <Plus spot={data.spot} label={data.spot.after} />}{data.label && <span className="edge-label">{data.label}</span>}</div>}
      </EdgeLabelRenderer>
    </>
  );
}
const EDGES = { between: Between };

const READABLE = 0.72;
type Props = { graph: Graph; selected: string | null; errors: Map<string, number>; onPick: (id: string, line: number) => void; stale: boolean; refs?: StepRef[]; edits?: Edits | null; onClear?: () => void };
export default memo(function GraphView(p: Props) {
  return <ReactFlowProvider><Inner {...p} /></ReactFlowProvider>;
});

function Inner({ graph, selected, errors, onPick, stale, refs, edits = null, onClear }: Props) {
  const { colorScheme } = useMantineColorScheme();
  const flow = useReactFlow();
  const laid = useMemo(() => place(graph), [graph]);
  const byName = useMemo(() => new Map((refs ?? []).map((r) => [r.name, r])), [refs]);
  // A node with nothing behind it has its own +, and so has a branch that is not there.
  const tails = useMemo(() => {
    const m = new Map<string, Spot>();
    const from = new Set(laid.lines.map((l) => l.from));
    for (const x of laid.placed) {
      const r = byName.get(x.id);
      if (x.kind === 'empty') {
        const owner = byName.get(x.id.replace(/:nothing$/, ''));
        if (owner) m.set(x.id, { list: [...owner.path, owner.type === 'switch' ? 'default' : 'else'], index: 0, after: `when ${owner.name} does not hold` });
      } else if (r && !from.has(x.id)) m.set(x.id, { list: r.list, index: r.index + 1, after: `after ${r.name}` });
    }
    return m;
  }, [laid, byName]);
  const [drag, setDrag] = useState<{ id: string; x: number; y: number } | null>(null);
  const points = useRef(new Map<string, Point>());
  const nodes = useMemo((): Node<Data>[] => laid.placed.map((x) => ({
    id: x.id, type: x.kind, position: drag?.id === x.id ? { x: drag.x, y: drag.y } : { x: x.x, y: x.y }, width: x.w, height: x.h, draggable: edits !== null && byName.has(x.id), connectable: false, selectable: x.kind !== 'empty', focusable: x.kind !== 'empty', ...(x.parent ? { parentId: x.parent } : {}),
    ariaLabel: x.node ? `${x.node.name}, ${x.node.type}, line ${x.node.range.startLine}` : 'nothing happens',
    data: { name: x.node?.name ?? '', type: x.node?.type ?? '', effect: x.node?.effect ?? 'none', detail: x.node?.detail ?? null, trigger: x.id.startsWith('trigger:'), errors: errors.get(x.id) ?? 0, selected: x.id === selected, tail: edits ? (tails.get(x.id) ?? null) : null },
  })), [laid, errors, selected, drag, edits, byName, tails]);
  const fanOut = useMemo(() => { const seen = new Set<string>(), out = new Set<string>(); for (const l of laid.lines) { if (seen.has(l.from)) out.add(l.from); seen.add(l.from); } return out; }, [laid]);
  const edges = useMemo((): Edge[] => { const spots = new Set<string>(); return laid.lines.map((e) => {
    const to = byName.get(e.to), from = byName.get(e.from);
    const same = (a: Path, b: Path): boolean => a.join('/') === b.join('/');
    let spot: Spot | null = null, merge = false;
    if (edits && to && (e.from.startsWith('trigger:') || (from && (to.parent === from.name || same(from.list, to.list))))) spot = { list: to.list, index: to.index, after: from && to.parent !== from.name ? `between ${from.name} and ${to.name}` : `before ${to.name}` };
    else if (edits && from && to) { spot = { list: from.list, index: from.index + 1, after: `after ${from.name}` }; merge = true; }
    // Several edges into one place, such as two triggers: one + for it.
    const key = spot && !merge ? `${spot.list.join('/')}#${spot.index}` : null;
    if (key !== null) { if (spots.has(key)) spot = null; else spots.add(key); }
    return { id: e.id, source: e.from, target: e.to, type: 'between', focusable: false, selectable: false, style: e.quiet ? { strokeDasharray: '3 3' } : {}, data: { label: e.label, spot, merge, step: fanOut.has(e.from) ? 0.5 : 0.94 } satisfies EdgeData, markerEnd: { type: MarkerType.Arrow, width: 12, height: 12 } } as Edge;
  }); }, [laid, fanOut, byName, edits]);
  points.current = new Map([...points.current].filter(([id]) => edges.some((x) => x.id === id)));
  const drop = (id: string): void => {
    setDrag(null);
    const at = flow.getInternalNode(id)?.internals.positionAbsolute;
    const own = byName.get(id);
    if (!at || !own || !edits) return;
    const cx = at.x + 118, cy = at.y + 21;
    let best: Point | null = null, far = 60;
    for (const pt of points.current.values()) {
      if (own.path.every((k, i) => pt.list[i] === k)) continue;
      const d = Math.hypot((pt.x - cx) / 2.4, pt.y - cy);
      if (d < far) { far = d; best = pt; }
    }
    if (best) edits.onMove(own.name, best);
  };
  const pane = useRef<HTMLDivElement>(null);
  const at = useRef(selected);
  at.current = selected;
  const shape = laid.placed.map((x) => x.id).join();
  useEffect(() => {
    const t = setTimeout(() => {
      // Whole where it can be read so, else from its top, or round the chosen step.
      const box = pane.current?.getBoundingClientRect();
      const top = laid.placed.filter((x) => x.parent === null);
      const w = Math.max(1, ...top.map((x) => x.x + x.w)), h = Math.max(1, ...top.map((x) => x.y + x.h));
      const whole = box ? Math.min((box.width - 32) / w, (box.height - 80) / h) : 1;
      if (!box || whole >= READABLE) return void flow.fitView({ padding: { top: '16px', left: '16px', right: '16px', bottom: '64px' }, maxZoom: 1, minZoom: READABLE });
      const zoom = Math.max(READABLE, Math.min(1, (box.width - 32) / w));
      const chosen = at.current === null ? null : flow.getInternalNode(at.current);
      const y = chosen ? Math.min(24, Math.max(box.height - 80 - h * zoom, box.height / 2 - chosen.internals.positionAbsolute.y * zoom)) : 16;
      void flow.setViewport({ x: box.width / 2 - (w / 2) * zoom, y, zoom });
    }, 30);
    return () => clearTimeout(t);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [flow, shape]);
  return (
    <Editing.Provider value={{ edits, points: points.current }}><div ref={pane} style={{ position: 'absolute', inset: 0, filter: stale ? 'grayscale(1)' : undefined }}>
      <ReactFlow nodes={nodes} edges={edges} nodeTypes={TYPES} edgeTypes={EDGES} colorMode={colorScheme === 'auto' ? 'system' : colorScheme} onNodeClick={(_, n) => { const g = graph.nodes.find((x) => x.id === n.id); if (g) onPick(g.id, g.range.startLine); }} nodesConnectable={false} nodesDraggable={edits !== null} onPaneClick={onClear} onNodesChange={(cs) => { for (const c of cs) if (c.type === 'position' && c.dragging && c.position) setDrag({ id: c.id, x: c.position.x, y: c.position.y }); }} onNodeDragStop={(_, n) => drop(n.id)} nodeDragThreshold={6} elementsSelectable minZoom={0.2} maxZoom={1.5} proOptions={{ hideAttribution: true }} aria-label="Graph of the workflow"
        onKeyDown={(e) => { if (e.key === 'Enter') { const id = (e.target as HTMLElement).dataset.id; const g = graph.nodes.find((x) => x.id === id); if (g) onPick(g.id, g.range.startLine); } }}>
        <Background gap={20} size={1} color="var(--line)" />
        <Controls showInteractive={false} position="bottom-left" />
      </ReactFlow>
      <div className="graph-legend desk" aria-hidden>{(['none', 'internal', 'read', 'write', 'destructive'] as const).map((e) => <Effect key={e} effect={e} />)}</div>
    </div></Editing.Provider>
  );
}
