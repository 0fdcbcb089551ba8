import { copyFileSync, existsSync, linkSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { expectMany, manyId, manySqlite } from '../support/n8n/many.ts';
import { consent, type Ended, emptyFolder, type Folder, folderWith, keyturn, start } from './keyturn.ts';

const credentials = 5_000;
const instanceKey = 'the instance key of many';
let folder: Folder | undefined;
afterEach(() => {
  folder?.remove();
});

function many(count = credentials): Folder {
  const { path } = emptyFolder();
  manySqlite(`${path}/database.sqlite`, { credentials: count, instanceKey });
  folder = folderWith(path, instanceKey);
  return folder;
}

const keysOf = ({ rotation }: Folder): string[] => rotation.slice(2);
/** So many chunks that a run is stopped in the middle, however busy the machine is. */
const small = ['--chunk-rows', '10', '--workers', '2'];

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Starts a rotation and sends signals once it is running. */
async function stopped(of: Folder, signals: readonly NodeJS.Signals[]): Promise<Ended> {
  const run = start(['rotate', ...of.rotation, ...consent, ...small], { cwd: of.path });
  run.child.stdin.end();
  await run.said(/state=rotating/);
  for (const signal of signals) {
    run.child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return run.ended;
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  'on %s the chunks in flight finish, and resume continues',
  async (signal) => {
    const of = many();
    const ended = await stopped(of, [signal]);
    expect(ended).toMatchObject({ code: 3, stdout: '' });
    expect(ended.stderr).toContain(`keyturn: ${signal}: stopping`);
    expect(ended.stderr).toContain(`keyturn: error: stopped by ${signal}\n`);
    const resume = /^resume with: keyturn (.*)$/m.exec(ended.stderr)?.[1] ?? '';
    expect(resume).toBe(`resume ${keysOf(of).join(' ')}`);

    const status = await keyturn(['status', '--database', of.url, '--json']);
    const { report } = JSON.parse(status.stdout);
    expect(report.run).toMatchObject({ state: 'paused', reason: { code: 'stopped' } });
    expect(report.totals.ranges.tally.rows).toBeGreaterThan(0);
    expect(report.totals.ranges.tally.rows).toBeLessThan(credentials);

    const resumed = await keyturn([...resume.split(' '), '--chunk-rows', '1000'], { cwd: of.path });
    expect({ code: resumed.code, stderr: resumed.stderr }).toMatchObject({ code: 0 });
    expect(resumed.stdout).toMatch(/^VERIFIED: /);
    expect(await expectMany({ url: of.url }, of.read('new.key'), { credentials })).toEqual([]);
  },
);

test('a second Ctrl-C exits immediately; the same rotate command continues', async () => {
  const of = many();
  const ended = await stopped(of, ['SIGINT', 'SIGINT']);
  expect(ended).toMatchObject({ code: 3, stdout: '' });
  const again = await keyturn(['rotate', ...of.rotation, ...consent], { cwd: of.path });
  expect({ code: again.code, stderr: again.stderr }).toMatchObject({ code: 0 });
  expect(again.stderr).toMatch(/^run \S+ is unfinished \(\w+\): resuming it/m);
  expect(await expectMany({ url: of.url }, of.read('new.key'), { credentials })).toEqual([]);
});

test('a run that is stopped before the first change changes nothing', async () => {
  const of = many(10);
  const before = of.hash();
  const run = start(['rotate', ...of.rotation, ...consent, '--masterKey', '-', '--log-level', 'info'], {
    cwd: of.path,
  });
  // When it holds the run lock, it waits for the key on stdin, which stays open.
  await until(() => existsSync(`${of.database}.keyturn-lock`));
  run.child.kill('SIGINT');
  expect(await run.ended).toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringContaining('hint: nothing was changed'),
  });
  expect(of.hash()).toBe(before);
});

test('an unfinished run refuses other keys and names the expected ones', async () => {
  const of = many();
  await stopped(of, ['SIGINT']);
  const unfinished = JSON.parse((await keyturn(['status', '--database', of.url, '--json'])).stdout).report;
  const { from, to } = unfinished.keys;
  writeFileSync(of.file('other.key'), 'another key', { mode: 0o600 });
  const before = of.hash();
  const otherOld = keysOf(of).map((word) => (word === of.file('old.key') ? of.file('other.key') : word));
  const otherNew = keysOf(of).map((word) => (word === of.file('new.key') ? of.file('other.key') : word));
  for (const args of [
    ['resume', ...otherOld],
    ['rotate', '--job', 'n8n', ...otherOld, ...consent],
  ]) {
    const { code, stderr } = await keyturn(args, { cwd: of.path });
    expect(code).toBe(2);
    expect(stderr).toContain(
      `use --current-key-file with the file of key ${from.id}, and --new-key-file with the file of key ${to.id}`,
    );
  }
  for (const args of [
    ['resume', ...otherNew],
    ['rotate', '--job', 'n8n', ...otherNew, ...consent],
  ]) {
    const { code, stderr } = await keyturn(args, { cwd: of.path });
    expect(code).toBe(2);
    expect(stderr).toContain(`use --new-key-file to name the file of key ${to.id}`);
  }
  for (const args of [
    ['rotate', ...of.rotation, '--dry-run'],
    ['verify', ...keysOf(of).slice(0, 4)],
    ['forget', '--database', of.url, '--yes'],
  ]) {
    expect(await keyturn(args, { cwd: of.path })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is unfinished'),
    });
  }
  expect(of.hash()).toBe(before);
});

test('a damaged credential stops the run; skip continues; retry rotates it once it is fixed', async () => {
  const of = many(300);
  const id = manyId(123);
  const reading = new Sqlite(of.database);
  const good =
    reading.prepare<[string], string>('select data from credentials_entity where id = ?').pluck().get(id) ??
    '';
  reading.close();
  const damaged = `${good.slice(0, 20)}${good[20] === 'A' ? 'B' : 'A'}${good.slice(21, -8)}AAAAAAA=`;
  const put = (data: string): void => {
    const database = new Sqlite(of.database);
    database.prepare('update credentials_entity set data = ? where id = ?').run(data, id);
    database.close();
  };
  put(damaged);

  const first = await keyturn(['rotate', ...of.rotation, ...consent], { cwd: of.path });
  expect(first).toMatchObject({ code: 3, stdout: '' });
  expect(first.stderr).toMatch(new RegExp(`^ {2}credentials_entity row ${id}, data: \\S+$`, 'm'));
  expect(first.stderr).toMatch(/^keyturn: error: 1 value could not be decrypted$/m);
  expect(first.stderr).not.toContain(damaged);

  const skipped = await keyturn(
    ['resume', ...keysOf(of), '--on-exception', 'skip', '--max-exceptions', '1'],
    { cwd: of.path },
  );
  expect({ code: skipped.code, stderr: skipped.stderr }).toMatchObject({ code: 3 });
  expect(skipped.stdout).toMatch(/^VERIFIED WITH EXCEPTIONS: 1 value /);
  expect(skipped.stdout).toContain(`credentials_entity row ${id}, data: `);

  const list = await keyturn(['exceptions', 'list', '--database', of.url]);
  expect(list).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(new RegExp(`^credentials_entity row ${id}, data: \\S+\n$`)),
  });
  const json = JSON.parse((await keyturn(['exceptions', 'list', '--database', of.url, '--json'])).stdout);
  expect(json.exceptions).toEqual([
    expect.objectContaining({ table: 'credentials_entity', rowId: [id], field: 'data' }),
  ]);

  const verify = ['verify', '--database', of.url, '--current-key-file', of.file('new.key')];
  expect(await keyturn(verify, { cwd: of.path })).toMatchObject({ code: 3 });

  put(good);
  const retried = await keyturn(['exceptions', 'retry', ...keysOf(of)], { cwd: of.path });
  expect({ code: retried.code, stderr: retried.stderr }).toMatchObject({ code: 0 });
  expect(await expectMany({ url: of.url }, of.read('new.key'), { credentials: 300 })).toEqual([]);
  expect(await keyturn(['exceptions', 'retry', ...keysOf(of)], { cwd: of.path })).toMatchObject({ code: 2 });
});

test('a second path to the same SQLite file does not let a second coordinator in', async () => {
  const of = many(300);
  const gate = of.file('gate');
  writeFileSync(gate, '');
  const first = start(['rotate', ...of.rotation, ...consent, '--throttle', `file=${gate}`], { cwd: of.path });
  await first.said(/waiting=[^-]/);
  const elsewhere = of.file('other.sqlite');
  const [job, name, flag, , ...keys] = of.rotation;
  const words = [job, name, flag, `sqlite:${elsewhere}`].map(String);
  const again = ['rotate', ...words, ...keys, ...consent, '--force'];
  linkSync(of.database, elsewhere);
  expect(await keyturn(again, { cwd: of.path })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('has 2 names'),
  });
  rmSync(elsewhere);
  // A bind mount has one name here: what it shows is the file alone, without its write-ahead log
  await until(() => hasCoordinator(of.database, elsewhere));
  expect(await keyturn(again, { cwd: of.path })).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('is coordinated by'),
  });
  rmSync(gate);
  expect(await first.ended).toMatchObject({ code: 0 });
});

/** Copies the file alone; whether it shows a run with its coordinator. */
function hasCoordinator(database: string, copy: string): boolean {
  copyFileSync(database, copy);
  const connection = new Sqlite(copy, { readonly: true });
  try {
    const sql =
      'select count(*) as n from keyturn_run where coordinator is not null and heartbeat is not null';
    return (connection.prepare(sql).get() as { n: number }).n === 1;
  } catch {
    return false;
  } finally {
    connection.close();
  }
}
