import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectMany, manyPostgres } from '../support/n8n/many.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { consent, type Ended, emptyFolder, keyturn } from './keyturn.ts';

/** What a login of PostgreSQL may not see is refused or said to be unknown: it is never taken for "nothing". */

const key = 'the key of many';
const credentials = 30;

let world: TestDatabase;
let folder: ReturnType<typeof emptyFolder>;
let role: string;
let url: string;
beforeEach(async () => {
  folder = emptyFolder();
  writeFileSync(`${folder.path}/old.key`, key, { mode: 0o600 });
  world = await createDatabase();
  await manyPostgres(world.url, { credentials, instanceKey: key });
  role = `hidden_${new URL(world.url).pathname.slice(1)}`;
  await world.exec(`create role ${role} login password 'change-me'`);
  await world.exec(`grant usage, create on schema public to ${role}`);
  await world.exec(`grant select, update on all tables in schema public to ${role}`);
  await world.exec(`grant pg_read_all_stats to ${role}`);
  const own = new URL(world.url);
  own.username = role;
  own.password = 'change-me';
  url = own.href;
});
afterEach(async () => {
  await world.exec(`drop owned by ${role}`);
  await world.exec(`drop role ${role}`);
  await world.close();
  folder.remove();
});

const command = (...words: string[]): Promise<Ended> =>
  keyturn([...words, '--database', url, '--current-key-file', `${folder.path}/old.key`], {
    cwd: folder.path,
  });

const commands = {
  plan: () => command('plan', '--job', 'n8n'),
  rotate: () =>
    command('rotate', '--job', 'n8n', '--new-key-file', `${folder.path}/new.key`, '--force', ...consent),
  verify: () => command('verify', '--job', 'n8n'),
};

async function policyOn(table: string): Promise<void> {
  await world.exec(`alter table ${table} enable row level security`);
  await world.exec(`create policy some_rows on ${table} using (false)`);
}

const targets = ['credentials_entity', '"user"', 'settings', 'deployment_key', 'execution_data'];

test.each(targets)('a row-level policy on %s, a table of the job, is refused', async (table) => {
  await policyOn(table);
  for (const run of Object.values(commands)) {
    const { code, stderr } = await run();
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/may not read everything: .*row-level security policy for table/),
    });
    expect(stderr).toContain(table.replaceAll('"', ''));
  }
  expect(await world.exec("select from pg_tables where tablename like 'keyturn%'")).toEqual([]);
});

test('a row-level policy on another table makes its content unknown, in the plan and in both reports', async () => {
  await policyOn('workflow_entity');
  const unknown = /cannot check workflow_entity for ciphertext: this login cannot read all of it/;
  for (const run of [commands.plan, commands.rotate]) {
    const { code, stderr } = await run();
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(unknown) });
  }
  const verified = await keyturn(
    ['verify', '--job', 'n8n', '--database', url, '--current-key-file', `${folder.path}/new.key`],
    { cwd: folder.path },
  );
  expect({ code: verified.code, stderr: verified.stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(unknown),
  });
});

test('a policy does not matter to a login that bypasses it', async () => {
  await policyOn('credentials_entity');
  await world.exec(`alter role ${role} bypassrls`);
  expect(await commands.rotate()).toMatchObject({ code: 0 });
});

test('a grant on other columns than those of the job is refused, and the table is named', async () => {
  await world.exec(`revoke select on settings from ${role}`);
  await world.exec(`grant select ("key") on settings to ${role}`);
  for (const run of Object.values(commands)) {
    const { code, stderr } = await run();
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/may not read everything: permission denied for table settings/),
    });
  }
});

test('a grant on exactly the columns of the job is enough, and the others are unknown', async () => {
  await world.exec(`revoke select, update on credentials_entity from ${role}`);
  await world.exec(`grant select (id, data), update (data) on credentials_entity to ${role}`);
  const rotated = await commands.rotate();
  expect({ code: rotated.code, stderr: rotated.stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/cannot check credentials_entity for ciphertext/),
  });
});

test('a view with a security barrier is not taken for the table behind it', async () => {
  await world.exec(`create table vault (id integer primary key, token text)`);
  await world.exec(`insert into vault select 1, data from credentials_entity limit 1`);
  await world.exec(`create view seen with (security_barrier) as select * from vault where id > 1`);
  await world.exec(`grant select on seen to ${role}`);
  const { code, stderr } = await commands.plan();
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/cannot check vault for ciphertext: this login cannot read all of it/),
  });
});

test('a view in the place of a table of the job is refused', async () => {
  await world.exec('alter table credentials_entity rename to behind');
  await world.exec(
    `create view credentials_entity with (security_barrier) as select * from behind where false`,
  );
  await world.exec(`grant select, update on credentials_entity to ${role}`);
  for (const run of Object.values(commands)) expect(await run()).toMatchObject({ code: 2 });
  await world.exec('drop view credentials_entity');
  await world.exec('alter table behind rename to credentials_entity');
  expect(await expectMany({ url: world.url }, key, { credentials })).toEqual([]);
});
