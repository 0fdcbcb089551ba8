/** What a pace decides by. */
export interface PaceFacts {
  readonly now: Date;
  /** From a monotonic clock with an arbitrary start: durations are measured with it. */
  readonly elapsedMs: number;
  /** 95th percentile of the milliseconds that recent chunks took; null: none is done yet. */
  readonly chunkMs: number | null;
  /** Rows rotated or verified by this run so far. */
  readonly rows: number;
}

/**
 * Why no chunk is offered now: `wait` and ask again, or `end` the session, which can be resumed. `note` holds nothing
 * back. The operator sees the reason.
 */
export interface Hold {
  readonly kind: 'wait' | 'end' | 'note';
  /** The code of the error that ends the session. */
  readonly code?: 'stopped' | 'window-closed' | 'cancelled';
  readonly reason: string;
}

/** Something that can hold a run back: a window or a throttle. Asked between chunks. */
export interface Pace {
  check(facts: PaceFacts): Promise<Hold | null>;
}

/** The first one that holds the run back decides; ending the session takes precedence over waiting. */
export function paceOf(paces: readonly Pace[]): Pace {
  return {
    async check(facts) {
      let strongest: Hold | null = null;
      for (const pace of paces) {
        const hold = await pace.check(facts);
        if (hold?.kind === 'end') return hold;
        if (strongest === null || (strongest.kind === 'note' && hold?.kind === 'wait')) strongest = hold;
      }
      return strongest;
    },
  };
}
