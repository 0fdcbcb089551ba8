import type { Chunk } from '../checkpoint/chunk.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { ExceptionTable } from '../checkpoint/exception-table.ts';
import { FileIntents } from '../checkpoint/file-intents.ts';
import { isWriting, type Run } from '../checkpoint/run.ts';
import { holdsRun } from '../checkpoint/run-table.ts';
import { addTally, emptyTally } from '../checkpoint/tally.ts';
import type { Batch, Row, Transaction } from '../databases/database.ts';
import { assertOneKey } from './assert-one-key.ts';
import { hasPlainFields, isOneKeyEnough } from './bulk/field.ts';
import { type BulkRotation, rotateBulk } from './bulk/rotate.ts';
import type { ChunkDone } from './chunk-news.ts';
import { publishStep } from './chunk-step.ts';
import { digestKey } from './digest.ts';
import { seenTree } from './files/file-target.ts';
import { rotateFiles } from './files/rotate-files.ts';
import { type RotatedRows, rotateRows } from './rotate-rows.ts';
import { rotatedBefore } from './rotated-before.ts';
import { type Part, partOf, RowWriter } from './row-writer.ts';
import { rowsKnown } from './rows-known.ts';
import { unchangedRows } from './unchanged-rows.ts';
import type { Rotation } from './values/classify.ts';
import type { PreparedTarget } from './values/field-values.ts';
import { Contended, Stale, type WorkerContext } from './worker-context.ts';

/** The rotated rows of a chunk. `write` must run in the transaction of the checkpoint. */
interface Taken {
  readonly rows: number;
  readonly write: (trx: Transaction) => Promise<Part[]>;
}

/**
 * Rotates one chunk: reads its rows, opens and seals their values, then writes them together with the checkpoint in one
 * short transaction (invariant 2). Returns null for a duplicate delivery, a stale worker or a stopped run.
 */
export async function rotateChunk(
  context: WorkerContext,
  run: Run,
  prepared: ReadonlyMap<string, PreparedTarget>,
  number: number,
): Promise<ChunkDone | null> {
  const chunks = new ChunkTable(context.checkpoint, run.id, context.mac);
  publishStep('find', run.id, number);
  const chunk = await chunks.find(number);
  const target = chunk && prepared.get(chunk.target);
  if (context.from === null || chunk?.state !== 'planned' || target === undefined) return null;

  const started = performance.now();
  const rotation: Rotation = {
    from: context.from,
    to: context.to,
    // Targets that are only verified are rotated by sweeps: a range that is planned again may have rows under either
    // key
    mode: chunk.rowIds === null && target.target.onlyVerified !== true ? 'chunk' : 'sweep',
    tryAll: run.options.tryAllKeys === true,
    known: await rowsKnown(context, run, target, chunk),
    nested: run.options.nested,
  };
  let rows: number;
  try {
    const taken = await (target.target.tree === undefined ? takeRows : takeFiles)(
      context,
      run,
      target,
      chunk,
      rotation,
    );
    rows = taken.rows;
    await transact(context, run, async (trx) => {
      publishStep('claim', run.id, number);
      const claimed = await chunks.claim(trx, number);
      if (!claimed || !(await holdsRun(trx, run, 'rotating'))) throw new Stale();
      publishStep('write', run.id, number);
      const parts = await taken.write(trx);
      publishStep('complete', run.id, number);
      await record(context, trx, run, chunk, parts, performance.now() - started);
      publishStep('commit', run.id, number);
    });
  } catch (error) {
    if (error instanceof Stale) return null;
    throw error;
  }
  publishStep('acknowledge', run.id, number);
  return { event: 'rotated', target: chunk.target, rows };
}

async function takeRows(
  context: WorkerContext,
  run: Run,
  target: PreparedTarget,
  chunk: Chunk,
  rotation: Rotation,
): Promise<Taken> {
  publishStep('read', run.id, chunk.chunk);
  const key = digestKey(context.to.primary, run.id, chunk.target);
  const batch = await readBatch(context, run, target, chunk, rotation);
  const { ordinary, rest: rows }: BulkRotation =
    batch === null
      ? { ordinary: [], rest: await readChunk(context, target, chunk) }
      : rotateBulk(target, batch, rotation, key);
  publishStep('open', run.id, chunk.chunk);
  const rotate = (some: readonly Row[], as: Rotation = rotation): RotatedRows =>
    rotateRows(target, some, as, key, { readBack: !isWriting(run.kind) });
  const tried = rotate(rows);
  assertOneKey(tried.rows, chunk.target);
  const asLeft =
    run.kind === 'rollback'
      ? await rotatedBefore(context, run, target, chunk.target, rows, tried)
      : await unchangedRows(context, run, target, chunk, tried);
  const rotated = asLeft.size === 0 ? tried : rotate(rows, { ...rotation, asLeft });
  return {
    rows: batch?.rows ?? rows.length,
    write: async (trx) => {
      if (!isWriting(run.kind)) return [partOf(rotated)];
      const writer = new RowWriter(context.database, trx, target.target.shape, rotate);
      const parts = await writer.rotated(rotated);
      for (const part of ordinary) parts.push(...(await writer.ordinary(part)));
      return parts;
    },
  };
}

/** The rows of the chunk by column; null: they are rotated row by row. */
async function readBatch(
  { database: { batches } }: WorkerContext,
  run: Run,
  prepared: PreparedTarget,
  { range, rowIds }: Chunk,
  rotation: Rotation,
): Promise<Batch | null> {
  // Only a range with both bounds has as many bytes as it was planned with
  const isBounded = rowIds === null && range.upTo !== null;
  if (!isWriting(run.kind) || !isBounded) return null;
  if (!hasPlainFields(prepared) || !isOneKeyEnough(prepared, rotation)) return null;
  return batches.readBatch(prepared.target.shape, range);
}

/** Files have no transactions: they are renamed before the checkpoint, after their intents are committed. */
async function takeFiles(
  context: WorkerContext,
  run: Run,
  prepared: PreparedTarget,
  chunk: Chunk,
  rotation: Rotation,
): Promise<Taken> {
  const { tree, originals } = await seenTree(prepared.target, run, context);
  const intents = new FileIntents(context.checkpoint, run.id);
  const known = await intents.of(chunk.chunk);
  let seen = [...known.values()].flat().length;
  // A file that another worker renames meanwhile must not be taken for the original
  const assertAlone = async (trx: Transaction): Promise<void> => {
    if ((await intents.count(trx, chunk.chunk)) !== seen)
      throw new Contended('another worker is processing the files of this chunk');
  };
  const rotated = await rotateFiles({
    prepared,
    chunk,
    run: run.id,
    rotation,
    digestKey: digestKey(context.to.primary, run.id, chunk.target),
    tree,
    originals: isWriting(run.kind) ? originals : null,
    known,
    intend: async (added) => {
      await transact(context, run, async (trx) => {
        const held = await intents.hold(trx, chunk.chunk);
        if (!held || !(await holdsRun(trx, run, 'rotating'))) throw new Stale();
        await assertAlone(trx);
        await intents.insert(trx, chunk.chunk, added);
      });
      seen += added.length;
    },
  });
  return {
    rows: rotated.rows.length,
    write: async (trx) => {
      await assertAlone(trx);
      await intents.remove(trx, chunk.chunk);
      return [partOf(rotated)];
    },
  };
}

/** Data and checkpoint in one transaction. A dry run writes only a checkpoint, in another database. */
function transact<T>(
  { database, checkpoint }: WorkerContext,
  run: Run,
  work: (trx: Transaction) => Promise<T>,
): Promise<T> {
  return isWriting(run.kind) ? database.transaction(work) : checkpoint.transaction(work);
}

function readChunk({ database }: WorkerContext, { target }: PreparedTarget, chunk: Chunk): Promise<Row[]> {
  return chunk.rowIds === null
    ? database.readRange(target.shape, chunk.range)
    : database.readRows(target.shape, chunk.rowIds);
}

async function record(
  context: WorkerContext,
  trx: Transaction,
  run: Run,
  chunk: Chunk,
  parts: readonly Part[],
  ms: number,
): Promise<void> {
  const exceptions = new ExceptionTable(context.checkpoint, run.id);
  const tally = emptyTally();
  const digests: Buffer[] = [];
  if (chunk.rowIds !== null) await exceptions.resolve(trx, chunk.target, chunk.rowIds);
  for (const part of parts) {
    addTally(tally, part.tally);
    await exceptions.insert(trx, chunk.chunk, part.exceptions);
    digests.push(part.digests);
  }
  const chunks = new ChunkTable(context.checkpoint, run.id, context.mac);
  await chunks.completeRotation(trx, chunk.chunk, tally, Buffer.concat(digests), {
    worker: context.worker,
    ms: Math.round(ms),
  });
}
