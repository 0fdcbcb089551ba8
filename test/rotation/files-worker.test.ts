import { execFile } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { until } from '../commands/distributed.ts';
import { type Started, start } from '../commands/keyturn.ts';
import { keyturn } from '../support/cli.ts';
import { makeTree, openFile, problemsOf } from '../support/files/tree.ts';
import { createDatabase } from '../support/postgres.ts';
import { Random } from '../support/random.ts';
import { createSqlite } from '../support/sqlite.ts';
import { leaveScenes, leaving, next, old, sceneOf, wholeFolder } from './file-scene.ts';

afterEach(leaveScenes);

/** Starts a command, which ends with the test. */
function begin(cwd: string, args: readonly string[], env = {}): Started {
  const started = start(args, { cwd, env });
  started.child.stdin.end();
  leaving(() => {
    started.child.kill('SIGKILL');
  });
  return started;
}

test('a worker that does not see the files hands chunks back; one that sees them at another path takes them', async () => {
  const { path, world, tree, where, rotation, attachments } = await sceneOf(createDatabase, wholeFolder, 60);
  const queue = ['--queue', world.url];
  const coordinator = begin(path, [...rotation, ...queue, '--chunk-rows', '12', ...attachments]);
  await coordinator.said(/rotating/);
  const worker = ['worker', ...where, ...queue];
  const blind = begin(path, [...worker, '--health-file', 'blind.json']);
  // Another tree with the same names: it is not that of the run
  const stray = makeTree(join(path, 'stray'), old, next, 60);
  const strayBefore = readFileSync(join(stray.folder, 'a.b'));
  const astray = begin(path, [...worker, '--attachments', stray.folder]);
  await blind.said(/not available on this host: started without --attachments/);
  await astray.said(/stray and \S+ are not those of run \S+/);
  const waiting = "select waiting from keyturn_run where waiting like '%attachments%'";
  await until(async () => (await world.exec(waiting)).length > 0);
  const [run] = await world.exec(waiting);
  expect(run?.waiting).toMatch(/^no worker has the files: files of attachments\/ not available on this host/);
  await until(() =>
    /not available on this host: started without/.test(readFileSync(join(path, 'blind.json'), 'utf8')),
  );
  expect(await world.exec("select 1 from keyturn_chunk where state = 'failed'")).toEqual([]);
  expect(
    await world.exec('select distinct error_code from keyturn_chunk where error_code is not null'),
  ).toEqual([{ error_code: 'attachments-unseen' }]);
  // The same tree, as another host mounts it
  mkdirSync(join(path, 'mnt'));
  symlinkSync(tree.folder, join(path, 'mnt', 'files'));
  symlinkSync(`${tree.folder}_MasterKeyRotationBackup`, join(path, 'mnt', 'files_MasterKeyRotationBackup'));
  begin(path, [...worker, '--attachments', join(path, 'mnt', 'files')]);
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  expect(problemsOf(tree, next)).toEqual([]);
  expect(readFileSync(join(stray.folder, 'a.b')).equals(strayBefore)).toBe(true);
  const [open] = await world.exec('select count(*) as n from keyturn_file');
  expect(Number(open?.n)).toBe(0);
}, 120_000);

async function freezeAt(step: string): Promise<void> {
  const { path, world, tree, where, rotation, attachments } = await sceneOf(createDatabase, wholeFolder, 60);
  const queue = ['--queue', world.url];
  const freeze = join(path, 'freeze.mjs');
  writeFileSync(
    freeze,
    `import { subscribe } from 'node:diagnostics_channel';
let done = false;
subscribe('keyturn:chunk-step', ({ step }) => {
  if (step !== '${step}' || done) return;
  done = true;
  process.kill(process.pid, 'SIGSTOP');
});
`,
  );
  const coordinator = begin(path, [...rotation, ...queue, '--chunk-rows', '12', ...attachments]);
  await coordinator.said(/rotating/);
  const worker = ['worker', ...where, ...queue, ...attachments, '--concurrency', '1'];
  const frozen = begin(path, [...worker, '--log-level', 'debug', '--log-file', 'frozen.log'], {
    NODE_OPTIONS: `--import=${freeze}`,
  });
  await until(() => /^State:\s+T/m.test(readFileSync(`/proc/${frozen.child.pid}/status`, 'utf8')));
  begin(path, worker);
  const rotated = "select 1 from keyturn_chunk where target = 'attachments/' and state <> 'planned'";
  const all = "select 1 from keyturn_chunk where target = 'attachments/'";
  await until(async () => {
    const [done, planned] = [await world.exec(rotated), await world.exec(all)];
    return planned.length >= 5 && done.length === planned.length;
  }, 90_000);
  frozen.child.kill('SIGCONT');
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  await until(() => /"chunk":1.*chunk/.test(readFileSync(join(path, 'frozen.log'), 'utf8')));
  expect(problemsOf(tree, next)).toEqual([]);
}

test('workers that are frozen around a rename, and continue after another worker did their chunk, do no harm', async () => {
  // At once, each in its own database: most of the time they wait for the chunk to be given to another
  await Promise.all(['rename', 'renamed', 'intend'].map(freezeAt));
}, 150_000);

test('a file of 200 MB takes no more memory than a small one', async () => {
  const { path, world, tree, rotation, attachments } = await sceneOf(createSqlite, wholeFolder, 20);
  const big = join(tree.folder, 'big.bin');
  const random = new Random('a big file');
  const iv = random.bytes(16);
  const cipher = createCipheriv('aes-128-cbc', old, iv);
  const sink = createWriteStream(big);
  const plain = createHash('sha256');
  sink.write(iv);
  const block = random.bytes(1024 * 1024);
  for (let i = 0; i < 200; i++) {
    plain.update(block);
    if (!sink.write(cipher.update(block))) await once(sink, 'drain');
  }
  sink.end(cipher.final());
  await once(sink, 'finish');
  const preload = join(path, 'peak.mjs');
  writeFileSync(
    preload,
    "import { writeFileSync } from 'node:fs';\nprocess.on('exit', () => writeFileSync('peak', String(process.resourceUsage().maxRSS)));\n",
  );
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  const peaks: number[] = [];
  for (const more of [['--no-attachments', '--dry-run'], attachments]) {
    const args = ['--import', preload, cli, ...rotation, '--workers', '1', ...more];
    await promisify(execFile)(process.execPath, args, { cwd: path });
    peaks.push(Number(readFileSync(join(path, 'peak'), 'utf8')) / 1024);
  }
  const [small = 0, large = 0] = peaks;
  expect(large - small).toBeLessThan(64);
  const again = await keyturn(
    ['verify', '--database', world.url, '--current-key-file', 'new.key', '--attachments', tree.folder],
    { cwd: path },
  );
  expect(again).toMatchObject({ code: 0 });
  const handle = await open(big);
  const stored = await handle.readFile();
  await handle.close();
  const said = createHash('sha256').update(openFile(stored, next) ?? '');
  expect(said.digest('hex')).toBe(plain.digest('hex'));
}, 120_000);
