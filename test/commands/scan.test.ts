import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { sealTextOnlyFor } from '../support/octopus/sealing.ts';
import { emptyFolder, keyturn, n8nFolder } from './keyturn.ts';

const leave: (() => void)[] = [];
afterEach(() => {
  for (const each of leave.splice(0)) each();
});

test('scan counts the values of each place by format and key, and shows what is not rotated', async () => {
  const { path, remove } = emptyFolder();
  leave.push(remove);
  const [one, other] = [Buffer.alloc(16, 1), Buffer.alloc(32, 2)];
  const url = `sqlite:${path}/database.sqlite`;
  const database = new Sqlite(`${path}/database.sqlite`);
  database.exec('create table VariableSet (Id text primary key, JSON text)');
  database.exec('create table Configuration (Id text primary key, JSON text)');
  const put = database.prepare('insert into VariableSet values (?, ?)');
  const secret = (text: string, key: Buffer): string =>
    sealTextOnlyFor(Buffer.from(text), key, [key === one ? other : one]);
  put.run('a', JSON.stringify({ List: [{ Value: secret('x', one) }, { Value: secret('y', one) }] }));
  put.run('b', JSON.stringify({ List: [{ Value: secret('z', other) }] }));
  put.run('c', JSON.stringify({ Inside: JSON.stringify({ Value: secret('w', one) }), Plain: 'a|b' }));
  database.close();
  const key = (name: string, bytes: Buffer): string => {
    writeFileSync(`${path}/${name}`, bytes.toString('base64'), { mode: 0o600 });
    return `${path}/${name}`;
  };
  const words = ['scan', '--job', 'octopus', '--database', url, '--current-key-file', key('one', one)];
  const scanned = await keyturn([...words, '--current-key-file', key('other', other), '--json']);
  expect(scanned).toMatchObject({ code: 0 });
  const { keyIds, places } = JSON.parse(scanned.stdout);
  expect(places).toEqual([
    {
      ...{ table: 'VariableSet', column: 'JSON', path: '.List[].Value', document: 'any', format: 'octopus' },
      ...{ values: { [keyIds[0]]: 2, [keyIds[1]]: 1 }, undecided: 0, lookAlikes: 0, exceptions: 0 },
      leftOut: null,
    },
    {
      ...{ table: 'VariableSet', column: 'JSON', path: '.Inside#.Value', document: 'any', format: 'octopus' },
      ...{ values: { [keyIds[0]]: 1 }, undecided: 0, lookAlikes: 0, exceptions: 0 },
      leftOut: null,
    },
  ]);
  const alone = await keyturn(words);
  expect(alone.stdout).toMatch(
    /^VariableSet\.JSON\.List\[\]\.Value: octopus, 2 values with key \w{16}, 1 look-alike$/m,
  );
  const warning =
    'VariableSet.JSON.List[].Value: 1 value looks encrypted, but none of the given keys decrypts it; 2 others there can be decrypted';
  expect(alone.stderr).toContain(`warning: ${warning}\n`);
  const planned = await keyturn(['plan', '--no-attachments', ...words.slice(1)]);
  expect(planned.stderr).toContain(warning);
  const verified = await keyturn(['verify', '--no-attachments', ...words.slice(1)], { cwd: path });
  expect(verified.stderr).toContain(warning);
  const [report] = readdirSync(`${path}/keyturn-reports`);
  expect(readFileSync(`${path}/keyturn-reports/${report}/report.txt`, 'utf8').replace(/\s+/g, ' ')).toContain(
    warning,
  );
  for (const text of [scanned.stdout, alone.stdout]) expect(text).not.toContain(secret('', one).slice(-10));
});

test('scan --all-formats also finds formats of other systems, and shows what the job does not declare', async () => {
  const folder = n8nFolder('mixed-sqlite');
  leave.push(() => folder.remove());
  folder.exec('create table notes (id integer primary key, body text)');
  folder.exec("insert into notes select 1, data from credentials_entity where data like 'U2F%' limit 1");
  const words = ['--job', 'n8n', '--database', folder.url, '--current-key-file', folder.file('old.key')];
  const scanned = await keyturn(['scan', ...words, '--all-formats']);
  expect(scanned).toMatchObject({ code: 0 });
  expect(scanned.stdout).toMatch(/^credentials_entity\.data: n8n, \d+ values with key \w{16}$/m);
  expect(scanned.stdout).not.toMatch(/^credentials_entity\.data: n8n-wrapped/m);
  expect(scanned.stdout).toMatch(
    /^notes\.body: n8n, 1 value with key \w{16}; not rotated, not declared by the job$/m,
  );
});
