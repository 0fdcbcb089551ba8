import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Ended, keyturn, rotation } from '../support/cli.ts';
import { postgresFixture, sqliteFixture } from '../support/n8n/fixture.ts';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { collectSecrets, leaksIn } from '../support/n8n/secrets.ts';
import { otherInstanceKey } from '../support/n8n/shapes.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { expectEverySecret, stillUnder, type Truth, truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-kill-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** How a process is ended, one after the other; when none is left it runs to its end. */
type Kill = { readonly killAt: string };

/** Everything that may be logged is. */
const log = ['--log-file', 'keyturn.log', '--log-level', 'debug'];

const inFlight = ['find', 'read', 'open', 'claim', 'write', 'complete', 'commit', 'acknowledge'] as const;

/** Rotates with a process that is killed again and again, and resumed; returns everything that was printed. */
async function rotateKilled(place: Place, truth: Truth, kills: readonly Kill[]): Promise<Ended[]> {
  const { keys, all } = rotation(dir, place, truth.instanceKey);
  // One worker: with two, a chunk that another overtook would not be there to be killed in
  const pace = ['--workers', '1', '--chunk-rows', '10', ...log];
  const ended: Ended[] = [];
  for (const kill of [...kills, {}]) {
    const started = await runsIn(place);
    const args = started === 0 ? ['rotate', ...all, ...pace] : ['resume', ...keys, '--workers', '1', ...log];
    ended.push(await keyturn(args, { cwd: dir, ...kill }));
  }
  return ended;
}

async function runsIn(place: Place): Promise<number> {
  return withStore(place, async (store) => {
    const found = await store.rows(
      store.engine === 'sqlite'
        ? "select name from sqlite_master where name = 'keyturn_run'"
        : "select to_regclass('keyturn_run')::text as name",
    );
    if (found[0]?.name === undefined || found[0].name === null) return 0;
    return Number((await store.rows('select count(*) as n from keyturn_run'))[0]?.n);
  });
}

async function isVerified(place: Place): Promise<boolean> {
  if ((await runsIn(place)) === 0) return false;
  const [run] = await withStore(place, (store) => store.rows('select state from keyturn_run'));
  return run?.state === 'verified';
}

async function expectWhole(place: Place, truth: Truth, ended: readonly Ended[]): Promise<void> {
  const last = ended.at(-1);
  expect({ code: last?.code, stderr: last?.stderr }).toMatchObject({ code: 0 });
  const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
  expect(await expectEverySecret(place, newKey, truth)).toEqual([]);
  expect(await stillUnder(place, truth.instanceKey, truth)).toEqual([]);
  await expectEachChunkOnce(place);
  expect(await leaks(place, collectSecrets(truth, [newKey]), ended)).toEqual([]);
}

/** Known secrets and keys in anything that was printed, logged, reported or kept in the checkpoint. */
async function leaks(place: Place, secrets: readonly string[], ended: readonly Ended[]): Promise<string[]> {
  const texts = ended.map(({ stdout, stderr }) => stdout + stderr);
  const reports = join(dir, 'keyturn-reports');
  for (const file of readdirSync(reports, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) texts.push(readFileSync(join(file.parentPath, file.name), 'utf8'));
  }
  texts.push(readFileSync(join(dir, 'keyturn.log'), 'utf8'));
  await withStore(place, async (store) => {
    for (const table of ['run', 'chunk', 'exception', 'event']) {
      for (const row of await store.rows(`select * from keyturn_${table}`))
        texts.push(Object.values(row).join('\n'));
    }
  });
  return texts.flatMap((text) => leaksIn(text, secrets));
}

async function expectEachChunkOnce(place: Place): Promise<void> {
  await withStore(place, async (store) => {
    const [run] = await store.rows('select state from keyturn_run');
    expect(run?.state).toBe('verified');
    // A committed claim counts as an attempt: one that was done twice would have two
    const [chunks] = await store.rows(
      "select count(*) as n, sum(case when attempts = 1 and state = 'verified' then 1 else 0 end) as once, " +
        'sum(row_count) as read, sum(v_rows) as verified, sum(v_proven) as proven from keyturn_chunk',
    );
    expect(Number(chunks?.once)).toBe(Number(chunks?.n));
    expect(Number(chunks?.verified)).toBe(Number(chunks?.read));
    expect(Number(chunks?.proven)).toBe(Number(chunks?.read));
  });
}

describe('a rotation that is killed', () => {
  test.each(inFlight)('before the step %s of three chunks is finished by resume', async (step) => {
    const place = sqliteFixture('legacy-sqlite', dir);
    const truth = truthOf('legacy-sqlite');
    const ended = await rotateKilled(place, truth, [
      { killAt: `${step}:1` },
      { killAt: `${step}:9` },
      { killAt: `${step}:14` },
    ]);
    expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(3);
    await expectWhole(place, truth, ended);
  });

  test.each(['claim', 'write', 'commit', 'acknowledge'])(
    'before the step %s of three chunks on PostgreSQL is finished by resume',
    async (step) => {
      const place = await postgresFixture((await createDatabase()).url);
      const truth = truthOf('legacy-postgres');
      const ended = await rotateKilled(place, truth, [
        { killAt: `${step}:2` },
        { killAt: `${step}:8` },
        { killAt: `${step}:13` },
      ]);
      expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(3);
      await expectWhole(place, truth, ended);
    },
  );

  test.each(['verify', 'confirm'])(
    'while it verifies, before the step %s, is finished by resume',
    async (step) => {
      const place = sqliteFixture('mixed-sqlite', dir);
      const truth = truthOf('mixed-sqlite');
      const ended = await rotateKilled(place, truth, [{ killAt: `${step}:1` }, { killAt: `${step}:12` }]);
      expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(2);
      await expectWhole(place, truth, ended);
    },
  );

  test('at random moments, again and again, is finished by resume', async () => {
    const many = { credentials: 30_000, instanceKey: 'the old key of many credentials' };
    const place = manySqlite(join(dir, 'many.sqlite'), many);
    const { all, keys } = rotation(dir, place, many.instanceKey);
    const pace = ['--workers', '2', '--chunk-rows', '100'];
    const ended: Ended[] = [];
    // The last one may be killed between its verdict and its end
    while (!(await isVerified(place)) && ended.length < 40) {
      const args = (await runsIn(place)) === 0 ? ['rotate', ...all, ...pace] : ['resume', ...keys];
      // Every process gets a little further than the start of a chunk; the last ones are left alone
      const kill = ended.length < 25 ? { killAfter: 350 + Math.random() * 550 } : {};
      ended.push(await keyturn(args, { cwd: dir, ...kill }));
    }
    expect(ended.filter(({ signal }) => signal === 'SIGKILL').length).toBeGreaterThanOrEqual(3);
    const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
    expect(await expectMany(place, newKey, many)).toEqual([]);
    await expectEachChunkOnce(place);
  });
});

describe('a database whose legacy key has its only copy in the cbc row', () => {
  const pace = ['--chunk-rows', '2', '--workers', '1'];
  const instanceKey = 'an instance key of its own';

  /** Chunk numbers of deployment_key, from a run that nobody disturbs: ranges are planned the same every time. */
  async function lastPhase(): Promise<number[]> {
    const undisturbed = join(dir, 'undisturbed');
    mkdirSync(undisturbed);
    const place = sqliteFixture('legacy-sqlite', undisturbed);
    await otherInstanceKey(place, truthOf('legacy-sqlite'), instanceKey);
    const { all } = rotation(undisturbed, place, instanceKey);
    expect(await keyturn(['rotate', ...all, ...pace], { cwd: undisturbed })).toMatchObject({ code: 0 });
    return withStore(place, async (store) => {
      const rows = await store.rows(
        "select chunk from keyturn_chunk where target = 'deployment_key' order by chunk",
      );
      return rows.map(({ chunk }) => Number(chunk));
    });
  }

  test('killed at every point of the last phase is always finished by resume', async () => {
    const chunks = await lastPhase();
    expect(chunks.length).toBeGreaterThanOrEqual(3);
    const place = sqliteFixture('legacy-sqlite', dir);
    const truth = await otherInstanceKey(place, truthOf('legacy-sqlite'), instanceKey);
    const { all, keys } = rotation(dir, place, truth.instanceKey);
    const ended: Ended[] = [];
    for (const chunk of chunks) {
      for (const step of inFlight) {
        const args =
          ended.length === 0
            ? ['rotate', ...all, ...pace, ...log]
            : ['resume', ...keys, '--workers', '1', ...log];
        ended.push(await keyturn(args, { cwd: dir, killAt: `${step}:${chunk}` }));
        expect(ended.at(-1)).toMatchObject({ signal: 'SIGKILL' });
      }
    }
    ended.push(await keyturn(['resume', ...keys], { cwd: dir }));
    await expectWhole(place, truth, ended);
  });
});
