import { KeyturnError } from '../error.ts';
import type { Table } from './database.ts';

/** The catalog as it was last read, with what the engine itself needs to know of each table. */
export class KnownTables<T extends Table> {
  readonly #read: () => Promise<Map<string, T>>;
  readonly #place: string;
  #tables: Promise<Map<string, T>> | undefined;

  constructor(place: string, read: () => Promise<Map<string, T>>) {
    this.#place = place;
    this.#read = read;
  }

  /** Reads the catalog again. */
  async refresh(): Promise<readonly Table[]> {
    this.#tables = undefined;
    return [...(await this.all()).values()].map(asTable);
  }

  all(): Promise<Map<string, T>> {
    const reading = this.#tables ?? this.#read();
    this.#tables = reading;
    // A failure is not kept, or every later statement would fail with it
    reading.catch(() => {
      if (this.#tables === reading) this.#tables = undefined;
    });
    return reading;
  }

  async get(name: string): Promise<T> {
    const table = (await this.all()).get(name);
    if (table === undefined) throw missingTable(name, this.#place);
    return table;
  }
}

/** Without what only the engine needs. */
export function asTable({ name, columns, rowId, indexed, unique, triggers }: Table): Table {
  return { name, columns, rowId, indexed, unique, triggers };
}

export function missingTable(name: string, place: string): KeyturnError {
  return new KeyturnError('database-missing', `there is no table ${name} in ${place}`, {
    facts: { table: name },
  });
}

export function missingColumn(table: string, column: string): KeyturnError {
  return new KeyturnError('no-row-id', `table ${table} has no column ${column}`, { facts: { table } });
}
