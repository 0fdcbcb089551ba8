import { test } from '@jest/globals';
import { type Dialect, describeDatabase } from '../contract/database.ts';
import { createMysqlDatabase } from '../support/mariadb.ts';

const idCases: Dialect['idCases'] = [
  {
    name: 'a collation that ignores case and accents, and pads',
    columns: { a: 'varchar(9) collate utf8mb4_unicode_ci' },
    rows: ["'b'", "'A'", "'ç'", "'B1'", "'ä1'", "'_'", "'C2'", "'-a'", "'a b'", "'😀'"],
  },
  {
    name: 'a collation that ignores case, and a column behind it',
    columns: { a: 'varchar(9) collate utf8mb4_general_ci', b: 'int' },
    rows: ["'b', 2", "'B', 1", "'a ', 1", "'A', 2", "'b ', 3", "'c', 0"],
  },
  {
    name: 'Latin 1',
    columns: { a: 'varchar(9) character set latin1 collate latin1_german1_ci' },
    rows: ["'b'", "'B1'", "'ä'", "'z'", "'ß'", "'€'", "'_'"],
  },
  {
    name: 'char, which pads',
    columns: { a: 'char(3)', b: 'char(3) character set ascii collate ascii_bin' },
    rows: ["'a', 'x'", "'a  ', 'y'", "'ab', 'x'", "'abc', 'x'", "'', 'z'"],
  },
  {
    name: 'unsigned beyond 2^63',
    columns: { a: 'bigint unsigned' },
    rows: [
      '18446744073709551615',
      '18446744073709551614',
      '9223372036854775808',
      '9223372036854775807',
      '0',
      '10',
      '9',
    ],
  },
  {
    name: 'integers of all sizes',
    columns: { a: 'tinyint', b: 'smallint unsigned', c: 'mediumint', d: 'int zerofill' },
    rows: ['-128, 65535, -8388608, 1', '127, 0, 8388607, 4294967295', '-128, 9, 0, 10', '-128, 10, 0, 9'],
  },
  {
    name: 'decimals',
    columns: { a: 'decimal(40,20)' },
    rows: [
      '10.50',
      '9.25',
      '-0.1',
      '12345678901234567890.00000000000000000001',
      '0.30000000000000000001',
      '0.3',
    ],
  },
  {
    name: 'reals',
    columns: { a: 'double', b: 'float' },
    rows: [
      '0.1, 0.1',
      '-1e300, 1',
      '0.30000000000000004, 3',
      '0.3, 16777216',
      '0.3, 16777215',
      '1e-300, 0.1',
    ],
  },
  {
    name: 'dates and times with microseconds',
    columns: { a: 'datetime(6)', b: 'timestamp(6)' },
    rows: [
      "'2024-01-01 00:00:00.000001'",
      "'2024-01-01 00:00:00.000002'",
      "'1000-01-01'",
      "'9999-12-31 23:59:59.999999'",
    ].flatMap((a) =>
      ["'2024-01-01 00:00:00.999999'", "'2024-01-01 00:00:00.999998'"].map((b) => `${a}, ${b}`),
    ),
  },
  {
    name: 'dates, times, years and bits',
    columns: { a: 'date', b: 'time(6)', c: 'year', d: 'bit(64)' },
    rows: [
      "'1000-01-01', '-838:59:59', 1901, b'1'",
      "'2024-02-29', '00:00:00.000001', 2155, b'11'",
      "'2024-02-29', '-00:00:00.000001', 2155, b'11'",
      "'2024-02-29', '10:00', 1901, 0xffffffffffffffff",
      "'2024-02-29', '10:00', 1901, 0xfffffffffffffffe",
    ],
  },
  {
    name: 'a UUID in 16 bytes',
    columns: { a: 'binary(16)' },
    rows: [
      '00000000000000000000000000000000',
      'ff00000000000000000000000000005c',
      '0f270000000000000000000000000000',
      '10203a00000000000000000000000000',
    ].map((hex) => `x'${hex}'`),
  },
  {
    name: 'bytes of any length',
    columns: { a: 'varbinary(9)', b: 'int' },
    rows: ["x'00', 1", "x'ff00', 2", "x'ff', 1", "x'', 1", "x'00', 0", "x'5c', 1", "x'0020', 1"],
  },
  {
    name: 'enumerations and sets, in the order of their declaration',
    columns: { a: "enum('sad','o''k','happy','a\\\\b')", b: "set('x','y','z')" },
    rows: ["'happy', 'x'", "'sad', 'y,z'", "'o''k', ''", "'sad', 'x,z'", "'sad', ''", "'a\\\\b', 'z'"],
  },
  {
    name: 'text, moment, number and bytes',
    columns: {
      a: 'varchar(9) collate utf8mb4_general_ci',
      b: 'timestamp(3)',
      c: 'bigint unsigned',
      d: 'binary(2)',
    },
    rows: ["'a'", "'B'"].flatMap((a) =>
      ["'2024-01-01 00:00:00.001', 18446744073709551615", "'2024-01-01 00:00:00.002', 1"].flatMap((bc) =>
        ["x'00ff'", "x'ff00'"].map((d) => `${a}, ${bc}, ${d}`),
      ),
    ),
  },
];

const dialect = {
  quote: '`',
  caseInsensitive: 'varchar(40) collate utf8mb4_general_ci',
  text: (value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  binary: 'longblob',
  bytes: (value) => `x'${value.toString('hex')}'`,
  trigger: (name, event, table) => [
    `create trigger ${name} after ${event} on ${table} for each row set @nothing = 1`,
  ],
  uselessIndexes: (table) => [
    `create unique index ${table}_prefix on ${table} (v(10))`,
    `create unique index ${table}_mixed on ${table} (n, v(10))`,
  ],
  impatient: 'set innodb_lock_wait_timeout = 1',
  idCases,
} satisfies Partial<Dialect>;

describeDatabase('mariadb', createMysqlDatabase, {
  ...dialect,
  exactText: 'varchar(40) collate utf8mb4_nopad_bin',
  // Its performance schema, which knows the names of programs, is off by default
  program: '"login":"keyturn"',
  idCases: [
    ...idCases,
    {
      name: "MariaDB's own types",
      columns: { a: 'uuid', b: 'inet6' },
      rows: [
        "'00000000-0000-1000-8000-0000000000ff', '::1'",
        "'ff000000-0000-1000-8000-000000000000', '::ffff:10.0.0.1'",
        "'0f000000-0000-4000-8000-000000000000', '::2'",
        "'0f000000-0000-4000-8000-000000000000', 'fe80::'",
      ],
    },
  ],
});

const mysql = process.env.KEYTURN_TEST_MYSQL;
if (mysql === undefined)
  test.skip('mysql: KEYTURN_TEST_MYSQL names no server, so its contract was not tried', () => undefined);
else
  describeDatabase('mysql', () => createMysqlDatabase(mysql), {
    ...dialect,
    exactText: 'varchar(40) collate utf8mb4_0900_bin',
    program: 'the application',
  });
