import { fieldsOf, type PreparedTarget } from '../chunk/values/field-values.ts';
import { isPlausible } from '../chunk/values/plausible.ts';
import type { Row } from '../databases/database.ts';
import { MalformedDocument } from '../documents/document.ts';
import { type Carried, documentOf } from '../documents/registry.ts';
import type { Format } from '../formats/format.ts';
import { formatOf } from '../formats/registry.ts';
import type { Canary, Field } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Keyring } from '../keys/keyring.ts';

/** A text that contains values. */
export interface Sample {
  readonly text: string;
  readonly format: Format;
  /** How many values of the format it contains, at least. */
  readonly values: number;
}

interface Way {
  /** What to write in the field of a job file; '': nothing, it is the default. */
  readonly says: string;
  readonly carried: Carried;
}

const documents: readonly Way[] = [
  { says: '', carried: { document: 'text' } },
  { says: 'document: { json: any }', carried: { document: { json: 'any' } } },
  { says: 'document: any', carried: { document: 'any' } },
];

const spellings: readonly { readonly says: string; readonly trim?: true; readonly lines?: number }[] = [
  { says: '' },
  { says: 'trim: true', trim: true },
  ...[60, 64, 76].flatMap((lines) => [
    { says: `lines: ${lines}`, lines },
    { says: `trim: true, lines: ${lines}`, trim: true as const, lines },
  ]),
];

/** The most common ones first, since the first that works becomes a hint. */
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
 * What a field must contain so that all values of the samples open; '': only its column and format. Null: no field can
 * declare them.
 */
export function wayToDeclare(samples: readonly Sample[], ring: Keyring): string | null {
  const way = wayOf(samples, ring, 'any');
  return way === undefined ? null : asField(way);
}

/** A better declaration of a place: with it, the key opens the values. */
export interface Better {
  readonly place: string;
  readonly says: string;
}

/** Better declarations for fields of a target whose values do not open. */
export function betterFields(
  { fields, target }: PreparedTarget,
  rows: readonly Row[],
  ring: Keyring,
): Better[] {
  return fields.flatMap((prepared): Better[] => {
    const { field, format } = prepared;
    const samples = rows
      .filter((row) => fieldsOf({ fields, target }, row).includes(prepared))
      .flatMap((row) => sampleOf(row.values[field.index], format));
    if (field.beside !== undefined) return [];
    if (samples.length < enough(format) || opensAs(samples, field, ring, field.plaintext)) return [];
    const way = wayOf(samples, ring, field.plaintext);
    const place = placeText(target.shape.table, field.column, '');
    return way === undefined ? [] : [{ place, says: asField(way) }];
  });
}

/** Better declarations for a canary whose values do not open. */
export function betterCanary(canary: Canary, values: readonly (string | null)[], ring: Keyring): Better[] {
  const format = formatOf(canary.format);
  if (canary.with !== undefined) return [];
  const samples = values.flatMap((value) => sampleOf(value, format));
  if (samples.length < enough(format)) return [];
  const way = wayOf(samples, ring, canary.plaintext);
  const place = `the canary ${placeText(canary.table, canary.column, '')}`;
  return way === undefined ? [] : [{ place, says: way.says }];
}

/** If another declaration lets the key open the values, the key is right and the job is wrong. Null: there is none. */
export function hintOf(better: readonly Better[]): string | null {
  if (better.length === 0) return null;
  const places = better.map(
    ({ place, says }) => `${place} with ${says === '' ? 'no document, trim or lines' : says}`,
  );
  return `the key is right: it decrypts the values if the job declares ${places.join(', and ')}; nothing was changed`;
}

function sampleOf(value: string | null | undefined, format: Format): Sample[] {
  return value ? [{ text: value, format, values: 1 }] : [];
}

/** If an opening alone proves nothing, some declaration may open one value by chance. */
function enough({ authenticated }: Format): number {
  return authenticated ? 1 : 4;
}

function wayOf(samples: readonly Sample[], ring: Keyring, plaintext: Field['plaintext']): Way | undefined {
  return ways.find(({ carried }) => opensAs(samples, carried, ring, plaintext));
}

/** In JSON every string is a leaf then, also those that are not values. */
function asField({ says, carried }: Way): string {
  return carried.document === 'any' ? `${says}, foreign: leave` : says;
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
