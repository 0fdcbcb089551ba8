import { classify } from '../chunk/values/classify.ts';
import { type PreparedTarget, prepareTarget } from '../chunk/values/field-values.ts';
import { type Value, valuesOf } from '../chunk/values/value.ts';
import type { Database, Row, RowShape, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { formatOf } from '../formats/registry.ts';
import type { Field, Job, Target } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Keyring } from '../keys/keyring.ts';
import { atOnce, type Refuse } from './refuse.ts';
import { sampleRows } from './sample.ts';

/** Fewer rows with the ciphertext of another row may be chance: a default value, or a test. */
const fewest = 3;

/**
 * New ciphertexts are random. Where the application derives the nonce from the plaintext, it looks values up by their
 * ciphertext, or a unique index keeps equal plaintexts out: neither would work any more, and nothing would show it.
 *
 * @throws KeyturnError `equal-ciphertexts`, until the job says `randomize: true`
 */
export async function assertRandom(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  from: Keyring,
  to: Keyring,
  refuse: Refuse = atOnce,
): Promise<void> {
  for (const target of job.targets) {
    const table = catalog.find(({ name }) => name === target.shape.table);
    const doubtful = target.fields.filter(mayBeEqual);
    if (table === undefined || target.onlyVerified === true || doubtful.length === 0) continue;
    const unique = doubtful.find(({ column }) => table.unique.includes(column));
    if (unique !== undefined) {
      refuse(refusal(table, unique.column, 'a unique index covers'));
      continue;
    }
    const shape = { ...target.shape, columns: [...target.shape.columns, ...othersOf(table, target)] };
    const sample: Sample = { table, shape, rows: await sampleRows(database, shape) };
    const prepared = prepareTarget({ ...target, fields: doubtful }, job.everywhere);
    const equal = columnOfEquals(prepared, sample, from, to);
    if (equal !== null) refuse(refusal(table, equal, 'equal plaintexts have equal ciphertexts in'));
  }
}

function mayBeEqual({ format, randomize }: Field): boolean {
  return randomize !== true && !formatOf(format).random;
}

function refusal({ name: table }: Table, column: string, what: string): KeyturnError {
  return new KeyturnError(
    'equal-ciphertexts',
    `${what} ${placeText(table, column, '')}, and keyturn gives every value a ciphertext of its own`,
    {
      hint: 'afterwards, nothing could be found by its ciphertext, and a unique index would keep nothing out; if neither matters to your application, add randomize: true to the field in the job',
      facts: { table, column },
    },
  );
}

/** Columns by which a copy of a row resembles its original. It has a row id and times of its own. */
function othersOf({ columns, rowId }: Table, { shape }: Target): string[] {
  return columns
    .filter(
      ({ name, type, generated }) =>
        !generated && !rowId.includes(name) && !shape.columns.includes(name) && !/date|time/i.test(type),
    )
    .map(({ name }) => name);
}

interface Sample {
  readonly table: Table;
  readonly shape: RowShape;
  readonly rows: readonly Row[];
}

/** A column in which equal plaintexts always have equal ciphertexts, in enough rows that are no copies. */
function columnOfEquals(prepared: PreparedTarget, sample: Sample, from: Keyring, to: Keyring): string | null {
  const values = sample.rows.flatMap((row, i) => valuesOf(prepared, row, i));
  classify(values, { from, to, mode: 'chunk' });
  for (const column of new Set(prepared.fields.map(({ field }) => field.column))) {
    const groups = new Map<string, Value[]>();
    for (const value of values) {
      if (value.prepared.field.column !== column || value.outcome !== 'rotated') continue;
      const plain = value.plain?.toString('latin1') ?? '';
      groups.set(plain, [...(groups.get(plain) ?? []), value]);
    }
    if (repeatsIn([...groups.values()], column, sample) >= fewest) return column;
  }
  return null;
}

/** Counts rows that have the plaintext and ciphertext of another row and are no copies of it. */
function repeatsIn(groups: readonly Value[][], column: string, { table, shape, rows }: Sample): number {
  if (groups.some((group) => new Set(group.map(({ text }) => text)).size > 1)) return 0;
  const rowsOf = groups.map((group) => [...new Set(group.map(({ row }) => row))]);
  // Nobody has an index on ciphertext but to look values up by it
  if (table.indexed.includes(column)) return rowsOf.reduce((sum, group) => sum + group.length - 1, 0);
  const others = shape.columns.flatMap((name, at) => (name === column ? [] : [at]));
  const read = (row: number, at: number): string => JSON.stringify(rows[row]?.values[at] ?? null);
  if (others.some((at) => namesOriginals(rowsOf, (row) => read(row, at)))) return 0;
  return rowsOf.reduce((sum, group) => {
    const different = new Set(group.map((row) => others.map((at) => read(row, at)).join()));
    return sum + different.size - 1;
  }, 0);
}

/** Whether a column has one value per plaintext: the number of the secret of which the rows are versions, for example. */
function namesOriginals(groups: readonly (readonly number[])[], read: (row: number) => string): boolean {
  const held = groups.map((group) => new Set(group.map(read)));
  const all = new Set(held.flatMap((each) => [...each]));
  return groups.length > 1 && all.size === groups.length && held.every(({ size }) => size === 1);
}
