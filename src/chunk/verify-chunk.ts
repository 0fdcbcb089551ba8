import type { Chunk } from '../checkpoint/chunk.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { type Exception, ExceptionTable } from '../checkpoint/exception-table.ts';
import { isWriting, type Run } from '../checkpoint/run.ts';
import { holdsRun } from '../checkpoint/run-table.ts';
import type { Verification } from '../checkpoint/verification.ts';
import type { Batch, Range, Row, RowId, Transaction } from '../databases/database.ts';
import type { Keyring } from '../keys/keyring.ts';
import { hasPlainFields } from './bulk/field.ts';
import { verifyBulk } from './bulk/verify.ts';
import type { ChunkDone } from './chunk-news.ts';
import { publishStep } from './chunk-step.ts';
import { digestAll, digestBytes, digestKey, Messages } from './digest.ts';
import { addRowId } from './evidence.ts';
import { seenTree } from './files/file-target.ts';
import { verifyFiles } from './files/verify-files.ts';
import { KnownDigests, unpackDigests } from './known-digests.ts';
import { slices } from './slices.ts';
import type { PreparedTarget } from './values/field-values.ts';
import { type VerifiedRow, verifyRows } from './verify-rows.ts';
import { Stale, type WorkerContext } from './worker-context.ts';

const page = 500;

/** What was found in the range of one chunk, and the rows that need attention. */
interface VerifiedRange {
  readonly counts: Verification;
  readonly late: RowId[];
  readonly exceptions: Exception[];
  /** Values of proven rows that do not open, or whose label does not name the new key. The rotation should have listed them as exceptions. */
  readonly closed: Exception[];
  /** Values under the old key inside something that is not parsed. */
  readonly strays: Exception[];
}

/**
 * Reads a range again, unfiltered, with the new master key and the keys that the database contains under it, and
 * compares every row with the digest taken when it was rotated (invariants 8 and 12).
 */
export async function verifyChunk(
  context: WorkerContext,
  run: Run,
  prepared: ReadonlyMap<string, PreparedTarget>,
  number: number,
): Promise<ChunkDone | null> {
  const chunks = new ChunkTable(context.checkpoint, run.id, context.mac);
  const chunk = await chunks.find(number);
  const target = chunk && prepared.get(chunk.target);
  if (chunk === undefined || target === undefined || chunk.verifiedRound >= run.round) return null;
  publishStep('verify', run.id, number);
  const found = await readRange(context, run, target, chunk);
  publishStep('confirm', run.id, number);
  const exceptions = new ExceptionTable(context.checkpoint, run.id);
  const work = async (trx: Transaction): Promise<ChunkDone> => {
    const claimed = await chunks.claimVerification(trx, number, run.round);
    if (!claimed || !(await holdsRun(trx, run, 'verifying'))) throw new Stale();
    const rows = [...new Map(found.exceptions.map(({ rowId }) => [JSON.stringify(rowId), rowId])).values()];
    await exceptions.resolve(trx, chunk.target, rows);
    await exceptions.resolveScanned(trx, number);
    await exceptions.insert(trx, number, [
      ...found.exceptions,
      ...found.strays,
      ...(await unlisted(trx, exceptions, chunk.target, found.closed)),
    ]);
    await chunks.completeVerification(
      trx,
      { chunk: number, round: run.round },
      found.counts,
      found.late,
      context.worker,
    );
    return { event: 'verified', target: chunk.target, rows: found.counts.rows };
  };
  try {
    return await context.checkpoint.transaction(work);
  } catch (error) {
    if (error instanceof Stale) return null;
    throw error;
  }
}

/** Exceptions that the rotation did not list: it must have taken the value for something else. */
async function unlisted(
  trx: Transaction,
  exceptions: ExceptionTable,
  target: string,
  closed: readonly Exception[],
): Promise<Exception[]> {
  if (closed.length === 0) return [];
  const rowIds = closed.map(({ rowId }) => rowId);
  const listed = await exceptions.listed(trx, target, rowIds);
  return closed.filter(({ rowId }) => !listed.has(JSON.stringify(rowId)));
}

async function readRange(
  context: WorkerContext,
  run: Run,
  prepared: PreparedTarget,
  chunk: Chunk,
): Promise<VerifiedRange> {
  const ring = await context.verifying(run.round);
  const expected: Expected = {
    run,
    target: chunk.target,
    old: context.from,
    digests: await knownDigests(context, run, chunk),
    undecided: await leftUndecided(context, chunk),
    unrotated: prepared.target.onlyVerified === true && isWriting(run.kind),
  };
  const found: VerifiedRange = {
    counts: { rows: 0, values: 0, proven: 0, new: 0, changed: 0, late: 0, gone: 0, exceptions: 0 },
    late: [],
    exceptions: [],
    closed: [],
    strays: [],
  };
  const key = digestKey(ring.primary, context.reference?.run ?? run.id, chunk.target);
  const range: RangeToRead = { context, run, prepared, range: chunk.range, ring, key };
  const batch = expected.undecided.size === 0 && (await readBatch(range));
  const rows =
    prepared.target.tree !== undefined
      ? readFiles(range)
      : batch
        ? readBulk(range, batch, expected, found)
        : readRows(range);
  for await (const row of rows) compareRow(row, expected, found);
  if (expected.digests.left > 0) await excuse(context, chunk, expected, key);
  found.counts.gone = expected.digests.left;
  return found;
}

/** A row whose values could not be rotated may be deleted: nothing that this run rotated is lost with it. */
async function excuse(
  context: WorkerContext,
  { chunk, parent }: Chunk,
  { run, digests }: Expected,
  key: Buffer,
): Promise<void> {
  const { reference } = context;
  const range = reference === null ? chunk : parent;
  if (range === null) return;
  const {
    checkpoint,
    run: of,
    mac,
  } = reference ?? { checkpoint: context.checkpoint, run: run.id, mac: context.mac };
  const rowIds = await new ExceptionTable(checkpoint, of).exceptedRows(range);
  if (rowIds.length === 0) return;
  const swept = unpackDigests((await new ChunkDigests(checkpoint, of, mac).of(range)).slice(1));
  const messages = new Messages();
  for (const id of rowIds) addRowId(messages, id);
  const ids = digestAll(key, messages);
  rowIds.forEach((_, i) => {
    const id = ids.toString('latin1', i * digestBytes, (i + 1) * digestBytes);
    if (!swept.has(id)) digests.forget(id);
  });
}

interface RangeToRead {
  readonly context: WorkerContext;
  readonly run: Run;
  readonly prepared: PreparedTarget;
  readonly range: Range;
  readonly ring: Keyring;
  readonly key: Buffer;
}

async function* readRows({ context, prepared, range, ring, key }: RangeToRead): AsyncGenerator<VerifiedRow> {
  const { upTo } = range;
  for (let { after } = range; ; ) {
    const rows: Row[] = await context.database.readRange(prepared.target.shape, { after, upTo }, page);
    for (const slice of slices(rows)) yield* verifyRows(prepared, slice, ring, key);
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = last.id;
  }
}

/** The rows of the range by column; null: they are verified row by row. */
async function readBatch({ context, prepared, range }: RangeToRead): Promise<Batch | null> {
  const { batches } = context.database;
  // Only a range with both bounds has as many bytes as it was planned with
  if (range.upTo === null || !hasPlainFields(prepared)) return null;
  return batches.readBatch(prepared.target.shape, range);
}

/** Counts the rows that are proven, and yields the others. */
function* readBulk(
  { prepared, ring, key }: RangeToRead,
  batch: Batch,
  { digests }: Expected,
  { counts }: VerifiedRange,
): Generator<VerifiedRow> {
  const { proven, rest } = verifyBulk(prepared, batch, ring, key, digests);
  counts.rows += proven;
  counts.values += proven * prepared.fields.length;
  counts.proven += proven;
  for (const slice of slices(rest)) yield* verifyRows(prepared, slice, ring, key);
}

async function* readFiles({
  context,
  run,
  prepared,
  range,
  ring,
  key,
}: RangeToRead): AsyncGenerator<VerifiedRow> {
  const { tree } = await seenTree(prepared.target, run, context);
  yield* verifyFiles(tree, prepared, range, ring, key);
}

/** Digests of sweeps replace those of ranges. */
async function knownDigests(context: WorkerContext, run: Run, chunk: Chunk): Promise<KnownDigests> {
  const packed =
    run.kind !== 'verification'
      ? await new ChunkDigests(context.checkpoint, run.id, context.mac).of(chunk.chunk)
      : context.reference !== null && chunk.parent !== null
        ? await new ChunkDigests(
            context.reference.checkpoint,
            context.reference.run,
            context.reference.mac,
          ).of(chunk.parent)
        : [];
  return new KnownDigests(packed);
}

/** What the rotation left undecided in the range: with one key alone, the verification cannot see it. */
async function leftUndecided(
  { reference }: WorkerContext,
  { parent }: Chunk,
): Promise<Map<string, Exception[]>> {
  if (reference === null || parent === null) return new Map();
  return new ExceptionTable(reference.checkpoint, reference.run).undecided(parent);
}

/** What the rows of a range are compared with. */
interface Expected {
  readonly run: Run;
  readonly target: string;
  /** The keys before the run; null for a verification. */
  readonly old: Keyring | null;
  readonly digests: KnownDigests;
  /** By row id, the values that the rotation left undecided. */
  readonly undecided: ReadonlyMap<string, readonly Exception[]>;
  /**
   * The inventory found nothing here, so there are no digests: that no value needs the old key is all there is to
   * prove.
   */
  readonly unrotated: boolean;
}

function compareRow(row: VerifiedRow, expected: Expected, found: VerifiedRange): void {
  const { run, target, old, digests, unrotated } = expected;
  const { counts } = found;
  const { id: rowId } = row.row;
  const recorded = digests.take(row.id);
  counts.rows++;
  counts.values += row.values;
  const except = (reason: Exception['reason'], field: string, path: string): void => {
    found.exceptions.push({ target, rowId, field, path, reason });
  };
  const isLate = (): boolean => old !== null && row.dependsOn(old);
  for (const { field, path } of old === null ? [] : row.strays(old))
    found.strays.push({ target, rowId, field, path, reason: 'stray' });
  for (const { field, path, reason } of expected.undecided.get(JSON.stringify(rowId)) ?? []) {
    const isResolved = reason === 'undecided' ? recorded !== row.digest : row.isResolved(field, path);
    if (!isResolved) except(reason, field, path);
  }
  if (recorded === row.digest || (recorded === undefined && unrotated && !isLate())) {
    counts.proven++;
    counts.exceptions += row.closed.length + row.mislabelled.length;
    const report = (reason: Exception['reason']) => (value: { field: string; path: string }) => {
      if (run.kind === 'verification') except(reason, value.field, value.path);
      else found.closed.push({ target, rowId, ...value, reason });
    };
    row.closed.forEach(report('does-not-open'));
    row.mislabelled.forEach(report('other-label'));
  } else if (isLate()) {
    counts.late++;
    found.late.push(rowId);
  } else if (isWriting(run.kind) && (recorded !== undefined || row.opened)) {
    counts[recorded === undefined ? 'new' : 'changed']++;
    // Never as values that do not open: a retry would take a digest of what stands there now
    const reason = recorded === undefined ? 'unproven' : 'digest-differs';
    if (row.closed.length === 0) except(reason, '', '');
    for (const { field, path } of row.closed) except(reason, field, path);
  } else {
    counts[recorded === undefined ? 'new' : 'changed']++;
    counts.exceptions += row.closed.length;
    for (const { field, path } of row.closed) except('does-not-open', field, path);
    for (const { field, path } of row.mislabelled) except('other-label', field, path);
  }
}
