import { provesKey } from '../../formats/format.ts';
import type { Keyring } from '../../keys/keyring.ts';
import type { Rotation } from '../values/classify.ts';
import type { PreparedField, PreparedTarget } from '../values/field-values.ts';

/**
 * Whether ordinary rows of the target can be rotated and verified in bulk, by column: each field is a whole column, and no
 * field depends on another one or on the values of other columns.
 */
export function hasPlainFields({ target, fields }: PreparedTarget): boolean {
  const columns = new Set(fields.map(({ field }) => field.index));
  return (
    target.tree === undefined && fields.length > 0 && columns.size === fields.length && fields.every(isPlain)
  );
}

function isPlain({ document, field, format, rules }: PreparedField): boolean {
  return (
    document.name === 'text' &&
    rules === null &&
    field.beside === undefined &&
    field.when.length === 0 &&
    field.set === undefined &&
    field.becomes === undefined &&
    format.needs === undefined
  );
}

/**
 * Whether a value that opens under the current key is one to rotate, without another look: either the opening proves the key, or
 * all values of the chunk are under the current key (invariant 6).
 */
export function isOneKeyEnough(
  { fields }: PreparedTarget,
  { from, to, mode, tryAll = false }: Rotation,
): boolean {
  if (to.holds(from.primary)) return false;
  if (mode === 'sweep') return false;
  return fields.every(({ format }) => provesKey(format) || (!tryAll && from.others.length === 0));
}

/** Rings for the layers of a plaintext that may be ciphertext itself. */
export function ringsOfLayers({ from, to }: Rotation): readonly Keyring[] {
  return [...from.each, to];
}
