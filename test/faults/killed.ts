import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type Ended, keyturn, rotation } from '../support/cli.ts';
import { sqliteFixture } from '../support/n8n/fixture.ts';
import { collectSecrets, leaksIn } from '../support/n8n/secrets.ts';
import { otherInstanceKey } from '../support/n8n/shapes.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { expectEverySecret, stillUnder, type Truth, truthOf } from '../support/n8n/truth.ts';

/** Logs everything that can be logged, so that a secret in a log is found. */
const log = ['--log-file', 'keyturn.log', '--log-level', 'debug'];

/** The steps of one chunk. */
export const inFlight = [
  'find',
  'read',
  'open',
  'claim',
  'write',
  'complete',
  'commit',
  'acknowledge',
] as const;

/** Rotates in one process for each kill and a last one that runs to its end. Returns what they printed. */
async function rotateKilled(
  dir: string,
  place: Place,
  truth: Truth,
  kills: readonly string[],
): Promise<Ended[]> {
  const { keys, all } = rotation(dir, place, truth.instanceKey);
  // With two workers the other one could rotate the chunk before its worker is killed
  const pace = ['--workers', '1', '--chunk-rows', '10', ...log];
  const ended: Ended[] = [];
  for (const killAt of [...kills, undefined]) {
    const started = await runsIn(place);
    const args = started === 0 ? ['rotate', ...all, ...pace] : ['resume', ...keys, '--workers', '1', ...log];
    ended.push(await keyturn(args, { cwd: dir, ...(killAt !== undefined && { killAt }) }));
  }
  return ended;
}

/** Kills the rotation at `<step>:<chunk>` for each of these; a last process finishes it. */
export async function expectFinished(
  dir: string,
  place: Place,
  truth: Truth,
  kills: readonly string[],
): Promise<void> {
  const ended = await rotateKilled(dir, place, truth, kills);
  expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(kills.length);
  await expectWhole(dir, place, truth, ended);
}

export async function runsIn(place: Place): Promise<number> {
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

export async function isVerified(place: Place): Promise<boolean> {
  if ((await runsIn(place)) === 0) return false;
  const [run] = await withStore(place, (store) => store.rows('select state from keyturn_run'));
  return run?.state === 'verified';
}

async function expectWhole(dir: string, place: Place, truth: Truth, ended: readonly Ended[]): Promise<void> {
  const last = ended.at(-1);
  expect({ code: last?.code, stderr: last?.stderr }).toMatchObject({ code: 0 });
  const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
  expect(await expectEverySecret(place, newKey, truth)).toEqual([]);
  expect(await stillUnder(place, truth.instanceKey, truth)).toEqual([]);
  await expectEachChunkOnce(place);
  expect(await leaks(dir, place, collectSecrets(truth, [newKey]), ended)).toEqual([]);
}

/** Secrets and keys in what was printed, logged, reported or stored in the checkpoint tables. */
async function leaks(
  dir: string,
  place: Place,
  secrets: readonly string[],
  ended: readonly Ended[],
): Promise<string[]> {
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

export async function expectEachChunkOnce(place: Place): Promise<void> {
  await withStore(place, async (store) => {
    const [run] = await store.rows('select state from keyturn_run');
    expect(run?.state).toBe('verified');
    // Each committed claim counts as an attempt: a chunk that was rotated twice has two
    const [chunks] = await store.rows(
      "select count(*) as n, sum(case when attempts = 1 and state = 'verified' then 1 else 0 end) as once, " +
        'sum(row_count) as read, sum(v_rows) as verified, sum(v_proven) as proven from keyturn_chunk',
    );
    expect(Number(chunks?.once)).toBe(Number(chunks?.n));
    expect(Number(chunks?.verified)).toBe(Number(chunks?.read));
    expect(Number(chunks?.proven)).toBe(Number(chunks?.read));
  });
}

const lastPhasePace = ['--chunk-rows', '2', '--workers', '1'];
const instanceKey = 'an instance key of its own';

/** Chunk numbers of deployment_key, from an undisturbed run: the plan is the same every time. */
async function lastPhaseChunks(dir: string): Promise<number[]> {
  const undisturbed = join(dir, 'undisturbed');
  mkdirSync(undisturbed);
  const place = sqliteFixture('legacy-sqlite', undisturbed);
  await otherInstanceKey(place, truthOf('legacy-sqlite'), instanceKey);
  const { all } = rotation(undisturbed, place, instanceKey);
  expect(await keyturn(['rotate', ...all, ...lastPhasePace], { cwd: undisturbed })).toMatchObject({
    code: 0,
  });
  return withStore(place, async (store) => {
    const rows = await store.rows(
      "select chunk from keyturn_chunk where target = 'deployment_key' order by chunk",
    );
    return rows.map(({ chunk }) => Number(chunk));
  });
}

/**
 * Rotates a database that has the only copy of its legacy key in deployment_key. A process is killed at every step of
 * each chosen chunk of that table, which is the last phase.
 */
export async function expectLastPhaseSurvives(
  dir: string,
  choose: (chunks: readonly number[]) => readonly number[],
): Promise<void> {
  const chunks = await lastPhaseChunks(dir);
  expect(chunks.length).toBeGreaterThanOrEqual(3);
  const place = sqliteFixture('legacy-sqlite', dir);
  const truth = await otherInstanceKey(place, truthOf('legacy-sqlite'), instanceKey);
  const { all, keys } = rotation(dir, place, truth.instanceKey);
  const ended: Ended[] = [];
  for (const chunk of choose(chunks)) {
    for (const step of inFlight) {
      const args =
        ended.length === 0
          ? ['rotate', ...all, ...lastPhasePace, ...log]
          : ['resume', ...keys, '--workers', '1', ...log];
      ended.push(await keyturn(args, { cwd: dir, killAt: `${step}:${chunk}` }));
      expect(ended.at(-1)).toMatchObject({ signal: 'SIGKILL' });
    }
  }
  ended.push(await keyturn(['resume', ...keys], { cwd: dir }));
  await expectWhole(dir, place, truth, ended);
}
