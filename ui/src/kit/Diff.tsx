// Two texts side by side, their differences marked; read only.
import { yaml } from '@codemirror/lang-yaml';
import { MergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { EditorView, lineNumbers } from '@codemirror/view';
import { useEffect, useRef } from 'react';

export default function Diff({ a, b, labelA, labelB }: { a: string; b: string; labelA: string; labelB: string }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const ext = (label: string) => [lineNumbers(), EditorView.lineWrapping, yaml(), EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' })];
    const v = new MergeView({ parent: host.current!, a: { doc: a, extensions: ext(labelA) }, b: { doc: b, extensions: ext(labelB) }, gutter: true, highlightChanges: true, collapseUnchanged: { margin: 3, minSize: 8 } });
    return () => v.destroy();
  }, [a, b, labelA, labelB]);
  return <div ref={host} className="diff" />;
}
