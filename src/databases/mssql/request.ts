import { type Connection, Request, TYPES } from 'tedious';
import { RowReceiver } from '../row-receiver.ts';
import { cleaned, MssqlError } from './error.ts';
import { inTransaction } from './internals.ts';

export type Parameter = string | number | bigint | boolean | Buffer | null | undefined;

/** Runs a statement with `@pn` parameters. */
export type Ask = (sql: string, values: readonly Parameter[]) => Promise<unknown[][]>;

/** The last result of a statement. */
export interface Answer {
  readonly columns: readonly { readonly name: string; readonly bigint: boolean }[];
  /** Values as the driver returns them: bigint and decimals that it reads as text, bytes as a Buffer. */
  readonly rows: unknown[][];
}

interface ColumnMetadata {
  readonly colName: string;
  readonly type: { readonly name: string };
  readonly dataLength?: number;
}

/** Deadlock victim, lock request timeout. */
const contention = new Set<number | undefined>([1205, 1222]);
const attempts = 4;

/**
 * One statement with its parameters `@p0`, `@p1`…; without parameters a batch, whose SETs and #tables stay in effect.
 * Outside a transaction, a statement that failed because of another's locks did nothing, and is tried again: if reading
 * needs locks (READ_COMMITTED_SNAPSHOT off), the coordinator's reads of the checkpoints collide with the workers' writes.
 */
export async function ask(
  connection: Connection,
  sql: string,
  parameters: readonly Parameter[] = [],
): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(connection, sql, parameters);
    } catch (error) {
      const again = error instanceof MssqlError && contention.has(error.number) && attempt < attempts;
      if (!again || inTransaction(connection)) throw error;
    }
  }
}

/** The rows of a statement as they arrive; none is kept. */
export async function rowByRow(
  connection: Connection,
  sql: string,
  each: (row: unknown[]) => void,
): Promise<void> {
  const receiver = new RowReceiver(each);
  await new Promise<void>((resolve, reject) => {
    const request = new Request(sql, (error) => (error ? reject(cleaned(error)) : resolve()));
    request.on('row', (row: { value: unknown }[]) => receiver.add(row.map(({ value }) => value)));
    connection.execSqlBatch(request);
  });
  receiver.end();
}

function send(connection: Connection, sql: string, parameters: readonly Parameter[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answer: Answer = { columns: [], rows: [] };
    const request = new Request(sql, (error) => (error ? reject(cleaned(error)) : resolve(answer)));
    request.on('columnMetadata', (columns) => {
      const named = (columns as unknown as ColumnMetadata[]).map(({ colName, type, dataLength }) => ({
        name: colName,
        bigint: type.name === 'BigInt' || (type.name === 'IntN' && dataLength === 8),
      }));
      answer = { columns: named, rows: [] };
    });
    request.on('row', (row: { value: unknown }[]) => answer.rows.push(row.map(({ value }) => value)));
    parameters.forEach((value, place) => {
      bind(request, `p${place}`, value ?? null);
    });
    if (parameters.length === 0) connection.execSqlBatch(request);
    else connection.execSql(request);
  });
}

/** Fixed lengths: with the length of each value there would be a query plan for each. */
function bind(request: Request, name: string, value: NonNullable<Parameter> | null): void {
  if (typeof value === 'boolean') request.addParameter(name, TYPES.Bit, value);
  else if (typeof value === 'bigint') request.addParameter(name, TYPES.BigInt, value.toString());
  else if (typeof value === 'number')
    request.addParameter(name, Number.isInteger(value) ? TYPES.BigInt : TYPES.Float, value);
  else if (Buffer.isBuffer(value))
    request.addParameter(name, TYPES.VarBinary, value, { length: Number.POSITIVE_INFINITY });
  else
    request.addParameter(name, TYPES.NVarChar, value, {
      length: value === null || value.length <= 4000 ? 4000 : Number.POSITIVE_INFINITY,
    });
}

/** A column of the staging table. */
export interface Staged {
  readonly name: string;
  readonly binary: boolean;
}

export const staging = '#keyturn';

/**
 * Loads rows into a temporary table of this connection: any number (a request has at most 2,100 parameters), of any size,
 * with every code unit kept. Column `n` counts them from 0.
 */
export async function stage(
  connection: Connection,
  columns: readonly Staged[],
  rows: readonly (readonly (string | null | undefined)[])[],
): Promise<void> {
  const declared = columns.map(
    ({ name, binary }) =>
      `${name} ${binary ? 'varbinary(max)' : 'nvarchar(max) collate Latin1_General_100_BIN2'} null`,
  );
  await ask(
    connection,
    `if object_id('tempdb..${staging}') is not null drop table ${staging};
    create table ${staging} (n int not null primary key, ${declared.join(', ')})`,
  );
  await new Promise<void>((resolve, reject) => {
    const load = connection.newBulkLoad(staging, (error) => (error ? reject(cleaned(error)) : resolve()));
    load.addColumn('n', TYPES.Int, { nullable: false });
    for (const { name, binary } of columns)
      load.addColumn(name, binary ? TYPES.VarBinary : TYPES.NVarChar, {
        length: Number.POSITIVE_INFINITY,
        nullable: true,
      });
    connection.execBulkLoad(
      load,
      rows.map((row, n) => [
        n,
        ...columns.map(({ binary }, place) => {
          const value = row[place] ?? null;
          return binary && value !== null ? Buffer.from(value, 'latin1') : value;
        }),
      ]),
    );
  });
}
