import type { Chunk, NewChunk } from '../checkpoint/chunk.ts';
import type { ChunkTable } from '../checkpoint/chunk-table.ts';
import type { ChunkFigures } from '../checkpoint/figures.ts';
import type { RowSource } from '../chunk/row-source.ts';
import type { RowId } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { type Job, type Target, targetName } from '../job/job.ts';
import { defaultChunkBytes } from './memory.ts';

const smallest = 200;
const first = 500;
/** A chunk should take about this long (bench/README.md). */
const targetMs = 700;

/**
 * Divides a target's rows into ranges, one at a time, in the order of the database. Planned bounds never change. The
 * last range has an open upper end, so that it includes rows inserted later.
 */
export class Planner {
  readonly #source: RowSource;
  readonly #chunks: ChunkTable;
  readonly #figures: ChunkFigures;
  readonly #fixedRows: number | null;
  readonly #bytes: number;
  readonly #done = new Set<string>();
  /** Bounds of each target. One that comes back means that the plan goes round in circles. */
  readonly #bounds = new Map<string, Set<string>>();

  /**
   * @param fixedRows rows per chunk; null: sized by the time that the target's last chunks took.
   * @param bytes of the rows of one chunk; documents can be megabytes.
   */
  constructor(
    source: RowSource,
    chunks: ChunkTable,
    figures: ChunkFigures,
    fixedRows: number | null,
    bytes = defaultChunkBytes,
  ) {
    this.#bytes = bytes;
    this.#source = source;
    this.#chunks = chunks;
    this.#figures = figures;
    this.#fixedRows = fixedRows;
  }

  /** Plans the target's next range; false: the target is completely planned. */
  async planNext(target: Target): Promise<boolean> {
    const name = targetName(target);
    if (this.#done.has(name)) return false;
    const last = await this.#chunks.lastRange(name);
    if (last !== undefined && last.upTo === null) {
      this.#done.add(name);
      return false;
    }
    const after = last?.upTo ?? null;
    const limit = { rows: await this.#rows(target), bytes: this.#bytes };
    const upTo = await this.#source.boundAfter(target, after, limit);
    this.#assertAdvances(name, after, upTo);
    await this.#chunks.insert([
      { target: name, phase: target.phase, parent: null, range: { after, upTo }, rowIds: null },
    ]);
    return true;
  }

  #assertAdvances(name: string, after: RowId | null, upTo: RowId | null): void {
    if (after === null || upTo === null) return;
    const bounds = this.#bounds.get(name) ?? new Set();
    this.#bounds.set(name, bounds.add(JSON.stringify(after)));
    if (bounds.has(JSON.stringify(upTo))) throw stuck(name, after);
  }

  async #rows(target: Target): Promise<number> {
    if (this.#fixedRows !== null) return this.#fixedRows;
    const pace = await this.#figures.recentPace(targetName(target));
    if (pace === null) return first;
    return Math.max(smallest, Math.min(this.#source.chunkRows(target), Math.round(targetMs / pace)));
  }
}

/** An engine that reads a row id as another value than it wrote: the plan would never end. */
function stuck(target: string, id: RowId): KeyturnError {
  return new KeyturnError(
    'chunk-failed',
    `the rows of ${target} cannot be divided after row ${id.join(', ')}`,
    {
      hint: 'report this with the type of the row id; nothing after that row was changed',
      facts: { target },
    },
  );
}

/** Plans one more range of each target, and returns the targets that are not completely planned. */
export async function planRound(planner: Planner, targets: readonly Target[]): Promise<Target[]> {
  const left: Target[] = [];
  for (const target of targets) if (await planner.planNext(target)) left.push(target);
  return left;
}

/** Splits a chunk that took too long in two, down to a single row, which then fails and is named. */
export async function splitSlow(source: RowSource, chunks: ChunkTable, { targets }: Job): Promise<void> {
  const slow = await chunks.timedOut();
  const target = targets.find((each) => targetName(each) === slow?.target);
  if (slow === undefined || target === undefined) return;
  const halves = await halvesOf(source, target, slow);
  if (halves !== null) await chunks.split(slow, halves);
}

/** The two halves of a chunk; null: it has only one row. */
export async function halvesOf(source: RowSource, target: Target, chunk: Chunk): Promise<NewChunk[] | null> {
  const { target: name, phase, parent, range } = chunk;
  if (chunk.rowIds !== null) {
    const middle = Math.ceil(chunk.rowIds.length / 2);
    if (chunk.rowIds.length < 2) return null;
    return [chunk.rowIds.slice(0, middle), chunk.rowIds.slice(middle)].map((rowIds) => ({
      target: name,
      phase,
      parent,
      range,
      rowIds,
    }));
  }
  const ids = await source.ids(target, range);
  const middle = ids[Math.ceil(ids.length / 2) - 1];
  if (ids.length < 2 || middle === undefined) return null;
  return [
    { target: name, phase, parent, range: { after: range.after, upTo: middle }, rowIds: null },
    { target: name, phase, parent, range: { after: middle, upTo: range.upTo }, rowIds: null },
  ];
}
