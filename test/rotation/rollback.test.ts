import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Run } from '../../src/checkpoint/run.ts';
import { RowSource } from '../../src/chunk/row-source.ts';
import { Planner, planRound } from '../../src/rotation/planner.ts';
import { keysOf, openDeploymentKey, openValue } from '../support/n8n/decrypt.ts';
import { sealLegacy, sealUnder, wrap } from '../support/n8n/encrypt.ts';
import type { FixtureName } from '../support/n8n/fixture.ts';
import { expectMany } from '../support/n8n/many.ts';
import { digestOfTheRest } from '../support/n8n/rest.ts';
import * as shapes from '../support/n8n/shapes.ts';
import { type Place, type Store, withStore } from '../support/n8n/store.ts';
import {
  deploymentKeyRows,
  expectEverySecret,
  stillUnder,
  type Truth,
  truthOf,
} from '../support/n8n/truth.ts';
import { Places } from './places.ts';
import { type Ended, type Scene, Stage } from './stage.ts';

const newKey = 'the new instance key/0123456789+';
const thirdKey = 'a third instance key, ünïcödé';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

async function stageOn(place: Place, current: string, next: string, scene: Scene = {}): Promise<Stage> {
  return places.closing(await Stage.open(place, current, next, scene));
}

async function backFrom(stage: Stage): Promise<Stage> {
  return places.closing(await stage.back());
}

/** Plans the whole run and rotates so many of its chunks, or that share of them. */
async function rotatePart(stage: Stage, part: (chunks: number) => number): Promise<Run> {
  const run = await stage.runs.become(await stage.plan(), 'rotating');
  const planner = new Planner(new RowSource(stage.database, null), stage.chunks, stage.figures, 10);
  for (let left = [...run.job.targets]; left.length > 0; ) left = await planRound(planner, left);
  const numbers = await stage.chunks.numbers({ state: 'planned' }, 1000);
  const worker = places.closing(await stage.worker());
  for (const chunk of numbers.slice(0, part(numbers.length))) await worker.take(chunk);
  return run;
}

/** Every stored text that a key is needed for, as it is stored. */
async function stored(place: Place): Promise<string> {
  return withStore(place, async (store) =>
    JSON.stringify(await store.rows(`select id, data from ${store.table('credentials_entity')} order by id`)),
  );
}

async function copyRow(
  store: Store,
  table: string,
  where: string,
  changes: Readonly<Record<string, string>>,
): Promise<void> {
  const [row] = await store.rows(`select * from ${table} where ${where} limit 1`);
  const copy = { ...row, ...changes };
  const columns = Object.keys(copy).map((name) => `"${name}"`);
  await store.run(
    `insert into ${table} (${columns}) values (${columns.map(() => '?')})`,
    Object.values(copy) as string[],
  );
}

async function legacyKeyIn(place: Place, instanceKey: string): Promise<string | null> {
  return withStore(place, async (store) => {
    const row = (await deploymentKeyRows(store)).find(({ algorithm }) => algorithm === 'aes-256-cbc');
    return row === undefined ? null : openDeploymentKey(row, instanceKey);
  });
}

async function expectBack(place: Place, truth: Truth, ended: Ended): Promise<void> {
  expect(ended.error).toBeUndefined();
  expect(ended.run).toMatchObject({ kind: 'rollback', state: 'verified' });
  expect(await expectEverySecret(place, truth.instanceKey, truth)).toEqual([]);
  const inClear = await stillUnder(place, 'a key that nothing was ever sealed with', truth);
  expect((await stillUnder(place, newKey, truth)).filter((at) => !inClear.includes(at))).toEqual([]);
  for (const { ranges } of ended.totals.values()) {
    expect(ranges?.verification.proven).toBe(ranges?.tally.rows);
    expect(ranges?.verification.rows).toBe(ranges?.tally.rows);
  }
}

type Shape = (place: Place, truth: Truth) => Promise<Truth>;
const same: Shape = async (_, truth) => truth;
const otherLegacyKey: Shape = (place, truth) => shapes.otherInstanceKey(place, truth, 'another instance key');

const grounds: readonly (readonly [string, FixtureName, Shape])[] = [
  ['an n8n with data keys', 'mixed-sqlite', same],
  ['an n8n whose legacy key differs from the instance key', 'mixed-sqlite', otherLegacyKey],
  ['an n8n with the instance key in clear', 'legacy-sqlite', shapes.clearLegacyKey],
];

const parts: readonly (readonly [string, (chunks: number) => number])[] = [
  ['no chunk', () => 0],
  ['one chunk', () => 1],
  ['half of the chunks', (chunks) => chunks >> 1],
  ['all chunks', (chunks) => chunks],
];

describe.each(grounds)('%s', (_, fixture, shape) => {
  test.each(parts)('is as it was after %s were rotated and rolled back', async (part, count) => {
    const place = await places.fixture(fixture);
    const truth = await shape(place, truthOf(fixture));
    const [rest, legacy, before] = [
      await digestOfTheRest(place),
      await legacyKeyIn(place, truth.instanceKey).catch(() => 'in clear'),
      await stored(place),
    ];
    const stage = await stageOn(place, truth.instanceKey, newKey);
    const first = await rotatePart(stage, count);
    const back = await backFrom(stage);
    const ended = await back.finish();
    await expectBack(place, truth, ended);
    expect(await digestOfTheRest(place)).toEqual(rest);
    expect(await legacyKeyIn(place, truth.instanceKey).catch(() => 'in clear')).toBe(legacy);
    expect(await stage.runs.get(first.id)).toMatchObject({ state: 'superseded', fence: 3 });
    if (part === 'no chunk') expect(await stored(place)).toBe(before);
  });

  test('is as it was after a finished run, and can be rotated again', async () => {
    const place = await places.fixture(fixture);
    const truth = await shape(place, truthOf(fixture));
    const rest = await digestOfTheRest(place);
    const stage = await stageOn(place, truth.instanceKey, newKey);
    expect((await stage.finish()).run.state).toBe('verified');
    await expectBack(place, truth, await (await backFrom(stage)).finish());
    await stage.unlock();
    const again = await stageOn(place, truth.instanceKey, thirdKey);
    const ended = await again.finish();
    expect(ended.error).toBeUndefined();
    expect(ended.run.state).toBe('verified');
    expect(await expectEverySecret(place, thirdKey, truth)).toEqual([]);
    expect(await digestOfTheRest(place)).toEqual(rest);
  });
});

const credentials = 35;
const oldKey = 'the key before it';

describe('a rollback', () => {
  test.each(['paused', 'failed', 'cancelled', 'rotated', 'verifying'] as const)(
    'of a run that is %s goes to the end',
    async (state) => {
      const place = await places.many('sqlite', credentials, oldKey);
      const stage = await stageOn(place, oldKey, newKey);
      await rotatePart(stage, (chunks) => chunks >> 1);
      await stage.database.knex('keyturn_run').update({ state });
      const ended = await (await backFrom(stage)).finish();
      expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
      expect(await expectMany(place, oldKey, { credentials })).toEqual([]);
    },
  );

  test('takes back what the application wrote with the new key since, new data keys too', async () => {
    const place = await places.fixture('mixed-sqlite');
    const truth = truthOf('mixed-sqlite');
    const stage = await stageOn(place, truth.instanceKey, newKey);
    expect((await stage.finish()).run.state).toBe('verified');
    const dataKey = Buffer.alloc(32, 7);
    await withStore(place, async (store) => {
      await copyRow(store, 'credentials_entity', 'id is not null', {
        id: 'addedSince',
        data: sealLegacy('{"added":"since"}', newKey),
      });
      await copyRow(store, 'deployment_key', "algorithm = 'aes-256-gcm' and type = 'data_encryption'", {
        id: 'dataKeySince',
        status: 'inactive',
        value: wrap(dataKey.toString('hex'), newKey),
      });
      await copyRow(store, 'credentials_entity', 'id is not null', {
        id: 'underNewDataKey',
        data: sealUnder('dataKeySince', '{"under":"it"}', dataKey),
      });
    });
    const ended = await (await backFrom(stage)).finish();
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
    await withStore(place, async (store) => {
      const keys = keysOf(await deploymentKeyRows(store), truth.instanceKey);
      const rows = await store.rows(
        "select data from credentials_entity where id in ('addedSince', 'underNewDataKey') order by id",
      );
      expect(rows.map(({ data }) => openValue(String(data), keys).toString())).toEqual([
        '{"added":"since"}',
        '{"under":"it"}',
      ]);
    });
  });

  test('that ended early is continued, and a worker of the first run commits nothing meanwhile', async () => {
    const place = await places.many('sqlite', credentials, oldKey);
    const stage = await stageOn(place, oldKey, newKey);
    await rotatePart(stage, (chunks) => chunks - 2);
    const [left] = await stage.chunks.numbers({ state: 'planned' }, 1);
    const stale = places.closing(await stage.worker());
    const back = await backFrom(stage);
    const before = await stored(place);
    await stale.take(left as number);
    expect(await stored(place)).toBe(before);
    expect(await stage.chunks.find(left as number)).toMatchObject({ state: 'planned', attempts: 0 });
    await back.runs.become(await back.run(), 'rotating');
    const planner = new Planner(new RowSource(back.database, null), back.chunks, back.figures, 10);
    const [target] = (await back.run()).job.targets;
    await planner.planNext(target as NonNullable<typeof target>);
    await places.closing(await back.worker()).take(1);
    expect(await stored(place)).not.toBe(before);
    const ended = await back.finish();
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
    expect(await expectMany(place, oldKey, { credentials })).toEqual([]);
  });

  test('of a run whose records were edited is refused, and so are other keys', async () => {
    const place = await places.many('sqlite', credentials, oldKey);
    const stage = await stageOn(place, oldKey, newKey);
    await rotatePart(stage, () => 1);
    const other = await stageOn(place, 'another old key', newKey);
    await other.adopt((await stage.run()).id);
    await other.borrow(stage);
    await expect(other.back()).rejects.toMatchObject({ code: 'other-keys' });
    await stage.database.knex('keyturn_run').update({ pinned: '{}' });
    await expect(stage.back()).rejects.toMatchObject({ code: 'checkpoint-altered' });
    expect((await stage.run()).state).toBe('rotating');
  });
});

test('a rollback on PostgreSQL gives back every secret of a run that was half done', async () => {
  const place = await places.fixture('legacy-postgres');
  const truth = truthOf('legacy-postgres');
  const rest = await digestOfTheRest(place);
  const stage = await stageOn(place, truth.instanceKey, newKey);
  await rotatePart(stage, (chunks) => chunks >> 1);
  await expectBack(place, truth, await (await backFrom(stage)).finish());
  expect(await digestOfTheRest(place)).toEqual(rest);
});
