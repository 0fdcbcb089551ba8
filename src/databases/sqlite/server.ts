import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Gauges, saysYes } from '../gauge.ts';
import type { Privileges, Server, Session } from '../server.ts';
import { sqliteGauges } from './gauges.ts';
import { sessionsOf } from './sessions.ts';

/** SQLite has no server: this is the file, and the host that it is on. */
export class SqliteHost implements Server {
  readonly gauges: Gauges;
  readonly #path: string;
  readonly #first: (sql: string) => Promise<unknown>;

  /** @param first runs a query: the first column of its first row */
  constructor(path: string, first: (sql: string) => Promise<unknown>) {
    this.gauges = sqliteGauges(path);
    this.#path = path;
    this.#first = first;
  }

  async unseen(): Promise<string[]> {
    return [];
  }

  /** SQLite does not say who holds its lock. */
  async lockHolders(): Promise<string[]> {
    return [];
  }

  async readOnly(): Promise<string | null> {
    for (const path of [this.#path, dirname(this.#path)])
      if (
        !(await access(path, constants.W_OK).then(
          () => true,
          () => false,
        ))
      )
        return `this user cannot write to ${path}`;
    return null;
  }

  async privileges(tables: readonly string[]): Promise<Privileges> {
    const writable = await Promise.all(
      [this.#path, dirname(this.#path)].map((path) => access(path, constants.W_OK)),
    ).then(
      () => 'yes' as const,
      () => 'no' as const,
    );
    return { createTable: writable, update: new Map(tables.map((table) => [table, writable])) };
  }

  sessions(): Promise<Session[] | null> {
    return sessionsOf(this.#path);
  }

  async warnings(): Promise<string[]> {
    return [];
  }

  async isTrue(sql: string): Promise<boolean> {
    return saysYes(await this.#first(sql));
  }
}
