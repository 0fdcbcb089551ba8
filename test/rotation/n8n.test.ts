import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FixtureName, postgresFixture, renameTables, sqliteFixture } from '../support/n8n/fixture.ts';
import { digestOfTheRest } from '../support/n8n/rest.ts';
import * as shapes from '../support/n8n/shapes.ts';
import type { Place } from '../support/n8n/store.ts';
import { expectEverySecret, stillUnder, type Truth, truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';
import { type Ended, Stage } from './stage.ts';

const newKey = 'the new instance key/0123456789+';
const thirdKey = 'a third instance key, ünïcödé';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-rotation-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

async function placeOf(name: FixtureName): Promise<Place> {
  return name === 'legacy-postgres'
    ? postgresFixture((await createDatabase()).url)
    : sqliteFixture(name, dir);
}

async function rotate(place: Place, current: string, next: string, workers = 1): Promise<Ended> {
  const stage = await Stage.open(place, current, next, { workers });
  try {
    return await stage.finish();
  } finally {
    await stage.close();
  }
}

function expectReconciled({ totals }: Ended): void {
  for (const { ranges } of totals.values()) {
    const tally = ranges?.tally;
    expect(tally?.values).toBe(
      (tally?.rotated ?? 0) +
        (tally?.current ?? 0) +
        (tally?.empty ?? 0) +
        (tally?.lookAlikes ?? 0) +
        (tally?.undecided ?? 0) +
        (tally?.exceptions ?? 0),
    );
    expect(ranges?.verification.proven).toBe(tally?.rows);
    expect(ranges?.verification.rows).toBe(tally?.rows);
  }
}

async function expectRotated(place: Place, truth: Truth, key: string, ended: Ended): Promise<void> {
  expect(ended.error).toBeUndefined();
  expect(ended.run.state).toBe('verified');
  expect(await expectEverySecret(place, key, truth)).toEqual([]);
  expect(await dependents(place, truth)).toEqual([]);
  expectReconciled(ended);
}

/** What still depends on the old key; a value in clear depends on no key, and reads with any. */
async function dependents(place: Place, truth: Truth): Promise<string[]> {
  const inClear = await stillUnder(place, 'a key that nothing was ever sealed with', truth);
  return (await stillUnder(place, truth.instanceKey, truth)).filter((at) => !inClear.includes(at));
}

describe.each<FixtureName>(['legacy-sqlite', 'mixed-sqlite', 'legacy-postgres'])('the fixture %s', (name) => {
  test('has the same content with the new key as with the old one, and a second rotation works too', async () => {
    const place = await placeOf(name);
    const truth = truthOf(name);
    const rest = await digestOfTheRest(place);
    await expectRotated(place, truth, newKey, await rotate(place, truth.instanceKey, newKey, 2));
    expect(await digestOfTheRest(place)).toEqual(rest);
    const again = await rotate(place, newKey, thirdKey, 2);
    expect(again.error).toBeUndefined();
    expect(await expectEverySecret(place, thirdKey, truth)).toEqual([]);
    expect(await stillUnder(place, newKey, truth)).toEqual([]);
    expect(await digestOfTheRest(place)).toEqual(rest);
  });
});

type Shape = (place: Place, truth: Truth) => Promise<Truth>;
const older: readonly (readonly [string, Shape])[] = [
  ['up to 2.17, without deployment_key', shapes.upTo217],
  ['with an empty deployment_key', shapes.emptyDeploymentKey],
  ['2.18, with data keys in clear', shapes.clearDataKeys],
  ['2.19, with data keys in the legacy form', shapes.cbcDataKeys],
  ['with the instance key in clear in the cbc row', shapes.clearLegacyKey],
  ['with signing secrets in clear', shapes.clearSigning],
  ['with a JWE key', shapes.withJwe],
  [
    'with waiting executions',
    (place, truth) => shapes.withExecutions(place, truth, { count: 25, lucky: true }),
  ],
  [
    'whose legacy key differs',
    (place, truth) => shapes.otherInstanceKey(place, truth, 'another instance key'),
  ],
  ['under a key of other letters', (place, truth) => shapes.underKey(place, truth, 'ключ — ü €')],
  ['under a very short key', (place, truth) => shapes.underKey(place, truth, 'k')],
];

describe.each(older)('an n8n %s', (_, shape) => {
  test.each<FixtureName>(['legacy-sqlite', 'mixed-sqlite', 'legacy-postgres'])(
    'is rotated: %s',
    async (name) => {
      const place = await placeOf(name);
      const truth = await shape(place, truthOf(name));
      const rest = await digestOfTheRest(place);
      await expectRotated(place, truth, newKey, await rotate(place, truth.instanceKey, newKey));
      expect(await digestOfTheRest(place)).toEqual(rest);
    },
  );
});

describe('an n8n with', () => {
  test.each<FixtureName>(['legacy-sqlite', 'legacy-postgres'])(
    'a table prefix is rotated: %s',
    async (name) => {
      const place = await renameTables(await placeOf(name), 'n8n_');
      const truth = truthOf(name);
      await expectRotated(place, truth, newKey, await rotate(place, truth.instanceKey, newKey));
    },
  );

  test('a schema of its own is rotated, and the schema beside it is not', async () => {
    const { url } = await createDatabase();
    const truth = truthOf('legacy-postgres');
    const neighbour = await postgresFixture(url);
    const place = await postgresFixture(url, { schema: 'Automation' });
    await expectRotated(place, truth, newKey, await rotate(place, truth.instanceKey, newKey));
    expect(await expectEverySecret(neighbour, truth.instanceKey, truth)).toEqual([]);
  });
});
