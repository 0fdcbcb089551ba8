import { fieldsOf, type PreparedTarget } from '../chunk/field-values.ts';
import { isPlausible } from '../chunk/plausible.ts';
import type { Row } from '../databases/database.ts';
import { MalformedDocument } from '../documents/document.ts';
import { type Carried, documentOf } from '../documents/registry.ts';
import type { Format } from '../formats/format.ts';
import type { Field } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';

/** A text with values in it. */
export interface Sample {
  readonly text: string;
  readonly format: Format;
  /** How many values of the format there are in it, at least. */
  readonly values: number;
}

interface Way {
  /** As a field of a job file says it; '': nothing, it is the default. */
  readonly says: string;
  readonly carried: Carried;
}

const documents: readonly Way[] = [
  { says: '', carried: { document: 'text' } },
  { says: 'document: { json: any }', carried: { document: { json: 'any' } } },
  { says: 'document: any, foreign: leave', carried: { document: 'any' } },
];

const spellings: readonly { readonly says: string; readonly trim?: true; readonly lines?: number }[] = [
  { says: '' },
  { says: 'trim: true', trim: true },
  ...[60, 64, 76].flatMap((lines) => [
    { says: `lines: ${lines}`, lines },
    { says: `trim: true, lines: ${lines}`, trim: true as const, lines },
  ]),
];

/** The most usual first: it is a hint. */
const ways: readonly Way[] = [
  ...documents.flatMap(({ says, carried }) =>
    spellings.map(({ says: also, ...spelling }) => ({
      says: [says, also].filter((part) => part !== '').join(', '),
      carried: { ...carried, ...spelling },
    })),
  ),
  { says: 'document: within', carried: { document: 'within' } },
];

/**
 * What a field has to say so that all values of the samples open; '': nothing but its column and format. Null: no field
 * can declare them.
 */
export function wayToDeclare(
  samples: readonly Sample[],
  ring: Keyring,
  plaintext: Field['plaintext'] = 'any',
): string | null {
  return ways.find(({ carried }) => opensAs(samples, carried, ring, plaintext))?.says ?? null;
}

/** What the fields of a target whose values do not open had better say, each with its column. */
export function wrongWays(
  { fields, target }: PreparedTarget,
  rows: readonly Row[],
  ring: Keyring,
): { readonly column: string; readonly says: string }[] {
  return fields.flatMap(({ field, format }, place) => {
    const samples = rows.flatMap((row): Sample[] => {
      const text = row.values[field.index] ?? '';
      const applies = fieldsOf({ fields, target }, row).some((each) => each === fields[place]);
      return applies && text !== '' ? [{ text, format, values: 1 }] : [];
    });
    // Some way opens one value by chance, where an opening alone proves nothing
    if (samples.length < (format.authenticated ? 1 : 4)) return [];
    if (opensAs(samples, field, ring, field.plaintext)) return [];
    const says = wayToDeclare(samples, ring, field.plaintext);
    return says === null ? [] : [{ column: field.column, says }];
  });
}

function opensAs(
  samples: readonly Sample[],
  carried: Carried,
  ring: Keyring,
  plaintext: Field['plaintext'],
): boolean {
  return samples.every((sample) => countOpen(sample, carried, ring, plaintext) >= sample.values);
}

function countOpen(
  { text, format }: Sample,
  carried: Carried,
  ring: Keyring,
  plaintext: Field['plaintext'],
): number {
  if (carried.document === 'within' && format.signature === undefined) return 0;
  try {
    const texts = [...documentOf(carried, format.signature).read(text)].map((leaf) => leaf.text);
    return format
      .open(texts, ring)
      .filter((opening) => typeof opening === 'object' && isPlausible(opening.plain, plaintext)).length;
  } catch (error) {
    if (error instanceof MalformedDocument) return 0;
    throw error;
  }
}
