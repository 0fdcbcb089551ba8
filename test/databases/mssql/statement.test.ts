import { describe, expect, test } from '@jest/globals';
import type { RowShape } from '../../../src/databases/database.ts';
import type { MssqlTable, MssqlType } from '../../../src/databases/mssql/catalog.ts';
import {
  compare,
  idText,
  predicates,
  quote,
  size,
  writeStatement,
} from '../../../src/databases/mssql/statement.ts';

const of = (name: string, declared = name, collation: string | null = null): MssqlType => ({
  name,
  declared,
  collation,
  holds: /char|text/.test(name) ? 'text' : /binary|image/.test(name) ? 'binary' : 'other',
});

const table: MssqlTable = {
  schema: 'a]b',
  name: 't]',
  columns: [],
  rowId: [],
  indexed: [],
  unique: [],
  triggers: [],
  rowLocks: true,
  memoryOptimized: false,
  insteadOf: [],
  policy: null,
  masked: [],
  types: new Map([
    ['code', of('varchar', 'varchar(20)', 'Latin1_General_CI_AS')],
    ['wide', of('nvarchar', 'nvarchar(max)', 'Latin1_General_CI_AS')],
    ['old', of('text', 'text', 'Latin1_General_CI_AS')],
    ['bytes', of('varbinary', 'varbinary(20)')],
    ['paid', of('money')],
    ['at', of('datetime')],
    ['since', of('datetimeoffset', 'datetimeoffset(7)')],
    ['ratio', of('float', 'float(53)')],
    ['n', of('bigint')],
  ]),
};
const shape: RowShape = { table: 't]', id: ['code', 'n'], columns: ['wide', 'bytes', 'old'], written: 3 };

describe("SQL Server's statements", () => {
  test('quote every name', () => {
    expect(quote('x] drop table y --')).toBe('[x]] drop table y --]');
    expect(writeStatement(table, shape)).toContain('[a]]b].[t]]] as t');
  });

  test('compare a row id in the type and collation of its column, so that the index is used', () => {
    expect(compare(table, 'code', '@p0')('>=')).toBe(
      't.[code] >= cast(@p0 collate Latin1_General_CI_AS as varchar(20))',
    );
    expect(compare(table, 'bytes', '@p0')('=')).toBe(
      't.[bytes] = convert(varbinary(20), convert(varchar(max), @p0), 1)',
    );
  });

  test('pass the bounds as numbered parameters, never as row values', () => {
    expect(predicates(table, shape, { after: ['a', '1'], upTo: ['b', '2'] })).toEqual([
      '(t.[code] >= cast(@p0 collate Latin1_General_CI_AS as varchar(20)) and (t.[code] > cast(@p0 collate Latin1_General_CI_AS as varchar(20)) or t.[n] > cast(@p1 as bigint)))',
      '(t.[code] <= cast(@p2 collate Latin1_General_CI_AS as varchar(20)) and (t.[code] < cast(@p2 collate Latin1_General_CI_AS as varchar(20)) or t.[n] <= cast(@p3 as bigint)))',
    ]);
  });

  test('read row ids as texts that convert back exactly', () => {
    expect(['bytes', 'paid', 'at', 'since', 'ratio', 'n'].map((column) => idText(table, column))).toEqual([
      'convert(varchar(max), t.[bytes], 1)',
      'convert(nvarchar(max), cast(t.[paid] as decimal(19,4)))',
      'convert(nvarchar(max), t.[at], 126)',
      'convert(nvarchar(max), t.[since], 121)',
      'convert(nvarchar(max), t.[ratio], 3)',
      'convert(nvarchar(max), t.[n])',
    ]);
  });

  test("measure in the unit of the column's own length", () => {
    expect(['code', 'wide', 'bytes', 'n'].map((column) => size(table, column))).toEqual([
      'datalength(t.[code])',
      'datalength(t.[wide]) / 2',
      'datalength(t.[bytes])',
      'datalength(convert(nvarchar(max), t.[n])) / 2',
    ]);
  });

  test('lock, compare by code unit and length, and write only what is unchanged', () => {
    const sql = writeStatement(table, shape);
    expect(sql).toContain('with (updlock, rowlock)');
    expect(sql).toContain(
      '(convert(nvarchar(max), t.[wide]) collate Latin1_General_100_BIN2 = c.o0 and datalength(convert(nvarchar(max), t.[wide]) collate Latin1_General_100_BIN2) = datalength(c.o0) or t.[wide] is null and c.o0 is null)',
    );
    expect(sql).toContain('cast(t.[bytes] as varbinary(max)) = c.o1');
  });

  test('never truncate what is too long for its column', () => {
    expect(writeStatement(table, { ...shape, columns: ['code', 'old'], written: 2 })).toContain(
      'set [code] = c.n0 collate Latin1_General_CI_AS,[old] = cast(c.n1 collate Latin1_General_CI_AS as varchar(max)) from',
    );
  });
});
