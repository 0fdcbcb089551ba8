import { KeyturnError } from '../../error.ts';
import type { Change, RowShape } from '../database.ts';
import type { DriverRow } from '../statement.ts';
import type { MysqlTable } from './catalog.ts';
import { changeJson, quote, type RowLock, writeSql } from './statement.ts';

export interface Write {
  readonly table: MysqlTable;
  readonly shape: RowShape;
  readonly changes: readonly Change[];
  /** Bytes that the server accepts in one statement. */
  readonly maxPacket: number;
  readonly lock: RowLock;
}

/** Runs a statement of the transaction: returns its rows, or the number of rows that matched. */
export type Run = (sql: string, values?: readonly string[]) => Promise<{ rows: DriverRow[]; found: number }>;

/** Bytes of a packet beside its parameter. */
const packetHead = 1024;

/** Returns the indexes of the changes that were not written: their rows changed, or were deleted. */
export async function writeChanges(run: Run, write: Write): Promise<number[]> {
  assertTransacted(write.table);
  const sql = writeSql(write.table, write.shape, write.lock);
  const unwritten: number[] = [];
  let first = 0;
  for (const rows of packets(write)) {
    for (const index of await writePacket(run, sql, rows)) unwritten.push(first + index);
    first += rows.length;
  }
  return unwritten;
}

/**
 * The server returns how many rows matched, but not which. If some did not, the update is rolled back, the unchanged rows
 * are found and locked, and those are written.
 */
async function writePacket(
  run: Run,
  { update, find }: { update: string; find: string },
  rows: readonly string[],
): Promise<number[]> {
  await run('savepoint keyturn_write');
  const { found } = await run(update, [listOf(rows)]);
  if (found === rows.length) return [];
  await run('rollback to savepoint keyturn_write');
  const unchanged = new Set((await run(find, [listOf(rows)])).rows.map(([n]) => Number(n) - 1));
  if (unchanged.size > 0) await run(update, [listOf(rows.filter((_, index) => unchanged.has(index)))]);
  return rows.flatMap((_, index) => (unchanged.has(index) ? [] : [index]));
}

function listOf(rows: readonly string[]): string {
  return `[${rows.join(',')}]`;
}

/** The changes in as few lists as fit into the server's packets. */
function packets({ table, shape, changes, maxPacket }: Write): string[][] {
  const lists: string[][] = [];
  const room = maxPacket - packetHead;
  let left = 0;
  for (const change of changes) {
    const row = changeJson(table, shape, change);
    const size = Buffer.byteLength(row) + 1;
    if (size > room) throw tooLarge(table, change, size + packetHead);
    if (size > left) {
      lists.push([]);
      left = room;
    }
    lists.at(-1)?.push(row);
    left -= size;
  }
  return lists;
}

function tooLarge({ name }: MysqlTable, { id }: Change, size: number): KeyturnError {
  return new KeyturnError(
    'row-too-large',
    `row ${id.join(', ')} of ${name} does not fit into one statement: its old and new values exceed max_allowed_packet`,
    {
      hint: `run "set global max_allowed_packet = ${2 ** Math.ceil(Math.log2(size))}" on the server, then keyturn resume`,
      facts: { target: name },
    },
  );
}

/** A table without transactions would keep its rows when their checkpoint is rolled back (invariant 2). */
export function assertTransacted({ name, untransacted }: Pick<MysqlTable, 'name' | 'untransacted'>): void {
  if (untransacted === null) return;
  throw new KeyturnError(
    'no-transactions',
    `table ${name} uses the storage engine ${untransacted}, which has no transactions`,
    { hint: `alter table ${quote(name)} engine = InnoDB`, facts: { target: name } },
  );
}
