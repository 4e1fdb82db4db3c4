import { expect, it } from 'vitest';
import { ordered, words } from './SchemaForm';

it('names a property in words', () => {
  expect(words('hostKey')).toBe('Host key');
  expect(words('api_url')).toBe('Api url');
  expect(words('connector-id')).toBe('Connector id');
});
it('puts x-order first, then what is needed, then the schema\'s own order', () => {
  const s = { properties: { a: {}, b: {}, c: {}, d: { 'x-order': 1 } }, required: ['c'] };
  expect(ordered(s).map((x) => x[0])).toEqual(['d', 'c', 'a', 'b']);
  expect(ordered({})).toEqual([]);
});
