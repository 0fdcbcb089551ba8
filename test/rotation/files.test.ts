import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { filesIn, hashOf, problemsOf, sealFileOnlyFor } from '../support/files/tree.ts';
import { createMysqlDatabase } from '../support/mariadb.ts';
import { needing } from '../support/needing.ts';
import { createSqlite } from '../support/sqlite.ts';
import {
  engines,
  expectCode,
  expectFinished,
  leaveScenes,
  next,
  old,
  sceneOf,
  wholeFolder,
} from './file-scene.ts';

/** The real command over a database and a tree of encrypted files beside it. */

afterEach(leaveScenes);

/** Each step once; test/faults/files.faults.ts has each of them twice, on both engines. */
const kills = {
  sqlite: [
    ['open:1', 'intend:4'],
    ['keep:1', 'rename:4'],
    ['renamed:1', 'claim:4'],
    ['commit:1', 'acknowledge:4'],
    ['verify:1', 'confirm:4'],
  ],
  // What happens to files is the same for every database: elsewhere those where its transactions come in
  postgres: [
    ['intend:1', 'rename:4'],
    ['rename:1', 'commit:4'],
  ],
} as const;

describe.each(engines)('files beside a database on %s', (engine, create) => {
  test('all are encrypted with the new key and verified, and originals are kept; plan, dry run and verify change nothing', async () => {
    const { run, rotation, attachments, tree, where, path } = await sceneOf(create, wholeFolder);
    const before = hashOf(tree.folder);
    const looking = where.slice(0, 4);
    const planned = await run(['plan', '--job', 'job.yaml', ...looking, ...attachments, '--force', '--json']);
    expectCode(planned, 0);
    const bytes = [...tree.stored.values()].reduce((sum, { length }) => sum + length, 0);
    const { targets, estimate } = JSON.parse(planned.stdout);
    expect(targets[0]).toMatchObject({ target: 'attachments/', phase: 'files', rows: 200, bytes });
    expect(estimate.targets[0]).toMatchObject({ target: 'attachments/', rows: 200, growthBytes: bytes });
    const dry = await run([...rotation, ...attachments, '--dry-run']);
    expectCode(dry, 0);
    expect(hashOf(tree.folder)).toBe(before);
    expect(existsSync(`${tree.folder}_MasterKeyRotationBackup`)).toBe(false);

    const rotated = await run([...rotation, ...attachments, '--chunk-rows', '30', '--json']);
    expectCode(rotated, 0);
    expect(problemsOf(tree, next)).toEqual([]);
    const { report } = JSON.parse(rotated.stdout);
    const [files] = report.targets;
    expect(files).toMatchObject({
      target: 'attachments/',
      rowsAtStart: 200,
      ranges: { tally: { rows: 200, values: 200, rotated: 200 - 15, empty: 15, exceptions: 0 } },
      verification: { rows: 200, proven: 200, changed: 0, late: 0 },
      reconciliation: { valuesAddUp: true, rowsAccountedFor: true },
    });
    // A link where the file was replaced, with the rights that it had
    const kept = join(`${tree.folder}_MasterKeyRotationBackup`, 'a/file-1.bin');
    expect(lstatSync(kept).nlink).toBe(1);
    for (const name of tree.plain.keys()) {
      const [now, then] = [tree.folder, `${tree.folder}_MasterKeyRotationBackup`].map((folder) =>
        lstatSync(join(folder, name)),
      );
      expect({ name, mode: now?.mode }).toEqual({ name, mode: then?.mode });
    }

    const after = hashOf(tree.folder);
    const newKey = ['--current-key-file', join(path, 'new.key')];
    const verified = await run(['verify', '--database', where[1] ?? '', ...newKey, ...attachments, '--json']);
    expectCode(verified, 0);
    expect(JSON.parse(verified.stdout).report.targets[0].verification).toMatchObject({
      rows: 200,
      proven: 200,
    });
    expect(hashOf(tree.folder)).toBe(after);
    expectCode(await run(['verify', '--database', where[1] ?? '', ...newKey]), 2);
  }, 120_000);

  test.each<readonly string[]>(kills[engine])(
    'a run that is killed at %s and its resume at %s is finished by another resume',
    async (...kills) => expectFinished(await sceneOf(create, wholeFolder, 60), kills),
    120_000,
  );
});

test('keyturn leaves none of its own files in the folder after the run is verified, even if it is killed then', async () => {
  const { run, rotation, attachments, tree } = await sceneOf(createSqlite, wholeFolder, 60);
  // It would be gone before it is killed
  const linger = ['--hook', 'end=sleep 5'];
  const killed = await run([...rotation, ...attachments, ...linger], {
    when: [/state=verified/, (kill) => kill('SIGKILL')],
  });
  expect(killed.signal).toBe('SIGKILL');
  expect(problemsOf(tree, next)).toEqual([]);
});

test('only the named subfolders are rotated, and one that does not exist is not an error', async () => {
  const files = 'files: { format: octopus-stream, folders: [z, missing, "spaces project"] }\n';
  const { run, rotation, attachments, tree } = await sceneOf(createSqlite, files);
  const rotated = await run([...rotation, ...attachments]);
  expectCode(rotated, 0);
  const taken = [...tree.plain].filter(([path]) => /^(z|spaces project)\//.test(path));
  expect(taken.length).toBeGreaterThan(50);
  const only = { ...tree, plain: new Map(taken) };
  expect(problemsOf(only, next).filter((problem) => !problem.startsWith('other files'))).toEqual([]);
  for (const [path, bytes] of tree.stored)
    if (!/^(z|spaces project)\//.test(path))
      expect(readFileSync(join(tree.folder, path)).equals(bytes)).toBe(true);
});

test('a folder that is not given, missing or in use is refused with a hint; files that are left out are in the report', async () => {
  const { run, rotation, tree, path, world, attachments } = await sceneOf(createSqlite, wholeFolder, 30);
  const refused = async (what: RegExp, ...args: string[]): Promise<void> => {
    const ended = await run([...rotation, ...args]);
    expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 2 });
    expect(ended.stderr).toMatch(what);
    expect(ended.stderr).toMatch(/^keyturn: hint: \S/m);
    expect(ended.stderr).not.toMatch(/^ +at /m);
  };
  await refused(/^keyturn: error: Filed also keeps encrypted files outside its database$/m);
  await refused(/^keyturn: error: there is no folder \S+nowhere$/m, '--attachments', join(path, 'nowhere'));
  mkdirSync(`${tree.folder}_MasterKeyRotationBackup`);
  writeFileSync(join(`${tree.folder}_MasterKeyRotationBackup`, 'file'), 'of another run');
  await refused(/holds the originals of another run$/m, ...attachments);
  rmSync(`${tree.folder}_MasterKeyRotationBackup`, { recursive: true });
  const wrong = createHash('sha256').update('wrong').digest();
  for (const name of filesIn(tree.folder).slice(0, 25))
    writeFileSync(join(tree.folder, name), sealFileOnlyFor(Buffer.from('another key'), wrong, old));
  await refused(/sampled values of attachments\/ cannot be decrypted with this key$/m, ...attachments);
  expect(await world.exec("select 1 from sqlite_schema where name like 'keyturn%'")).toEqual([]);

  const before = hashOf(tree.folder);
  const rotated = await run([...rotation, '--no-attachments']);
  expectCode(rotated, 0);
  expect(rotated.stderr).toMatch(
    /^not rotated: attachments\/ \(--no-attachments\): these files keep the old key$/m,
  );
  const report = readFileSync(/\S+report\.txt/.exec(rotated.stdout)?.[0] ?? '', 'utf8');
  expect(report).toMatch(/Not rotated +attachments\/ \(--no-attachments\)/);
  expect(hashOf(tree.folder)).toBe(before);
});

test('a file that does not decrypt stops the run and is not changed; skipped, it is listed, and retried after it is fixed', async () => {
  const { run, rotation, attachments, tree, where } = await sceneOf(createSqlite, wholeFolder);
  const bad = 'two\nlines';
  const short = 'a/b/file-2.bin';
  const good = [bad, short].map((name) => readFileSync(join(tree.folder, name)));
  // Random bytes open by chance once in 255 times: these do not
  writeFileSync(join(tree.folder, bad), Buffer.alloc(64, 7));
  writeFileSync(join(tree.folder, short), 'clear text');
  const stopped = await run([...rotation, ...attachments]);
  expectCode(stopped, 3);
  const resume = ['resume', ...where, ...attachments, '--force', '--on-exception', 'skip'];
  const skipped = await run(resume);
  expectCode(skipped, 3);
  expect(skipped.stdout).toMatch(/VERIFIED WITH EXCEPTIONS/);
  expect(skipped.stdout).toContain('attachments/ row two\\u{a}lines, content: does-not-open');
  expect(readFileSync(join(tree.folder, bad))).toEqual(Buffer.alloc(64, 7));
  expect(readFileSync(join(tree.folder, short), 'utf8')).toBe('clear text');
  [bad, short].forEach((name, i) => {
    writeFileSync(join(tree.folder, name), good[i] ?? '');
  });
  expectCode(await run(['exceptions', 'retry', ...where, ...attachments, '--force']), 0);
  const problems = problemsOf(tree, next).filter(
    (problem) => !/has another time|is not kept|other originals/.test(problem),
  );
  expect(problems).toEqual([]);
});

test('files added during the run under the old key are swept; links and folders are not changed', async () => {
  const { run, rotation, attachments, tree, where, path } = await sceneOf(createSqlite, wholeFolder, 60);
  writeFileSync(join(path, 'elsewhere'), 'not ours');
  symlinkSync(join(path, 'elsewhere'), join(tree.folder, 'a link'));
  expect(
    await run([...rotation, ...attachments, '--chunk-rows', '12'], { killAt: 'commit:4' }),
  ).toMatchObject({ signal: 'SIGKILL' });
  const late = sealFileOnlyFor(Buffer.from('late'), old, next);
  writeFileSync(join(tree.folder, '-a late file'), late);
  const ended = await run(['resume', ...where, ...attachments, '--force', '--json']);
  expectCode(ended, 0);
  const all = new Map([...tree.plain, ['-a late file', Buffer.from('late')]]);
  const stored = new Map([...tree.stored, ['-a late file', late]]);
  const problems = problemsOf({ ...tree, plain: all, stored }, next);
  expect(problems.filter((problem) => problem !== '-a late file has another time')).toEqual([]);
  expect(JSON.parse(ended.stdout).report.targets[0].sweeps.tally).toMatchObject({ rotated: 1 });
  expect(readFileSync(join(path, 'elsewhere'), 'utf8')).toBe('not ours');
  expect(ended.stderr).not.toMatch(/not ours/);
});

test('after a crash, a file that is neither the old nor the new one is an exception and is not changed', async () => {
  const { run, rotation, attachments, tree, where } = await sceneOf(createSqlite, wholeFolder, 60);
  expect(
    await run([...rotation, ...attachments, '--chunk-rows', '12'], { killAt: 'renamed:1' }),
  ).toMatchObject({ signal: 'SIGKILL' });
  const touched = filesIn(tree.folder).find((name) => tree.stored.get(name)?.length === 32) ?? '';
  const other = sealFileOnlyFor(Buffer.from('written meanwhile'), old, next);
  const names = [...tree.stored.keys()].filter((name) => !name.includes('/') && name < 'a');
  for (const name of names) writeFileSync(join(tree.folder, name), other);
  expect(touched).not.toBe('');
  const ended = await run([
    'resume',
    ...where,
    ...attachments,
    '--force',
    '--on-exception',
    'skip',
    '--json',
  ]);
  expectCode(ended, 3);
  const { exceptions } = JSON.parse(ended.stdout).report;
  for (const { rowId, reason } of exceptions.listed) {
    expect(reason).toBe('changing');
    expect(readFileSync(join(tree.folder, rowId[0])).equals(other)).toBe(true);
  }
  expect(exceptions.count).toBeGreaterThan(0);
});

test('a folder that disappears during the run does not fail its chunks: a resume continues when it is back', async () => {
  const { run, rotation, attachments, tree, where } = await sceneOf(createSqlite, wholeFolder, 60);
  expect(
    await run([...rotation, ...attachments, '--chunk-rows', '12'], { killAt: 'rename:3' }),
  ).toMatchObject({ signal: 'SIGKILL' });
  renameSync(tree.folder, `${tree.folder}.away`);
  expectCode(await run(['resume', ...where, ...attachments, '--force']), 2);
  renameSync(`${tree.folder}.away`, tree.folder);
  chmodSync(tree.folder, 0o755);
  expectCode(await run(['resume', ...where, ...attachments, '--force']), 0);
  expect(problemsOf(tree, next)).toEqual([]);
});

needing('mariadb-server').test('a run that is killed on MariaDB is finished by a resume', async () => {
  const { run, rotation, attachments, tree, where } = await sceneOf(createMysqlDatabase, wholeFolder, 60);
  const begun = [...rotation, ...attachments, '--chunk-rows', '12'];
  expect(await run(begun, { killAt: 'renamed:1' })).toMatchObject({ signal: 'SIGKILL' });
  expectCode(await run(['resume', ...where, ...attachments, '--force']), 0);
  expect(problemsOf(tree, next)).toEqual([]);
});

test('folders that cannot be read or written are refused before the first change', async () => {
  const { run, rotation, attachments, tree, path, world } = await sceneOf(createSqlite, wholeFolder, 30);
  // Root may do anything: a file where a folder must be made is in its way too
  writeFileSync(`${tree.folder}_MasterKeyRotationBackup`, 'a file');
  const ended = await run([...rotation, ...attachments]);
  expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 2 });
  expect(ended.stderr).toMatch(/^keyturn: hint: \S/m);
  expect(await world.exec("select 1 from sqlite_schema where name like 'keyturn%'")).toEqual([]);
  expect(existsSync(join(path, 'keyturn-reports'))).toBe(false);
});
