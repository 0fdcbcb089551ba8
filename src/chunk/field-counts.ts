import type { Row } from '../databases/database.ts';
import { provesKey } from '../formats/format.ts';
import { classify, type Rotation } from './classify.ts';
import type { PreparedTarget } from './field-values.ts';
import { type Value, valuesOf } from './value.ts';

/** What became of the values of one field, in memory. */
export interface FieldCounts {
  readonly column: string;
  readonly format: string;
  /** An opening of this format proves the key. */
  readonly proves: boolean;
  /** Values that open under a key before or after the run. */
  opened: number;
  /** Of the format, and no key opens them. */
  closed: number;
  /** Not of the format, or inside a document that cannot be read. */
  unparsed: number;
}

/** Opens the values of rows, seals nothing, and counts by field. */
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
    };
    counts.set(key, known);
    count(known, value);
  }
  return [...counts.values()];
}

function count(counts: FieldCounts, { outcome, reason, plain }: Value): void {
  if (outcome === 'rotated' || (outcome === 'current' && plain !== null)) counts.opened++;
  else if (reason === 'not-ciphertext' || reason === 'malformed-document') counts.unparsed++;
  else if (outcome === 'exceptions') counts.closed++;
}

/** Whether some value does not open under the current key, but under the new one. */
export function isUnderNewKey(prepared: PreparedTarget, rows: readonly Row[], rotation: Rotation): boolean {
  const values = rows.flatMap((row, i) => valuesOf(prepared, row, i));
  classify(values, rotation);
  return values.some(({ reason }) => reason === 'under-new-key');
}
