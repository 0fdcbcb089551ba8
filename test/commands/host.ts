import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manyPostgres, manySqlite } from '../support/n8n/many.ts';
import type { Place } from '../support/n8n/store.ts';
import { createDatabase } from '../support/postgres.ts';
import { consent, type Ended, keyturn, type Started, start } from './keyturn.ts';

export const instanceKey = 'the instance key of many';

/** A working folder with its own key files: everything that a host has besides the database. */
export class Host {
  readonly place: Place;
  readonly path: string;

  constructor(place: Place) {
    this.place = place;
    this.path = mkdtempSync(join(tmpdir(), 'keyturn-host-'));
    writeFileSync(this.file('old.key'), instanceKey, { mode: 0o600 });
  }

  /** Another host, with copies of both keys. */
  other(): Host {
    const host = new Host(this.place);
    copyFileSync(this.file('new.key'), host.file('new.key'));
    return host;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  newKey(): string {
    return readFileSync(this.file('new.key'), 'utf8');
  }

  get #keys(): string[] {
    return ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
  }

  rotate(...more: string[]): Started {
    const started = start(
      ['rotate', '--job', 'n8n', '--database', this.place.url, ...this.#keys, ...consent, ...more],
      { cwd: this.path },
    );
    started.child.stdin.end();
    return started;
  }

  resume(...more: string[]): Promise<Ended> {
    return keyturn(['resume', '--database', this.place.url, ...this.#keys, ...more], { cwd: this.path });
  }

  /** Runs a command that needs only the database. */
  ask(command: string, ...more: string[]): Promise<Ended> {
    return keyturn([...command.split(' '), '--database', this.place.url, ...more], { cwd: this.path });
  }

  async status(): Promise<{ report: Report; standing: Standing }> {
    const { code, stdout, stderr } = await this.ask('status', '--json');
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface Report {
  readonly run: { readonly id: string; readonly state: string; readonly reason: { code: string } | null };
  readonly options: { readonly chunkTimeoutMs: number | null };
  readonly times: { readonly pauses: readonly { readonly why: string; readonly to: string | null }[] };
  readonly totals: { readonly ranges: { readonly tally: { readonly rows: number } } };
}

export interface Standing {
  readonly stage: string;
  readonly percent: number;
  readonly rowsPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly coordinated: boolean | null;
  readonly waiting: string | null;
  readonly requested: string | null;
  readonly workers: readonly { readonly worker: string; readonly chunks: number }[];
}

/** A database with this number of credentials, in a folder or on the shared server; `close` removes it. */
export async function manyOn(
  engine: 'sqlite' | 'postgres',
  credentials: number,
): Promise<{ place: Place; close: () => Promise<void> }> {
  if (engine === 'postgres') {
    const database = await createDatabase();
    return {
      place: await manyPostgres(database.url, { credentials, instanceKey }),
      close: () => database.close(),
    };
  }
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-many-'));
  return {
    place: manySqlite(join(folder, 'database.sqlite'), { credentials, instanceKey }),
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}
