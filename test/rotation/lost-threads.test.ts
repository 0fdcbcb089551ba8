import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { finishRun } from '../../src/rotation/finish-run.ts';
import type { Progress } from '../../src/rotation/progress.ts';
import { startProxy } from '../queue/proxy.ts';
import { expectMany } from '../support/n8n/many.ts';
import { Places } from './places.ts';
import { Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 30;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

test('a run whose threads get no connection, while its coordinator has one, waits for the database', async () => {
  const place = await places.many('postgres', credentials, oldKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  const run = await stage.plan();
  const url = new URL(place.url);
  const proxy = await startProxy(Number(url.port));
  await proxy.cut();
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  const waits: unknown[] = [];
  const progress = ({ waitingFor }: Progress): void => {
    if (waitingFor !== 'database') return;
    waits.push(waitingFor);
    if (waits.length === 1) void proxy.mend();
  };
  const site = { ...stage.site(), databaseUrl: url.href, progress };
  const finished = await finishRun(site, await stage.locked(), run, stage.keys);
  await proxy.cut();
  expect(finished.state).toBe('verified');
  expect(waits).not.toEqual([]);
  expect(await expectMany(place, newKey, { credentials })).toEqual([]);
});
