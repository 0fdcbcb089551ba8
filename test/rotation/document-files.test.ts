import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { consent, type Folder, keyturn, n8nFolder } from '../commands/keyturn.ts';
import { type Ended, keyturn as run } from '../support/cli.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';

/** Text files with ciphertext in them, as n8n stores executions with N8N_EXECUTION_DATA_STORAGE_MODE=filesystem. */

const executions = 40;
const someoneElse = sealLegacy("a user's own ciphertext", 'a password of the user');

let folder: Folder;
let storage: string;
beforeEach(() => {
  folder = n8nFolder();
  storage = folder.file('storage');
  for (let i = 1; i <= executions; i++)
    write(
      pathOf(i),
      bundle(i, (plain) => sealLegacy(plain, folder.oldKey)),
    );
  write('workflows/w1/executions/1/binary_data/5c1f', sealLegacy('binary data is not ours', folder.oldKey));
  write('elsewhere/bundle.json', 'not in the folder workflows');
});
afterEach(() => folder.remove());

const pathOf = (i: number) => `workflows/w${i % 3}/executions/${i}/execution_data/bundle.json`;
const plainOf = (i: number, at: string) => `secret ${at} of execution ${i} "quoted" ö🔑`;

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(storage, path)), { recursive: true });
  writeFileSync(join(storage, path), content);
}
const read = (path: string): string => readFileSync(join(storage, path), 'utf8');

/** As n8n writes it: the execution is a text of JSON inside the JSON of the bundle. Every third has no secret. */
function bundle(i: number, seal: (plain: string) => string): string {
  const secrets =
    i % 3 === 0
      ? ['none', {}]
      : [seal(plainOf(i, 'first')), { token: seal(plainOf(i, 'second')), deep: [1.0, true] }];
  const data = JSON.stringify([
    { version: 1, resultData: '1' },
    ...secrets,
    'plain \u2028',
    someoneElse,
    `${i}`,
  ]);
  const workflowData = { id: `w${i % 3}`, nodes: [{ parameters: { text: 'U2FsdGVkX1' } }] };
  return JSON.stringify({ data, workflowData, workflowVersionId: null, version: 1 });
}

/** Each bundle with its ciphertexts replaced by what the key decrypts them to; null: it does not. */
function opened(i: number, key: string): unknown {
  const all = JSON.parse(read(pathOf(i)));
  const [head, first, second, ...rest] = JSON.parse(all.data);
  const open = (sealed: string) => openLegacy(sealed, key).toString();
  const secrets = i % 3 === 0 ? [first, second] : [open(first), { ...second, token: open(second.token) }];
  return { ...all, data: [head, ...secrets, ...rest] };
}

function expectAll(key: string): void {
  for (let i = 1; i <= executions; i++) {
    const plain = JSON.parse(bundle(i, (text) => text));
    expect(opened(i, key)).toEqual({ ...plain, data: JSON.parse(plain.data) });
  }
  expect(read('elsewhere/bundle.json')).toBe('not in the folder workflows');
  expect(openLegacy(read('workflows/w1/executions/1/binary_data/5c1f'), folder.oldKey).toString()).toBe(
    'binary data is not ours',
  );
}

const rotate = (...more: string[]) =>
  keyturn(['rotate', ...folder.rotation, ...consent, '--attachments', storage, ...more], {
    cwd: folder.path,
  });
const targetOf = (report: { targets: { target: string }[] }) =>
  report.targets.find(({ target }) => target === 'attachments/');
const expectCode = ({ code, stderr }: Pick<Ended, 'code' | 'stderr'>, expected: number) =>
  expect({ code, stderr: code === expected ? '' : stderr }).toEqual({ code: expected, stderr: '' });

const values = 2 * (executions - Math.floor(executions / 3));

describe('executions of n8n in files', () => {
  test('are rotated with the database, verified, and everything else in them stays', async () => {
    const planned = await keyturn([
      'plan',
      ...folder.rotation.slice(0, 6),
      '--attachments',
      storage,
      '--json',
    ]);
    expectCode(planned, 0);
    expect(targetOf(JSON.parse(planned.stdout))).toMatchObject({ rows: executions });
    const ended = await rotate('--json', '--chunk-rows', '7');
    expectCode(ended, 0);
    const newKey = folder.read('new.key');
    expectAll(newKey);
    // Every bundle has someone else's ciphertext, and the beginning of one
    expect(targetOf(JSON.parse(ended.stdout).report)).toMatchObject({
      ranges: { tally: { rows: executions, rotated: values, lookAlikes: 2 * executions, exceptions: 0 } },
      verification: { rows: executions, proven: executions, changed: 0, late: 0 },
      reconciliation: { valuesAddUp: true, rowsAccountedFor: true },
    });
    const original = (i: number) => `${storage}_MasterKeyRotationBackup/${pathOf(i)}`;
    expect(readFileSync(original(1), 'utf8')).toContain(someoneElse);
    // A file that stays as it is needs no copy
    expect(existsSync(original(3))).toBe(false);
    const keys = ['--current-key-file', folder.file('new.key')];
    const again = ['verify', '--database', folder.url, ...keys, '--attachments', storage];
    expectCode(await keyturn(again), 0);
    const damaged = read(pathOf(1)).replace('plain', 'plaim');
    write(pathOf(1), damaged);
    expectCode(await keyturn(again), 0);
  });

  test('are not asked for where they are not used, and named where they are', async () => {
    folder.exec(`pragma foreign_keys = off; insert into execution_entity (workflowId, finished, mode, status, storedAt)
      values ('w1', 0, 'manual', 'waiting', 'fs')`);
    const plan = ['plan', '--job', 'n8n', '--database', folder.url, '--json'];
    expect(JSON.parse((await keyturn(plan)).stdout)).toMatchObject({
      uncovered: [{ rows: 1, what: expect.stringContaining('--attachments') }],
    });
    const covered = JSON.parse((await keyturn([...plan, '--attachments', storage])).stdout);
    expect(covered.uncovered ?? []).toEqual([]);
  });

  test.each([
    ['intend:2', 'rename:3'],
    ['renamed:2', 'commit:3'],
    // The files of the first chunk contain no secrets
  ])('are complete, and counted once, after kills at %s and %s', async (...kills) => {
    const pace = ['--workers', '1', '--attachments', storage, '--chunk-rows', '12'];
    const where = ['--database', folder.url, '--current-key-file', folder.file('old.key')];
    where.push('--new-key-file', folder.file('new.key'));
    for (const [i, killAt] of kills.entries()) {
      const args =
        i === 0
          ? ['rotate', ...folder.rotation, ...consent, ...pace]
          : ['resume', ...where, ...pace.slice(0, 4)];
      const { signal, stderr } = await run(args, { cwd: folder.path, killAt });
      expect({ signal, stderr: signal === null ? stderr : '' }).toEqual({ signal: 'SIGKILL', stderr: '' });
    }
    const ended = await run(['resume', ...where, ...pace.slice(0, 4), '--json'], { cwd: folder.path });
    expectCode(ended, 0);
    expectAll(folder.read('new.key'));
    expect(targetOf(JSON.parse(ended.stdout).report)).toMatchObject({
      ranges: { tally: { rows: executions, rotated: values, lookAlikes: 2 * executions } },
      reconciliation: { valuesAddUp: true, rowsAccountedFor: true },
    });
  });

  test.each([
    ['is cut in the middle', (text: string) => text.slice(0, text.length / 2)],
    ['is not UTF-8', (text: string) => Buffer.concat([Buffer.from(text), Buffer.of(0xff)])],
  ])('stop the run where a file %s, or are listed and left alone', async (_, damage) => {
    const damaged = damage(read(pathOf(5)));
    write(pathOf(5), damaged);
    expect((await rotate()).code).toBe(3);
    const where = ['--database', folder.url, '--current-key-file', folder.file('old.key')];
    const resumed = await keyturn(
      [
        'resume',
        ...where,
        '--new-key-file',
        folder.file('new.key'),
        '--attachments',
        storage,
        '--on-exception',
        'skip',
      ],
      { cwd: folder.path },
    );
    expectCode(resumed, 3);
    expect(readFileSync(join(storage, pathOf(5)))).toEqual(Buffer.from(damaged));
    const listed = await keyturn(['exceptions', 'list', '--database', folder.url]);
    expect(listed.stdout).toContain(pathOf(5));
    write(
      pathOf(5),
      bundle(5, (plain) => sealLegacy(plain, folder.oldKey)),
    );
    const retry = [
      'exceptions',
      'retry',
      ...where,
      '--new-key-file',
      folder.file('new.key'),
      '--attachments',
      storage,
    ];
    expectCode(await keyturn(retry, { cwd: folder.path }), 0);
    expectAll(folder.read('new.key'));
  });

  test('some of which are already under the new key are not encrypted again', async () => {
    const newKey = 'the new key of some executions';
    writeFileSync(folder.file('new.key'), newKey, { mode: 0o600 });
    for (const i of [1, 2, 4])
      write(
        pathOf(i),
        bundle(i, (plain) => sealLegacy(plain, newKey)),
      );
    const ended = await rotate('--json');
    expectCode(ended, 0);
    expectAll(newKey);
    expect(targetOf(JSON.parse(ended.stdout).report)).toMatchObject({
      ranges: { tally: { rotated: values - 6, exceptions: 0 } },
    });
  });
});
