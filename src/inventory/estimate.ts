import type { Inventory } from '../checkpoint/run.ts';
import { changedColumnsOnly } from '../chunk/changed-columns.ts';
import { digestKey, entryBytes } from '../chunk/digest.ts';
import { treeOf } from '../chunk/files/file-target.ts';
import { rehearseFiles } from '../chunk/files/rotate-files.ts';
import { type RotatedRows, rotateRows } from '../chunk/rotate-rows.ts';
import { prepareTarget } from '../chunk/values/field-values.ts';
import { layerFormats } from '../chunk/values/layers.ts';
import type { Change, Database } from '../databases/database.ts';
import { type Job, type Target, targetName } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';

/** As large as a chunk, so that values share as much work as in a chunk. */
const sample = { rows: 500, bytes: 4 * 1024 * 1024 };
/** The fastest pass counts, since the first ones run code that is not compiled yet. */
const passes = 3;
/** A new file is synced before it replaces the old one. */
const fileSyncMs = 5;
const fileBytesPerSecond = 200e6;

export interface TargetEstimate {
  readonly target: string;
  readonly rows: number;
  readonly sampled: number;
  /** Time of one worker to read, open, seal and digest. */
  readonly workMs: number;
  readonly writeMs: number;
  /** Size of the new ciphertext minus that of the old. */
  readonly growthBytes: number;
  /** Size of old row versions, which remain until the engine removes them. */
  readonly leftBytes: number;
}

/** Duration of a rotation and how much the database grows. Based on a sample, so within a factor of two at best. */
export interface Estimate {
  readonly targets: readonly TargetEstimate[];
  readonly workers: number;
  /** True: writes were timed on this database and rolled back. False: based on a rate that was measured elsewhere. */
  readonly writesTimed: boolean;
  readonly rotationMs: number;
  readonly verificationMs: number;
  readonly growthBytes: number;
  readonly digestBytes: number;
  readonly leftBytes: number;
  /** Null: no window was given. */
  readonly windows: number | null;
}

export interface EstimateOrder {
  readonly job: Job;
  readonly inventory: Inventory;
  readonly from: Keyring;
  readonly to: Keyring;
  readonly workers: number;
  /** Writes one chunk per target in a transaction that is rolled back. */
  readonly sampleWrites: boolean;
  /** Length of the maintenance window; null: not given. */
  readonly windowMs: number | null;
  readonly attachments: string | null;
}

/** Reads the first rows of each target, rotates them in memory, and extrapolates to all rows. */
export async function estimate(database: Database, order: EstimateOrder): Promise<Estimate> {
  const targets: TargetEstimate[] = [];
  for (const target of order.job.targets)
    targets.push(
      target.tree === undefined
        ? await estimateTarget(database, target, order)
        : await estimateFiles(target, order),
    );
  const sum = (of: (target: TargetEstimate) => number): number =>
    targets.reduce((n, each) => n + of(each), 0);
  const workMs = sum(({ workMs: ms }) => ms) / order.workers;
  const rotationMs = workMs + sum(({ writeMs }) => writeMs);
  return {
    targets,
    workers: order.workers,
    writesTimed: order.sampleWrites,
    rotationMs,
    // The verification reads, opens and digests, which is not more work than the rotation
    verificationMs: workMs,
    growthBytes: sum(({ growthBytes }) => growthBytes),
    digestBytes: sum(({ rows }) => rows) * entryBytes,
    leftBytes: sum(({ leftBytes }) => leftBytes),
    windows: order.windowMs === null ? null : windowsFor(rotationMs + workMs, order.windowMs),
  };
}

async function estimateTarget(
  database: Database,
  target: Target,
  { job, inventory, from, to, sampleWrites }: EstimateOrder,
): Promise<TargetEstimate> {
  const { shape } = target;
  const name = targetName(target);
  const rows = inventory.targets.find((each) => each.target === name)?.rows ?? 0;
  const upTo = await database.boundAfter(shape, null, sample);
  const nothing = { workMs: 0, writeMs: 0, growthBytes: 0, leftBytes: 0 };
  if (upTo === null) return { target: name, rows, sampled: 0, ...nothing };
  const prepared = prepareTarget(target, job.everywhere, layerFormats(job));
  const digests = digestKey(to.primary, 'estimate', name);
  let workMs = Number.POSITIVE_INFINITY;
  let rotated: RotatedRows | undefined;
  for (let pass = 0; pass < passes; pass++) {
    const started = performance.now();
    const read = await database.readRange(shape, { after: null, upTo });
    rotated = rotateRows(prepared, read, { from, to, mode: 'chunk' }, digests);
    workMs = Math.min(workMs, performance.now() - started);
  }
  const sampled = rotated?.rows.length ?? 0;
  const changes = (rotated?.rows ?? []).flatMap(({ change }) => (change === null ? [] : [change]));
  const ratio = rows / Math.max(1, sampled);
  const writeMs = sampleWrites
    ? await timeWrites(database, target, changes)
    : (changes.length * 1000) / database.traits.rowsPerSecond;
  const [before, after] = [sizeOf(changes, 'old'), sizeOf(changes, 'new')];
  const { versionBytes } = database.traits;
  const left =
    versionBytes === null ? 0 : changes.reduce((n, { id }) => n + bytesOf(id) + versionBytes, before);
  return {
    target: name,
    rows,
    sampled,
    workMs: workMs * ratio,
    writeMs: writeMs * ratio,
    growthBytes: (after - before) * ratio,
    leftBytes: left * ratio,
  };
}

/** Files are rehearsed: read, opened, sealed and opened again, which is more than the work of a rotation. */
async function estimateFiles(
  target: Target,
  { job, inventory, from, to, attachments }: EstimateOrder,
): Promise<TargetEstimate> {
  const { table } = target.shape;
  const { rows = 0, bytes = 0 } = inventory.targets.find((each) => each.target === table) ?? {};
  const tree = treeOf(target, attachments);
  const bound = await tree.boundAfter(null, { files: sample.rows, bytes: sample.bytes });
  const upTo = bound === null ? null : [bound];
  const digests = digestKey(to.primary, 'estimate', table);
  const started = performance.now();
  const rotated =
    upTo === null
      ? 0
      : (
          await rehearseFiles(
            tree,
            prepareTarget(target, job.everywhere),
            { after: null, upTo },
            { from, to, mode: 'chunk' },
            digests,
          )
        ).rows.length;
  const ratio = rows / Math.max(1, rotated);
  return {
    target: table,
    rows,
    sampled: rotated,
    workMs: (performance.now() - started) * ratio,
    writeMs: rows * fileSyncMs + (bytes / fileBytesPerSecond) * 1000,
    // The originals are kept
    growthBytes: bytes,
    leftBytes: 0,
  };
}

class RolledBack extends Error {}

/** Milliseconds that the transaction of one chunk takes. It is rolled back. */
async function timeWrites(
  database: Database,
  { shape }: Target,
  changes: readonly Change[],
): Promise<number> {
  if (changes.length === 0) return 0;
  const started = performance.now();
  try {
    await database.transaction(async (trx) => {
      const touched = changedColumnsOnly(shape, changes);
      await database.write(trx, touched.shape, touched.changes);
      throw new RolledBack();
    });
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error;
  }
  return performance.now() - started;
}

/** Each window has a margin at its end in which no chunk begins. */
function windowsFor(ms: number, windowMs: number): number {
  const marginMs = 1000;
  return Math.max(1, Math.ceil(ms / (windowMs - marginMs)));
}

function sizeOf(changes: readonly Change[], side: 'old' | 'new'): number {
  return changes.reduce((n, change) => n + bytesOf(change[side]), 0);
}

function bytesOf(texts: readonly (string | null)[]): number {
  return texts.reduce((n, text) => n + (text === null ? 0 : Buffer.byteLength(text)), 0);
}
