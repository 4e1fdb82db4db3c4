// A list page's grid: virtual rows, sort kept in the address and done by the server, j/k/Enter. More rows are asked for near the end.
import { useMediaQuery } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useKeys } from './keys';

export type Column<T> = { id: string; label: string; width: string; sort?: string; right?: boolean; hide?: boolean; render: (row: T) => ReactNode };

export function DataGrid<T>({ label, columns: given, rows, total, rowKey, onOpen, height = 40, sort, order, onSort, onEnd, more, selected, open }: {
  label: string; columns: Column<T>[]; rows: T[]; total: number; rowKey: (r: T) => string; onOpen: (r: T) => void; height?: number;
  sort?: string | undefined; order?: 'asc' | 'desc'; onSort?: (sort: string, order: 'asc' | 'desc') => void; onEnd?: () => void; more?: boolean; selected?: string | undefined; open?: (r: T) => string;
}) {
  const phone = useMediaQuery('(max-width: 767px)', undefined, { getInitialValueInEffect: false });
  const columns = phone ? given.filter((c) => !c.hide).map((c) => ({ ...c, width: c.width.replace(/minmax\(\d+px/, 'minmax(0') })) : given;
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
  const grid = { gridTemplateColumns: columns.map((c) => c.width).join(' ') };
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
          return (
            <div key={k} id={`g-${v.index}`} role="row" className="grid-row" aria-rowindex={v.index + 2} aria-selected={selected === undefined ? v.index === at : k === selected} style={{ ...grid, transform: `translateY(${v.start}px)`, height: v.size }} data-href={open?.(r)}
              onClick={(e) => { setAt(v.index); if (!(e.target as HTMLElement).closest('a, button, input, label')) onOpen(r); }}>
              {columns.map((c) => <div key={c.id} role="gridcell" className={c.right ? 'r' : undefined}>{c.render(r)}</div>)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
