import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { derivedSettings, secretsInUse } from '../support/n8n/derived.ts';
import { consent, type Ended, type Folder, keyturn, n8nFolder } from './keyturn.ts';

const ownJwt = 'a secret of the operator=#1';
const [instanceId = '', hmac = '', jwt = '', binary = ''] = derivedSettings;

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
  folder.exec("delete from deployment_key where type <> 'data_encryption'");
});
afterEach(() => folder.remove());

function command(name: string, current: string, ...more: string[]): Promise<Ended> {
  const args = ['--job', 'n8n', '--database', folder.url, '--current-key-file', folder.file(current)];
  return keyturn([name, ...args, ...more], { cwd: folder.path });
}

async function rotated(current: string, next: string, ...more: string[]): Promise<Ended> {
  const to = ['--new-key-file', folder.file(next), '--report-dir', folder.file(`report of ${next}`)];
  const ended = await command('rotate', current, ...to, ...consent, ...more);
  expect(ended).toMatchObject({ code: 0 });
  return ended;
}

/** The assignments of a file as docker reads it. */
function assignments(name: string): Record<string, string> {
  const lines = folder.read(name).split('\n');
  return Object.fromEntries(
    lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

function writeEnvironment(environment: Readonly<Record<string, string>>): string[] {
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(folder.file('n8n.env'), ['# of n8n\n', ...lines].join(''));
  return ['--application-env', folder.file('n8n.env')];
}

const derivedIn = (report: string) =>
  JSON.parse(folder.read(`report of ${report}/report.json`)).inventory.derivedSecrets;

test('two rotations with the environment of n8n keep the secrets in use, an own one too', async () => {
  const before = { DB_TYPE: 'sqlite', [jwt]: ownJwt };
  const used = secretsInUse(before, folder.oldKey);
  const { stdout, stderr } = await rotated('old.key', 'new.key', ...writeEnvironment(before));
  const file = folder.file('new.key.derived-secrets.env');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const saved = assignments('new.key.derived-secrets.env');
  expect(Object.keys(saved)).toEqual([instanceId, hmac, binary]);
  for (const value of Object.values(used)) expect(stdout + stderr).not.toContain(value);
  expect(stdout).toContain(`secrets:  ${file}`);
  expect(derivedIn('new.key')).toEqual({
    file,
    earlierFile: null,
    environmentGiven: true,
    secrets: [
      { setting: instanceId, source: 'current-key' },
      { setting: hmac, source: 'current-key' },
      { setting: jwt, source: 'environment' },
      { setting: binary, source: 'current-key' },
    ],
  });
  const text = readFileSync(folder.file('report of new.key/report.txt'), 'utf8').replaceAll(/\s+/g, ' ');
  expect(text).toContain(`File ${file}`);
  expect(text).toContain(`${jwt}: set in the environment of n8n: keep it set`);
  expect(text).toContain(`${hmac}: derived from the old key; saved in ${file}`);

  // As step 5 says
  const after = { ...saved, ...before };
  expect(secretsInUse(after, folder.read('new.key'))).toEqual(used);

  await rotated('new.key', 'newer.key', ...writeEnvironment(after));
  expect(existsSync(folder.file('newer.key.derived-secrets.env'))).toBe(false);
  expect(derivedIn('newer.key')).toMatchObject({
    file: null,
    secrets: derivedSettings.map((setting) => ({ setting, source: 'environment' })),
  });
  expect(secretsInUse(after, folder.read('newer.key'))).toEqual(used);

  const plan = await command('plan', 'newer.key', '--json');
  expect(JSON.parse(plan.stdout).derivedSecrets.secrets).toEqual(
    derivedSettings.map((setting) => ({ setting, source: 'environment' })),
  );
});

describe('without the environment of n8n', () => {
  test('a second rotation keeps to the values that the first one saved', async () => {
    const used = secretsInUse({}, folder.oldKey);
    const first = await rotated('old.key', 'new.key');
    expect(first.stderr).toMatch(
      /warning: it is not known whether the environment of n8n sets N8N_INSTANCE_ID/,
    );
    expect(first.stdout).toContain('set only those that n8n does not have set already, and keep them set');
    expect(folder.read('new.key.derived-secrets.env')).toMatch(/^# Set only those that are not set already/);
    expect(assignments('new.key.derived-secrets.env')).toEqual(used);

    renameSync(folder.file('new.key.derived-secrets.env'), folder.file('put away'));
    const hash = folder.hash();
    const refused = await command(
      'rotate',
      'new.key',
      '--new-key-file',
      folder.file('newer.key'),
      ...consent,
    );
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /derived-secrets-missing|saved N8N_INSTANCE_ID in .*, which does not exist/,
      ),
    });
    expect(folder.hash()).toBe(hash);
    expect(existsSync(folder.file('newer.key'))).toBe(false);
    const planned = await command('plan', 'new.key', ...writeEnvironment({ TZ: 'UTC' }));
    expect(planned).toMatchObject({ code: 0, stderr: expect.stringContaining('check that it is complete') });
    renameSync(folder.file('put away'), folder.file('new.key.derived-secrets.env'));

    const second = await rotated('new.key', 'newer.key');
    expect(second.stderr).toContain('where an earlier run saved them');
    expect(assignments('newer.key.derived-secrets.env')).toEqual(used);
  });
});

test('what a row keeps is not saved, and an environment that cannot be understood is refused', async () => {
  folder.exec(
    "insert into deployment_key (id, type, value, status, createdAt, updatedAt) values ('i', 'instance.id', 'x', 'active', 0, 0)",
  );
  const planned = await command('plan', 'old.key');
  expect(planned).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(
      `  ${instanceId}: in a row of the database\n  ${hmac}: derived from the old key`,
    ),
  });
  writeFileSync(folder.file('compose.yaml'), `services:\n  n8n:\n    environment:\n      - ${jwt}=x\n`);
  writeFileSync(folder.file('n8n.service'), `[Service]\nRestart=no\nEnvironment="${jwt}=x"\n`);
  for (const [name, why] of [
    ['compose.yaml', 'contains no NAME=value line'],
    ['n8n.service', 'is a unit file'],
    ['nothing.env', 'the file does not exist'],
  ] as const) {
    const ended = await command('plan', 'old.key', '--application-env', folder.file(name));
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
  }
});
