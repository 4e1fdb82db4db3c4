// A part of a page that is loaded when it is needed. When it does not arrive it is asked for again: the page around it, with what one has written, stays.
import { lazy, type ComponentType, type LazyExoticComponent } from 'react';

const TRIES_MAX = 30;
const PAUSE_MAX_MS = 8000;

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function lazily<T extends ComponentType<any>>(load: () => Promise<{ default: T }>): LazyExoticComponent<T> {
  return lazy(async () => {
    for (let n = 0; ; n++) {
      try {
        return await load();
      } catch (e) {
        if (n >= TRIES_MAX) throw e;
        await new Promise((ok) => setTimeout(ok, Math.min(500 * 2 ** n, PAUSE_MAX_MS)));
        // A style sheet that failed is not asked for again by the loader.
        for (const l of document.head.querySelectorAll<HTMLLinkElement>('link[rel="stylesheet"]')) if (!l.sheet) l.replaceWith(l.cloneNode());
      }
    }
  });
}
