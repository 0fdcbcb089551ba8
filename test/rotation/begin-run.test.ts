import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Key } from '../../src/keys/key.ts';
import { type BeginStep, beginRun, type NewRotation, resumeRun } from '../../src/rotation/begin-run.ts';
import { sealLegacy, wrap } from '../support/n8n/encrypt.ts';
import { expectMany } from '../support/n8n/many.ts';
import { withStore } from '../support/n8n/store.ts';
import { createDatabase } from '../support/postgres.ts';
import { Places } from './places.ts';
import { Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 12;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

/** An n8n database of a version that derives its secrets from the instance key: nothing pins them. */
async function staged(): Promise<{ stage: Stage; keyFile: string }> {
  const place = await places.many('sqlite', credentials, oldKey);
  await withStore(place, (store) =>
    store.run("delete from deployment_key where type <> 'data_encryption'", []),
  );
  return {
    stage: places.closing(await Stage.open(place, oldKey, newKey)),
    keyFile: join(places.dir, 'the new.key'),
  };
}

async function rotationOf(
  stage: Stage,
  keyFile: string,
  more: Partial<NewRotation> = {},
): Promise<NewRotation> {
  return {
    current: stage.keys.current,
    next: { key: stage.keys.next, path: keyFile, mustWrite: true, generated: false, warnings: [] },
    found: await stage.preflight(),
    options: { onException: 'stop', maxExceptions: 100, chunkRows: 10, chunkTimeoutMs: null },
    authority: { operator: 'a test' },
    ...more,
  };
}

/** Whether a run is in the database. */
async function hasRun({ database, runs }: Stage): Promise<boolean> {
  return (await database.knex.schema.hasTable('keyturn_run')) && (await runs.list()).length > 0;
}

describe('a run begins', () => {
  test('with its key on disk, then the derived secrets, and with its row last', async () => {
    const { stage, keyFile } = await staged();
    const seen: { step: BeginStep; key: boolean; run: boolean }[] = [];
    const steps: Promise<void>[] = [];
    const note = (step: BeginStep): void => {
      const key = existsSync(keyFile);
      steps.push(hasRun(stage).then((run) => void seen.push({ step, key, run })));
    };
    const run = await beginRun(stage.site(), await stage.locked(), await rotationOf(stage, keyFile), note);
    await Promise.all(steps);
    expect(seen).toMatchObject([
      { step: { secretsFile: `${keyFile}.derived-secrets.env` }, key: true, run: false },
    ]);
    expect(readFileSync(keyFile, 'utf8')).toBe(newKey);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(run).toMatchObject({ kind: 'rotation', state: 'planned', toKeyId: Key.fromText(newKey).id });
  });

  test('only if its key file can be written: a file that exists is not overwritten, and there is no run', async () => {
    const { stage, keyFile } = await staged();
    writeFileSync(keyFile, 'something else');
    const rotation = await rotationOf(stage, keyFile);
    await expect(beginRun(stage.site(), await stage.locked(), rotation)).rejects.toMatchObject({
      code: 'key-file-differs',
      exitCode: 2,
    });
    expect(readFileSync(keyFile, 'utf8')).toBe('something else');
    expect(await hasRun(stage)).toBe(false);
  });

  test('only if the last one is finished', async () => {
    const { stage, keyFile } = await staged();
    const rotation = await rotationOf(stage, keyFile);
    const first = await beginRun(stage.site(), await stage.locked(), rotation);
    const second = {
      ...rotation,
      next: { ...rotation.next, key: Key.fromText('a third key'), path: join(places.dir, 'third.key') },
    };
    await expect(beginRun(stage.site(), await stage.locked(), second)).rejects.toMatchObject({
      code: 'run-unfinished',
      exitCode: 2,
      facts: { run: first.id },
      message: expect.stringContaining(first.id),
    });
    expect(existsSync(second.next.path)).toBe(false);
    expect(await stage.runs.list()).toMatchObject([{ id: first.id }]);
  });

  test('only under a lock that is still held', async () => {
    const { stage, keyFile } = await staged();
    const lost = Promise.reject(new Error('the lock was lost'));
    lost.catch(() => {});
    const lock = { ...(await stage.locked()), lost };
    await expect(beginRun(stage.site(), lock, await rotationOf(stage, keyFile))).rejects.toThrow(
      'the lock was lost',
    );
    expect(existsSync(keyFile)).toBe(false);
    expect(await hasRun(stage)).toBe(false);
  });

  test('only if what was found can be rotated: undeclared ciphertext is refused', async () => {
    const { stage, keyFile } = await staged();
    const rotation = await rotationOf(stage, keyFile);
    const undeclared = [{ table: 'notes', column: 'body', values: 1, lookAlikes: 0 }];
    const found = { ...rotation.found, inventory: { ...rotation.found.inventory, undeclared } };
    await expect(beginRun(stage.site(), await stage.locked(), { ...rotation, found })).rejects.toMatchObject({
      code: 'undeclared-ciphertext',
      exitCode: 2,
    });
    expect(existsSync(keyFile)).toBe(false);
  });
});

test('a column is widened before the run is inserted, and only with consent', async () => {
  const world = await createDatabase();
  try {
    const long = 'x'.repeat(60);
    const job = join(places.dir, 'narrow.yaml');
    writeFileSync(
      job,
      `job: narrow
title: Narrow
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: secrets, column: secret, format: n8n }]
phases:
  - name: values
    targets: [{ table: secrets, fields: [{ column: secret, format: n8n, plaintext: utf8 }] }]
  - name: keys
    targets: [{ table: keys, fields: [{ column: value, format: n8n-wrapped, becomes: primary }] }]
`,
    );
    await world.exec(`create table secrets (id integer primary key, secret text not null);
      create table keys (id integer primary key, value varchar(92) not null);
      insert into secrets values (1, '${sealLegacy('a secret', oldKey)}');
      insert into keys values (1, '${wrap(oldKey, oldKey)}')`);
    const stage = await Stage.open({ url: world.url }, oldKey, long, { job });
    try {
      const catalog = await stage.database.catalog();
      expect(catalog.map(({ name }) => name).sort()).toEqual(['keys', 'secrets']);
      const keyFile = join(places.dir, 'long.key');
      const found = await stage.preflight();
      const rotation = await rotationOf(stage, keyFile, { found });
      await expect(beginRun(stage.site(), await stage.locked(), rotation)).rejects.toMatchObject({
        code: 'column-too-narrow',
      });
      expect(existsSync(keyFile)).toBe(false);
      const steps: BeginStep[] = [];
      const consented = { ...rotation, upgradeDatabase: true };
      await beginRun(stage.site(), await stage.locked(), consented, (step) => steps.push(step));
      expect(steps).toMatchObject([{ widened: { table: 'keys', column: 'value', width: 92 } }]);
    } finally {
      await stage.close();
    }
  } finally {
    await world.close();
  }
});

describe('a run that continues', () => {
  test('has its key on disk again before it goes on, and its changed options in its row', async () => {
    const { stage, keyFile } = await staged();
    const run = await stage.plan();
    const keys = {
      current: stage.keys.current,
      next: { key: stage.keys.next, path: keyFile, mustWrite: true, generated: false, warnings: [] },
    };
    const resumed = await resumeRun(stage.site(), run, keys, { options: { chunkRows: 3 }, decisions: [] });
    expect(readFileSync(keyFile, 'utf8')).toBe(newKey);
    expect(resumed.options.chunkRows).toBe(3);
    expect((await stage.run()).options.chunkRows).toBe(3);
    expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
    expect(await expectMany(stage.place, newKey, { credentials })).toEqual([]);
  });

  test('must not be verified: nothing is left to retry', async () => {
    const { stage } = await staged();
    expect((await stage.finish()).error).toBeUndefined();
    const { error, run } = await stage.retry();
    expect(error).toMatchObject({ code: 'run-state', exitCode: 2 });
    expect(run.state).toBe('verified');
  });
});
