import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addTally, emptyTally } from '../../src/checkpoint/tally.ts';
import { rotateBulk } from '../../src/chunk/bulk/rotate.ts';
import { idAt } from '../../src/chunk/bulk/slice.ts';
import { verifyBulk } from '../../src/chunk/bulk/verify.ts';
import { entryBytes } from '../../src/chunk/digest.ts';
import { KnownDigests } from '../../src/chunk/known-digests.ts';
import { rotateRows } from '../../src/chunk/rotate-rows.ts';
import { prepareTarget } from '../../src/chunk/values/field-values.ts';
import { layerFormats } from '../../src/chunk/values/layers.ts';
import type { Batch, Row } from '../../src/databases/database.ts';
import type { Field, Target } from '../../src/job/job.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { textAt, textsOf } from '../../src/texts.ts';
import { bytesFor } from '../support/random.ts';
import { openFernet, sealFernet } from '../support/sealed.ts';

const oldKey = bytesFor(32, 'the old key');
const newKey = bytesFor(32, 'the new key');
const from = new Keyring(Key.fromBytes(oldKey));
const to = new Keyring(Key.fromBytes(newKey));
const digests = randomBytes(32);

const field = (column: string, index: number, format: Field['format']): Field => ({
  column,
  index,
  format,
  document: 'text',
  plaintext: 'utf8',
  when: [],
  closed: 'exception',
  foreign: 'exception',
});
const target: Target = {
  shape: { table: 'account', id: ['site', 'id'], columns: ['token', 'note', 'pin'], written: 3 },
  phase: 0,
  fields: [field('token', 0, 'fernet'), field('pin', 2, 'octopus')],
};
const prepared = prepareTarget(target, undefined, layerFormats({ targets: [target] }));
const rotation = { from, to, mode: 'chunk' } as const;

/** As openssl does it, one value at a time. */
function sealCbc(key: Buffer, plain: string): string {
  const iv = bytesFor(16, key, plain);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return `${sealed.toString('base64')}|${iv.toString('base64')}`;
}

const plain = fc.string({ unit: 'binary', maxLength: 60 });
const token = fc.oneof(
  { weight: 8, arbitrary: plain.map((text) => sealFernet(oldKey, text)) },
  { weight: 1, arbitrary: plain.map((text) => sealFernet(newKey, text)) },
  { weight: 1, arbitrary: plain.map((text) => sealFernet(randomBytes(32), text)) },
  { weight: 1, arbitrary: plain.map((text) => sealFernet(oldKey, sealFernet(oldKey, text))) },
  { weight: 1, arbitrary: fc.constantFrom(null, '', 'in clear', 'gAAAAAB') },
);
const pin = fc.oneof(
  { weight: 8, arbitrary: plain.map((text) => sealCbc(oldKey, text)) },
  { weight: 1, arbitrary: fc.constantFrom(null, '', 'a|b', 'ä|', `${'A'.repeat(24)}|${'A'.repeat(22)}==`) },
  { weight: 1, arbitrary: plain.map((text) => sealCbc(oldKey, text).replace(/.\|/, '!|')) },
);
const rows = fc
  .array(fc.tuple(token, fc.option(fc.string()), pin), { maxLength: 40 })
  .map((all) => all.map((values, i): Row => ({ id: ['nörd', String(i)], values })));

function batchOf(all: readonly Row[]): Batch {
  return {
    rows: all.length,
    id: [0, 1].map((place) => textsOf(all.map(({ id }) => id[place] ?? null))),
    columns: [0, 1, 2].map((place) => textsOf(all.map(({ values }) => values[place] ?? null))),
  };
}

const entriesOf = (all: Buffer): string[] =>
  Array.from({ length: all.length / entryBytes }, (_, n) =>
    all.toString('hex', n * entryBytes, (n + 1) * entryBytes),
  ).sort();

/** Everything that a chunk's checkpoint and its write contain. */
function rotated(all: readonly Row[]) {
  const { ordinary, rest } = rotateBulk(prepared, batchOf(all), rotation, digests);
  const others = rotateRows(prepared, rest, rotation, digests);
  const tally = emptyTally();
  const known = [others.digests(() => true)];
  const after = new Map(all.map(({ id, values }) => [id.join(), [...values]]));
  for (const part of ordinary) {
    const sum = part.summary(new Set());
    addTally(tally, sum.tally);
    known.unshift(sum.digests);
    for (let i = 0; i < part.batch.rows; i++)
      part.written.forEach((texts, place) => {
        const column = target.shape.columns.indexOf(part.shape.columns[place] ?? '');
        (after.get(idAt(part.batch, i).join()) ?? [])[column] = textAt(texts, i);
      });
  }
  for (const row of others.rows) {
    addTally(tally, row.tally);
    if (row.change !== null) after.set(row.change.id.join(), [...row.change.new]);
  }
  const written = all.map(({ id }): Row => ({ id, values: after.get(id.join()) ?? [] }));
  return { tally, digests: Buffer.concat(known), written, ordinary, rest };
}

describe('rows rotated in bulk', () => {
  test('have the same tally and digests as rows that are rotated one by one', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const bulk = rotated(all);
        const single = rotateRows(prepared, all, rotation, digests);
        const tally = emptyTally();
        for (const row of single.rows) addTally(tally, row.tally);
        expect(bulk.tally).toEqual(tally);
        expect(entriesOf(bulk.digests)).toEqual(entriesOf(single.digests(() => true)));
      }),
      { numRuns: 150 },
    );
  });

  test('contain the same plaintexts under the new key, and nothing else has changed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(plain, plain), { maxLength: 30 }), (plains) => {
        const all = plains.map(
          ([first, second], i): Row => ({
            id: ['a', String(i)],
            values: [sealFernet(oldKey, first), `note ${i}`, i % 3 === 0 ? null : sealCbc(oldKey, second)],
          }),
        );
        const { written, rest } = rotated(all);
        expect(rest).toEqual([]);
        written.forEach(({ values: [token, note, pin] }, i) => {
          const [first = '', second = ''] = plains[i] ?? [];
          expect(openFernet(newKey, token ?? '')).toBe(first);
          expect(note).toBe(`note ${i}`);
          if (i % 3 === 0) expect(pin).toBeNull();
          else {
            const [sealed = '', iv = ''] = (pin ?? '').split('|');
            const decipher = createDecipheriv('aes-256-cbc', newKey, Buffer.from(iv, 'base64'));
            const opened = decipher.update(sealed, 'base64', 'utf8') + decipher.final('utf8');
            expect(opened).toBe(second);
          }
        });
      }),
      { numRuns: 50 },
    );
  });

  test('are proven in bulk, and every other row is left to be looked at', () => {
    fc.assert(
      fc.property(rows, fc.nat(), (all, pick) => {
        const { written, digests: packed, rest } = rotated(all);
        const known = new KnownDigests([packed]);
        const { proven, rest: left } = verifyBulk(prepared, batchOf(written), to, digests, known);
        expect(proven + left.length).toBe(all.length);
        expect(known.left).toBe(all.length - proven);
        for (const row of left) expect(rest.map(({ id }) => id)).toContainEqual(row.id);

        const damaged = written.map((row, i) =>
          i === pick % written.length ? { ...row, values: [null, null, sealCbc(newKey, 'another')] } : row,
        );
        const again = verifyBulk(prepared, batchOf(damaged), to, digests, new KnownDigests([packed]));
        if (all.length > 0) expect(again.rest).toContainEqual(damaged[pick % written.length]);
      }),
      { numRuns: 100 },
    );
  });

  test('that another writer has changed do not count', () => {
    const all = ['a', 'b', 'c'].map(
      (text, i): Row => ({ id: ['s', String(i)], values: [null, null, sealCbc(oldKey, text)] }),
    );
    const [part] = rotateBulk(prepared, batchOf(all), rotation, digests).ordinary;
    const whole = part?.summary(new Set());
    const without = part?.summary(new Set([1]));
    expect([whole?.tally.rows, whole?.tally.rotated, without?.tally.rows, without?.tally.rotated]).toEqual([
      3, 3, 2, 2,
    ]);
    const entries = entriesOf(whole?.digests ?? Buffer.alloc(0));
    expect(entries).toEqual(expect.arrayContaining(entriesOf(without?.digests ?? Buffer.alloc(0))));
    expect(without?.digests.length).toBe(2 * entryBytes);
  });
});
