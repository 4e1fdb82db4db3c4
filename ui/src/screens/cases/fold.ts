// The timeline's folding of machine entries.
import type { TimelineEntry } from '../../api/types';

export type Folded = TimelineEntry | { fold: (TimelineEntry & { kind: 'step' })[] };

/** Runs of three and more steps of one execution fold into one entry. */
export function foldSteps(entries: TimelineEntry[]): Folded[] {
  const out: Folded[] = [];
  let run: (TimelineEntry & { kind: 'step' })[] = [];
  const flush = (): void => {
    if (run.length >= 3) out.push({ fold: run });
    else out.push(...run);
    run = [];
  };
  for (const e of entries) {
    if (e.kind === 'step' && (run.length === 0 || run[0]!.execution?.id === e.execution?.id)) run.push(e);
    else {
      flush();
      if (e.kind === 'step') run.push(e);
      else out.push(e);
    }
  }
  flush();
  return out;
}
