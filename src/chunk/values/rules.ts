import type { Opening } from '../../formats/format.ts';
import type { Rules } from '../../job/job.ts';
import { namesOf, placeText } from '../../job/place.ts';
import type { PreparedField } from './field-values.ts';
import { isPlausible } from './plausible.ts';

/** What becomes of a string that was found by its shape. */
export type Ruling = 'nothing' | 'rotate' | 'look-alike' | 'undecided' | 'exception';

/**
 * The rules, which the report also lists:
 * - not of the format: nothing;
 * - in a known sensitive place (by its name, by a member's name, by a sibling of the value, or because the inventory found
 *   many values there and all of them open): rotated, or an exception;
 * - elsewhere: a value that does not open is a look-alike; one that opens to text, a certificate or a key is rotated;
 *   one that opens to anything else (the chance is 1 in 255) is undecided, unless the operator has decided.
 */
export function rulingOf(
  opening: Opening,
  rules: Rules,
  place: string,
  siblings: () => Readonly<Record<string, unknown>>,
): Ruling {
  if (opening === 'foreign') return 'nothing';
  if (opening !== 'closed' && isPlausible(opening.plain, 'plausible')) return 'rotate';
  const known = isKnown(rules, place, siblings);
  if (opening === 'closed') return known ? 'exception' : 'look-alike';
  const decision = rules.decisions.find((each) => each.place === place)?.as;
  if (known || decision === 'rotate') return 'rotate';
  return decision === 'leave' ? 'look-alike' : 'undecided';
}

/** The ruling on a value of a field with rules. */
export function rulingFor(
  value: { readonly prepared: PreparedField; readonly path: string; readonly stored: string },
  table: string,
  opening: Opening,
): Ruling {
  const { prepared, path, stored } = value;
  const { field, document, rules } = prepared;
  if (rules === null) throw new Error(`${table}.${field.column} has no rules`);
  return rulingOf(opening, rules, placeText(table, field.column, path), () =>
    document.siblings(stored, path),
  );
}

/** Whether the operator decided to leave the values of a place behind. */
export function isLeftBehind({ decisions }: Rules, place: string): boolean {
  return decisions.some((decision) => decision.place === place && decision.as === 'leave');
}

function isKnown(rules: Rules, place: string, siblings: () => Readonly<Record<string, unknown>>): boolean {
  if (rules.certain.includes(place) || isNamed(rules, place)) return true;
  return rules.sensitive.some((rule) => 'sibling' in rule && hasAll(siblings(), rule.sibling));
}

/** Whether the job names the place as a sensitive one. */
export function isNamed({ sensitive }: Pick<Rules, 'sensitive'>, place: string): boolean {
  if (sensitive.some((rule) => 'place' in rule && rule.place === place)) return true;
  const members = sensitive.flatMap((rule) => ('members' in rule ? rule.members : []));
  if (members.length === 0) return false;
  const names = namesOf(place);
  return members.some((name) => names.has(name));
}

function hasAll(
  members: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => members[name] === value);
}
