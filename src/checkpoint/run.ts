import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import { altered, type CheckpointMac } from './mac.ts';

export type RunKind = 'rotation' | 'dry-run' | 'verification';

/** Asked for through the run's row, acted on between chunks. */
export type Request = 'pause' | 'cancel';

export type RunState =
  | 'planned'
  | 'rotating'
  | 'rotated'
  | 'verifying'
  | 'verified'
  | 'verified-with-exceptions'
  | 'paused'
  | 'cancelled'
  | 'failed';

/** The whole life of a run: every arrow, and why it exists. */
const transitions: readonly (readonly [from: RunState, to: RunState, why: string])[] = [
  ['planned', 'rotating', 'the keys are durable and the run row stands: the first chunk may be planned'],
  ['planned', 'verifying', 'a verification has nothing to rotate'],
  ['rotating', 'rotated', 'no range is left to plan and no chunk is open'],
  ['rotating', 'paused', 'somebody asked it to stop; the chunks in flight were finished'],
  ['rotating', 'failed', 'an exception, or something that no retry mends; resumable'],
  ['rotated', 'verifying', 'everything is read again'],
  ['rotated', 'rotating', 'a resumed run looks for open chunks before it verifies'],
  ['verifying', 'rotating', 'rows were found under the old key: they are swept'],
  ['verifying', 'verified', 'a full scan found every value under the new key, with its digest'],
  ['verifying', 'verified-with-exceptions', 'the same, but for the values on the list of exceptions'],
  ['verifying', 'paused', 'somebody asked it to stop'],
  ['planned', 'paused', 'its coordinator died before the first chunk'],
  ['rotated', 'paused', 'its coordinator died before everything was read again'],
  ['planned', 'cancelled', 'given up on before the first chunk'],
  ['rotating', 'cancelled', 'given up on; only a resume or a rollback may follow'],
  ['verifying', 'cancelled', 'given up on while it was verified'],
  ['rotated', 'cancelled', 'given up on before it was verified'],
  ['paused', 'cancelled', 'given up on while nobody worked on it'],
  ['failed', 'cancelled', 'given up on after a failure'],
  ['cancelled', 'rotating', 'resumed after all'],
  ['verifying', 'failed', 'a value is not what it was, or something that no retry mends'],
  ['paused', 'rotating', 'resumed'],
  ['failed', 'rotating', 'resumed'],
  ['verified-with-exceptions', 'rotating', 'its exceptions are tried again'],
];

export function mayBecome(from: RunState, to: RunState): boolean {
  return transitions.some(([a, b]) => a === from && b === to);
}

/** States that a run ends in; every other one can be resumed. */
export function isFinished(state: RunState): boolean {
  return state === 'verified' || state === 'verified-with-exceptions';
}

/** Who ordered the run and why; for the report only. */
export interface Authority {
  readonly operator: string;
  readonly approver?: string | undefined;
  readonly ticket?: string | undefined;
  readonly reason?: string | undefined;
}

/** How the run was told to behave; a resume may change it. */
export interface RunOptions {
  readonly onException: 'stop' | 'skip';
  /** With `skip`: the run pauses when it has more exceptions than this. */
  readonly maxExceptions: number;
  /** Rows per chunk; null: sized by time. */
  readonly chunkRows: number | null;
  /** A chunk whose statement takes longer is split; null: no limit. */
  readonly chunkTimeoutMs: number | null;
  /** Rows that this run rotated and that are gone when it verifies; absent: none may be. */
  readonly acceptDeleted?: Accepted;
  /** Rows that are no longer what they were when they were rotated; absent: none may be. */
  readonly acceptChanged?: Accepted;
  /** Rows that were written during the run, without a digest, under the new key; absent: none may be. */
  readonly acceptUnproven?: Accepted;
}

/** A number of rows that an operator answers for; any other number is refused. */
export interface Accepted {
  readonly rows: number;
  readonly operator: string;
  readonly reason: string | null;
}

export const defaultOptions: RunOptions = {
  onException: 'stop',
  maxExceptions: 100,
  chunkRows: null,
  chunkTimeoutMs: 60_000,
};

/** How many strings of one format stand in one place. */
export interface PlaceCounts {
  readonly table: string;
  readonly column: string;
  /** Within the column, with [] for array items; '' for a whole value. */
  readonly path: string;
  readonly document: 'any' | 'gzip' | 'text';
  readonly format: string;
  /** Values by the id of the key that opens them. */
  readonly values: Record<string, number>;
  undecided: number;
  lookAlikes: number;
  /** In a known sensitive place, and no key opens them. */
  exceptions: number;
}

/** What was found in the database before the first change; counts only. */
export interface Inventory {
  readonly targets: readonly {
    readonly target: string;
    readonly rows: number;
    /** Of files: what is stored. */
    readonly bytes?: number;
  }[];
  readonly absent: readonly string[];
  readonly undeclared: readonly Finding[];
  /** Tables that the login may not read: what is in them is unknown. */
  readonly unread: readonly string[];
  /** Of a job that goes by shape: tables without a row id, which are read to their end before and after, and never row by row. */
  readonly unkeyed?: readonly string[];
  /** Where the database's engine keeps old ciphertext, out of reach of any rotation; sentences. Missing in runs that an older keyturn began. */
  readonly survival?: readonly string[];
  /** Of a job that goes by shape: where strings of its formats stand. */
  readonly places?: readonly PlaceCounts[];
}

/** Ciphertext, or what looks like it, where no field declares any. */
export interface Finding {
  readonly table: string;
  readonly column: string;
  /** Values that open under a key of this run. */
  readonly values: number;
  /** Strings of ciphertext's shape that do not. */
  readonly lookAlikes: number;
  /** Why the column is knowingly left alone. */
  readonly excluded?: string | undefined;
  /**
   * Of values that open: what a field of a job has to say besides its column and format to declare them. Null: no field
   * can.
   */
  readonly declare?: string | null | undefined;
}

/** The run's row. */
export interface Run {
  readonly id: string;
  readonly kind: RunKind;
  readonly state: RunState;
  /** Why it is paused or failed: an error code and a sentence. */
  readonly reason: { readonly code: string; readonly text: string } | null;
  /** What an operator asked for and the coordinator has not acted on yet. */
  readonly requested: Request | null;
  /** Why no chunk is handed out right now. */
  readonly waiting: string | null;
  readonly job: Job;
  readonly fromKeyId: string;
  readonly toKeyId: string;
  /** Rises when a coordinator takes over: transactions of older workers then do nothing. */
  readonly fence: number;
  /** Number of the full verification scan that runs or ran last; 0: none yet. */
  readonly round: number;
  /** Source keys wrapped under the new key (invariant 4): name → base64. */
  readonly pinned: Readonly<Record<string, string>>;
  readonly options: RunOptions;
  readonly authority: Authority;
  readonly inventory: Inventory;
  readonly toolVersion: string;
  /** The database, without a password. */
  readonly place: string;
  /** Host and process that coordinate it, or did last; null: none has yet. */
  readonly coordinator: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  /** SHA-256, in hex, of the columns that `mac` authenticates, as they are stored. */
  readonly content: string;
  /** Null: an earlier version of keyturn began the run. */
  readonly mac: string | null;
}

/** Both keys of a run. */
export interface RunKeys {
  readonly current: Key;
  readonly next: Key;
}

/** The run's job and inventory with the tables and columns that were added during the run. */
export type LatePlaces = Pick<Run, 'job' | 'inventory'>;

/**
 * The run's row is as keyturn wrote it: job, keys, options. A finished run of an earlier version has no MAC, and passes.
 *
 * @throws KeyturnError `checkpoint-altered`, `checkpoint-version`
 */
export function assertAuthentic(run: Run, mac: CheckpointMac): void {
  if (run.mac === null && isFinished(run.state)) return;
  if (run.mac === null) throw begunBefore(run);
  if (!mac.matches(run.mac, 'run', [run.content])) throw altered(run.id, 'its job, its keys or its options');
}

/** Nothing in its tables is authenticated, so nothing could be relied on that a later version finds there. */
export function begunBefore({ id, toolVersion }: Pick<Run, 'id' | 'toolVersion'>): KeyturnError {
  return new KeyturnError('checkpoint-version', `run ${id} was begun by keyturn ${toolVersion}`, {
    hint: `finish it with keyturn ${toolVersion}: this version authenticates the records of its own runs only`,
    facts: { run: id },
  });
}

export function assertMayBecome(run: Run, to: RunState): void {
  if (mayBecome(run.state, to)) return;
  throw new KeyturnError('run-state', `run ${run.id} is ${run.state} and cannot become ${to}`, {
    facts: { run: run.id },
  });
}

/**
 * Whoever works on a run, now or later, here or elsewhere, has its keys: checked by their ids, whatever files they come
 * from.
 *
 * @param current null for a verification, which has one key.
 */
export function assertKeys(run: Run, current: Key | null, next: Key): void {
  if ((current === null || current.id === run.fromKeyId) && next.id === run.toKeyId) return;
  const given = current === null ? `this is ${next.id}` : `these are ${current.id} and ${next.id}`;
  throw new KeyturnError(
    'other-keys',
    `run ${run.id} turns key ${run.fromKeyId} into key ${run.toKeyId}, ${given}`,
    {
      hint: 'name the key files that the run was started with',
      facts: { run: run.id, from: run.fromKeyId, to: run.toKeyId },
    },
  );
}
