// Keys of the current screen: single letters act only when no text field has the focus; the sheet lists what is registered.
import { useEffect, useRef } from 'react';

export type KeyDef = { key: string; label: string; run: (e: KeyboardEvent) => void; hidden?: boolean; group?: string; /** A text field keeps it for itself, also with a modifier. */ notInText?: boolean };
type Layer = { group: string; defs: KeyDef[] };
const layers: { current: Layer }[] = [];

/** The screen's own keys before those that act everywhere; what was mounted later first. */
function inOrder(): Layer[] {
  const all = [...layers].reverse().map((l) => l.current);
  return [...all.filter((l) => l.group !== 'Everywhere'), ...all.filter((l) => l.group === 'Everywhere')];
}

export function inTextField(t: EventTarget | null): boolean {
  return t instanceof HTMLElement && (t.isContentEditable || t.tagName === 'TEXTAREA' || t.tagName === 'SELECT' || (t.tagName === 'INPUT' && !['checkbox', 'radio', 'button'].includes((t as HTMLInputElement).type)));
}
/** `Ctrl+S`, `Shift+A`, `?`, `j`, `Enter`. */
function name(e: KeyboardEvent): string {
  const k = e.key.length === 1 ? e.key : e.key;
  const mods = `${e.ctrlKey || e.metaKey ? 'Ctrl+' : ''}${e.altKey ? 'Alt+' : ''}`;
  const letter = /^[a-zA-Z]$/.test(k);
  return mods + (letter && e.shiftKey ? `Shift+${k.toUpperCase()}` : letter ? k.toLowerCase() : k);
}
export function keysOn(): boolean {
  try {
    return localStorage.getItem('watchfire.keys') !== 'off';
  } catch {
    return true;
  }
}

let prefix: string | null = null;
let prefixAt = 0;
window.addEventListener('keydown', (e) => {
  if (e.defaultPrevented || e.isComposing) return;
  let k = name(e);
  const plain = !e.ctrlKey && !e.metaKey && !e.altKey;
  if (plain && (inTextField(e.target) || (k !== 'Escape' && document.querySelector('.mantine-Modal-content, .mantine-Menu-dropdown, .mantine-Spotlight-content')))) return;
  if (plain && k.length === 1 && !keysOn()) return;
  if (prefix && Date.now() - prefixAt < 1200 && plain) k = `${prefix} ${k}`;
  prefix = null;
  // Enter and Space on a control belong to the control.
  if ((k === 'Enter' || k === ' ') && e.target instanceof HTMLElement && ['BUTTON', 'A', 'INPUT', 'SUMMARY'].includes(e.target.tagName)) return;
  for (const l of inOrder()) {
    for (const d of l.defs) {
      if (d.key === k) {
        if (d.notInText && inTextField(e.target)) return;
        e.preventDefault();
        d.run(e);
        return;
      }
    }
  }
  if (plain && k === 'g') {
    prefix = 'g';
    prefixAt = Date.now();
  }
});

export function useKeys(group: string, defs: KeyDef[]): void {
  const ref = useRef<Layer>({ group, defs });
  ref.current = { group, defs };
  useEffect(() => {
    layers.push(ref);
    return () => {
      const i = layers.indexOf(ref);
      if (i >= 0) layers.splice(i, 1);
    };
  }, []);
}

/** What the sheet shows, the screen's own keys first. */
export function allKeys(): Layer[] {
  const m = new Map<string, KeyDef[]>();
  for (const l of inOrder()) {
    m.set(l.group, [...(m.get(l.group) ?? []), ...l.defs.filter((d) => !d.hidden)]);
  }
  return [...m].map(([group, defs]) => ({ group, defs })).filter((l) => l.defs.length > 0);
}
