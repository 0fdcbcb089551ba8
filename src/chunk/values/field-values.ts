import type { Row } from '../../databases/database.ts';
import type { Document } from '../../documents/document.ts';
import { documentOf, isSearched } from '../../documents/registry.ts';
import type { Format } from '../../formats/format.ts';
import { formatOf } from '../../formats/registry.ts';
import type { Field, Rules, Target } from '../../job/job.ts';

/** A field with its document and format. */
export interface PreparedField {
  readonly field: Field;
  readonly document: Document;
  readonly format: Format;
  /** Any string of the document may be ciphertext. Those that are not are not values, and are not counted. */
  readonly searching: boolean;
  /** Rules that decide what becomes of a value; null: the field itself does. */
  readonly rules: Rules | null;
  /** Formats that the plaintext itself may be ciphertext of. */
  readonly layers: readonly Format[];
}

export interface PreparedTarget {
  readonly target: Target;
  readonly fields: readonly PreparedField[];
}

/**
 * @param rules of a job that finds ciphertext by shape
 * @param layers formats of the job (layers.ts); none where plaintexts do not matter
 */
export function prepareTarget(
  target: Target,
  rules: Rules | undefined,
  layers: readonly Format[] = [],
): PreparedTarget {
  return {
    target,
    fields: target.fields.map((field) => {
      const format = formatOf(field.format);
      return {
        field,
        document: documentOf(field, format.signature),
        format,
        searching: field.byShape === true || isSearched(field.document),
        rules: (field.byShape === true && rules) || null,
        layers,
      };
    }),
  };
}

/** The fields that apply to a row: for each column, the first whose `when` matches. */
export function fieldsOf(prepared: PreparedTarget, row: Row): PreparedField[] {
  const taken = new Set<number>();
  const fields: PreparedField[] = [];
  for (const candidate of prepared.fields) {
    const { index, when } = candidate.field;
    if (taken.has(index) || !when.every((w) => holdsOneOf(w.values, row.values[w.index] ?? null))) continue;
    taken.add(index);
    fields.push(candidate);
  }
  return fields;
}

function holdsOneOf(values: readonly string[], held: string | null): boolean {
  return held !== null && values.includes(held);
}

/** Groups values by format, so that each format sees one batch. */
export function byFormat<T extends { readonly prepared: PreparedField }>(
  values: readonly T[],
): Map<Format, T[]> {
  const groups = new Map<Format, T[]>();
  for (const value of values) {
    const group = groups.get(value.prepared.format);
    if (group === undefined) groups.set(value.prepared.format, [value]);
    else group.push(value);
  }
  return groups;
}
