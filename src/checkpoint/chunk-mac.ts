import { type ChunkRow, chunkName } from './chunk.ts';
import { altered, type CheckpointMac } from './mac.ts';
import { tallyColumns, verificationColumns } from './migrations.ts';

/** Columns that the MAC of a planned chunk needs besides those of a chunk. */
export const planColumns = ['split_of', 'plan_mac'];

/** Those that the other MACs need, without its digests. */
export const authenticatedColumns = [
  'rotated_at',
  'digests_mac',
  'rotated_mac',
  'verified_mac',
  ...tallyColumns,
  ...verificationColumns,
];

/** What is fixed when a chunk is planned. Its attempts, its generation and its error are not. */
export function planMac(mac: CheckpointMac, row: ChunkRow): string {
  return mac.of('chunk', planOf(row));
}

function planOf(row: ChunkRow) {
  const { chunk, target, phase, parent, after, up_to: upTo, row_ids: rowIds, split_of: splitOf } = row;
  return [chunk, target, phase, parent, after, upTo, rowIds, splitOf ?? null];
}

export function digestsMac(mac: CheckpointMac, chunk: number, digests: Buffer): string {
  return mac.of('digests', [chunk, digests]);
}

/** What became of a chunk: its tally, and by their MAC its digests. */
export function rotatedMac(mac: CheckpointMac, row: ChunkRow): string {
  return mac.of('rotated', rotatedOf(row));
}

function rotatedOf(row: ChunkRow) {
  return [row.chunk, row.digests_mac, ...tallyColumns.map((column) => row[column])];
}

/**
 * What a scan found in a range, and which digests it compared with.
 *
 * @param row the range, as the scan leaves it
 * @param sweeps of the range: their `rotated_mac`, in the order of their numbers
 */
export function verifiedMac(mac: CheckpointMac, row: ChunkRow, sweeps: readonly string[]): string {
  return mac.of('verified', verifiedOf(row, sweeps));
}

function verifiedOf(row: ChunkRow, sweeps: readonly string[]) {
  const counts = verificationColumns.map((column) => row[column]);
  return [row.chunk, row.verified_round, row.rotated_mac ?? null, ...counts, ...sweeps];
}

/** @throws KeyturnError `checkpoint-altered` */
export function assertPlan(mac: CheckpointMac, row: ChunkRow): void {
  if (!mac.matches(row.plan_mac, 'chunk', planOf(row)))
    throw altered(mac.run, `the plan of ${chunkName(row)}`);
}

/** A chunk that says it was rotated was, and its tally is what it was then. @throws KeyturnError `checkpoint-altered` */
export function assertRotated(mac: CheckpointMac, row: ChunkRow): void {
  if (row.rotated_mac === null && row.rotated_at === null) return;
  if (!mac.matches(row.rotated_mac, 'rotated', rotatedOf(row)))
    throw altered(mac.run, `the tally of ${chunkName(row)}`);
}

/** @throws KeyturnError `checkpoint-altered` */
export function assertDigests(mac: CheckpointMac, row: ChunkRow): void {
  if (row.digests_mac === null && row.digests === null) return;
  const digests = row.digests ?? Buffer.alloc(0);
  if (!mac.matches(row.digests_mac, 'digests', [row.chunk, digests]))
    throw altered(mac.run, `the digests of ${chunkName(row)}`);
}

/** @throws KeyturnError `checkpoint-altered` */
export function assertVerified(mac: CheckpointMac, row: ChunkRow, sweeps: readonly string[]): void {
  if (!mac.matches(row.verified_mac, 'verified', verifiedOf(row, sweeps)))
    throw altered(mac.run, `the verification of ${chunkName(row)}`);
}
