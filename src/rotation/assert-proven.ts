import type { ChunkTable } from '../checkpoint/chunk-table.ts';
import type { ExceptionTable } from '../checkpoint/exception-table.ts';
import type { TargetTotals } from '../checkpoint/figures.ts';
import type { Run } from '../checkpoint/run.ts';
import type { RowSource } from '../chunk/row-source.ts';
import { KeyturnError } from '../error.ts';
import { type Target, targetName } from '../job/job.ts';

type Totals = ReadonlyMap<string, TargetTotals>;

/** Where a run stands after its last scan. */
export interface Scanned {
  readonly run: Run;
  readonly totals: Totals;
  readonly chunks: ChunkTable;
  readonly exceptions: ExceptionTable;
  readonly source: RowSource;
}

/**
 * Every row was read once, and says what it said before.
 *
 * @throws KeyturnError `verification-failed`, `late-rows`; what is to be read again is marked so.
 */
export async function assertProven(scanned: Scanned): Promise<void> {
  const { run, totals, chunks } = scanned;
  const changed = sum(totals, ({ changed: n }) => n);
  if (changed > 0 && run.kind === 'rotation') {
    await chunks.verifyAgain('changed');
    throw await differs(scanned, changed);
  }
  for (const target of run.job.targets) await reconcile(scanned, target);
  if (sum(totals, ({ values }) => values) === 0) {
    throw new KeyturnError('verification-failed', 'not one value was found', {
      hint: 'this is hardly the database that was meant; look at keyturn plan',
    });
  }
}

async function differs({ exceptions }: Scanned, count: number): Promise<KeyturnError> {
  const rows = await exceptions.open(5, 0, { only: ['digest-differs'] });
  const named = rows.map(({ target, rowId }) => `${target} ${rowId.join(',')}`).join('; ');
  return new KeyturnError(
    'verification-failed',
    `${count} rows are not what they were before the rotation: ${named}`,
    {
      hint: 'somebody wrote them under the new key, or they are damaged: compare them with the backup',
    },
  );
}

async function reconcile({ totals, source, chunks }: Scanned, target: Target): Promise<void> {
  const name = targetName(target);
  const read = totals.get(name)?.ranges?.verification.rows ?? 0;
  const { rows: counted } = await source.count(target);
  if (read === counted) return;
  await chunks.verifyAgain({ target: name });
  throw new KeyturnError('late-rows', `${name} has ${counted} rows, ${read} were read`, {
    hint: 'rows come or go while it is verified: stop the application, then keyturn resume',
    facts: { target: name },
  });
}

function sum(totals: Totals, of: (v: { values: number; changed: number }) => number): number {
  let n = 0;
  for (const { ranges } of totals.values()) if (ranges !== null) n += of(ranges.verification);
  return n;
}
