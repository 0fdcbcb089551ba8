import { createCipheriv, createDecipheriv } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Place, withStore } from '../support/n8n/store.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { Random } from '../support/random.ts';
import { consent, emptyFolder, type Folder, folderWith, keyturn } from './keyturn.ts';

const random = new Random('octopus format');
const oldKey = random.bytes(16);

const job = `job: server
title: Server
key: { form: base64, bytes: [16, 32], generate: { bytes: 32, as: base64 } }
canary: [{ table: document, column: secret, format: octopus, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: document
        fields:
          - { column: secret, format: octopus, plaintext: utf8 }
          - { column: json, document: { json: any }, format: octopus, foreign: leave, closed: look-alike }
          - { column: file, format: octopus-stream }
`;

let folder: Folder;
const databases: TestDatabase[] = [];
beforeEach(() => {
  folder = folderWith(emptyFolder().path, oldKey.toString('base64'));
  writeFileSync(folder.file('job.yaml'), job);
});
afterEach(async () => {
  for (const database of databases.splice(0)) await database.close();
  folder.remove();
});

async function placeOn(engine: 'sqlite' | 'postgres'): Promise<Place> {
  if (engine === 'sqlite') {
    writeFileSync(folder.database, '');
    return { url: folder.url };
  }
  const database = await createDatabase();
  databases.push(database);
  return { url: database.url };
}

function seal(plain: Buffer): { iv: Buffer; sealed: Buffer } {
  const iv = random.bytes(16);
  const cipher = createCipheriv('aes-128-cbc', oldKey, iv);
  return { iv, sealed: Buffer.concat([cipher.update(plain), cipher.final()]) };
}

function sealText(plain: string): string {
  const { iv, sealed } = seal(Buffer.from(plain));
  return `${sealed.toString('base64')}|${iv.toString('base64')}`;
}

function open(key: Buffer, iv: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
}

function openText(key: Buffer, text: string): string {
  const [sealed = '', iv = ''] = text.split('|');
  return open(key, Buffer.from(iv, 'base64'), Buffer.from(sealed, 'base64')).toString();
}

/** Random bytes of many lengths, not valid as text; the last ones are long. */
const files = Array.from({ length: 60 }, (_, i) => random.bytes(i < 57 ? i * 3 : 70_000 * (i - 56)));

const jsonOf = (i: number, secret: string): string =>
  `{"Variables":[{"Value":${JSON.stringify(secret)},"Type":"Sensitive"},{"Value":"http|80:${i}"}], "N": 1.0}`;

test.each(['sqlite', 'postgres'] as const)(
  'the text and stream forms of Octopus are rotated to a longer key on %s, including binary columns',
  async (engine) => {
    const place = await placeOn(engine);
    await withStore(place, async (store) => {
      const binary = engine === 'sqlite' ? 'blob' : 'bytea';
      await store.run(
        `create table document (id integer primary key, secret text, json text, file ${binary})`,
      );
      for (const [i, file] of files.entries()) {
        const { iv, sealed } = seal(file);
        await store.run('insert into document values (?, ?, ?, ?)', [
          i,
          sealText(`pässword ${i}`),
          jsonOf(i, sealText(`variable ${i}`)),
          Buffer.concat([iv, sealed]) as never,
        ]);
      }
    });
    const rotated = await keyturn(
      [
        ...['rotate', '--job', folder.file('job.yaml'), '--database', place.url, ...consent],
        ...['--current-key-file', folder.file('old.key'), '--new-key-file', folder.file('new.key')],
      ],
      { cwd: folder.path },
    );
    expect({ code: rotated.code, stderr: rotated.stderr }).toMatchObject({ code: 0 });
    expect(rotated.stdout).toContain('60 rows, 180 values rotated');

    const key = Buffer.from(folder.read('new.key'), 'base64');
    expect(key).toHaveLength(32);
    await withStore(place, async (store) => {
      const rows = await store.rows('select * from document order by id');
      for (const [i, row] of rows.entries()) {
        expect(openText(key, String(row.secret))).toBe(`pässword ${i}`);
        const variable = JSON.parse(String(row.json)).Variables[0].Value;
        expect(openText(key, variable)).toBe(`variable ${i}`);
        expect(row.json).toBe(jsonOf(i, variable));
        const stream = row.file as Buffer;
        expect(open(key, stream.subarray(0, 16), stream.subarray(16)).equals(files[i] as Buffer)).toBe(true);
      }
      expect(rows).toHaveLength(files.length);
    });
  },
);
