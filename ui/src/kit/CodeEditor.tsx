// CodeMirror with our colours: text in, text out; diagnostics from the server under their lines.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionSource } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab, isolateHistory, redo, undo } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics, type Diagnostic as CmDiagnostic } from '@codemirror/lint';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, RangeSet, StateEffect, StateField, type Extension } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, tooltips, WidgetType, type DecorationSet } from '@codemirror/view';
import { tags as t } from '@lezer/highlight';
import { useEffect, useRef } from 'react';
import type { Diagnostic } from '../api/types';
import { change } from './yaml/change';

const colours = HighlightStyle.define([
  { tag: [t.propertyName, t.definition(t.propertyName), t.attributeName], color: 'var(--ink)', fontWeight: '600' },
  { tag: [t.string, t.special(t.string)], color: 'var(--ok)' },
  { tag: [t.content, t.literal], color: 'var(--ok)' },
  { tag: [t.comment, t.lineComment], color: 'var(--ink3)', fontStyle: 'italic' },
  { tag: [t.keyword, t.bool, t.null, t.operatorKeyword], color: 'var(--wait)' },
  { tag: [t.number], color: 'var(--beam)' },
  { tag: [t.punctuation, t.separator, t.bracket, t.squareBracket, t.brace], color: 'var(--ink2)' },
]);

class Message extends WidgetType {
  constructor(readonly text: string, readonly severity: string, readonly hint: string | null) { super(); }
  override eq(o: Message): boolean { return o.text === this.text && o.severity === this.severity && o.hint === this.hint; }
  toDOM(view: EditorView): HTMLElement {
    const d = document.createElement('div');
    d.className = `diag-block ${this.severity}`;
    d.style.width = `${view.scrollDOM.clientWidth - 8}px`;
    d.textContent = this.hint ? `${this.text}. ${this.hint.charAt(0).toUpperCase()}${this.hint.slice(1)}.` : this.text;
    return d;
  }
  override get estimatedHeight(): number { return 24; }
}

const setBlocks = StateEffect.define<Diagnostic[]>();
const MAX_BLOCKS = 40;
const blocks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(v, tr) {
    v = v.map(tr.changes);
    for (const e of tr.effects) {
      if (e.is(setBlocks)) {
        const doc = tr.state.doc;
        v = Decoration.set(e.value.slice(0, MAX_BLOCKS).map((d) => Decoration.widget({ widget: new Message(d.message, d.severity, d.hint), block: true, side: 1 }).range(doc.line(Math.min(Math.max(1, d.line), doc.lines)).to)), true);
      }
    }
    return v;
  },
  provide: (f) => EditorView.decorations.from(f),
});

const setBand = StateEffect.define<{ from: number; to: number } | null>();
const stepLine = Decoration.line({ class: 'cm-step' });
const band = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(v, tr) {
    v = v.map(tr.changes);
    for (const e of tr.effects) {
      if (e.is(setBand)) {
        if (e.value === null) v = Decoration.none;
        else {
          const r = [];
          for (let n = Math.max(1, e.value.from); n <= Math.min(tr.state.doc.lines, e.value.to); n++) r.push(stepLine.range(tr.state.doc.line(n).from));
          v = RangeSet.of(r);
        }
      }
    }
    return v;
  },
  provide: (f) => EditorView.decorations.from(f),
});

export type EditorHandle = { goTo: (line: number, column?: number, focus?: boolean) => void; focus: () => void; undo: () => void; redo: () => void };
type Props = {
  value: string; onChange: (text: string) => void; label: string; readOnly?: boolean; diagnostics?: Diagnostic[]; inline?: boolean; highlight?: { from: number; to: number } | null; onCursor?: (line: number) => void;
  complete?: CompletionSource; handle?: React.RefObject<EditorHandle | null>; language?: 'yaml' | 'plain'; minHeight?: string; onSave?: () => void; onRun?: () => void;
};

/** UTF-16 column of a line as a position, kept inside the document. */
function position(state: EditorState, line: number, column: number): number {
  const l = state.doc.line(Math.min(Math.max(1, line), state.doc.lines));
  return Math.min(l.to, l.from + Math.max(0, column - 1));
}

export default function CodeEditor(p: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const now = useRef(p);
  now.current = p;
  const ro = useRef(new Compartment());
  useEffect(() => {
    const ext: Extension[] = [
      lineNumbers(), highlightActiveLineGutter(), foldGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), search({ top: true }),
      syntaxHighlighting(colours), blocks, band, lintGutter({ tooltipFilter: () => [] }), tooltips({ parent: document.body }),
      keymap.of([
        { key: 'Mod-s', run: () => { now.current.onSave?.(); return true; } }, { key: 'Mod-Enter', run: () => { now.current.onRun?.(); return now.current.onRun !== undefined; } },
        { key: 'Escape', run: (v) => { v.contentDOM.blur(); return true; } },
        ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, indentWithTab,
      ]),
      ro.current.of(EditorState.readOnly.of(p.readOnly ?? false)), EditorState.tabSize.of(2),
      EditorView.contentAttributes.of({ tabindex: '0', 'aria-label': p.label, spellcheck: 'false' }),
      EditorView.updateListener.of((u) => {
        if (u.docChanged) now.current.onChange(u.state.doc.toString());
        if (u.selectionSet || u.docChanged) now.current.onCursor?.(u.state.doc.lineAt(u.state.selection.main.head).number);
      }),
      autocompletion({ override: [async (c) => (now.current.complete ? now.current.complete(c) : null)], activateOnTyping: true, icons: false }),
    ];
    if (p.language !== 'plain') ext.push(yaml());
    if (p.minHeight) ext.push(EditorView.theme({ '&': { height: 'auto' }, '.cm-content': { minHeight: p.minHeight }, '.cm-scroller': { overflow: 'auto', maxHeight: '320px' } }));
    const v = new EditorView({ parent: host.current!, state: EditorState.create({ doc: p.value, extensions: ext }) });
    view.current = v;
    if (p.handle) {
      p.handle.current = {
        goTo: (line, column = 1, focus = false) => {
          const pos = position(v.state, line, column);
          v.dispatch({ selection: { anchor: pos }, effects: EditorView.scrollIntoView(pos, { y: 'center' }) });
          if (focus) v.focus();
        },
        focus: () => v.focus(),
        undo: () => void undo(v),
        redo: () => void redo(v),
      };
    }
    return () => v.destroy();
    // The editor lives as long as the component; later values come in below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  useEffect(() => {
    const v = view.current!;
    // What a form or the graph changed comes in as one step of the history, and only the characters that differ.
    const c = change(v.state.doc.toString(), p.value);
    if (c) v.dispatch({ changes: c, annotations: isolateHistory.of('full'), userEvent: 'input.form' });
  }, [p.value]);
  useEffect(() => { view.current!.dispatch({ effects: ro.current.reconfigure(EditorState.readOnly.of(p.readOnly ?? false)) }); }, [p.readOnly]);
  useEffect(() => {
    const v = view.current!;
    const ds = p.diagnostics ?? [];
    const marks = ds.map((d): CmDiagnostic => {
      const from = position(v.state, d.line, d.column);
      const to = Math.max(from, position(v.state, d.endLine, d.endColumn));
      return { from, to: to === from ? Math.min(v.state.doc.length, from + 1) : to, severity: d.severity === 'hint' ? 'info' : d.severity, message: d.message, source: d.code };
    });
    v.dispatch(setDiagnostics(v.state, marks));
    v.dispatch({ effects: setBlocks.of(p.inline ? ds.filter((d) => d.severity !== 'hint') : []) });
  }, [p.diagnostics, p.inline]);
  const from = p.highlight?.from, to = p.highlight?.to;
  useEffect(() => { view.current!.dispatch({ effects: setBand.of(from !== undefined && to !== undefined ? { from, to } : null) }); }, [from, to]);
  return <div ref={host} style={{ height: p.minHeight ? undefined : '100%' }} />;
}
