import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { Random } from '../random.ts';
import { openLegacy } from './decrypt.ts';
import { sealLegacy, wrap } from './encrypt.ts';
import { type Place, type Store, withStore } from './store.ts';
import { deploymentKeyRows } from './truth.ts';

/** An n8n database with as many credentials as a test or a demo wants; every plaintext follows from its number. */

export interface Many {
  /** Credentials; their ids are `cred` and 12 digits, in order. */
  readonly credentials: number;
  readonly instanceKey: string;
  /** Bytes of each plaintext's filler; default 60. */
  readonly bytes?: number;
}

const random = new Random('keys of many');

/** What a wrong key yields passes the padding check for 1 value in 255, and is hardly ever UTF-8. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const manyId = (number: number): string => `cred${String(number).padStart(12, '0')}`;

export function manyPlain(number: number, bytes = 60): string {
  const secret = createHash('sha256').update(`many ${number}`).digest('hex');
  return JSON.stringify({
    user: `user-${number}`,
    password: secret.repeat(Math.ceil(bytes / 64)).slice(0, bytes),
  });
}

const words = {
  sqlite: { id: 'varchar(36)', text: 'text', name: 'varchar(255)', time: 'datetime(3)', flag: 'boolean' },
  postgres: {
    ...{ id: 'varchar(36)', text: 'text', name: 'varchar(255)', time: 'timestamp(3) with time zone' },
    flag: 'boolean',
  },
  mysql: { id: 'varchar(36)', text: 'longtext', name: 'varchar(255)', time: 'datetime', flag: 'boolean' },
  mssql: { id: 'nvarchar(36)', text: 'nvarchar(max)', name: 'nvarchar(255)', time: 'datetime2', flag: 'bit' },
};

const tables = (engine: keyof typeof words): string[] => {
  const { id, text, name, time, flag } = words[engine];
  const no = engine === 'mssql' ? '0' : 'false';
  const stamps = `"createdAt" ${time} not null default CURRENT_TIMESTAMP, "updatedAt" ${time} not null default CURRENT_TIMESTAMP`;
  return [
    `create table credentials_entity (id ${id} not null primary key, name varchar(128) not null,
      data ${text} not null, type varchar(128) not null, ${stamps})`,
    `create table settings ("key" ${name} not null primary key, value ${text} not null,
      "loadOnStartup" ${flag} not null default ${no})`,
    `create table "user" (id ${id} not null primary key, email ${name}, "mfaSecret" ${text}, "mfaRecoveryCodes" ${text})`,
    `create table deployment_key (id ${id} not null primary key, type varchar(64) not null, value ${text} not null,
      algorithm varchar(20), status varchar(20) not null, ${stamps})`,
    `create table workflow_entity (id ${id} not null primary key, name varchar(128) not null, nodes ${text})`,
    `create table execution_entity (id integer not null primary key, "workflowId" varchar(36) not null, status varchar(20) not null)`,
    `create table execution_data ("executionId" integer not null primary key, "workflowData" ${text} not null, data ${text} not null)`,
  ];
};

function deploymentKeys(instanceKey: string): (readonly [string, string, string, string | null, string])[] {
  const secret = () => random.bytes(32).toString('hex');
  return [
    ['instanceId000001', 'instance.id', secret(), null, 'active'],
    ['legacyKey0000001', 'data_encryption', wrap(instanceKey, instanceKey), 'aes-256-cbc', 'inactive'],
    ['dataKey000000001', 'data_encryption', wrap(secret(), instanceKey), 'aes-256-gcm', 'active'],
    ['signingHmac00001', 'signing.hmac', wrap(secret(), instanceKey), 'aes-256-gcm', 'active'],
    ['signingJwt000001', 'signing.jwt', wrap(secret(), instanceKey), 'aes-256-gcm', 'active'],
  ];
}

const ldap = (instanceKey: string): string =>
  JSON.stringify({
    loginEnabled: false,
    bindingAdminPassword: sealLegacy('many-ldap-password', instanceKey),
  });

/** Makes the SQLite database at `path` (20,000 credentials in about a second). */
export function manySqlite(path: string, options: Many): Place {
  const { credentials, instanceKey, bytes } = options;
  const database = new Sqlite(path);
  database.pragma('journal_mode = wal');
  database.pragma('synchronous = off');
  database.exec(tables('sqlite').join(';'));
  database.transaction(() => {
    const credential = database.prepare(
      'insert into credentials_entity (id, name, data, type) values (?, ?, ?, ?)',
    );
    for (let number = 0; number < credentials; number++) {
      const data = sealLegacy(manyPlain(number, bytes), instanceKey);
      credential.run(manyId(number), `credential ${number}`, data, 'httpBasicAuth');
    }
    const key = database.prepare(
      'insert into deployment_key (id, type, value, algorithm, status) values (?, ?, ?, ?, ?)',
    );
    for (const row of deploymentKeys(instanceKey)) key.run(...row);
    database.prepare("insert into settings (key, value) values ('features.ldap', ?)").run(ldap(instanceKey));
  })();
  database.close();
  return { url: `sqlite:${path}` };
}

/** Makes the tables in the `public` schema of an empty PostgreSQL database. */
export async function manyPostgres(url: string, options: Many): Promise<Place> {
  const { credentials, instanceKey, bytes } = options;
  const atOnce = 1000;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`begin; set local synchronous_commit = off; ${tables('postgres').join(';')}`);
    for (let first = 0; first < credentials; first += atOnce) {
      const numbers = Array.from(
        { length: Math.min(atOnce, credentials - first) },
        (_, index) => first + index,
      );
      await client.query(
        `insert into credentials_entity (id, name, data, type)
         select id, name, data, 'httpBasicAuth' from unnest($1::text[], $2::text[], $3::text[]) as t (id, name, data)`,
        [
          numbers.map(manyId),
          numbers.map((number) => `credential ${number}`),
          numbers.map((number) => sealLegacy(manyPlain(number, bytes), instanceKey)),
        ],
      );
    }
    for (const row of deploymentKeys(instanceKey)) {
      await client.query(
        'insert into deployment_key (id, type, value, algorithm, status) values ($1, $2, $3, $4, $5)',
        [...row],
      );
    }
    await client.query("insert into settings (key, value) values ('features.ldap', $1)", [ldap(instanceKey)]);
    await client.query('commit; analyze');
  } finally {
    await client.end();
  }
  return { url };
}

/** Makes the tables in an empty database of MySQL, MariaDB or SQL Server; `url` is straight to the server. */
export async function manyElsewhere(url: string, options: Many): Promise<Place> {
  const { credentials, instanceKey, bytes } = options;
  const atOnce = 500;
  await withStore({ url }, async (store) => {
    for (const table of tables(store.engine)) await store.run(table);
    for (let first = 0; first < credentials; first += atOnce) {
      const rows = Array.from({ length: Math.min(atOnce, credentials - first) }, (_, index) => {
        const number = first + index;
        return [manyId(number), `credential ${number}`, sealLegacy(manyPlain(number, bytes), instanceKey)];
      });
      await store.run(
        `insert into credentials_entity (id, name, data, type) values ${rows.map(() => "(?, ?, ?, 'httpBasicAuth')")}`,
        rows.flat(),
      );
    }
    for (const row of deploymentKeys(instanceKey))
      await store.run(
        'insert into deployment_key (id, type, value, algorithm, status) values (?, ?, ?, ?, ?)',
        row,
      );
    await store.run(`insert into settings ("key", value) values ('features.ldap', ?)`, [ldap(instanceKey)]);
  });
  return { url };
}

const page = (engine: Store['engine'], rows: number): string =>
  engine === 'mssql' ? `offset 0 rows fetch next ${rows} rows only` : `limit ${rows}`;

/**
 * Reads every credential with `instanceKey` alone, a page at a time; one line per difference, at most 20.
 * `also`: plaintexts of rows that somebody added or changed, by id.
 */
export async function expectMany(
  place: Place,
  instanceKey: string,
  options: Pick<Many, 'credentials' | 'bytes'>,
  also: ReadonlyMap<string, string> = new Map(),
): Promise<string[]> {
  const differences: string[] = [];
  const expected = (id: string): string | undefined => {
    const number = Number(id.slice(4));
    const made = /^cred\d{12}$/.test(id) && number < options.credentials;
    return also.get(id) ?? (made ? manyPlain(number, options.bytes) : undefined);
  };
  await withStore(place, async (store) => {
    const legacy = (await deploymentKeyRows(store)).find((row) => row.algorithm === 'aes-256-cbc');
    if (legacy === undefined) differences.push('there is no cbc row');
    let after = '';
    let seen = 0;
    for (;;) {
      const rows = await store.rows(
        `select id, data from ${store.table('credentials_entity')} where id > ? order by id ${page(store.engine, 2000)}`,
        [after],
      );
      for (const row of rows) {
        after = String(row.id);
        seen++;
        if (differences.length >= 20) return;
        try {
          const plain = utf8.decode(openLegacy(String(row.data), instanceKey));
          if (plain !== expected(after)) differences.push(`${after}: differs`);
        } catch {
          differences.push(`${after}: does not open`);
        }
      }
      if (rows.length < 2000) break;
    }
    const added = [...also.keys()].filter(
      (id) => !/^cred\d{12}$/.test(id) || Number(id.slice(4)) >= options.credentials,
    );
    const all = options.credentials + added.length;
    if (seen !== all) differences.push(`${seen} rows, ${all} expected`);
  });
  return differences;
}
