import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Place, withStore } from '../support/n8n/store.ts';
import { type Engine, engines, Places } from './places.ts';
import { Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it, which is longer than that';
const rows = 30;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

const gcm = (prefix: string): string =>
  `{ aes-gcm: { layout: [nonce 12, ciphertext, tag 16], key: sha256, prefix: "${prefix}" } }`;

const job = `job: apart
title: Written apart
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: secret, column: ruby, lines: 60, format: ${gcm('')}, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: secret
        fields:
          - { column: ruby, lines: 60, format: ${gcm('')}, plaintext: utf8 }
          - { column: mysql, lines: 76, format: ${gcm('enc:')}, plaintext: utf8 }
          - { column: padded, trim: true, format: ${gcm('')}, plaintext: utf8 }
          - { column: document, document: { json: [.a] }, trim: true, lines: 60, format: ${gcm('')}, plaintext: utf8 }
          - { column: yaml, document: within, format: ${gcm('enc:')}, plaintext: utf8 }
          - { column: php, document: within, format: ${gcm('enc:')}, plaintext: utf8 }
  - name: keys
    targets:
      - table: keeper
        fields:
          - { column: php, document: within, format: ${gcm('enc:')}, plaintext: utf8, becomes: primary }
          - { column: ruby, lines: 60, format: ${gcm('')}, plaintext: utf8, becomes: primary }
`;

/** The application: shares no code with src. */
const aesKey = (key: string): Buffer => createHash('sha256').update(key, 'utf8').digest();

function sealed(plain: string, key = oldKey): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', aesKey(key), nonce);
  return Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64',
  );
}

/** Throws when the key is another. */
function opened(text: string, key: string): string {
  const bytes = Buffer.from(text, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', aesKey(key), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
}

const inLines = (text: string, width: number, end: string): string =>
  (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(end);

/** PHP's serialize() of a string, and of an array of strings. */
const php = (text: string): string => `s:${Buffer.byteLength(text)}:"${text}";`;
const phpArray = (texts: readonly string[]): string =>
  `a:${texts.length}:{${texts.map((text, i) => `i:${i};${php(text)}`).join('')}}`;

const keeper = (text: string): string => phpArray(['é', phpArray([`key=enc:${text}`, 'x'])]);

interface Row {
  readonly ruby: string;
  readonly mysql: string;
  readonly padded: string;
  readonly document: string;
  readonly yaml: string;
  readonly php: string;
}

function rowOf(i: number): { row: Row; secrets: string[] } {
  const secrets: string[] = [];
  const secret = (length: number): string => {
    const plain = `${i}/${secrets.length} ß${'.'.repeat(length)}`;
    secrets.push(plain);
    return sealed(plain);
  };
  const row = {
    ruby: `${inLines(secret(7 * i), 60, '\n')}\n`,
    mysql: `enc:${inLines(secret(100 + i), 76, '\r\n')}`,
    padded: secret(5).padEnd(120, ' '),
    document: `{ "big": 12345678901234567890, "a": " ${inLines(secret(60), 60, '\\n')}\\n\\n", "b": 1.0 }`,
    yaml: `# é\ntoken: "enc:${secret(9)}"\nother: [enc:${secret(i)}, 1]\r\n`,
    php: phpArray(['é', phpArray([`enc:${secret(4)}`, `<b>enc:${secret(0)}</b>`]), `enc:${secret(i)}`]),
  };
  return { row, secrets };
}

/** What an application that reads its own columns sees. */
function secretsOf(row: Row, key: string): string[] {
  const inText = (text: string): string[] =>
    (text.match(/enc:[A-Za-z0-9+/]+=*/g) ?? []).map((value) => opened(value.slice(4), key));
  return [
    opened(row.ruby.replaceAll('\n', ''), key),
    opened(row.mysql.slice(4).replaceAll('\r\n', ''), key),
    opened(row.padded.trim(), key),
    opened(JSON.parse(row.document).a.replace(/\s/g, ''), key),
    ...inText(row.yaml),
    ...inText(row.php),
  ];
}

/** Everything but the characters of ciphertext. */
function restOf(row: Row): string[] {
  return [
    ...[row.ruby, row.mysql, row.padded].map((text) => text.replace(/[A-Za-z0-9+/=]/g, 'x')),
    row.document.replace(/"a": "( )[^"]*"/, (text) =>
      text.replace(/\\n/g, '\n').replace(/[A-Za-z0-9+/=]/g, 'x'),
    ),
    ...[row.yaml, row.php].map((text) => text.replace(/enc:[A-Za-z0-9+/]+=*/g, 'enc:…')),
  ];
}

async function made(engine: Engine): Promise<{ place: Place; truth: { row: Row; secrets: string[] }[] }> {
  const url =
    engine === 'sqlite' ? `sqlite:${join(places.dir, 'apart.sqlite')}` : (await places.postgres()).url;
  if (engine === 'sqlite') writeFileSync(join(places.dir, 'apart.sqlite'), '');
  const truth = Array.from({ length: rows }, (_, i) => rowOf(i));
  await withStore({ url }, async (store) => {
    await store.run(`create table secret (id integer primary key, ruby text not null, mysql text, padded char(120),
      document text, yaml text, php text)`);
    await store.run('create table keeper (id integer primary key, php text, ruby varchar(200))');
    for (const [i, { row }] of truth.entries())
      await store.run('insert into secret values (?, ?, ?, ?, ?, ?, ?)', [i, ...Object.values(row)]);
    const line = sealed(oldKey);
    await store.run('insert into keeper values (1, ?, ?)', [
      keeper(sealed(oldKey)),
      `${inLines(line, 60, '\n')}\n`,
    ]);
  });
  return { place: { url }, truth };
}

async function staged(place: Place, text = job): Promise<Stage> {
  const path = join(places.dir, 'apart.yaml');
  writeFileSync(path, text);
  return places.closing(
    await Stage.open(place, oldKey, newKey, { job: path, options: { chunkRows: 7, onException: 'skip' } }),
  );
}

async function secretRows(place: Place): Promise<Row[]> {
  return withStore(place, async (store) => {
    const found = await store.rows('select ruby, mysql, padded, document, yaml, php from secret order by id');
    return found as unknown as Row[];
  });
}

describe.each(engines)('on %s, ciphertext', (engine) => {
  test('in lines, with white space around it and inside other text is rotated, and nothing else changes', async () => {
    const { place, truth } = await made(engine);
    const stage = await staged(place);
    const ended = await stage.finish();
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
    expect(ended.totals.get('secret')?.ranges?.tally).toMatchObject({
      rows,
      rotated: rows * 9,
      exceptions: 0,
    });
    const after = await secretRows(place);
    expect(after.map((row) => secretsOf(row, newKey))).toEqual(truth.map(({ secrets }) => secrets));
    expect(after.map(restOf)).toEqual(truth.map(({ row }) => restOf(row)));
    for (const row of after) expect(() => secretsOf(row, oldKey)).toThrow();
  });

  test('that gets longer has correct lengths around it and more lines', async () => {
    const { place } = await made(engine);
    await (await staged(place)).finish();
    const [row] = await withStore(place, (store) => store.rows('select php, ruby from keeper'));
    const stored = String(row?.php);
    const [, value = ''] = /enc:([A-Za-z0-9+/]+=*)/.exec(stored) ?? [];
    expect(opened(value, newKey)).toBe(newKey);
    expect(value.length).not.toBe(sealed(oldKey).length);
    expect(stored).toBe(keeper(value));
    const ruby = String(row?.ruby);
    expect(opened(ruby.replaceAll('\n', ''), newKey)).toBe(newKey);
    expect(ruby).toBe(`${inLines(ruby.replaceAll('\n', ''), 60, '\n')}\n`);
    expect(ruby.length).toBeGreaterThan(62);
  });
});

test('line breaks count in the width of a column', async () => {
  const { place } = await made('postgres');
  const { length } = sealed(newKey);
  const widen = (width: number): Promise<void> =>
    withStore(place, (store) => store.run(`alter table keeper alter column ruby type varchar(${width})`));
  await widen(length + 1);
  const stage = await staged(place);
  await expect(stage.plan()).rejects.toThrow(
    `keeper.ruby is limited to ${length + 1} characters, and the new ciphertext needs ${length + 2}`,
  );
  await widen(length + 2);
  expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
});

test('a value that is not written as the job says is an exception with its reason, and is not changed', async () => {
  const { place, truth } = await made('sqlite');
  const value = sealed('a secret');
  const odd: Partial<Row>[] = [
    { ruby: `${inLines(sealed('x'.repeat(90)), 64, '\n')}\n` },
    { ruby: ` ${value}` },
    { yaml: `folded: enc:${value.slice(0, 30)}\n  ${value.slice(30)}\n` },
    { yaml: `escaped: "\\u0065nc:${value}"` },
    { php: phpArray([`enc:${value}`]).replace(/s:(\d+)/, (_, n) => `s:${Number(n) + 1}`) },
  ];
  await withStore(place, async (store) => {
    for (const [i, columns] of odd.entries())
      for (const [column, text] of Object.entries(columns))
        await store.run(`update secret set ${column} = ? where id = ?`, [text, i]);
  });
  const before = await secretRows(place);
  const ended = await (await staged(place)).finish();
  expect(ended.run.state).toBe('verified-with-exceptions');
  expect(ended.exceptions.map(({ rowId, field, path, reason }) => [rowId[0], field, path, reason])).toEqual([
    ['0', 'ruby', '', 'not-ciphertext'],
    ['1', 'ruby', '', 'not-ciphertext'],
    ['2', 'yaml', '[0]', 'does-not-open'],
    ['3', 'yaml', '', 'malformed-document'],
    ['4', 'php', '', 'malformed-document'],
  ]);
  const after = await secretRows(place);
  for (const [i, columns] of odd.entries()) {
    expect(after[i]).toMatchObject(columns);
    // The other columns of the row are rotated
    for (const column of ['mysql', 'padded'] as const)
      expect(after[i]?.[column]).not.toBe(before[i]?.[column]);
  }
  expect(after.slice(odd.length).map((row) => secretsOf(row, newKey))).toEqual(
    truth.slice(odd.length).map(({ secrets }) => secrets),
  );
});
