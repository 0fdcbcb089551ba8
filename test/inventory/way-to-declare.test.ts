import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KeyturnError } from '../../src/error.ts';
import { Places } from '../rotation/places.ts';
import { Stage } from '../rotation/stage.ts';
import { withStore } from '../support/n8n/store.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

/** The application: shares no code with src. */
function sealed(plain = 'a secret'): string {
  for (;;) {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(oldKey).digest(), nonce);
    const bytes = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
    const text = Buffer.concat(bytes).toString('base64');
    if (text.includes('/')) return text;
  }
}

const inLines = (text: string, width: number, end = '\n'): string =>
  (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(end);

const format = '{ aes-gcm: { layout: [nonce 12, ciphertext, tag 16], key: sha256, prefix: "enc:" } }';

function job(fields: readonly string[], canary = ''): string {
  return `job: own
title: Own
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: known, column: v, ${canary}format: ${format} }]
phases:
  - name: values
    targets:
      - table: known
        fields: [{ column: v, format: ${format} }]
${fields.length === 0 ? '' : `      - { table: found, fields: [${fields.map((field) => `{ ${field}, format: ${format} }`).join(', ')}] }\n`}`;
}

/** A database of a value that the job declares, and of those in question. */
async function staged(
  values: readonly string[],
  fields: readonly string[] = [],
  table = 'create table found (id integer primary key, v text)',
): Promise<Stage> {
  const url = `sqlite:${join(places.dir, 'own.sqlite')}`;
  writeFileSync(join(places.dir, 'own.sqlite'), '');
  await withStore({ url }, async (store) => {
    await store.run('create table known (id integer primary key, v text)');
    await store.run('insert into known values (1, ?)', [`enc:${sealed()}`]);
    await store.run(table);
    for (const value of values) await store.run('insert into found (v) values (?)', [value]);
  });
  const path = join(places.dir, 'own.yaml');
  writeFileSync(path, job(fields));
  return places.closing(await Stage.open({ url }, oldKey, newKey, { job: path }));
}

async function refusal(stage: Stage): Promise<KeyturnError> {
  const refused = await stage.preflight().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(refused instanceof KeyturnError)) throw new Error(`it was not refused: ${refused}`);
  return refused;
}

const value = (): string => `enc:${sealed()}`;

const kinds: readonly (readonly [string, () => string, string])[] = [
  ['as it is', value, ''],
  ['with white space around it', () => ` ${value()}\n`, 'trim: true'],
  ['in lines of 60', () => `enc:${inLines(sealed('x'.repeat(100)), 60)}\n`, 'lines: 60'],
  ['in lines of 76', () => inLines(`enc:${sealed('x'.repeat(100))}`, 76, '\r\n'), 'lines: 76'],
  [
    'in lines with white space around it',
    () => `\n${inLines(`enc:${sealed('x'.repeat(100))}`, 64)}\n\n`,
    'trim: true, lines: 64',
  ],
  ['in JSON', () => JSON.stringify({ a: 'clear', b: [value()] }), 'document: { json: any }'],
  ['in JSON with escapes', () => `{"a":"${value().replaceAll('/', '\\/')}"}`, 'document: { json: any }'],
  [
    'in lines in JSON',
    () => JSON.stringify({ a: inLines(`enc:${sealed('x'.repeat(100))}`, 64) }),
    'document: { json: any }, lines: 64',
  ],
  [
    'in JSON in JSON',
    () => JSON.stringify({ a: JSON.stringify({ b: value() }) }),
    'document: any, foreign: leave',
  ],
  ['in YAML', () => `a: "${value()}"\nb: 1\n`, 'document: within'],
  ["in PHP's serialized text", () => `a:1:{i:0;s:${value().length}:"${value()}";}`, 'document: within'],
];

describe('undeclared ciphertext is refused, and the hint says how to declare it:', () => {
  test.each(kinds)('%s', async (_, make, says) => {
    const values = Array.from({ length: 5 }, make);
    const refused = await refusal(await staged(values));
    expect(refused.code).toBe('undeclared-ciphertext');
    expect(refused.message).toContain('found.v (5)');
    expect(refused.hint).toContain(
      `declare found.v in a copy of the job${says === '' ? ';' : ` with ${says};`}`,
    );
    const declared = await staged2(says);
    expect(await declared.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
    const { totals } = await declared.finish();
    expect(totals.get('found')?.ranges?.tally).toMatchObject({ rotated: 5, exceptions: 0 });
  });

  /** The same database, with a job that follows the hint. */
  async function staged2(says: string): Promise<Stage> {
    const path = join(places.dir, 'own.yaml');
    writeFileSync(path, job([['column: v', says].filter((part) => part !== '').join(', ')]));
    const url = `sqlite:${join(places.dir, 'own.sqlite')}`;
    return places.closing(await Stage.open({ url }, oldKey, newKey, { job: path }));
  }

  test('all values of a column are declared in the same way', async () => {
    const refused = await refusal(await staged([value(), `${value()}\n`]));
    expect(refused.hint).toContain('declare found.v in a copy of the job with trim: true;');
  });
});

describe('ciphertext that no field can declare is refused, and the hint says so:', () => {
  test.each([
    ['folded', () => `a: enc:${inLines(sealed('x'.repeat(50)), 50, '\n  ')}\n`],
    ['escaped in text that is no JSON', () => `a: "${value().replaceAll('/', '\\/')}"`],
    ['with a wrong length', () => `s:7:"${value()}";`],
  ])('%s', async (_, make) => {
    const refused = await refusal(await staged([make()]));
    expect(refused.message).toContain('found.v (1)');
    expect(refused.hint).toContain('no field can declare found.v');
    expect(refused.hint).not.toContain('declare found.v in a copy');
    expect(refused.hint).toContain('--exclude table.column=reason');
  });

  test.each([
    ['in a table without a key', 'create table found (v text)'],
    ['in a key', 'create table found (v text primary key)'],
  ])('%s', async (_, table) => {
    const refused = await refusal(await staged([value()], [], table));
    expect(refused.hint).toContain('no field can declare found.v');
  });
});

describe('a field with a wrong declaration is refused before the run, and the hint gives the right one:', () => {
  test.each(kinds)('%s', async (_, make, says) => {
    const wrong = says === '' ? 'column: v, document: { json: [.a] }' : 'column: v';
    const refused = await refusal(await staged(Array.from({ length: 5 }, make), [wrong]));
    // With its prefix at the beginning, what is broken into lines looks like a value of the format
    expect(refused.code).toBe(says.startsWith('lines') ? 'wrong-current-key' : 'wrong-format');
    const better = says === '' ? 'no document, trim or lines' : says;
    expect(refused.hint).toContain(
      `it decrypts the values if the job declares found.v with ${better}; nothing was changed`,
    );
  });

  test('a canary with a wrong declaration is refused in the same way', async () => {
    const url = `sqlite:${join(places.dir, 'own.sqlite')}`;
    writeFileSync(join(places.dir, 'own.sqlite'), '');
    await withStore({ url }, async (store) => {
      await store.run('create table known (id integer primary key, v text)');
      await store.run('insert into known values (1, ?)', [`${value()}\n`]);
    });
    const path = join(places.dir, 'own.yaml');
    const open = async (canary: string): Promise<Stage> => {
      writeFileSync(path, job([], canary).replace('fields: [{ column: v,', '$& trim: true,'));
      return places.closing(await Stage.open({ url }, oldKey, newKey, { job: path }));
    };
    const refused = await refusal(await open(''));
    expect(refused.code).toBe('wrong-current-key');
    expect(refused.hint).toContain(
      'it decrypts the values if the job declares the canary known.v with trim: true; nothing',
    );
    for (const right of ['trim: true, ', 'document: within, '])
      expect((await (await open(right)).preflight()).from.primary.text).toBe(oldKey);
  });

  test('the hint gives no other declaration if the key is wrong', async () => {
    const stage = await staged(
      Array.from({ length: 5 }, () => `enc:${randomBytes(40).toString('base64')}`),
      ['column: v'],
    );
    expect((await refusal(stage)).hint).toContain('check the key and the job');
  });
});
