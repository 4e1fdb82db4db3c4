// A list page's grid: virtual rows, sort kept in the address and done by the server, j/k/Enter. More rows are asked for near the end.
import { useMediaQuery } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { memo, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useKeys } from './keys';

export type Column<T> = { id: string; label: string; width: string; sort?: string; right?: boolean; hide?: boolean; render: (row: T) => ReactNode };

export function DataGrid<T>({ label, columns: given, rows, total, rowKey, onOpen, height = 40, sort, order, onSort, onEnd, more, selected, open }: {
  label: string; columns: Column<T>[]; rows: T[]; total: number; rowKey: (r: T) => string; onOpen: (r: T) => void; height?: number;
  sort?: string | undefined; order?: 'asc' | 'desc'; onSort?: (sort: string, order: 'asc' | 'desc') => void; onEnd?: () => void; more?: boolean; selected?: string | undefined; open?: (r: T) => string;
}) {
  const phone = useMediaQuery('(max-width: 767px)', undefined, { getInitialValueInEffect: false });
  const columns = useMemo(() => (phone ? given.filter((c) => !c.hide).map((c) => ({ ...c, width: c.width.replace(/minmax\(\d+px/, 'minmax(0') })) : given), [phone, given]);
  const [at, setAt] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const compact = document.documentElement.dataset.density === 'compact';
  const h = compact ? Math.min(height, 32) : height;
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => h, overscan: 5 });
  const shown = virtual.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? 0;
  useEffect(() => {
    if (more && last >= rows.length - 15) onEnd?.();
  }, [more, last, rows.length, onEnd]);
  const move = (i: number): void => {
    const n = Math.max(0, Math.min(rows.length - 1, i));
    setAt(n);
    virtual.scrollToIndex(n, { align: 'auto' });
  };
  useKeys(label, [
    { key: 'j', label: 'Next', run: () => move(at + 1) }, { key: 'k', label: 'Previous', run: () => move(at - 1) },
    { key: 'ArrowDown', label: 'Next', run: () => move(at + 1), hidden: true }, { key: 'ArrowUp', label: 'Previous', run: () => move(at - 1), hidden: true },
    { key: 'Enter', label: 'Open', run: () => rows[at] && onOpen(rows[at]) },
  ]);
  const template = useMemo(() => columns.map((c) => c.width).join(' '), [columns]);
  const grid = { gridTemplateColumns: template };
  // The rows keep one handler, so that scrolling draws only the rows that come in.
  const pick = useRef((_i: number, _inside: boolean): void => {});
  pick.current = (i, inside) => { setAt(i); if (!inside && rows[i]) onOpen(rows[i]); };
  const onPick = useCallback((i: number, inside: boolean) => pick.current(i, inside), []);
  return (
    <div className="grid" ref={scroller} role="grid" aria-label={label} aria-rowcount={total + 1} tabIndex={0} aria-activedescendant={rows[at] ? `g-${at}` : undefined}>
      <div className="grid-head" role="row" style={grid} aria-rowindex={1}>
        {columns.map((c) => {
          const on = c.sort !== undefined && c.sort === sort;
          return (
            <span key={c.id} role="columnheader" className={c.right ? 'r' : undefined} aria-sort={on ? (order === 'asc' ? 'ascending' : 'descending') : c.sort ? 'none' : undefined}>
              {c.sort && onSort ? <button type="button" onClick={() => onSort(c.sort!, on && order === 'desc' ? 'asc' : 'desc')}>{c.label}{on && (order === 'asc' ? <IconArrowUp size={12} stroke={1.7} aria-hidden /> : <IconArrowDown size={12} stroke={1.7} aria-hidden />)}</button> : c.label || <span className="visually-hidden">{c.id}</span>}
            </span>
          );
        })}
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {shown.map((v) => {
          const r = rows[v.index]!;
          const k = rowKey(r);
          return <GridRow key={k} row={r as unknown} columns={columns as unknown as Column<unknown>[]} template={template} index={v.index} start={v.start} size={v.size} selected={selected === undefined ? v.index === at : k === selected} href={open?.(r)} onPick={onPick} />;
        })}
      </div>
    </div>
  );
}

type RowProps = { row: unknown; columns: Column<unknown>[]; template: string; index: number; start: number; size: number; selected: boolean; href: string | undefined; onPick: (i: number, inside: boolean) => void };
const GridRow = memo(function GridRow({ row, columns, template, index, start, size, selected, href, onPick }: RowProps) {
  return (
    <div id={`g-${index}`} role="row" className="grid-row" aria-rowindex={index + 2} aria-selected={selected} style={{ gridTemplateColumns: template, transform: `translateY(${start}px)`, height: size }} data-href={href}
      onClick={(e) => onPick(index, (e.target as HTMLElement).closest('a, button, input, label') !== null)}>
      {columns.map((c) => <div key={c.id} role="gridcell" className={c.right ? 'r' : undefined}>{c.render(row)}</div>)}
    </div>
  );
});
