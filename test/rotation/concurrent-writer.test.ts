import { isUtf8 } from 'node:buffer';
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Chunk } from '../../src/checkpoint/chunk.ts';
import type { RunOptions } from '../../src/checkpoint/run.ts';
import { openGcm, wrappingKey } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { expectMany, manyId } from '../support/n8n/many.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import {
  deploymentKeyRows,
  expectEverySecret,
  stillUnder,
  type Truth,
  truthOf,
} from '../support/n8n/truth.ts';
import { type Engine, engines, Places } from './places.ts';
import { type Ended, Stage, sqlText } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const few = 15;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

interface Scene {
  readonly stage: Stage;
  readonly place: Place;
  readonly truth: Truth;
  /** Ids of the credentials in order: ten a chunk, the first chunks of the run. */
  readonly ids: readonly string[];
}

async function scene(engine: Engine, options: Partial<RunOptions> = {}): Promise<Scene> {
  const truth = truthOf(`legacy-${engine}`);
  const place = await places.legacy(engine);
  const stage = places.closing(await Stage.open(place, truth.instanceKey, newKey, { options }));
  return { stage, place, truth, ids: [...truth.credentials.keys()].sort() };
}

async function small(engine: Engine): Promise<{ stage: Stage; place: Place }> {
  const place = await places.many(engine, few, oldKey);
  return { place, stage: places.closing(await Stage.open(place, oldKey, newKey)) };
}

/** What the writer wrote is a part of the truth from then on. */
function written(
  truth: Truth,
  credentials: Readonly<Record<string, unknown>>,
  gone: readonly string[] = [],
): Truth {
  const all = new Map([...truth.credentials, ...Object.entries(credentials)]);
  for (const id of gone) all.delete(id);
  return { ...truth, credentials: all };
}

const updateOf = (id: string, plain: unknown, key: string): string =>
  `update credentials_entity set data = ${sqlText(sealLegacy(JSON.stringify(plain), key))} where id = '${id}'`;
const insertOf = (id: string, plain: unknown, key: string): string =>
  `insert into credentials_entity (id, name, data, type) values ('${id}', 'late', ${sqlText(sealLegacy(JSON.stringify(plain), key))}, 'httpBasicAuth')`;

async function expectWhole(ended: Ended, place: Place, truth: Truth): Promise<void> {
  expect(ended.error).toBeUndefined();
  expect(ended.run.state).toBe('verified');
  expect(ended.exceptions).toEqual([]);
  expect(await expectEverySecret(place, newKey, truth)).toEqual([]);
  expect(await stillUnder(place, truth.instanceKey, truth)).toEqual([]);
  for (const { ranges, sweeps } of ended.totals.values()) {
    for (const tally of [ranges?.tally, sweeps?.tally]) {
      if (tally === undefined) continue;
      const { rotated, current, empty, lookAlikes, undecided, exceptions } = tally;
      expect(tally.values).toBe(rotated + current + empty + lookAlikes + undecided + exceptions);
    }
    const { rows, proven, new: added, changed, late } = ranges?.verification ?? {};
    expect({ changed, late, proven: (proven ?? 0) + (added ?? 0) }).toEqual({
      changed: 0,
      late: 0,
      proven: rows,
    });
  }
}

const credentials = ({ totals }: Ended) => totals.get('credentials_entity');

describe.each(engines)('a writer on %s with the old key', (engine) => {
  test.each(['open', 'claim'] as const)(
    'that changes rows before the step %s keeps its values, which end under the new key',
    async (step) => {
      const { stage, place, truth, ids } = await scene(engine);
      // Nothing refers to the deleted one
      const [first = '', , third = '', , , , second = ''] = ids;
      // On SQLite the claim is the first thing in the transaction, which the step before it has begun
      const at = engine === 'sqlite' && step === 'claim' ? 'open' : step;
      const ended = await stage.finish({
        meddling: [
          {
            step: at,
            chunk: 1,
            times: [
              [
                updateOf(first, { changed: 'while it was rotated' }, truth.instanceKey),
                updateOf(third, { changed: 'too', ünï: '😀' }, truth.instanceKey),
                `delete from credentials_entity where id = '${second}'`,
              ],
            ],
          },
        ],
      });
      const now = written(
        truth,
        { [first]: { changed: 'while it was rotated' }, [third]: { changed: 'too', ünï: '😀' } },
        [second],
      );
      await expectWhole(ended, place, now);
      // Redone in the same transaction: there is nothing to sweep, and the deleted row is counted nowhere
      expect(credentials(ended)).toMatchObject({ sweeps: null, ranges: { tally: { rows: ids.length - 1 } } });
      expect(credentials(ended)?.ranges?.verification.gone).toBe(0);
      expect(await stage.chunks.find(1)).toMatchObject({ attempts: 1 });
    },
  );

  test('that inserts rows with smaller ids, or changes rows, before the verification has them swept', async () => {
    const acceptDeleted = { rows: 1, operator: 'a test', reason: null };
    const { stage, place, truth, ids } = await scene(engine, { acceptDeleted });
    const [first = '', second = '', third = ''] = ids;
    const ended = await stage.finish({
      meddling: [
        {
          step: 'verify',
          chunk: 1,
          times: [
            [
              insertOf('!smaller', { late: 1 }, truth.instanceKey),
              insertOf(`${first}x`, { late: 2 }, truth.instanceKey),
              updateOf(second, { late: 3 }, truth.instanceKey),
              `delete from credentials_entity where id = '${third}'`,
            ],
            [insertOf('!smallest', { late: 4 }, truth.instanceKey)],
          ],
        },
      ],
    });
    const now = written(
      truth,
      {
        '!smaller': { late: 1 },
        [`${first}x`]: { late: 2 },
        [second]: { late: 3 },
        '!smallest': { late: 4 },
      },
      [third],
    );
    await expectWhole(ended, place, now);
    expect(ended.run.round).toBe(3);
    expect(credentials(ended)).toMatchObject({
      ranges: { tally: { rows: ids.length }, verification: { rows: ids.length + 2, gone: 1 } },
      sweeps: { chunks: 2, tally: { rows: 4, values: 4, rotated: 4 } },
    });
    expect((await stage.runs.events(ended.run.id)).map(({ event }) => event)).toEqual([
      ...['planned', 'rotating', 'rotated', 'verifying'],
      ...['swept', 'rotating', 'rotated', 'verifying'],
      ...['swept', 'rotating', 'rotated', 'verifying', 'verified'],
    ]);
  });

  test('that writes again while its late row is swept loses nothing', async () => {
    const { stage, place } = await small(engine);
    // The sweep comes behind all ranges
    const sweep = (await rangesOf()).length + 1;
    const ended = await stage.finish({
      meddling: [
        { step: 'verify', chunk: 1, times: [[insertOf('!late', { said: 'first' }, oldKey)]] },
        { step: 'open', chunk: sweep, times: [[updateOf('!late', { said: 'second' }, oldKey)]] },
      ],
    });
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified', round: 2 } });
    expect(credentials(ended)?.sweeps?.tally).toMatchObject({ rows: 1, rotated: 1 });
    const also = new Map([['!late', JSON.stringify({ said: 'second' })]]);
    expect(await expectMany(place, newKey, { credentials: few }, also)).toEqual([]);
  });

  test.each(['read', 'open'] as const)(
    'that changes its late row to the new key before the sweep has read or written it (%s) is noticed',
    async (step) => {
      const { stage } = await small(engine);
      const sweep = (await rangesOf()).length + 1;
      const ended = await stage.finish({
        meddling: [
          { step: 'verify', chunk: 1, times: [[insertOf('!late', { said: 'first' }, oldKey)]] },
          { step, chunk: sweep, times: [[updateOf('!late', { said: 'second' }, newKey)]] },
        ],
      });
      expect(ended.error).toMatchObject({ code: 'verification-failed', exitCode: 5 });
      expect(String(ended.error)).toContain('credentials_entity !late');
    },
  );

  test('that changes which field applies has its row read again, as it is now', async () => {
    const { stage, place } = await small(engine);
    const chunk = (await rangesOf()).find(({ target }) => target === 'deployment_key')?.chunk ?? 0;
    const retyped =
      "update deployment_key set type = 'instance.id', status = 'inactive' where type = 'signing.jwt'";
    const ended = await stage.finish({ meddling: [{ step: 'open', chunk, times: [[retyped]] }] });
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
    const row = await withStore(place, async (store) =>
      (await deploymentKeyRows(store)).find(({ id }) => id === 'signingJwt000001'),
    );
    expect(row?.type).toBe('instance.id');
    expect(openGcm(row?.value ?? '', wrappingKey(newKey))).toHaveLength(64);
  });

  test('that never stops makes the run fail with the advice to stop it; the run can be resumed', async () => {
    const { stage, place } = await small(engine);
    const late = Array.from({ length: 40 }, (_, i) => `!late${100 - i}`);
    const ended = await stage.finish({
      meddling: [{ step: 'verify', chunk: 1, times: late.map((id) => [insertOf(id, { id }, oldKey)]) }],
    });
    expect(ended.error).toMatchObject({ code: 'late-rows', exitCode: 3 });
    expect(ended.run).toMatchObject({ state: 'failed', round: 10, reason: { code: 'late-rows' } });
    expect((await stage.finish()).run.state).toBe('verified');
    const also = new Map(late.slice(0, 10).map((id) => [id, JSON.stringify({ id })]));
    expect(await expectMany(place, newKey, { credentials: few }, also)).toEqual([]);
  });
});

test('a value that opens under both keys is undecided, is not changed, and is not swept again and again', async () => {
  const place = await places.many('sqlite', 5, oldKey);
  const both = openingUnderBoth(oldKey, newKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey, { options: { onException: 'skip' } }));
  const ended = await stage.finish({
    meddling: [
      {
        step: 'verify',
        chunk: 1,
        times: [[`insert into "user" (id, "mfaSecret") values ('u1', ${sqlText(both)})`]],
      },
    ],
  });
  expect(ended.error).toBeUndefined();
  expect(ended.run.state).toBe('verified-with-exceptions');
  expect(ended.exceptions).toMatchObject([
    { target: 'user', rowId: ['u1'], field: 'mfaSecret', reason: 'undecided' },
  ]);
  expect(ended.totals.get('user')?.sweeps?.tally).toMatchObject({ rows: 1, undecided: 1 });
  expect(ended.run.round).toBe(2);
});

test('a value that may have been under the new key from the start stays undecided when it is retried', async () => {
  const place = await places.many('sqlite', 5, oldKey);
  const both = openingUnderBoth(oldKey, newKey);
  await withStore(place, (store) =>
    store.run(`insert into "user" (id, "mfaSecret") values ('u1', ${sqlText(both)})`),
  );
  const options = { onException: 'skip', tryAllKeys: true } as const;
  const stage = places.closing(await Stage.open(place, oldKey, newKey, { options }));
  expect((await stage.finish()).run.state).toBe('verified-with-exceptions');
  const retried = await stage.retry();
  expect(retried.exceptions).toMatchObject([{ target: 'user', rowId: ['u1'], reason: 'undecided' }]);
  await withStore(place, async (store) => {
    const rows = await store.rows(`select "mfaSecret" as secret from "user" where id = 'u1'`);
    expect(rows).toEqual([{ secret: both }]);
  });
});

test('an undecided value stops the run with --on-exception stop', async () => {
  const place = await places.many('sqlite', 5, oldKey);
  const both = openingUnderBoth(oldKey, newKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  const insert = `insert into "user" (id, "mfaSecret") values ('u1', ${sqlText(both)})`;
  const ended = await stage.finish({ meddling: [{ step: 'verify', chunk: 1, times: [[insert]] }] });
  expect(ended.error).toMatchObject({ code: 'exceptions', exitCode: 3 });
  expect(ended.exceptions).toMatchObject([{ rowId: ['u1'], reason: 'undecided' }]);
});

test('a chunk that another writer changes again and again is retried, and nothing is lost', async () => {
  const place = await places.many('postgres', 30, oldKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  const write = (n: number) => [
    `update credentials_entity set data = ${sqlText(sealLegacy(JSON.stringify({ n }), oldKey))} where id = '${manyId(3)}'`,
  ];
  const ended = await stage.finish({
    meddling: [{ step: 'claim', chunk: 1, times: [1, 2, 3].map(write) }],
  });
  expect(ended.error).toBeUndefined();
  expect(ended.run.state).toBe('verified');
});

/** A ciphertext of one block whose plaintext is UTF-8 under one key and under the other. */
function openingUnderBoth(one: string, other: string): string {
  const salt = Buffer.from('saltsalt');
  const a = derived(one, salt);
  const b = derived(other, salt);
  const count = 1 << 16;
  for (let round = 0; ; round++) {
    const plain = Buffer.alloc(count * 16);
    for (let i = 0; i < count; i++) {
      plain.write(`secret ${String(round * count + i).padStart(8, '0')}`, i * 16);
      plain[i * 16 + 15] = 1;
      for (let j = 0; j < 16; j++) plain[i * 16 + j] = (plain[i * 16 + j] ?? 0) ^ (a.iv[j] ?? 0);
    }
    const sealed = createCipheriv('aes-256-ecb', a.key, null).setAutoPadding(false).update(plain);
    const opened = createDecipheriv('aes-256-ecb', b.key, null).setAutoPadding(false).update(sealed);
    for (let i = 0; i < count; i++) {
      if (((opened[i * 16 + 15] ?? 0) ^ (b.iv[15] ?? 0)) !== 1) continue;
      const text = Buffer.from(opened.subarray(i * 16, i * 16 + 15)).map((byte, j) => byte ^ (b.iv[j] ?? 0));
      if (isUtf8(text))
        return Buffer.concat([Buffer.from('Salted__'), salt, sealed.subarray(i * 16, i * 16 + 16)]).toString(
          'base64',
        );
    }
  }
}

function derived(password: string, salt: Buffer): { key: Buffer; iv: Buffer } {
  let material = Buffer.alloc(0);
  let last = Buffer.alloc(0);
  while (material.length < 48) {
    last = createHash('md5').update(last).update(password, 'latin1').update(salt).digest();
    material = Buffer.concat([material, last]);
  }
  return { key: material.subarray(0, 32), iv: material.subarray(32, 48) };
}

/** The ranges of a run that nobody disturbs: they are planned the same every time, on every engine. */
async function rangesOf(): Promise<Chunk[]> {
  const rehearsal = new Places();
  const place = await rehearsal.many('sqlite', few, oldKey);
  const stage = rehearsal.closing(await Stage.open(place, oldKey, newKey));
  const found: Chunk[] = [];
  try {
    expect((await stage.finish()).error).toBeUndefined();
    for await (const chunk of stage.chunks.ranges()) found.push(chunk);
    return found;
  } finally {
    await rehearsal.leave();
  }
}
