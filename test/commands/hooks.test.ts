import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { manyId, manySqlite } from '../support/n8n/many.ts';
import { consent, emptyFolder, type Folder, folderWith, keyturn, start } from './keyturn.ts';

const instanceKey = 'the instance key of the hooks';
let folder: Folder;
afterEach(() => {
  folder.remove();
});

function many(credentials: number): Folder {
  const { path } = emptyFolder();
  manySqlite(`${path}/database.sqlite`, { credentials, instanceKey });
  folder = folderWith(path, instanceKey);
  return folder;
}

/** Hooks on all events; each writes its environment to a file named after the event. */
const noting = ['start', 'pause', 'exception', 'end'].flatMap((event) => [
  '--hook',
  `${event}=env > ${event}.env`,
]);
const env = {
  KEYTURN_CURRENT_MASTER_KEY: instanceKey,
  KEYTURN_DATABASE_PASSWORD: 'the-database-password',
  KEYTURN_QUEUE_PASSWORD: 'the-queue-password',
  MINE: 'kept',
};

function noted(event: string): Record<string, string> | null {
  let text: string;
  try {
    text = readFileSync(folder.file(`${event}.env`), 'utf8');
  } catch {
    return null;
  }
  return Object.fromEntries(
    text.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
  );
}

test('hooks on start and end get the facts of the run, and no key', async () => {
  const of = many(50);
  const args = ['rotate', '--job', 'n8n', '--database', of.url, '--new-key-file', of.file('new.key')];
  const { code, stderr } = await keyturn([...args, ...consent, ...noting], { cwd: of.path, env });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const [, run = ''] = /^report:? +.*\/(\d{8}-\d{6}-[0-9a-f]{6})\//m.exec((await status()).stdout) ?? [];
  const { id, state } = JSON.parse((await status('--json')).stdout).report.run;
  expect(state).toBe('verified');
  expect(run === '' || run === id).toBe(true);
  expect(noted('start')).toMatchObject({
    KEYTURN_EVENT: 'start',
    KEYTURN_RUN: id,
    KEYTURN_STATE: 'planned',
    MINE: 'kept',
  });
  const end = noted('end') ?? {};
  expect(end).toMatchObject({
    KEYTURN_EVENT: 'end',
    KEYTURN_RUN: id,
    KEYTURN_STATE: 'verified',
    KEYTURN_EXCEPTIONS: '0',
    KEYTURN_REASON: '',
  });
  expect(JSON.parse(readFileSync(end.KEYTURN_REPORT ?? '', 'utf8')).run.id).toBe(id);
  expect([noted('pause'), noted('exception')]).toEqual([null, null]);
  for (const event of ['start', 'end']) {
    const text = of.read(`${event}.env`);
    for (const secret of [
      instanceKey,
      of.read('new.key').trim(),
      'the-database-password',
      'the-queue-password',
    ])
      expect(text).not.toContain(secret);
  }
});

test('hooks run on an exception and on a pause', async () => {
  const of = many(5_000);
  const database = new Sqlite(of.database);
  database
    .prepare(
      "update credentials_entity set data = 'U2FsdGVkX1' || substr(data, 11, 9) || 'AAAAAAAAAAA' || substr(data, 31) where id = ?",
    )
    .run(manyId(7));
  database.close();
  const skip = ['--on-exception', 'skip', '--chunk-rows', '20', '--workers', '1'];
  // The hook itself pauses the run, so it must be called while the run is active.
  const signal = start(
    ['rotate', ...of.rotation, ...consent, ...skip, ...noting, '--hook', 'exception=kill -INT $PPID'],
    { cwd: of.path },
  );
  signal.child.stdin.end();
  expect(await signal.ended).toMatchObject({ code: 3, signal: null });
  expect(noted('exception')).toMatchObject({
    KEYTURN_EVENT: 'exception',
    KEYTURN_STATE: 'rotating',
    KEYTURN_EXCEPTIONS: '1',
  });
  expect(noted('pause')).toMatchObject({
    KEYTURN_EVENT: 'pause',
    KEYTURN_STATE: 'paused',
    KEYTURN_REASON: 'stopped: stopped by SIGINT',
  });
  expect(noted('end')).toBe(null);
  const resume = ['resume', ...of.rotation.slice(2), ...noting, '--on-exception', 'stop'];
  expect(await keyturn(resume, { cwd: of.path })).toMatchObject({ code: 3 });
  expect(noted('end')).toMatchObject({
    KEYTURN_STATE: 'failed',
    KEYTURN_EXCEPTIONS: '1',
    KEYTURN_REASON: expect.stringMatching(/^exceptions: 1 value/),
  });
});

test('the run continues whatever a hook does', async () => {
  const of = many(50);
  const hooks = [
    'start=echo told; exit 7',
    'start=sleep 600',
    'start=no-such-command',
    'end=echo the end >&2',
  ];
  const args = ['rotate', ...of.rotation, ...consent, '--hook-timeout', '5s', '--json'];
  const { code, stdout, stderr } = await keyturn([...args, ...hooks.flatMap((hook) => ['--hook', hook])], {
    cwd: of.path,
  });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toMatch(/^start hook: told$/m);
  expect(stderr).toMatch(/^end hook: the end$/m);
  const warnings = stderr.match(/^keyturn: warning: the start hook .*$/gm);
  expect(warnings).toEqual([
    expect.stringMatching(/ failed \(exit code 7\)$/),
    expect.stringMatching(/ took longer than 5 s and was killed$/),
    expect.stringMatching(/ failed \(exit code 127\)$/),
  ]);
  expect(JSON.parse(stdout).report.verdict.result).toBe('verified');
});

test.each(['begin=true', 'start', '=true', 'end='])('--hook %s is refused', async (hook) => {
  const of = many(1);
  writeFileSync(of.file('old.key'), instanceKey);
  expect(
    await keyturn(['rotate', ...of.rotation, ...consent, '--hook', hook], { cwd: of.path }),
  ).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--hook must be EVENT=COMMAND'),
  });
});

function status(...more: string[]) {
  return keyturn(['status', '--database', folder.url, ...more]);
}
