import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FixtureName, postgresFixture, sqliteFixture } from '../support/n8n/fixture.ts';
import { manyPostgres, manySqlite } from '../support/n8n/many.ts';
import type { Place } from '../support/n8n/store.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

export type Engine = 'sqlite' | 'postgres';
export const engines: readonly Engine[] = ['sqlite', 'postgres'];

/** Databases of one test; what was made goes with `leave`. */
export class Places {
  readonly dir = mkdtempSync(join(tmpdir(), 'keyturn-rotation-'));
  readonly #databases: TestDatabase[] = [];
  readonly #closing: (() => Promise<void>)[] = [];

  async fixture(name: FixtureName): Promise<Place> {
    if (name !== 'legacy-postgres') return sqliteFixture(name, this.dir);
    return postgresFixture((await this.postgres()).url);
  }

  async legacy(engine: Engine): Promise<Place> {
    return this.fixture(`legacy-${engine}`);
  }

  async many(engine: Engine, credentials: number, instanceKey: string): Promise<Place> {
    return engine === 'sqlite'
      ? manySqlite(join(this.dir, 'many.sqlite'), { credentials, instanceKey })
      : manyPostgres((await this.postgres()).url, { credentials, instanceKey });
  }

  async postgres(): Promise<TestDatabase> {
    const database = await createDatabase();
    this.#databases.push(database);
    return database;
  }

  /** Closed before the databases go; returns what it was given. */
  closing<T extends { close(): Promise<void> }>(what: T): T {
    this.#closing.push(() => what.close());
    return what;
  }

  async leave(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    for (const database of this.#databases) await database.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
