import type { RunEvent } from '../checkpoint/run-table.ts';

/** A period in which nothing worked on the run. */
export interface Pause {
  /** Null: the process died, and the time is unknown. */
  readonly from: string | null;
  /** Null: it has not ended. */
  readonly to: string | null;
  /** The reason: `stopped`, the code of an error, or `died`. */
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

/** A finished run whose exceptions are retried did not die. */
function isEnd(state: unknown): boolean {
  return state === 'verified' || state === 'verified-with-exceptions';
}
