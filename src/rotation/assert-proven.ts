import type { ChunkTable } from '../checkpoint/chunk-table.ts';
import type { ExceptionReason, ExceptionTable } from '../checkpoint/exception-table.ts';
import type { TargetTotals } from '../checkpoint/figures.ts';
import { altered } from '../checkpoint/mac.ts';
import { isWriting, type Run } from '../checkpoint/run.ts';
import type { Verification } from '../checkpoint/verification.ts';
import type { RowSource } from '../chunk/row-source.ts';
import { type ErrorCode, KeyturnError } from '../error.ts';
import { type Target, targetName } from '../job/job.ts';

type Totals = ReadonlyMap<string, TargetTotals>;

/** A run after its last scan. */
export interface Scanned {
  readonly run: Run;
  readonly totals: Totals;
  readonly chunks: ChunkTable;
  readonly exceptions: ExceptionTable;
  readonly source: RowSource;
}

/** What may have happened to rows since they were rotated, and what the operator reads about it. */
interface Doubt {
  readonly which: 'changed' | 'new' | 'gone';
  readonly option: 'acceptChanged' | 'acceptUnproven' | 'acceptDeleted';
  readonly reason: ExceptionReason | null;
  readonly code: ErrorCode;
  readonly text: (rows: number, places: string) => string;
  readonly hint: string;
}

const doubts: readonly Doubt[] = [
  {
    which: 'changed',
    option: 'acceptChanged',
    reason: 'digest-differs',
    code: 'verification-failed',
    text: (n, places) =>
      n === 1
        ? `1 row differs from before the rotation: ${places}`
        : `${n} rows differ from before the rotation: ${places}`,
    hint: 'another program wrote them under the new key, or they are damaged: compare them with the backup',
  },
  {
    which: 'new',
    option: 'acceptUnproven',
    reason: 'unproven',
    code: 'verification-failed',
    text: (n, places) =>
      `${were(n)} written under the new key during the run, and nothing proves their content: ${places}`,
    hint: 'stop every program that already uses the new key, and check these rows',
  },
  {
    which: 'gone',
    option: 'acceptDeleted',
    reason: null,
    code: 'rows-deleted',
    text: (n, places) => `${were(n)} rotated by this run and then deleted: ${places}`,
    hint: 'find out what deleted them, or restore them from the backup',
  },
];

/**
 * Every row was read once, and its content is what it was before.
 *
 * @throws KeyturnError `verification-failed`, `rows-deleted`, `late-rows`; what has to be read again is marked.
 */
export async function assertProven(scanned: Scanned): Promise<void> {
  const { run, totals } = scanned;
  if (sum(totals, ({ values }) => values) === 0) {
    throw new KeyturnError('verification-failed', 'no encrypted value was found', {
      hint: 'check that this is the right database: keyturn plan shows what it holds',
    });
  }
  if (isWriting(run.kind)) {
    if (sum(totals, ({ late }) => late) > 0) throw altered(run.id, 'rows under the old key were not swept');
    for (const doubt of doubts) await settleDoubt(scanned, doubt);
  }
  for (const target of run.job.targets) await reconcile(scanned, target);
}

/** Refused, unless an operator accepted exactly this number of rows. */
async function settleDoubt(scanned: Scanned, doubt: Doubt): Promise<void> {
  const { run, totals, chunks, exceptions } = scanned;
  const { which, option, reason } = doubt;
  const rows = reason === null ? sum(totals, ({ gone }) => gone) : await exceptions.countRows(reason);
  if (rows === 0) return;
  if (run.options[option]?.rows === rows) {
    if (reason !== null) await exceptions.accept(reason);
    return;
  }
  const places = reason === null ? goneOf(totals) : await namesOf(exceptions, reason);
  await chunks.verifyAgain(which);
  throw new KeyturnError(doubt.code, doubt.text(rows, places), {
    hint: `${doubt.hint}; then run keyturn resume, with --${kebab(option)} ${rows} if this is expected`,
    facts: { run: run.id, rows },
  });
}

function were(rows: number): string {
  return rows === 1 ? '1 row was' : `${rows} rows were`;
}

function goneOf(totals: Totals): string {
  return [...totals]
    .map(([target, { ranges }]) => ({ target, gone: ranges?.verification.gone ?? 0 }))
    .filter(({ gone }) => gone > 0)
    .map(({ target, gone }) => `${gone} of ${target}`)
    .join(', ');
}

async function namesOf(exceptions: ExceptionTable, reason: ExceptionReason): Promise<string> {
  const rows = await exceptions.open(20, 0, { only: [reason] });
  const names = new Set(
    rows.map(
      ({ target, rowId, field }) => `${target} ${rowId.join(',')}${field === '' ? '' : ` (${field})`}`,
    ),
  );
  return [...names].slice(0, 5).join('; ');
}

function kebab(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function reconcile({ totals, source, chunks }: Scanned, target: Target): Promise<void> {
  const name = targetName(target);
  const read = totals.get(name)?.ranges?.verification.rows ?? 0;
  const { rows: counted } = await source.count(target);
  if (read === counted) return;
  await chunks.verifyAgain({ target: name });
  throw new KeyturnError('late-rows', `${name} has ${counted} rows, but ${read} were read`, {
    hint: 'rows were added or deleted during the verification: stop the application, then run keyturn resume',
    facts: { target: name },
  });
}

function sum(totals: Totals, of: (found: Verification) => number): number {
  let n = 0;
  for (const { ranges } of totals.values()) if (ranges !== null) n += of(ranges.verification);
  return n;
}
