import { randomBytes } from 'node:crypto';
import { fieldsOf, type PreparedField, type PreparedTarget, prepareTarget } from '../chunk/field-values.ts';
import type { Column, Database, Table } from '../databases/database.ts';
import { type Document, type Leaf, MalformedDocument } from '../documents/document.ts';
import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { readPages } from './pages.ts';

/** A column of limited length that is written. All lengths are in what the column's own limit counts: characters or bytes. */
export interface Width {
  readonly table: string;
  readonly column: string;
  readonly unit: 'characters' | 'bytes';
  readonly width: number;
  /** The longest that the rotation may store; null: nothing longer than what is there. */
  readonly needed: number | null;
}

/**
 * Whether what will be stored fits, for every row. A format seals a plaintext again in as many characters as before
 * (format.ts), and documents escape none of them and break them into as many lines, so that most columns need not even be
 * looked at. Two things grow:
 * - the master key itself, which becomes another plaintext, and whatever stands around it: line ends, a length;
 * - a gzip: ciphertext that it holds more than once is packed once, and sealed again it is no longer the same. So
 *   these are read, all of them.
 *
 * @param to the keys after the rotation; for what is in gzips any that fit the formats do
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

/** Of the new master key, sealed, where the column takes it. */
function keyLength({ fields }: PreparedTarget, column: string, { primary }: Keyring): number | undefined {
  const holder = fields.find(({ field }) => field.column === column && field.becomes === 'primary');
  return holder?.format.sealedLength(Buffer.byteLength(primary.text));
}

/** Of each limited column whose values may grow what the longest needs. */
async function longestGrown(
  database: Database,
  prepared: PreparedTarget,
  limited: readonly Limited[],
  to: Keyring,
): Promise<Map<string, number>> {
  const most = new Map<string, number>();
  const mayGrow = ({ field }: PreparedField): boolean =>
    (field.document === 'gzip' || field.becomes === 'primary') &&
    limited.some(({ name }) => name === field.column);
  if (!prepared.fields.some(mayGrow)) return most;
  await readPages(database, prepared.target.shape, (rows) => {
    for (const row of rows)
      for (const field of fieldsOf(prepared, row).filter(mayGrow)) {
        const { column, index } = field.field;
        const value = row.values[index] ?? '';
        const length = field.field.document === 'gzip' ? packedLength : lengthWithKey;
        most.set(column, Math.max(most.get(column) ?? 0, length(field, value, to)));
      }
  });
  return most;
}

/** With the new master key, sealed, in every place of the old one. */
function lengthWithKey({ document, format }: PreparedField, value: string, { primary }: Keyring): number {
  const text = 'x'.repeat(format.sealedLength(Buffer.byteLength(primary.text)));
  const filled = leavesOf(document, value).filter((leaf) => leaf.text !== '');
  return document.edit(
    value,
    filled.map((leaf) => ({ leaf, text })),
  ).length;
}

/** What a gzip may come to, packed with other random text in place of all that may be ciphertext. */
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
  // Random texts of one length pack to lengths that differ by this at most: 4 % of 200 bytes, 0.1 % of 400 kB, measured
  return length + 16 + Math.ceil(length / 50);
}

/** None where it is no such document, which is not written. */
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

/** Those that are too narrow for what will be stored. */
function narrowOf(widths: readonly Width[]): (Width & { readonly needed: number })[] {
  return widths.flatMap((each) =>
    each.needed !== null && each.needed > each.width ? [{ ...each, needed: each.needed }] : [],
  );
}

/** Refuses columns that are too narrow, unless the schema may be changed. */
export function assertWide(widths: readonly Width[], mayWiden: boolean | undefined): void {
  const narrow = narrowOf(widths);
  const [first] = narrow;
  if (first === undefined || mayWiden === true) return;
  const { table, column, unit, width, needed } = first;
  const more = narrow.length > 1 ? `; and ${narrow.length - 1} more columns` : '';
  throw new KeyturnError(
    'column-too-narrow',
    `${table}.${column} holds ${width} ${unit}, the new ciphertext needs ${needed}${more}`,
    {
      hint: 'widen the column first, as the application allows, or let keyturn do it with --upgradeDatabase',
      facts: { target: table, column },
    },
  );
}

/** Widens what is too narrow, and tells it; each column keeps whatever else was declared of it. */
export async function widenColumns(database: Database, widths: readonly Width[]): Promise<Width[]> {
  const narrow = narrowOf(widths);
  for (const { table, column, needed } of narrow) await database.widen(table, column, needed);
  return narrow;
}
