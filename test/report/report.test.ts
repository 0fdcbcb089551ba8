import { afterEach, describe, expect, test } from '@jest/globals';
import type { Run } from '../../src/checkpoint/run.ts';
import { formatProof } from '../../src/report/proof.ts';
import { buildReport, type Report } from '../../src/report/report.ts';
import { reportText } from '../../src/report/text.ts';
import { createDatabase } from '../support/postgres.ts';
import { expectTranscript } from '../support/transcript.ts';
import {
  credentials,
  damaged,
  digestSecret,
  keys,
  pinnedSecret,
  RecordedRun,
  runWithExceptions,
  verifiedRun,
} from './recorded-run.ts';

const transcript = (name: string): URL => new URL(`transcripts/${name}`, import.meta.url);

let recorded: RecordedRun;

afterEach(() => recorded.close());

function report(): Promise<Report> {
  return buildReport(recorded.database.knex, recorded.run.id, true);
}

describe('a verified run', () => {
  test('reconciles, with separate numbers for ranges and sweeps', async () => {
    recorded = await verifiedRun();
    const { targets, totals, verdict, proof } = await report();
    expect(verdict.result).toBe('verified');
    expect(targets.map(({ target, phase, rowsAtStart }) => [target, phase, rowsAtStart])).toEqual([
      ['credentials_entity', 'values', 1200],
      ['deployment_key', 'keys', 5],
    ]);
    expect(totals.ranges).toMatchObject({ chunks: 2, open: 0, failed: 0, ms: 500 });
    expect(totals.ranges.tally).toMatchObject({
      rows: 1205,
      values: 1204,
      rotated: 1193,
      current: 1,
      empty: 10,
    });
    expect(totals.sweeps.tally).toMatchObject({ rows: 2, rotated: 2 });
    expect(totals.verification).toMatchObject({
      rows: 1207,
      values: 1206,
      proven: 1206,
      new: 1,
      gone: 1,
      complete: true,
    });
    expect(totals.reconciliation).toEqual({
      valuesAddUp: true,
      unbalancedChunks: 0,
      rowsEqualVerified: false,
      rowsAccountedFor: true,
    });
    expect(targets[1]?.reconciliation.rowsEqualVerified).toBe(true);
    expect(proof).toMatchObject({ scans: 2, sweeps: 1 });
  });

  test('shows how many values the old key would seem to decrypt', async () => {
    recorded = await verifiedRun();
    const { proof } = await report();
    expect(proof.formats).toMatchObject([
      { format: 'n8n', authenticated: false, values: 1202, odds: 6.54e-7, expectedFalseOpenings: 0.000786 },
      { format: 'n8n-wrapped', authenticated: false, values: 4, expectedFalseOpenings: 0.00000262 },
    ]);
    expect(proof.exempt).toEqual([
      { target: 'deployment_key', field: 'value', rows: 'type = data_encryption, algorithm = aes-256-cbc' },
    ]);
  });

  test('expects 1 value in 255 to pass by chance if padding is the only check', async () => {
    recorded = await verifiedRun();
    const octopus = formatProof(
      recorded.run,
      { format: 'octopus', authenticated: false, odds: 1 / 255 },
      1202,
    );
    expect(octopus.expectedFalseOpenings).toBe(4.71);
    expect(octopus.meaning).toContain(
      'would seem to decrypt about 4.7 of up to 1,202 values here (1,202 / 255)',
    );
  });

  test('is exact for an authenticated format', async () => {
    recorded = await RecordedRun.start();
    const rotation: Run = recorded.run;
    const fernet = { format: 'fernet', authenticated: true, odds: 2 ** -256 };
    expect(formatProof(rotation, fernet, 1000)).toMatchObject({ expectedFalseOpenings: null });
    expect(formatProof(rotation, fernet, 1000).meaning).toContain('the old key decrypts none');
    expect(formatProof({ ...rotation, kind: 'verification' }, fernet, 9).meaning).not.toContain('old');
  });

  test('has pauses, authority, keys and inventory', async () => {
    recorded = await verifiedRun();
    const { times, authority, keys: states, inventory, history } = await report();
    expect(times).toEqual({
      created: '2026-01-05T03:04:05.000Z',
      finished: `2026-01-05T03:${4 + history.length}:05.000Z`,
      pauses: [{ from: '2026-01-05T03:07:05.000Z', to: '2026-01-05T03:08:05.000Z', why: 'stopped' }],
    });
    expect(authority).toEqual({ operator: 'ada', approver: null, ticket: 'OPS-17', reason: 'scheduled' });
    expect(states).toEqual({
      from: { id: '0011223344556677', before: 'active', after: 'deactivated' },
      to: { id: '8899aabbccddeeff', before: 'pre-active', after: 'active' },
      only: null,
      sources: ['legacy'],
    });
    expect(inventory.absent).toEqual(['promotion_provider']);
    expect(inventory.undeclared[0]?.excluded).toContain('deleted every night');
    expect(inventory.declared.map(({ document }) => document)).toEqual(['text', 'text', 'json']);
    expect(inventory.declared[1]?.rows).toBe('type = data_encryption, algorithm = aes-256-cbc');
  });

  test('equals its transcript, also when it is built again', async () => {
    recorded = await verifiedRun();
    const text = reportText(await report());
    expectTranscript(transcript('verified.txt'), text);
    expect(reportText(await report())).toBe(text);
  });

  test('is the same on PostgreSQL', async () => {
    recorded = await verifiedRun();
    const expected = await report();
    const database = await createDatabase();
    const onPostgres = await verifiedRun(database.url);
    try {
      expect(await buildReport(onPostgres.database.knex, onPostgres.run.id, true)).toEqual(expected);
    } finally {
      await onPostgres.close();
      await database.close();
    }
  });

  test('is plain data', async () => {
    recorded = await verifiedRun();
    const built = await report();
    expect(JSON.parse(JSON.stringify(built))).toEqual(built);
    expect(built.format).toBe('keyturn-report/1');
  });

  test('contains no pinned key and no digest', async () => {
    recorded = await verifiedRun();
    const stored = JSON.stringify(await recorded.database.knex('keyturn_run'));
    expect(stored).toContain(pinnedSecret);
    const built = await report();
    for (const output of [JSON.stringify(built), reportText(built)]) {
      for (const encoding of ['latin1', 'hex', 'base64'] as const) {
        expect(output).not.toContain(digestSecret.toString(encoding));
      }
      expect(output).not.toContain(JSON.stringify([...digestSecret]));
      expect(output).not.toContain(pinnedSecret);
    }
  });
});

describe('the report does not reconcile with', () => {
  test('a chunk whose tally does not add up, though the sum does', async () => {
    recorded = await RecordedRun.start();
    await recorded.become('rotating');
    const first = await recorded.plan('credentials_entity', null, ['600']);
    await recorded.rotate(first, { rows: 600, values: 600, rotated: 599 });
    const second = await recorded.plan('credentials_entity');
    await recorded.rotate(second, { rows: 600, values: 600, rotated: 601 });
    const wrapped = await recorded.plan('deployment_key');
    await recorded.rotate(wrapped, keys);
    await recorded.become('rotated');
    await recorded.scan();
    await recorded.verify(first, { rows: 600, values: 600, proven: 600 });
    await recorded.verify(second, { rows: 600, values: 600, proven: 600 });
    await recorded.verify(wrapped, { rows: 5, values: 4, proven: 5 });
    await recorded.become('verified');
    await recorded.freeze();
    const built = await report();
    expect(built.verdict.result).toBe('does-not-reconcile');
    expect(built.targets[0]?.reconciliation).toMatchObject({ valuesAddUp: false, unbalancedChunks: 2 });
    expect(built.targets[1]?.reconciliation.valuesAddUp).toBe(true);
    expectTranscript(transcript('does-not-reconcile.txt'), reportText(built));
  });

  test.each([
    ['a row that was rotated and never read again', { rows: 1199, values: 1199, proven: 1199 }],
    ['a row that was added unnoticed', { rows: 1201, values: 1201, proven: 1201 }],
    ['a row that is in no category', { rows: 1200, values: 1200, proven: 1199 }],
  ])('%s', async (_what, found) => {
    recorded = await RecordedRun.start();
    await recorded.become('rotating');
    const values = await recorded.plan('credentials_entity');
    await recorded.rotate(values, credentials);
    const wrapped = await recorded.plan('deployment_key');
    await recorded.rotate(wrapped, keys);
    await recorded.become('rotated');
    await recorded.scan();
    await recorded.verify(values, found);
    await recorded.verify(wrapped, { rows: 5, values: 4, proven: 5 });
    await recorded.become('verified');
    const built = await report();
    expect(built.targets[0]?.reconciliation.rowsAccountedFor).toBe(false);
    expect(built.verdict.result).toBe('does-not-reconcile');
  });

  test('a run that is verified before its scan is complete', async () => {
    recorded = await RecordedRun.start();
    await recorded.become('verifying');
    await recorded.become('verified');
    expect((await report()).verdict.result).toBe('does-not-reconcile');
  });
});

describe('exceptions', () => {
  test('are listed with place and reason', async () => {
    recorded = await runWithExceptions([
      damaged(['17']),
      damaged(['a\u001b[2Jb', 'second'], '.oauth.tokens[3]'),
      { ...damaged(['4']), reason: 'undecided' },
    ]);
    const built = await report();
    expect(built.verdict.result).toBe('verified-with-exceptions');
    expect(built.exceptions.count).toBe(3);
    expect(built.exceptions.listed[0]).toEqual({
      table: 'credentials_entity',
      rowId: ['17'],
      field: 'data',
      path: '',
      reason: 'does-not-open',
      at: '2026-01-05T03:05:05.000Z',
    });
    const text = reportText(built);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence in a row id must not reach a terminal
    expect(text).not.toMatch(/\u001b/);
    expectTranscript(transcript('exceptions.txt'), text);
  });

  test('beyond the first thousand are counted', async () => {
    recorded = await runWithExceptions(Array.from({ length: 1003 }, (_, i) => damaged([String(i)])));
    const built = await report();
    expect(built.exceptions.count).toBe(1003);
    expect(built.exceptions.listed).toHaveLength(1000);
    expect(built.targets.map(({ exceptions }) => exceptions)).toEqual([1003, 0]);
    expect(reportText(built)).toContain('… and 3 more: keyturn exceptions list shows all of them.');
  });
});

describe('the report of', () => {
  test('a dry run', async () => {
    recorded = await RecordedRun.start({ kind: 'dry-run', pinned: {} });
    await recorded.become('rotating');
    await recorded.rotate(await recorded.plan('credentials_entity'), credentials);
    await recorded.rotate(await recorded.plan('deployment_key'), keys);
    await recorded.become('rotated');
    await recorded.freeze();
    const built = await report();
    expect(built.verdict.result).toBe('rehearsed');
    expect(built.survival).toEqual([]);
    expect(built.keys.to.after).toBe('pre-active');
    expectTranscript(transcript('dry-run.txt'), reportText(built));
  });

  test('a verification of any database', async () => {
    recorded = await RecordedRun.start({ kind: 'verification', fromKeyId: '8899aabbccddeeff', pinned: {} });
    await recorded.scan();
    await recorded.verify(await recorded.plan('credentials_entity'), { rows: 1200, values: 1200, new: 1200 });
    await recorded.verify(await recorded.plan('deployment_key'), { rows: 5, values: 4, new: 5 });
    await recorded.become('verified');
    await recorded.freeze();
    const built = await report();
    expect(built.totals.reconciliation).toMatchObject({ rowsEqualVerified: true, rowsAccountedFor: true });
    expectTranscript(transcript('verification.txt'), reportText(built));
  });

  test('a failed verification starts with the reason', async () => {
    recorded = await RecordedRun.start();
    await recorded.become('rotating');
    await recorded.become('rotated');
    await recorded.scan();
    await recorded.become('failed', {
      code: 'verification-failed',
      text: '2 rows differ from before the rotation',
    });
    const built = await report();
    expect(built.verdict).toEqual({
      result: 'verification-failed',
      text: 'VERIFICATION FAILED: 2 rows differ from before the rotation',
    });
    expect(built.times.pauses).toMatchObject([{ to: null, why: 'verification-failed' }]);
  });

  test('a run that was resumed after its process died has a pause of unknown start', async () => {
    recorded = await RecordedRun.start();
    await recorded.become('rotating');
    await recorded.runs.record(recorded.run.id, 'resumed', { state: 'rotating' });
    const { times, verdict } = await report();
    expect(times.pauses).toMatchObject([{ from: null, why: 'died' }]);
    expect(verdict).toEqual({ result: 'unfinished', text: 'NOT FINISHED: rotating' });
  });

  test('an unknown run is refused', async () => {
    recorded = await RecordedRun.start();
    await expect(buildReport(recorded.database.knex, 'nowhere')).rejects.toMatchObject({
      code: 'run-unknown',
    });
  });
});
