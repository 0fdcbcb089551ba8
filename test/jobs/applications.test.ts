import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { formatNames } from '../../src/formats/registry.ts';
import { builtInJobs, loadJob } from '../../src/job/load.ts';
import {
  activepiecesCipher,
  type Cipher,
  cbcParts,
  cryptoJsCipher,
  directusCipher,
  fernetCipher,
  gcmParts,
  laravelCipher,
  metabaseCipher,
  sqlalchemyAesCipher,
} from '../support/applications/ciphers.ts';
import { keyturn } from '../support/cli.ts';
import { bytesFor } from '../support/random.ts';
import { rotated } from './rotated.ts';

type Stored = string | Buffer;

/** What is around the ciphertext in the column. */
interface Around {
  wrap(sealed: string): string;
  unwrap(stored: string): string;
}

interface Place {
  readonly cipher: (key: string) => Cipher;
  /** The plaintexts are JSON. */
  readonly json?: true;
  /** The column is binary. */
  readonly blob?: true;
  readonly around?: Around;
  /** The column that says whether a row is encrypted. */
  readonly flag?: string;
  /** A clear value is normal here. */
  readonly clear?: string;
}

interface Application {
  readonly job: string;
  readonly key: string;
  readonly places: Readonly<Record<string, Place>>;
  readonly rows?: number;
}

const bytes = (count: number): Buffer => bytesFor(count, 'the old key');
const hex32 = bytes(32).toString('hex');
const chars32 = bytes(16).toString('hex');
const base64of32 = bytes(32).toString('base64');
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
const member = (name: string, beside: object = {}): Around => ({
  wrap: (sealed) => JSON.stringify({ url: 'https://example.com/a:b', [name]: sealed, ...beside }),
  unwrap: (stored) => JSON.parse(stored)[name],
});
const each = (columns: readonly string[], place: Place): Record<string, Place> =>
  Object.fromEntries(columns.map((column) => [column, place]));

const fernet: Place = { cipher: (key) => fernetCipher(Buffer.from(key, 'base64url')) };
const cryptoJs: Place = { cipher: cryptoJsCipher, json: true };
const strapi: Place = {
  cipher: (key) =>
    gcmParts(sha256(key), ['iv', 'sealed', 'tag'], { iv: 16, encoding: 'hex', by: ':', prefix: 'v1:' }),
};
const langfuse: Place = {
  cipher: (key) => gcmParts(Buffer.from(key, 'hex'), ['iv', 'sealed', 'tag'], { encoding: 'hex', by: ':' }),
};
const outline: Place = { cipher: (key) => cbcParts(Buffer.from(key, 'hex'), 'raw'), blob: true };
const hexCbc: Place = { cipher: (key) => cbcParts(Buffer.from(key, 'latin1'), 'hex', ':') };
const metabase: Place = { cipher: (key) => metabaseCipher(key, 'base64') };
const superset: Place = { cipher: (key) => sqlalchemyAesCipher(key, 'naive'), blob: true };
const supersetGcm: Place = { cipher: (key) => gcmParts(sha256(key), ['iv', 'tag', 'sealed']), blob: true };
const directus: Place = { cipher: directusCipher };
const laravel: Place = { cipher: (key) => laravelCipher(key, 'cbc') };

const supersetPlaces = (place: Place): Record<string, Place> => ({
  'dbs.password': place,
  'dbs.encrypted_extra': { ...place, json: true },
  ...each(
    [
      'dbs.server_cert',
      'ssh_tunnels.username',
      'ssh_tunnels.password',
      'ssh_tunnels.private_key',
      'ssh_tunnels.private_key_password',
      'database_user_oauth2_tokens.access_token',
      'database_user_oauth2_tokens.refresh_token',
      'semantic_layers.configuration',
    ],
    place,
  ),
});

const applications: readonly Application[] = [
  {
    job: 'flowise',
    key: bytes(24).toString('base64'),
    places: {
      'credential.encryptedData': cryptoJs,
      'login_method.config': cryptoJs,
      'custom_mcp_server.authConfig': cryptoJs,
      'chat_flow.webhookSecret': { cipher: cryptoJsCipher },
    },
  },
  {
    job: 'airflow',
    key: `${bytes(32).toString('base64url')}=`,
    places: {
      'connection.password': { ...fernet, flag: 'is_encrypted' },
      'connection.extra': { ...fernet, flag: 'is_extra_encrypted' },
      'variable.val': { ...fernet, flag: 'is_encrypted' },
      'trigger.kwargs': { ...fernet, clear: '{"moment": "2026-01-01"}' },
      'connection_test_request.password': { ...fernet, flag: 'is_encrypted' },
      'connection_test_request.extra': { ...fernet, flag: 'is_extra_encrypted' },
    },
  },
  {
    job: 'nocodb',
    key: base64of32,
    places: {
      'nc_sources_v2.config': { ...cryptoJs, flag: 'is_encrypted' },
      'nc_integrations_v2.config': { ...cryptoJs, flag: 'is_encrypted' },
    },
  },
  { job: 'strapi', key: base64of32, places: { 'strapi_api_tokens.encrypted_key': strapi } },
  {
    job: 'directus',
    key: base64of32,
    rows: 2,
    places: {
      ...each(
        [
          'directus_settings.ai_openai_api_key',
          'directus_settings.ai_anthropic_api_key',
          'directus_settings.ai_google_api_key',
          'directus_settings.ai_openai_compatible_api_key',
          'directus_settings.license_key',
          'directus_settings.license_token',
          'directus_deployments.credentials',
        ],
        directus,
      ),
      'customers.bank_account': { ...directus, clear: 'written before the field was encrypted' },
    },
  },
  {
    job: 'langfuse',
    key: hex32,
    places: {
      'llm_api_keys.secret_key': langfuse,
      'llm_api_keys.extra_headers': { ...langfuse, json: true },
      'slack_integrations.bot_token': langfuse,
      'posthog_integrations.encrypted_posthog_api_key': langfuse,
      'mixpanel_integrations.encrypted_mixpanel_project_token': langfuse,
      'blob_storage_integrations.secret_access_key': { ...langfuse, clear: 'clear' },
      'sso_configs.auth_config': { ...langfuse, around: member('clientSecret') },
      'actions.config': { ...langfuse, around: member('secretKey', { requestHeaders: {} }) },
      'datasets.remote_experiment_secret_key': langfuse,
      'datasets.remote_experiment_request_headers': {
        ...langfuse,
        around: {
          wrap: (sealed) => JSON.stringify({ 'x-key': { secret: true, value: sealed } }),
          unwrap: (stored) => JSON.parse(stored)['x-key'].value,
        },
      },
      'web_callout_endpoints.request_headers': { ...langfuse, json: true },
    },
  },
  {
    job: 'outline',
    key: hex32,
    places: each(
      [
        'users.jwtSecret',
        'user_authentications.accessToken',
        'user_authentications.refreshToken',
        'authentications.token',
        'authentications.refreshToken',
        'authentications.clientSecret',
        'webhook_subscriptions.secret',
        'oauth_clients.clientSecret',
      ],
      outline,
    ),
  },
  {
    job: 'hoppscotch',
    key: chars32,
    places: {
      'InfraConfig.value': { ...hexCbc, flag: 'isEncrypted' },
      'InfraConfig.lastSyncedEnvFileValue': { ...hexCbc, flag: 'isEncrypted' },
      'Account.providerRefreshToken': { ...hexCbc, clear: '1//refresh' },
      'Account.providerAccessToken': { ...hexCbc, clear: 'ya29.access' },
    },
  },
  {
    job: 'metabase',
    key: base64of32,
    places: {
      'metabase_database.details': { ...metabase, json: true },
      'metabase_database.settings': { ...metabase, json: true },
      'metabase_database.write_data_details': { ...metabase, json: true },
      'metabase_database.admin_details': { ...metabase, json: true },
      'setting.value': { ...metabase, clear: '2026-08-01 10:00:00' },
      'core_user.settings': { ...metabase, json: true },
      'channel.details': { ...metabase, json: true },
      'api_key.key': metabase,
      'workspace_database.database_details': { ...metabase, json: true },
      'auth_identity.credentials': { ...metabase, json: true },
      ...each(
        [
          'report_card.public_uuid',
          'report_dashboard.public_uuid',
          'action.public_uuid',
          'document.public_uuid',
        ],
        { ...metabase, clear: '0b8d5a5c-3f0e-4c0e-9c1e-0d8f5a1b2c3d' },
      ),
      'secret.value': { cipher: (key) => metabaseCipher(key, 'raw'), blob: true },
    },
  },
  { job: 'superset', key: base64of32, places: supersetPlaces(superset) },
  { job: 'superset-gcm', key: base64of32, places: supersetPlaces(supersetGcm) },
  {
    job: 'activepieces',
    key: chars32,
    places: { 'app_connection.value': { cipher: activepiecesCipher, json: true } },
  },
  {
    job: 'cal-com',
    key: chars32,
    places: {
      'users.twoFactorSecret': hexCbc,
      'users.backupCodes': { ...hexCbc, json: true },
      'Credential.encryptedKey': hexCbc,
      'Credential.key': {
        ...hexCbc,
        around: { wrap: (sealed) => JSON.stringify(sealed), unwrap: (stored) => JSON.parse(stored) },
        clear: '{"access_token":"ya29"}',
      },
    },
  },
  {
    job: 'coolify',
    key: `base64:${base64of32}`,
    places: {
      'environment_variables.value': laravel,
      'private_keys.private_key': laravel,
      'a_table_of_a_later_version.token': laravel,
      'servers.settings': { ...laravel, around: member('token') },
      'servers.name': { ...laravel, clear: 'eyJpdiI6 is how a value begins' },
    },
  },
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-applications-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(applications)('the job $job rotates every place of the application', async (application) => {
  const path = join(folder, 'app.sqlite');
  const oldKey = application.key;
  const expected = build(path, application, oldKey);

  const { newKey, state } = await rotated(folder, application.job, `sqlite:${path}`, oldKey);

  expect(state).toBe('verified');
  expect(read(path, application, newKey)).toEqual(expected);
});

test('every job of an application is tried here, or has a test of its own', () => {
  const elsewhere = ['awx', 'example', 'mastodon', 'n8n', 'octopus'];
  expect([...elsewhere, ...applications.map(({ job }) => job)].sort()).toEqual(builtInJobs());
});

test.each(applications)('the test of $job has every table that the job has', ({ job, places }) => {
  const { file } = loadJob(job, formatNames);
  const tables = new Set(Object.keys(places).map((place) => place.split('.')[0]));
  for (const { targets } of file.phases) for (const { table } of targets) expect(tables).toContain(table);
});

test('a job whose places are not from the source needs a confirmation of its own', async () => {
  writeFileSync(join(folder, 'old.key'), chars32, { mode: 0o600 });
  const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
  const { code, stderr } = await keyturn(
    [
      'rotate',
      '--job',
      'cal-com',
      '--database',
      'sqlite:no.sqlite',
      '--current-key-file',
      'old.key',
      ...consent,
    ],
    { cwd: folder },
  );
  expect(code).toBe(2);
  expect(stderr).toContain('confirmation required: --unproven-job');
});

const unicode = 'pässwörd ✓ 漢字 🗝️';

function plainOf(place: Place, row: number): string {
  const text = [`secret ${row}`, unicode, 'x'.repeat(300 + row), `${row}`, '-----BEGIN KEY-----\nMII=\n'][
    row % 5
  ];
  return place.json === true ? JSON.stringify({ password: `${text} ${row}`, port: row }) : `${text} ${row}`;
}

/** The plaintexts by place; a clear value, and NULL, as they are. */
function build(
  path: string,
  { job, places, rows = 7 }: Application,
  key: string,
): Record<string, (string | null)[]> {
  const database = new Sqlite(path);
  const tables = new Map<string, [column: string, place: Place, cipher: Cipher][]>();
  for (const [name, place] of Object.entries(places)) {
    const [table, column] = name.split('.') as [string, string];
    tables.set(table, [...(tables.get(table) ?? []), [column, place, place.cipher(key)]]);
  }
  const expected: Record<string, (string | null)[]> = Object.fromEntries(
    Object.keys(places).map((name) => [name, []]),
  );
  for (const [table, columns] of tables) {
    const flags = [...new Set(columns.flatMap(([, { flag }]) => flag ?? []))];
    const all = [
      'id integer primary key',
      ...(table === 'setting' ? ['key text'] : []),
      ...flags.map((flag) => `"${flag}" boolean`),
      ...columns.map(([column, { blob }]) => `"${column}" ${blob === true ? 'blob' : 'text'}`),
    ];
    database.exec(`create table "${table}" (${all.join(', ')})`);
    const names = [...flags, ...columns.map(([column]) => column)].map((name) => `"${name}"`).join(', ');
    const marks = [...flags, ...columns].map(() => '?').join(', ');
    const insert = database.prepare(`insert into "${table}" (${names}) values (${marks})`);
    for (let row = 0; row < rows; row++)
      insert.run(
        ...flags.map(() => 1),
        ...columns.map(([column, place, cipher]) => {
          const plain = plainOf(place, row);
          expected[`${table}.${column}`]?.push(plain);
          return storedAs(place, cipher.seal(plain));
        }),
      );
    const last = columns.map(([column, place]) => {
      const value = place.clear ?? (place.flag === undefined ? null : 'in clear');
      expected[`${table}.${column}`]?.push(value);
      return value;
    });
    insert.run(...flags.map(() => 0), ...last);
  }
  for (const table of loadJob(job, formatNames).file.requires)
    if (!tables.has(table)) database.exec(`create table "${table}" (id integer primary key)`);
  if (tables.has('setting')) database.exec(`update setting set key = 'encryption-check' where id = 1`);
  database.close();
  return expected;
}

function storedAs({ around, blob }: Place, sealed: Stored): Stored {
  const text = around === undefined || typeof sealed !== 'string' ? sealed : around.wrap(sealed);
  return blob === true && typeof text === 'string' ? Buffer.from(text) : text;
}

function read(path: string, { places }: Application, key: string): Record<string, (string | null)[]> {
  const database = new Sqlite(path, { readonly: true });
  const found = Object.entries(places).map(([name, place]) => {
    const [table, column] = name.split('.') as [string, string];
    const cipher = place.cipher(key);
    const values = database.prepare(`select "${column}" from "${table}" order by id`).pluck().all();
    const plains = values.map((value, row) => {
      if (row === values.length - 1) return value as string | null;
      const stored = value as Stored;
      return cipher.open(place.around === undefined ? stored : place.around.unwrap(String(stored)));
    });
    return [name, plains];
  });
  database.close();
  return Object.fromEntries(found);
}
