import { describe, expect, it } from 'vitest';
import { find, fit, pathsOf, sampleOf, written } from './paths';

const EVENT = { alerts: [{ host: { name: 'ws-1' }, tags: ['a'], 'kibana.alert.severity': 'high', '@timestamp': 't' }], rule: { tags: ['x', 'y'], n: 3 } };
const items = pathsOf('event', EVENT, 'event');
describe('paths', () => {
  it('names every value, the first member of a list, and quotes what is no name', () => {
    expect(items.map((i) => i.path)).toEqual(['event', 'event.alerts', 'event.alerts[0]', 'event.alerts[0].host', 'event.alerts[0].host.name', 'event.alerts[0].tags', 'event.alerts[0].tags[0]', 'event.alerts[0].kibana.alert.severity', 'event.alerts[0]["@timestamp"]', 'event.rule', 'event.rule.tags', 'event.rule.tags[0]', 'event.rule.n']);
  });
  it('puts what fits first, says what would be done, counts the rest', () => {
    const r = find(items, 'tag', 'list');
    expect(r.shown.map((i) => [i.path, i.how])).toEqual([['event.alerts[0].tags', null], ['event.rule.tags', null], ['event.alerts[0].tags[0]', 'text, would be wrapped: [ ]'], ['event.rule.tags[0]', 'text, would be wrapped: [ ]']]);
    expect(find(items, 'host', 'list').other).toBe(1);
    expect(fit('text', 'object')).toEqual({ fits: false });
  });
  it('writes a value as a value and text as text', () => {
    const at = (p: string) => items.find((i) => i.path === p)!;
    expect(written(at('event.rule.tags'), 'list').text).toBe('${{ event.rule.tags }}');
    expect(written(at('event.rule.tags'), 'text').text).toBe('{{ event.rule.tags | json }}');
    expect(written(at('event.alerts[0].host.name'), 'text')).toEqual({ text: '{{ event.alerts[0].host.name }}', whole: false, list: false });
    expect(written(at('event.alerts[0].host.name'), 'list')).toEqual({ text: '{{ event.alerts[0].host.name }}', whole: true, list: true });
  });
  it('knows the sample of a whole-value template only', () => {
    expect(sampleOf('${{ event.rule.n }}', items)).toEqual({ path: 'event.rule.n', value: 3 });
    expect(sampleOf('{{ event.rule.n | plus: 1 }}', items)).toBeUndefined();
    expect(sampleOf('a {{ event.rule.n }}', items)).toBeUndefined();
  });
});
