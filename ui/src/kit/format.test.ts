import { describe, expect, it } from 'vitest';
import { age, bytes, count, duration, initials, moment, share, shortId, timeLeft, visible } from './format';

const NOW = new Date(2026, 10, 24, 14, 9, 12).getTime();
const at = (h: number, m: number, s = 0, day = 24): string => new Date(2026, 10, day, h, m, s).toISOString();

describe('age', () => {
  it('has two units at most', () => {
    expect(age(6 * 60_000)).toBe('6 m');
    expect(age(64 * 60_000)).toBe('1 h 04 m');
    expect(age(2 * 3_600_000)).toBe('2 h');
    expect(age(3 * 86_400_000 + 5000)).toBe('3 d');
    expect(age(42_900)).toBe('42 s');
  });
  it('is never negative and says nothing as a dash', () => {
    expect(age(-5000)).toBe('0 s');
    expect(age(null)).toBe('–');
    expect(age(Number.NaN)).toBe('–');
  });
});

describe('duration', () => {
  it('follows the design', () => {
    expect(duration(11)).toBe('11 ms');
    expect(duration(420)).toBe('0.42 s');
    expect(duration(421)).toBe('421 ms');
    expect(duration(5300)).toBe('5.3 s');
    expect(duration(30_000)).toBe('30 s');
    expect(duration(134_000)).toBe('2 m 14 s');
    expect(duration(59_999)).toBe('1 m 00 s');
    expect(duration(3 * 3_600_000 + 5 * 60_000)).toBe('3 h 05 m');
    expect(duration(undefined)).toBe('–');
    expect(duration(0)).toBe('0 ms');
  });
});

describe('moment', () => {
  it('is a time today, a day otherwise, with the year when it differs', () => {
    expect(moment(at(14, 3, 35), NOW)).toBe('14:03:35');
    expect(moment(at(11, 20, 0, 9), NOW)).toBe('9 Nov 11:20');
    expect(moment(new Date(2025, 10, 9, 11, 20).toISOString(), NOW)).toBe('9 Nov 2025 11:20');
    expect(moment(null, NOW)).toBe('–');
    expect(moment('no date', NOW)).toBe('no date');
  });
});

describe('timeLeft', () => {
  it('counts down, near in the last quarter, over after', () => {
    expect(timeLeft(at(14, 12, 7), at(13, 42), NOW)).toEqual({ text: '2 m 55 s left', tone: 'near' });
    expect(timeLeft(at(14, 39, 12), at(14, 9, 12), NOW)).toEqual({ text: '30 m 00 s left', tone: 'calm' });
    expect(timeLeft(at(16, 13, 12), at(14, 9), NOW)?.text).toBe('2 h 04 m left');
    expect(timeLeft(at(14, 9, 2), at(14, 0), NOW)).toEqual({ text: 'ended 10 s ago', tone: 'over' });
    expect(timeLeft(null, at(14, 0), NOW)).toBeNull();
  });
});

describe('numbers', () => {
  it('group, and shorten from a million on', () => {
    expect(count(1846)).toBe('1,846');
    expect(count(41_216_004)).toBe('41.2 M');
    expect(count(null)).toBe('–');
    expect(share(96.6, 100)).toBe('96.6 %');
    expect(share(82, 100)).toBe('82 %');
    expect(share(1, 81)).toBe('1.2 %');
    expect(share(37, 37)).toBe('100 %');
    expect(share(0, 0)).toBe('–');
    expect(bytes(3200)).toBe('3.2 kB');
    expect(bytes(12)).toBe('12 B');
  });
});

describe('text from outside', () => {
  it('shows control characters and direction marks, keeps line breaks and tabs', () => {
    expect(visible('a\u0007b\u001b[31m')).toBe('a␇b␛[31m');
    expect(visible('inv\u202egpj.exe')).toBe('inv\\u202egpj.exe');
    expect(visible('a\r\nb\tc')).toBe('a\nb\tc');
    expect(visible('<b>&</b>')).toBe('<b>&</b>');
    expect(visible('\u0000')).toBe('␀');
  });
});

it('ids are short, names of people become initials', () => {
  expect(shortId('66b9aa00-94fa-41ea-9f74-e7e108796192')).toBe('…796192');
  expect(shortId('notify-soc')).toBe('notify-soc');
  expect(initials('Dana Whitfield')).toBe('DW');
  expect(initials('elastic')).toBe('E');
  expect(initials('')).toBe('?');
});
