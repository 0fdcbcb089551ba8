import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ChunkTable } from '../../src/checkpoint/chunk-table.ts';
import { ChunkFigures } from '../../src/checkpoint/figures.ts';
import { CheckpointMac } from '../../src/checkpoint/mac.ts';
import { PlanCount } from '../../src/checkpoint/plan-count.ts';
import { migrate } from '../../src/checkpoint/schema.ts';
import { RowSource } from '../../src/chunk/row-source.ts';
import type { Database, Range, RowId } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';
import type { Target } from '../../src/job/job.ts';
import { Key } from '../../src/keys/key.ts';
import { halvesOf, Planner } from '../../src/rotation/planner.ts';
import { type Engine, engines, Places } from './places.ts';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

interface Ground {
  readonly database: Database;
  readonly chunks: ChunkTable;
  readonly target: Target;
  /** One by one, as the coordinator asks. */
  planned(fixedRows: number | null, source?: RowSource): Promise<Range[]>;
}

/** A table `t` with a composite id in an order of its own: descending text, gaps, and letters that sort oddly. */
async function ground(engine: Engine, rows: number, bytes = 10): Promise<Ground> {
  const url = engine === 'sqlite' ? `sqlite:${join(places.dir, 'p.sqlite')}` : (await places.postgres()).url;
  const database = places.closing(await openDatabase(url, { create: true }));
  await migrate(database);
  await database.knex.raw(
    'create table t (a integer not null, b varchar(20) not null, secret text, primary key (a, b))',
  );
  const all = Array.from({ length: rows }, (_, i) => ({
    a: ((i * 7919) % rows) % 50,
    b: `${'éZa_'[i % 4]}${i}`,
    secret: 'x'.repeat(bytes),
  }));
  for (let i = 0; i < rows; i += 200) await database.knex('t').insert(all.slice(i, i + 200));
  await database.catalog();
  const target: Target = {
    shape: { table: 't', id: ['a', 'b'], columns: ['secret'], written: 1 },
    phase: 0,
    fields: [],
  };
  const mac = new CheckpointMac(Key.fromText('new'), 'run');
  await database.knex.transaction((trx) => new PlanCount(database.knex, mac).begin(trx));
  const chunks = new ChunkTable(database.knex, 'run', mac);
  return {
    database,
    chunks,
    target,
    async planned(fixedRows, source = new RowSource(database, null)) {
      const figures = new ChunkFigures(database.knex, 'run');
      const planner = new Planner(source, chunks, figures, fixedRows);
      while (await planner.planNext(target));
      const ranges: Range[] = [];
      for await (const { range } of chunks.ranges()) ranges.push(range);
      return ranges;
    },
  };
}

async function idsIn({ database, target }: Ground, range: Range): Promise<RowId[]> {
  return (await database.readRange(target.shape, range)).map(({ id }) => id);
}

/** Every row is in exactly one range, and ranges follow one another. */
async function expectCovered(g: Ground, ranges: readonly Range[], rows: number): Promise<number[]> {
  expect(ranges[0]?.after).toBeNull();
  expect(ranges.at(-1)?.upTo).toBeNull();
  ranges.forEach((range, i) => {
    if (i > 0) expect(range.after).toEqual(ranges[i - 1]?.upTo);
  });
  const ids = await Promise.all(ranges.map((range) => idsIn(g, range)));
  const flat = ids.flat().map((id) => JSON.stringify(id));
  expect(flat).toHaveLength(rows);
  expect(new Set(flat).size).toBe(rows);
  return ids.map(({ length }) => length);
}

describe.each(engines)('ranges on %s', (engine) => {
  test('follow each other and cover a table with composite ids', async () => {
    const g = await ground(engine, 533);
    const sizes = await expectCovered(g, await g.planned(50), 533);
    expect(sizes).toEqual([...Array(10).fill(50), 33, 0]);
  });

  test('of an empty table are a single one, open at both ends', async () => {
    const g = await ground(engine, 0);
    expect(await g.planned(50)).toEqual([{ after: null, upTo: null }]);
  });

  test('do not change if rows are inserted; rows at the end belong to the open range', async () => {
    const g = await ground(engine, 100);
    const ranges = await g.planned(40);
    await g.database.knex('t').insert([
      { a: -1, b: 'first', secret: '' },
      { a: 25, b: 'middle', secret: '' },
      { a: 999, b: 'last', secret: '' },
    ]);
    expect(await g.planned(10)).toEqual(ranges);
    expect(await expectCovered(g, ranges, 103)).toHaveLength(ranges.length);
  });

  test('hold a limited number of bytes, but at least one row', async () => {
    const g = await ground(engine, 12, 1.25 * 1024 * 1024);
    expect(await expectCovered(g, await g.planned(1000), 12)).toEqual([3, 3, 3, 3, 0]);
    const huge = await ground(engine === 'sqlite' ? 'postgres' : 'sqlite', 2, 20 * 1024 * 1024);
    expect(await expectCovered(huge, await huge.planned(1000), 2)).toEqual([1, 1, 0]);
  });

  test('are halved down to one row, and every row stays in exactly one half', async () => {
    const g = await ground(engine, 21);
    await g.planned(30);
    const whole = await g.chunks.find(1);
    if (whole === undefined) throw new Error('no chunk');
    const halves = (await halvesOf(new RowSource(g.database, null), g.target, whole)) ?? [];
    expect(
      await expectCovered(
        g,
        [...halves.map(({ range }) => range), { after: whole.range.upTo, upTo: null }],
        21,
      ),
    ).toEqual([11, 10, 0]);
    let one = { ...whole };
    for (let i = 0; i < 10; i++) {
      const [half] = (await halvesOf(new RowSource(g.database, null), g.target, one)) ?? [];
      if (half === undefined) break;
      one = { ...one, ...half };
    }
    expect(await idsIn(g, one.range)).toHaveLength(1);
    expect(await halvesOf(new RowSource(g.database, null), g.target, one)).toBeNull();
  });
});

test('the size of a chunk follows the speed of the last ones, between 200 and 2,000 rows', async () => {
  const g = await ground('sqlite', 9000);
  const planner = new Planner(
    new RowSource(g.database, null),
    g.chunks,
    new ChunkFigures(g.database.knex, 'run'),
    null,
  );
  const sizeAt = async (msPerRow: number | null): Promise<number> => {
    if (msPerRow !== null)
      await g.database
        .knex('keyturn_chunk')
        .update({ state: 'rotated', rotated_at: 'now', row_count: 1000, ms: Math.round(1000 * msPerRow) });
    await planner.planNext(g.target);
    const range = await g.chunks.lastRange('t');
    return range === undefined ? 0 : (await idsIn(g, range)).length;
  };
  expect(await sizeAt(null)).toBe(500);
  expect(await sizeAt(1)).toBe(700);
  expect(await sizeAt(100)).toBe(200);
  expect(await sizeAt(0.001)).toBe(2000);
  expect(await sizeAt(0)).toBe(2000);
  expect(await sizeAt(0.5)).toBe(1400);
});

/** An engine that reads some row ids as others than it wrote, as MySQL did with integers beyond 2^63. */
class Misreading extends RowSource {
  readonly #bounds: readonly RowId[];
  #asked = 0;

  constructor(database: Database, bounds: readonly RowId[]) {
    super(database, null);
    this.#bounds = bounds;
  }

  override async boundAfter(): Promise<RowId | null> {
    return this.#bounds[this.#asked++ % this.#bounds.length] ?? null;
  }
}

test.each([
  ['stays where it is', [['1', 'a']]],
  [
    'goes back to an earlier one',
    [
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
    ],
  ],
])('a plan whose bound %s ends with an error that names the table and the row', async (_, bounds) => {
  const g = await ground('sqlite', 10);
  await expect(g.planned(5, new Misreading(g.database, bounds))).rejects.toThrow(
    new RegExp(`rows of t cannot be divided after row ${bounds.at(-1)?.join(', ')}`),
  );
});
