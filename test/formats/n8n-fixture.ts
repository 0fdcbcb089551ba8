import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import Sqlite from 'better-sqlite3';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';

/** One stored value of a fixture, with what n8n itself says is in it. */
export interface Stored {
  readonly name: string;
  readonly sealed: string;
  readonly plain: string;
}

type Row = Record<string, string | null>;

/** A fixture's values by the truth that lies beside it: every entry of the truth must be found in the database. */
export class N8nFixture {
  readonly instanceKey: string;
  readonly #folder: URL;
  readonly #database: Sqlite.Database;

  constructor(name: 'legacy-sqlite' | 'mixed-sqlite') {
    this.#folder = new URL(`../fixtures/n8n/${name}/`, import.meta.url);
    this.instanceKey = readFileSync(new URL('encryption.key', this.#folder), 'utf8');
    const bytes = gunzipSync(readFileSync(new URL('database.sqlite.gz', this.#folder)));
    // n8n leaves WAL mode in the header (bytes 18 and 19), which a database in memory cannot have.
    bytes.fill(1, 18, 20);
    this.#database = new Sqlite(bytes);
  }

  /** The ring of n8n's own keys, from the truth: not from our unwrapping. */
  get ring(): Keyring {
    const data = this.deploymentKeys
      .filter(({ name }) => name.startsWith('data_encryption:'))
      .map(({ name, plain }) => {
        const [, id = '', algorithm] = name.split(':');
        return algorithm === 'aes-256-cbc'
          ? (['legacy', Key.fromText(plain)] as const)
          : ([`data:${id}`, Key.fromBytes(Buffer.from(plain, 'hex'))] as const);
      });
    return new Keyring(Key.fromText(this.instanceKey), data);
  }

  get credentials(): { readonly sealed: string; readonly data: unknown }[] {
    const truth = this.#json('export.decrypted.json') as { id: string; data: unknown }[];
    const rows = this.#rows('credentials_entity');
    if (rows.length !== truth.length) throw new Error('the export does not match the database');
    return truth.map(({ id, data }) => ({ sealed: found(rows, id).data ?? '', data }));
  }

  /** `type:id:algorithm:status` → value, without the row that is never wrapped. */
  get deploymentKeys(): Stored[] {
    return this.#extra('deployment_key:')
      .filter(([name]) => !name.startsWith('instance.id:'))
      .map(([name, plain]) => {
        const row = found(this.#rows('deployment_key'), name.split(':')[1] ?? '');
        return { name, sealed: row.value ?? '', plain: String(plain) };
      });
  }

  get others(): Stored[] {
    return this.#extra('').flatMap(([name, truth]) => {
      if (name.startsWith('deployment_key:')) return [];
      const sealed = name.startsWith('settings:') ? this.#setting(name.slice(9)) : this.#cell(name);
      const plain = [truth].flat();
      // Recovery codes, the one list, are joined by commas.
      const parts = Array.isArray(truth) ? sealed.split(',') : [sealed];
      if (parts.length !== plain.length) throw new Error(`${name}: ${parts.length} values`);
      return parts.map((part, i) => ({ name, sealed: part, plain: String(plain[i]) }));
    });
  }

  close(): void {
    this.#database.close();
  }

  #setting(name: string): string {
    const [key = '', leaf] = name.split('#');
    const value = found(this.#rows('settings'), key).value ?? '';
    return leaf === undefined ? value : JSON.parse(value)[leaf];
  }

  #cell(name: string): string {
    const [place = '', id = ''] = name.split(':');
    const [table = '', column = ''] = place.split('.');
    return found(this.#rows(table), id)[column] ?? '';
  }

  #rows(table: string): Row[] {
    return this.#database.prepare<[], Row>(`select * from "${table}"`).all();
  }

  #extra(prefix: string): [string, unknown][] {
    return Object.entries(this.#json('extra.plain.json') as object)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, plain]) => [name.slice(prefix.length), plain]);
  }

  #json(file: string): unknown {
    return JSON.parse(readFileSync(new URL(file, this.#folder), 'utf8'));
  }
}

function found(rows: readonly Row[], id: string): Row {
  const row = rows.find((candidate) => Object.values(candidate).includes(id));
  if (row === undefined) throw new Error(`no row ${id}`);
  return row;
}
