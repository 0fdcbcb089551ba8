import type { Database, Row, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Keyring } from '../keys/keyring.ts';
import { fieldsOf, type PreparedTarget } from './field-values.ts';
import type { RotatedRows } from './rotate-rows.ts';

/** A column that holds fewer characters (bytes) than the new ciphertext may have. */
export interface NarrowColumn {
  readonly table: string;
  readonly column: string;
  readonly width: number;
  readonly needed: number;
}

/**
 * What is stored must fit its column: the longest value there plus what values grow by; where the value is the master
 * key itself, the new key sealed.
 *
 * @param rows a sample of the target, and what became of it
 */
export async function narrowColumns(
  database: Database,
  catalog: readonly Table[],
  prepared: PreparedTarget,
  rows: readonly Row[],
  { rows: rotated }: RotatedRows,
  to: Keyring,
): Promise<NarrowColumn[]> {
  const { shape } = prepared.target;
  const table = catalog.find(({ name }) => name === shape.table);
  const narrow: NarrowColumn[] = [];
  for (const { field, format } of prepared.fields) {
    const { column, index, becomes } = field;
    const width = table?.columns.find(({ name }) => name === column)?.maxLength ?? null;
    if (width === null) continue;
    const growth = rotated.map(({ change }, i) => {
      const applies = rows[i] !== undefined && fieldsOf(prepared, rows[i]).some((f) => f.field === field);
      return applies && change !== null
        ? (change.new[index]?.length ?? 0) - (change.old[index]?.length ?? 0)
        : 0;
    });
    const most = Math.max(0, ...growth);
    const needed =
      becomes === 'primary'
        ? format.sealedLength(Buffer.byteLength(to.primary.text))
        : most === 0
          ? 0
          : (await database.longest(shape.table, column)) + most;
    if (needed > width) narrow.push({ table: shape.table, column, width, needed });
  }
  return narrow;
}

/** Refuses columns that are too narrow, unless the schema may be changed. */
export function assertWide(narrow: readonly NarrowColumn[], mayWiden: boolean | undefined): void {
  const [first] = narrow;
  if (first === undefined || mayWiden === true) return;
  const { table, column, width, needed } = first;
  const more = narrow.length > 1 ? `; and ${narrow.length - 1} more columns` : '';
  throw new KeyturnError(
    'column-too-narrow',
    `${table}.${column} holds ${width} characters, the new ciphertext needs ${needed}${more}`,
    {
      hint: 'widen the column first, as the application allows, or let keyturn do it with --upgradeDatabase',
      facts: { target: table, column },
    },
  );
}

/** Widens them; each keeps whatever else was declared of it. */
export async function widenColumns(database: Database, narrow: readonly NarrowColumn[]): Promise<void> {
  for (const { table, column, needed } of narrow) await database.widen(table, column, needed);
}
