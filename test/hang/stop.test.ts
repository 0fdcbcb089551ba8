import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { consent, type Folder, n8nFolder, type Started } from '../commands/keyturn.ts';
import { begin, type SilentServer, startSilentServer, stops } from './stop.ts';

let folder: Folder;
const started: Started[] = [];
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await Promise.all(started.splice(0).map(({ ended }) => ended));
  folder.remove();
});

function run(...args: string[]): Started {
  const command = begin(args, folder.path);
  started.push(command);
  return command;
}

const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
const rotation = ['--job', 'n8n', ...keys];
/** Every command that opens a database. */
const commands = [
  ['plan', '--job', 'n8n', '--current-key-file', 'old.key'],
  ['rotate', ...rotation, ...consent],
  ['rotate', ...rotation, '--dry-run'],
  ['resume', ...keys],
  ['rollback', ...keys, '--iHaveBackedUpMyDatabase', '--yes'],
  ['verify', '--current-key-file', 'old.key'],
  ['scan', '--job', 'n8n', '--current-key-file', 'old.key'],
  ['status', '--watch'],
  ['report'],
  ['pause'],
  ['cancel', '--yes'],
  ['exceptions', 'list'],
  ['exceptions', 'retry', ...keys],
  ['data-key', 'list'],
  ['forget', '--yes'],
  ['worker', ...keys, '--queue', 'redis://127.0.0.1:1'],
];

describe('one Ctrl-C ends', () => {
  let server: SilentServer;
  beforeEach(async () => {
    server = await startSilentServer();
  });
  afterEach(() => server.close());

  const silent = (engine: string): string => `${engine}://user:secret@127.0.0.1:${server.port}/app`;

  test('every command whose server accepts the connection and says nothing', async () => {
    for (const half of [commands.slice(0, 8), commands.slice(8)]) {
      const reached = server.reached(half.length);
      const waiting = half.map((words) => run(...words, '--database', silent('postgres')));
      await reached;
      await Promise.all(waiting.map(stops));
      await server.close();
      server = await startSilentServer();
    }
  });

  test.each(['mysql', 'mssql'])('a command whose %s server says nothing', async (engine) => {
    const command = run('status', '--database', silent(engine));
    await server.reached(1);
    await stops(command);
  });

  test('a worker and a coordinator whose queue says nothing', async () => {
    const queue = ['--queue', `redis://127.0.0.1:${server.port}`];
    const worker = run('worker', ...keys, '--database', folder.url, ...queue);
    await server.reached(1);
    await stops(worker);
    const rotate = run('rotate', ...rotation, '--database', folder.url, ...consent, ...queue);
    await server.reached(2);
    await stops(rotate);
  });

  test('a command that waits for a locked SQLite file', async () => {
    const other = new Sqlite(folder.database);
    other.exec('begin exclusive');
    const waiting = [
      run('status', '--database', folder.url),
      run('rotate', ...rotation, '--database', folder.url, ...consent),
    ];
    // It begins to wait at some time after it has loaded
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await Promise.all(waiting.map(stops));
    other.exec('rollback');
    other.close();
    expect(readdirSync(folder.path)).not.toContain('new.key');
  });

  test('a command whose key is a pipe that nobody writes to', async () => {
    execFileSync('mkfifo', [folder.file('pipe')]);
    const command = run(
      'plan',
      '--job',
      'n8n',
      '--database',
      folder.url,
      '--current-key-file',
      folder.file('pipe'),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await stops(command);
  });
});
