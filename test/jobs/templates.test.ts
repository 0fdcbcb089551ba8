import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { parse, stringify } from 'yaml';
import { formatNames } from '../../src/formats/registry.ts';
import { loadJob, templatePath, templates } from '../../src/job/load.ts';
import {
  attrEncryptedCipher,
  type Cipher,
  cbcParts,
  cloakCipher,
  cryptoJsCipher,
  fernetCipher,
  gcmParts,
  laravelCipher,
  lockboxKey,
  packed,
  sqlalchemyAesCipher,
} from '../support/applications/ciphers.ts';
import { rotated } from './rotated.ts';

const fixtures = new URL('../fixtures/applications/', import.meta.url);
const jobs = new URL('../../jobs/', import.meta.url);
const V: readonly string[] = JSON.parse(readFileSync(new URL('values.json', fixtures), 'utf8'));

type Stored = string | Buffer;

interface Column {
  readonly cipher: (key: string) => Pick<Cipher, 'open'>;
  /** What a field says of it, beside the column's name. */
  readonly field: object;
  /** The member of a JSON value that is encrypted. */
  readonly member?: string;
  /** Columns with the other parts of its values. */
  readonly beside?: readonly string[];
  /** The row with this number contains V of this, in the order of the row ids. */
  readonly row?: 'every';
}

interface Application {
  readonly database: string;
  /** File in jobs/. */
  readonly job: string;
  /** Undefined: the job declares its places itself. */
  readonly own?: true;
  readonly columns: Readonly<Record<string, Column>>;
}

const hexKey = (key: string): Buffer => Buffer.from(key, 'hex');
const sha256 = (key: string): Buffer => createHash('sha256').update(key).digest();

const laravel = (mode: 'cbc' | 'gcm', format: string): Application['columns'] => {
  const column: Column = { cipher: (key) => laravelCipher(key, mode), field: { format } };
  return {
    'environment_variables.value': { ...column, row: 'every' },
    'environment_variables.real_value': column,
    'private_keys.private_key': column,
    'private_keys.meta': column,
    'private_keys.options': column,
    'private_keys.tags': column,
    'users.two_factor_secret': column,
    'users.two_factor_recovery_codes': column,
  };
};

const fernet: Column = {
  cipher: (key) => fernetCipher(Buffer.from(key, 'base64url')),
  field: { format: 'fernet' },
};
const flowise: Column = { cipher: cryptoJsCipher, field: {} };
const sequelize: Column = {
  cipher: (key) => cbcParts(hexKey(key), 'raw'),
  field: { format: 'sequelize-encrypted', plaintext: 'json' },
};
const typeormGcm: Column = {
  cipher: (key) => gcmParts(hexKey(key), ['iv', 'tag', 'sealed']),
  field: {
    format: {
      described: { layers: ['base64'], parts: ['iv 12', 'tag 16', 'ciphertext'], cipher: 'aes-256-gcm' },
    },
  },
};
const typeormCbc: Column = {
  cipher: (key) => cbcParts(hexKey(key), 'base64'),
  field: { format: 'typeorm-encrypted-cbc', plaintext: 'utf8' },
};
const naive: Column = {
  cipher: (key) => sqlalchemyAesCipher(key, 'naive'),
  field: { format: 'sqlalchemy-aes', plaintext: 'utf8' },
};
const sqlalchemyGcm: Column = {
  cipher: (key) => gcmParts(sha256(key), ['iv', 'tag', 'sealed']),
  field: { format: 'sqlalchemy-aes-gcm' },
};
const sqlalchemyFernet: Column = {
  cipher: (key) => fernetCipher(sha256(key)),
  field: { format: 'sqlalchemy-fernet' },
};

const attribute = (
  name: string,
  { mode = 'gcm' as 'gcm' | 'cbc', spelling = 'pack-m' as 'pack-m' | 'raw', salt = false } = {},
): Column => {
  const iv = `iv ${mode === 'gcm' ? 12 : 16} ${spelling}`;
  const sealed = mode === 'gcm' ? `ciphertext + tag 16 ${spelling}` : `ciphertext ${spelling}`;
  const salted = { pbkdf2: { hash: 'sha1', salt: { part: 'salt' }, iterations: 2000, bytes: 32 } };
  const beside = [`encrypted_${name}_iv`, ...(salt ? [`encrypted_${name}_salt`] : [])];
  return {
    cipher: (key) => attrEncryptedCipher(key, { mode, spelling, salt }),
    beside,
    field: {
      with: beside,
      ...(mode === 'cbc' && { plaintext: 'utf8' }),
      format: {
        described: {
          columns: [sealed, iv, ...(salt ? [{ prefix: '_', part: 'salt 16 pack-m' }] : [])],
          cipher: `aes-256-${mode}`,
          key: ['utf8', salt ? salted : 'hex'],
        },
      },
    },
  };
};

const applications: readonly Application[] = [
  {
    database: 'attr_encrypted',
    job: 'templates/attr-encrypted',
    columns: {
      'users.encrypted_email': { ...attribute('email'), row: 'every' },
      'users.encrypted_ssn': attribute('ssn'),
      'ci_variables.encrypted_value': attribute('value', { mode: 'cbc', salt: true }),
      'remote_mirrors.encrypted_secret': attribute('secret', { spelling: 'raw' }),
      'remote_mirrors.encrypted_credentials': attribute('credentials'),
    },
  },
  {
    database: 'flowise',
    job: 'flowise',
    own: true,
    columns: {
      'credential.encryptedData': flowise,
      'custom_mcp_server.authConfig': flowise,
      'chat_flow.webhookSecret': flowise,
    },
  },
  { database: 'laravel', job: 'templates/laravel', columns: laravel('cbc', 'laravel') },
  { database: 'laravel-gcm', job: 'templates/laravel', columns: laravel('gcm', 'laravel-aes-256-gcm') },
  {
    database: 'django',
    job: 'templates/fernet',
    columns: {
      'shop_account.password': { ...fernet, row: 'every' },
      'shop_account.totp': fernet,
      'shop_integration.api_key': fernet,
      'shop_integration.config': fernet,
    },
  },
  {
    database: 'sequelize',
    job: 'templates/sequelize-encrypted',
    columns: { 'user_authentications.tokens': sequelize, 'webhook_subscriptions.vault': sequelize },
  },
  {
    database: 'typeorm',
    job: 'templates/typeorm-encrypted',
    columns: {
      'account.token': { ...typeormGcm, row: 'every' },
      'account.password': typeormCbc,
      'connection.secret': typeormGcm,
      'connection.config': {
        ...typeormCbc,
        member: 'encrypted',
        field: { ...typeormCbc.field, document: { json: ['.encrypted'] } },
      },
    },
  },
  {
    database: 'sqlalchemy',
    job: 'templates/sqlalchemy-utils',
    columns: {
      'dbs.password': { ...naive, row: 'every' },
      'dbs.encrypted_extra': naive,
      'users.email': {
        cipher: (key) => sqlalchemyAesCipher(key, 'pkcs5'),
        field: { format: 'sqlalchemy-aes-pkcs5', plaintext: 'utf8' },
        row: 'every',
      },
      'users.note': sqlalchemyGcm,
      'users.token': sqlalchemyFernet,
      'oauth_tokens.access_token': sqlalchemyGcm,
      'oauth_tokens.refresh_token': sqlalchemyFernet,
      'oauth_tokens.expires': sqlalchemyGcm,
    },
  },
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-jobs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a database that another implementation made is rotated by its job', () => {
  test.each(applications)('$database', async ({ database, job, own, columns }) => {
    const path = join(folder, 'app.sqlite');
    writeFileSync(path, gunzipSync(readFileSync(new URL(`${database}.sqlite.gz`, fixtures))));
    const oldKey = readFileSync(new URL(`${database}.key`, fixtures), 'utf8').replace(/\n$/, '');
    const before = plaintexts(path, columns, oldKey);
    for (const [place, { row }] of Object.entries(columns))
      if (row === 'every') expect(before[place]).toEqual(V.map((plain) => plain.replace(/\*+$/, '')));
    const file = own === true ? job : adapted(`${job}.yaml`, columns);

    const { newKey, state } = await rotated(folder, file, `sqlite:${path}`, oldKey);

    expect(state).toBe('verified');
    expect(newKey).not.toBe(oldKey);
    expect(plaintexts(path, columns, newKey)).toEqual(before);
    expect(Object.values(before).flat().filter(Boolean).length).toBeGreaterThan(50);
  });
});

/** The template with the places of an application. */
function adapted(template: string, columns: Application['columns']): string {
  const job = parse(readFileSync(new URL(template, jobs), 'utf8'));
  const fields = Object.entries(columns).map(([place, { field }]) => {
    const [table, column] = place.split('.') as [string, string];
    return { table, field: { column, ...field } };
  });
  const tables = [...new Set(fields.map(({ table }) => table))];
  const targets = tables.map((table) => ({
    table,
    fields: fields.filter((each) => each.table === table).map(({ field }) => field),
  }));
  const canary = fields.map(({ table, field }) => ({ table, ...field }));
  writeFileSync(
    join(folder, 'job.yaml'),
    stringify({ ...job, canary, phases: [{ name: 'values', targets }] }),
  );
  return join(folder, 'job.yaml');
}

function plaintexts(
  path: string,
  columns: Application['columns'],
  key: string,
): Record<string, (string | null)[]> {
  const database = new Sqlite(path, { readonly: true });
  try {
    return Object.fromEntries(
      Object.entries(columns).map(([place, { cipher, member, beside = [] }]) => {
        const [table, column] = place.split('.') as [string, string];
        const names = [column, ...beside].map((name) => `"${name}"`).join(', ');
        const rows = database.prepare(`select ${names} from "${table}" order by rowid`).raw().all();
        return [
          place,
          (rows as Stored[][]).map(([value = '', ...others]) => {
            if (value === null || value === '') return value;
            if (others.length > 0) return cipher(key).open(packed([value, ...others]));
            const stored = member === undefined ? value : JSON.parse(String(value))[member];
            return cipher(key).open(stored as Stored);
          }),
        ];
      }),
    );
  } finally {
    database.close();
  }
}

describe('a database in the format of the library is rotated by its job', () => {
  const email = (key: string): Cipher =>
    gcmParts(lockboxKey(key, 'users', 'email_ciphertext'), ['iv', 'sealed', 'tag']);
  const prismaKey = `k1.aesgcm256.${randomBytes(32).toString('base64url')}=`;
  const phone: Column = { cipher: cloakCipher, field: { format: 'cloak' } };
  test.each([
    ['lockbox', randomBytes(32).toString('hex'), { 'users.email_ciphertext': { cipher: email, field: {} } }],
    ['prisma-field-encryption', prismaKey, { 'User.phone': phone, 'Account.a_column_not_declared': phone }],
  ] as const)('%s', async (template, oldKey, columns) => {
    const path = join(folder, 'app.sqlite');
    const database = new Sqlite(path);
    for (const [place, { cipher }] of Object.entries(columns)) {
      const [table, column] = place.split('.') as [string, string];
      database.exec(`create table "${table}" (id integer primary key, "${column}" text)`);
      const insert = database.prepare(`insert into "${table}" ("${column}") values (?)`);
      for (const plain of V) insert.run(plain === '' ? '' : cipher(oldKey).seal(plain));
    }
    database.close();

    const { newKey, state } = await rotated(folder, templatePath(template), `sqlite:${path}`, oldKey);

    expect(state).toBe('verified');
    for (const values of Object.values(plaintexts(path, columns, newKey))) expect(values).toEqual(V);
  });
});

test.each(templates())('the template %s is a valid job', (name) => {
  const { file } = loadJob(templatePath(name), formatNames);
  expect(file.afterwards.join()).toContain('{newKeyFile}');
});
