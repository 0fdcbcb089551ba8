import type { Field } from '../../job/job.ts';
import type { Key } from '../../keys/key.ts';
import type { Rotation } from './classify.ts';
import type { Value } from './value.ts';

export type Label = NonNullable<Field['set']>;

/** What a label column holds for values under a key. */
export function labelText(text: string, key: Key): string {
  return text.includes('{keyId}') ? text.replaceAll('{keyId}', key.id) : text;
}

/**
 * The column that names the key of a row must stay true: the values that it labels are rotated together with it, or not
 * at all. It is part of compare-and-set, but not of the digest.
 */
export function settleLabels(values: readonly Value[], { from, to }: Rotation): void {
  for (const { label, of } of byLabel(values)) {
    const before = labelText(label.was, from.primary);
    const after = labelText(label.to, to.primary);
    const [{ labelled = null } = {}] = of;
    const sealed = of.filter(({ plain }) => plain !== null).filter(isSettled);
    const rotated = of.filter(({ outcome }) => outcome === 'rotated');
    if (labelled !== before && (labelled !== after || rotated.length > 0)) {
      for (const value of sealed) hold(value, 'other-label');
    } else if (of.some(({ outcome }) => outcome === 'exceptions' || outcome === 'undecided')) {
      for (const value of rotated) hold(value, 'held-back');
    } else if (labelled !== after && sealed[0] !== undefined) sealed[0].relabelled = after;
  }
}

/** The values of each row that one column labels. */
function byLabel(values: readonly Value[]): Iterable<{ readonly label: Label; readonly of: Value[] }> {
  const groups = new Map<string, { readonly label: Label; readonly of: Value[] }>();
  for (const value of values) {
    const label = value.prepared.field.set;
    if (label === undefined) continue;
    const key = `${value.row} ${label.index}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { label, of: [value] });
    else group.of.push(value);
  }
  return groups.values();
}

function isSettled({ outcome }: Value): boolean {
  return outcome === 'rotated' || outcome === 'current';
}

/** A value that stays under the old key is digested as it is stored. */
function hold(value: Value, reason: 'other-label' | 'held-back'): void {
  if (value.outcome === 'rotated') value.plain = null;
  value.outcome = 'exceptions';
  value.reason = reason;
  value.sealed = null;
  value.isNested = false;
}
