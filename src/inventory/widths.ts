import { randomBytes } from 'node:crypto';
import {
  fieldsOf,
  type PreparedField,
  type PreparedTarget,
  prepareTarget,
} from '../chunk/values/field-values.ts';
import type { Column, Database, Table } from '../databases/database.ts';
import { type Document, type Leaf, MalformedDocument } from '../documents/document.ts';
import { KeyturnError } from '../error.ts';
import { isChanged, lengthAfter } from '../formats/changed-format.ts';
import type { Job } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { readPages } from './pages.ts';

/**
 * A column of limited length that is written. All lengths are in the unit of the column's limit: characters or bytes.
 */
export interface Width {
  readonly table: string;
  readonly column: string;
  readonly unit: 'characters' | 'bytes';
  readonly width: number;
  /** The longest value that the rotation may store; null: no longer than the values now. */
  readonly needed: number | null;
}

/**
 * Checks whether the new values of all rows fit. A format seals a plaintext again to the same length (format.ts), and
 * documents do not escape it and keep the number of lines, so most columns need no check. What can grow:
 * - the master key itself, whose plaintext changes, and with it line ends or a length around it;
 * - a value that gets another form (`Keyring.only`) or another format;
 * - a gzip: repeated ciphertext compresses well, but after sealing it is no longer repeated. All of them are read.
 *
 * @param to the keys after the rotation; for gzips, any keys that the formats accept will do
 */
export async function widthsOf(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  to: Keyring,
): Promise<Width[]> {
  const widths: Width[] = [];
  for (const target of job.targets.filter(({ onlyVerified }) => onlyVerified !== true)) {
    const prepared = prepareTarget(target, job.everywhere);
    const { table: name, columns, written } = target.shape;
    const table = catalog.find((each) => each.name === name);
    const limited = columns.slice(0, written).flatMap((column) => limitOf(table, column));
    const grown = await longestGrown(database, prepared, limited, to);
    for (const { name: column, holds, maxLength: width } of limited) {
      const growing = [grown.get(column), keyLength(prepared, column, to)].filter((n) => n !== undefined);
      const needed = growing.length === 0 ? null : Math.max(...growing);
      widths.push({ table: name, column, unit: holds === 'binary' ? 'bytes' : 'characters', width, needed });
    }
  }
  return widths;
}

type Limited = Column & { readonly maxLength: number };

function limitOf(table: Table | undefined, column: string): Limited[] {
  const found = table?.columns.find(({ name }) => name === column);
  const { maxLength = null } = found ?? {};
  return found === undefined || maxLength === null ? [] : [{ ...found, maxLength }];
}

/** Length of the sealed new master key, if the column contains it. */
function keyLength(
  { fields }: PreparedTarget,
  column: string,
  { primary, stored }: Keyring,
): number | undefined {
  const holder = fields.find(({ field }) => field.column === column && field.becomes === 'primary');
  return holder?.format.sealedLength(Buffer.byteLength((stored ?? primary).text));
}

/** For each limited column whose values may grow: the longest value that it may get. */
async function longestGrown(
  database: Database,
  prepared: PreparedTarget,
  limited: readonly Limited[],
  to: Keyring,
): Promise<Map<string, number>> {
  const most = new Map<string, number>();
  const mayGrow = ({ field, format }: PreparedField): boolean =>
    (field.document === 'gzip' || field.becomes === 'primary' || to.only !== null || isChanged(format)) &&
    limited.some(({ name }) => name === field.column);
  if (!prepared.fields.some(mayGrow)) return most;
  await readPages(database, prepared.target.shape, (rows) => {
    for (const row of rows)
      for (const field of fieldsOf(prepared, row).filter(mayGrow)) {
        const { column, index } = field.field;
        const value = row.values[index] ?? '';
        const length =
          field.field.document === 'gzip'
            ? packedLength
            : field.field.becomes === 'primary'
              ? lengthWithKey
              : isChanged(field.format)
                ? lengthInNewFormat
                : lengthOfOneForm;
        most.set(column, Math.max(most.get(column) ?? 0, length(field, value, to)));
      }
  });
  return most;
}

/** Length of the value with the sealed new master key in place of the old one. */
function lengthWithKey(
  { document, format }: PreparedField,
  value: string,
  { primary, stored }: Keyring,
): number {
  const text = 'x'.repeat(format.sealedLength(Buffer.byteLength((stored ?? primary).text)));
  const filled = leavesOf(document, value).filter((leaf) => leaf.text !== '');
  return document.edit(
    value,
    filled.map((leaf) => ({ leaf, text })),
  ).length;
}

/** Length with every value in the new format, as long as its plaintext may be. */
function lengthInNewFormat({ document, format }: PreparedField, value: string): number {
  if (!isChanged(format)) return value.length;
  return document.edit(
    value,
    leavesOf(document, value).map((leaf) => ({
      leaf,
      text: 'x'.repeat(lengthAfter(format, leaf.text.length)),
    })),
  ).length;
}

/** Length if every value gets the longest form: an id of 36 characters, a colon, and 49 bytes around the plaintext. */
function lengthOfOneForm({ document }: PreparedField, value: string): number {
  return value.length + leavesOf(document, value).length * (36 + 1 + 68);
}

/** Length that a gzip may reach: compressed with random text in place of everything that may be ciphertext. */
function packedLength({ document, format }: PreparedField, value: string, to: Keyring): number {
  const leaves = leavesOf(document, value);
  const openings = format.open(
    leaves.map(({ text }) => text),
    to,
  );
  const edits = leaves
    .filter((_, i) => openings[i] !== 'foreign')
    .map((leaf) => ({ leaf, text: randomText(leaf.text.length) }));
  if (edits.length === 0) return value.length;
  const { length } = document.edit(value, edits);
  // Compressed random texts of one length differ in length by at most this: measured 4 % of 200 bytes, 0.1 % of 400 kB
  return length + 16 + Math.ceil(length / 50);
}

/** None if the value is not such a document, since it is not written then. */
function leavesOf(document: Document, value: string): Leaf[] {
  try {
    return document.leaves(value);
  } catch (error) {
    if (error instanceof MalformedDocument) return [];
    throw error;
  }
}

function randomText(length: number): string {
  return randomBytes(length).toString('base64').slice(0, length);
}

/** Columns that are too narrow for the new values. */
function narrowOf(widths: readonly Width[]): (Width & { readonly needed: number })[] {
  return widths.flatMap((each) =>
    each.needed !== null && each.needed > each.width ? [{ ...each, needed: each.needed }] : [],
  );
}

/** Refuses columns that are too narrow, unless they may be widened. */
export function assertWide(widths: readonly Width[], mayWiden: boolean | undefined): void {
  const narrow = narrowOf(widths);
  const [first] = narrow;
  if (first === undefined || mayWiden === true) return;
  const { table, column, unit, width, needed } = first;
  const more = narrow.length > 1 ? `; and ${narrow.length - 1} more columns` : '';
  throw new KeyturnError(
    'column-too-narrow',
    `${table}.${column} is limited to ${width} ${unit}, and the new ciphertext needs ${needed}${more}`,
    {
      hint: 'widen the column if the application allows it, or use --upgradeDatabase to let keyturn widen it',
      facts: { target: table, column },
    },
  );
}

/** Widens columns that are too narrow and returns them. Columns keep all their other properties. */
export async function widenColumns(database: Database, widths: readonly Width[]): Promise<Width[]> {
  const narrow = narrowOf(widths);
  for (const { table, column, needed } of narrow) await database.widen(table, column, needed);
  return narrow;
}
