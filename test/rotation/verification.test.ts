import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chunkTimeout } from '../../src/checkpoint/chunk.ts';
import { ExceptionTable } from '../../src/checkpoint/exception-table.ts';
import { rotateRows } from '../../src/chunk/rotate-rows.ts';
import { RowSource } from '../../src/chunk/row-source.ts';
import { prepareTarget } from '../../src/chunk/values/field-values.ts';
import { verifyRows } from '../../src/chunk/verify-rows.ts';
import { json } from '../../src/documents/json.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { type LocalRun, verifyDatabase } from '../../src/rotation/local-run.ts';
import { Planner } from '../../src/rotation/planner.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy, sealOnlyFor, wrap } from '../support/n8n/encrypt.ts';
import { expectMany, manyId, manyPlain } from '../support/n8n/many.ts';
import { withExecutions } from '../support/n8n/shapes.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { expectEverySecret, truthOf } from '../support/n8n/truth.ts';
import { Places } from './places.ts';
import { type Ended, Stage, sqlText } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 25;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

async function staged(): Promise<Stage> {
  const place = await places.many('sqlite', credentials, oldKey);
  await withStore(place, (store) =>
    store.run('insert into "user" (id, "mfaSecret", "mfaRecoveryCodes") values (?, ?, ?)', [
      'u1',
      sealLegacy('mfa secret', oldKey),
      [sealLegacy('code 1', oldKey), sealLegacy('code 2', oldKey)].join(','),
    ]),
  );
  return places.closing(await Stage.open(place, oldKey, newKey));
}

/** Statements strike between the rotation and its verification, when everything is under the new key. */
function struck(stage: Stage, statements: readonly string[]): Promise<Ended> {
  return stage.finish({ meddling: [{ step: 'verify', chunk: 1, times: [statements] }] });
}

function expectDiffers(ended: Ended, target: string, rows: readonly string[]): void {
  expect(ended.error).toMatchObject({ code: 'verification-failed', exitCode: 5 });
  for (const row of rows) expect(String(ended.error)).toContain(`${target} ${row}`);
  expect(ended.run).toMatchObject({ state: 'failed', reason: { code: 'verification-failed' } });
  const differing = ended.exceptions.filter(({ reason }) => reason === 'digest-differs');
  expect(differing.map((each) => [each.target, each.rowId[0]])).toEqual(rows.map((row) => [target, row]));
}

const resealed = (plain: string): string => sqlText(sealLegacy(plain, newKey));

describe('a change under the new key between rotation and verification is found:', () => {
  test.each([
    ['one byte changed', manyPlain(7).replace('user-7', 'user-8')],
    ['one byte more', `${manyPlain(7)} `],
    ['another valid secret', '{"user":"someone else"}'],
    ['a secret of another row', manyPlain(8)],
  ])('%s', async (_, plain) => {
    const stage = await staged();
    const sql = `update credentials_entity set data = ${resealed(plain)} where id = '${manyId(7)}'`;
    expectDiffers(await struck(stage, [sql]), 'credentials_entity', [manyId(7)]);
    // Nothing is mended by itself; once the value is what it was, a resume finds it so
    expect((await stage.finish()).error).toMatchObject({ code: 'verification-failed' });
    const back = `update credentials_entity set data = ${resealed(manyPlain(7))} where id = '${manyId(7)}'`;
    await withStore(stage.place, (store) => store.run(back));
    expect(await stage.finish()).toMatchObject({
      error: undefined,
      run: { state: 'verified' },
      exceptions: [],
    });
  });

  test('two rows whose ciphertexts were swapped', async () => {
    const [a, b] = [manyId(3), manyId(17)];
    const ended = await struck(await staged(), [
      `create temp table swap as select id, data from credentials_entity where id in ('${a}', '${b}');
      update credentials_entity set data = (select data from swap where swap.id <> credentials_entity.id) where id in ('${a}', '${b}')`,
    ]);
    expectDiffers(ended, 'credentials_entity', [a, b]);
  });

  test('a damaged ciphertext with correct padding', async () => {
    const sql = `update credentials_entity set data = 'U2FsdGVkX1' || 'A' || substr(data, 12) where id = '${manyId(4)}'`;
    expectDiffers(await struck(await staged(), [sql]), 'credentials_entity', [manyId(4)]);
  });

  test('a value that was moved to another column', async () => {
    const sql = 'update "user" set "mfaRecoveryCodes" = "mfaSecret", "mfaSecret" = null';
    expectDiffers(await struck(await staged(), [sql]), 'user', ['u1']);
  });

  test('items of a list in another order', async () => {
    const sql = `update "user" set "mfaRecoveryCodes" = substr("mfaRecoveryCodes", instr("mfaRecoveryCodes", ',') + 1) || ',' || substr("mfaRecoveryCodes", 1, instr("mfaRecoveryCodes", ',') - 1)`;
    expectDiffers(await struck(await staged(), [sql]), 'user', ['u1']);
  });

  test('a value that was emptied', async () => {
    expectDiffers(await struck(await staged(), ['update "user" set "mfaSecret" = null']), 'user', ['u1']);
  });

  test('the row of the legacy key, whatever it holds now', async () => {
    const stage = await staged();
    const planned = await stage.plan();
    const target = planned.job.targets.find(({ shape }) => shape.table === 'deployment_key');
    if (target === undefined) throw new Error('no target');
    const last = await lastPhaseOf();
    const ended = await stage.finish({
      meddling: [
        {
          step: 'verify',
          chunk: last,
          times: [
            [
              `update deployment_key set value = ${sqlText(wrap('another legacy key', newKey))} where algorithm = 'aes-256-cbc'`,
            ],
          ],
        },
      ],
    });
    expectDiffers(ended, 'deployment_key', ['legacyKey0000001']);
  });
});

/** Number of the chunk that holds deployment_key, from a run that nobody disturbs. */
async function lastPhaseOf(): Promise<number> {
  const other = new Places();
  const stage = other.closing(
    await Stage.open(await other.many('sqlite', credentials, oldKey), oldKey, newKey),
  );
  try {
    await stage.finish();
    for await (const chunk of stage.chunks.ranges())
      if (chunk.target === 'deployment_key') return chunk.chunk;
    throw new Error('no chunk');
  } finally {
    await other.leave();
  }
}

describe('a run fails because of', () => {
  const accepted = (rows: number) => ({ rows, operator: 'anna', reason: 'test data, removed on purpose' });

  test('deleted rows, until an operator accepts exactly this number', async () => {
    const stage = await staged();
    const ended = await struck(stage, [
      `delete from credentials_entity where id in ('${manyId(9)}', '${manyId(11)}')`,
    ]);
    expect(ended.error).toMatchObject({ code: 'rows-deleted', exitCode: 3 });
    expect(String(ended.error)).toContain('2 of credentials_entity');
    expect(ended.run.state).toBe('failed');
    expect((await stage.resumeWith({ acceptDeleted: accepted(1) })).error).toMatchObject({
      code: 'rows-deleted',
    });
    const resumed = await stage.resumeWith({ acceptDeleted: accepted(2) });
    expect(resumed).toMatchObject({ error: undefined, run: { state: 'verified' } });
    expect(resumed.totals.get('credentials_entity')?.ranges).toMatchObject({
      tally: { rows: credentials },
      verification: { rows: credentials - 2, proven: credentials - 2, gone: 2 },
    });
  });

  test('rows written under the new key, until an operator accepts them', async () => {
    const stage = await staged();
    const late = `insert into credentials_entity (id, name, data, type) values ('!new', 'new', ${resealed(manyPlain(1))}, 'x')`;
    const ended = await struck(stage, [late]);
    expect(ended.error).toMatchObject({ code: 'verification-failed', exitCode: 5 });
    expect(String(ended.error)).toContain('credentials_entity !new');
    expect((await stage.finish()).error).toMatchObject({ code: 'verification-failed' });
    const resumed = await stage.resumeWith({ acceptUnproven: accepted(1) });
    expect(resumed).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
  });

  test('changed rows, until an operator accepts them', async () => {
    const stage = await staged();
    const sql = `update credentials_entity set data = ${resealed('{"user":"someone else"}')} where id = '${manyId(7)}'`;
    expectDiffers(await struck(stage, [sql]), 'credentials_entity', [manyId(7)]);
    const resumed = await stage.resumeWith({ acceptChanged: accepted(1) });
    expect(resumed).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
  });

  test('changed rows, and a value in them that does not decrypt stays an exception when they are accepted', async () => {
    const stage = await staged();
    const sql = `update credentials_entity set data = ${sqlText(sealOnlyFor(manyPlain(7), 'a third key', [oldKey, newKey]))} where id = '${manyId(7)}'`;
    await struck(stage, [sql]);
    const resumed = await stage.resumeWith({ acceptChanged: accepted(1) });
    expect(resumed.run.state).toBe('verified-with-exceptions');
    expect(resumed.exceptions).toMatchObject([
      { rowId: [manyId(7)], field: 'data', reason: 'digest-differs' },
    ]);
  });
});

test('a row added to a range that was already verified is missed by the scan and found by the count', async () => {
  const stage = await staged();
  const late = `insert into credentials_entity (id, name, data, type) values ('!late', 'late', ${sqlText(sealLegacy(manyPlain(1), oldKey))}, 'x')`;
  const ended = await stage.finish({ meddling: [{ step: 'verify', chunk: 5, times: [[late]] }] });
  expect(ended.error).toMatchObject({ code: 'late-rows', exitCode: 3 });
  expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
  const also = new Map([['!late', manyPlain(1)]]);
  expect(await expectMany(stage.place, newKey, { credentials }, also)).toEqual([]);
});

describe('executions', () => {
  async function withData(
    edit: (data: string) => string,
  ): Promise<{ stage: Stage; truth: ReturnType<typeof truthOf> }> {
    const place = await places.fixture('mixed-sqlite');
    const truth = await withExecutions(place, truthOf('mixed-sqlite'), { count: 3 });
    await withStore(place, async (store) => {
      const rows = await store.rows('select "executionId" as id, data from execution_data');
      for (const { id, data } of rows)
        await store.run('update execution_data set data = ? where "executionId" = ?', [
          edit(String(data)),
          Number(id),
        ]);
    });
    return { stage: places.closing(await Stage.open(place, truth.instanceKey, newKey)), truth };
  }

  test('with empty strings anywhere are verified', async () => {
    const { stage, truth } = await withData((data) =>
      data.replace('-0', '"", {"":""}, [""], -0').replace('[12]', '[15]'),
    );
    expect(await stage.finish()).toMatchObject({
      error: undefined,
      run: { state: 'verified' },
      exceptions: [],
    });
    const differences = await expectEverySecret(stage.place, newKey, truth);
    expect(differences.filter((line) => !line.includes('#[12]'))).toEqual([]);
  });

  test.each(['""', '[]', '{}', 'null', '"U2FsdGVkX1"', '[""]', ' "" '])(
    'with %s as their whole data are verified',
    async (data) => {
      const place = await places.many('sqlite', 3, oldKey);
      await withStore(place, (store) =>
        store.run('insert into execution_data ("executionId", "workflowData", data) values (?, ?, ?)', [
          1,
          '{}',
          data,
        ]),
      );
      const stage = places.closing(await Stage.open(place, oldKey, newKey));
      expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
    },
  );

  test('with a secret that was damaged after the rotation are named, although look-alikes are allowed there', async () => {
    const { stage } = await withData((data) => data);
    const ended = await struck(stage, [
      `update execution_data set data = replace(data, 'U2FsdGVkX1', 'U2FsdGVkX2') where "executionId" = 1002`,
    ]);
    expectDiffers(ended, 'execution_data', ['1002']);
  });
});

test('the verifier has its own reading path, and finds a leaf that the rotation missed', async () => {
  const stage = await staged();
  const run = await stage.plan();
  const target = run.job.targets.find(({ shape }) => shape.table === 'settings');
  if (target === undefined) throw new Error('no target');
  const [row] = await stage.database.readRange(target.shape, { after: null, upTo: null }, 1);
  if (row === undefined) throw new Error('no row');
  const from = new Keyring(Key.fromText(oldKey));
  const to = new Keyring(Key.fromText(newKey));
  const honest = prepareTarget(target, undefined);
  const blind = {
    ...honest,
    fields: honest.fields.map((field) => ({
      ...field,
      document: { ...json(['.bindingAdminPassword']), leaves: () => [] },
    })),
  };
  const key = Buffer.alloc(32, 1);
  const missed = rotateRows(blind, [row], { from, to, mode: 'chunk' }, key);
  expect(missed.rows[0]?.change).toBeNull();
  const [verified] = verifyRows(honest, [row], to, key);
  expect(verified?.dependsOn(from)).toBe(true);
  expect(verified?.closed).toHaveLength(1);
  const recorded = missed.digests(() => true).toString('latin1', 8, 16);
  expect(verified?.digest).not.toBe(recorded);
  const seen = rotateRows(honest, [row], { from, to, mode: 'chunk' }, key);
  const [after] = verifyRows(honest, [{ id: row.id, values: seen.rows[0]?.change?.new ?? [] }], to, key);
  expect(after?.digest).toBe(seen.digests(() => true).toString('latin1', 8, 16));
});

test('a database without any encrypted value is refused', async () => {
  const place = await places.many('sqlite', 0, oldKey);
  await withStore(place, async (store) => {
    await store.run('delete from deployment_key');
    await store.run('delete from settings');
  });
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  await expect(stage.plan()).rejects.toMatchObject({ code: 'no-values', exitCode: 2 });
  await expect(tablesOf(place)).resolves.not.toContain('keyturn_run');
});

test('a run that finds no value at its end is not verified', async () => {
  const stage = await staged();
  const ended = await struck(
    stage,
    ['credentials_entity', '"user"', 'settings', 'deployment_key'].map((table) => `delete from ${table}`),
  );
  expect(ended.error).toMatchObject({ code: 'verification-failed', message: 'no encrypted value was found' });
  expect(ended.run.state).toBe('failed');
});

async function tablesOf(place: Place): Promise<string[]> {
  return withStore(place, async (store) =>
    (await store.rows("select name from sqlite_master where type = 'table'")).map(({ name }) => String(name)),
  );
}

describe('a chunk that was split because it took too long', () => {
  async function split(): Promise<Stage> {
    const stage = await staged();
    const run = await stage.plan();
    const [target] = run.job.targets;
    if (target === undefined) throw new Error('no target');
    const planner = new Planner(new RowSource(stage.database, null), stage.chunks, stage.figures, 10);
    while (await planner.planNext(target));
    const rotating = await stage.runs.become(run, 'rotating');
    await stage.chunks.fail(rotating, 2, chunkTimeout, 'too long');
    // As the coordinator of a session finds it, which plans nothing anew
    await stage.database.knex('keyturn_run').update({ state: 'planned' });
    const ended = await stage.finish();
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
    expect((await stage.chunks.find(2))?.state).toBe('split');
    return stage;
  }

  async function verified(stage: Stage): Promise<LocalRun> {
    const run = await stage.run();
    return verifyDatabase(stage.site(), { ...run, key: stage.keys.next, reference: run });
  }

  test('is replaced by its halves: every row is rotated once and proven', async () => {
    const stage = await split();
    const totals = await stage.figures.totals();
    expect(totals.get('credentials_entity')?.ranges).toMatchObject({
      tally: { rows: credentials, rotated: credentials },
      verification: { rows: credentials, proven: credentials, gone: 0 },
    });
    expect(await expectMany(stage.place, newKey, { credentials })).toEqual([]);
  });

  test('is read once by a later verification', async () => {
    const stage = await split();
    const { run, problem, checkpoint } = await verified(stage);
    expect({ problem, state: run.state }).toEqual({ problem: null, state: 'verified' });
    expect(await new ExceptionTable(checkpoint.database.knex, run.id).countOpen()).toBe(0);
    await checkpoint.remove();
  });
});

test('a later verification distinguishes a value that changed from one that does not decrypt', async () => {
  const stage = await staged();
  expect((await stage.finish()).error).toBeUndefined();
  await withStore(stage.place, async (store) => {
    await store.run('update credentials_entity set data = ? where id = ?', [
      sealLegacy('{"new":1}', newKey),
      manyId(2),
    ]);
    await store.run('update credentials_entity set data = ? where id = ?', [
      sealOnlyFor('{"old":1}', oldKey, [newKey]),
      manyId(3),
    ]);
  });
  const run = await stage.run();
  const local = await verifyDatabase(stage.site(), { ...run, key: stage.keys.next, reference: run });
  expect(local).toMatchObject({ problem: null, run: { state: 'verified-with-exceptions' } });
  expect(await new ExceptionTable(local.checkpoint.database.knex, local.run.id).open(10)).toMatchObject([
    { rowId: [manyId(3)], reason: 'does-not-open' },
  ]);
  await local.checkpoint.remove();
  await withStore(stage.place, async (store) => {
    const rows = await store.rows('select data from credentials_entity where id = ?', [manyId(2)]);
    expect(openLegacy(String(rows[0]?.data), newKey).toString()).toBe('{"new":1}');
  });
});
