import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Database, Row, RowId, RowShape, Transaction } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';
import { textAt, textsOf } from '../../src/texts.ts';

/** An empty database, and a way to run SQL on it that is not the code under test. */
export interface Fixture {
  readonly url: string;
  exec(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** A table with row ids that are hard to page through: its columns, and SQL literals of its rows in no order. */
export interface IdCase {
  readonly name: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly rows: readonly string[];
}

export interface TestDialect {
  /** The quote of identifiers; default `"`. */
  readonly quote?: string;
  /** The type of a text column that ignores case. */
  readonly caseInsensitive: string;
  /** A type of up to 40 characters, for row ids, to which all texts are different; default `varchar(40)`. */
  readonly exactText?: string;
  /** Row ids that differ only in trailing spaces are equal. */
  readonly padsText?: boolean;
  /** Length of a text in the unit of a column's length; default: its number of characters. */
  readonly length?: (value: string) => number;
  /** The literal of a text; default: only quotes are doubled. */
  readonly text?: (value: string) => string;
  /** A type for bytes, and their literals. */
  readonly binary: string;
  readonly bytes: (value: Buffer) => string;
  /** Statements that create a trigger without an effect. */
  readonly trigger: (name: string, event: 'update' | 'delete', table: string) => readonly string[];
  /** Statements that create unique indexes which cover `v` and do not identify the rows. */
  readonly uselessIndexes: (table: string) => readonly string[];
  /** A statement after which the connection waits for a lock as short as possible. */
  readonly impatient: string;
  /** What the list of sessions contains for a program that names itself "the application". */
  readonly program: string;
  readonly idCases: readonly IdCase[];
  /** Names of tests that this server, a substitute, cannot pass. */
  readonly beyond?: ReadonlySet<string>;
}

/** Partial indexes and indexes over expressions, which not every engine has. */
export const incompleteIndexes = (table: string): readonly string[] => [
  `create unique index ${table}_partial on ${table} (v) where v <> ''`,
  `create unique index ${table}_expression on ${table} (lower(v))`,
  `create unique index ${table}_mixed on ${table} (v, lower(v))`,
];

function testUnlessBeyond(dialect: TestDialect, name: string, work: () => Promise<void>): void {
  (dialect.beyond?.has(name) ? test.skip : test)(name, work);
}

const quoting =
  ({ quote = '"' }: TestDialect) =>
  (name: string): string =>
    `${quote}${name.replaceAll(quote, quote + quote)}${quote}`;

const doubled = (value: string): string => `'${value.replaceAll("'", "''")}'`;

const product = (...lists: (readonly string[])[]): string[] =>
  lists.reduce<string[]>(
    (all, list) => all.flatMap((one) => list.map((next) => (one === '' ? next : `${one}, ${next}`))),
    [''],
  );

const commonCases = (dialect: TestDialect): readonly IdCase[] => [
  { name: 'integers', columns: { a: 'integer' }, rows: ['10', '9', '-1', '0', '100', '2', '11', '1'] },
  {
    name: 'integers beyond 2^53',
    columns: { a: 'bigint' },
    rows: [
      '9007199254740993',
      '9007199254740992',
      '9007199254740994',
      '9223372036854775807',
      '-9223372036854775807',
      '1',
    ],
  },
  {
    name: 'text',
    columns: { a: dialect.exactText ?? 'varchar(40)' },
    rows: [
      ...(dialect.padsText ? [] : ["'b '"]),
      ...["''", "'a'", "'B'", "'b'", "'ä'", "'10'", "'9'", "'it''s'", "'a\nb'", "'😀'", "'t:x'"],
    ],
  },
  {
    name: 'two columns',
    columns: { a: 'integer', b: 'varchar(10)' },
    rows: product(['1', '2', '3', '10'], ["'a'", "'b'", "'c'"]),
  },
  {
    name: 'three columns',
    columns: { a: 'integer', b: 'varchar(10)', c: 'bigint' },
    rows: product(['1', '2', '10'], ["'a'", "'b'"], ['9007199254740993', '9007199254740992']),
  },
  {
    name: 'four columns',
    columns: { a: 'integer', b: 'integer', c: 'varchar(10)', d: 'integer' },
    rows: product(['1', '2'], ['10', '9'], ["'a'", "'b'", "'c'"], ['1', '2']),
  },
];

export function describeDatabase(name: string, fixture: () => Promise<Fixture>, dialect: TestDialect): void {
  describe(name, () => {
    let world: Fixture;
    let database: Database;

    beforeAll(async () => {
      world = await fixture();
      database = await openDatabase(world.url);
    });

    afterAll(async () => {
      await database?.close();
      await world?.close();
    });

    describeCatalog(() => [world, database], dialect);
    describeReading(() => [world, database], dialect);
    describeWriting(() => [world, database], dialect);
    describeSearch(() => [world, database], dialect);
    describeTransactions(() => [world, database], dialect);
    describeRunLock(() => [world, database]);
    describeSurroundings(() => [world, database], dialect);
  });
}

type Both = () => readonly [Fixture, Database];

function describeCatalog(both: Both, dialect: TestDialect): void {
  describe('catalog', () => {
    beforeAll(async () => {
      const [world] = both();
      await world.exec(
        'create table catalog_pair (b integer not null, v varchar(20), a integer not null, primary key (a, b))',
      );
      await world.exec(
        'create table catalog_unique (v text not null, u varchar(9) not null, n integer unique, constraint u unique (u))',
      );
      for (const index of dialect.uselessIndexes('catalog_unique')) await world.exec(index);
      await world.exec('create table catalog_none (v text)');
      await world.exec('create table catalog_useless (v text not null, n integer unique)');
      for (const index of dialect.uselessIndexes('catalog_useless')) await world.exec(index);
      await world.exec('create view catalog_view as select * from catalog_pair');
      await world.exec('create table keyturn_event (id integer primary key)');
      await world.exec('create table keyturner (id integer primary key)');
    });

    const table = async (name: string) => (await both()[1].catalog()).find((each) => each.name === name);

    test("lists base tables, but no views and none of keyturn's own", async () => {
      const names = (await both()[1].catalog()).map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining(['catalog_pair', 'catalog_unique', 'catalog_none', 'keyturner']),
      );
      expect(names).not.toContain('catalog_view');
      expect(names).not.toContain('keyturn_event');
    });

    test('lists the columns of a primary key in key order', async () => {
      expect((await table('catalog_pair'))?.rowId).toEqual(['a', 'b']);
      expect(
        (await table('catalog_pair'))?.columns.map(({ name, holds, nullable }) => [name, holds, nullable]),
      ).toEqual([
        ['b', 'other', false],
        ['v', 'text', true],
        ['a', 'other', false],
      ]);
    });

    test('uses a unique index over NOT NULL columns if there is no primary key', async () => {
      expect((await table('catalog_unique'))?.rowId).toEqual(['u']);
      expect((await table('catalog_unique'))?.indexed).toEqual(expect.arrayContaining(['u', 'n', 'v']));
      expect((await table('catalog_unique'))?.unique).toEqual(expect.arrayContaining(['u', 'n']));
    });

    test('reports a table without a row id', async () => {
      expect((await table('catalog_none'))?.rowId).toEqual([]);
      expect((await table('catalog_none'))?.indexed).toEqual([]);
    });

    testUnlessBeyond(
      dialect,
      'uses no unique index that is nullable, partial or over an expression',
      async () => {
        expect((await table('catalog_useless'))?.rowId).toEqual([]);
      },
    );

    test('lists the triggers that an update fires', async () => {
      const [world] = both();
      await world.exec('create table catalog_guarded (id integer primary key, v text)');
      for (const statement of dialect.trigger('watch_update', 'update', 'catalog_guarded'))
        await world.exec(statement);
      for (const statement of dialect.trigger('watch_delete', 'delete', 'catalog_guarded'))
        await world.exec(statement);
      expect((await table('catalog_guarded'))?.triggers).toEqual(['watch_update']);
      expect((await table('catalog_pair'))?.triggers).toEqual([]);
    });

    test('distinguishes text, bytes and generated columns', async () => {
      const [world, database] = both();
      await world.exec(
        `create table catalog_kinds (id integer primary key, v text, b ${dialect.binary}, n integer, g varchar(9) generated always as (v) stored)`,
      );
      const kinds = (await database.catalog()).find(({ name }) => name === 'catalog_kinds')?.columns;
      expect(kinds?.map(({ name, holds, generated }) => [name, holds, generated])).toEqual([
        ['id', 'other', false],
        ['v', 'text', false],
        ['b', 'binary', false],
        ['n', 'other', false],
        ['g', 'text', true],
      ]);
    });

    test('refuses a table that does not exist', async () => {
      await expect(both()[1].count('catalog_view')).rejects.toMatchObject({ code: 'database-missing' });
    });
  });
}

/** All chunks of a table, as the planner plans them and a worker reads them. */
async function walk(
  database: Database,
  shape: RowShape,
  limit: { rows: number; bytes: number },
): Promise<Row[][]> {
  const chunks: Row[][] = [];
  for (let after: RowId | null = null; chunks.length < 1_000; ) {
    const upTo = await database.boundAfter(shape, after, limit);
    if (upTo === null) return chunks;
    chunks.push(await database.readRange(shape, { after, upTo }));
    after = upTo;
  }
  throw new Error('the walk does not end');
}

const whole = { rows: 3, bytes: 1_000_000 };

function describeReading(both: Both, dialect: TestDialect): void {
  const q = quoting(dialect);
  describe('reading', () => {
    test.each(
      [...commonCases(dialect), ...dialect.idCases]
        .filter((each) => !dialect.beyond?.has(`pages through row ids: ${each.name}`))
        .map((each, index) => [each.name, index, each] as const),
    )('pages through row ids: %s', async (_, index, each) => {
      const [world, database] = both();
      const table = `page_${index}`;
      const id = Object.keys(each.columns);
      const columns = Object.entries(each.columns).map(([column, type]) => `${q(column)} ${type} not null`);
      await world.exec(`create table ${table} (${columns}, v text, primary key (${id.map(q)}))`);
      for (const [place, row] of each.rows.entries())
        await world.exec(`insert into ${table} values (${row}, 'v${place}')`);
      await database.catalog();
      const ordered = await world.exec(`select v from ${table} order by ${id.map(q)}`);
      const shape: RowShape = { table, id, columns: ['v'], written: 1 };

      const chunks = await walk(database, shape, whole);
      expect(chunks.flat().map((row) => row.values[0])).toEqual(ordered.map((row) => row.v));
      expect(chunks.slice(0, -1).every((chunk) => chunk.length === 3)).toBe(true);
      expect(await database.count(table)).toBe(each.rows.length);

      const all = chunks.flat();
      expect(await database.readRange(shape, { after: null, upTo: null })).toEqual(all);
      expect(await database.readRange(shape, { after: all[1]!.id, upTo: null }, 2)).toEqual(all.slice(2, 4));
      const found = await database.readRows(
        shape,
        all.map((row) => row.id),
      );
      expect(new Set(found.map((row) => row.values[0]))).toEqual(new Set(all.map((row) => row.values[0])));
      expect(new Set(found.map((row) => row.id.join('\0'))).size).toBe(all.length);
      const unwritten = await database.transaction((trx) =>
        database.write(
          trx,
          shape,
          all.map((row) => ({ id: row.id, old: row.values, new: [`new ${row.values[0]}`] })),
        ),
      );
      expect(unwritten).toEqual([]);
      expect((await world.exec(`select v from ${table} order by ${id.map(q)}`)).map((row) => row.v)).toEqual(
        ordered.map((row) => `new ${row.v}`),
      );
    });

    test('reads all rows of a table without a row id, and can be used again after an error', async () => {
      const [world, database] = both();
      await world.exec(`create table unkeyed (v text, w ${dialect.binary})`);
      for (let row = 0; row < 4; row++)
        await world.exec(`insert into unkeyed values ('v${row}', ${dialect.bytes(Buffer.from([row, 255]))})`);
      await database.catalog();
      const shape: RowShape = { table: 'unkeyed', id: [], columns: ['v', 'w'], written: 0 };
      const rows: Row[] = [];
      await database.readAll(shape, (row) => rows.push(row));
      expect(rows.map(({ values }) => values).sort()).toEqual(
        [0, 1, 2, 3].map((row) => [`v${row}`, `${String.fromCharCode(row)}\xff`]),
      );
      expect(rows.map(({ id }) => id)).toEqual([[], [], [], []]);
      let met = 0;
      const failing = database.readAll(shape, () => {
        met++;
        throw new Error('no more');
      });
      await expect(failing).rejects.toThrow('no more');
      expect([met, await database.count('unkeyed')]).toEqual([1, 4]);
      await expect(database.readAll({ ...shape, columns: ['x'] }, () => undefined)).rejects.toHaveProperty(
        'message',
      );
      expect(await database.count('unkeyed')).toBe(4);
    });

    testUnlessBeyond(dialect, 'limits a chunk by bytes, but to no less than one row', async () => {
      const [world, database] = both();
      await world.exec('create table heavy (id integer primary key, v text, w text)');
      for (const [id, size] of [5, 5, 500, 5, 5, 5].entries())
        await world.exec(`insert into heavy values (${id}, '${'x'.repeat(size)}', null)`);
      await database.catalog();
      const shape: RowShape = { table: 'heavy', id: ['id'], columns: ['v', 'w'], written: 2 };
      const sizes = async (rows: number, bytes: number) =>
        (await walk(database, shape, { rows, bytes })).map((chunk) => chunk.length);
      expect(await sizes(100, 10)).toEqual([2, 1, 2, 1]);
      expect(await sizes(100, 1)).toEqual([1, 1, 1, 1, 1, 1]);
      expect(await sizes(100, 1_000)).toEqual([6]);
      expect(await sizes(4, 1_000)).toEqual([4, 2]);
      expect(await database.boundAfter({ ...shape, columns: [] }, null, { rows: 100, bytes: 1 })).toEqual([
        '5',
      ]);
    });

    testUnlessBeyond(dialect, 'measures the longest value in characters', async () => {
      const [world, database] = both();
      await world.exec('create table measured (id integer primary key, v varchar(9), w text)');
      await database.catalog();
      expect(await database.longest('measured', 'v')).toBe(0);
      await world.exec("insert into measured values (1, 'äöü😀', null), (2, 'abc', null)");
      expect(await database.longest('measured', 'v')).toBe(dialect.length?.('äöü😀') ?? 4);
      expect(await database.longest('measured', 'w')).toBe(0);
    });

    test('finds no bound in an empty table', async () => {
      const [world, database] = both();
      await world.exec(`create table ${q('empty')} (id integer primary key, v text)`);
      await database.catalog();
      const shape: RowShape = { table: 'empty', id: ['id'], columns: ['v'], written: 1 };
      expect(await database.boundAfter(shape, null, whole)).toBeNull();
      expect(await database.readRange(shape, { after: null, upTo: null })).toEqual([]);
      expect(await database.readRows(shape, [['1']])).toEqual([]);
      expect(await database.readRows(shape, [])).toEqual([]);
    });

    for (const table of [
      'quote"d',
      'back`tick',
      'two  words',
      'a?b',
      'a\\?b',
      'user',
      'a$1',
      'b[1]',
      ':c',
      "d'e",
      'ünï',
    ]) {
      testUnlessBeyond(dialect, `accepts the identifier ${table}`, async () => {
        const [world, database] = both();
        await world.exec(
          `create table ${q(table)} (${q('id?')} integer not null, ${q('select "x"')} varchar(5) not null, ${q(table)} text, ${q('@v')} text, primary key (${q('id?')}, ${q('select "x"')}))`,
        );
        for (let row = 0; row < 5; row++)
          await world.exec(`insert into ${q(table)} values (${row}, 'x?', 'value ${row}', null)`);
        expect((await database.catalog()).map((each) => each.name)).toContain(table);
        const shape: RowShape = { table, id: ['id?', 'select "x"'], columns: [table, '@v'], written: 2 };
        const rows = (await walk(database, shape, whole)).flat();
        expect(rows.map((row) => row.values)).toEqual([0, 1, 2, 3, 4].map((row) => [`value ${row}`, null]));
        expect(await database.readRows(shape, [rows[1]!.id])).toEqual([rows[1]]);
        expect(await database.search(shape, ['e 3'], null, 10)).toEqual([rows[3]]);
        expect(
          await database.transaction((trx) =>
            database.write(trx, shape, [{ ...rows[0]!, old: rows[0]!.values, new: ['?', '$1'] }]),
          ),
        ).toEqual([]);
        expect((await database.readRows(shape, [rows[0]!.id]))[0]!.values).toEqual(['?', '$1']);
        expect((await database.server.privileges([table])).update.get(table)).toBe('yes');
      });
    }
  });
}

function describeWriting(both: Both, dialect: TestDialect): void {
  const text = dialect.text ?? doubled;
  describe('writing', () => {
    const shape: RowShape = { table: 'written', id: ['id'], columns: ['a', 'b', 'c'], written: 2 };

    beforeAll(async () => {
      const [world] = both();
      await world.exec(
        `create table written (id integer primary key, a ${dialect.caseInsensitive}, b text, c text)`,
      );
    });

    /** Writes the row with id 1 where it has these old values; returns what is stored afterwards. */
    async function attempt(stored: readonly (string | null)[], old: readonly (string | null)[], id = '1') {
      const [world, database] = both();
      const literal = (value: string | null | undefined): string => (value == null ? 'null' : text(value));
      await world.exec('delete from written');
      await world.exec(`insert into written values (1, ${stored.map(literal)})`);
      await database.catalog();
      const unwritten = await database.transaction((trx) =>
        database.write(trx, shape, [{ id: [id], old, new: ['new a', null, 'never written'] }]),
      );
      const [row] = await world.exec('select a, b, c from written where id = 1');
      return { unwritten, row: [row?.a, row?.b, row?.c] };
    }

    const done = (c: string | null) => ({ unwritten: [], row: ['new a', null, c] });

    test.each([
      ['equal values', ['x', 'y', 'z']],
      ['NULL for NULL', [null, 'y', null]],
      ['empty texts', ['', '', '']],
      ['what looks like syntax', ['{"a": [null]}', `\\ " ' , { } NULL`, '?']],
      ['characters of all sizes', ['äß', '😀\u0301', '\t\r\n']],
    ] as const)('overwrites %s', async (_, stored) => {
      expect(await attempt(stored, stored)).toEqual(done(stored[2]));
    });

    test.each([
      ['a changed value', ['x', 'y', 'z'], ['x', 'y2', 'z'], '1'],
      ['a changed column that is only compared', ['x', 'y', 'z'], ['x', 'y', 'z2'], '1'],
      ['NULL for a value', ['x', 'y', 'z'], ['x', null, 'z'], '1'],
      ['a value for NULL', ['x', null, 'z'], ['x', '', 'z'], '1'],
      ['another case, though the column ignores case', ['Secret', 'y', 'z'], ['sECRET', 'y', 'z'], '1'],
      ['a trailing space', ['x', 'y', 'z'], ['x', 'y ', 'z'], '1'],
      ['a composed accent for a decomposed one', ['e\u0301', 'y', 'z'], ['é', 'y', 'z'], '1'],
      ['a deleted row', ['x', 'y', 'z'], ['x', 'y', 'z'], '2'],
    ] as const)('does not overwrite %s', async (_, stored, old, id) => {
      expect(await attempt(stored, old, id)).toEqual({ unwritten: [0], row: [...stored] });
    });

    test('reads and writes many rows by column, as it does row by row', async () => {
      const [world, database] = both();
      const { batches } = database;
      await world.exec('delete from written');
      const stored = [
        ['x', 'y', 'z'],
        [null, '', null],
        ['äß😀', '{"a": [null, "NULL"]}', ''],
        ['deleted', null, 'd'],
        ['changed', 'to be', 'c'],
      ];
      const literal = (value: string | null): string => (value === null ? 'null' : text(value));
      for (const [i, values] of stored.entries())
        await world.exec(`insert into written values (${i}, ${values.map(literal)})`);
      await database.catalog();
      const range = { after: null, upTo: ['4'] };
      const batch = await batches.readBatch(shape, range);
      if (batch === null) throw new Error('texts are not read by column');
      const rows = Array.from({ length: batch.rows }, (_, i) => ({
        id: batch.id.map((texts) => textAt(texts, i)),
        values: batch.columns.map((texts) => textAt(texts, i)),
      }));
      expect(rows).toEqual(await database.readRange(shape, range));
      await world.exec('delete from written where id = 3');
      await world.exec("update written set c = 'C' where id = 4");
      const next = [0, 1].map((column) =>
        textsOf(stored.map((_, i) => (i === 1 ? null : `new ${column} ${i}`))),
      );
      expect(await database.transaction((trx) => batches.writeBatch(trx, shape, batch, next))).toEqual([
        3, 4,
      ]);
      const after = await database.readRange(shape, { after: null, upTo: null });
      expect(after.map(({ values }) => values)).toEqual([
        ['new 0 0', 'new 1 0', 'z'],
        [null, null, null],
        ['new 0 2', 'new 1 2', ''],
        ['changed', 'to be', 'C'],
      ]);
      const none = await batches.readBatch(shape, { after: ['4'], upTo: ['9'] });
      expect(none?.rows).toBe(0);
    });

    test('reads and writes bytes as one character each, and compares them as bytes', async () => {
      const [world, database] = both();
      await world.exec(
        `create table bytes (id integer primary key, b ${dialect.binary}, c ${dialect.binary})`,
      );
      const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const rows = [all, Buffer.alloc(0), Buffer.from('plain'), null];
      for (const [id, value] of rows.entries())
        await world.exec(
          `insert into bytes values (${id}, ${value === null ? 'null' : dialect.bytes(value)}, ${dialect.bytes(Buffer.of(0, 255))})`,
        );
      await database.catalog();
      const of: RowShape = { table: 'bytes', id: ['id'], columns: ['b', 'c'], written: 1 };
      const read = await database.readRange(of, { after: null, upTo: null });
      expect(read.map((row) => row.values)).toEqual(
        rows.map((value) => [value?.toString('latin1') ?? null, '\u0000\u00ff']),
      );
      expect(await database.longest('bytes', 'b')).toBe(256);
      expect(await database.boundAfter(of, null, { rows: 9, bytes: 259 })).toEqual(['0']);
      const reversed = Buffer.from(all).reverse();
      const changes = read.map((row, place) => ({
        id: row.id,
        old: place === 2 ? ['PLAIN', row.values[1] ?? null] : row.values,
        new: [reversed.toString('latin1'), null],
      }));
      expect(await database.transaction((trx) => database.write(trx, of, changes))).toEqual([2]);
      const stored = await world.exec('select b from bytes order by id');
      expect(stored.map((row) => row.b)).toEqual([reversed, reversed, Buffer.from('plain'), reversed]);
    });

    test('reports which of many changes were not written', async () => {
      const [world, database] = both();
      await world.exec('delete from written');
      for (let id = 1; id <= 6; id++)
        await world.exec(`insert into written values (${id}, 'a${id}', 'b', 'c')`);
      await world.exec("update written set b = 'other' where id in (2, 5)");
      await database.catalog();
      const changes = [1, 2, 3, 9, 5, 6].map((id) => ({
        id: [String(id)],
        old: [`a${id}`, 'b', 'c'],
        new: [`n${id}`, 'b', 'c'],
      }));
      expect(await database.transaction((trx) => database.write(trx, shape, changes))).toEqual([1, 3, 4]);
      expect((await world.exec('select a from written order by id')).map((row) => row.a)).toEqual([
        'n1',
        'a2',
        'n3',
        'a4',
        'a5',
        'n6',
      ]);
      expect(await database.transaction((trx) => database.write(trx, shape, []))).toEqual([]);
    });

    test('rolls back with its transaction', async () => {
      const [world, database] = both();
      await world.exec('delete from written');
      await world.exec("insert into written values (1, 'x', 'y', 'z')");
      await database.catalog();
      const failing = database.transaction(async (trx) => {
        await database.write(trx, shape, [{ id: ['1'], old: ['x', 'y', 'z'], new: ['n', 'n', 'n'] }]);
        throw new Error('after the write');
      });
      await expect(failing).rejects.toThrow('after the write');
      expect((await world.exec('select a from written'))[0]!.a).toBe('x');
    });
  });
}

function describeSearch(both: Both, dialect: TestDialect): void {
  const text = dialect.text ?? doubled;
  describe('search', () => {
    beforeAll(async () => {
      const [world] = both();
      await world.exec(`create table sought (id integer primary key, v ${dialect.caseInsensitive}, w text)`);
      const values = ['plain', 'a%b', 'a_b', 'axb', 'CBC|one', 'cbc|two', "it's", 'back\\slash'];
      for (const [id, value] of values.entries())
        await world.exec(
          `insert into sought values (${id}, ${text(value)}, ${id === 0 ? "'CBC|in w'" : 'null'})`,
        );
    });

    const shape: RowShape = { table: 'sought', id: ['id'], columns: ['v', 'w'], written: 0 };
    const found = async (...needles: string[]) =>
      (await both()[1].search(shape, needles, null, 100)).map((row) => Number(row.id[0]));

    testUnlessBeyond(dialect, 'finds the UTF-8 of a search text in a binary column too', async () => {
      const [world, database] = both();
      await world.exec(`create table sought_bytes (id integer primary key, b ${dialect.binary})`);
      const values = [
        Buffer.of(0, 255, 0),
        Buffer.from('\0gAAAAAx'),
        Buffer.from('GAAAAAx'),
        Buffer.from('ä'),
      ];
      for (const [id, value] of values.entries())
        await world.exec(`insert into sought_bytes values (${id}, ${dialect.bytes(value)})`);
      await database.catalog();
      const of: RowShape = { table: 'sought_bytes', id: ['id'], columns: ['b'], written: 0 };
      const ids = async (needle: string) =>
        (await database.search(of, [needle], null, 9)).map((row) => Number(row.id[0]));
      expect(await ids('gAAAAA')).toEqual([1]);
      expect(await ids('ä')).toEqual([3]);
    });

    test('takes search texts literally, including case and wildcards', async () => {
      await both()[1].catalog();
      expect(await found('a%b')).toEqual([1]);
      expect(await found('a_b')).toEqual([2]);
      expect(await found('CBC|')).toEqual([0, 4]);
      expect(await found("it's", '\\')).toEqual([6, 7]);
      expect(await found('absent')).toEqual([]);
      expect(await found()).toEqual([]);
    });

    test('pages after a row id', async () => {
      const [, database] = both();
      const first = await database.search(shape, ['a', 'CBC'], null, 3);
      const next = await database.search(shape, ['a', 'CBC'], first.at(-1)!.id, 3);
      expect([...first, ...next].map((row) => Number(row.id[0]))).toEqual([0, 1, 2, 3, 4, 7]);
      expect(first[0]!.values).toEqual(['plain', 'CBC|in w']);
    });
  });
}

function describeTransactions(both: Both, dialect: TestDialect): void {
  describe('transactions', () => {
    const shape: RowShape = { table: 'locked', id: ['id'], columns: ['v'], written: 1 };

    beforeAll(async () => {
      const [world] = both();
      await world.exec('create table locked (id integer primary key, v text)');
      await world.exec("insert into locked values (1, 'x'), (2, 'x')");
    });

    testUnlessBeyond(dialect, 'lock the rows that they read against writers', async () => {
      const [world, database] = both();
      await database.catalog();
      let writer: Promise<unknown> = Promise.resolve();
      const order: string[] = [];
      await database.transaction(async (trx) => {
        const [row] = await database.readRows(shape, [['1']], trx);
        const other = await openDatabase(world.url);
        await other.catalog();
        await other.knex.raw(dialect.impatient);
        writer = other
          .transaction((theirs) => other.write(theirs, shape, [{ id: ['1'], old: ['x'], new: ['theirs'] }]))
          .catch((error) => {
            order.push(other.failures.isTransient(error) ? 'refused' : String(error));
          })
          .finally(() => other.close());
        await writer;
        await database.write(trx, shape, [{ id: row!.id, old: row!.values, new: ['ours'] }]);
        order.push('written');
      });
      expect(order).toEqual(['refused', 'written']);
      expect((await world.exec('select v from locked where id = 1'))[0]!.v).toBe('ours');
    });

    test('accept no statement after their end', async () => {
      const [world, database] = both();
      await database.catalog();
      let late: Transaction | undefined;
      await database.transaction(async (trx) => {
        late = trx;
      });
      await expect(database.write(late!, shape, [{ id: ['2'], old: ['x'], new: ['late'] }])).rejects.toThrow(
        'the transaction has ended',
      );
      expect((await world.exec('select v from locked where id = 2'))[0]!.v).toBe('x');
    });

    test('that violate a constraint fail, and are not transient', async () => {
      const [world, database] = both();
      await world.exec('create table strict_one (id integer primary key, v varchar(40) unique)');
      await world.exec("insert into strict_one values (1, 'TOP-SECRET-1'), (2, 'TOP-SECRET-2')");
      await database.catalog();
      const clash = { table: 'strict_one', id: ['id'], columns: ['v'], written: 1 };
      const change = { id: ['1'], old: ['TOP-SECRET-1'], new: ['TOP-SECRET-2'] };
      const error = await database
        .transaction((trx) => database.write(trx, clash, [change]))
        .catch((failure) => failure);
      const builder = await database
        .knex('strict_one')
        .insert({ id: 3, v: 'TOP-SECRET-2' })
        .catch((failure) => failure);
      for (const failure of [error, builder]) {
        expect(failure.message).toEqual(expect.any(String));
        expect(database.failures.isTransient(failure)).toBe(false);
        expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)}`).not.toContain('TOP-SECRET');
      }
    });

    test('also work through knex', async () => {
      const { knex } = both()[1];
      await knex.schema.createTable('keyturn_contract', (table) => {
        table.integer('id').primary();
        table.binary('digest');
      });
      await knex('keyturn_contract').insert({ id: 1, digest: Buffer.from([0, 255]) });
      const trx = await both()[1].transaction(async (inside) =>
        inside('keyturn_contract').where({ id: 1 }).first(),
      );
      expect(trx.digest).toEqual(Buffer.from([0, 255]));
    });
  });
}

function describeRunLock(both: Both): void {
  describe('the run lock', () => {
    test('is held by one connection until it is released', async () => {
      const [world, database] = both();
      const other = await openDatabase(world.url);
      try {
        const lock = await database.lockRun();
        await expect(other.lockRun()).rejects.toMatchObject({
          code: 'run-lock',
          exitCode: 4,
          hint: expect.any(String),
        });
        await expect(database.lockRun()).rejects.toMatchObject({ code: 'run-lock' });
        await lock.release();
        await lock.release();
        const next = await other.lockRun();
        await expect(database.lockRun()).rejects.toMatchObject({ code: 'run-lock' });
        await next.release();
      } finally {
        await other.close();
      }
    });

    test('does not block reading and writing', async () => {
      const [, database] = both();
      const lock = await database.lockRun();
      await expect(
        database.transaction((trx) =>
          database.readRows({ table: 'locked', id: ['id'], columns: [], written: 0 }, [['1']], trx),
        ),
      ).resolves.toHaveLength(1);
      await lock.release();
    });

    test('of a killed process is released', async () => {
      const [world, database] = both();
      const holder = await lockHolder(world.url);
      await expect(database.lockRun()).rejects.toMatchObject({ code: 'run-lock' });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      const lock = await eventually(() => database.lockRun());
      await lock.release();
    });
  });
}

function describeSurroundings(both: Both, dialect: TestDialect): void {
  describe('the server', () => {
    test("lists sessions of other programs, but none of keyturn's own", async () => {
      const [world, database] = both();
      const before = await database.server.sessions();
      const own = await openDatabase(world.url);
      await own.count('catalog_pair');
      expect(await database.server.sessions()).toEqual(before);
      await own.close();
      const other = await lockHolder(world.url, 'the application');
      const after = await database.server.sessions();
      expect(after).toHaveLength((before?.length ?? 0) + 1);
      expect(JSON.stringify(after)).toContain(dialect.program);
      other.kill('SIGKILL');
      await once(other, 'exit');
      await eventually(async () => expect(await database.server.sessions()).toEqual(before));
    });

    test("runs an operator's condition so that it changes nothing", async () => {
      const [world, database] = both();
      await world.exec('create table judged (n int)');
      await database.catalog();
      expect(await database.server.isTrue('select count(*) + 1 from judged')).toBe(true);
      await database.server.isTrue('insert into judged (n) values (1)').catch(() => undefined);
      expect(await database.count('judged')).toBe(0);
      await world.exec('insert into judged (n) values (1)');
      await database.transaction(async (trx) => {
        await trx.raw('update judged set n = 2');
      });
      expect(await database.server.isTrue('select n - 2 from judged')).toBe(false);
    });

    test('has no warning for a table that nothing copies', async () => {
      const [, database] = both();
      const warnings = await database.server.warnings(['catalog_pair']);
      expect(warnings.filter((each) => each.includes('catalog_pair'))).toEqual([]);
    });

    testUnlessBeyond(dialect, 'widens a column and keeps the rest of its declaration', async () => {
      const [world, database] = both();
      await world.exec(
        "create table narrow (id integer primary key, v varchar(5) default 'x', w varchar(5) not null)",
      );
      await world.exec("insert into narrow values (1, 'abc', 'abc')");
      const columns = async () => (await database.catalog()).find(({ name }) => name === 'narrow')?.columns;
      const before = await columns();
      await database.widen('narrow', 'v', 50);
      await database.widen('narrow', 'w', 50);
      const limited = before?.[1]?.maxLength !== null;
      expect(await columns()).toEqual(
        before?.map((column, place) => (place > 0 && limited ? { ...column, maxLength: 50 } : column)),
      );
      await world.exec("insert into narrow (id, w) values (2, 'w')");
      expect((await world.exec('select v from narrow where id = 2'))[0]?.v).toBe('x');
      expect((await world.exec('select v from narrow where id = 1'))[0]?.v).toBe('abc');
    });
  });
}

async function lockHolder(url: string, named = ''): Promise<ChildProcessWithoutNullStreams> {
  const path = (file: string): string => fileURLToPath(new URL(`../support/${file}`, import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', path('typescript.mjs'), path('hold-lock.ts'), url, named],
    {
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const said = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  if (String(said[0]) !== 'locked\n') throw new Error(`the lock's holder failed: ${errors}`);
  return child;
}

/** A server notices that a client has died when it next reads from it, and no client can wait for that. */
export async function eventually<T>(attempt: () => Promise<T>, withinMs = 10_000): Promise<T> {
  for (const until = Date.now() + withinMs; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
