/** What a pace decides from. */
export interface PaceFacts {
  readonly now: Date;
  /** By a clock that nobody sets, from whatever moment on: lengths of time are taken with it. */
  readonly elapsedMs: number;
  /** 95th percentile of the milliseconds that recent chunks took; null: none is done yet. */
  readonly chunkMs: number | null;
  /** Rows done by this run so far, those included that a verification has read again. */
  readonly rows: number;
}

/**
 * Why no chunk is offered now: `wait` for a while and ask again, or `end` the session, resumable. `note` holds
 * nothing back. The operator sees the reason.
 */
export interface Hold {
  readonly kind: 'wait' | 'end' | 'note';
  /** Of what ends the session: the error that it ends with. */
  readonly code?: 'stopped' | 'window-closed' | 'cancelled';
  readonly reason: string;
}

/** Something that holds a run back: a window, a throttle, an operator's request. Asked between chunks. */
export interface Pace {
  check(facts: PaceFacts): Promise<Hold | null>;
}

/** The first that holds decides; what ends the session goes before what only waits. */
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
