import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/keys/octopus-config.ts';
import { findInstance } from '../../src/keys/octopus-instances.ts';
import { sqlite } from '../support/octopus/dialect.ts';
import { makeOctopus } from '../support/octopus/make.ts';
import { createSqlite } from '../support/sqlite.ts';
import { type Ended, emptyFolder, keyturn } from './keyturn.ts';

/** openssl stands for Octopus Server on Linux: keyturn has to read what it encrypts, and the other way round. */

const id = '0123456789abcdef0123456789abcdef';
const idIv = '743677397A244326';
const pair = { key: Buffer.alloc(32, 7), iv: Buffer.alloc(16, 9) };
const oldKey = Buffer.alloc(16, 1).toString('base64');
const newKey = Buffer.alloc(32, 2).toString('base64');

const hexOf = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

function openssl(input: Buffer | string, keyHex: string, ivHex: string, ...mode: string[]): Buffer {
  return execFileSync('openssl', ['enc', ...mode, '-aes-256-cbc', '-K', keyHex, '-iv', ivHex], { input });
}
const byId = (text: string): string => openssl(`"${text}"`, hexOf(id), hexOf(idIv), '-e').toString('base64');
const opened = (value: string): string =>
  openssl(Buffer.from(value, 'base64'), hexOf(id), hexOf(idIv), '-d').toString();
const byPair = (text: string): string =>
  openssl(`"${text}"`, pair.key.toString('hex'), pair.iv.toString('hex'), '-e').toString('base64');

const around = (value: string): string =>
  `\uFEFF<?xml version="1.0" encoding="utf-8"?>\r\n<!-- <set key="Octopus.Storage.MasterKey">not this</set> -->\r\n<octopus-settings xmlns:xsi="x">\r\n  <set key='Octopus.Storage.ExternalDatabaseConnectionString'>Server=a;Password=&lt;&amp;&gt;</set>\r\n\t<set key="Octopus.Storage.MasterKey" >${value}</set>\r\n  <set key="Octopus.Empty"/>\r\n</octopus-settings>\r\n`;

let folder: ReturnType<typeof emptyFolder>;
let config: string;
let idFile: string;
let pairFile: string;
beforeEach(() => {
  folder = emptyFolder();
  config = join(folder.path, 'OctopusServer.config');
  idFile = join(folder.path, 'machine-id');
  pairFile = join(folder.path, 'machinekey');
  writeFileSync(idFile, `${id}\n`);
  writeFileSync(pairFile, `${pair.key.toString('base64')}.${pair.iv.toString('base64')}`);
});
afterEach(() => folder.remove());

const show = (...words: string[]): Promise<Ended> =>
  keyturn(['show-master-key', '--config', config, ...words]);
const set = (key: string, ...words: string[]): Promise<Ended> =>
  keyturn(['set-master-key', '--config', config, '--masterKey', '-', ...words], { input: `${key}\n` });
const storedIn = (text: string): string =>
  /<set key="Octopus.Storage.MasterKey"\s*>([^<]*)<\/set>(?! -->)/.exec(
    text.replace(/<!--.*?-->/s, ''),
  )?.[1] ?? '';
const copies = (): string[] => readdirSync(folder.path).filter((name) => name.includes('.keyturn-'));

describe('show-master-key', () => {
  test.each([
    ['the machine id', byId, () => ['--machine-id', idFile]],
    ['the machine key', byPair, () => ['--machine-key', pairFile]],
    [
      'the machine id, with a machine key beside it',
      byId,
      () => ['--machine-id', idFile, '--machine-key', pairFile],
    ],
  ])('reads a key that openssl encrypted with %s', async (_, seal, where) => {
    writeFileSync(config, around(seal(oldKey)));
    expect(await show(...where())).toEqual({ code: 0, signal: null, stdout: `${oldKey}\n`, stderr: '' });
    const { stdout } = await show(...where(), '--format=json');
    expect(JSON.parse(stdout)).toEqual({ MasterKey: oldKey });
  });

  test('refuses what it cannot decrypt, and says how to go on', async () => {
    const dpapi = Buffer.concat([
      Buffer.from('01000000d08c9ddf0115d1118c7a00c04fc297eb', 'hex'),
      Buffer.alloc(200),
    ]);
    for (const [value, why] of [
      [byPair(oldKey), 'name its saved files with --machine-key or --machine-id'],
      [dpapi.toString('base64'), 'Octopus.Server show-master-key'],
      ['', 'contains no master key'],
    ] as const) {
      writeFileSync(config, around(value));
      const { code, stderr } = await show('--machine-id', idFile);
      expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
    }
    for (const text of [
      'key: value',
      '<octopus-settings><set key="a"><b/></set></octopus-settings>',
      '<octopus-settings><set key="a">1</set><set key="a">2</set></octopus-settings>',
      '<!DOCTYPE x><octopus-settings></octopus-settings>',
      '<octopus-settings><set key="a">&other;</set></octopus-settings>',
      '<octopus-settings><set key="a">1</set>',
    ]) {
      writeFileSync(config, text);
      expect(() => readConfig(config)).toThrow('is not a configuration file of Octopus Server');
    }
  });
});

describe('set-master-key', () => {
  test('changes nothing in the file but the key, keeps its mode, and a copy that only this user can read', async () => {
    const before = around(byId(oldKey));
    writeFileSync(config, before);
    chmodSync(config, 0o640);
    const { code, stdout, stderr } = await set(newKey, '--machine-id', idFile);
    expect([code, stderr]).toEqual([0, '']);
    const after = readFileSync(config, 'utf8');
    const stored = storedIn(after);
    expect(openssl(Buffer.from(stored, 'base64'), hexOf(id), hexOf(idIv), '-d').toString()).toBe(
      `"${newKey}"`,
    );
    const element = /<set key="Octopus.Storage.MasterKey" >.*?<\/set>(?=\r\n {2}<set)/s;
    expect(after).toBe(before.replace(element, () => `<set key="Octopus.Storage.MasterKey">${stored}</set>`));
    expect(statSync(config).mode & 0o777).toBe(0o640);
    const [copy = '', ...more] = copies();
    expect(more).toEqual([]);
    expect(readFileSync(join(folder.path, copy), 'utf8')).toBe(before);
    expect(statSync(join(folder.path, copy)).mode & 0o777).toBe(0o600);
    expect(stdout).toContain(copy);
    expect(stdout).not.toContain(newKey);
    // A second time there is nothing to do
    expect((await set(newKey, '--machine-id', idFile)).stdout).toContain('already contains key');
    expect(copies()).toEqual([copy]);
  });

  test('works when the stored key cannot be read, or is missing', async () => {
    for (const text of [
      around(byPair(oldKey)),
      around('damaged'),
      '<octopus-settings>\n</octopus-settings>\n',
    ]) {
      writeFileSync(config, text);
      expect(await set(newKey, '--machine-id', idFile)).toMatchObject({ code: 0, stderr: '' });
      expect(opened(storedIn(readFileSync(config, 'utf8')))).toBe(`"${newKey}"`);
    }
  });

  test('refuses a key of another length and a file of Windows, and changes nothing', async () => {
    const blob = Buffer.from('01000000d08c9ddf0115d1118c7a00c04fc297eb00000000', 'hex').toString('base64');
    for (const [key, value, why] of [
      ['AAAA', byId(oldKey), 'is a 3-byte key'],
      [newKey, blob, 'run Octopus.Server set-master-key on that machine'],
    ] as const) {
      writeFileSync(config, around(value));
      expect(await set(key, '--machine-id', idFile)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(why),
      });
      expect(readFileSync(config, 'utf8')).toBe(around(value));
      expect(copies()).toEqual([]);
    }
  });

  test('leaves the old file when it cannot write, and when it is killed before the rename', async () => {
    const before = around(byId(oldKey));
    const preload = join(folder.path, 'kill.mjs');
    writeFileSync(
      preload,
      "import fs from 'node:fs';\nimport { syncBuiltinESMExports } from 'node:module';\nfs.renameSync = () => process.kill(process.pid, 'SIGKILL');\nsyncBuiltinESMExports();\n",
    );
    writeFileSync(config, before);
    const killed = await keyturn(
      ['set-master-key', '--config', config, '--machine-id', idFile, '--masterKey', '-'],
      { input: newKey, env: { NODE_OPTIONS: `--import=${preload}` } },
    );
    expect(killed.signal).toBe('SIGKILL');
    expect(readFileSync(config, 'utf8')).toBe(before);
    // No name is left for a file beside this one
    config = join(folder.path, 'x'.repeat(250));
    writeFileSync(config, before);
    expect(await set(newKey, '--machine-id', idFile)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the file was not changed'),
    });
    expect(readFileSync(config, 'utf8')).toBe(before);
  });

  test('with --check refuses a key that does not decrypt the certificate in the database', async () => {
    const world = await createSqlite();
    try {
      await makeOctopus(world.exec, sqlite, { key: Buffer.from(newKey, 'base64'), secrets: 20 });
      writeFileSync(config, around(byId(oldKey)));
      const check = ['--check', '--database', world.url, '--machine-id', idFile];
      expect(await set(Buffer.alloc(32, 5).toString('base64'), ...check)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('this key does not decrypt this Octopus Deploy database'),
      });
      expect(storedIn(readFileSync(config, 'utf8'))).toBe(byId(oldKey));
      expect(await set(newKey, ...check)).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await world.close();
    }
  });
});

test('an instance is found by its name in any case; without a name, the default one or the only one', () => {
  const add = (name: string): void =>
    writeFileSync(
      join(folder.path, `${name}.config`),
      JSON.stringify({ Name: name, ConfigurationFilePath: `/etc/octopus/${name}` }),
    );
  expect(() => findInstance(folder.path, undefined)).toThrow('there is no instance in');
  add('Second');
  expect(findInstance(folder.path, undefined).name).toBe('Second');
  add('Third');
  expect(() => findInstance(folder.path, undefined)).toThrow('has no default instance');
  add('OctopusServer');
  expect(findInstance(folder.path, undefined).config).toBe('/etc/octopus/OctopusServer');
  expect(findInstance(folder.path, 'THIRD').name).toBe('Third');
  expect(() => findInstance(folder.path, 'Fourth')).toThrow('has no instance "Fourth"');
});
