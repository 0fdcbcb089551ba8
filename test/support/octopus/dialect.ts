import type { ColumnType, Table } from './tables.ts';

/** Runs one SQL statement, as the Fixture of the contract tests does. */
export type Exec = (sql: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>;

/** All that the generator and the checker must know of an engine. */
export interface Dialect {
  readonly engine: string;
  quote(name: string): string;
  /** The parameter at a position, counted from 1. */
  parameter(position: number): string;
  /** How many parameters one statement may have. */
  readonly maxParameters: number;
  readonly types: Readonly<Record<Exclude<ColumnType, 'id'>, string>>;
  id(length: number): string;
  bit(value: boolean): unknown;
  /** Statements that make `DataVersion` move when a row is updated; none where its type does so by itself. */
  versionTrigger(table: string): readonly string[];
}

const doubleQuoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const sqlite: Dialect = {
  engine: 'sqlite',
  quote: doubleQuoted,
  parameter: () => '?',
  maxParameters: 30_000,
  types: {
    name: 'nvarchar(200)',
    integer: 'integer not null',
    bit: 'bit not null',
    time: 'datetime',
    text: 'text',
    bytes: 'blob',
    version: 'integer not null default 1',
  },
  id: (length) => `nvarchar(${length}) not null`,
  bit: Number,
  versionTrigger: (table) => [
    `create trigger "TR_${table}" after update on "${table}" begin
      update "${table}" set "DataVersion" = old."DataVersion" + 1 where "Id" = new."Id"; end`,
  ],
};

export const postgres: Dialect = {
  engine: 'postgres',
  quote: doubleQuoted,
  parameter: (position) => `$${position}`,
  maxParameters: 60_000,
  types: {
    name: 'varchar(200)',
    integer: 'integer not null',
    bit: 'boolean not null',
    time: 'timestamptz',
    text: 'text',
    bytes: 'bytea',
    version: 'bigint not null default 1',
  },
  id: (length) => `varchar(${length}) not null`,
  bit: (value) => value,
  versionTrigger: (table) => [
    `create or replace function bump_data_version() returns trigger language plpgsql as
      'begin new."DataVersion" := old."DataVersion" + 1; return new; end'`,
    `create trigger "TR_${table}" before update on "${table}" for each row execute function bump_data_version()`,
  ],
};

export const mariadb: Dialect = {
  engine: 'mariadb',
  quote: (name) => `\`${name.replaceAll('`', '``')}\``,
  parameter: () => '?',
  maxParameters: 60_000,
  types: {
    name: 'varchar(200)',
    integer: 'integer not null',
    bit: 'boolean not null',
    // With an offset in the text it would be refused.
    time: 'datetime(6)',
    text: 'longtext',
    bytes: 'longblob',
    version: 'bigint not null default 1',
  },
  id: (length) => `varchar(${length}) not null`,
  bit: Number,
  versionTrigger: (table) => [
    `create trigger \`TR_${table}\` before update on \`${table}\` for each row
      set new.\`DataVersion\` = old.\`DataVersion\` + 1`,
  ],
};

/** Octopus' own engine. The fixture's parameters begin at `@p0`. */
export const sqlserver: Dialect = {
  engine: 'sqlserver',
  quote: (name) => `[${name.replaceAll(']', ']]')}]`,
  parameter: (position) => `@p${position - 1}`,
  // 2,100 is refused: the driver takes some for itself.
  maxParameters: 2_000,
  types: {
    name: 'nvarchar(200)',
    integer: 'int not null',
    bit: 'bit not null',
    time: 'datetimeoffset',
    text: 'nvarchar(max)',
    bytes: 'varbinary(max)',
    version: 'rowversion not null',
  },
  id: (length) => `nvarchar(${length}) not null`,
  bit: (value) => value,
  versionTrigger: () => [],
};

/** The statements that make a table. */
export function creation(table: Table, dialect: Dialect): string[] {
  const type = (column: ColumnType) => (column === 'id' ? dialect.id(table.idLength) : dialect.types[column]);
  const columns = Object.entries(table.columns).map(
    ([name, column]) => `${dialect.quote(name)} ${type(column)}`,
  );
  const key = table.id === null ? [] : [`primary key (${dialect.quote(table.id)})`];
  const versioned = Object.values(table.columns).includes('version');
  return [
    `create table ${dialect.quote(table.name)} (${[...columns, ...key].join(', ')})`,
    ...(versioned ? dialect.versionTrigger(table.name) : []),
  ];
}
