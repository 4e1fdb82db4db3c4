// Dates, numbers and durations as section 7 of the UI's design writes them. Pure; the clock is an argument.

const DASH = '–';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number): string => String(n).padStart(2, '0');

/** Two units at most: `6 m`, `1 h 04 m`, `3 d`. */
export function age(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return DASH;
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} m`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h} h ${two(m % 60)} m` : `${h} h`;
  return `${Math.floor(h / 24)} d`;
}

/** `11 ms`, `0.42 s`, `5.3 s`, `2 m 14 s`, `3 h 05 m`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return DASH;
  if (ms < 0) return '0 ms';
  if (ms < 1000) {
    const r = Math.round(ms);
    return ms >= 100 && r % 10 === 0 ? `${(ms / 1000).toFixed(2)} s` : `${r} ms`;
  }
  if (ms < 60_000) {
    const s = ms / 1000;
    const t = s < 9.95 ? s.toFixed(1) : s.toFixed(0);
    return t === '60' ? '1 m 00 s' : `${t} s`;
  }
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  const m = Math.round(s / 60);
  if (m < 60 * 24) return `${Math.floor(m / 60)} h ${two(m % 60)} m`;
  return `${Math.floor(m / 1440)} d ${Math.floor((m % 1440) / 60)} h`;
}

/** `HH:MM:SS` today, `D MMM HH:MM` on another day, with the year when it differs. */
export function moment(iso: string | null | undefined, now: number): string {
  if (!iso) return DASH;
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return iso;
  const n = new Date(now);
  if (d.toDateString() === n.toDateString()) return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const year = d.getFullYear() === n.getFullYear() ? '' : ` ${d.getFullYear()}`;
  return `${d.getDate()} ${MONTHS[d.getMonth()]}${year} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** The whole truth about a moment, for a tooltip. */
export function fullMoment(iso: string, now: number): string {
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return iso;
  const diff = now - d.getTime();
  const rel = diff >= 0 ? `${age(diff)} ago` : `in ${age(-diff)}`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${d.getDate()} ${MONTHS[d.getMonth()]} ${d.getFullYear()} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${zone} · ${d.toISOString()} · ${rel}`;
}

export type Left = { text: string; tone: 'calm' | 'near' | 'over' };
/** Time left of a limit; orange in the last quarter, red after. */
export function timeLeft(end: string | null, start: string, now: number): Left | null {
  if (!end) return null;
  const e = new Date(end).getTime();
  const left = e - now;
  if (left <= 0) return { text: `ended ${age(-left)} ago`, tone: 'over' };
  const whole = e - new Date(start).getTime();
  const s = Math.ceil(left / 1000);
  const text = s < 60 ? `${s} s left` : s < 3600 ? `${Math.floor(s / 60)} m ${two(s % 60)} s left` : `${age(left)} left`;
  return { text, tone: left <= whole / 4 ? 'near' : 'calm' };
}

/** Thin grouping; from a million on one decimal. */
export function count(n: number | null | undefined): string {
  if (n === null || n === undefined) return DASH;
  if (n >= 1e9) return `${(n / 1e9).toFixed(1)} G`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} M`;
  return new Intl.NumberFormat('en-GB').format(n);
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  if (n < 1e6) return `${(n / 1e3).toFixed(1)} kB`;
  if (n < 1e9) return `${(n / 1e6).toFixed(1)} MB`;
  return `${(n / 1e9).toFixed(1)} GB`;
}

/** One decimal below 10 and from 90 on, else whole. */
export function share(part: number, whole: number): string {
  if (whole === 0) return DASH;
  const p = (part / whole) * 100;
  return `${p !== 0 && p !== 100 && (p < 10 || p >= 90) ? p.toFixed(1) : Math.round(p)} %`;
}

/** `…` and the last six characters. Ids that people wrote (names with letters only) stay whole. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-6)}` : id;
}

/** Text from outside: control characters made visible, line breaks and tabs kept. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (c) => {
    const n = c.charCodeAt(0);
    if (n < 0x20) return String.fromCharCode(0x2400 + n);
    if (n === 0x7f) return '\u2421';
    return `\\u${n.toString(16).padStart(4, '0')}`;
  }).replace(/\r\n?/g, '\n');
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function initials(name: string): string {
  const p = name.trim().split(/[\s._-]+/).filter(Boolean);
  return ((p[0]?.[0] ?? '') + (p.length > 1 ? (p[p.length - 1]?.[0] ?? '') : '')).toUpperCase() || '?';
}
