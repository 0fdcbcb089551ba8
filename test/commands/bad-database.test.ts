import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { postgresFixture } from '../support/n8n/fixture.ts';
import { truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';
import { consent, emptyFolder, type Folder, folderWith, keyturn, n8nFolder, start } from './keyturn.ts';
import { isMissing, type Refusal, refuses, refusesRotation, withOption } from './refusal.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => {
  folder.remove();
});

describe('rotate', () => {
  test('refuses a database that does not exist or is not SQLite', async () => {
    await refusesRotation(folder, withOption(folder, '--database', 'sqlite:nowhere.sqlite'), {
      code: 'database-missing',
      message: /there is no file/,
    });
    expect(isMissing(folder.file('nowhere.sqlite'))).toBe(true);
    await refusesRotation(folder, withOption(folder, '--database', 'sqlite:old.key'), {
      code: 'database-missing',
      message: /is not a SQLite database/,
    });
    await refusesRotation(folder, withOption(folder, '--database', 'oracle://x'), {
      code: 'database-url',
      message: /does not support the database engine oracle/,
    });
  });

  test('refuses a database of another application', async () => {
    const { path } = emptyFolder();
    new Sqlite(`${path}/database.sqlite`).exec('create table t (id integer primary key)').close();
    const other = folderWith(path, 'a key');
    await refusesRotation(other, other.rotation, {
      code: 'wrong-application',
      message: /is not a database of n8n: tables /,
    });
    other.remove();
  });

  test('refuses a locked database', async () => {
    const application = new Sqlite(folder.database);
    application.pragma('journal_mode = delete');
    application.exec('begin exclusive');
    const { code, stderr } = await keyturn(['rotate', ...folder.rotation, ...consent], { cwd: folder.path });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^keyturn: error: another process has locked .*\nkeyturn: hint: stop the application first\n$/,
      ),
    });
    application.exec('rollback');
    application.close();
  });

  test('refuses while the application is connected, and names it, as plan does; --force continues', async () => {
    writeFileSync(folder.file('other.key'), 'another key', { mode: 0o600 });
    /** The codes of what plan says a rotation would be refused for. */
    const planOf = async (...more: string[]): Promise<string[]> => {
      const words = ['plan', '--job', 'n8n', '--database', folder.url, ...more, '--json'];
      const { code, stdout } = await keyturn(words, { cwd: folder.path });
      const { refusals, error } = JSON.parse(stdout);
      const codes = refusals.map((each: { code: string }) => each.code);
      expect({ code, error: error?.code }).toEqual({ code: codes.length === 0 ? 0 : 2, error: codes[0] });
      return codes;
    };
    const application = new Sqlite(folder.database);
    application.prepare('select 1 from sqlite_schema').get();
    await refusesRotation(folder, folder.rotation, {
      code: 'still-connected',
      message: new RegExp(`^still connected to sqlite:.*: \\S+ \\(process ${process.pid}\\) from `),
    });
    expect(await planOf('--current-key-file', 'other.key')).toEqual(['wrong-current-key', 'still-connected']);
    expect(await planOf('--current-key-file', 'old.key')).toEqual(['still-connected']);
    expect(await planOf('--current-key-file', 'old.key', '--force')).toEqual([]);
    const forced = await keyturn(['rotate', ...folder.rotation, ...consent, '--force'], { cwd: folder.path });
    expect(forced).toMatchObject({ code: 0 });
    expect(forced.stderr).toContain('keyturn: warning: still connected to sqlite:');
    application.close();
  });

  test('refuses while the application is connected to a server, and names it; --force continues', async () => {
    const database = await createDatabase();
    await postgresFixture(database.url);
    writeFileSync(folder.file('old.key'), truthOf('legacy-postgres').instanceKey, { mode: 0o600 });
    const application = new pg.Client({ connectionString: database.url, application_name: 'n8n' });
    await application.connect();
    const rotation = withOption(folder, '--database', database.url);
    const refused = await keyturn(['rotate', ...rotation, ...consent], { cwd: folder.path });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toMatch(
      /^keyturn: error: still connected to postgres:.*: n8n from 127\.0\.0\.1 as postgres$/m,
    );
    expect(isMissing(folder.file('new.key'))).toBe(true);
    const forced = await keyturn(['rotate', ...rotation, ...consent, '--force'], { cwd: folder.path });
    expect(forced).toMatchObject({ code: 0 });
    await application.end();
    await database.close();
  });

  test('ends at once when asked to stop while it connects', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const connecting = once(silent, 'connection');
    const waiting = start(['status', '--database', `postgres://postgres@127.0.0.1:${port}/app`, '--json']);
    const [socket] = await connecting;
    waiting.child.kill('SIGINT');
    const { stdout } = await waiting.ended;
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'stopped', message: 'stopped by SIGINT' });
    (socket as Socket).destroy();
    silent.close();
  });

  test('refuses a database that another run is working on', async () => {
    const support = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
    const holder = spawn(
      process.execPath,
      ['--import', support('typescript.mjs'), support('hold-lock.ts'), folder.url],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    await once(holder.stdout, 'data');
    const locked: Refusal = { code: 'run-lock', exitCode: 4, message: /another keyturn process is working/ };
    await refuses(folder, ['rotate', ...folder.rotation, ...consent], locked);
    await refuses(folder, ['forget', '--database', folder.url, '--yes'], locked);
    holder.stdin.end();
    await once(holder, 'exit');
  });

  test('refuses a column that is too narrow for the new ciphertext; --upgradeDatabase widens it', async () => {
    const database = await createDatabase();
    try {
      await postgresFixture(database.url);
      const { instanceKey } = truthOf('legacy-postgres');
      await database.exec('alter table deployment_key alter column value type varchar(160)');
      const snapshot = 'select * from deployment_key order by id';
      const before = await database.exec(snapshot);
      writeFileSync(folder.file('old.key'), instanceKey, { mode: 0o600 });
      await refuses(
        folder,
        [
          'rotate',
          ...withOption(folder, '--database', database.url),
          ...consent,
          '--masterKey',
          'k'.repeat(120),
        ],
        {
          code: 'column-too-narrow',
          message: /^deployment_key\.value is limited to 160 characters, and the new ciphertext needs \d+$/,
        },
      );
      expect(await database.exec(snapshot)).toEqual(before);
      expect(
        await database.exec("select 1 from information_schema.tables where table_name like 'keyturn%'"),
      ).toEqual([]);
      const allowed = await keyturn(
        [
          'rotate',
          ...withOption(folder, '--database', database.url),
          ...[...consent, '--masterKey', 'k'.repeat(120), '--upgradeDatabase'],
        ],
        { cwd: folder.path },
      );
      expect(allowed).toMatchObject({ code: 0 });
      expect(allowed.stderr).toMatch(/^deployment_key\.value was widened from 160 to \d+$/m);
    } finally {
      await database.close();
    }
  });

  test('refuses checkpoint tables of another version', async () => {
    folder.exec(
      'create table keyturn_version (version integer not null); insert into keyturn_version values (99)',
    );
    const expected: Refusal = {
      code: 'checkpoint-version',
      message: /have version 99/,
      hint: /the keyturn that created them/,
    };
    await refusesRotation(folder, folder.rotation, expected);
    await refusesRotation(folder, [...folder.rotation, '--upgradeDatabase'], expected);
    for (const command of ['status', 'report', 'resume'])
      await refuses(folder, [command, '--database', folder.url], expected);
  });
});
