import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chunkTimeout } from '../../src/checkpoint/chunk.ts';
import type { Run } from '../../src/checkpoint/run.ts';
import type { ChunkStep, ChunkStepMessage } from '../../src/chunk/chunk-step.ts';
import { RowSource } from '../../src/chunk/row-source.ts';
import { InFlight } from '../../src/in-flight.ts';
import { Key } from '../../src/keys/key.ts';
import { Coordinator } from '../../src/rotation/coordinator.ts';
import { paceOf } from '../../src/rotation/pace/pace.ts';
import { Planner } from '../../src/rotation/planner.ts';
import type { ChunkWorker } from '../../src/rotation/workers/worker.ts';
import { expectMany } from '../support/n8n/many.ts';
import { withStore } from '../support/n8n/store.ts';
import { type Engine, engines, Places } from './places.ts';
import { type Ended, Stage } from './stage.ts';
import { strike } from './strike.mjs';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 35;

let places: Places;
let listening: (() => void)[];
beforeEach(() => {
  places = new Places();
  listening = [];
});
afterEach(async () => {
  for (const stop of listening) stop();
  await places.leave();
});

/** Calls `act` the first time that a chunk of this thread comes to the step. */
function at(step: ChunkStep, act: () => void): void {
  const stop = (): void => void unsubscribe('keyturn:chunk-step', listener);
  const listener = (message: unknown): void => {
    if ((message as ChunkStepMessage).step !== step) return;
    stop();
    act();
  };
  subscribe('keyturn:chunk-step', listener);
  listening.push(stop);
}

interface Running {
  readonly stage: Stage;
  readonly run: Run;
}

/** A run in state `rotating` whose first chunks are planned; nobody works on it yet. */
async function rotating(engine: Engine): Promise<Running> {
  const place = await places.many(engine, credentials, oldKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  const planned = await stage.plan();
  const run = await stage.runs.become(planned, 'rotating');
  const [target] = run.job.targets;
  if (target === undefined) throw new Error('no target');
  const planner = new Planner(new RowSource(stage.database, null), stage.chunks, stage.figures, 10);
  for (let i = 0; i < 3; i++) await planner.planNext(target);
  return { stage, run };
}

async function workerOf(stage: Stage): Promise<ChunkWorker> {
  return places.closing(await stage.worker());
}

async function sealedIn(stage: Stage): Promise<string> {
  return withStore(stage.place, async (store) =>
    JSON.stringify(await store.rows('select id, data from credentials_entity order by id')),
  );
}

async function expectWhole({ stage }: Running, ended: Ended): Promise<void> {
  expect(ended.error).toBeUndefined();
  expect(ended.run.state).toBe('verified');
  expect(await expectMany(stage.place, newKey, { credentials })).toEqual([]);
  for (const { ranges } of ended.totals.values()) {
    expect(ranges?.verification.proven).toBe(ranges?.tally.rows);
    expect(ranges?.verification.rows).toBe(ranges?.tally.rows);
  }
}

describe.each(engines)('on %s', (engine) => {
  test('a chunk that another process rotated between open and claim is rotated only once', async () => {
    const running = await rotating(engine);
    const { stage } = running;
    const worker = await workerOf(stage);
    at('open', () => stage.takeElsewhere(1));
    await worker.take(1);
    const after = await sealedIn(stage);
    expect(await stage.chunks.find(1)).toMatchObject({ state: 'rotated', attempts: 1, error: null });
    await worker.take(1);
    stage.takeElsewhere(1);
    expect(await sealedIn(stage)).toBe(after);
    expect(await stage.chunks.find(1)).toMatchObject({ state: 'rotated', attempts: 1, error: null });
    await expectWhole(running, await stage.finish());
  });

  test('a worker that opened a chunk under an older fence commits nothing', async () => {
    const running = await rotating(engine);
    const { stage } = running;
    const before = await sealedIn(stage);
    at('open', () => strike(stage.place.url, ['update keyturn_run set fence = fence + 1']));
    await (await workerOf(stage)).take(1);
    expect(await sealedIn(stage)).toBe(before);
    expect(await stage.chunks.find(1)).toMatchObject({ state: 'planned', attempts: 0, error: null });
    await expectWhole(running, await stage.finish());
  });

  test.each(['paused', 'failed', 'cancelled'])(
    'a late worker of a run that is %s commits nothing and damages nothing',
    async (state) => {
      const running = await rotating(engine);
      const { stage } = running;
      const worker = await workerOf(stage);
      const before = await sealedIn(stage);
      at('open', () => strike(stage.place.url, [`update keyturn_run set state = '${state}'`]));
      await worker.take(1);
      await worker.take(2);
      expect(await sealedIn(stage)).toBe(before);
      const untouched = { state: 'planned', attempts: 0, error: null };
      expect(await stage.chunks.find(1)).toMatchObject(untouched);
      expect(await stage.chunks.find(2)).toMatchObject(untouched);
      await expectWhole(running, await stage.finish());
    },
  );

  test('a verifier of a run that was taken over reports nothing and damages nothing', async () => {
    const running = await rotating(engine);
    const { stage } = running;
    await expectWhole(running, await stage.finish());
    strike(stage.place.url, ["update keyturn_run set state = 'verifying', round = 2"]);
    at('confirm', () => strike(stage.place.url, ['update keyturn_run set fence = fence + 1']));
    await (await workerOf(stage)).take(1);
    expect(await stage.chunks.find(1)).toMatchObject({ state: 'verified', verifiedRound: 1, error: null });
    await expectWhole(running, await stage.finish());
  });

  test('a duplicate that fails does not undo what another worker has done', async () => {
    const running = await rotating(engine);
    const { stage } = running;
    const [late, quick] = [await workerOf(stage), await workerOf(stage)];
    await quick.take(1);
    await stage.chunks.fail(await stage.run(), 1, chunkTimeout, 'too long');
    await late.take(1);
    expect(await stage.chunks.find(1)).toMatchObject({ state: 'rotated', attempts: 1, error: null });
    await expectWhole(running, await stage.finish());
  });

  test('a worker of a stopped run that fails marks no chunk as failed', async () => {
    const running = await rotating(engine);
    const { stage, run } = running;
    strike(stage.place.url, ['update keyturn_run set fence = fence + 1']);
    await stage.chunks.fail(run, 1, 'Error', 'it lost its connection');
    expect(await stage.chunks.find(1)).toMatchObject({ state: 'planned', error: null });
    await expectWhole(running, await stage.finish());
  });

  test('a chunk with a verification that times out is not rotated a second time', async () => {
    const running = await rotating(engine);
    const { stage } = running;
    expect((await stage.finish()).run.state).toBe('verified');
    strike(stage.place.url, [
      "update keyturn_run set state = 'verifying', round = 2, finished_at = null",
      `update keyturn_chunk set state = 'failed', error_code = '${chunkTimeout}', error = 'too long' where chunk = 1`,
    ]);
    const queue = { ...emptyQueue, backlog: 1 };
    const coordination = {
      database: stage.database,
      attachments: null,
      checkpoint: stage.database.knex,
      mac: stage.mac,
      queue,
      lock: await stage.locked(),
      signal: new AbortController().signal,
      inFlight: new InFlight(),
      pace: paceOf([]),
      progress: () => {},
      lookAgain: async () => null,
    };
    const run = await stage.run();
    const coordinator = new Coordinator(coordination, { ...run, kind: 'verification' });
    await expect(coordinator.finish()).rejects.toMatchObject({ code: 'chunk-failed' });
    expect(await stage.chunks.numbers({ state: 'planned' }, 10)).toEqual([]);
    expect(await stage.chunks.numbers({ state: 'split' }, 10)).toEqual([]);
    await expectWhole(running, await stage.finish());
  });

  test('a second coordinator cannot start', async () => {
    const { stage } = await rotating(engine);
    const second = places.closing(await Stage.open(stage.place, oldKey, newKey));
    await expect(second.locked()).rejects.toMatchObject({ code: 'run-lock', exitCode: 4 });
  });

  test('a coordinator stops when its run is taken over, and does not change the run', async () => {
    const { stage } = await rotating(engine);
    const ended = await stage.finish({
      meddling: [{ step: 'find', chunk: 2, times: [['update keyturn_run set fence = fence + 1']] }],
    });
    expect(ended.error).toMatchObject({ code: 'run-lock', exitCode: 4 });
    expect(ended.run.state).not.toBe('failed');
  });

  test('a worker with another new key encrypts nothing', async () => {
    const { stage } = await rotating(engine);
    const before = await sealedIn(stage);
    const other = { ...stage.keys, next: Key.fromText('a key of somebody else') };
    await expect(stage.worker(other)).rejects.toMatchObject({ name: 'KeyturnError' });
    const older = { ...stage.keys, current: Key.fromText('an older key') };
    await expect(stage.worker(older)).rejects.toMatchObject({ code: 'other-keys' });
    expect(await sealedIn(stage)).toBe(before);
  });
});

test('a chunk that three workers take at the same time is rotated once', async () => {
  const running = await rotating('postgres');
  const { stage } = running;
  const workers = [await workerOf(stage), await workerOf(stage), await workerOf(stage)];
  await Promise.all(workers.map((worker) => worker.take(1)));
  expect(await stage.chunks.find(1)).toMatchObject({ state: 'rotated', attempts: 1, error: null });
  await expectWhole(running, await stage.finish());
});

const emptyQueue = {
  place: 'nowhere',
  offer: async () => {},
  settled: async () => {
    await sleep(50);
  },
  workers: async () => 1,
  waiting: () => null,
  intact: async () => true,
  drain: async () => {},
  close: async () => {},
};

const losesLock = [
  "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%run lock' and datname = current_database()",
];

test('a lost run lock is taken again, and the run continues', async () => {
  const running = await rotating('postgres');
  const { stage } = running;
  const ended = await stage.finish({ meddling: [{ step: 'find', chunk: 2, times: [losesLock] }] });
  await expectWhole(running, ended);
  const events = (await stage.runs.events(ended.run.id)).map(({ event }) => event);
  expect(events.filter((event) => event === 'resumed')).toHaveLength(2);
});

test('the run continues after all connections to the server were lost', async () => {
  const running = await rotating('postgres');
  const all = [
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
  ];
  const meddling = [{ step: 'commit' as const, chunk: 2, times: [all] }];
  await expectWhole(running, await running.stage.finish({ meddling }));
});

test('a lost run lock stops the coordinator if another one has taken the run over', async () => {
  const running = await rotating('postgres');
  const { stage } = running;
  const takesOver = ['update keyturn_run set fence = fence + 1', ...losesLock];
  const ended = await stage.finish({ meddling: [{ step: 'find', chunk: 2, times: [takesOver] }] });
  expect(ended.error).toMatchObject({ code: 'run-lock', exitCode: 4 });
  expect(ended.run.state).toBe('rotating');
  const next = places.closing(await Stage.open(stage.place, oldKey, newKey));
  await next.adopt(ended.run.id);
  await expectWhole({ ...running, stage: next }, await next.finish());
});

test('a connection that is lost while a chunk is verified costs only one more try', async () => {
  const running = await rotating('postgres');
  const { stage } = running;
  const ended = await stage.finish({
    meddling: [
      {
        step: 'verify',
        chunk: 1,
        times: [
          [
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%keyturn_chunk%' and pid <> pg_backend_pid() and datname = current_database() and application_name not like '%run lock'",
          ],
        ],
      },
    ],
  });
  await expectWhole(running, ended);
});
