import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { finishRun } from '../../src/rotation/finish-run.ts';
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

test('a table that another session has locked is named with that session, and the run continues after it', async () => {
  const place = await places.many('postgres', credentials, oldKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  const run = await stage.plan();
  const other = new pg.Client({ connectionString: place.url.split('?')[0], application_name: 'a migration' });
  await other.connect();
  await other.query('begin');
  const { rows } = await other.query<{ name: string }>(
    "select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where tablename = 'credentials_entity'",
  );
  await other.query(`lock table ${rows[0]?.name} in access exclusive mode`);
  const waits: string[] = [];
  let released = false;
  const progress = ({ run: { waiting } }: { readonly run: { readonly waiting: string | null } }): void => {
    if (waiting === null) return;
    waits.push(waiting);
    if (released || !waiting.includes('credentials_entity')) return;
    released = true;
    void other.query('rollback').then(() => other.end());
  };
  const finished = await finishRun({ ...stage.site(), progress }, await stage.locked(), run, stage.keys);
  expect(finished.state).toBe('verified');
  expect(waits.join('; ')).toMatch(
    /holds a lock on a table \(credentials_entity: a migration \(process \d+\)/,
  );
  expect(await expectMany(place, newKey, { credentials })).toEqual([]);
});
