import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import type { DerivedSecrets } from './derived-secrets.ts';
import { altered, alteredAs, type CheckpointMac } from './mac.ts';

export const runKinds = ['rotation', 'rollback', 'dry-run', 'verification'] as const;
export type RunKind = (typeof runKinds)[number];

/** Whether runs of this kind write to the application's tables. */
export function isWriting(kind: string): boolean {
  return kind === 'rotation' || kind === 'rollback';
}

export const requests = ['pause', 'cancel'] as const;
/** A request in the run's row. The coordinator acts on it between chunks. */
export type Request = (typeof requests)[number];

export const runStates = [
  'planned',
  'rotating',
  'rotated',
  'verifying',
  'verified',
  'verified-with-exceptions',
  'superseded',
  'paused',
  'cancelled',
  'failed',
] as const;
export type RunState = (typeof runStates)[number];

/** Every change of state that a run can make, and why. */
const transitions: readonly (readonly [from: RunState, to: RunState, why: string])[] = [
  ['planned', 'rotating', 'the keys are on disk and the run is in the checkpoint: chunks can be planned'],
  ['planned', 'verifying', 'a verification has nothing to rotate'],
  ['rotating', 'rotated', 'everything is planned and no chunk is open'],
  ['rotating', 'paused', 'it was asked to stop; chunks in progress were finished'],
  ['rotating', 'failed', 'an exception, or an error that a retry does not fix; can be resumed'],
  ['rotated', 'verifying', 'every row is read again'],
  ['rotated', 'rotating', 'resumed: open chunks are rotated before the verification'],
  ['verifying', 'rotating', 'rows were found under the old key and will be swept'],
  ['verifying', 'verified', 'a full scan found every value under the new key, with an equal digest'],
  ['verifying', 'verified-with-exceptions', 'the same, except for the listed exceptions'],
  ['verifying', 'paused', 'it was asked to stop'],
  ['planned', 'paused', 'its coordinator ended before the first chunk'],
  ['rotated', 'paused', 'its coordinator ended before the verification'],
  ['planned', 'cancelled', 'abandoned before the first chunk'],
  ['rotating', 'cancelled', 'abandoned; it can only be resumed'],
  ['verifying', 'cancelled', 'abandoned during the verification'],
  ['rotated', 'cancelled', 'abandoned before the verification'],
  ['paused', 'cancelled', 'abandoned while it was paused'],
  ['failed', 'cancelled', 'abandoned after a failure'],
  ['cancelled', 'rotating', 'resumed'],
  ['verifying', 'failed', 'a value has changed, or an error that a retry does not fix'],
  ['paused', 'rotating', 'resumed'],
  ['failed', 'rotating', 'resumed'],
  ['verified-with-exceptions', 'rotating', 'its exceptions are tried again'],
  ...runStates
    .filter((state) => state !== 'superseded')
    .map((state) => [state, 'superseded', 'a rollback has taken over'] as const),
];

export function mayBecome(from: RunState, to: RunState): boolean {
  return transitions.some(([a, b]) => a === from && b === to);
}

/** It finished what it was started for. */
export function isVerified(state: RunState): boolean {
  return state === 'verified' || state === 'verified-with-exceptions';
}

/** The final states; in every other state a run can be resumed. */
export function isFinished(state: RunState): boolean {
  return isVerified(state) || state === 'superseded';
}

/** Who ordered the run and why. For the report only. */
export interface Authority {
  readonly operator: string;
  readonly approver?: string | undefined;
  readonly ticket?: string | undefined;
  readonly reason?: string | undefined;
}

/** How the run behaves; a resume may change it. */
export interface RunOptions {
  readonly onException: 'stop' | 'skip';
  /** With `skip`: the run stops if it has more exceptions than this. */
  readonly maxExceptions: number;
  /** Rows per chunk; null: sized by time. */
  readonly chunkRows: number | null;
  /** A chunk with a statement that takes longer is split; null: no limit. */
  readonly chunkTimeoutMs: number | null;
  /** Some value was found under the new key before it was rotated: every key is tried on every value. Absent: no. */
  readonly tryAllKeys?: boolean;
  /** Of a rollback: the run that it takes back. */
  readonly takesBack?: string;
  /** What becomes of values that are encrypted twice. Absent: each is an exception. */
  readonly nested?: 'rotate' | 'unwrap';
  /** Rows that this run rotated and that are gone when it verifies; absent: none may be. */
  readonly acceptDeleted?: Accepted;
  /** Accepted: rows that changed since they were rotated; absent: none. */
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

/** What was found in the database before the first change. Counts only. */
export interface Inventory {
  readonly targets: readonly {
    readonly target: string;
    readonly rows: number;
    /** Only for files: their stored size. */
    readonly bytes?: number;
  }[];
  /** No value was under the new key: what is under it later, and not by the rotation, is unproven. Absent: not known. */
  readonly newKeyUnused?: boolean;
  readonly absent: readonly string[];
  readonly undeclared: readonly Finding[];
  /** Of a verification: ciphertext outside the declared fields that an old key decrypts, or may. */
  readonly leftover?: readonly Leftover[];
  /** Of a verification: ids of the old keys that were tried outside the declared fields. */
  readonly oldKeysTried?: readonly string[];
  /** Tables that the login cannot read: their content is unknown. */
  readonly unread: readonly string[];
  /** Sentences on what may be hidden from the login without an error; absent: nothing. */
  readonly unseen?: readonly string[];
  /** Only for a job that searches by shape: tables without a row id, which are only read as a whole, before and after. */
  readonly unkeyed?: readonly string[];
  /** Sentences on where this engine keeps old ciphertext. Missing in runs of an older version. */
  readonly survival?: readonly string[];
  /** Only for a job that searches by shape: where strings of its formats were found. */
  readonly places?: readonly PlaceCounts[];
  /** Rows whose encrypted data is outside the database; absent: none. */
  readonly uncovered?: readonly { readonly what: string; readonly rows: number }[];
  /** Secrets that the application would derive from the new key; absent: it derives none. */
  readonly derived?: DerivedSecrets;
}

/** Values outside the declared fields that are not known to be free of an old key. */
export interface Leftover {
  readonly table: string;
  readonly column: string;
  readonly values: number;
  /** The old key that decrypts them; null: the key that is verified does not, and no old key was tried. */
  readonly keyId: string | null;
}

/** Ciphertext, or a look-alike, outside the declared fields. */
export interface Finding {
  readonly table: string;
  readonly column: string;
  /** Values that a key of this run decrypts. */
  readonly values: number;
  /** Strings with the shape of ciphertext that no key of this run decrypts. */
  readonly lookAlikes: number;
  /** Why the column is excluded. */
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
  /** Why the run is paused or failed: an error code and a sentence. */
  readonly reason: { readonly code: string; readonly text: string } | null;
  /** What an operator requested and the coordinator has not done yet. */
  readonly requested: Request | null;
  /** Why no chunk is offered at the moment. */
  readonly waiting: string | null;
  readonly job: Job;
  readonly fromKeyId: string;
  readonly toKeyId: string;
  /** Increased when a coordinator takes over, so that transactions of older workers do nothing. */
  readonly fence: number;
  /** Number of the current or last verification scan; 0: none yet. */
  readonly round: number;
  /** Source keys wrapped under the new key (invariant 4): name → base64. */
  readonly pinned: Readonly<Record<string, string>>;
  readonly options: RunOptions;
  readonly authority: Authority;
  readonly inventory: Inventory;
  readonly toolVersion: string;
  /** The database, without a password. */
  readonly place: string;
  /** Host and process of the current or last coordinator; null: none yet. */
  readonly coordinator: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  /** SHA-256, in hex, of the stored columns that `mac` authenticates. */
  readonly content: string;
  /** Null: the run was begun by an earlier version of keyturn. */
  readonly mac: string | null;
  /** What in the row cannot be read, as a sentence. Null: everything can. */
  readonly unreadable: string | null;
}

/** Both keys of a run. */
export interface RunKeys {
  readonly current: Key;
  readonly next: Key;
}

/** The run's job and inventory with the tables and columns that were added during the run. */
export type LatePlaces = Pick<Run, 'job' | 'inventory'>;

/** Nothing may be decided from a row of which a part is missing. @throws KeyturnError `checkpoint-altered` */
export function assertReadable({ id, unreadable }: Pick<Run, 'id' | 'unreadable'>): void {
  if (unreadable !== null) throw alteredAs(id, unreadable);
}

/**
 * The run's row is unchanged since keyturn wrote it: job, keys, options. A finished run of an earlier version has no MAC
 * and passes.
 *
 * @throws KeyturnError `checkpoint-altered`, `checkpoint-version`
 */
export function assertAuthentic(run: Run, mac: CheckpointMac): void {
  assertReadable(run);
  if (run.mac === null && isFinished(run.state)) return;
  if (run.mac === null) throw begunBefore(run);
  if (!mac.matches(run.mac, 'run', [run.content])) throw altered(run.id, 'its job, keys or options');
}

/** The tables of an earlier version are not authenticated, so a later version cannot rely on them. */
export function begunBefore({ id, toolVersion }: Pick<Run, 'id' | 'toolVersion'>): KeyturnError {
  return new KeyturnError('checkpoint-version', `run ${id} was started with keyturn ${toolVersion}`, {
    hint: `finish it with keyturn ${toolVersion}: this version can only continue its own runs`,
    facts: { run: id },
  });
}

export function assertMayBecome(run: Run, to: RunState): void {
  assertReadable(run);
  if (mayBecome(run.state, to)) return;
  throw new KeyturnError('run-state', `run ${run.id} is ${run.state} and cannot become ${to}`, {
    facts: { run: run.id },
  });
}

/**
 * Whoever works on a run must have its keys. They are compared by their ids, whatever file they come from.
 *
 * @param current null for a verification, which has one key.
 */
export function assertKeys(run: Run, current: Key | null, next: Key): void {
  if ((current === null || current.id === run.fromKeyId) && next.id === run.toKeyId) return;
  const given =
    current === null ? `the given key is ${next.id}` : `the given keys are ${current.id} and ${next.id}`;
  throw new KeyturnError(
    'other-keys',
    `run ${run.id} rotates from key ${run.fromKeyId} to key ${run.toKeyId}, but ${given}`,
    {
      hint: 'use the key files that the run was started with',
      facts: { run: run.id, from: run.fromKeyId, to: run.toKeyId },
    },
  );
}
