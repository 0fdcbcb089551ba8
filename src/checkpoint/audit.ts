import type { Knex } from 'knex';
import { targetName } from '../job/job.ts';
import { type ChunkRow, chunkColumns, chunkName, chunkOf } from './chunk.ts';
import { assertPlan, assertRotated, assertVerified, authenticatedColumns, planColumns } from './chunk-mac.ts';
import { altered, type CheckpointMac } from './mac.ts';
import { assertCounted, PlanCount } from './plan-count.ts';
import { isFinished, type Run } from './run.ts';

const page = 500;

/** The ranges of one target: their ends, by their beginnings. */
type Ranges = Map<string | null, string | null>;

/**
 * Every chunk of a run is unchanged since keyturn wrote it, and the ranges of every target follow each other without a
 * gap. The digests are many: they are checked where they are compared.
 *
 * @param complete the run has verified everything: each target is covered from its first row to its last, and the last
 * scan read every range
 * @throws KeyturnError `checkpoint-altered`, which names the record
 */
export async function assertAuthenticChunks(
  knex: Knex,
  run: Run,
  mac: CheckpointMac,
  complete: boolean,
): Promise<void> {
  const walked = new Set(run.job.targets.filter(({ onlyVerified }) => onlyVerified === true).map(targetName));
  const known = new Map<string, Ranges>(run.job.targets.map((target) => [targetName(target), new Map()]));
  const ranges: ChunkRow[] = [];
  const sweeps = new Map<number, string[]>();
  const counts = new Map<string, number>();
  for await (const row of allChunks(knex, run.id)) {
    assertPlan(mac, row);
    counts.set(row.target, (counts.get(row.target) ?? 0) + 1);
    assertRotated(mac, row);
    const { state } = chunkOf(run.id, row);
    if (state === 'planned' && (row.rotated_mac !== null || row.rotated_at !== null))
      throw altered(run.id, `${chunkName(row)} was rotated and is planned again`);
    const at = known.get(row.target);
    if (at === undefined)
      throw altered(run.id, `chunk ${row.chunk} belongs to ${row.target}, which is not in the job`);
    if (row.row_ids !== null) {
      if (row.rotated_mac !== null)
        sweeps.set(row.parent, [...(sweeps.get(row.parent) ?? []), row.rotated_mac]);
      continue;
    }
    if (state === 'split') continue;
    const done = state === 'rotated' || state === 'verified';
    if (done && row.rotated_mac === null && run.kind !== 'verification' && !walked.has(row.target))
      throw altered(run.id, `${chunkName(row)} was not rotated`);
    if (at.has(row.after)) throw altered(run.id, `two chunks of ${row.target} begin at the same row`);
    at.set(row.after, row.up_to);
    if (complete) ranges.push(row);
  }
  // Of a run that verified everything, nothing is planned again; those of an earlier version have no count
  if (!isFinished(run.state)) assertCounted(run.id, await new PlanCount(knex, mac).read(), counts);
  for (const [target, of] of known) assertTiled(run, target, of, complete);
  for (const row of ranges) {
    if (row.verified_round < run.round || row.state !== 'verified')
      throw altered(run.id, `the last scan did not read ${chunkName(row)}`);
    assertVerified(mac, row, sweeps.get(row.chunk) ?? []);
  }
}

/** Bounds are compared as stored texts: only the database knows their order (invariant 10). */
function assertTiled(run: Run, target: string, ranges: Ranges, complete: boolean): void {
  let followed = 0;
  for (let after: string | null = null; ranges.has(after); ) {
    followed++;
    const upTo: string | null = ranges.get(after) ?? null;
    if (upTo === null) break;
    after = upTo;
  }
  const ends = [...ranges.values()].includes(null);
  if (followed !== ranges.size || (complete && !ends))
    throw altered(run.id, `the chunks of ${target} leave rows out`);
}

async function* allChunks(knex: Knex, run: string): AsyncGenerator<ChunkRow> {
  const columns = [...chunkColumns, ...planColumns, ...authenticatedColumns];
  for (let after = 0; ; ) {
    const rows: ChunkRow[] = await knex('keyturn_chunk')
      .where({ run })
      .where('chunk', '>', after)
      .orderBy('chunk')
      .limit(page)
      .select(columns);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.chunk;
  }
}
