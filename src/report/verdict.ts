import { type Accepted, isFinished, type Leftover, type Run } from '../checkpoint/run.ts';
import { placeText } from '../job/place.ts';
import { count } from './count.ts';
import type { Figures } from './figures.ts';

export type Result =
  | 'verified'
  | 'verified-with-exceptions'
  | 'verification-failed'
  | 'does-not-reconcile'
  | 'superseded'
  | 'unfinished'
  | 'rehearsed'
  | 'rehearsed-with-exceptions';

/** The report in one line. */
export interface Verdict {
  readonly result: Result;
  readonly text: string;
}

/** What the totals do not show. */
interface Known {
  /** Number of exceptions that need a decision. */
  readonly undecided: number;
  /** The records of the run were checked with the new key. */
  readonly authenticated: boolean;
}

export function verdictOf(run: Run, totals: Figures, { undecided, authenticated }: Known): Verdict {
  const result = resultOf(run, totals);
  const text = sentence(result, run, totals, undecided);
  const claims =
    result === 'verified' ||
    result === 'verified-with-exceptions' ||
    (result === 'does-not-reconcile' && isFinished(run.state));
  return { result, text: claims && !authenticated ? `${text} (${unauthenticated(run)})` : text };
}

function unauthenticated({ mac, toolVersion }: Run): string {
  return mac === null
    ? `not authenticated: keyturn ${toolVersion} made these records`
    : 'not authenticated: this command has no key; keyturn verify checks the records';
}

/** The state of the run, unless the numbers contradict it. */
function resultOf(run: Run, totals: Figures): Result {
  if (run.unreadable !== null) return 'does-not-reconcile';
  if (run.state === 'superseded') return 'superseded';
  const { valuesAddUp, rowsAccountedFor } = totals.reconciliation;
  if (!valuesAddUp || rowsAccountedFor === false) return 'does-not-reconcile';
  if (run.state === 'failed' && run.reason?.code === 'verification-failed') return 'verification-failed';
  const clean = totals.exceptions === 0;
  if (run.kind === 'dry-run' && run.state === 'rotated')
    return clean ? 'rehearsed' : 'rehearsed-with-exceptions';
  if (!isFinished(run.state)) return 'unfinished';
  if (!totals.verification.complete) return 'does-not-reconcile';
  if ((run.inventory.leftover ?? []).length > 0) return 'verification-failed';
  return run.state === 'verified' && clean ? 'verified' : 'verified-with-exceptions';
}

function sentence(result: Result, run: Run, totals: Figures, undecided: number): string {
  const { exceptions, ranges } = totals;
  const values = count(exceptions, 'value');
  switch (result) {
    case 'verified':
      return run.kind === 'verification'
        ? `VERIFIED: the key decrypts every value${doubtful(run, totals)}`
        : `VERIFIED: the ${run.kind === 'rollback' ? 'old key decrypts every value again' : 'new key decrypts every value'}${totals.verification.changed === 0 ? ', and no value has changed' : ''}${doubtful(run, totals)}`;
    case 'verified-with-exceptions':
      return run.kind === 'verification'
        ? `EXCEPTIONS: ${undecryptable(exceptions, undecided)}; the key decrypts all others`
        : `VERIFIED WITH EXCEPTIONS: ${values} could not be rotated, all others are verified${doubtful(run, totals)}`;
    case 'verification-failed':
      return `VERIFICATION FAILED: ${run.reason?.text ?? leftoverText(run.inventory.leftover ?? [])}`;
    case 'does-not-reconcile':
      return `DOES NOT RECONCILE: ${run.unreadable ?? 'the numbers contradict each other'}, do not rely on this run`;
    case 'rehearsed':
      return `DRY RUN PASSED: ${count(ranges.tally.rotated, 'value')} would be rotated; nothing was written`;
    case 'rehearsed-with-exceptions':
      return `DRY RUN WITH EXCEPTIONS: ${values} could not be rotated; nothing was written`;
    case 'superseded':
      return 'ROLLED BACK: a rollback took over from this run; keyturn status shows it';
    case 'unfinished':
      return `NOT FINISHED: ${run.state}${run.reason === null ? '' : `, ${run.reason.text}`}`;
  }
}

/** Where an old key is still needed, or may be. */
function leftoverText(leftover: readonly Leftover[]): string {
  const places = leftover.map(({ table, column, values, keyId }) => {
    const what =
      keyId === null ? 'look encrypted, and the key does not decrypt them' : `still use the old key ${keyId}`;
    return `${placeText(table, column, '')} (${count(values, 'value')} that ${what})`;
  });
  return `there is ciphertext that the rotation did not reach: ${places.join('; ')}`;
}

/** Rows that differ from what the run wrote: nothing is claimed for them, and the verdict names who accepted them. */
function doubtful(
  { kind, options }: Run,
  { verification: { proven, changed, new: fresh, gone } }: Figures,
): string {
  const since = kind === 'verification';
  // Without a rotation to compare with, every row is new to a verification.
  if (since && proven + changed + gone === 0) return '';
  const parts: readonly (readonly [number, string, Accepted | undefined])[] = [
    [changed, 'changed', options.acceptChanged],
    [fresh, since ? 'added' : 'added with the new key', options.acceptUnproven],
    [gone, 'deleted', options.acceptDeleted],
  ];
  return parts
    .filter(([rows, , accepted]) => rows > 0 && (since || accepted !== undefined))
    .map(([rows, what, accepted]) => {
      const by = since ? 'since the rotation' : `during the run, accepted by ${accepted?.operator ?? ''}`;
      return `; ${count(rows, 'row')} ${what} ${by}`;
    })
    .join('');
}

/** In a verification, an undecided value may still use the old key. */
function undecryptable(exceptions: number, undecided: number): string {
  const closed = exceptions - undecided;
  return [
    ...(closed > 0 ? [`${count(closed, 'value')} cannot be decrypted with the key`] : []),
    ...(undecided > 0
      ? [`${count(undecided, 'value')} ${undecided === 1 ? 'is' : 'are'} undecided and may use the old key`]
      : []),
  ].join(', ');
}
