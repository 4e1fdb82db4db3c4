import { expect, it } from 'vitest';
import { first, flatten, get, text } from './doc';

const doc = { '@timestamp': 't', 'kibana.alert.severity': 'high', host: { name: 'h', 'os.type': 'linux' }, process: { args: ['a', 'b'] }, 'event.kind': 'signal', event: { code: '1' } };

it('finds a field however the document spells it', () => {
  expect(get(doc, 'kibana.alert.severity')).toBe('high');
  expect(get(doc, 'host.name')).toBe('h');
  expect(get(doc, 'host.os.type')).toBe('linux');
  expect(get(doc, 'event.code')).toBe('1');
  expect(get(doc, 'event.kind')).toBe('signal');
  expect(get(doc, 'host.ip')).toBeUndefined();
  expect(get(null, 'x')).toBeUndefined();
  expect(first(doc, 'process.args')).toBe('a');
  expect(first(doc, 'nothing')).toBeNull();
});
it('flattens to sorted dotted names', () => {
  expect(flatten(doc).map((f) => f.key)).toEqual(['@timestamp', 'event.code', 'event.kind', 'host.name', 'host.os.type', 'kibana.alert.severity', 'process.args']);
  expect(text(['a', 1, null])).toBe('a, 1, –');
});
it('stops at depth and count', () => {
  let deep: Record<string, unknown> = { x: 1 };
  for (let i = 0; i < 100; i++) deep = { d: deep };
  expect(flatten(deep)).toHaveLength(1);
});
