import type { Exception } from '../checkpoint/exception-table.ts';
import { addTally, emptyTally, type Tally } from '../checkpoint/tally.ts';
import type { Change, Database, Row, RowId, RowShape, Transaction } from '../databases/database.ts';
import type { OrdinaryRows } from './bulk/rotate.ts';
import { idAt } from './bulk/slice.ts';
import { changedColumnsOnly } from './changed-columns.ts';
import type { RotatedRows } from './rotate-rows.ts';
import { Contended } from './worker-context.ts';

/** What became of rows that were rotated together. */
export interface Part {
  readonly tally: Tally;
  readonly exceptions: readonly Exception[];
  readonly digests: Buffer;
}

/** @param counts false: another writer has changed the row meanwhile */
export function partOf(
  rotated: Pick<RotatedRows, 'rows' | 'digests'>,
  counts: (index: number) => boolean = () => true,
): Part {
  const rows = rotated.rows.filter((_, index) => counts(index));
  const tally = emptyTally();
  for (const row of rows) addTally(tally, row.tally);
  return {
    tally,
    exceptions: rows.flatMap(({ exceptions }) => exceptions),
    digests: rotated.digests(counts),
  };
}

/**
 * Writes rotated rows by compare-and-set. Rows that another writer has changed are read again under their locks and redone
 * (invariant 3).
 */
export class RowWriter {
  readonly #database: Database;
  readonly #trx: Transaction;
  readonly #shape: RowShape;
  readonly #rotate: (rows: readonly Row[]) => RotatedRows;

  /** @param rotate what becomes of rows that are read again */
  constructor(
    database: Database,
    trx: Transaction,
    shape: RowShape,
    rotate: (rows: readonly Row[]) => RotatedRows,
  ) {
    this.#database = database;
    this.#trx = trx;
    this.#shape = shape;
    this.#rotate = rotate;
  }

  async rotated(rotated: RotatedRows): Promise<Part[]> {
    const lost = await this.#write(rotated);
    if (lost.length === 0) return [partOf(rotated)];
    const places = new Set(lost.map(({ place }) => place));
    return [partOf(rotated, (index) => !places.has(index)), await this.#again(lost.map(({ id }) => id))];
  }

  async ordinary({ batch, shape, written, summary }: OrdinaryRows): Promise<Part[]> {
    const lost =
      batch.rows === 0 ? [] : await this.#database.batches.writeBatch(this.#trx, shape, batch, written);
    const part = { ...summary(new Set(lost)), exceptions: [] };
    if (lost.length === 0) return [part];
    return [part, await this.#again(lost.map((place) => idAt(batch, place)))];
  }

  async #again(ids: readonly RowId[]): Promise<Part> {
    const again = this.#rotate(await this.#database.readRows(this.#shape, ids, this.#trx));
    const lost = await this.#write(again);
    if (lost.length === 0) return partOf(again);
    const rows = lost.slice(0, 5).map(({ id }) => id.join(', '));
    throw new Contended(
      `stored values of ${this.#shape.table} differ from what was read, in row ${rows.join('; ')}`,
    );
  }

  async #write({ rows }: RotatedRows): Promise<{ readonly place: number; readonly id: RowId }[]> {
    const changes: Change[] = [];
    const places: number[] = [];
    rows.forEach(({ change }, place) => {
      if (change === null) return;
      places.push(place);
      changes.push(change);
    });
    if (changes.length === 0) return [];
    const touched = changedColumnsOnly(this.#shape, changes);
    const lost = await this.#database.write(this.#trx, touched.shape, touched.changes);
    return lost.map((at) => ({ place: places[at] as number, id: (changes[at] as Change).id }));
  }
}
