import { emptyTally, type Tally } from '../../checkpoint/tally.ts';
import type { Batch, Row, RowShape } from '../../databases/database.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { bytesAt, type Texts, textAt, textsAt, textsOf } from '../../texts.ts';
import { entryBytes } from '../digest.ts';
import type { Rotation } from '../values/classify.ts';
import type { PreparedField, PreparedTarget } from '../values/field-values.ts';
import { digestRows, empty, opened } from './digest-rows.ts';
import { ringsOfLayers } from './field.ts';
import { openOrdinary } from './open.ts';
import { divided, overlaid, rowAt, slicesOf } from './slice.ts';

/** Rows of which every value is empty or was rotated, and nothing else is to be said. */
export interface OrdinaryRows {
  /** Rows that change, as they were read. */
  readonly batch: Batch;
  /** With the columns that change first. */
  readonly shape: RowShape;
  /** The new texts of these columns. */
  readonly written: readonly Texts[];
  /** Counts and digest entries. @param lost places in `batch` of rows that another writer has changed: they do not count */
  summary(lost: ReadonlySet<number>): { readonly tally: Tally; readonly digests: Buffer };
}

export interface BulkRotation {
  readonly ordinary: readonly OrdinaryRows[];
  /** All other rows, in order. */
  readonly rest: readonly Row[];
}

/**
 * Opens and seals the ordinary rows of a batch by column. For a target with plain fields, under one key (field.ts).
 * @param key of the row digests
 */
export function rotateBulk(
  prepared: PreparedTarget,
  batch: Batch,
  rotation: Rotation,
  key: Buffer,
): BulkRotation {
  const ordinary: OrdinaryRows[] = [];
  const rest: Row[] = [];
  for (const slice of slicesOf(batch)) {
    const columns = prepared.fields.map((field) => openField(field, slice, rotation));
    const [rows, others] = divided(slice.rows, (i) =>
      columns.every(({ outcomes }) => (outcomes[i] as number) >= empty),
    );
    for (const i of others) rest.push(rowAt(slice, i));
    if (rows.length > 0) ordinary.push(rotateOrdinary(prepared, slice, columns, rows, rotation.to, key));
  }
  return { ordinary, rest };
}

interface OpenedColumn {
  readonly prepared: PreparedField;
  readonly plain: Texts;
  /** `empty`, `opened`, or negative: not ordinary. */
  readonly outcomes: Int8Array;
}

function openField(prepared: PreparedField, { columns }: Batch, rotation: Rotation): OpenedColumn {
  const { format, field, layers } = prepared;
  const sealed = columns[field.index] as Texts;
  const plain = openOrdinary(format, sealed, {
    ring: rotation.from,
    except: (key) => rotation.to.holds(key),
    plaintext: field.plaintext,
    layers,
    rings: ringsOfLayers(rotation),
  });
  const outcomes = new Int8Array(sealed.lengths.length);
  for (let i = 0; i < outcomes.length; i++)
    outcomes[i] =
      (sealed.lengths[i] as number) <= 0 ? empty : (plain.lengths[i] as number) >= 0 ? opened : -1;
  return { prepared, plain, outcomes };
}

function rotateOrdinary(
  prepared: PreparedTarget,
  slice: Batch,
  columns: readonly OpenedColumn[],
  rows: Int32Array,
  to: Keyring,
  key: Buffer,
): OrdinaryRows {
  const digests = digestRows(slice.id, columns, rows, key);
  const changed = rows.filter((i) => columns.some(({ outcomes }) => outcomes[i] === opened));
  const { shape } = prepared.target;
  const touched = columns.filter(({ outcomes }) => changed.some((i) => outcomes[i] === opened));
  const order = touched.map(({ prepared: { field } }) => field.index);
  for (let place = 0; place < shape.columns.length; place++) if (!order.includes(place)) order.push(place);
  return {
    batch: {
      rows: changed.length,
      id: slice.id.map((texts) => textsAt(texts, changed)),
      columns: order.map((place) => textsAt(slice.columns[place] as Texts, changed)),
    },
    shape: {
      ...shape,
      columns: order.map((place) => shape.columns[place] as string),
      written: touched.length,
    },
    written: touched.map((column) => sealColumn(column, slice, changed, to)),
    summary(lost) {
      const without = new Set([...lost].map((place) => changed[place] as number));
      const kept = without.size === 0 ? rows : rows.filter((i) => !without.has(i));
      return { tally: tallyOf(columns, kept), digests: entriesOf(digests, rows, kept) };
    },
  };
}

function sealColumn(
  { prepared, plain, outcomes }: OpenedColumn,
  slice: Batch,
  changed: Int32Array,
  to: Keyring,
): Texts {
  const { format, field } = prepared;
  const stored = slice.columns[field.index] as Texts;
  const sealedRows = changed.filter((i) => outcomes[i] === opened);
  const plains = textsAt(plain, sealedRows);
  const like = textsAt(stored, sealedRows);
  const sealed =
    format.bulk === undefined ? sealEach(prepared, plains, like, to) : format.bulk.seal(plains, to, like);
  assertReadable(prepared, plains, sealed, to);
  if (sealedRows.length === changed.length) return sealed;
  return overlaid(textsAt(stored, changed), sealed, (place) => outcomes[changed[place] as number] === opened);
}

/** The longest value is read back by the other way, so that a fault of this one cannot go through a whole database. */
function assertReadable({ format }: PreparedField, plain: Texts, sealed: Texts, to: Keyring): void {
  let longest = 0;
  plain.lengths.forEach((length, i) => {
    if (length > (plain.lengths[longest] as number)) longest = i;
  });
  const [opening] = format.open([textAt(sealed, longest) ?? ''], to);
  if (typeof opening !== 'object' || !opening.plain.equals(bytesAt(plain, longest)))
    throw new Error(`format ${format.name} does not open what it sealed`);
}

function sealEach({ format }: PreparedField, plain: Texts, like: Texts, to: Keyring): Texts {
  const plains: Buffer[] = [];
  const likes: string[] = [];
  for (let i = 0; i < plain.lengths.length; i++) {
    plains.push(bytesAt(plain, i));
    likes.push(textAt(like, i) ?? '');
  }
  return textsOf(format.seal(plains, to, likes));
}

function tallyOf(columns: readonly OpenedColumn[], rows: Int32Array): Tally {
  const tally = emptyTally();
  tally.rows = rows.length;
  tally.values = rows.length * columns.length;
  for (const { outcomes } of columns) for (const i of rows) if (outcomes[i] === opened) tally.rotated++;
  tally.empty = tally.values - tally.rotated;
  return tally;
}

/** Entries of some of the rows. */
function entriesOf(digests: Buffer, rows: Int32Array, kept: Int32Array): Buffer {
  if (kept.length === rows.length) return digests;
  const entries: Buffer[] = [];
  for (let n = 0, k = 0; n < rows.length; n++) {
    if (rows[n] !== kept[k]) continue;
    entries.push(digests.subarray(n * entryBytes, (n + 1) * entryBytes));
    k++;
  }
  return Buffer.concat(entries);
}
