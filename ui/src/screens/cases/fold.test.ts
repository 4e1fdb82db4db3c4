import { expect, it } from 'vitest';
import type { TimelineEntry } from '../../api/types';
import { foldSteps } from './fold';

let n = 0;
const e = (kind: 'step' | 'comment', run: string | null = 'e1'): TimelineEntry => ({ id: `t${n++}`, at: '2026-11-24T14:00:00.000Z', by: { kind: 'workflow', id: 'w', name: 'w' }, kind, execution: run ? { id: run, workflow: { id: 'w', name: 'w' }, step: 's', step_execution: 'x' } : null, name: 's', type: 'http', effect: 'read', status: 'completed', took_ms: 1, result: null, text: '', comment_id: '', version: '', edited_at: null }) as unknown as TimelineEntry;
const shape = (a: ReturnType<typeof foldSteps>): string => a.map((x) => ('fold' in x ? `${x.fold.length} steps` : x.kind)).join(', ');

it('folds three and more steps of one run, and nothing else', () => {
  expect(shape(foldSteps([e('step'), e('step'), e('step'), e('comment'), e('step'), e('step')]))).toBe('3 steps, comment, step, step');
});
it('does not fold over two runs', () => {
  expect(shape(foldSteps([e('step', 'e1'), e('step', 'e1'), e('step', 'e2'), e('step', 'e2')]))).toBe('step, step, step, step');
});
it('keeps order and loses nothing', () => {
  const all = Array.from({ length: 20 }, (_, i) => e(i % 7 === 6 ? 'comment' : 'step'));
  expect(foldSteps(all).flatMap((x) => ('fold' in x ? x.fold : [x])).map((x) => x.id)).toEqual(all.map((x) => x.id));
});
