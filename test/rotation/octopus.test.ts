import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/databases/open.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { openKeyring } from '../../src/inventory/keys/open-keyring.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { checkOctopus } from '../support/octopus/check.ts';
import { sqlite } from '../support/octopus/dialect.ts';
import { sealTextOnlyFor } from '../support/octopus/sealing.ts';
import { seeOctopus } from '../support/octopus/seen.ts';
import { traps } from '../support/octopus/traps.ts';
import { worlds } from '../support/octopus/worlds.ts';
import { Random } from '../support/random.ts';
import { createSqlite } from '../support/sqlite.ts';
import {
  decisions,
  expectCode,
  expectRotated,
  keysOf,
  leaveScenes,
  preview,
  rotation,
  sceneOf,
} from './octopus-scene.ts';

afterEach(leaveScenes);

describe.each(worlds)('octopus on %s', (name, { create, dialect }) => {
  // Other lengths of keys: test/faults/octopus.faults.ts
  test.each(
    name === 'sqlite'
      ? [
          [16, 32],
          [32, 32],
        ]
      : [[16, 32]],
  )(
    'from a key of %d bytes to one of %d everything is found by its shape and rotated, and nothing else is changed',
    async (from, to) => {
      const scene = await sceneOf(create, dialect, keysOf(from, to), { secrets: 2_000 });
      await expectRotated(scene, await decisions(scene));
    },
    120_000,
  );
});

// What follows is the same for MySQL as for MariaDB
const others = worlds.filter(([name]) => name !== 'mysql');

describe.each(others)('octopus on %s', (_, { create, dialect }) => {
  test('of an installation with eight projects every secret is in a known place, and nothing is left undecided', async () => {
    const small = { projects: 8, secrets: 900, without: Object.keys(traps) };
    await expectRotated(await sceneOf(create, dialect, keysOf(16, 32), small), preview);
  }, 120_000);

  test('values that open as nothing known are not changed and end with exit code 3; a decision rotates them later', async () => {
    const scene = await sceneOf(create, dialect, keysOf(16, 32));
    const settled = await decisions(scene);
    const rotated = await scene.run(...rotation, ...scene.where, ...preview);
    expectCode(rotated, 3);
    expect(rotated.stdout).toMatch(/^VERIFIED WITH EXCEPTIONS: \d+ values/);
    expect(rotated.stdout).toMatch(/TenantVariable row trap-\d+, JSONBlob\.Value: undecided-place/);
    const [database, url = '', , , , next = ''] = scene.where;
    const verified = await scene.run('verify', database ?? '', url, '--current-key-file', next);
    expectCode(verified, 3);
    const verdict =
      /^EXCEPTIONS: \d+ values are undecided and may use the old key; the key decrypts all others$/m;
    expect(verified.stdout).toMatch(verdict);
    const files = verified.stdout.match(/\S+\/report\.(txt|json)/g) ?? [];
    expect(files).toHaveLength(2);
    const reports = files.map((file) => readFileSync(file, 'utf8').replace(/\s+/g, ' '));
    for (const text of reports) expect(text).toContain(verdict.exec(verified.stdout)?.[0]);
    const problems = await scene.problems();
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/still under the old key$/);
    const wrong = await scene.run('exceptions', 'retry', ...scene.where, '--force', '--decide', 'A.b=maybe');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--decide must be') });
    // Only where exceptions are: elsewhere in their rows, a value that was encrypted anew opens under the old key by chance
    const open = (await scene.world.exec(
      `select ${dialect.quote('target')}, ${dialect.quote('field')}, ${dialect.quote('path')} from keyturn_exception where ${dialect.quote('state')} = 'open'`,
    )) as { target: string; field: string; path: string }[];
    const places = new Set(
      open.map(({ target, field, path }) => `${target}.${field}${path.replace(/\[\d+\]/g, '[]')}=rotate`),
    );
    const deciding = settled.filter((word) => places.has(word)).flatMap((word) => ['--decide', word]);
    expect(deciding).toHaveLength(2 * places.size);
    const retried = await scene.run('exceptions', 'retry', ...scene.where, '--force', ...deciding);
    expectCode(retried, 0);
    expect(await scene.problems()).toEqual([]);
  }, 120_000);

  test('plan shows what would be rotated and changes nothing', async () => {
    const scene = await sceneOf(create, dialect, keysOf(32, 32));
    const planned = await scene.run(
      'plan',
      '--job',
      'octopus',
      '--no-attachments',
      ...scene.where.slice(0, 4),
      ...preview,
      '--force',
      '--json',
    );
    expectCode(planned, 0);
    const { targets } = JSON.parse(planned.stdout) as { targets: { target: string; phase?: string }[] };
    const of = (target: string) => targets.find((each) => each.target === target);
    expect(of('VariableSet')).toMatchObject({ phase: 'everywhere' });
    // Looked at, and nothing was found: only verified
    expect(of('ApiKey')).not.toHaveProperty('phase');
    const unchanged = await checkOctopus(scene.world.exec, dialect, scene.truth, keysOf(16, 32).next, {
      seenBefore: await seeOctopus(scene.world.exec, dialect, scene.truth.tables),
    });
    expect(unchanged.every((problem) => !problem.includes('row'))).toBe(true);
  }, 120_000);
});

test('after a rollback every value has its old key again, and nothing else is changed', async () => {
  const keys = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, keys, { secrets: 2_000 });
  const { world, truth } = scene;
  const seenBefore = await seeOctopus(world.exec, sqlite, truth.tables);
  const settled = await decisions(scene);
  expectCode(await scene.run(...rotation, ...scene.where, ...settled), 0);
  const back = await scene.run('rollback', ...scene.where, '--iHaveBackedUpMyDatabase', '--yes', '--force');
  expectCode(back, 0);
  const expected = { seenBefore, oldKey: keys.next };
  expect(await checkOctopus(world.exec, sqlite, truth, keys.old, expected)).toEqual([]);
}, 120_000);

test('a leftover certificate under a lost key does not make keyturn refuse the right key', async () => {
  const { old, next } = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, { old, next });
  const stale = JSON.stringify({
    CertificateData: sealTextOnlyFor(Buffer.from('of long ago'), Buffer.alloc(16, 9), [old, next]),
  });
  const [row] = await scene.world.exec('select * from "Certificate" limit 1');
  const names = Object.keys(row ?? {});
  const cells = names.map(
    (name) => ({ Id: 'certificate-global', JSON: stale, JSONBlob: null })[name] ?? row?.[name],
  );
  await scene.world.exec(
    `insert into "Certificate" (${names.map((name) => `"${name}"`).join(', ')}) values (${names.map(() => '?').join(', ')})`,
    cells,
  );
  const planned = await scene.run(
    'plan',
    '--job',
    'octopus',
    ...scene.where.slice(0, 4),
    ...preview,
    '--no-attachments',
    '--force',
  );
  expectCode(planned, 0);
});

test('a wrong key is refused in 100 of 100 tries because of the certificate, although some values pass the padding check', async () => {
  const scene = await sceneOf(createSqlite, sqlite, keysOf(32, 32), { secrets: 5_000 });
  const database = await openDatabase(scene.world.url);
  const catalog = await database.catalog();
  const job = resolveJob(loadJob('octopus', formatNames), catalog);
  const random = new Random('wrong keys');
  for (let attempt = 0; attempt < 100; attempt++) {
    const wrong = Key.fromBytes(random.bytes(attempt % 2 === 0 ? 32 : 16));
    await expect(openKeyring(database, catalog, job, wrong)).rejects.toMatchObject({
      code: 'wrong-current-key',
      exitCode: 2,
    });
  }
  const { canary } = await openKeyring(database, catalog, job, Key.fromBytes(scene.truth.key));
  expect(canary).toBe('right');
  await database.close();
  // And through the command line, once
  writeFileSync(`${scene.path}/old.key`, random.bytes(32).toString('base64'));
  const refused = await scene.run(...rotation, ...scene.where);
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('does not decrypt this Octopus'),
  });
  expect(existsSync(`${scene.path}/keyturn-reports`)).toBe(false);
}, 120_000);
