import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createMysqlDatabase } from '../support/mariadb.ts';
import { expectMany, manyPostgres } from '../support/n8n/many.ts';
import { checkOctopus } from '../support/octopus/check.ts';
import { mariadb } from '../support/octopus/dialect.ts';
import { makeOctopus } from '../support/octopus/make.ts';
import { seeOctopus } from '../support/octopus/seen.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { consent, type Ended, emptyFolder, keyturn } from './keyturn.ts';

/** Runs the statements of docs/permissions.md: a user with only these grants rotates a database. */

const guide = readFileSync(new URL('../../docs/permissions.md', import.meta.url), 'utf8');

let world: TestDatabase | undefined;
let folder: ReturnType<typeof emptyFolder>;
beforeEach(() => {
  folder = emptyFolder();
});
afterEach(async () => {
  await world?.close();
  folder.remove();
});

/** The server of the tests has its own user keyturn. */
const mysqlLogin = 'nightshift';

/** The statements under a heading. */
function statements(heading: string): string[] {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const block = /^```sql\n(.*?)^```/ms.exec(section)?.[1] ?? '';
  const found = block
    .replace(/--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
  expect(found.length).toBeGreaterThan(2);
  return found;
}

function asLogin(url: string, login: string): string {
  const own = new URL(url);
  own.username = login;
  own.password = 'change-me';
  return own.href;
}

function rotate(url: string, job: string, ...more: string[]): Promise<Ended> {
  const keys = ['--current-key-file', `${folder.path}/old.key`, '--new-key-file', `${folder.path}/new.key`];
  return keyturn(['rotate', '--job', job, '--database', url, ...keys, ...consent, ...more], {
    cwd: folder.path,
  });
}

test('on PostgreSQL, these grants are enough to see other sessions, to rotate, verify and forget', async () => {
  world = await createDatabase();
  const key = 'the key of many';
  await manyPostgres(world.url, { credentials: 300, instanceKey: key });
  for (const statement of statements('PostgreSQL')) await world.exec(statement);
  try {
    writeFileSync(`${folder.path}/old.key`, key, { mode: 0o600 });
    const url = asLogin(world.url, 'keyturn');
    const rotated = await rotate(url, 'n8n');
    expect({ code: rotated.code, stderr: rotated.stderr }).toMatchObject({ code: 0 });
    expect(rotated.stderr).not.toMatch(/unknown/);
    const next = readFileSync(`${folder.path}/new.key`, 'utf8').trim();
    expect(await expectMany({ url: world.url }, next, { credentials: 300 })).toEqual([]);
    expect(await keyturn(['forget', '--database', url, '--yes'])).toMatchObject({ code: 0 });
  } finally {
    await world.exec('drop owned by keyturn; drop role keyturn');
  }
});

/** Of the shared servers that there are. */
const mysqlServers = (
  [
    ['MariaDB', process.env.KEYTURN_TEST_MARIADB],
    ['MySQL', process.env.KEYTURN_TEST_MYSQL],
  ] as const
).filter(([, url]) => url !== undefined);

(mysqlServers.length === 0 ? test.skip : test).each(mysqlServers)(
  'on %s, these grants are enough to see other sessions and triggers, to rotate and forget',
  async (_, server) => {
    world = await createMysqlDatabase(server);
    const key = Buffer.alloc(32, 7);
    await world.exec(`drop user if exists ${mysqlLogin}`);
    const truth = await makeOctopus(world.exec, mariadb, { key, secrets: 500 });
    const seenBefore = await seeOctopus(world.exec, mariadb, truth.tables);
    const database = new URL(world.url).pathname.slice(1);
    for (const statement of statements('MySQL and MariaDB'))
      await world.exec(statement.replace('app.*', `${database}.*`).replace(/\bkeyturn\b/, mysqlLogin));
    writeFileSync(`${folder.path}/old.key`, key.toString('base64'), { mode: 0o600 });
    const url = asLogin(world.url, mysqlLogin);
    const scanned = await keyturn(
      [
        'scan',
        '--job',
        'octopus',
        '--database',
        url,
        '--current-key-file',
        `${folder.path}/old.key`,
        '--json',
      ],
      { cwd: folder.path },
    );
    const { places } = JSON.parse(scanned.stdout) as {
      places: { table: string; column: string; path: string; document: string; undecided: number }[];
    };
    const decisions = places
      .filter(({ undecided, document }) => undecided > 0 && document !== 'text')
      .flatMap(({ table, column, path }) => ['--decide', `${table}.${column}${path}=rotate`]);
    const rotated = await rotate(
      url,
      'octopus',
      '--no-attachments',
      ...decisions,
      '--decide',
      'Blob.Preview=leave',
    );
    expect({ code: rotated.code, stderr: rotated.stderr }).toMatchObject({ code: 0 });
    expect(rotated.stderr).toMatch(/writing rows of Blob fires /);
    expect(rotated.stderr).not.toMatch(/unknown/);
    const next = Buffer.from(readFileSync(`${folder.path}/new.key`, 'utf8'), 'base64');
    expect(await checkOctopus(world.exec, mariadb, truth, next, { seenBefore, oldKey: key })).toEqual([]);
    expect(await keyturn(['forget', '--database', url, '--yes'])).toMatchObject({ code: 0 });
  },
);
