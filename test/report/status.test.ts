import { expect, test } from '@jest/globals';
import { ChunkFigures } from '../../src/checkpoint/figures.ts';
import { readStanding } from '../../src/report/standing.ts';
import { statusText } from '../../src/report/status.ts';
import { expectTranscript } from '../support/transcript.ts';
import { damaged, RecordedRun, verifiedRun } from './recorded-run.ts';

const transcript = (name: string): URL => new URL(`transcripts/${name}`, import.meta.url);

async function statusOf(recorded: RecordedRun): Promise<string> {
  try {
    return statusText(await readStanding(recorded.database.knex, recorded.run.id, false));
  } finally {
    await recorded.close();
  }
}

test('the status of a failed run equals its transcript', async () => {
  const recorded = await RecordedRun.start();
  await recorded.become('rotating');
  const first = await recorded.plan('credentials_entity', null, ['500']);
  await recorded.plan('credentials_entity', null, ['900']);
  await recorded.rotate(first, { rows: 500, values: 500, rotated: 499, exceptions: 1 }, [damaged(['42'])]);
  await recorded.become('failed', { code: 'exceptions', text: '1 value could not be decrypted' });
  await recorded.freeze();
  expectTranscript(transcript('status-failed.txt'), await statusOf(recorded));
});

test('a second scan counts its own rows only', async () => {
  const recorded = await verifiedRun();
  await recorded.database.knex('keyturn_run').update({ state: 'verifying', round: 3, finished_at: null });
  await recorded.database
    .knex('keyturn_chunk')
    .where({ target: 'deployment_key' })
    .update({ verified_round: 3 });
  expectTranscript(transcript('status-third-scan.txt'), await statusOf(recorded));
});

test('a finished run is 100% done, even if rows were added or deleted', async () => {
  const text = await statusOf(await verifiedRun());
  expect(text).toMatch(/^all targets +1,205 +1,205 +100% +1,207 +100% +0 +#{10}$/m);
});

test('a run that ends after its lock was checked has no coordinator', async () => {
  const recorded = await verifiedRun();
  expect(await readStanding(recorded.database.knex, recorded.run.id, true)).toMatchObject({
    coordinated: false,
  });
  await recorded.close();
});

test('the status shows the speed of the last minute, and retried, split and failed chunks', async () => {
  const recorded = await RecordedRun.start();
  await recorded.become('rotating');
  const knex = recorded.database.knex;
  const figures = new ChunkFigures(knex, recorded.run.id);
  expect(await figures.rowsPerSecond(null, new Date())).toBeNull();
  const now = new Date('2026-01-05T03:10:00.000Z');
  const times = ['03:08:00', '03:09:40', '03:09:45', '03:09:55'];
  for (const [i, time] of times.entries()) {
    const chunk = await recorded.plan('credentials_entity', null, [String(i)]);
    await recorded.rotate(chunk, { rows: 100, values: 100, rotated: 100 });
    await knex('keyturn_chunk')
      .where({ chunk })
      .update({ rotated_at: `2026-01-05T${time}.000Z`, attempts: i === 1 ? 3 : 1 });
  }
  await knex('keyturn_chunk').where({ chunk: 1 }).update({ state: 'split' });
  await knex('keyturn_chunk').where({ chunk: 4 }).update({ state: 'failed' });
  // The time starts at the first chunk of the last minute: two chunks in 20 s.
  expect(await figures.rowsPerSecond(null, now)).toBe(10);
  expect(await figures.rowsPerSecond(1, now)).toBeNull();
  expect(await figures.mishaps()).toEqual({ retried: 1, split: 1, failed: 1 });
  const standing = await readStanding(knex, recorded.run.id, true, now);
  expect(standing).toMatchObject({ stage: 'rotated', rowsPerSecond: 10, chunks: { retried: 1, split: 1 } });
  const text = statusText(standing);
  expect(text).toMatch(/^Coordinator +running$/m);
  expect(text).toMatch(/^Speed +10 rows\/s, 1 min \d\d s until everything is rotated$/m);
  expect(text).toMatch(/^Chunks +2 done, 0 open, 1 retried, 1 split, 1 failed$/m);
  await recorded.close();
});
