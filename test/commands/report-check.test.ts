import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { consent, type Folder, keyturn, n8nFolder } from './keyturn.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => folder.remove());

const run = (...args: string[]) => keyturn(args, { cwd: folder.path });

test('a report is signed at the end of the run, checked without a database, and an edit is noticed', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  writeFileSync(folder.file('sign.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  writeFileSync(folder.file('verify.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const rotated = await run(
    'rotate',
    ...folder.rotation,
    ...consent,
    '--report-dir',
    'here',
    '--sign-key',
    'sign.pem',
  );
  expect({ code: rotated.code, stderr: rotated.stderr }).toMatchObject({ code: 0 });
  expect(rotated.stdout).toContain(folder.file('here/report.html'));
  const checked = await run('report', '--check', 'here', '--verify-key', 'verify.pem');
  expect(checked).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^intact: .*; signed by verify.pem$/m),
  });
  expect((await run('report', '--check', 'here/report.html')).stdout).toMatch(/signer not checked/);
  const path = folder.file('here/report.html');
  writeFileSync(path, readFileSync(path, 'utf8').replace('VERIFIED', 'verified'));
  const edited = await run('report', '--check', 'here', '--json');
  expect({ code: edited.code, stdout: edited.stdout }).toMatchObject({ code: 5 });
  expect(JSON.parse(edited.stdout)).toMatchObject({ error: { code: 'report-altered' } });
});

test('a key that cannot sign is refused before anything is changed', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(folder.file('sign.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  const before = folder.hash();
  for (const path of ['sign.pem', 'nowhere.pem']) {
    const refused = await run('rotate', ...folder.rotation, ...consent, '--sign-key', path);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('not an Ed25519 private key') });
  }
  expect(folder.hash()).toBe(before);
  expect(existsSync(folder.file('new.key'))).toBe(false);
  const alone = await run('report', '--verify-key', 'sign.pem');
  expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining('--check') });
});
