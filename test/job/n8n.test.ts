import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Table } from '../../src/databases/database.ts';
import type { Job } from '../../src/job/job.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { fixtureCatalog, table } from './catalog.ts';

const loaded = loadJob('n8n', ['n8n', 'n8n-wrapped']);
let catalog: Table[];
let job: Job;

beforeAll(() => {
  catalog = fixtureCatalog('mixed-sqlite');
  job = resolveJob(loaded, catalog);
});

/** The first field of the column whose condition fits a row with these values: the rule of the rotation, told again. */
function fieldOf(table: string, column: string, row: Readonly<Record<string, string>> = {}) {
  const target = job.targets.find(({ shape }) => shape.table === table);
  return target?.fields.find(
    (field) =>
      field.column === column &&
      field.when.every(({ index, values }) => values.includes(row[target.shape.columns[index] ?? ''] ?? '')),
  );
}

test.each(['legacy-sqlite', 'mixed-sqlite'] as const)(
  'every declared table but git_connection is in %s',
  (name) => {
    expect(resolveJob(loaded, fixtureCatalog(name)).absent).toEqual(['git_connection']);
  },
);

test('every column of n8n with ciphertext is a field', () => {
  const places = [
    ['credentials_entity', 'data', 'text', 'json'],
    ['user', 'mfaSecret', 'text', 'utf8'],
    ['user', 'mfaRecoveryCodes', 'list', 'utf8'],
    ['secrets_provider_connection', 'encryptedSettings', 'text', 'json'],
    ['dynamic_credential_resolver', 'config', 'text', 'json'],
    ['dynamic_credential_entry', 'data', 'text', 'json'],
    ['dynamic_credential_user_entry', 'data', 'text', 'json'],
    ['promotion_provider', 'auth', 'text', 'json'],
  ] as const;
  for (const [table, column, document, plaintext] of places) {
    expect(fieldOf(table, column)).toMatchObject({
      document,
      plaintext,
      format: 'n8n',
      foreign: 'exception',
      closed: 'exception',
    });
  }
});

test('the columns encrypted* of git_connection are fields if a version has them', () => {
  const old = table('git_connection', ['url', 'encryptedKey', 'encryptedToken']);
  const resolved = resolveJob(loaded, [...catalog, old]);
  expect(resolved.targets.find(({ shape }) => shape.table === 'git_connection')?.shape.columns).toEqual([
    'encryptedKey',
    'encryptedToken',
  ]);
});

test.each([
  ['feature.externalSecrets', 'text'],
  ['credentialsOverwrite', 'text'],
  ['features.ldap', { json: ['.bindingAdminPassword'] }],
  ['features.oidc', { json: ['.clientSecret'] }],
  ['features.saml', { json: ['.signingPrivateKey'] }],
  ['features.sourceControl.sshKeys', { json: ['.encryptedPrivateKey'] }],
  ['features.sourceControl.httpsCredentials', { json: ['.encryptedUsername', '.encryptedPassword'] }],
] as const)('the setting %s is rotated', (key, document) => {
  expect(fieldOf('settings', 'value', { key })?.document).toEqual(document);
});

test('a setting without secrets is not rotated', () => {
  expect(fieldOf('settings', 'value', { key: 'ui.banners.dismissed' })).toBeUndefined();
});

test('a value in execution data that does not open is a look-alike', () => {
  expect(fieldOf('execution_data', 'data')).toMatchObject({
    document: { json: 'any' },
    foreign: 'leave',
    closed: 'look-alike',
  });
  expect(fieldOf('execution_data', 'workflowData')).toBeUndefined();
});

describe('deployment_key', () => {
  const row = (type: string, algorithm = 'aes-256-gcm') =>
    fieldOf('deployment_key', 'value', { type, algorithm });

  test('is alone in the last phase', () => {
    const last = job.targets.filter(({ phase }) => phase === job.phases.length - 1);
    expect(last.map(({ shape }) => shape.table)).toEqual(['deployment_key']);
  });

  test('only the cbc row becomes the new master key', () => {
    expect(row('data_encryption', 'aes-256-cbc')).toMatchObject({ becomes: 'primary', foreign: 'replace' });
    for (const type of ['data_encryption', 'signing.hmac', 'jwe.private-key', 'instance.id', 'new.type']) {
      expect(row(type)?.becomes).toBeUndefined();
    }
  });

  test.each(['data_encryption', 'signing.hmac', 'signing.jwt', 'signing.binary_data'])(
    '%s may stand in clear',
    (type) => {
      expect(row(type)).toMatchObject({ format: 'n8n-wrapped', foreign: 'leave', closed: 'exception' });
    },
  );

  test('the field of the private key for JWE does not depend on the algorithm', () => {
    expect(row('jwe.private-key', 'RSA-OAEP-256')).toMatchObject({
      format: 'n8n-wrapped',
      closed: 'exception',
    });
  });

  test('the public instance id is never an exception', () => {
    expect(row('instance.id', '')).toMatchObject({ foreign: 'leave', closed: 'look-alike' });
  });

  test.each([
    ['signing.future', 'aes-256-gcm'],
    ['data_encryption', 'aes-512-xyz'],
  ])('a row of an unknown kind (%s, %s) is rotated, or stops the run', (type, algorithm) => {
    expect(row(type, algorithm)).toMatchObject({
      format: 'n8n-wrapped',
      foreign: 'exception',
      closed: 'exception',
    });
  });
});

test('the authenticated canary comes first', () => {
  expect(job.canary[0]).toMatchObject({ table: 'deployment_key', format: 'n8n-wrapped' });
  expect(job.canary[1]).toMatchObject({ table: 'credentials_entity', column: 'data', plaintext: 'json' });
});

test('an instance without deployment_key (up to n8n 2.17) keeps all four derived secrets and has no source keys', () => {
  const old = resolveJob(
    loaded,
    catalog.filter(({ name }) => name !== 'deployment_key'),
  );
  expect(old.sourceKeys).toEqual([]);
  expect(old.derived.map(({ setting, unless }) => [setting, unless])).toEqual([
    ['N8N_INSTANCE_ID', undefined],
    ['N8N_HMAC_SIGNATURE_SECRET', undefined],
    ['N8N_USER_MANAGEMENT_JWT_SECRET', undefined],
    ['N8N_BINARY_DATA_SIGNING_SECRET', undefined],
  ]);
  expect(old.canary[0]?.table).toBe('credentials_entity');
});

test('tables with a prefix are found, and the hint gives a missing prefix', () => {
  const prefixed = catalog.map((table) => ({ ...table, name: `acme_${table.name}` }));
  const names = (resolved: Job) => resolved.targets.map(({ shape }) => shape.table);
  expect(names(resolveJob(loaded, prefixed, { tablePrefix: 'acme_' }))).toEqual(
    names(job).map((name) => `acme_${name}`),
  );
  expect(() => resolveJob(loaded, prefixed)).toThrow(
    expect.objectContaining({
      code: 'wrong-application',
      hint: expect.stringContaining('--table-prefix acme_'),
    }),
  );
});

test('the steps after the run name every place where n8n stores its key', () => {
  const text = job.afterwards.join('\n');
  for (const place of [
    'N8N_ENCRYPTION_KEY ',
    'N8N_ENCRYPTION_KEY_FILE',
    '.n8n/config',
    '{newKeyFile}',
    'webhook',
    '{newKeyId}',
  ]) {
    expect(text).toContain(place);
  }
});
