import type { Row } from '../../databases/database.ts';
import { provesKey } from '../../formats/format.ts';
import { classify, type Rotation } from './classify.ts';
import type { PreparedTarget } from './field-values.ts';
import { type Value, valuesOf } from './value.ts';

/** What became of the values of one field, in a test in memory. */
export interface FieldCounts {
  readonly column: string;
  readonly format: string;
  /** Whether an opening of this format proves the key. */
  readonly proves: boolean;
  /** Values that open under a key before or after the run. */
  opened: number;
  /** Values of the format that no key opens. */
  closed: number;
  /** Values that are not of the format, or inside a document that cannot be read. */
  unparsed: number;
  /** Among those that open: encrypted twice. */
  nested: number;
}

/** Opens the values of rows and counts the results by field. Seals nothing. */
export function countByField(
  prepared: PreparedTarget,
  rows: readonly Row[],
  rotation: Rotation,
): readonly FieldCounts[] {
  const values = rows.flatMap((row, i) => valuesOf(prepared, row, i));
  classify(values, rotation);
  const counts = new Map<string, FieldCounts>();
  for (const value of values) {
    const { field, format } = value.prepared;
    const key = `${field.column} ${format.name}`;
    const known = counts.get(key) ?? {
      column: field.column,
      format: format.name,
      proves: provesKey(format),
      opened: 0,
      closed: 0,
      unparsed: 0,
      nested: 0,
    };
    counts.set(key, known);
    count(known, value);
  }
  return [...counts.values()];
}

function count(counts: FieldCounts, { outcome, reason, plain }: Value): void {
  if (outcome === 'rotated' || (outcome === 'current' && plain !== null)) counts.opened++;
  else if (reason === 'not-ciphertext' || reason === 'malformed-document') counts.unparsed++;
  else if (reason === 'nested') {
    counts.opened++;
    counts.nested++;
  } else if (outcome === 'exceptions') counts.closed++;
}

/** The values that open under the new key, but not under the current one. */
export function underNewKey(
  prepared: PreparedTarget,
  rows: readonly Row[],
  rotation: Rotation,
): readonly Value[] {
  const values = rows.flatMap((row, i) => valuesOf(prepared, row, i));
  classify(values, rotation);
  return values.filter(
    ({ outcome, reason, isUnderNewKey }) =>
      isUnderNewKey && (outcome === 'current' || reason === 'under-new-key'),
  );
}
