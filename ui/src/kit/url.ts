// Search parameters of the current route as plain strings; what is default is left out of the address.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

export type Search = Record<string, string | undefined>;

export function useUrl(): [Search, (patch: Search, replace?: boolean) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback((patch: Search, replace = true) => {
    void navigate({
      to: '.', replace,
      search: ((prev: Search) => {
        const next: Search = { ...prev, ...patch };
        for (const k of Object.keys(next)) if (next[k] === undefined || next[k] === '') delete next[k];
        return next;
      }) as never,
    });
  }, [navigate]);
  return [search, set];
}

/** Keeps the named parameters, as strings; anything else in the address is dropped. */
export function keep(...names: string[]): (s: Record<string, unknown>) => Search {
  return (s) => {
    const out: Search = {};
    for (const n of names) if (typeof s[n] === 'string' && s[n] !== '') out[n] = s[n];
    return out;
  };
}
export function parseSearch(s: string): Search {
  return Object.fromEntries(new URLSearchParams(s));
}
export function stringifySearch(s: Record<string, unknown>): string {
  const u = new URLSearchParams();
  for (const [k, v] of Object.entries(s)) if (typeof v === 'string' && v !== '') u.set(k, v);
  const t = u.toString();
  return t ? `?${t}` : '';
}
