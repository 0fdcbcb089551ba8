import type { RunEvent } from '../checkpoint/run-table.ts';

/** A time in which nobody worked on the run. */
export interface Pause {
  /** Null: its process died, and nobody wrote down when. */
  readonly from: string | null;
  /** Null: it still rests. */
  readonly to: string | null;
  /** Code of why: `stopped`, an error's code, or `died`. */
  readonly why: string;
}

export function pausesOf(events: readonly RunEvent[]): Pause[] {
  const pauses: Pause[] = [];
  let rest: { from: string; why: string } | null = null;
  for (const { event, at, detail } of events) {
    if (event === 'paused' || event === 'failed' || event === 'cancelled') {
      rest ??= { from: at, why: String(detail.code ?? event) };
    } else if (rest !== null) {
      pauses.push({ ...rest, to: at });
      rest = null;
    } else if (event === 'resumed' && !isEnd(detail.state)) {
      pauses.push({ from: null, to: at, why: 'died' });
    }
  }
  return rest === null ? pauses : [...pauses, { ...rest, to: null }];
}

/** A finished run whose exceptions are tried again did not die. */
function isEnd(state: unknown): boolean {
  return state === 'verified' || state === 'verified-with-exceptions';
}
