import { isWriting, type Run } from '../checkpoint/run.ts';
import type { Figures } from './figures.ts';
import type { Verdict } from './verdict.ts';

/** A master key and its state before and after the run, in the terms of NIST SP 800-57. */
export interface KeyState {
  /** Public fingerprint; never the key. */
  readonly id: string;
  readonly before: 'pre-active' | 'active';
  /** Deactivated: no longer used to encrypt, only to decrypt old copies. */
  readonly after: 'pre-active' | 'active' | 'deactivated';
}

/** The keys of a run in its report. */
export interface KeysReport {
  readonly from: KeyState;
  readonly to: KeyState;
  /** All values were encrypted with this key, and the master key stayed as it is: `data:<id>` or `primary`. Null: it was replaced. */
  readonly only: string | null;
  /** Names of keys found in the database. The run's row keeps them, wrapped with the new key, until `forget`. */
  readonly sources: readonly string[];
}

export function keysOf(run: Run, { ranges, sweeps }: Figures, { result }: Verdict): KeysReport {
  const sources = Object.keys(run.pinned).sort();
  if (run.kind === 'verification') {
    const key: KeyState = { id: run.fromKeyId, before: 'active', after: 'active' };
    return { from: key, to: key, only: null, sources };
  }
  if (run.job.only !== undefined) {
    const key: KeyState = { id: run.fromKeyId, before: 'active', after: 'active' };
    return { from: key, to: key, only: run.job.only, sources };
  }
  const done = result === 'verified' || result === 'verified-with-exceptions';
  const sealed = isWriting(run.kind) && ranges.tally.rotated + sweeps.tally.rotated > 0;
  return {
    from: { id: run.fromKeyId, before: 'active', after: done ? 'deactivated' : 'active' },
    to: { id: run.toKeyId, before: 'pre-active', after: sealed ? 'active' : 'pre-active' },
    only: null,
    sources,
  };
}
