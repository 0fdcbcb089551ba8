import type { Database, Row, RowId, RowShape, Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { cbcPrefix } from '../../formats/n8n-cbc.ts';
import { n8nWrapped } from '../../formats/n8n-wrapped.ts';
import type { Job } from '../../job/job.ts';
import { placeText } from '../../job/place.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { readPages } from '../pages.ts';
import { rowsWhere } from '../rows-where.ts';

/** A data key as its row has it: its value is wrapped, or in clear in early versions of n8n. */
export interface DataKey {
  readonly id: string;
  /** `aes-256-cbc`: the legacy key, with which values without a key id are encrypted. */
  readonly algorithm: string;
  readonly status: string;
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
  readonly value: string;
}

/** Values that name a key, by place. */
export type Dependents = ReadonlyMap<string, number>;

export const legacyAlgorithm = 'aes-256-cbc';
export const dataAlgorithm = 'aes-256-gcm';

const also = ['id', 'algorithm', 'status', 'createdAt', 'updatedAt'];

/** The table of the data keys. Throws `wrong-application` if there is none. */
export function dataKeyTable({ dataKeys, title }: Job): string {
  if (dataKeys !== undefined) return dataKeys;
  throw new KeyturnError('wrong-application', `this ${title} database has no data keys`, {
    hint: 'n8n has data keys from version 2.18 on; another job must name their table in dataKeys',
  });
}

/** All data keys, the oldest first. */
export async function readDataKeys(
  database: Database,
  catalog: readonly Table[],
  table: string,
): Promise<DataKey[]> {
  const keys: DataKey[] = [];
  const where = { type: 'data_encryption' };
  for await (const { row, columns } of rowsWhere(database, catalog, {
    table,
    column: 'value',
    where,
    also,
  })) {
    const of = (column: string): string | null => row.values[columns.indexOf(column)] ?? null;
    keys.push({
      id: of('id') ?? '',
      algorithm: of('algorithm') ?? '',
      status: of('status') ?? '',
      createdAt: of('createdAt'),
      updatedAt: of('updatedAt'),
      value: of('value') ?? '',
    });
  }
  return keys.sort((a, b) => ((a.createdAt ?? '') < (b.createdAt ?? '') ? -1 : 1));
}

/** The data key is stored encrypted, and this master key decrypts it. */
export function isWrapped({ value }: DataKey, ring: Keyring): boolean {
  const [opening] = n8nWrapped.open([value], ring);
  return typeof opening === 'object';
}

const page = 500;

/**
 * Counts what names each key, in every text column of every table, whether or not a field of the job declares it: a
 * value begins with the id of its key and a colon, and a legacy value with a fixed text.
 */
export async function findDependents(
  database: Database,
  catalog: readonly Table[],
  keys: readonly DataKey[],
): Promise<Map<string, Dependents>> {
  const needles = keys.map(needleOf);
  const counted = new Map(keys.map(({ id }) => [id, new Map<string, number>()]));
  if (needles.length === 0) return counted;
  for (const table of catalog) {
    const columns = table.columns.filter(({ holds }) => holds === 'text').map(({ name }) => name);
    if (columns.length === 0) continue;
    const shape: RowShape = { table: table.name, id: table.rowId, columns, written: 0 };
    await eachRow(database, shape, needles, ({ values }) => {
      values.forEach((text, at) => {
        keys.forEach(({ id }, i) => {
          const found = occurrences(text ?? '', needles[i] ?? '');
          if (found === 0) return;
          const place = placeText(table.name, columns[at] ?? '', '');
          const of = counted.get(id);
          of?.set(place, (of.get(place) ?? 0) + found);
        });
      });
    });
  }
  return counted;
}

export function total(dependents: Dependents | undefined): number {
  return [...(dependents?.values() ?? [])].reduce((sum, values) => sum + values, 0);
}

function needleOf({ id, algorithm }: DataKey): string {
  return algorithm === legacyAlgorithm ? cbcPrefix : `${id}:`;
}

async function eachRow(
  database: Database,
  shape: RowShape,
  needles: readonly string[],
  each: (row: Row) => void,
): Promise<void> {
  if (shape.id.length === 0) return readPages(database, shape, (rows) => rows.forEach(each));
  for (let after: RowId | null = null; ; ) {
    const rows: Row[] = await database.search(shape, needles, after, page);
    rows.forEach(each);
    const last = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = last.id;
  }
}

function occurrences(text: string, needle: string): number {
  let count = 0;
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) count++;
  return count;
}
