import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expectMany, manyPostgres } from '../support/n8n/many.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { consent, emptyFolder, keyturn, type Started, start } from './keyturn.ts';

export const instanceKey = 'the-instance-key-of-the-distributed-tests';
const credentials = 3_000;

/** A PostgreSQL database, its keys and a queue. `close` ends processes that are still running. */
export class Distributed {
  readonly path: string;
  readonly database: TestDatabase;
  readonly queue: string;
  readonly #remove: () => void;
  readonly #started: Started[] = [];

  /** Connected in advance: a run can be over in less time than a busy machine needs to connect. */
  readonly #holder: pg.Client;

  private constructor(
    folder: { path: string; remove(): void },
    database: TestDatabase,
    holder: pg.Client,
    queue: string,
  ) {
    this.#holder = holder;
    this.path = folder.path;
    this.#remove = folder.remove;
    this.database = database;
    this.queue = queue;
    writeFileSync(this.file('old.key'), instanceKey, { mode: 0o600 });
  }

  /** @param queue null: the queue is in the database itself. */
  static async open(queue: string | null): Promise<Distributed> {
    const database = await createDatabase();
    await manyPostgres(database.url, { credentials, instanceKey });
    const holder = new pg.Client({ connectionString: database.url, application_name: 'keyturn test' });
    await holder.connect();
    return new Distributed(emptyFolder(), database, holder, queue ?? database.url);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  touch(name: string): void {
    writeFileSync(this.file(name), '');
  }

  remove(name: string): void {
    rmSync(this.file(name));
  }

  get keys(): string[] {
    return ['--current-key-file', this.file('old.key'), '--new-key-file', this.file('new.key')];
  }

  get place(): string[] {
    return ['--database', this.database.url, '--queue', this.queue];
  }

  start(...args: string[]): Started {
    const started = start(args, { cwd: this.path });
    started.child.stdin.end();
    this.#started.push(started);
    return started;
  }

  rotate(...more: string[]): Started {
    const job = ['rotate', '--job', 'n8n', ...this.place, ...this.keys, ...consent];
    return this.start(...job, '--chunk-rows', '30', ...more);
  }

  resume(...more: string[]): Started {
    return this.start('resume', ...this.place, ...this.keys, ...more);
  }

  worker(...more: string[]): Started {
    return this.start('worker', ...this.place, ...this.keys, '--concurrency', '1', ...more);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a report as JSON
  async status(): Promise<any> {
    const { stdout } = await keyturn(['status', '--database', this.database.url, '--json']);
    return JSON.parse(stdout);
  }

  /** Why the run waits, according to its row. */
  async waiting(): Promise<string | null> {
    const [row] = await this.database.exec('select waiting from keyturn_run');
    return (row?.waiting ?? null) as string | null;
  }

  /** Resolves when this number of chunks is rotated. */
  async rotated(chunks: number): Promise<void> {
    await until(async () => {
      const rows = await this.database
        .exec("select count(*)::int as n from keyturn_chunk where state <> 'planned'")
        .catch(() => []);
      return Number(rows[0]?.n ?? 0) >= chunks;
    });
  }

  /** Blocks all writers of the credentials until it is released. */
  async hold(): Promise<() => Promise<void>> {
    await this.#holder.query('begin; lock table credentials_entity in share mode');
    return async () => {
      await this.#holder.query('commit');
    };
  }

  /** Differences between the secrets in the database and those before the rotation. */
  async differences(): Promise<string[]> {
    const key = readFileSync(this.file('new.key'), 'utf8');
    return expectMany({ url: this.database.url }, key, { credentials });
  }

  /** Whether every chunk was claimed and committed exactly once, and how many are open. */
  async completions(): Promise<{ once: boolean; open: number }> {
    const [row] = await this.database.exec(
      `select bool_and(attempts = 1) as once, count(*) filter (where state <> 'verified')::int as open
       from keyturn_chunk where state <> 'split'`,
    );
    return { once: row?.once === true, open: Number(row?.open) };
  }

  async close(): Promise<void> {
    for (const { child } of this.#started) child.kill('SIGKILL');
    await Promise.all(this.#started.map(({ ended }) => ended));
    await this.#holder.end();
    await this.database.close();
    this.#remove();
  }
}

export async function until(condition: () => boolean | Promise<boolean>, ms = 150_000): Promise<void> {
  const giveUpAt = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`still not so after ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
