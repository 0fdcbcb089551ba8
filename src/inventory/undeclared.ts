import type { Finding } from '../checkpoint/run.ts';
import { fieldsOf, type PreparedTarget, prepareTarget } from '../chunk/values/field-values.ts';
import type { Database, Row, RowShape, Table } from '../databases/database.ts';
import { MalformedDocument } from '../documents/document.ts';
import { isSearched } from '../documents/registry.ts';
import { KeyturnError } from '../error.ts';
import type { Format } from '../formats/format.ts';
import { formatOf } from '../formats/registry.ts';
import type { Field, Job } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Keyring } from '../keys/keyring.ts';
import { PageSize } from './pages.ts';
import { traces } from './traces.ts';
import { type Sample, wayToDeclare } from './way-to-declare.ts';

const page = 200;

/** Number of texts that are used to find out how a column could be declared. */
const sampled = 20;

/** Ciphertext that no field declares. */
export interface Undeclared {
  readonly findings: readonly Finding[];
  /** Tables that this login cannot read: their content is unknown. */
  readonly unread: readonly string[];
}

/** Columns to search; `prepared` removes what the job's own fields cover in a row. */
interface Search {
  readonly table: Table;
  readonly columns: readonly string[];
  readonly prepared: PreparedTarget | null;
}

/**
 * Searches every text and binary column of every table for the job's formats: ciphertext that no field declares would be lost with
 * the old key (the verification of invariant 12 reads only what is declared). From a table with a row id, only rows
 * with a fixed beginning of ciphertext are fetched.
 */
export async function findUndeclared(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  ring: Keyring,
): Promise<Undeclared> {
  const formats = [
    ...new Set(job.targets.flatMap((target) => target.fields.map((field) => formatOf(field.format)))),
  ];
  const findings: Finding[] = [];
  const unread = new Set<string>();
  for (const table of catalog) {
    for (const search of searchesOf(table, job)) {
      try {
        findings.push(...(await searchTable(database, search, formats, ring)));
      } catch (error) {
        if (!database.failures.isDenied(error)) throw error;
        unread.add(table.name);
      }
    }
  }
  const explained = findings.map((finding) => {
    const excluded = job.exclude.find(
      ({ table, column }) => table === finding.table && column === finding.column,
    );
    if (excluded === undefined) return finding;
    const { declare: _, ...left } = finding;
    return { ...left, excluded: excluded.reason };
  });
  return { findings: explained, unread: [...unread] };
}

/**
 * Refuses ciphertext that no field declares and that is not excluded.
 *
 * @param remedy what to do about it. Default, before a run: how to declare each column.
 */
export function assertDeclared(findings: readonly Finding[], remedy?: string): void {
  const lost = findings.filter(({ values, excluded }) => values > 0 && excluded === undefined);
  if (lost.length === 0) return;
  const places = lost
    .map(({ table, column, values }) => `${placeText(table, column, '')} (${values})`)
    .join(', ');
  throw new KeyturnError(
    'undeclared-ciphertext',
    `found ciphertext under the current key that no field of the job declares: ${places}`,
    {
      hint: `it would be lost with the old key: ${remedy ?? waysOut(lost)}`,
    },
  );
}

/** How to declare the columns, grouped, and which of them no field can declare. */
function waysOut(lost: readonly Finding[]): string {
  const ways = new Map<string | null, string[]>();
  for (const { table, column, declare = '' } of lost)
    ways.set(declare, [...(ways.get(declare) ?? []), placeText(table, column, '')]);
  const out = [...ways].map(([way, places]) => {
    const columns = places.join(', ');
    if (way === null)
      return `no field can declare ${columns}: the table has no key, or the values are escaped, truncated or in a generated column; change that first`;
    return `declare ${columns} in a copy of the job${way === '' ? '' : ` with ${way}`}`;
  });
  return `${out.join('; ')}; or, if it may be lost, use --exclude table.column=reason`;
}

/** Undeclared columns, and declared ones if a field covers only part of the value. */
function searchesOf(table: Table, job: Job): Search[] {
  const target = job.targets.find(({ shape }) => shape.table === table.name);
  // A token may stand in a binary column as its ASCII, which is what Python's encrypt() returns
  const text = table.columns.filter(({ holds }) => holds !== 'other').map(({ name }) => name);
  if (target === undefined) return text.length === 0 ? [] : [{ table, columns: text, prepared: null }];
  const declared = new Set(target.fields.map(({ column }) => column));
  const whole = new Set(
    target.fields
      .filter(({ when, document }) => when.length === 0 && isWhole(document))
      .map(({ column }) => column),
  );
  const undeclared = text.filter((name) => !declared.has(name));
  const partly = target.shape.columns.filter((name) => declared.has(name) && !whole.has(name));
  return [
    ...(undeclared.length === 0 ? [] : [{ table, columns: undeclared, prepared: null }]),
    ...(partly.length === 0
      ? []
      : [{ table, columns: partly, prepared: prepareTarget(target, job.everywhere) }]),
  ];
}

/** Certain strings of JSON, or values inside other text, are only part of the value. */
function isWhole(document: Field['document']): boolean {
  return document !== 'within' && (typeof document === 'string' || isSearched(document));
}

async function searchTable(
  database: Database,
  search: Search,
  formats: readonly Format[],
  ring: Keyring,
): Promise<Finding[]> {
  const { table, columns, prepared } = search;
  const needles = [
    ...new Set(ring.each.flatMap((each) => formats.flatMap((format) => format.prefixes(each)))),
  ];
  if (needles.length === 0) return [];
  const found = new Map(
    columns.map((column) => [column, { values: 0, lookAlikes: 0, samples: [] as Sample[] }]),
  );
  const shape: RowShape = prepared?.target.shape ?? {
    table: table.name,
    id: table.rowId,
    columns,
    written: 0,
  };
  await readHits(database, shape, needles, (row) => {
    columns.forEach((column) => {
      const index = shape.columns.indexOf(column);
      const text = undeclaredText(row, index, prepared);
      const counts = found.get(column);
      if (text === '' || counts === undefined) return;
      for (const format of formats) {
        const { values, lookAlikes } = countTraces(text, format, ring);
        counts.values += values;
        counts.lookAlikes += lookAlikes;
        if (values === 0 || counts.samples.length >= sampled) continue;
        // A new field would declare the whole column, including what another field covers now
        const whole = row.values[index] ?? '';
        counts.samples.push({ text: whole, format, values: countTraces(whole, format, ring).values });
      }
    });
  });
  return [...found]
    .filter(([, { values, lookAlikes }]) => values + lookAlikes > 0)
    .map(([column, { values, lookAlikes, samples }]) => {
      const finding = { table: table.name, column, values, lookAlikes };
      if (values === 0) return finding;
      return { ...finding, declare: mayBeField(table, column) ? wayToDeclare(samples, ring) : null };
    });
}

function countTraces(text: string, format: Format, ring: Keyring): { values: number; lookAlikes: number } {
  const counts = { values: 0, lookAlikes: 0 };
  for (const readings of traces(text, format.prefixes(ring))) {
    const openings = ring.each.flatMap((each) => format.open(readings, each));
    if (openings.some((opening) => typeof opening === 'object')) counts.values++;
    else if (openings.includes('closed')) counts.lookAlikes++;
  }
  return counts;
}

/** Whether the column can be a field: it must be possible to read the table in chunks, and to write the column. */
function mayBeField({ rowId, columns }: Table, column: string): boolean {
  const isComputed = columns.some(({ name, generated }) => name === column && generated);
  return rowId.length > 0 && !rowId.includes(column) && !isComputed;
}

/** Reads every row that may have a hit. A table without a row id cannot be paged: reads all of its rows. */
async function readHits(
  database: Database,
  shape: RowShape,
  needles: readonly string[],
  each: (row: Row) => void,
): Promise<void> {
  if (shape.id.length === 0) return database.readAll(shape, each);
  const size = new PageSize(page);
  for (let after: Row['id'] | null = null; ; ) {
    const limit = size.rows;
    const rows: Row[] = await database.search(shape, needles, after, limit);
    for (const row of rows) each(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) return;
    after = last.id;
    size.saw(rows);
  }
}

/** The text of a column without what a field of the job covers. */
function undeclaredText(row: Row, index: number, prepared: PreparedTarget | null): string {
  const text = row.values[index] ?? '';
  if (prepared === null) return text;
  const field = fieldsOf(prepared, row).find(({ field: { index: at } }) => at === index);
  if (field === undefined) return text;
  try {
    const edits = field.document.leaves(text).map((leaf) => ({ leaf, text: '' }));
    return field.document.edit(text, edits);
  } catch (error) {
    // A field does declare it: for the rotation it is an exception
    if (error instanceof MalformedDocument) return '';
    throw error;
  }
}
