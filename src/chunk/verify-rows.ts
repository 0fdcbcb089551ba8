import type { Row } from '../databases/database.ts';
import { MalformedDocument } from '../documents/document.ts';
import { type Format, isKept, type Opening, type Place } from '../formats/format.ts';
import { placeText } from '../job/place.ts';
import type { Keyring } from '../keys/keyring.ts';
import { digestAll, digestBytes, entryBytes, Messages } from './digest.ts';
import { addRow, type Evidence } from './evidence.ts';
import { placesIn, placesOf } from './places.ts';
import { byFormat, fieldsOf, type PreparedField, type PreparedTarget } from './values/field-values.ts';
import { labelText } from './values/labels.ts';
import { type Layer, peel } from './values/layers.ts';
import { isPlausible } from './values/plausible.ts';
import { isLeftBehind, type Ruling, rulingFor } from './values/rules.ts';
import { storedIn } from './values/stored.ts';
import { countStrays } from './values/strays.ts';

/** A value as the verifier reads it: with the documents' second reading path and one ring. */
interface Reading {
  readonly prepared: PreparedField;
  readonly path: string;
  readonly stored: string;
  readonly text: string;
  /** Where it is, if its format depends on that. */
  readonly place: Place | null;
  /** False: empty, or malformed as a whole. */
  readonly openable: boolean;
  plain: Buffer | null;
  /** Of a plaintext that is ciphertext itself: what is around `plain`, from the outside in. */
  layers: readonly Layer[];
  /** It should open and does not. Never set for look-alikes, empty or unencrypted values. */
  closed: boolean;
  /** Not of the format, in a document that is searched, and so not a value. */
  foreign: boolean;
}

export interface VerifiedRow {
  readonly row: Row;
  readonly values: number;
  /** Whether at least one value opens with the ring. */
  readonly opened: boolean;
  /** Values that do not open with the ring although the job expects ciphertext. */
  readonly closed: readonly { readonly field: string; readonly path: string }[];
  /** Values that open although the column beside them does not name the new key. */
  readonly mislabelled: readonly { readonly field: string; readonly path: string }[];
  /** Whether a value opens, or seems to, with a key of `old` that the ring does not hold. */
  readonly dependsOn: (old: Keyring) => boolean;
  /** Whether a value opens with the ring, or the operator decided to leave its place behind. */
  readonly isResolved: (field: string, path: string) => boolean;
  /**
   * Where something that is not parsed contains values under a key of `old`; none if the format cannot search for them.
   */
  readonly strays: (old: Keyring) => readonly { readonly field: string; readonly path: string }[];
  /** Digest of the row id, and below that of the row, as binary strings. */
  readonly id: string;
  readonly digest: string;
}

/** Reads rows with one ring, independently of what the rotation saw or decided. */
export function verifyRows(
  prepared: PreparedTarget,
  rows: readonly Row[],
  ring: Keyring,
  key: Buffer,
): VerifiedRow[] {
  const { table } = prepared.target.shape;
  const readings = rows.map((row) => readRow(prepared, row));
  openAll(readings.flat(), ring, table);
  const messages = new Messages();
  const kept = readings.map((all) => all.filter((reading) => !reading.foreign));
  rows.forEach((row, i) => {
    addRow(messages, row, (kept[i] ?? []).filter(isDigested).map(evidence));
  });
  const digests = digestAll(key, messages);
  return rows.map((row, i) => {
    const all = kept[i] ?? [];
    const closed = all.filter((reading) => reading.closed);
    return {
      row,
      values: all.length,
      opened: all.some(({ plain }) => plain !== null),
      closed: closed
        .filter(({ prepared: { field, rules } }) => rules !== null || field.closed === 'exception')
        .map(({ prepared: { field }, path }) => ({ field: field.column, path })),
      mislabelled: mislabelledIn(row, all, ring),
      dependsOn: (old) => old.each.some((each) => anyOpens(all, each, ring, table)),
      isResolved: (field, path) =>
        all.some(
          ({ prepared: of, path: at, plain }) =>
            of.field.column === field &&
            at === path &&
            (plain !== null || (of.rules !== null && isLeftBehind(of.rules, placeText(table, field, path)))),
        ),
      strays: (old) => straysOf(prepared, row, readings[i] ?? [], old),
      id: digests.toString('latin1', i * entryBytes, i * entryBytes + digestBytes),
      digest: digests.toString('latin1', i * entryBytes + digestBytes, (i + 1) * entryBytes),
    };
  });
}

function readRow(prepared: PreparedTarget, row: Row): Reading[] {
  return fieldsOf(prepared, row).flatMap((field) => {
    const stored = storedIn(field.field, row) ?? '';
    const placeOf = placesIn(field, prepared.target.shape.table, row);
    const reading = (path: string, text: string): Reading => ({
      prepared: field,
      path,
      stored,
      text,
      place: placeOf(path),
      openable: true,
      plain: null,
      layers: [],
      closed: false,
      foreign: false,
    });
    if (stored === '') return field.searching ? [] : [{ ...reading('', ''), openable: false }];
    try {
      return [...field.document.read(stored)].map(({ path, text }) => reading(path, text));
    } catch (error) {
      if (!(error instanceof MalformedDocument)) throw error;
      return [{ ...reading('', stored), openable: false, closed: true }];
    }
  });
}

function openAll(readings: readonly Reading[], ring: Keyring, table: string): void {
  for (const [format, batch] of byFormat(readings.filter(isCandidate))) {
    const openings = openingsOf(format, batch, ring);
    batch.forEach((reading, i) => {
      const opening = openings[i] ?? 'closed';
      if (reading.prepared.rules === null) applyOpening(reading, opening, ring);
      else applyRuling(reading, opening, rulingFor(reading, table, opening));
    });
  }
  peelAll(readings, ring);
}

/** A value that was encrypted twice is compared by its innermost plaintext. */
function peelAll(readings: readonly Reading[], ring: Keyring): void {
  const opened = readings.filter(
    ({ plain, prepared }) => plain !== null && prepared.field.becomes === undefined,
  );
  const plains = opened.map(({ plain }) => plain as Buffer);
  peel(plains, opened[0]?.prepared.layers ?? [], [ring]).forEach(({ plain, layers }, i) => {
    const reading = opened[i];
    if (reading !== undefined) Object.assign(reading, { plain, layers });
  });
}

/** Under the ring, and what it does not open under the further keys that the application reads with. */
function openingsOf(format: Format, readings: readonly Reading[], ring: Keyring): Opening[] {
  const openings = format.open(
    readings.map(({ text }) => text),
    ring,
    placesOf(readings, format),
  );
  for (const other of ring.others) {
    const closed = openings.flatMap((opening, at) => (opening === 'closed' ? [at] : []));
    const again = format.open(
      closed.map((at) => readings[at]?.text ?? ''),
      other,
      placesOf(
        closed.map((at) => readings[at] as Reading),
        format,
      ),
    );
    closed.forEach((at, i) => {
      openings[at] = again[i] ?? 'closed';
    });
  }
  return openings;
}

/** Where one value does not open, the rotation has left the others and their label as they were. */
function mislabelledIn(
  row: Row,
  readings: readonly Reading[],
  ring: Keyring,
): { field: string; path: string }[] {
  const left = new Set(
    readings.flatMap(({ closed, prepared: { field } }) => (closed ? [field.set?.index] : [])),
  );
  return readings
    .filter(
      ({
        plain,
        prepared: {
          field: { set },
        },
      }) => {
        if (set === undefined || plain === null || left.has(set.index)) return false;
        return row.values[set.index] !== labelText(set.to, ring.primary);
      },
    )
    .map(({ prepared: { field }, path }) => ({ field: field.column, path }));
}

function isCandidate({ prepared, text, openable }: Reading): boolean {
  return openable && (prepared.searching || (text !== '' && !prepared.format.isEmpty(text)));
}

function applyOpening(reading: Reading, opening: Opening, ring: Keyring): void {
  const { field, searching } = reading.prepared;
  if (opening === 'foreign') {
    reading.foreign = searching;
    if (field.foreign === 'exception') reading.closed = !searching;
    else if (field.foreign === 'replace')
      reading.closed = ring.stored !== null && reading.text !== ring.stored.text;
  } else if (opening === 'closed' || !isPlausible(opening.plain, field.plaintext)) reading.closed = true;
  else if (field.becomes === 'primary' && !isStored(opening.plain, ring)) reading.closed = true;
  else reading.plain = opening.plain;
}

function isStored(plain: Buffer, { stored }: Keyring): boolean {
  return stored === null || plain.toString('utf8') === stored.text;
}

function applyRuling(reading: Reading, opening: Opening, ruling: Ruling): void {
  reading.foreign = ruling === 'nothing';
  reading.closed = ruling === 'exception';
  if (ruling === 'rotate' && typeof opening === 'object') reading.plain = opening.plain;
}

function anyOpens(readings: readonly Reading[], old: Keyring, ring: Keyring, table: string): boolean {
  for (const [format, batch] of byFormat(readings.filter(isCandidate))) {
    const openings = format.open(
      batch.map((reading) => reading.text),
      old,
      placesOf(batch, format),
    );
    const opened = batch.some((reading, i) => {
      const opening = openings[i];
      if (typeof opening !== 'object' || isKept(format, reading.text, opening.key, ring)) return false;
      if (reading.prepared.rules === null)
        return isPlausible(opening.plain, reading.prepared.field.plaintext);
      const ruling = rulingFor(reading, table, opening);
      // A sweep lists undecided values
      return ruling === 'rotate' || (ruling === 'undecided' && reading.plain === null);
    });
    if (opened) return true;
  }
  return false;
}

/** Includes the row id, which is never written. Texts that are values as a whole are not searched. */
function straysOf(
  { target: { shape }, fields }: PreparedTarget,
  { id }: Row,
  readings: readonly Reading[],
  old: Keyring,
): { field: string; path: string }[] {
  const [shaped] = fields.filter(({ rules }) => rules !== null);
  if (shaped === undefined || shaped.rules === null) return [];
  const { rules, format } = shaped;
  const texts = [
    ...shape.id.map((field, part) => ({ field, path: '', text: id[part] ?? '' })),
    ...readings
      .filter((reading) => reading.prepared.rules !== null && reading.foreign)
      .map(({ prepared, path, text }) => ({ field: prepared.field.column, path, text })),
  ];
  return texts.filter(
    ({ field, path, text }) =>
      countStrays(text, format, old.each) > 0 && !isLeftBehind(rules, placeText(shape.table, field, path)),
  );
}

/** The master key itself has changed, so its field is exempt; any other content is digested, and so detected. */
function isDigested({ prepared, closed }: Reading): boolean {
  return prepared.field.becomes === undefined || closed;
}

function evidence({ prepared, path, text, plain, layers }: Reading): Evidence {
  const { column } = prepared.field;
  return plain === null
    ? { kind: 'stored', column, path, bytes: text, layers: [] }
    : { kind: 'plaintext', column, path, bytes: plain, layers };
}
