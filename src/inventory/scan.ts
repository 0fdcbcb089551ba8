import type { PlaceCounts } from '../checkpoint/run.ts';
import { isNamed, type Ruling, rulingOf } from '../chunk/values/rules.ts';
import { countStrays, takesKey } from '../chunk/values/strays.ts';
import type { Database, Row, RowShape, Table } from '../databases/database.ts';
import { any } from '../documents/any.ts';
import { type Document, MalformedDocument } from '../documents/document.ts';
import { gzip, isGzip, unpackedBytes } from '../documents/gzip.ts';
import { text } from '../documents/text.ts';
import type { Format, Opening } from '../formats/format.ts';
import { formatOf } from '../formats/registry.ts';
import { searchableColumns } from '../job/everywhere.ts';
import type { Job, Rules } from '../job/job.ts';
import { placePath, placeText } from '../job/place.ts';
import type { Keyring } from '../keys/keyring.ts';
import { readPages } from './pages.ts';

/** What to look for: formats of text, and formats of binary columns. */
export interface Wanted {
  readonly text: readonly Format[];
  readonly binary: readonly Format[];
  readonly rings: readonly { readonly id: string; readonly ring: Keyring }[];
  readonly rules: Rules;
  readonly exclude: Job['exclude'];
}

/** What a scan looks for. */
export function wantedOf(
  { exclude }: Job,
  everywhere: NonNullable<Job['everywhere']>,
  rings: readonly Keyring[],
): Wanted {
  return {
    text: [formatOf(everywhere.text)],
    binary: everywhere.binary === undefined ? [] : [formatOf(everywhere.binary)],
    rings: rings.flatMap(({ each }) => each).map((ring) => ({ id: ring.primary.id, ring })),
    rules: everywhere,
    exclude,
  };
}

/** What a binary column contains. */
export interface BinaryColumn {
  readonly table: string;
  readonly column: string;
  /** Values that are neither NULL nor empty. */
  filled: number;
  gzips: number;
  /** Values that open in a format for binary columns. */
  opened: number;
  known: boolean;
}

/** A place with values inside something that is not parsed. They open, so they are secrets. */
export interface Stray {
  readonly table: string;
  readonly column: string;
  readonly path: string;
  values: number;
}

export interface ScanResult {
  readonly places: readonly PlaceCounts[];
  /** These would be left behind under the old key, which the operator must allow. */
  readonly strays: readonly Stray[];
  readonly binary: readonly BinaryColumn[];
  /** Tables that this login cannot read: their content is unknown. */
  readonly unread: readonly string[];
  /** Tables without a row id, which cannot be read in chunks. */
  readonly unkeyed: readonly string[];
}

/** Reads every text and binary column of every table, unfiltered. Changes nothing. */
export async function scanDatabase(
  database: Database,
  catalog: readonly Table[],
  wanted: Wanted,
): Promise<ScanResult> {
  const found = new ScanCounts(wanted);
  const unread: string[] = [];
  const unkeyed: string[] = [];
  for (const table of catalog) {
    const columns = searchableColumns(table, wanted.exclude);
    const names = columns.length === 0 ? table.rowId : columns.map(({ name }) => name);
    if (names.length === 0) continue;
    const shape: RowShape = { table: table.name, id: table.rowId, columns: names, written: 0 };
    try {
      if (shape.id.length === 0) unkeyed.push(table.name);
      await readPages(database, shape, (rows) => {
        found.add(table.name, columns, rows);
        found.addIds(table, wanted.exclude, rows);
      });
    } catch (error) {
      if (!database.failures.isDenied(error)) throw error;
      unread.push(table.name);
    }
  }
  const { places, binary, strays } = found;
  return {
    places: [...places.values()],
    binary: [...binary.values()],
    strays: [...strays.values()],
    unread,
    unkeyed,
  };
}

/** A string that may be a value. */
interface Candidate {
  readonly column: string;
  readonly stored: string;
  readonly document: Document;
  readonly path: string;
  readonly text: string;
}

class ScanCounts {
  readonly places = new Map<string, PlaceCounts>();
  readonly binary = new Map<string, BinaryColumn>();
  readonly strays = new Map<string, Stray>();
  readonly #wanted: Wanted;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  add(table: string, columns: Table['columns'], rows: readonly Row[]): void {
    const texts: Candidate[] = [];
    const wholes: Candidate[] = [];
    columns.forEach(({ name: column, holds }, place) => {
      for (const row of rows) {
        const stored = row.values[place] ?? '';
        if (stored === '') continue;
        if (holds === 'text') texts.push(...(candidates(any, column, stored) ?? []));
        else {
          const kind = this.#binaryColumn(table, column);
          kind.filled++;
          const inside = isGzip(stored) ? candidates(gzip, column, stored) : null;
          if (inside === null) wholes.push({ column, stored, document: text, path: '', text: stored });
          else {
            kind.gzips++;
            texts.push(...inside);
          }
        }
      }
    });
    for (const { column, path, text: found } of texts)
      if (!this.#wanted.text.some((format) => format.within?.(found)[0] === found))
        this.#addStrays(table, column, path, found);
    for (const { column, stored } of wholes) this.#addStrays(table, column, '', unpackedBytes(stored));
    this.#tryAll(table, this.#wanted.text, texts);
    this.#tryAll(table, this.#wanted.binary, wholes);
  }

  /** A row id is never written, so it must not contain ciphertext. */
  addIds({ name, rowId }: Table, exclude: Wanted['exclude'], rows: readonly Row[]): void {
    rowId.forEach((column, part) => {
      if (exclude.some((each) => each.table === name && each.column === column)) return;
      for (const { id } of rows) this.#addStrays(name, column, '', String(id[part]));
    });
  }

  #addStrays(table: string, column: string, path: string, text: string): void {
    for (const format of this.#wanted.text) {
      const values = countStrays(
        text,
        format,
        this.#wanted.rings.map(({ ring }) => ring),
      );
      if (values === 0) continue;
      const place = placeText(table, column, path);
      const known = this.strays.get(place);
      if (known !== undefined) known.values += values;
      else
        this.strays.set(place, {
          table,
          column,
          path: placePath(path),
          values,
        });
    }
  }

  /** What a key opens in one format is not counted in a second one that has the same layout. */
  #tryAll(table: string, formats: readonly Format[], candidates: readonly Candidate[]): void {
    let left = candidates;
    for (const format of formats) left = this.#try(table, format, left);
  }

  /** Returns the candidates that no key opens. */
  #try(table: string, format: Format, candidates: readonly Candidate[]): Candidate[] {
    const batch = candidates.map((candidate) => candidate.text);
    const openings = this.#wanted.rings.map(({ ring }) =>
      takesKey(format, ring) ? format.open(batch, ring) : [],
    );
    return candidates.filter((candidate, i) => {
      const perRing = openings.map((each) => each[i] ?? 'foreign');
      if (perRing.some((opening) => opening !== 'foreign')) this.#count(table, format, candidate, perRing);
      return perRing.every((opening) => typeof opening === 'string');
    });
  }

  /** Counts the first key that opens the candidate; if none does, the strongest of the rulings. */
  #count(table: string, format: Format, candidate: Candidate, perRing: readonly Opening[]): void {
    const { column, document, path, stored } = candidate;
    const place = placeText(table, column, path);
    const siblings = () => document.siblings(stored, path);
    const rulings = perRing.map((opening) => rulingOf(opening, this.#wanted.rules, place, siblings));
    const at = this.#place(table, column, path, document.name as PlaceCounts['document'], format.name);
    const opened = rulings.indexOf('rotate');
    if (opened >= 0) {
      const id = this.#wanted.rings[opened]?.id ?? '';
      at.values[id] = (at.values[id] ?? 0) + 1;
      if (document === text) this.#binaryColumn(table, column).opened++;
    } else if (rulings.includes('undecided')) {
      at.undecided++;
      if (document === text) this.#binaryColumn(table, column).opened++;
    } else if (rulings.includes('exception' satisfies Ruling)) at.exceptions++;
    else at.lookAlikes++;
  }

  #place(
    table: string,
    column: string,
    of: string,
    document: PlaceCounts['document'],
    format: string,
  ): PlaceCounts {
    const path = placePath(of);
    const key = JSON.stringify([table, column, path, document, format]);
    const known = this.places.get(key);
    if (known !== undefined) return known;
    const made = {
      table,
      column,
      path,
      document,
      format,
      values: {},
      undecided: 0,
      lookAlikes: 0,
      exceptions: 0,
    };
    this.places.set(key, made);
    return made;
  }

  #binaryColumn(table: string, column: string): BinaryColumn {
    const key = placeText(table, column, '');
    const known = this.binary.get(key);
    if (known !== undefined) return known;
    const made = { table, column, filled: 0, gzips: 0, opened: 0, known: isKnown(this.#wanted.rules, key) };
    this.binary.set(key, made);
    return made;
  }
}

function isKnown(rules: Rules, place: string): boolean {
  const { decisions } = rules;
  return isNamed(rules, place) || decisions.some((each) => each.place === place && each.as === 'rotate');
}

/** Null: the value is not such a document. */
function candidates(document: Document, column: string, stored: string): Candidate[] | null {
  try {
    return [...document.read(stored)].map(({ path, text: found }) => ({
      column,
      stored,
      document,
      path,
      text: found,
    }));
  } catch (error) {
    if (error instanceof MalformedDocument) return null;
    throw error;
  }
}
