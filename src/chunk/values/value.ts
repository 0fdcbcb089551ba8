import type { ExceptionReason } from '../../checkpoint/exception-table.ts';
import type { Row } from '../../databases/database.ts';
import { type Leaf, MalformedDocument } from '../../documents/document.ts';
import type { Format, Opening, Place } from '../../formats/format.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { placesIn, placesOf } from '../places.ts';
import { fieldsOf, type PreparedField, type PreparedTarget } from './field-values.ts';
import type { Layer } from './layers.ts';
import { storedIn } from './stored.ts';

/** What becomes of a value. Each outcome is a field of the tally, except `nothing`. */
export type ValueOutcome =
  | 'rotated'
  | 'current'
  | 'empty'
  | 'lookAlikes'
  | 'undecided'
  | 'exceptions'
  | 'nothing';

export interface Value {
  readonly prepared: PreparedField;
  readonly table: string;
  /** Index of its row among those that are rotated together. */
  readonly row: number;
  /** The whole value of the column. */
  readonly stored: string;
  readonly text: string;
  readonly path: string;
  readonly leaf: Leaf | null;
  /** Where it is, if its format depends on that. */
  readonly place: Place | null;
  outcome: ValueOutcome;
  reason: ExceptionReason | null;
  plain: Buffer | null;
  sealed: string | null;
  /** Of a plaintext that is ciphertext itself: what to seal around `plain` before the value, from the outside in. */
  layers: readonly Layer[];
  /** What the column that names the key of the row contains (`set`). */
  readonly labelled: string | null;
  /** What to write to that column; null: nothing. */
  relabelled: string | null;
  /** Encrypted twice, and rotated by the operator's decision. */
  isNested: boolean;
  /** No key from before the run opens it, and the new one does. */
  isUnderNewKey: boolean;
}

/** Everything in a row that may be ciphertext. Empty and malformed values get their outcome here. */
export function valuesOf(prepared: PreparedTarget, row: Row, index: number): Value[] {
  const values: Value[] = [];
  for (const field of fieldsOf(prepared, row)) {
    const stored = storedIn(field.field, row);
    const { set } = field.field;
    const place = {
      prepared: field,
      table: prepared.target.shape.table,
      row: index,
      stored: stored ?? '',
      labelled: set === undefined ? null : (row.values[set.index] ?? null),
      placeOf: placesIn(field, prepared.target.shape.table, row),
    };
    if (stored === null || stored === '') {
      if (!field.searching) values.push(valueAt(place, null, 'empty'));
      continue;
    }
    try {
      for (const leaf of field.document.leaves(stored)) {
        const empty = !field.searching && field.format.isEmpty(leaf.text);
        values.push(valueAt(place, leaf, empty ? 'empty' : 'nothing'));
      }
    } catch (error) {
      if (!(error instanceof MalformedDocument)) throw error;
      values.push(valueAt(place, null, 'exceptions', 'malformed-document'));
    }
  }
  return values;
}

const none: readonly Layer[] = [];

function valueAt(
  {
    prepared,
    table,
    row,
    stored,
    labelled,
    placeOf,
  }: Pick<Value, 'prepared' | 'table' | 'row' | 'stored' | 'labelled'> & {
    readonly placeOf: (path: string) => Place | null;
  },
  leaf: Leaf | null,
  outcome: ValueOutcome,
  reason: ExceptionReason | null = null,
): Value {
  const [text, path] = [leaf?.text ?? stored, leaf?.path ?? ''];
  const opened = { plain: null, sealed: null, layers: none, relabelled: null };
  const found = { isNested: false, isUnderNewKey: false };
  const place = placeOf(path);
  return {
    prepared,
    table,
    row,
    stored,
    labelled,
    text,
    path,
    leaf,
    place,
    outcome,
    reason,
    ...opened,
    ...found,
  };
}

/** The texts of the values, for formats. */
export function textsOf(values: readonly Value[]): string[] {
  const texts: string[] = [];
  for (const { text } of values) texts.push(text);
  return texts;
}

/** Opens values of one format. */
export function openValues(format: Format, values: readonly Value[], ring: Keyring): Opening[] {
  return format.open(textsOf(values), ring, placesOf(values, format));
}
