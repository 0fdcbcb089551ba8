import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { RowSource } from '../../src/chunk/row-source.ts';
import { Planner } from '../../src/rotation/planner.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

import { Stage } from './stage.ts';

/**
 * Guards the speed without a clock: how much a worker asks of the server. Whoever has a reason to raise a number raises it here
 * and measures (`npm run bench`).
 */

const oldKey = 'the key before it';
const newKey = 'the key after it';
const job = `job: own
title: Own
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: account, column: token, format: n8n }]
phases:
  - name: values
    targets: [{ table: account, fields: [{ column: token, format: n8n, plaintext: utf8 }] }]
`;

let folder: string;
let world: TestDatabase;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-work-'));
  writeFileSync(join(folder, 'job.yaml'), job);
  world = await createDatabase();
});
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true });
});

interface Work {
  statements: number;
  sent: number;
  received: number;
}

/** What goes through the driver while `act` runs. */
async function workOf(act: () => Promise<unknown>): Promise<Work> {
  const work: Work = { statements: 0, sent: 0, received: 0 };
  const sockets = new Map<Socket, { read: number; written: number }>();
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]) {
    work.statements++;
    const { stream } = (this as unknown as { connection: { stream: Socket } }).connection;
    if (!sockets.has(stream)) sockets.set(stream, { read: stream.bytesRead, written: stream.bytesWritten });
    return Reflect.apply(query, this, args);
  } as typeof query;
  try {
    await act();
  } finally {
    pg.Client.prototype.query = query;
  }
  for (const [stream, { read, written }] of sockets) {
    work.received += stream.bytesRead - read;
    work.sent += stream.bytesWritten - written;
  }
  return work;
}

test('a chunk takes as many statements with 1,000 rows as with 100, and no value travels more often than needed', async () => {
  await world.exec('create table account (id integer primary key, token text)');
  const rows = Array.from({ length: 2200 }, (_, i) => sealLegacy(`secret ${i}`.padEnd(30), oldKey));
  await world.exec('insert into account select n, t from unnest($1::text[]) with ordinality as u (t, n)', [
    rows,
  ]);
  const valueBytes = rows[0]?.length ?? 0;
  const stage = await Stage.open({ url: world.url } as never, oldKey, newKey, {
    job: join(folder, 'job.yaml'),
  });
  try {
    const planned = await stage.plan();
    const run = await stage.runs.become(planned, 'rotating');
    const [target] = run.job.targets;
    if (target === undefined) throw new Error('no target');
    const source = new RowSource(stage.database, null);
    for (const size of [100, 100, 1000, 1000])
      await new Planner(source, stage.chunks, stage.figures, size).planNext(target);
    const worker = await stage.worker();
    try {
      // The first chunk also reads the catalog and prepares the statements
      await worker.take(1);
      const small = await workOf(() => worker.take(2));
      const large = await workOf(() => worker.take(3));
      expect(large.statements).toBe(small.statements);
      expect(large.statements).toBeLessThanOrEqual(13);
      const perRow = (bytes: (work: Work) => number): number => (bytes(large) - bytes(small)) / 900;
      expect(perRow(({ received }) => received)).toBeLessThan(valueBytes + 20);
      // The old value, the new one, the row id, and a length for each; two digests of 8 bytes, as hex
      expect(perRow(({ sent }) => sent)).toBeLessThan(2 * valueBytes + 60);

      const rotated = await stage.runs.become(run, 'rotated');
      const verifying = await stage.runs.become(rotated, 'verifying');
      await stage.runs.beginRound(verifying, 1);
      await worker.take(1);
      const read = await workOf(() => worker.take(2));
      const readMore = await workOf(() => worker.take(3));
      expect(readMore.statements).toBe(read.statements);
      expect(readMore.statements).toBeLessThanOrEqual(12);
      expect((readMore.received - read.received) / 900).toBeLessThan(valueBytes + 60);
      expect((readMore.sent - read.sent) / 900).toBeLessThan(1);
    } finally {
      await worker.close();
    }
  } finally {
    await stage.close();
  }
});
