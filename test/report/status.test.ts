import { expect, test } from '@jest/globals';
import { buildReport } from '../../src/report/report.ts';
import { statusText } from '../../src/report/status.ts';
import { damaged, RecordedRun, verifiedRun } from './recorded-run.ts';
import { expectTranscript } from './transcript.ts';

async function statusOf(recorded: RecordedRun): Promise<string> {
  try {
    return statusText(await buildReport(recorded.database.knex, recorded.run.id));
  } finally {
    await recorded.close();
  }
}

test('a run in the middle', async () => {
  const recorded = await RecordedRun.start();
  await recorded.become('rotating');
  const first = await recorded.plan('credentials_entity', null, ['500']);
  await recorded.plan('credentials_entity', null, ['900']);
  await recorded.rotate(first, { rows: 500, values: 500, rotated: 499, exceptions: 1 }, [damaged(['42'])]);
  await recorded.become('failed', { code: 'exceptions', text: '1 value could not be opened' });
  await recorded.freeze();
  await expectTranscript('status-failed.txt', await statusOf(recorded));
});

test('a second scan counts its own rows only', async () => {
  const recorded = await verifiedRun();
  await recorded.database.knex('keyturn_run').update({ state: 'verifying', round: 3, finished_at: null });
  await recorded.database
    .knex('keyturn_chunk')
    .where({ target: 'deployment_key' })
    .update({ verified_round: 3 });
  await expectTranscript('status-third-scan.txt', await statusOf(recorded));
});

test('a finished run is done to the last row, whatever came or went', async () => {
  const text = await statusOf(await verifiedRun());
  expect(text).toMatch(/^all targets +1,205 +1,205 +100% +1,207 +100% +0$/m);
});
