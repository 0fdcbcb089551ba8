import type { Chunk } from '../checkpoint/chunk.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { type Exception, ExceptionTable } from '../checkpoint/exception-table.ts';
import type { Run } from '../checkpoint/run.ts';
import { holdsRun } from '../checkpoint/run-table.ts';
import type { Verification } from '../checkpoint/verification.ts';
import type { Range, Row, RowId, Transaction } from '../databases/database.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { ChunkDone } from './chunk-news.ts';
import { publishStep } from './chunk-step.ts';
import { digestKey, unpackDigests } from './digest.ts';
import type { PreparedTarget } from './field-values.ts';
import { seenTree } from './file-target.ts';
import { slices } from './slices.ts';
import { verifyFiles } from './verify-files.ts';
import { type VerifiedRow, verifyRows } from './verify-rows.ts';
import { Stale, type WorkerContext } from './worker-context.ts';

const page = 500;

/** What was found in one chunk's range, and the rows that need attention. */
interface Findings {
  readonly counts: Verification;
  readonly late: RowId[];
  readonly exceptions: Exception[];
  /** Values of proven rows that do not open. The rotation should have listed them. */
  readonly closed: Exception[];
  /** Values under the old key inside something that is not taken apart. */
  readonly strays: Exception[];
}

/**
 * Reads a range again, unfiltered, under the keys that the database itself tells with the new master key, and
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

/** What the rotation passed over in silence: it must have taken a value for something else. */
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
): Promise<Findings> {
  const unrotated = prepared.target.onlyVerified === true && run.kind === 'rotation';
  const ring = await context.verifying(run.round);
  const known = await knownDigests(context, run, chunk);
  const undecided = await leftUndecided(context, chunk);
  const key = digestKey(ring.primary, context.reference?.run ?? run.id, chunk.target);
  const found: Findings = {
    counts: { rows: 0, values: 0, proven: 0, new: 0, changed: 0, late: 0, gone: 0, exceptions: 0 },
    late: [],
    exceptions: [],
    closed: [],
    strays: [],
  };
  const road = prepared.target.tree === undefined ? readRows : readFiles;
  for await (const verified of road(context, run, prepared, chunk.range, ring, key))
    judge(verified, known, undecided, context.from, run, chunk.target, unrotated, found);
  found.counts.gone = known.size;
  return found;
}

type Road = (
  context: WorkerContext,
  run: Run,
  prepared: PreparedTarget,
  range: Range,
  ring: Keyring,
  key: Buffer,
) => AsyncGenerator<VerifiedRow>;

const readRows: Road = async function* ({ database }, _run, prepared, { after: from, upTo }, ring, key) {
  for (let after = from; ; ) {
    const rows: Row[] = await database.readRange(prepared.target.shape, { after, upTo }, page);
    for (const slice of slices(rows)) yield* verifyRows(prepared, slice, ring, key);
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = last.id;
  }
};

const readFiles: Road = async function* (context, run, prepared, range, ring, key) {
  const { tree } = await seenTree(prepared.target, run, context);
  yield* verifyFiles(tree, prepared, range, ring, key);
};

/** Digest of the row id → digest of the row; a sweep's is newer than the range's. Rows that are met are taken out. */
async function knownDigests(context: WorkerContext, run: Run, chunk: Chunk): Promise<Map<string, string>> {
  const packed =
    run.kind !== 'verification'
      ? await new ChunkTable(context.checkpoint, run.id, context.mac).digests(chunk.chunk)
      : context.reference !== null && chunk.parent !== null
        ? await referenceChunks(context.reference).digests(chunk.parent)
        : [];
  return unpackDigests(packed);
}

function referenceChunks({ checkpoint, run, mac }: NonNullable<WorkerContext['reference']>): ChunkTable {
  return new ChunkTable(checkpoint, run, mac);
}

/** What the rotation that is compared with left undecided in the range: this key alone takes it for nothing. */
async function leftUndecided(
  { reference }: WorkerContext,
  { parent }: Chunk,
): Promise<Map<string, Exception[]>> {
  if (reference === null || parent === null) return new Map();
  return new ExceptionTable(reference.checkpoint, reference.run).undecided(parent);
}

/** @param unrotated the inventory found nothing there, so there is no digest: that nothing needs the old key is all. */
function judge(
  verified: VerifiedRow,
  known: Map<string, string>,
  undecided: ReadonlyMap<string, readonly Exception[]>,
  old: Keyring | null,
  run: Run,
  target: string,
  unrotated: boolean,
  found: Findings,
): void {
  const { counts } = found;
  const recorded = known.get(verified.id);
  known.delete(verified.id);
  counts.rows++;
  counts.values += verified.values;
  const { id: rowId } = verified.row;
  const except = (reason: Exception['reason'], field: string, path: string): void => {
    found.exceptions.push({ target, rowId, field, path, reason });
  };
  const late = (): boolean => old !== null && verified.dependsOn(old);
  for (const { field, path } of old === null ? [] : verified.strays(old))
    found.strays.push({ target, rowId, field, path, reason: 'stray' });
  for (const { field, path, reason } of undecided.get(JSON.stringify(rowId)) ?? []) {
    const settled = reason === 'undecided' ? recorded !== verified.digest : verified.isSettled(field, path);
    if (!settled) except(reason, field, path);
  }
  if (recorded === verified.digest || (recorded === undefined && unrotated && !late())) {
    counts.proven++;
    counts.exceptions += verified.closed.length;
    for (const { field, path } of verified.closed) {
      if (run.kind === 'verification') except('does-not-open', field, path);
      else found.closed.push({ target, rowId, field, path, reason: 'does-not-open' });
    }
  } else if (late()) {
    counts.late++;
    found.late.push(verified.row.id);
  } else if (recorded !== undefined && run.kind === 'rotation') {
    counts.changed++;
    except('digest-differs', '', '');
  } else {
    if (recorded === undefined) counts.new++;
    else counts.changed++;
    counts.exceptions += verified.closed.length;
    for (const { field, path } of verified.closed) except('does-not-open', field, path);
  }
}
